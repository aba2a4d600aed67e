//! Moving about in the Events view.

use super::{cluster::jump, lists};
use crate::tui::{
    action::Action,
    feed::EntryKind,
    model::{Model, Overlay, Page},
    view::events::rows,
};

/// Takes an action of the Events view.
pub fn act(model: &mut Model, action: Action) {
    match action {
        Action::EventType => {
            model.events.kind = match model.events.kind {
                None => Some(EntryKind::Warning),
                Some(EntryKind::Warning) => Some(EntryKind::Fault),
                Some(_) => None,
            };
            refilter(model);
        }
        Action::Open => open(model),
        _ => {
            let height = rows(model);
            lists::move_newest_last(&mut model.events.list, model.feed.rows(), action, height);
        }
    }
}

/// Clears the filter; false if there is none.
pub fn clear(model: &mut Model) -> bool {
    if model.events.filter().is_empty() {
        return false;
    }
    model.events.kind = None;
    set_text(model, String::new());
    true
}

/// Shows only entries that contain a text.
pub fn set_text(model: &mut Model, text: String) {
    model.events.list.text = text;
    refilter(model);
}

fn refilter(model: &mut Model) {
    let filter = model.events.filter();
    model.feed.set_filter(filter);
    keep(model);
}

/// After the view's room or its rows changed.
pub fn keep(model: &mut Model) {
    let height = rows(model);
    model.events.list.keep(model.feed.rows(), height);
}

fn open(model: &mut Model) {
    let Some(object) = model.subject() else {
        return;
    };
    if jump(model, &object) {
        return;
    }
    if model.snapshot.store.objects.object(&object).is_some() {
        let page = Page::Describe(object);
        model.overlay = Some(Overlay::Page { page, scroll: 0 });
    } else {
        model.say(format!("{} {} is gone", object.kind, object.key.name));
    }
}
