//! Everything about an object, in the manner of `kubectl describe`: what it wants, what is so, why, and its events.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus};

use super::details;
use crate::{
    api::{Deployment, Node, Object, ObjectRef, Pod, ReplicaSet, Service, Time, codec},
    store::world::ContainerTruth,
    tui::{
        book, explain,
        lines::{Line, Lines},
        model::Model,
        text::age,
        theme::Meaning,
    },
};

/// Events that are told.
const EVENTS: usize = 30;

/// The page's lines.
#[must_use]
pub fn lines(model: &Model, reference: &ObjectRef, columns: u16) -> Vec<Line> {
    let mut lines = Lines::new(columns);
    let Some(object) = model.snapshot.store.objects.object(reference) else {
        let text = format!("{} {} is gone.", reference.kind, reference.key);
        lines.wide(&text, Meaning::Dim);
        events(model, reference, &mut lines);
        return lines.done();
    };
    lines.say("Name", &*reference.key.name);
    if !reference.key.namespace.is_empty() {
        lines.say("Namespace", &*reference.key.namespace);
    }
    match &object {
        Object::Node(node) => {
            details::node_short(model, node, &mut lines);
            labels(&object, &mut lines);
            node_conditions(node, &mut lines);
            placed(model, node, &mut lines);
        }
        Object::Pod(pod) => {
            details::pod_short(model, pod, &mut lines);
            labels(&object, &mut lines);
            containers(model, pod, &mut lines);
            pod_conditions(pod, &mut lines);
            decided(model, pod, &mut lines);
        }
        other => {
            age_and_owner(model, other, &mut lines);
            match other {
                Object::Deployment(it) => deployment(it, &mut lines),
                Object::ReplicaSet(it) => replica_set(it, &mut lines),
                Object::Service(it) => service(it, &mut lines),
                _ => {}
            }
            labels(other, &mut lines);
        }
    }
    events(model, reference, &mut lines);
    lines.done()
}

/// The page of an object as Kubernetes writes it.
#[must_use]
pub fn yaml(model: &Model, reference: &ObjectRef) -> Vec<Line> {
    let mut lines = Lines::new(u16::MAX);
    match yaml_text(model, reference) {
        Ok(text) => {
            for line in text.lines() {
                lines.raw(line, Meaning::Text);
            }
        }
        Err(text) => lines.raw(text, Meaning::Dim),
    }
    lines.done()
}

/// An object in YAML, its keys in the order in which `kubectl` prints them: by name.
///
/// # Errors
/// It is gone, or cannot be written.
pub fn yaml_text(model: &Model, reference: &ObjectRef) -> Result<String, String> {
    let found = model.snapshot.store.objects.object(reference);
    let object = found.ok_or_else(|| format!("{} {} is gone", reference.kind, reference.key))?;
    let value = codec::to_value(&object).map_err(|error| error.to_string())?;
    serde_saphyr::to_string(&value).map_err(|error| error.to_string())
}

fn labels(object: &Object, lines: &mut Lines) {
    for (title, map) in [("Labels", object.labels()), ("Notes", object.annotations())] {
        for (index, (key, value)) in map.iter().enumerate() {
            let label = if index == 0 { title } else { "" };
            lines.wrapped(label, &format!("{key}={value}"), Meaning::Text);
        }
    }
}

fn age_and_owner(model: &Model, object: &Object, lines: &mut Lines) {
    let created = crate::with_object!(object, it => crate::api::Resource::created(&**it));
    lines.say("Age", age(model.now().since(created)));
    if let Some(owner) = object.owners().iter().find(|owner| owner.controller) {
        lines.say("Owner", format!("{}/{}", owner.kind, owner.name));
    }
}

fn deployment(it: &Deployment, lines: &mut Lines) {
    let wanted = it.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    if let Some(status) = &it.status {
        let of = |count: Option<i32>| count.unwrap_or(0);
        lines.wrapped(
            "Replicas",
            &format!(
                "{wanted} wanted, {} updated, {} there, {} ready, {} available",
                of(status.updated_replicas),
                of(status.replicas),
                of(status.ready_replicas),
                of(status.available_replicas)
            ),
            Meaning::Text,
        );
    }
    let strategy = it.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
    if let Some(kind) = strategy.and_then(|strategy| strategy.type_.as_deref()) {
        lines.say("Strategy", kind);
    }
    let conditions = it
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    for condition in conditions {
        let message = condition.message.as_deref().unwrap_or_default();
        let text = format!("{}={} {message}", condition.type_, condition.status);
        lines.wrapped("Condition", &text, Meaning::Text);
    }
}

fn replica_set(it: &ReplicaSet, lines: &mut Lines) {
    let wanted = it.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    if let Some(status) = &it.status {
        let ready = status.ready_replicas.unwrap_or(0);
        let text = format!("{wanted} wanted, {} there, {ready} ready", status.replicas);
        lines.say("Replicas", text);
    }
}

fn service(it: &Service, lines: &mut Lines) {
    let Some(spec) = &it.spec else { return };
    lines.say("Type", spec.type_.as_deref().unwrap_or("ClusterIP"));
    lines.say("Address", spec.cluster_ip.as_deref().unwrap_or("—"));
    for (index, (key, value)) in spec.selector.iter().flatten().enumerate() {
        let label = if index == 0 { "Selector" } else { "" };
        lines.say(label, format!("{key}={value}"));
    }
    for port in spec.ports.iter().flatten() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        lines.say("Port", format!("{}/{protocol}", port.port));
    }
}

/// The pods on a node, with what they ask for.
fn placed(model: &Model, node: &Node, lines: &mut Lines) {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    lines.heading("Pods");
    let mut any = false;
    for pod in model.snapshot.store.objects.pods_on(name) {
        any = true;
        let (cpu, memory) = super::cluster::requests(pod);
        let state = crate::tui::pod_state::PodState::read(pod, &model.snapshot);
        let text = format!(
            "{} — {} · cpu {} mem {}",
            pod.meta.key,
            state.word,
            cpu.as_cpu(),
            memory.as_bytes()
        );
        lines.item("  ", &text, Meaning::Text);
    }
    if !any {
        lines.raw("  none", Meaning::Dim);
    }
}

fn events(model: &Model, reference: &ObjectRef, lines: &mut Lines) {
    lines.heading("Events, newest first");
    let mut any = false;
    for entry in model.feed.about(reference).take(EVENTS) {
        any = true;
        let times = match entry.count {
            0 | 1 => String::new(),
            count => format!("×{count} "),
        };
        let text = format!("{} {} {times}{}", entry.at, entry.reason, entry.message);
        let meaning = super::events::meaning(entry.kind);
        lines.item("  ", &text, meaning);
    }
    if !any {
        lines.raw("  none", Meaning::Dim);
    }
}

fn node_conditions(node: &Node, lines: &mut Lines) {
    lines.heading("Conditions");
    for condition in node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
    {
        let message = condition.message.as_deref().unwrap_or_default();
        let reason = condition.reason.as_deref().unwrap_or_default();
        lines.wide(
            &format!(
                "{} {} {reason} {message}",
                condition.type_, condition.status
            ),
            Meaning::Text,
        );
    }
}

fn containers(model: &Model, pod: &Pod, lines: &mut Lines) {
    lines.heading("Containers");
    let status = &pod.status;
    let all = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    for container in all {
        let ready = if container.ready {
            "ready"
        } else {
            "not ready"
        };
        lines.wide(
            &format!(
                "{}: {}, {ready}, restarts {}",
                container.name,
                state_text(container.state.as_ref()),
                container.restart_count
            ),
            Meaning::Text,
        );
        if let Some(last) = last_state(container) {
            lines.wide(&format!("  before: {last}"), Meaning::Dim);
        }
    }
    for (id, (node, truth)) in model.snapshot.store.world.containers_of(pod.meta.uid) {
        let so = match truth {
            ContainerTruth::Created => "created".to_owned(),
            ContainerTruth::Running { since } => format!("runs since {since}"),
            ContainerTruth::Exited { at, exit } => format!("ended at {at} with {}", exit.code),
        };
        lines.wide(
            &format!("in truth: {} #{} on {node} {so}", id.name, id.attempt),
            Meaning::Truth,
        );
    }
}

fn state_text(state: Option<&ContainerState>) -> String {
    let Some(state) = state else {
        return "unknown".to_owned();
    };
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("waiting");
        return match waiting
            .message
            .as_deref()
            .filter(|message| !message.is_empty())
        {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        };
    }
    if let Some(ended) = &state.terminated {
        return format!(
            "{} with {}",
            ended.reason.as_deref().unwrap_or("ended"),
            ended.exit_code
        );
    }
    if state.running.is_some() {
        "running".to_owned()
    } else {
        "waiting".to_owned()
    }
}

fn last_state(container: &ContainerStatus) -> Option<String> {
    let last = container.last_state.as_ref()?;
    last.terminated.as_ref()?;
    Some(state_text(Some(last)))
}

fn pod_conditions(pod: &Pod, lines: &mut Lines) {
    lines.heading("Conditions");
    for condition in pod.status.conditions.iter().flatten() {
        let reason = condition.reason.as_deref().unwrap_or_default();
        let message = condition.message.as_deref().unwrap_or_default();
        lines.wide(
            &format!(
                "{} {} {reason} {message}",
                condition.type_, condition.status
            ),
            Meaning::Text,
        );
    }
}

fn decided(model: &Model, pod: &Arc<Pod>, lines: &mut Lines) {
    let store = &model.snapshot.store;
    let Some(decision) = book::about(store, pod.meta.uid, Time::MAX) else {
        return;
    };
    lines.heading("Why there");
    let text = format!(
        "decision {} at {}, try {}: {}",
        decision.number,
        decision.at,
        decision.attempt,
        explain::outcome(decision)
    );
    lines.wide(&text, explain::meaning(decision));
    lines.extend(explain::why(decision, lines.columns()));
}
