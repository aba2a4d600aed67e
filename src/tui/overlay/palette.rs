//! The palette: what is typed, and what was found.

use ratatui::layout::Rect;

use super::panel;
use crate::tui::{
    layout::{centered, take_top},
    palette::{Item, PaletteModel},
    text::width,
    theme::Meaning,
    widget::{Pen, pen::span},
};

/// Columns of the palette.
const COLUMNS: u16 = 84;
/// Rows that it has at most.
const ROWS: u16 = 18;

/// Draws the palette near the top, so that it does not jump while one types.
pub fn draw(pen: &mut Pen<'_>, area: Rect, palette: &PaletteModel) {
    let mut place = centered(area, COLUMNS, ROWS.min(area.height.saturating_sub(2)));
    place.y = area.y + u16::from(area.height > place.height);
    let found = format!("{} found", palette.items.len());
    let mut inner = panel(pen, place, &[span("Go to, or do", Meaning::Title)]);
    let line = take_top(&mut inner, 1);
    pen.right(line.x, line.y, line.width, &found, Meaning::Dim);
    let typed = format!(":{}_", palette.text);
    let room = line.width.saturating_sub(width(&found) + 1);
    pen.text(line.x, line.y, room, &typed, Meaning::Strong);
    let height = usize::from(inner.height);
    let first = (palette.cursor + 1).saturating_sub(height.max(1));
    let rows = palette.items.iter().enumerate().skip(first);
    for ((index, item), y) in rows.zip(inner.y..inner.bottom()) {
        let row = Rect {
            y,
            height: 1,
            ..inner
        };
        draw_item(pen, row, item);
        if index == palette.cursor {
            pen.restyle(row, Meaning::Selection);
        }
    }
    if palette.items.is_empty() {
        pen.text(
            inner.x,
            inner.y,
            inner.width,
            "nothing has these letters",
            Meaning::Dim,
        );
    }
}

fn draw_item(pen: &mut Pen<'_>, row: Rect, item: &Item) {
    let name = item.name();
    match item {
        Item::Action(action) => {
            let info = action.info();
            pen.text(row.x, row.y, 18.min(row.width), &name, Meaning::Text);
            let room = row.width.saturating_sub(19);
            pen.text(row.x + 19, row.y, 9.min(room), action.key(), Meaning::Key);
            let room = row.width.saturating_sub(29);
            pen.text(row.x + 29, row.y, room, info.description, Meaning::Dim);
        }
        Item::Object(_) => {
            pen.text(row.x, row.y, row.width, &name, Meaning::Text);
        }
    }
}
