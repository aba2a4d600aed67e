//! The screen when there is hardly any room: the status, and the worst problem.

use ratatui::layout::Rect;

use super::chrome::{clock, news};
use crate::{
    api::Name,
    tui::{
        layout::Class, model::Model, node_state::NodeState, text::choose, theme::Meaning,
        widget::Pen,
    },
};

/// Draws what fits.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let pods = model.snapshot.store.objects.all_pods();
    let nodes = model.census.nodes.len();
    let paused = if model.snapshot.paused { " paused" } else { "" };
    let status = [
        format!(
            "{} {} nodes {}/{nodes} pods {}/{}{paused}",
            model.snapshot.config.name,
            clock(model),
            model.census.ready,
            pods.ready,
            pods.active,
        ),
        format!(
            "{} n{}/{nodes} p{}/{}{paused}",
            clock(model),
            model.census.ready,
            pods.ready,
            pods.active
        ),
        format!(
            "n{}/{nodes} p{}/{}{paused}",
            model.census.ready, pods.ready, pods.active
        ),
    ];
    let meaning = if model.census.ready < nodes {
        Meaning::Incident
    } else {
        Meaning::Strong
    };
    pen.text(
        area.x,
        area.y,
        area.width,
        choose(area.width, &status),
        meaning,
    );
    if model.class() == Class::Tiny {
        return;
    }
    let (problem, meaning) = worst(model, pen);
    pen.text(area.x, area.y + 1, area.width, &problem, meaning);
    if let Some(toast) = &model.toast {
        pen.text(area.x, area.y + 2, area.width, &toast.text, Meaning::Toast);
    }
    let last = area.bottom().saturating_sub(1);
    pen.text(area.x, last, area.width, "enlarge for more", Meaning::Dim);
}

/// An incident, else a node that is not well, else the oldest pod that waits.
fn worst(model: &Model, pen: &Pen<'_>) -> (String, Meaning) {
    let (news, meaning) = news(model, pen);
    if !news.is_empty() {
        return (news, meaning);
    }
    let selected: Option<&Name> = model.cluster.node.as_ref();
    let bad = selected.and_then(|name| {
        let node = model.snapshot.store.objects.node(name)?;
        let state = NodeState::read(node, &model.snapshot, model.now());
        state
            .look
            .is_bad()
            .then(|| format!("{name} {}", state.word))
    });
    if let Some(bad) = bad {
        return (bad, Meaning::Incident);
    }
    match model.pending(1).next() {
        Some(pod) => (
            format!("{} waits for a node", pod.meta.key.name),
            Meaning::PodPending,
        ),
        None => (String::new(), Meaning::Text),
    }
}
