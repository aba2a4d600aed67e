//! What lies over a view: help, details, the menu of faults, a question.

mod help;

use ratatui::layout::Rect;

use super::{
    action::Action,
    layout::{centered, inside},
    model::{Model, Overlay},
    text::{width, wrap},
    theme::Meaning,
    update::fault,
    view::details::{self, Line},
    widget::{
        Pen,
        pen::{Span, span},
    },
};

/// Columns of a page.
const PAGE: u16 = 100;

/// Draws the overlay, if there is one.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    match &model.overlay {
        None => {}
        Some(Overlay::Help { scroll }) => page(model, pen, area, *scroll),
        Some(Overlay::Details { scroll }) => page(model, pen, area, *scroll),
        Some(Overlay::Faults) => faults(model, pen, area),
        Some(Overlay::Confirm { question, .. }) => confirm(pen, area, question),
    }
}

/// Scrolls the page.
pub fn scroll(model: &mut Model, by: isize) {
    let place = page_place(model, Rect::new(0, 0, model.size.width, model.size.height));
    let lines = page_lines(model, inside(place).width.saturating_sub(2)).len();
    let most = lines.saturating_sub(usize::from(inside(place).height));
    if let Some(Overlay::Help { scroll } | Overlay::Details { scroll }) = &mut model.overlay {
        *scroll = scroll.saturating_add_signed(by).min(most);
    }
}

fn page_place(model: &Model, area: Rect) -> Rect {
    let columns = PAGE.min(area.width);
    let lines = page_lines(model, columns.saturating_sub(4)).len();
    let rows = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    centered(
        area,
        columns,
        rows.min(area.height.saturating_sub(2)).max(3),
    )
}

fn page_lines(model: &Model, columns: u16) -> Vec<Line> {
    match &model.overlay {
        Some(Overlay::Help { .. }) => help::lines(model),
        Some(Overlay::Details { .. }) => details::full(model, columns),
        _ => Vec::new(),
    }
}

fn page(model: &Model, pen: &mut Pen<'_>, area: Rect, scroll: usize) {
    let place = page_place(model, area);
    let title = match (&model.overlay, model.target()) {
        (Some(Overlay::Help { .. }), _) => "Keys".to_owned(),
        (_, Some(target)) => target.to_string(),
        _ => "Details".to_owned(),
    };
    let inner = panel(pen, place, &[span(title, Meaning::Title)]);
    let lines = page_lines(model, inner.width);
    let shown = usize::from(inner.height);
    let first = scroll.min(lines.len().saturating_sub(shown));
    crate::tui::view::draw_lines(pen, inner, lines.get(first..).unwrap_or_default());
    if lines.len() > shown {
        let text = format!(
            " {} to {} of {} ",
            first + 1,
            (first + shown).min(lines.len()),
            lines.len()
        );
        let bottom = place.bottom().saturating_sub(1);
        pen.right(
            place.x,
            bottom,
            place.width.saturating_sub(2),
            &text,
            Meaning::Dim,
        );
    }
}

/// An empty box over what was there; returns what is inside, a column in.
fn panel(pen: &mut Pen<'_>, place: Rect, title: &[Span<'_>]) -> Rect {
    pen.clear(place);
    let glyphs = pen.glyphs.plain;
    pen.frame(place, glyphs, Meaning::Focus);
    pen.title(place, title, &[]);
    let inner = inside(place);
    Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// Above the footer, as editors show what can follow a key.
fn faults(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let rows = u16::try_from(fault::MENU.len()).unwrap_or(0) + 2;
    let columns = 76.min(area.width);
    let mut place = centered(area, columns, rows);
    place.y = area.bottom().saturating_sub(place.height + 1).max(area.y);
    let target = model
        .target()
        .map_or(String::new(), |target| target.to_string());
    let title = [
        span(Action::Faults.key(), Meaning::Key),
        span(format!(" fault on {target}"), Meaning::Title),
    ];
    let inner = panel(pen, place, &title);
    for (action, y) in fault::MENU.into_iter().zip(inner.y..inner.bottom()) {
        let refusal = fault::refusal(model, action);
        let info = action.info();
        let (key, label) = match refusal {
            None => (Meaning::Key, Meaning::Strong),
            Some(_) => (Meaning::Dim, Meaning::Dim),
        };
        pen.text(inner.x, y, 2, action.key(), key);
        pen.text(inner.x + 3, y, 16, info.label, label);
        let room = inner.width.saturating_sub(19);
        pen.text(
            inner.x + 19,
            y,
            room,
            refusal.unwrap_or(info.description),
            Meaning::Dim,
        );
    }
}

fn confirm(pen: &mut Pen<'_>, area: Rect, question: &str) {
    let columns = (width(question) + 6).clamp(30, 70).min(area.width);
    let lines = wrap(question, columns.saturating_sub(4));
    let rows = u16::try_from(lines.len()).unwrap_or(1).saturating_add(4);
    let place = centered(area, columns, rows);
    let inner = panel(pen, place, &[]);
    for (line, y) in lines.iter().zip(inner.y..inner.bottom()) {
        pen.text(inner.x, y, inner.width, line, Meaning::Strong);
    }
    let answers = [
        span(Action::Yes.key(), Meaning::Key),
        span(" yes   ", Meaning::Dim),
        span("any other key", Meaning::Key),
        span(" no", Meaning::Dim),
    ];
    let last = inner.bottom().saturating_sub(1);
    if last > inner.y {
        pen.spans(inner.x, last, inner.width, &answers);
    }
}
