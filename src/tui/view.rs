//! The screen as a function of the model: header, tabs, the view, footer, and what lies over them.

pub mod chrome;
pub mod cluster;
pub mod decisions;
mod describe;
pub mod details;
pub mod events;
pub mod recovery;
mod small;

pub use cluster::draw_lines;
pub use describe::{lines as describe, yaml, yaml_text};

use ratatui::{Frame, layout::Rect};

use super::{
    glyphs::Glyphs,
    layout::Class,
    model::{Model, View},
    overlay,
    theme::{Meaning, Theme},
    widget::Pen,
};

/// Draws everything.
pub fn view(model: &Model, theme: &Theme, glyphs: &Glyphs, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut pen = Pen::new(frame.buffer_mut(), theme, glyphs);
    draw(model, &mut pen, area);
}

/// Draws everything with a pen.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    pen.restyle(area, Meaning::Text);
    if model.class() <= Class::Line {
        small::draw(model, pen, area);
        overlay::draw(model, pen, area);
        return;
    }
    let areas = model.areas();
    chrome::header(model, pen, areas.header);
    chrome::tabs(model, pen, areas.tabs);
    match model.view {
        View::Cluster => cluster::draw(model, pen, &areas),
        View::Decisions => decisions::draw(model, pen, areas.body),
        View::Recovery => recovery::draw(model, pen, areas.body),
        View::Events => events::draw(model, pen, areas.body),
    }
    chrome::legend(model, pen, areas.legend);
    chrome::footer(model, pen, areas.footer);
    overlay::draw(model, pen, area);
}
