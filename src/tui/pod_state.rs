//! A pod in one line: the word that `kubectl get pods` has for it, how it looks, and where truth differs from belief.
//!
//! The word follows upstream's `printPod` (`pkg/printers/internalversion/printers.go`).

use k8s_openapi::api::core::v1::ContainerStatus;

use super::{census::is_ready, glyphs::Glyphs, theme::Meaning};
use crate::{
    api::Pod,
    cluster::Snapshot,
    store::world::{ContainerTruth, NodeTruth},
};

/// How a pod looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodLook {
    Ready,
    Starting,
    Pending,
    Terminating,
    Failed,
    Completed,
}

impl PodLook {
    /// Its glyph.
    #[must_use]
    pub const fn glyph(self, glyphs: &Glyphs) -> &'static str {
        match self {
            Self::Ready => glyphs.ready,
            Self::Starting => glyphs.starting,
            Self::Pending => glyphs.pending,
            Self::Terminating => glyphs.terminating,
            Self::Failed => glyphs.failed,
            Self::Completed => glyphs.completed,
        }
    }

    /// What it means.
    #[must_use]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::Ready => Meaning::PodReady,
            Self::Starting => Meaning::PodStarting,
            Self::Pending => Meaning::PodPending,
            Self::Terminating => Meaning::PodTerminating,
            Self::Failed => Meaning::PodFailed,
            Self::Completed => Meaning::PodCompleted,
        }
    }
}

/// Where truth differs from what the control plane believes of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodTruth {
    /// It does not.
    AsBelieved,
    /// Its containers are dead, and nobody has noticed.
    DeadUnnoticed,
    /// Its containers are dead; that its node is gone has been noticed.
    Dead,
    /// Its node is believed to be lost, but its containers run.
    StillRuns,
}

impl PodTruth {
    /// The difference in words, long and short.
    #[must_use]
    pub const fn words(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::AsBelieved => None,
            Self::DeadUnnoticed => Some(("container dead; not noticed yet", "dead, unnoticed")),
            Self::Dead => Some(("container dead", "dead")),
            Self::StillRuns => Some(("container still runs", "still runs")),
        }
    }
}

/// A pod in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodState {
    pub look: PodLook,
    pub word: String,
    pub truth: PodTruth,
    pub restarts: i32,
}

impl PodState {
    /// Reads a pod.
    #[must_use]
    pub fn read(pod: &Pod, snapshot: &Snapshot) -> Self {
        let word = word(pod);
        let truth = truth(pod, snapshot);
        Self {
            look: look(pod, &word),
            word,
            truth,
            restarts: restarts(pod),
        }
    }

    /// The glyph and the meaning to draw it with: truth before belief.
    #[must_use]
    pub const fn mark(&self, glyphs: &Glyphs) -> (&'static str, Meaning) {
        match self.truth {
            PodTruth::DeadUnnoticed | PodTruth::Dead => (glyphs.failed, Meaning::PodFailed),
            PodTruth::StillRuns => (self.look.glyph(glyphs), Meaning::Truth),
            PodTruth::AsBelieved => (self.look.glyph(glyphs), self.look.meaning()),
        }
    }
}

fn statuses(
    list: Option<&Vec<ContainerStatus>>,
) -> impl DoubleEndedIterator<Item = &ContainerStatus> {
    list.into_iter().flatten()
}

fn restarts(pod: &Pod) -> i32 {
    statuses(pod.status.container_statuses.as_ref())
        .map(|status| status.restart_count)
        .sum()
}

/// What `kubectl get pods` prints under STATUS.
#[must_use]
pub fn word(pod: &Pod) -> String {
    let status = &pod.status;
    let mut word = status.reason.clone().filter(|reason| !reason.is_empty());
    let gated = pod
        .condition("PodScheduled")
        .and_then(|c| c.reason.as_deref());
    if gated == Some("SchedulingGated") {
        word = Some("SchedulingGated".to_owned());
    }
    let mut word = word.unwrap_or_else(|| pod.phase().to_owned());
    match initializing(pod) {
        Some(init) => word = init,
        None => {
            let mut running = false;
            for container in statuses(status.container_statuses.as_ref()).rev() {
                match container_word(container) {
                    Some(reason) => word = reason,
                    None => running |= container.ready && is_running(container),
                }
            }
            if word == "Completed" && running {
                word = if pod.is_ready() {
                    "Running"
                } else {
                    "NotReady"
                }
                .to_owned();
            }
        }
    }
    if pod.is_terminating() && status.reason.as_deref() == Some("NodeLost") {
        "Unknown".to_owned()
    } else if pod.is_terminating() && !pod.is_terminal() {
        "Terminating".to_owned()
    } else {
        word
    }
}

/// What keeps init containers, if one does.
fn initializing(pod: &Pod) -> Option<String> {
    let all = pod.spec.init_containers.as_ref().map_or(0, Vec::len);
    for (index, container) in statuses(pod.status.init_container_statuses.as_ref()).enumerate() {
        let spec = pod
            .spec
            .init_containers
            .iter()
            .flatten()
            .find(|spec| spec.name == container.name);
        let sidecar = spec.is_some_and(|spec| spec.restart_policy.as_deref() == Some("Always"));
        let state = container.state.clone().unwrap_or_default();
        if let Some(ended) = &state.terminated {
            if ended.exit_code == 0 {
                continue;
            }
            let word = container_word(container).unwrap_or_default();
            return Some(format!("Init:{word}"));
        }
        if sidecar && container.started == Some(true) {
            continue;
        }
        let waiting = state.waiting.and_then(|waiting| waiting.reason);
        return Some(match waiting {
            Some(reason) if !reason.is_empty() && reason != "PodInitializing" => {
                format!("Init:{reason}")
            }
            _ => format!("Init:{index}/{all}"),
        });
    }
    None
}

fn is_running(container: &ContainerStatus) -> bool {
    container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some())
}

fn container_word(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(reason) = state
        .waiting
        .as_ref()
        .and_then(|waiting| waiting.reason.clone())
        && !reason.is_empty()
    {
        return Some(reason);
    }
    let ended = state.terminated.as_ref()?;
    Some(match (ended.reason.as_deref(), ended.signal) {
        (Some(reason), _) if !reason.is_empty() => reason.to_owned(),
        (_, Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", ended.exit_code),
    })
}

fn look(pod: &Pod, word: &str) -> PodLook {
    let starting = [
        "ContainerCreating",
        "PodInitializing",
        "Running",
        "Pending",
        "NotReady",
    ];
    if pod.phase() == "Succeeded" {
        PodLook::Completed
    } else if pod.phase() == "Failed" {
        PodLook::Failed
    } else if pod.is_terminating() {
        PodLook::Terminating
    } else if pod.is_ready() {
        PodLook::Ready
    } else if pod.node.is_none() {
        PodLook::Pending
    } else if starting.contains(&word) || init_progress(word) {
        PodLook::Starting
    } else {
        PodLook::Failed
    }
}

/// Whether it is `Init:` with a count, as against `Init:` with an error.
fn init_progress(word: &str) -> bool {
    word.strip_prefix("Init:")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn truth(pod: &Pod, snapshot: &Snapshot) -> PodTruth {
    let Some(node) = &pod.node else {
        return PodTruth::AsBelieved;
    };
    let believed_running = statuses(pod.status.container_statuses.as_ref()).any(is_running)
        || (pod.status.container_statuses.is_none() && pod.phase() == "Running");
    if pod.is_terminal() || !believed_running {
        return PodTruth::AsBelieved;
    }
    let world = &snapshot.store.world;
    let node_ready = snapshot
        .store
        .objects
        .node(node)
        .is_some_and(|node| is_ready(node));
    let powered = world.nodes.get(node).is_none_or(NodeTruth::is_on);
    let mut known = false;
    let mut running = false;
    for (_, (_, truth)) in world.containers_of(pod.meta.uid) {
        known = true;
        running |= matches!(truth, ContainerTruth::Running { .. });
    }
    let dead = !powered || (known && !running);
    match (dead, node_ready) {
        (true, true) => PodTruth::DeadUnnoticed,
        (true, false) => PodTruth::Dead,
        (false, false) if known && world.nodes.contains_key(node) => PodTruth::StillRuns,
        _ => PodTruth::AsBelieved,
    }
}

/// A pod's name in at most so many columns: the template's hash is what can be spared.
#[must_use]
pub fn short_name(pod: &Pod, width: usize) -> String {
    let name = &*pod.meta.key.name;
    if name.len() <= width {
        return name.to_owned();
    }
    let Some(hash) = pod.meta.labels.get("pod-template-hash") else {
        return name.to_owned();
    };
    let Some((front, back)) = name.split_once(&format!("-{hash}-")) else {
        return name.to_owned();
    };
    let with_hash = format!("{front}-{}-{back}", hash.get(..4).unwrap_or(hash));
    if with_hash.len() <= width {
        return with_hash;
    }
    format!("{front}-{back}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::{Key, Meta, codec};

    fn pod(status: &serde_json::Value) -> Pod {
        let value = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "p", "namespace": "default" },
            "spec": { "containers": [{ "name": "a" }, { "name": "b" }],
                      "initContainers": [{ "name": "i" }, { "name": "s", "restartPolicy": "Always" }],
                      "nodeName": "n" },
            "status": status,
        });
        match codec::from_any(value).unwrap() {
            crate::api::Object::Pod(pod) => Pod::clone(&pod),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_word_is_the_one_that_kubectl_prints() {
        let check = |status: serde_json::Value, expected: &str| {
            assert_eq!(word(&pod(&status)), expected, "{status}");
        };
        check(serde_json::json!({}), "Pending");
        check(serde_json::json!({ "phase": "Running" }), "Running");
        check(
            serde_json::json!({ "phase": "Failed", "reason": "Evicted" }),
            "Evicted",
        );
        let container = |name: &str, state: serde_json::Value, ready: bool| {
            serde_json::json!({ "name": name, "ready": ready, "restartCount": 0, "image": "", "imageID": "",
                                "state": state })
        };
        let waiting = |reason: &str| serde_json::json!({ "waiting": { "reason": reason } });
        let ended = |code: i32, reason: &str| serde_json::json!({ "terminated": { "exitCode": code, "reason": reason } });
        let running = serde_json::json!({ "running": {} });
        check(
            serde_json::json!({ "phase": "Pending",
                "containerStatuses": [container("a", waiting("ContainerCreating"), false)] }),
            "ContainerCreating",
        );
        check(
            serde_json::json!({ "phase": "Running",
                "containerStatuses": [container("a", waiting("CrashLoopBackOff"), false),
                                      container("b", running.clone(), true)] }),
            "CrashLoopBackOff",
        );
        check(
            serde_json::json!({ "phase": "Running",
                "containerStatuses": [container("a", ended(0, "Completed"), false),
                                      container("b", running.clone(), true)] }),
            "NotReady",
        );
        check(
            serde_json::json!({ "phase": "Failed",
                "containerStatuses": [container("a", ended(3, ""), false)] }),
            "ExitCode:3",
        );
        check(
            serde_json::json!({ "phase": "Pending",
                "initContainerStatuses": [container("i", running.clone(), false)] }),
            "Init:0/2",
        );
        check(
            serde_json::json!({ "phase": "Pending",
                "initContainerStatuses": [container("i", ended(1, "Error"), false)] }),
            "Init:Error",
        );
        check(
            serde_json::json!({ "phase": "Pending",
                "initContainerStatuses": [container("i", waiting("ImagePullBackOff"), false)] }),
            "Init:ImagePullBackOff",
        );
    }

    #[test]
    fn a_pod_that_was_asked_to_go_is_terminating() {
        let mut pod = pod(&serde_json::json!({ "phase": "Running" }));
        pod.meta.deletion = Some(crate::api::meta::Deletion {
            at: crate::api::Time::ZERO,
            grace_seconds: 30,
        });
        assert_eq!(word(&pod), "Terminating");
        assert_eq!(look(&pod, "Terminating"), PodLook::Terminating);
    }

    #[test]
    fn a_long_name_spares_the_template_hash_first() {
        let mut meta = Meta::new(Key::new("default", "web-7d9f8c6b54-x2k4q"));
        meta.labels = Arc::new([("pod-template-hash".to_owned(), "7d9f8c6b54".to_owned())].into());
        let pod = Pod {
            meta,
            spec: Arc::default(),
            node: None,
            status: Arc::default(),
        };
        assert_eq!(short_name(&pod, 20), "web-7d9f8c6b54-x2k4q");
        assert_eq!(short_name(&pod, 18), "web-7d9f-x2k4q");
        assert_eq!(short_name(&pod, 10), "web-x2k4q");
    }
}
