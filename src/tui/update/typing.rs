//! Typing a text: a view's filter, or what the palette is to find.

use super::{Command, cluster, decisions, events, recovery};
use crate::{
    api::ObjectRef,
    tui::{
        action::Action,
        model::{Model, Overlay, Page, View},
        palette::{Item, PaletteModel},
    },
};

/// How long a text can be.
const LIMIT: usize = 100;

/// Adds a character.
pub fn type_char(model: &mut Model, c: char) {
    let mut text = text(model);
    if text.chars().count() < LIMIT && !c.is_control() {
        text.push(c);
        set_text(model, text);
    }
}

/// Takes an action while a text is typed.
pub fn act(model: &mut Model, action: Action) -> Vec<Command> {
    match action {
        Action::TextAccept => return accept(model),
        Action::TextCancel => {
            if matches!(model.overlay, Some(Overlay::Palette(_))) {
                model.overlay = None;
            } else {
                model.typing = false;
                set_text(model, String::new());
            }
        }
        Action::TextErase => {
            let mut text = text(model);
            text.pop();
            set_text(model, text);
        }
        Action::TextClear => set_text(model, String::new()),
        Action::PaletteUp => step(model, -1),
        Action::PaletteDown => step(model, 1),
        _ => {}
    }
    Vec::new()
}

/// Opens the palette.
pub fn open_palette(model: &mut Model) {
    model.overlay = Some(Overlay::Palette(PaletteModel::new(model, String::new())));
}

fn step(model: &mut Model, by: isize) {
    if let Some(Overlay::Palette(palette)) = &mut model.overlay {
        palette.step(by);
    }
}

fn text(model: &Model) -> String {
    match &model.overlay {
        Some(Overlay::Palette(palette)) => palette.text.clone(),
        _ => model.text().clone(),
    }
}

fn set_text(model: &mut Model, text: String) {
    if matches!(model.overlay, Some(Overlay::Palette(_))) {
        model.overlay = Some(Overlay::Palette(PaletteModel::new(model, text)));
        return;
    }
    match model.view {
        View::Cluster => cluster::set_find(model, text),
        View::Decisions => decisions::set_text(model, text),
        View::Recovery => recovery::set_text(model, text),
        View::Events => events::set_text(model, text),
    }
}

fn accept(model: &mut Model) -> Vec<Command> {
    model.typing = false;
    let Some(Overlay::Palette(palette)) = &model.overlay else {
        return Vec::new();
    };
    let chosen = palette.chosen().cloned();
    model.overlay = None;
    match chosen {
        Some(Item::Action(action)) => return super::act(model, action),
        Some(Item::Object(object)) => go(model, object),
        None => {}
    }
    Vec::new()
}

/// Goes to an object where it is shown, else describes it.
fn go(model: &mut Model, object: ObjectRef) {
    if !cluster::jump(model, &object) {
        let page = Page::Describe(object);
        model.overlay = Some(Overlay::Page { page, scroll: 0 });
    }
}
