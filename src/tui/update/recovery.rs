//! Moving about in the Recovery view.

use super::{cluster::jump, lists};
use crate::tui::{
    action::Action,
    model::Model,
    view::recovery::{most_scroll, rows},
};

/// Takes an action of the Recovery view.
pub fn act(model: &mut Model, action: Action) {
    match action {
        Action::NextPane | Action::PrevPane => model.recovery.inside = !model.recovery.inside,
        Action::Right => model.recovery.inside = true,
        Action::Left => model.recovery.inside = false,
        Action::Open => {
            if let Some(object) = model.subject()
                && !jump(model, &object)
            {
                model.say(format!("{} {} is gone", object.kind, object.key.name));
            }
        }
        _ if model.recovery.inside => {
            let most = most_scroll(model);
            lists::scroll(&mut model.recovery.scroll, most, action);
        }
        _ => {
            let before = model.recovery.list.cursor;
            let height = rows(model);
            let list = &mut model.recovery.list;
            lists::move_newest_first(list, model.tracks.rows(), action, height);
            if model.recovery.list.cursor != before {
                model.recovery.scroll = 0;
            }
        }
    }
}

/// After the view's room or its rows changed.
pub fn keep(model: &mut Model) {
    let height = rows(model);
    model.recovery.list.keep(model.tracks.rows(), height);
    model.recovery.scroll = model.recovery.scroll.min(most_scroll(model));
}

/// Out of the time axis, else out of the filter; false if neither.
pub fn clear(model: &mut Model) -> bool {
    if model.recovery.inside {
        model.recovery.inside = false;
        return true;
    }
    if model.recovery.list.text.is_empty() {
        return false;
    }
    set_text(model, String::new());
    true
}

/// Shows only incidents that contain a text.
pub fn set_text(model: &mut Model, text: String) {
    model.tracks.set_text(&text, &model.snapshot.store);
    model.recovery.list.text = text;
    keep(model);
}
