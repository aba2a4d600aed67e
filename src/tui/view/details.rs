//! What is known of the selection: in short beside the nodes, in one line, and in full on a page.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus};

use super::cluster::{Allocated, reason, requests, wordings};
use crate::{
    api::{Key, Kind, Node, Object, ObjectRef, Pod},
    store::{Decision, decision::Verdict, world::ContainerTruth},
    tui::{
        model::{Model, Selection},
        node_state::NodeState,
        pod_state::PodState,
        text::{age, wrap},
        theme::Meaning,
    },
};

/// Columns of a label.
pub const LABEL: usize = 10;

/// A line of details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub label: &'static str,
    pub text: String,
    pub meaning: Meaning,
    /// Whether the text takes the label's columns too.
    pub wide: bool,
}

/// Collects lines.
struct Lines {
    lines: Vec<Line>,
    columns: u16,
}

impl Lines {
    const fn new(columns: u16) -> Self {
        Self {
            lines: Vec::new(),
            columns,
        }
    }

    fn put(&mut self, label: &'static str, text: impl Into<String>, meaning: Meaning) {
        self.lines.push(Line {
            label,
            text: text.into(),
            meaning,
            wide: false,
        });
    }

    fn say(&mut self, label: &'static str, text: impl Into<String>) {
        self.put(label, text, Meaning::Text);
    }

    /// A text of several lines beside its label.
    fn wrapped(&mut self, label: &'static str, text: &str, meaning: Meaning) {
        let room = self
            .columns
            .saturating_sub(u16::try_from(LABEL).unwrap_or(0));
        for (index, line) in wrap(text, room).into_iter().enumerate() {
            self.put(if index == 0 { label } else { "" }, line, meaning);
        }
    }

    fn heading(&mut self, text: &str) {
        self.lines.push(Line {
            label: "",
            text: String::new(),
            meaning: Meaning::Text,
            wide: true,
        });
        self.lines.push(Line {
            label: "",
            text: text.to_owned(),
            meaning: Meaning::Title,
            wide: true,
        });
    }

    fn wide(&mut self, text: &str, meaning: Meaning) {
        for text in wrap(text, self.columns) {
            self.lines.push(Line {
                label: "",
                text,
                meaning,
                wide: true,
            });
        }
    }
}

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
    lines.lines
}

/// The selection in full.
#[must_use]
pub fn full(model: &Model, columns: u16) -> Vec<Line> {
    let mut lines = Lines {
        lines: short(model, columns),
        columns,
    };
    match model.selection() {
        Selection::Nothing => lines.say("", "nothing is selected"),
        Selection::Node(name) => {
            if let Some(node) = model.snapshot.store.objects.node(&name) {
                node_conditions(node, &mut lines);
            }
        }
        Selection::Pod(key) => {
            if let Some(pod) = model.pod(&key) {
                containers(model, pod, &mut lines);
                pod_conditions(pod, &mut lines);
                decided(model, pod, &mut lines);
            }
        }
    }
    lines.lines
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
                    let sum = Allocated::read(model, node);
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
            let why = last_decision(model, pod)
                .map_or(String::new(), |decision| format!(" · {}", chosen(decision)));
            format!(
                "{} {word} · {}/{}{why}",
                key.name,
                cpu.as_cpu(),
                memory.as_bytes()
            )
        }),
    }
}

fn node_short(model: &Model, node: &Node, lines: &mut Lines) {
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
    let sum = Allocated::read(model, node);
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

fn pod_short(model: &Model, pod: &Pod, lines: &mut Lines) {
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
    lines.say("Node", pod.node.as_deref().unwrap_or("—"));
    lines.say("Address", pod.ip().unwrap_or("—"));
    if pod.node.is_none() {
        lines.wrapped("Waits", &reason(pod), Meaning::PodPending);
    }
    if let Some(decision) = last_decision(model, pod) {
        let meaning = match decision.verdict {
            Verdict::Bound { .. } => Meaning::ScoreWin,
            Verdict::Unschedulable | Verdict::Error { .. } => Meaning::Reject,
        };
        lines.wrapped("Chosen", &chosen(decision), meaning);
        if let Some(next) = next_best(decision) {
            lines.wrapped("", &next, Meaning::Text);
        }
        for (reason, nodes) in decision.histogram.iter().take(3) {
            lines.put("", format!("not {nodes}: {reason}"), Meaning::Reject);
        }
    }
}

/// The last decision about a pod.
fn last_decision<'m>(model: &'m Model, pod: &Pod) -> Option<&'m Decision> {
    let decisions = model.snapshot.store.decisions.iter().rev();
    decisions
        .map(|decision| &**decision)
        .find(|decision| decision.uid == pod.meta.uid)
}

/// What was decided, in a few words.
fn chosen(decision: &Decision) -> String {
    let of = format!("{} of {} nodes fit", decision.feasible, decision.nodes);
    match (&decision.verdict, decision.scores.first()) {
        (Verdict::Bound { node }, Some(score)) => format!("{node}: {} points, {of}", score.total),
        (Verdict::Bound { node }, None) => format!("{node}: {of}"),
        (Verdict::Unschedulable, _) => format!("none: {of}, try {}", decision.attempt),
        (Verdict::Error { message }, _) => format!("failed: {message}"),
    }
}

/// By how much the next node was behind.
fn next_best(decision: &Decision) -> Option<String> {
    let (first, next) = (decision.scores.first()?, decision.scores.get(1)?);
    Some(match first.total - next.total {
        0 => format!("{} nodes have as many: drawn by lot", decision.tied),
        behind => format!("next {} with {} ({behind} behind)", next.node, next.total),
    })
}

/// The owner that a person knows: a ReplicaSet's Deployment, with its counts.
fn owner(model: &Model, pod: &Pod) -> String {
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

fn decided(model: &Model, pod: &Pod, lines: &mut Lines) {
    let Some(decision) = last_decision(model, pod) else {
        return;
    };
    lines.heading("Why there");
    lines.wide(
        &format!(
            "decision {} at {}, try {}: {}",
            decision.number,
            decision.at,
            decision.attempt,
            chosen(decision)
        ),
        Meaning::Text,
    );
    for score in decision.scores.iter().take(8) {
        let parts: Vec<String> = score
            .plugins
            .iter()
            .map(|part| format!("{} {}×{}", part.plugin, part.normalized, part.weight))
            .collect();
        lines.wide(
            &format!("{} {} = {}", score.node, score.total, parts.join(" + ")),
            Meaning::Text,
        );
    }
    for rejection in decision.rejections.iter().take(20) {
        let why = rejection.reasons.join(", ");
        lines.wide(
            &format!(
                "{} refused by {}: {why} {}",
                rejection.node, rejection.plugin, rejection.detail
            ),
            Meaning::Reject,
        );
    }
    if !decision.message.is_empty() {
        lines.wide(&decision.message, Meaning::Reject);
    }
}
