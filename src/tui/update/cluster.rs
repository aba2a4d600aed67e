//! Moving about in the Cluster view.

use crate::{
    api::{Key, Kind, Name, ObjectRef},
    tui::{
        action::Action,
        model::{Model, Overlay, Pane, Selection, View},
    },
};

/// Takes an action of the Cluster view.
pub fn act(model: &mut Model, action: Action) {
    match (action, model.cluster.pane) {
        (Action::NextPane | Action::PrevPane, _) => next_pane(model),
        (Action::Open, _) => {
            if model.selection() != Selection::Nothing {
                model.overlay = Some(Overlay::Details { scroll: 0 });
            }
        }
        (Action::Back, Pane::Pending) => model.cluster.pane = Pane::Nodes,
        (Action::Back, Pane::Nodes) => model.cluster.pod = None,
        (_, Pane::Pending) => move_pending(model, action),
        (_, Pane::Nodes) => move_nodes(model, action),
    }
    reveal(model);
}

fn next_pane(model: &mut Model) {
    model.cluster.pane = match model.cluster.pane {
        Pane::Nodes if model.pending(1).next().is_some() => Pane::Pending,
        _ => Pane::Nodes,
    };
    if model.cluster.pane == Pane::Pending && model.cluster.pending.is_none() {
        model.cluster.pending = model.first_pending();
    }
}

fn move_pending(model: &mut Model, action: Action) {
    let rows: Vec<Key> = model.pending(500).map(|pod| pod.meta.key.clone()).collect();
    let here = rows
        .iter()
        .position(|key| Some(key) == model.cluster.pending.as_ref())
        .unwrap_or(0);
    let last = rows.len().saturating_sub(1);
    let there = match action {
        Action::Up => here.saturating_sub(1),
        Action::Down => (here + 1).min(last),
        Action::PageUp => here.saturating_sub(10),
        Action::PageDown => (here + 10).min(last),
        Action::First => 0,
        Action::Last => last,
        Action::Left => {
            model.cluster.pane = Pane::Nodes;
            here
        }
        _ => here,
    };
    model.cluster.pending = rows.get(there).cloned();
}

fn move_nodes(model: &mut Model, action: Action) {
    let nodes = &model.census.nodes;
    let last = nodes.len().saturating_sub(1);
    let grid = model.grid();
    let here = model
        .cluster
        .node
        .as_deref()
        .and_then(|node| model.census.place(node));
    let Some(place) = here else {
        model.cluster.node = nodes.front().cloned();
        return;
    };
    let page = grid.columns * grid.rows;
    let there = match action {
        Action::Left => place.saturating_sub(1),
        Action::Right => (place + 1).min(last),
        Action::First => 0,
        Action::Last => last,
        Action::PageUp => place.saturating_sub(page),
        Action::PageDown => (place + page).min(last),
        Action::Down => return down(model, place, grid.columns),
        Action::Up => return up(model, place, grid.columns),
        _ => return,
    };
    model.cluster.node = nodes.get(there).cloned();
    model.cluster.pod = None;
}

fn pods_on(model: &Model, node: &Name) -> Vec<Key> {
    let pods = model.snapshot.store.objects.pods_on(node);
    pods.map(|pod| pod.meta.key.clone()).collect()
}

/// To the node's next pod; after the last one, to the node below.
fn down(model: &mut Model, place: usize, columns: usize) {
    let Some(node) = model.census.nodes.get(place).cloned() else {
        return;
    };
    let pods = pods_on(model, &node);
    let next = match &model.cluster.pod {
        None => pods.first(),
        Some(pod) => pods.iter().skip_while(|key| *key != pod).nth(1),
    };
    if let Some(next) = next {
        model.cluster.pod = Some(next.clone());
    } else if let Some(below) = model.census.nodes.get(place + columns) {
        model.cluster.node = Some(below.clone());
        model.cluster.pod = None;
    }
}

/// To the node's pod before; from the first one to the node itself, then to the last pod of the node above.
fn up(model: &mut Model, place: usize, columns: usize) {
    let Some(node) = model.census.nodes.get(place).cloned() else {
        return;
    };
    if let Some(pod) = model.cluster.pod.take() {
        let pods = pods_on(model, &node);
        let here = pods.iter().position(|key| *key == pod).unwrap_or(0);
        model.cluster.pod = here
            .checked_sub(1)
            .and_then(|before| pods.get(before))
            .cloned();
    } else if let Some(above) = place
        .checked_sub(columns)
        .and_then(|above| model.census.nodes.get(above))
    {
        model.cluster.pod = pods_on(model, above).pop();
        model.cluster.node = Some(above.clone());
    }
}

/// Scrolls so that the selected node is seen.
pub fn reveal(model: &mut Model) {
    let grid = model.grid();
    let place = model
        .cluster
        .node
        .as_deref()
        .and_then(|node| model.census.place(node));
    let row = grid.row_of(place.unwrap_or(0));
    model.cluster.first_row = grid.scroll(model.cluster.first_row, row);
}

/// After the cluster changed: what was selected may be gone or elsewhere.
pub fn keep_selection(model: &mut Model) {
    let gone = model
        .cluster
        .node
        .as_deref()
        .is_none_or(|node| model.census.place(node).is_none());
    if gone {
        model.cluster.node = model.census.nodes.front().cloned();
        model.cluster.pod = None;
    }
    if let Some(key) = &model.cluster.pod {
        let there = model.pod(key).and_then(|pod| pod.node.clone());
        if there.is_none() || there != model.cluster.node {
            model.cluster.pod = None;
        }
    }
    let waits = |key: &Key| model.pod(key).is_some_and(|pod| pod.node.is_none());
    if model
        .cluster
        .pending
        .as_ref()
        .is_some_and(|key| !waits(key))
    {
        model.cluster.pending = model.first_pending();
        if model.cluster.pending.is_none() {
            model.cluster.pane = Pane::Nodes;
        }
    }
    reveal(model);
}

/// Selects an object in the Cluster view; false if it is not to be seen there.
pub fn jump(model: &mut Model, object: &ObjectRef) -> bool {
    match object.kind {
        Kind::Node if model.census.place(&object.key.name).is_some() => {
            model.cluster.node = Some(object.key.name.clone());
            model.cluster.pod = None;
            model.cluster.pane = Pane::Nodes;
        }
        Kind::Pod => match model.pod(&object.key).map(|pod| pod.node.clone()) {
            None => return false,
            Some(None) => {
                model.cluster.pending = Some(object.key.clone());
                model.cluster.pane = Pane::Pending;
            }
            Some(Some(node)) => {
                model.cluster.node = Some(node);
                model.cluster.pod = Some(object.key.clone());
                model.cluster.pane = Pane::Nodes;
            }
        },
        _ => return false,
    }
    super::show(model, View::Cluster);
    true
}
