//! Where everything goes, by the size of the terminal. The only place that decides it.

use ratatui::layout::{Position, Rect, Size};

use super::model::Zoom;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Less than anything useful: the first characters of the status.
    Tiny,
    /// From 20×5: the status and the worst problem.
    Line,
    /// From 60×16: a list without boxes.
    List,
    /// From 80×24: boxes; side panels become lines.
    Compact,
    /// From 120×36: everything.
    Full,
    /// From 160×45: everything, with room.
    Wide,
}

impl Class {
    /// The class of a size.
    #[must_use]
    pub const fn of(size: Size) -> Self {
        match (size.width, size.height) {
            (160.., 45..) => Self::Wide,
            (120.., 36..) => Self::Full,
            (80.., 24..) => Self::Compact,
            (60.., 16..) => Self::List,
            (20.., 5..) => Self::Line,
            _ => Self::Tiny,
        }
    }
}

/// The parts of the screen. A part for which there is no room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    pub tabs: Rect,
    /// The view.
    pub body: Rect,
    /// Details and pending pods, on the right.
    pub side: Rect,
    /// The last events.
    pub ticker: Rect,
    /// In place of the side panels: pending pods, selection.
    pub lines: Rect,
    /// Legend, or a toast.
    pub legend: Rect,
    pub footer: Rect,
}

impl Areas {
    /// The parts of a screen; `side` says whether the view has side panels and a ticker.
    #[must_use]
    pub fn new(size: Size, side: bool) -> Self {
        let class = Class::of(size);
        let mut rest = Rect::new(0, 0, size.width, size.height);
        let mut areas = Self::default();
        if class <= Class::Line {
            areas.body = rest;
            return areas;
        }
        areas.header = take_top(&mut rest, 1);
        areas.footer = take_bottom(&mut rest, 1);
        if class == Class::List {
            areas.legend = take_bottom(&mut rest, 1);
            areas.body = rest;
            return areas;
        }
        areas.tabs = take_top(&mut rest, 1);
        areas.legend = take_bottom(&mut rest, 1);
        if side && class == Class::Compact {
            areas.lines = take_bottom(&mut rest, 2);
        }
        if side && class >= Class::Full {
            areas.ticker = take_bottom(&mut rest, if class == Class::Wide { 7 } else { 5 });
            let width = if class == Class::Wide { 46 } else { 38 };
            areas.side = take_right(&mut rest, width);
        }
        areas.body = rest;
        areas
    }
}

/// Cuts rows off the top.
pub fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let taken = Rect {
        height: rows,
        ..*rest
    };
    rest.y += rows;
    rest.height -= rows;
    taken
}

/// Cuts rows off the bottom.
pub fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect {
        y: rest.y + rest.height,
        height: rows,
        ..*rest
    }
}

/// Cuts columns off the left.
pub fn take_left(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    let taken = Rect {
        width: columns,
        ..*rest
    };
    rest.x += columns;
    rest.width -= columns;
    taken
}

/// Cuts columns off the right.
pub fn take_right(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    rest.width -= columns;
    Rect {
        x: rest.x + rest.width,
        width: columns,
        ..*rest
    }
}

/// A box without its border.
#[must_use]
pub const fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

/// A box of at most so much in the middle of an area.
#[must_use]
pub fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(area.width);
    let height = height.min(area.height);
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// Columns before a line of cells.
pub const HEAT_NAME: u16 = 12;

/// The boxes of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub area: Rect,
    pub columns: usize,
    /// Rows of boxes that fit.
    pub rows: usize,
    /// Rows of boxes that there are.
    pub all_rows: usize,
}

impl Grid {
    /// Boxes for so many nodes.
    #[must_use]
    pub fn new(area: Rect, class: Class, nodes: usize, zoom: Zoom) -> Self {
        if class > Class::List && zoom != Zoom::Rows {
            return Self::small(area, nodes, zoom);
        }
        let narrowest = if class >= Class::Full { 38 } else { 26 };
        let most = usize::from(area.width / narrowest).max(1);
        let (columns, all_rows) = match class {
            // One node after the other.
            Class::Tiny | Class::Line | Class::List => (1, nodes),
            _ => {
                // As few rows as can be, then as few columns as these rows need.
                let rows = nodes.div_ceil(most).max(1);
                (nodes.div_ceil(rows).max(1), rows)
            }
        };
        let height = usize::from(area.height);
        let lowest = if all_rows * 7 <= height { 7 } else { 5 };
        let rows = (height / lowest).clamp(1, all_rows.max(1));
        Self {
            area,
            columns,
            rows,
            all_rows,
        }
    }

    /// A line for each node, or a cell; each line of cells has room for a name before it.
    fn small(area: Rect, nodes: usize, zoom: Zoom) -> Self {
        let mut area = area;
        let columns = match zoom {
            Zoom::Heat => {
                let name = HEAT_NAME.min(area.width / 3);
                take_left(&mut area, name);
                // Two columns for a cell where that shows all of them.
                let pairs = usize::from(area.width / 2).max(1);
                let fits = nodes.div_ceil(pairs) <= usize::from(area.height);
                let columns = if fits { pairs } else { usize::from(area.width) };
                // So that a cell is as wide as any other.
                area.width -= area.width % u16::try_from(columns).unwrap_or(1).max(1);
                columns
            }
            Zoom::Rows | Zoom::Tiles => usize::from(area.width / 26),
        };
        let columns = columns.max(1);
        Self {
            area,
            columns,
            rows: usize::from(area.height).max(1),
            all_rows: nodes.div_ceil(columns),
        }
    }

    /// The row of a node.
    #[must_use]
    pub const fn row_of(&self, place: usize) -> usize {
        place / self.columns
    }

    /// The first row to show so that a row is seen, moving as little as possible.
    #[must_use]
    pub fn scroll(&self, first: usize, row: usize) -> usize {
        let last_start = self.all_rows.saturating_sub(self.rows);
        let lowest = (row + 1).saturating_sub(self.rows);
        first.max(lowest).min(row).min(last_start)
    }

    /// The number, from the first that is shown, of the box at a place of the screen.
    #[must_use]
    pub fn at(&self, place: Position) -> Option<usize> {
        let mut cells = (0..self.rows).flat_map(|row| (0..self.columns).map(move |c| (row, c)));
        cells
            .find(|(row, column)| self.cell(*row, *column).contains(place))
            .map(|(row, column)| row * self.columns + column)
    }

    /// The box at a place on the screen: row and column from the top left.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Rect {
        let (x, width) = share(self.area.x, self.area.width, column, self.columns);
        let (y, height) = share(self.area.y, self.area.height, row, self.rows);
        Rect {
            x,
            y,
            width,
            height,
        }
    }
}

/// The part of a length that falls to one of several.
fn share(start: u16, length: u16, index: usize, of: usize) -> (u16, u16) {
    let edge = |index: usize| {
        let edge = usize::from(length) * index.min(of) / of.max(1);
        u16::try_from(edge).unwrap_or(length)
    };
    (
        start.saturating_add(edge(index)),
        edge(index + 1) - edge(index),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_class_follows_the_size() {
        let check = |width, height, class| assert_eq!(Class::of(Size::new(width, height)), class);
        check(160, 45, Class::Wide);
        check(160, 44, Class::Full);
        check(120, 36, Class::Full);
        check(119, 60, Class::Compact);
        check(80, 24, Class::Compact);
        check(80, 23, Class::List);
        check(60, 16, Class::List);
        check(20, 5, Class::Line);
        check(19, 60, Class::Tiny);
    }

    #[test]
    fn six_nodes_stand_in_two_columns_of_three() {
        let areas = Areas::new(Size::new(120, 36), true);
        let grid = Grid::new(areas.body, Class::Full, 6, Zoom::Rows);
        assert_eq!((grid.columns, grid.rows, grid.all_rows), (2, 3, 3));
        let compact = Areas::new(Size::new(80, 24), true);
        let grid = Grid::new(compact.body, Class::Compact, 6, Zoom::Rows);
        assert_eq!((grid.columns, grid.rows), (3, 2));
    }

    proptest! {
        #[test]
        fn all_parts_lie_on_the_screen_and_apart(width in 0u16..220, height in 0u16..80, side: bool) {
            let size = Size::new(width, height);
            let screen = Rect::new(0, 0, width, height);
            let a = Areas::new(size, side);
            let parts = [a.header, a.tabs, a.body, a.side, a.ticker, a.lines, a.legend, a.footer];
            let mut cells = 0;
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                prop_assert_eq!(part.intersection(screen), part);
                cells += part.area();
            }
            prop_assert_eq!(cells, screen.area());
        }

        #[test]
        fn the_selected_row_is_always_seen(
            width in 1u16..220, height in 1u16..80, nodes in 1usize..3000, first in 0usize..3000, place in 0usize..3000,
        ) {
            let size = Size::new(width, height);
            let zoom = [Zoom::Rows, Zoom::Tiles, Zoom::Heat][place % 3];
            let grid = Grid::new(Areas::new(size, true).body, Class::of(size), nodes, zoom);
            prop_assert!(grid.columns * grid.all_rows >= nodes);
            let row = grid.row_of(place.min(nodes - 1));
            let top = grid.scroll(first, row);
            prop_assert!(top <= row && row < top + grid.rows);
            for column in 0..grid.columns {
                let cell = grid.cell(row - top, column);
                prop_assert_eq!(cell.intersection(grid.area), cell);
            }
        }
    }
}
