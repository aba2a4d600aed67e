//! Many nodes: a line for each with a mark for each pod, or a cell for each with how much is requested of it.

use ratatui::layout::Rect;

use crate::{
    api::Name,
    tui::{
        census::Mark,
        layout::HEAT_NAME,
        model::{Model, Pane},
        node_state::NodeLook,
        pod_state::PodState,
        text::width,
        theme::Meaning,
        widget::Pen,
    },
};

/// The nodes on the screen: where each is drawn, its name, and what is known of it.
fn shown(model: &Model) -> impl Iterator<Item = (Rect, &Name, Mark)> {
    let grid = model.grid();
    let first = model.cluster.first_row * grid.columns;
    let nodes = model.census.nodes.iter().zip(model.census.marks.iter());
    let cells = (0..grid.rows).flat_map(move |row| (0..grid.columns).map(move |c| (row, c)));
    nodes
        .skip(first)
        .zip(cells)
        .map(move |((name, mark), (row, column))| (grid.cell(row, column), name, *mark))
}

/// How much of the node's CPU is requested, in percent.
fn percent(mark: &Mark) -> Option<i64> {
    let sum = mark.allocated;
    sum.cpu_milli.saturating_mul(100).checked_div(sum.cpu_of)
}

/// The colour of a share.
const fn warmth(percent: i64) -> Meaning {
    if percent >= 85 {
        Meaning::GaugeHigh
    } else {
        Meaning::Gauge
    }
}

fn is_selected(model: &Model, name: &Name) -> bool {
    model.cluster.pane == Pane::Nodes && model.cluster.node.as_ref() == Some(name)
}

/// A line for each node.
pub fn lines(model: &Model, pen: &mut Pen<'_>) {
    for (cell, name, mark) in shown(model) {
        line(model, pen, cell, name, &mark);
    }
}

fn line(model: &Model, pen: &mut Pen<'_>, cell: Rect, name: &Name, mark: &Mark) {
    let share = match percent(mark) {
        Some(percent) => format!("{percent}%"),
        None => pen.glyphs.dash.to_owned(),
    };
    let selected = is_selected(model, name);
    if selected {
        pen.text(cell.x, cell.y, 1, pen.glyphs.cursor, Meaning::Focus);
    }
    let tone = mark.look.meaning();
    let state = match mark.look {
        look if look.is_bad() => pen.glyphs.failed,
        NodeLook::Cordoned => pen.glyphs.cordoned,
        _ => "",
    };
    pen.text(cell.x + 1, cell.y, 1, state, tone);
    let room = cell.width.saturating_sub(3);
    let x = cell.x + 2;
    let wide = pen.text(x, cell.y, room.min(11), name, tone);
    if selected {
        let place = Rect {
            x,
            width: wide,
            ..cell
        };
        pen.restyle(place, Meaning::Selection);
    }
    let used = width(&share).max(4);
    let end = x + room;
    pen.right(
        end.saturating_sub(used),
        cell.y,
        used,
        &share,
        percent(mark).map_or(Meaning::Dim, warmth),
    );
    let mut at = x + wide.max(8) + 1;
    let last = end.saturating_sub(used + 1);
    let pods = model.snapshot.store.objects.pods_on(name);
    for (index, pod) in pods.enumerate() {
        if at + 1 >= last && index + 1 < usize::try_from(mark.allocated.pods).unwrap_or(0) {
            pen.text(at, cell.y, 1, pen.glyphs.ellipsis, Meaning::Dim);
            return;
        }
        if at >= last {
            return;
        }
        let (glyph, tone) = PodState::read(pod, &model.snapshot).mark(pen.glyphs);
        at += pen.text(at, cell.y, 1, glyph, tone);
    }
}

/// A cell for each node, and before each line the name of its first.
pub fn heat(model: &Model, pen: &mut Pen<'_>) {
    let levels = pen.glyphs.levels;
    let (failed, cordoned) = (pen.glyphs.failed, pen.glyphs.cordoned);
    let mut row = None;
    for (cell, name, mark) in shown(model) {
        if row != Some(cell.y) {
            row = Some(cell.y);
            let x = cell.x.saturating_sub(HEAT_NAME);
            pen.text(
                x + 1,
                cell.y,
                HEAT_NAME.saturating_sub(2),
                name,
                Meaning::Dim,
            );
        }
        let share = percent(&mark).unwrap_or(0).clamp(0, 100);
        let level = usize::try_from(share).unwrap_or(0) * (levels.len() - 1);
        let (glyph, tone) = match mark.look {
            look if look.is_bad() => (failed, look.meaning()),
            NodeLook::Cordoned => (cordoned, Meaning::NodeCordoned),
            NodeLook::Joining => (pen.glyphs.dot, Meaning::NodeJoining),
            // Nothing requested is drawn as well: there is a node.
            _ => match level.div_ceil(100) {
                0 => (pen.glyphs.dot, Meaning::GaugeEmpty),
                level => (levels.get(level).copied().unwrap_or(" "), warmth(share)),
            },
        };
        pen.text(cell.x, cell.y, 1, glyph, tone);
        if is_selected(model, name) {
            let place = Rect { width: 1, ..cell };
            pen.restyle(place, Meaning::Selection);
        }
    }
}
