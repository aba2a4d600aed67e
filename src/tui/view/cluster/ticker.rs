//! The last events, newest first.

use ratatui::layout::Rect;

use crate::tui::{
    action::Action,
    layout::inside,
    model::Model,
    theme::Meaning,
    view::events,
    widget::{Pen, pen::span},
};

/// Draws as many as fit.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let glyphs = pen.glyphs.plain;
    pen.frame(area, glyphs, Meaning::Border);
    let more = vec![
        span(Action::ViewEvents.key(), Meaning::Key),
        span(" all events", Meaning::Dim),
    ];
    pen.title(area, &[span("Events", Meaning::Title)], &[more]);
    let inner = inside(area);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    for (entry, y) in model.feed.newest().zip(inner.y..inner.bottom()) {
        events::row(
            pen,
            Rect {
                y,
                height: 1,
                ..inner
            },
            entry,
        );
    }
}
