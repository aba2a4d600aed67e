//! Lists of things that are numbered as they come: which row is selected, which part is on the screen.
//!
//! Events, decisions and incidents are such lists. A list knows the numbers of its rows and nothing of what they are, so
//! that no step of the cursor looks at more than what it passes.

use imbl::OrdSet;
use ratatui::layout::{Position, Rect};

/// The numbers of the rows that are shown, oldest first.
pub type Rows = OrdSet<u64>;

/// The row so many places from another: newer ones are positive. Stops at the ends.
#[must_use]
pub fn step(rows: &Rows, from: u64, by: isize) -> Option<u64> {
    let distance = by.unsigned_abs();
    let ahead = |seqs: &mut dyn Iterator<Item = &u64>| {
        let mut last = None;
        for seq in seqs.take(distance.saturating_add(1)) {
            last = Some(*seq);
        }
        last
    };
    if by < 0 {
        ahead(&mut rows.range(..=from).rev())
    } else {
        ahead(&mut rows.range(from..))
    }
}

/// Where a person is in a list.
#[derive(Clone, Debug)]
pub struct ListModel {
    /// Whether the newest row is selected, whatever comes.
    pub follow: bool,
    /// The selected row.
    pub cursor: u64,
    /// The newest row on the screen.
    pub edge: u64,
    /// Only rows that contain this are shown.
    pub text: String,
}

impl Default for ListModel {
    fn default() -> Self {
        Self {
            follow: true,
            cursor: 0,
            edge: 0,
            text: String::new(),
        }
    }
}

impl ListModel {
    /// Moves the cursor by so many rows; newer ones are positive.
    pub fn step(&mut self, rows: &Rows, by: isize, height: usize) {
        let Some(newest) = rows.get_max().copied() else {
            return;
        };
        let from = if self.follow { newest } else { self.cursor };
        if let Some(cursor) = step(rows, from, by) {
            // At the newest row it follows again, as a pager does at its end.
            self.follow = cursor == newest && by > 0;
            if from == newest {
                self.edge = newest;
            }
            self.cursor = cursor;
        }
        self.reveal(rows, height);
    }

    /// Follows the newest row, or stays where it is.
    pub fn set_follow(&mut self, follow: bool, rows: &Rows, height: usize) {
        self.follow = follow;
        self.keep(rows, height);
    }

    /// Selects a row.
    pub fn select(&mut self, number: u64, rows: &Rows, height: usize) {
        self.follow = false;
        self.cursor = number;
        self.keep(rows, height);
    }

    /// After rows came or went: the cursor stays with its row, or goes to the one next to it.
    pub fn keep(&mut self, rows: &Rows, height: usize) {
        let (Some(oldest), Some(newest)) = (rows.get_min().copied(), rows.get_max().copied())
        else {
            self.cursor = 0;
            self.edge = 0;
            return;
        };
        if self.follow {
            self.cursor = newest;
            self.edge = newest;
            return;
        }
        let nearest = step(rows, self.cursor, 0).or_else(|| rows.get_prev(&self.cursor).copied());
        self.cursor = nearest.unwrap_or(oldest);
        self.reveal(rows, height);
    }

    /// Moves the window so that the cursor is in it.
    pub fn reveal(&mut self, rows: &Rows, height: usize) {
        let (Some(oldest), Some(newest)) = (rows.get_min().copied(), rows.get_max().copied())
        else {
            return;
        };
        let span = isize::try_from(height.max(1) - 1).unwrap_or(isize::MAX);
        let cursor = self.cursor.clamp(oldest, newest);
        // The window begins at the cursor at the earliest and `height - 1` newer rows after it at the latest.
        let latest = step(rows, cursor, span).unwrap_or(newest);
        self.edge = self.edge.clamp(cursor, latest.max(cursor));
    }

    /// The row at a place of the screen, in a list whose newest row is at the top and whose rows are so many lines high.
    #[must_use]
    pub fn at(&self, rows: &Rows, area: Rect, lines: u16, place: Position) -> Option<u64> {
        if !area.contains(place) {
            return None;
        }
        let height = usize::from(area.height / lines.max(1));
        let row = usize::from((place.y - area.y) / lines.max(1));
        self.window(rows, height).nth(row)
    }

    /// The rows on the screen, newest first.
    pub fn window<'r>(&self, rows: &'r Rows, height: usize) -> impl Iterator<Item = u64> + 'r {
        rows.range(..=self.edge).rev().take(height).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_cursor_is_always_on_the_screen(
            numbers in proptest::collection::btree_set(1u64..200, 1..60),
            steps in proptest::collection::vec(-30isize..30, 1..30),
            height in 1usize..20,
        ) {
            let rows: Rows = numbers.into_iter().collect();
            let mut list = ListModel::default();
            list.keep(&rows, height);
            for by in steps {
                list.step(&rows, by, height);
                prop_assert!(rows.contains(&list.cursor));
                prop_assert!(list.window(&rows, height).any(|number| number == list.cursor));
            }
        }
    }

    #[test]
    fn it_follows_until_one_looks_back() {
        let mut rows: Rows = (1u64..=9).collect();
        let mut list = ListModel::default();
        list.keep(&rows, 3);
        assert_eq!(list.cursor, 9);
        rows.insert(10);
        list.keep(&rows, 3);
        assert_eq!(list.cursor, 10);
        list.step(&rows, -1, 3);
        rows.insert(11);
        list.keep(&rows, 3);
        assert_eq!((list.cursor, list.follow), (9, false));
        list.step(&rows, 50, 3);
        assert_eq!((list.cursor, list.follow), (11, true));
        list.select(4, &rows, 3);
        rows = (6u64..=11).collect();
        list.keep(&rows, 3);
        assert_eq!(list.cursor, 6);
    }
}
