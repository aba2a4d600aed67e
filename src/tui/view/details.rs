//! What is known of the selection: in short beside the nodes, and in one line.

use std::sync::Arc;

use super::cluster::{Allocated, reason, requests, wordings};
use crate::{
    api::{Key, Kind, Node, Object, ObjectRef, Pod, Time},
    store::Decision,
    tui::{
        book, explain,
        lines::{Line, Lines},
        model::{Model, Selection},
        node_state::NodeState,
        pod_state::PodState,
        text::age,
        theme::Meaning,
    },
};

/// The selection in a few lines.
#[must_use]
pub fn short(model: &Model, columns: u16) -> Vec<Line> {
    let mut lines = Lines::new(columns);
    match model.selection() {
        Selection::Nothing => {}
        Selection::Node(name) => {
            if let Some(node) = model.snapshot.store.objects.node(&name) {
                node_short(model, node, &mut lines);
            }
        }
        Selection::Pod(key) => {
            if let Some(pod) = model.pod(&key) {
                pod_short(model, pod, &mut lines);
            }
        }
    }
    lines.done()
}

/// The selection in one line.
#[must_use]
pub fn one_line(model: &Model) -> String {
    match model.selection() {
        Selection::Nothing => "nothing selected".to_owned(),
        Selection::Node(name) => {
            model
                .snapshot
                .store
                .objects
                .node(&name)
                .map_or(String::new(), |node| {
                    let state = NodeState::read(node, &model.snapshot, model.now());
                    let story = state
                        .story
                        .first()
                        .map_or(String::new(), |story| format!(" · {story}"));
                    let sum = Allocated::read(&model.snapshot.store.objects, node);
                    format!(
                        "{name} {}{story} · pods {}/{}",
                        state.word, sum.pods, sum.pods_of
                    )
                })
        }
        Selection::Pod(key) => model.pod(&key).map_or(String::new(), |pod| {
            let state = PodState::read(pod, &model.snapshot);
            let word = wordings(&state).into_iter().next().unwrap_or_default();
            let (cpu, memory) = requests(pod);
            let why = last_decision(model, pod).map_or(String::new(), |decision| {
                format!(" · {}", explain::outcome(decision))
            });
            format!(
                "{} {word} · {}/{}{why}",
                key.name,
                cpu.as_cpu(),
                memory.as_bytes()
            )
        }),
    }
}

pub(super) fn node_short(model: &Model, node: &Node, lines: &mut Lines) {
    let state = NodeState::read(node, &model.snapshot, model.now());
    let mut word = state.word.clone();
    if state.cordoned && word != "cordoned" {
        word.push_str(", cordoned");
    }
    lines.put("State", word, state.look.meaning());
    if let Some(story) = state.story.first() {
        lines.wrapped("Truth", story, Meaning::Truth);
    }
    if let Some(zone) = state.zone {
        lines.say("Zone", zone);
    }
    let sum = Allocated::read(&model.snapshot.store.objects, node);
    let cpu = |milli| crate::api::Quantity::milli(milli).as_cpu();
    let memory = |bytes| crate::api::Quantity::units(bytes).as_bytes();
    lines.say(
        "Requested",
        format!("cpu {} of {}", cpu(sum.cpu_milli), cpu(sum.cpu_of)),
    );
    lines.say(
        "",
        format!("mem {} of {}", memory(sum.memory), memory(sum.memory_of)),
    );
    lines.say("Pods", format!("{} of {}", sum.pods, sum.pods_of));
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    for (index, taint) in taints.into_iter().flatten().enumerate() {
        let value = taint.value.as_deref().filter(|value| !value.is_empty());
        let value = value.map_or(String::new(), |value| format!("={value}"));
        let text = format!(
            "{}{value}:{}",
            taint.key.trim_start_matches("node.kubernetes.io/"),
            taint.effect
        );
        lines.put(
            if index == 0 { "Taints" } else { "" },
            text,
            Meaning::EventWarning,
        );
    }
    for condition in node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
    {
        let healthy = (condition.type_ == "Ready") == (condition.status == "True");
        if !healthy {
            let reason = condition.reason.as_deref().unwrap_or_default();
            lines.put(
                "Condition",
                format!("{}={} {reason}", condition.type_, condition.status),
                Meaning::EventWarning,
            );
        }
    }
    let annotations = node.metadata.annotations.as_ref();
    if let Some(runtime) =
        annotations.and_then(|all| all.get(crate::store::config::RUNTIME_ANNOTATION))
    {
        lines.say("Runtime", runtime);
    }
}

pub(super) fn pod_short(model: &Model, pod: &Pod, lines: &mut Lines) {
    let state = PodState::read(pod, &model.snapshot);
    let since = age(model.now().since(pod.meta.created));
    lines.put("State", &state.word, state.look.meaning());
    if let Some((long, _)) = state.truth.words() {
        lines.wrapped("Truth", long, Meaning::Truth);
    }
    if let Some(deletion) = pod.meta.deletion {
        let left = age(deletion.at.since(model.now()));
        lines.put(
            "Leaves",
            format!("{left} of {}s grace left", deletion.grace_seconds),
            Meaning::PodTerminating,
        );
    }
    lines.say("Age", format!("{since}   restarts {}", state.restarts));
    lines.wrapped("Owner", &owner(model, pod), Meaning::Text);
    if let Some(container) = pod.spec.containers.first() {
        let more = pod.spec.containers.len() - 1;
        let more = if more > 0 {
            format!(" +{more}")
        } else {
            String::new()
        };
        lines.say(
            "Image",
            format!("{}{more}", container.image.as_deref().unwrap_or("—")),
        );
    }
    let (cpu, memory) = requests(pod);
    lines.say(
        "Requests",
        format!("cpu {}  mem {}", cpu.as_cpu(), memory.as_bytes()),
    );
    if let Some(used) = used(model, pod) {
        lines.say("Usage", used);
    }
    lines.say("Node", pod.node.as_deref().unwrap_or("—"));
    lines.say("Address", pod.ip().unwrap_or("—"));
    if pod.node.is_none() {
        lines.wrapped("Waits", &reason(pod), Meaning::PodPending);
    }
    if let Some(decision) = last_decision(model, pod) {
        let meaning = explain::meaning(decision);
        lines.wrapped("Chosen", &explain::outcome(decision), meaning);
        if let Some(next) = explain::next_best(decision) {
            lines.wrapped("", &next, Meaning::Text);
        }
        for (reason, nodes) in decision.histogram.iter().take(3) {
            let count = match nodes {
                1 => "1 node".to_owned(),
                many => format!("{many} nodes"),
            };
            lines.put("", format!("{count}: {reason}"), Meaning::Reject);
        }
    }
}

/// The last decision about a pod.
fn last_decision<'m>(model: &'m Model, pod: &Pod) -> Option<&'m Arc<Decision>> {
    book::about(&model.snapshot.store, pod.meta.uid, Time::MAX)
}

/// The owner that a person knows: a ReplicaSet's Deployment, with its counts.
pub(super) fn owner(model: &Model, pod: &Pod) -> String {
    let Some(owner) = pod.meta.controller() else {
        return "—".to_owned();
    };
    let objects = &model.snapshot.store.objects;
    let counts = objects.pod_counts(owner.uid);
    let key = Key::new(pod.meta.key.namespace.clone(), owner.name.clone());
    let set = objects.object(&ObjectRef::new(Kind::ReplicaSet, key));
    let above = set.as_ref().map(Object::owners).unwrap_or_default();
    let (kind, name) = match above.iter().find(|owner| owner.controller) {
        Some(above) => (&above.kind, &above.name),
        None => (&owner.kind, &owner.name),
    };
    format!("{kind}/{name} {}/{} ready", counts.ready, counts.active)
}

/// What a pod uses, and how often it lacked memory; none if that is not known.
fn used(model: &Model, pod: &Pod) -> Option<String> {
    let snapshot = &model.snapshot;
    let used = snapshot.metrics.pod(pod.meta.uid, &snapshot.store.world)?;
    let cpu = used
        .cpu_milli
        .map_or("—".to_owned(), |milli| format!("{milli}m"));
    let kills: u32 = snapshot
        .metrics
        .containers_of(pod.meta.uid)
        .map(|(_, series)| series.oom_kills())
        .sum();
    let oom = match kills {
        0 => String::new(),
        kills => format!("  oom kills {kills}"),
    };
    Some(format!("cpu {cpu}  mem {}Mi{oom}", used.memory_bytes >> 20))
}
