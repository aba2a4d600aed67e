//! The Cluster view without boxes: a line per node, and the pods of the selected one below it.

use std::sync::Arc;

use ratatui::layout::Rect;

use super::pod_row;
use crate::{
    api::{Name, Pod},
    tui::{
        model::{Model, Pane},
        node_state::NodeState,
        text::choose,
        theme::Meaning,
        widget::Pen,
    },
};

/// Draws the list around the selection.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let height = usize::from(area.height);
    let selected = model
        .cluster
        .node
        .as_deref()
        .and_then(|name| model.census.place(name))
        .unwrap_or(0);
    let pods: Vec<&Arc<Pod>> = match model.cluster.node.as_deref() {
        Some(name) => model.snapshot.store.objects.pods_on(name).collect(),
        None => Vec::new(),
    };
    let cursor = model.cluster.pod.as_ref();
    let pod = cursor.and_then(|key| pods.iter().position(|pod| pod.meta.key == *key));
    // Lines are counted from the first node; the pods stand between the selected node and the next one.
    let line = selected + pod.map_or(0, |pod| pod + 1);
    let lines = model.census.nodes.len() + pods.len();
    let first = line
        .saturating_sub(height / 2)
        .min(lines.saturating_sub(height));
    for (line, y) in (first..lines).zip(area.y..area.bottom()) {
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        if line > selected && line <= selected + pods.len() {
            if let Some(pod) = pods.get(line - selected - 1) {
                let row = Rect {
                    x: row.x + 3,
                    width: row.width.saturating_sub(3),
                    ..row
                };
                pod_row::draw(model, pen, row, pod, cursor == Some(&pod.meta.key));
            }
            continue;
        }
        let place = if line <= selected {
            line
        } else {
            line - pods.len()
        };
        if let Some(name) = model.census.nodes.get(place) {
            let here = model.cluster.pane == Pane::Nodes && place == selected;
            node_line(model, pen, row, name, here && cursor.is_none());
        }
    }
}

fn node_line(model: &Model, pen: &mut Pen<'_>, row: Rect, name: &Name, selected: bool) {
    let Some(node) = model.snapshot.store.objects.node(name) else {
        return;
    };
    let state = NodeState::read(node, &model.snapshot, model.now());
    let glyph = match () {
        () if state.look.is_bad() => pen.glyphs.failed,
        () if state.cordoned => pen.glyphs.cordoned,
        () => pen.glyphs.ready,
    };
    if selected {
        pen.text(row.x, row.y, 1, pen.glyphs.cursor, Meaning::Focus);
    }
    let meaning = if state.look.is_bad() || state.cordoned {
        state.look.meaning()
    } else {
        Meaning::PodReady
    };
    pen.text(row.x + 1, row.y, 1, glyph, meaning);
    let room = row.width.saturating_sub(4);
    let wide = pen.text(row.x + 3, row.y, room, name, state.look.meaning());
    if selected {
        pen.restyle(
            Rect {
                x: row.x + 3,
                width: wide,
                ..row
            },
            Meaning::Selection,
        );
    }
    let rest = room.saturating_sub(wide + 2);
    let mut wordings: Vec<String> = state
        .story
        .iter()
        .map(|story| format!("{} · {story}", state.word))
        .collect();
    if wordings.is_empty() {
        let zone = state
            .zone
            .as_deref()
            .map_or(String::new(), |zone| format!(" · {zone}"));
        wordings.push(format!("{}{zone}", state.word));
    }
    wordings.push(state.word.clone());
    let meaning = if state.look.is_bad() {
        state.look.meaning()
    } else {
        Meaning::Dim
    };
    pen.right(
        row.x + 3 + wide + 2,
        row.y,
        rest,
        choose(rest, &wordings),
        meaning,
    );
}
