//! The Cluster view: every node a box, its pods in rows; what waits for a node, and the selection, beside them.

mod list;
mod load;
mod node_box;
mod pod_row;
mod side;
mod ticker;
mod tiles;

pub use node_box::{Allocated, requests};
pub use pod_row::wordings;
pub use side::{draw_lines, reason};

use ratatui::layout::Rect;

use super::chrome::progress_line;
use crate::tui::{
    layout::{Areas, Class, centered},
    model::{Model, Zoom},
    text::width,
    theme::Meaning,
    widget::Pen,
};

/// Draws the view.
pub fn draw(model: &Model, pen: &mut Pen<'_>, areas: &Areas) {
    if model.census.nodes.is_empty() {
        starting(model, pen, areas.body);
    } else if model.class() == Class::List {
        list::draw(model, pen, areas.body);
    } else {
        match model.cluster.zoom {
            Zoom::Rows => boxes(model, pen),
            Zoom::Tiles => tiles::lines(model, pen),
            Zoom::Heat => tiles::heat(model, pen),
        }
    }
    if !areas.side.is_empty() {
        side::draw(model, pen, areas.side);
    }
    if !areas.lines.is_empty() {
        side::lines(model, pen, areas.lines);
    }
    if !areas.ticker.is_empty() {
        ticker::draw(model, pen, areas.ticker);
    }
}

fn boxes(model: &Model, pen: &mut Pen<'_>) {
    let grid = model.grid();
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let place = (model.cluster.first_row + row) * grid.columns + column;
            if let Some(name) = model.census.nodes.get(place) {
                node_box::draw(model, pen, grid.cell(row, column), name);
            }
        }
    }
}

/// Before there is anything to see: what is being prepared.
fn starting(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let progress = &model.snapshot.store.world.progress;
    let lines: Vec<String> = progress
        .iter()
        .map(|(what, (done, total))| progress_line(what, *done, *total))
        .collect();
    let widest = lines
        .iter()
        .map(|line| width(line))
        .max()
        .unwrap_or(0)
        .max(10);
    let rows = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let place = centered(area, widest, rows);
    pen.text(place.x, place.y, place.width, "starting…", Meaning::Strong);
    for (line, y) in lines.iter().zip((place.y..place.bottom()).skip(2)) {
        pen.text(place.x, y, place.width, line, Meaning::Progress);
    }
}
