//! Moving about in the Cluster view.

use super::decisions;
use crate::{
    api::{Key, Kind, Name, ObjectRef, Time},
    tui::{
        action::Action,
        book,
        model::{Model, Overlay, Page, Pane, Selection, View, Zoom},
    },
};

/// Takes an action of the Cluster view.
pub fn act(model: &mut Model, action: Action) {
    match (action, model.cluster.pane) {
        (Action::NextPane | Action::PrevPane, _) => next_pane(model),
        (Action::Open, _) => open(model),
        (Action::Zoom, _) => {
            model.cluster.zoom = match model.cluster.zoom {
                Zoom::Rows => Zoom::Tiles,
                Zoom::Tiles => Zoom::Heat,
                Zoom::Heat => Zoom::Rows,
            };
        }
        (Action::FindNext, _) => find(model, true, false),
        (Action::FindPrev, _) => find(model, false, false),
        (_, Pane::Pending) => move_pending(model, action),
        (_, Pane::Nodes) => move_nodes(model, action),
    }
    reveal(model);
}

/// A pod's decision, if one is kept; else everything about it.
fn open(model: &mut Model) {
    let decided = match model.selection() {
        Selection::Nothing => return,
        Selection::Node(_) => None,
        Selection::Pod(key) => model.pod(&key).and_then(|pod| {
            let store = &model.snapshot.store;
            book::about(store, pod.meta.uid, Time::MAX).map(|decision| decision.number)
        }),
    };
    match (decided, model.subject()) {
        (Some(number), _) => decisions::select(model, number),
        (None, Some(object)) => {
            let page = Page::Describe(object);
            model.overlay = Some(Overlay::Page { page, scroll: 0 });
        }
        (None, None) => {}
    }
}

/// From the pending pods to the nodes, from a pod to its node.
pub fn back(model: &mut Model) {
    match model.cluster.pane {
        Pane::Pending => model.cluster.pane = Pane::Nodes,
        Pane::Nodes if !model.cluster.find.is_empty() => model.cluster.find.clear(),
        Pane::Nodes => model.cluster.pod = None,
    }
    reveal(model);
}

/// Looks for a text from where the selection is.
pub fn set_find(model: &mut Model, text: String) {
    model.cluster.find = text;
    find(model, true, true);
    reveal(model);
}

/// Goes to the next node, or pod on a node, whose name contains what is looked for; `here` says whether the selection
/// itself counts.
fn find(model: &mut Model, forward: bool, here: bool) {
    let text = model.cluster.find.to_lowercase();
    if text.is_empty() {
        return;
    }
    let found = found(model, &text, forward, here);
    match found {
        Some((node, pod)) => {
            model.cluster.node = Some(node);
            model.cluster.pod = pod;
            model.cluster.pane = Pane::Nodes;
        }
        None => model.say(format!("no node and no pod on a node contains {text:?}")),
    }
}

/// The nearest match in a direction, round the end.
fn found(model: &Model, text: &str, forward: bool, here: bool) -> Option<(Name, Option<Key>)> {
    let nodes = &model.census.nodes;
    let start = model
        .cluster
        .node
        .as_deref()
        .and_then(|node| model.census.place(node))
        .unwrap_or(0);
    let contains = |name: &str| name.to_lowercase().contains(text);
    // The node of the selection comes first for what follows the selection, and last for what is before it.
    for offset in 0..=nodes.len() {
        let place = match forward {
            true => (start + offset) % nodes.len().max(1),
            false => (start + nodes.len() * 2 - offset) % nodes.len().max(1),
        };
        let name = nodes.get(place)?;
        let mut rows: Vec<Option<Key>> = vec![None];
        rows.extend(pods_on(model, name).into_iter().map(Some));
        let at = rows
            .iter()
            .position(|row| *row == model.cluster.pod)
            .unwrap_or(0);
        let part = match (offset, forward) {
            (0, true) => at + usize::from(!here)..rows.len(),
            (0, false) => 0..at,
            // Round the end, at the node of the selection again.
            (_, true) if offset == nodes.len() => 0..at,
            (_, false) if offset == nodes.len() => at..rows.len(),
            _ => 0..rows.len(),
        };
        let hit = |row: &&Option<Key>| match row {
            None => contains(name),
            Some(key) => contains(&key.name),
        };
        let rows = rows.get(part).unwrap_or_default();
        let row = if forward {
            rows.iter().find(hit)
        } else {
            rows.iter().rev().find(hit)
        };
        if let Some(row) = row {
            return Some((name.clone(), row.clone()));
        }
    }
    None
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

/// The pods on a node, in their order.
pub fn pods_on(model: &Model, node: &Name) -> Vec<Key> {
    let pods = model.snapshot.store.objects.pods_on(node);
    pods.map(|pod| pod.meta.key.clone()).collect()
}

/// To the node's next pod; after the last one, to the node below.
fn down(model: &mut Model, place: usize, columns: usize) {
    let Some(node) = model.census.nodes.get(place).cloned() else {
        return;
    };
    // Only boxes have rows to go through.
    let pods = match model.cluster.zoom {
        Zoom::Rows => pods_on(model, &node),
        Zoom::Tiles | Zoom::Heat => Vec::new(),
    };
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
        model.cluster.pod = match model.cluster.zoom {
            Zoom::Rows => pods_on(model, above).pop(),
            Zoom::Tiles | Zoom::Heat => None,
        };
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
