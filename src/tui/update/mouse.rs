//! The mouse: a press selects, a second press opens, the wheel moves.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Command, act, cluster, decisions};
use crate::tui::{
    action::Action,
    layout::Class,
    model::{Model, Overlay, Pane, View},
    overlay,
    view::{self, chrome::tab_places},
};

/// Takes what the mouse did.
pub fn take(model: &mut Model, event: MouseEvent) -> Vec<Command> {
    let place = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => wheel(model, Action::Up, Action::ScrollUp, Action::PaletteUp),
        MouseEventKind::ScrollDown => {
            wheel(model, Action::Down, Action::ScrollDown, Action::PaletteDown)
        }
        MouseEventKind::Down(MouseButton::Left) => press(model, place),
        _ => Vec::new(),
    }
}

/// A step in the view, in the page, or in the palette.
fn wheel(model: &mut Model, rows: Action, page: Action, palette: Action) -> Vec<Command> {
    match &model.overlay {
        None => act(model, rows),
        Some(Overlay::Page { .. }) => {
            act(model, page);
            act(model, page)
        }
        Some(Overlay::Palette(_)) => act(model, palette),
        Some(Overlay::Faults | Overlay::Confirm { .. } | Overlay::Exports(_)) => Vec::new(),
    }
}

fn press(model: &mut Model, place: Position) -> Vec<Command> {
    if model.overlay.is_some() {
        // A page closes when one presses beside it. A menu and a question want a key.
        let beside = overlay::place(model).is_some_and(|page| !page.contains(place));
        return if beside {
            act(model, Action::ClosePage)
        } else {
            Vec::new()
        };
    }
    let tabs = tab_places(model.areas().tabs);
    if let Some((view, _)) = tabs.iter().find(|(_, tab)| tab.contains(place)) {
        return act(model, view.action());
    }
    let again = match model.view {
        View::Cluster => press_cluster(model, place),
        View::Decisions => view::decisions::at(model, place).is_some_and(|number| {
            let same = model.decisions.list.cursor == number;
            decisions::choose(model, number);
            same
        }),
        View::Recovery => view::recovery::at(model, place).is_some_and(|id| {
            let height = view::recovery::rows(model);
            let same = model.recovery.list.cursor == id;
            model.recovery.list.select(id, model.tracks.rows(), height);
            same
        }),
        View::Events => view::events::at(model, place).is_some_and(|seq| {
            let height = view::events::rows(model);
            let same = model.events.list.cursor == seq;
            model.events.list.select(seq, model.feed.rows(), height);
            same
        }),
    };
    if again {
        return act(model, Action::Open);
    }
    Vec::new()
}

/// Selects the node at a place, or the pod in its row; says whether it was selected already.
fn press_cluster(model: &mut Model, place: Position) -> bool {
    if model.class() <= Class::List {
        return false;
    }
    let grid = model.grid();
    let Some(index) = grid.at(place) else {
        return false;
    };
    let number = model.cluster.first_row * grid.columns + index;
    let Some(node) = model.census.nodes.get(number).cloned() else {
        return false;
    };
    let cell = grid.cell(index / grid.columns, index % grid.columns);
    let pods = cluster::pods_on(model, &node);
    // Border and gauges are above the pods. Of a box that does not show all of its pods, only the node is selected.
    let fits = pods.len() + 3 <= usize::from(cell.height);
    let row = place.y.checked_sub(cell.y + 2).filter(|_| fits);
    let pod = row.and_then(|row| pods.get(usize::from(row)).cloned());
    let same = model.cluster.pane == Pane::Nodes
        && model.cluster.node.as_ref() == Some(&node)
        && model.cluster.pod == pod;
    model.cluster.pane = Pane::Nodes;
    model.cluster.node = Some(node);
    model.cluster.pod = pod;
    same
}
