//! A node as a box: name, zone and state in its border, what is requested of it, its pods.

use std::sync::Arc;

use ratatui::layout::Rect;

use super::{load, pod_row};
use crate::{
    api::{Name, Node, Pod, Quantity},
    store::Objects,
    tui::{
        layout::inside,
        model::{Model, Pane},
        node_state::{NodeLook, NodeState},
        pod_state::{PodLook, PodState},
        text::choose,
        theme::Meaning,
        widget::{
            Pen,
            gauge::gauge,
            pen::{Span, span},
        },
    },
};

/// Draws a node.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect, name: &Name) {
    let Some(node) = model.snapshot.store.objects.node(name) else {
        return;
    };
    let state = NodeState::read(node, &model.snapshot, model.now());
    let here = model.cluster.pane == Pane::Nodes && model.cluster.node.as_ref() == Some(name);
    border(
        pen,
        area,
        name,
        &state,
        here,
        here && model.cluster.pod.is_none(),
    );
    let inner = inside(area);
    if inner.is_empty() {
        return;
    }
    let line = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    if state.story.is_empty() {
        gauges(model, pen, line, node);
    } else {
        let meaning = if state.look.is_bad() {
            Meaning::NodeDead
        } else {
            Meaning::Text
        };
        pen.text(
            line.x,
            line.y,
            line.width,
            choose(line.width, &state.story),
            meaning,
        );
    }
    let rows = Rect {
        y: inner.y + 1,
        height: inner.height.saturating_sub(1),
        ..inner
    };
    pods(model, pen, rows, name, here);
}

fn border(
    pen: &mut Pen<'_>,
    area: Rect,
    name: &str,
    state: &NodeState,
    here: bool,
    selected: bool,
) {
    let g = *pen.glyphs;
    let (glyphs, meaning) = match state.look {
        look if look.is_bad() => (g.heavy, look.meaning()),
        _ if state.cordoned => (g.dashed, Meaning::NodeCordoned),
        NodeLook::Joining => (g.dashed, Meaning::Border),
        _ => (g.plain, Meaning::Border),
    };
    let line = if here && meaning == Meaning::Border {
        Meaning::Focus
    } else {
        meaning
    };
    pen.frame(area, glyphs, line);
    let mut left = Vec::new();
    if here {
        left.push(span(format!("{} ", g.chosen), Meaning::Focus));
    }
    left.push(span(
        name,
        if selected {
            Meaning::Focus
        } else {
            state.look.meaning()
        },
    ));
    pen.title(area, &left, &rights(pen, state));
}

/// What may stand on the right of the border, from the longest to the shortest.
fn rights<'s>(pen: &Pen<'_>, state: &'s NodeState) -> Vec<Vec<Span<'s>>> {
    let zone = state.zone.as_deref().unwrap_or_default();
    let (failed, cordoned) = (pen.glyphs.failed, pen.glyphs.cordoned);
    if state.look.is_bad() {
        let tone = state.look.meaning();
        let first = state.word.split(' ').next().unwrap_or_default();
        let texts = [
            format!("{failed} {}", state.word),
            format!("{failed} {first}"),
            failed.to_owned(),
        ];
        texts
            .into_iter()
            .map(|text| vec![span(text, tone)])
            .collect()
    } else if state.cordoned {
        let tone = Meaning::NodeCordoned;
        vec![
            vec![
                span(format!("{cordoned} cordoned"), tone),
                span(format!(" · {zone}"), Meaning::Dim),
            ],
            vec![span(format!("{cordoned} cordoned"), tone)],
            vec![span(cordoned, tone)],
        ]
    } else if state.look == NodeLook::Joining {
        vec![vec![span(state.word.as_str(), Meaning::NodeJoining)]]
    } else if zone.is_empty() {
        Vec::new()
    } else {
        vec![vec![span(zone, Meaning::Dim)]]
    }
}

/// What is requested of the node's allocatable, and what it has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocated {
    pub cpu_milli: i64,
    pub cpu_of: i64,
    pub memory: i64,
    pub memory_of: i64,
    pub pods: i64,
    pub pods_of: i64,
}

impl Allocated {
    /// Adds up the requests of the node's pods.
    pub fn read(objects: &Objects, node: &Node) -> Self {
        let allocatable = node
            .status
            .as_ref()
            .and_then(|status| status.allocatable.as_ref());
        let has = |what: &str| {
            allocatable
                .and_then(|list| list.get(what))
                .map_or(Quantity::ZERO, Quantity::of)
        };
        let mut sum = Self {
            cpu_of: has("cpu").milli_value(),
            memory_of: has("memory").value(),
            pods_of: has("pods").value(),
            ..Self::default()
        };
        let name = node.metadata.name.as_deref().unwrap_or_default();
        for pod in objects.pods_on(name).filter(|pod| !pod.is_terminal()) {
            let (cpu, memory) = requests(pod);
            sum.cpu_milli += cpu.milli_value();
            sum.memory += memory.value();
            sum.pods += 1;
        }
        sum
    }
}

/// A pod's CPU and memory requests: its containers together, or the largest init container.
pub fn requests(pod: &Pod) -> (Quantity, Quantity) {
    let of = |what: &str| {
        let request = |container: &k8s_openapi::api::core::v1::Container| {
            let list = container
                .resources
                .as_ref()
                .and_then(|resources| resources.requests.as_ref());
            list.and_then(|list| list.get(what))
                .map_or(Quantity::ZERO, Quantity::of)
        };
        let together = pod
            .spec
            .containers
            .iter()
            .map(request)
            .fold(Quantity::ZERO, Quantity::plus);
        let init = pod.spec.init_containers.iter().flatten().map(request).max();
        together.max(init.unwrap_or(Quantity::ZERO))
    };
    (of("cpu"), of("memory"))
}

fn gauges(model: &Model, pen: &mut Pen<'_>, line: Rect, node: &Node) {
    let mut sum = Allocated::read(&model.snapshot.store.objects, node);
    let name = node.metadata.name.as_deref().unwrap_or_default();
    // What is used where that is known; else what is requested, and it says so.
    let used = load::of_node(model, name);
    if let Some(used) = used {
        sum.cpu_milli = used
            .cpu_milli
            .map_or(0, |milli| i64::try_from(milli).unwrap_or(i64::MAX));
        sum.memory = i64::try_from(used.memory_bytes).unwrap_or(i64::MAX);
    }
    let labels = match (line.width >= 32, used.is_some()) {
        (true, true) => ("cpu", "mem"),
        (true, false) => ("req cpu", "mem"),
        (false, _) => ("c", "m"),
    };
    let half = line.width.saturating_sub(1) / 2 + if line.width >= 32 { 2 } else { 0 };
    gauge(
        pen,
        (line.x, line.y),
        half,
        labels.0,
        sum.cpu_milli,
        sum.cpu_of,
    );
    let x = line.x + half + 1;
    gauge(
        pen,
        (x, line.y),
        line.right().saturating_sub(x),
        labels.1,
        sum.memory,
        sum.memory_of,
    );
}

fn pods(model: &Model, pen: &mut Pen<'_>, rows: Rect, node: &Name, here: bool) {
    let height = usize::from(rows.height);
    if height == 0 {
        return;
    }
    let pods: Vec<&Arc<Pod>> = model.snapshot.store.objects.pods_on(node).collect();
    let cursor = model.cluster.pod.as_ref().filter(|_| here);
    let place = cursor.and_then(|key| pods.iter().position(|pod| pod.meta.key == *key));
    let fits = pods.len() <= height;
    let room = if fits { height } else { height - 1 };
    let first = place.map_or(0, |place| (place + 1).saturating_sub(room.max(1)));
    for (pod, y) in pods.iter().skip(first).take(room).zip(rows.y..) {
        let row = Rect {
            y,
            height: 1,
            ..rows
        };
        let selected = cursor == Some(&pod.meta.key);
        pod_row::draw(model, pen, row, pod, selected);
    }
    if !fits {
        let hidden = pods
            .iter()
            .take(first)
            .chain(pods.iter().skip(first + room));
        more(
            model,
            pen,
            Rect {
                y: rows.bottom() - 1,
                height: 1,
                ..rows
            },
            hidden,
        );
    }
}

/// How many pods there was no room for, and how many of those are not well.
fn more<'p>(
    model: &Model,
    pen: &mut Pen<'_>,
    row: Rect,
    hidden: impl Iterator<Item = &'p &'p Arc<Pod>>,
) {
    let (mut all, mut failed) = (0, 0);
    for pod in hidden {
        all += 1;
        failed += usize::from(PodState::read(pod, &model.snapshot).look == PodLook::Failed);
    }
    let mut spans = vec![span(format!("  +{all} more"), Meaning::Dim)];
    if failed > 0 {
        spans.push(span(format!(", {failed} failing"), Meaning::PodFailed));
    }
    pen.spans(row.x, row.y, row.width, &spans);
}
