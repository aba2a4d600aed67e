//! Moving about in the Events view.

use super::cluster::jump;
use crate::tui::{
    action::Action,
    feed::EntryKind,
    model::{Model, View},
    view::events::rows,
};

/// Takes an action of the Events view.
pub fn act(model: &mut Model, action: Action) {
    let page = isize::try_from(rows(model)).unwrap_or(isize::MAX);
    match action {
        Action::Up => step(model, -1),
        Action::Down => step(model, 1),
        Action::PageUp => step(model, -page),
        Action::PageDown => step(model, page),
        Action::First => step(model, isize::MIN + 1),
        Action::Last => follow(model, true),
        Action::Follow => follow(model, !model.events.follow),
        Action::Filter => model.events.typing = true,
        Action::FilterAccept => model.events.typing = false,
        Action::FilterCancel => {
            model.events.typing = false;
            set_text(model, String::new());
        }
        Action::FilterErase => {
            let mut text = std::mem::take(&mut model.events.text);
            text.pop();
            set_text(model, text);
        }
        Action::FilterClear => set_text(model, String::new()),
        Action::EventType => {
            model.events.kind = match model.events.kind {
                None => Some(EntryKind::Warning),
                Some(EntryKind::Warning) => Some(EntryKind::Fault),
                Some(_) => None,
            };
            refilter(model);
        }
        Action::Open => open(model),
        Action::Back if model.events.filter().is_empty() => super::show(model, View::Cluster),
        Action::Back => {
            model.events.kind = None;
            set_text(model, String::new());
        }
        _ => {}
    }
}

/// Adds a character to the filter.
pub fn type_char(model: &mut Model, c: char) {
    if model.events.text.chars().count() < 100 && !c.is_control() {
        let mut text = std::mem::take(&mut model.events.text);
        text.push(c);
        set_text(model, text);
    }
}

fn set_text(model: &mut Model, text: String) {
    model.events.text = text;
    refilter(model);
}

fn refilter(model: &mut Model) {
    let filter = model.events.filter();
    model.feed.set_filter(filter);
    keep_cursor(model, model.events.cursor);
}

fn follow(model: &mut Model, follow: bool) {
    model.events.follow = follow;
    keep_cursor(model, model.events.cursor);
}

fn step(model: &mut Model, by: isize) {
    let Some((_, newest)) = model.feed.ends() else {
        return;
    };
    let from = if model.events.follow {
        newest
    } else {
        model.events.cursor
    };
    if let Some(cursor) = model.feed.step(from, by) {
        // At the newest entry it follows again, as a pager does at its end.
        model.events.follow = cursor == newest && by > 0;
        if by < 0 && from == newest {
            model.events.bottom = newest;
        }
        model.events.cursor = cursor;
    }
    reveal(model);
}

fn open(model: &mut Model) {
    let Some(object) = model
        .feed
        .get(model.events.cursor)
        .map(|entry| entry.object.clone())
    else {
        return;
    };
    if !jump(model, &object) {
        model.say(format!(
            "{} {} is not on the Cluster view",
            object.kind, object.key.name
        ));
    }
}

/// After entries came or went: the cursor stays with its entry, or goes to the one next to it.
pub fn keep_cursor(model: &mut Model, cursor: u64) {
    let Some((oldest, newest)) = model.feed.ends() else {
        model.events.cursor = 0;
        model.events.bottom = 0;
        return;
    };
    if model.events.follow {
        model.events.cursor = newest;
        model.events.bottom = newest;
        return;
    }
    let nearest = model.feed.step(cursor, 0).or_else(|| {
        model
            .feed
            .back_from(Some(cursor))
            .next()
            .map(|(seq, _)| seq)
    });
    model.events.cursor = nearest.unwrap_or(oldest);
    reveal(model);
}

/// Moves the window so that the cursor is in it.
pub fn reveal(model: &mut Model) {
    let rows = rows(model).max(1);
    let Some((oldest, newest)) = model.feed.ends() else {
        return;
    };
    let span = isize::try_from(rows - 1).unwrap_or(isize::MAX);
    let cursor = model.events.cursor.clamp(oldest, newest);
    // The window ends at the cursor at the earliest and `rows - 1` entries after it at the latest.
    let latest = model.feed.step(cursor, span).unwrap_or(newest);
    model.events.bottom = model.events.bottom.clamp(cursor, latest.max(cursor));
}
