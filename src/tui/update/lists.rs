//! Moving about in a list.

use crate::tui::{
    action::Action,
    list::{ListModel, Rows},
};

/// Takes an action in a list whose newest row is at the top.
pub fn move_newest_first(list: &mut ListModel, rows: &Rows, action: Action, height: usize) {
    let page = isize::try_from(height).unwrap_or(isize::MAX);
    match action {
        Action::Up => list.step(rows, 1, height),
        Action::Down => list.step(rows, -1, height),
        Action::PageUp => list.step(rows, page, height),
        Action::PageDown => list.step(rows, -page, height),
        Action::First => list.set_follow(true, rows, height),
        Action::Last => list.step(rows, isize::MIN + 1, height),
        _ => {}
    }
}

/// Takes an action in a list whose newest row is at the bottom.
pub fn move_newest_last(list: &mut ListModel, rows: &Rows, action: Action, height: usize) {
    let turned = match action {
        Action::Up => Action::Down,
        Action::Down => Action::Up,
        Action::PageUp => Action::PageDown,
        Action::PageDown => Action::PageUp,
        Action::First => Action::Last,
        Action::Last => Action::First,
        other => other,
    };
    move_newest_first(list, rows, turned, height);
}

/// Takes an action in a pane that scrolls, by so much at most.
pub fn scroll(scroll: &mut usize, most: usize, action: Action) {
    *scroll = match action {
        Action::Up => scroll.saturating_sub(1),
        Action::Down => scroll.saturating_add(1),
        Action::PageUp => scroll.saturating_sub(10),
        Action::PageDown => scroll.saturating_add(10),
        Action::First => 0,
        Action::Last => most,
        _ => *scroll,
    }
    .min(most);
}
