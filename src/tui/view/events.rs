//! The Events view: what was reported and what was done, newest last; the selected entry in full below.

use ratatui::layout::{Position, Rect};

use crate::tui::{
    feed::{Entry, EntryKind},
    layout::{Class, inside, take_bottom, take_top},
    model::Model,
    text::{width, wrap},
    theme::Meaning,
    widget::{Pen, pen::span},
};

struct Parts {
    status: Rect,
    heading: Rect,
    rows: Rect,
    detail: Rect,
}

fn parts(model: &Model, area: Rect) -> Parts {
    let mut rest = area;
    let status = take_top(&mut rest, 1);
    let heading = take_top(&mut rest, 1);
    let detail = match model.class() {
        Class::Tiny | Class::Line => 0,
        Class::List => 4,
        Class::Compact => 6,
        Class::Full | Class::Wide => 8,
    };
    let detail = take_bottom(&mut rest, detail);
    Parts {
        status,
        heading,
        rows: rest,
        detail,
    }
}

/// How many entries are on the screen.
#[must_use]
pub fn rows(model: &Model) -> usize {
    usize::from(parts(model, model.areas().body).rows.height)
}

/// The entry whose row is at a place of the screen. The newest is at the bottom.
#[must_use]
pub fn at(model: &Model, place: Position) -> Option<u64> {
    let rows = parts(model, model.areas().body).rows;
    if !rows.contains(place) {
        return None;
    }
    let height = usize::from(rows.height);
    let shown = model.feed.rows_back(model.events.list.edge);
    let shown: Vec<u64> = shown.take(height).map(|(seq, _)| seq).collect();
    let row = usize::from(place.y - rows.y);
    shown.iter().rev().nth(row).copied()
}

/// What an entry's kind means.
pub const fn meaning(kind: EntryKind) -> Meaning {
    match kind {
        EntryKind::Normal => Meaning::EventNormal,
        EntryKind::Warning => Meaning::EventWarning,
        EntryKind::Fault => Meaning::EventFault,
    }
}

/// Draws the view.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let parts = parts(model, area);
    status(model, pen, parts.status);
    let columns = Columns::new(parts.heading.width.saturating_sub(2));
    let heading = ["TIME", "TYPE", "REASON", "OBJECT", "MESSAGE"];
    let line = Rect {
        x: parts.heading.x + 1,
        width: parts.heading.width.saturating_sub(2),
        ..parts.heading
    };
    columns.draw(pen, line, heading, [Meaning::Dim; 5]);
    let height = usize::from(parts.rows.height);
    let shown: Vec<_> = model
        .feed
        .rows_back(model.events.list.edge)
        .take(height)
        .collect();
    for ((seq, entry), y) in shown.into_iter().rev().zip(parts.rows.y..) {
        let line = Rect {
            y,
            height: 1,
            ..parts.rows
        };
        row(
            pen,
            Rect {
                x: line.x + 1,
                width: line.width.saturating_sub(2),
                ..line
            },
            entry,
        );
        if seq == model.events.list.cursor {
            pen.text(line.x, y, 1, pen.glyphs.cursor, Meaning::Focus);
            pen.restyle(
                Rect {
                    x: line.x + 1,
                    width: line.width.saturating_sub(2),
                    ..line
                },
                Meaning::Selection,
            );
        }
    }
    detail(model, pen, parts.detail);
}

fn status(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let (all, shown) = model.feed.counts();
    let text = if model.events.list.text.is_empty() {
        "—"
    } else {
        &model.events.list.text
    };
    let kind = model.events.kind.map_or("all", EntryKind::as_str);
    let follow = if model.events.list.follow {
        pen.glyphs.follow
    } else {
        "off"
    };
    let left = [
        span("filter ", Meaning::Dim),
        span(text, Meaning::Strong),
        span("   type ", Meaning::Dim),
        span(kind, Meaning::Strong),
        span("   follow ", Meaning::Dim),
        span(follow, Meaning::Strong),
    ];
    let used = pen.spans(area.x + 1, area.y, area.width.saturating_sub(2), &left);
    let right = format!("showing {shown} of {all}");
    let room = area.width.saturating_sub(used + 4);
    if width(&right) <= room {
        pen.right(area.x + 2 + used, area.y, room, &right, Meaning::Dim);
    }
}

/// Widths of the five columns.
struct Columns([u16; 5]);

impl Columns {
    fn new(width: u16) -> Self {
        let fixed = match width {
            0..60 => [8, 0, 12, 16],
            60..110 => [8, 7, 17, 20],
            110..150 => [8, 7, 20, 30],
            _ => [8, 7, 24, 40],
        };
        let used: u16 = fixed
            .iter()
            .map(|column| if *column > 0 { column + 1 } else { 0 })
            .sum();
        let [time, kind, reason, object] = fixed;
        Self([time, kind, reason, object, width.saturating_sub(used)])
    }

    fn draw(&self, pen: &mut Pen<'_>, area: Rect, texts: [&str; 5], meanings: [Meaning; 5]) {
        let mut x = area.x;
        for ((column, text), meaning) in self.0.iter().zip(texts).zip(meanings) {
            if *column > 0 {
                let left = area.right().saturating_sub(x);
                pen.text(x, area.y, (*column).min(left), text, meaning);
                x += column + 1;
            }
        }
    }
}

/// Draws an entry in a row.
pub fn row(pen: &mut Pen<'_>, area: Rect, entry: &Entry) {
    let columns = Columns::new(area.width);
    let time = entry.at.to_string();
    let object = entry.object_text();
    let message = match entry.count {
        0 | 1 => entry.message.to_string(),
        count => format!("×{count} {}", entry.message),
    };
    let tone = meaning(entry.kind);
    columns.draw(
        pen,
        area,
        [&time, entry.kind.as_str(), &entry.reason, &object, &message],
        [Meaning::Dim, tone, tone, Meaning::Text, Meaning::Text],
    );
}

fn detail(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    if area.height < 3 {
        return;
    }
    let glyphs = pen.glyphs.plain;
    pen.frame(area, glyphs, Meaning::Border);
    let Some(entry) = model.feed.get(model.events.list.cursor) else {
        pen.title(area, &[span("no event", Meaning::Title)], &[]);
        return;
    };
    let title = format!("{} {}", entry.reason, entry.object);
    let from = format!("{} · {}", entry.source, entry.at);
    pen.title(
        area,
        &[span(title, meaning(entry.kind))],
        &[vec![span(from, Meaning::Dim)]],
    );
    let inner = inside(area);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let mut lines = wrap(&entry.message, inner.width);
    if entry.count > 1 {
        lines.push(format!("seen {} times", entry.count));
    }
    for (line, y) in lines.iter().zip(inner.y..inner.bottom()) {
        pen.text(inner.x, y, inner.width, line, Meaning::Text);
    }
}
