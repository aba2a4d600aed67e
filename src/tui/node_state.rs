//! A node in one line: what the control plane believes, what is so, since when, and what comes next.

use std::time::Duration;

use k8s_openapi::api::core::v1::{NodeCondition, Taint, Toleration};

use super::{
    census::is_ready,
    text::{age, count_down},
    theme::Meaning,
};
use crate::{
    api::{Key, Node, Time},
    cluster::Snapshot,
    store::{Timing, bootstrap::LEASE_NAMESPACE, world::Power},
};

/// How a node looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeLook {
    /// It has not reported yet.
    Joining,
    Ready,
    Cordoned,
    /// It is off, and nobody has noticed.
    DeadUnnoticed,
    /// It is cut off, and nobody has noticed.
    CutUnnoticed,
    NotReady,
}

impl NodeLook {
    /// What it means.
    #[must_use]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::Joining => Meaning::NodeJoining,
            Self::Ready => Meaning::NodeReady,
            Self::Cordoned => Meaning::NodeCordoned,
            Self::DeadUnnoticed | Self::CutUnnoticed => Meaning::NodeDead,
            Self::NotReady => Meaning::NodeNotReady,
        }
    }

    /// Whether something is wrong with it.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(
            self,
            Self::DeadUnnoticed | Self::CutUnnoticed | Self::NotReady
        )
    }
}

/// A node in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    pub look: NodeLook,
    /// `Ready`, `NotReady`, ... as `kubectl get nodes` prints it, with the time that it has been so if that is bad.
    pub word: String,
    /// What is so and what comes next, from the longest to the shortest wording; empty if all is well.
    pub story: Vec<String>,
    pub zone: Option<String>,
    pub cordoned: bool,
}

/// The label of a node's zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";

impl NodeState {
    /// Reads a node.
    #[must_use]
    pub fn read(node: &Node, snapshot: &Snapshot, now: Time) -> Self {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
        let zone = node
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(ZONE))
            .cloned();
        let facts = Facts::read(node, name, snapshot, now);
        let look = facts.look(node, cordoned);
        let mut word = match look {
            NodeLook::Joining => "joining".to_owned(),
            NodeLook::DeadUnnoticed => "dead".to_owned(),
            NodeLook::CutUnnoticed => "cut off".to_owned(),
            NodeLook::Ready | NodeLook::Cordoned => "Ready".to_owned(),
            NodeLook::NotReady => format!("NotReady {}", age(facts.not_ready)),
        };
        if cordoned && look == NodeLook::Cordoned {
            "cordoned".clone_into(&mut word);
        }
        Self {
            look,
            word,
            story: facts.story(look, node, snapshot, name),
            zone,
            cordoned,
        }
    }
}

/// How a node looks: as [`NodeState`] has it, without the words.
#[must_use]
pub fn look(node: &Node, snapshot: &Snapshot) -> NodeLook {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    Facts::read(node, name, snapshot, snapshot.at).look(node, cordoned)
}

struct Facts {
    now: Time,
    on: bool,
    booting: Option<Time>,
    connected: bool,
    /// How long it is as it is.
    changed: Duration,
    /// How long the control plane has believed that it is not ready.
    not_ready: Duration,
    has_reported: bool,
}

impl Facts {
    fn read(node: &Node, name: &str, snapshot: &Snapshot, now: Time) -> Self {
        let truth = snapshot.store.world.nodes.get(name);
        let ready = condition(node, "Ready");
        let since = ready
            .and_then(|ready| ready.last_transition_time.as_ref())
            .map(Time::from);
        Self {
            now,
            on: truth.is_none_or(|truth| truth.power == Power::On),
            booting: truth.and_then(|truth| match truth.power {
                Power::Booting { until } => Some(until),
                Power::On | Power::Off => None,
            }),
            connected: truth.is_none_or(|truth| truth.connected),
            changed: truth.map_or(Duration::ZERO, |truth| now.since(truth.since)),
            not_ready: since.map_or(Duration::ZERO, |since| now.since(since)),
            has_reported: ready.is_some(),
        }
    }

    fn look(&self, node: &Node, cordoned: bool) -> NodeLook {
        match (is_ready(node), self.on, self.connected) {
            (true, false, _) => NodeLook::DeadUnnoticed,
            (true, true, false) => NodeLook::CutUnnoticed,
            (true, true, true) if cordoned => NodeLook::Cordoned,
            (true, true, true) => NodeLook::Ready,
            (false, ..) if !self.has_reported && self.on => NodeLook::Joining,
            (false, ..) => NodeLook::NotReady,
        }
    }

    /// What is so, long and short.
    fn so(&self) -> (String, &'static str) {
        match (self.booting, self.on, self.connected) {
            (Some(until), ..) => {
                let left = count_down(until.since(self.now));
                (format!("reboots, back in {left}"), "reboots")
            }
            (None, false, _) => (format!("dead for {}", age(self.changed)), "dead"),
            (None, true, false) => {
                let text = format!("cut off for {}, pods run on", age(self.changed));
                (text, "cut off")
            }
            (None, true, true) => ("back, not noticed yet".to_owned(), "back"),
        }
    }

    fn story(&self, look: NodeLook, node: &Node, snapshot: &Snapshot, name: &str) -> Vec<String> {
        let (so, short) = self.so();
        let mut wordings = Vec::new();
        match look {
            NodeLook::Joining | NodeLook::Ready | NodeLook::Cordoned => {}
            NodeLook::DeadUnnoticed | NodeLook::CutUnnoticed => {
                if let Some(due) = noticed_by(snapshot, name, self.now) {
                    let due = count_down(due);
                    wordings.push(format!("{so} — not noticed yet, will be in {due}"));
                }
                wordings.push(format!("{so} — not noticed yet"));
                wordings.push(format!("{short} — not noticed yet"));
                wordings.push("not noticed yet".to_owned());
            }
            NodeLook::NotReady => {
                let next = self.next(node, snapshot, name);
                wordings.push(format!("{so} · {next}"));
                wordings.push(format!(
                    "{short} · {}",
                    next.replace("evicts pods", "evicts")
                ));
                wordings.push(next);
            }
        }
        wordings
    }

    /// What happens next to a node that is believed to be lost.
    fn next(&self, node: &Node, snapshot: &Snapshot, name: &str) -> String {
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
        let lost = taints.into_iter().flatten().filter(|taint| {
            taint.effect == "NoExecute" && taint.key.starts_with("node.kubernetes.io/")
        });
        let objects = &snapshot.store.objects;
        let mut pods = objects
            .pods_on(name)
            .filter(|pod| pod.is_active())
            .peekable();
        if pods.peek().is_none() {
            // The objects stay until the node says that the containers are gone.
            let gone = objects.pods_on(name).next().is_none();
            return if gone { "has no pods" } else { "pods evicted" }.to_owned();
        }
        let Some(taint) = lost.max_by_key(|taint| taint.time_added.as_ref().map(Time::from)) else {
            return "waits for its turn to be evicted".to_owned();
        };
        let added = taint.time_added.as_ref().map_or(self.now, Time::from);
        let earliest = pods
            .filter_map(|pod| {
                tolerated_for(pod.spec.tolerations.as_deref().unwrap_or_default(), taint)
            })
            .min();
        match earliest {
            None => "its pods tolerate that".to_owned(),
            Some(seconds) => match (added + seconds).since(self.now) {
                Duration::ZERO => "evicts its pods".to_owned(),
                left => format!("evicts pods in {}", count_down(left)),
            },
        }
    }
}

/// How long a pod with these tolerations stays on a node with this NoExecute taint; none if for ever.
fn tolerated_for(tolerations: &[Toleration], taint: &Taint) -> Option<Duration> {
    let matching = tolerations.iter().filter(|toleration| {
        let key = toleration.key.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        let exists = toleration.operator.as_deref() == Some("Exists");
        (key.is_empty() || key == taint.key)
            && (effect.is_empty() || effect == taint.effect)
            && (exists || toleration.value.as_deref() == taint.value.as_deref())
    });
    let mut tolerates = false;
    let mut shortest: Option<i64> = None;
    for toleration in matching {
        tolerates = true;
        if let Some(seconds) = toleration.toleration_seconds {
            shortest = Some(shortest.map_or(seconds, |old| old.min(seconds)));
        }
    }
    match (tolerates, shortest) {
        (false, _) => Some(Duration::ZERO),
        (true, None) => None,
        (true, Some(seconds)) => Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
    }
}

/// When a silent node will be noticed at the latest, from now: its lease's grace, and one look of the controller.
fn noticed_by(snapshot: &Snapshot, name: &str, now: Time) -> Option<Duration> {
    let timing = &snapshot.config.timing;
    let lease = snapshot
        .store
        .objects
        .leases
        .get(&Key::new(LEASE_NAMESPACE, name))?;
    let renewed = lease.spec.as_ref()?.renew_time.as_ref().map(Time::from)?;
    let grace = Timing::ms(timing.node_monitor_grace_ms + timing.node_monitor_period_ms);
    Some((renewed + grace).since(now))
}

/// A node's condition by its type.
#[must_use]
pub fn condition<'a>(node: &'a Node, condition_type: &str) -> Option<&'a NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == condition_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint() -> Taint {
        Taint {
            key: "node.kubernetes.io/unreachable".to_owned(),
            effect: "NoExecute".to_owned(),
            ..Taint::default()
        }
    }

    fn toleration(key: &str, seconds: Option<i64>) -> Toleration {
        Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            toleration_seconds: seconds,
            ..Toleration::default()
        }
    }

    #[test]
    fn the_shortest_matching_toleration_says_how_long_a_pod_stays() {
        let unreachable = "node.kubernetes.io/unreachable";
        let check = |tolerations: &[Toleration], expected: Option<u64>| {
            assert_eq!(
                tolerated_for(tolerations, &taint()),
                expected.map(Duration::from_secs)
            );
        };
        check(&[], Some(0));
        check(&[toleration("other", Some(9))], Some(0));
        check(&[toleration(unreachable, None)], None);
        check(
            &[toleration("", None), toleration(unreachable, Some(5))],
            Some(5),
        );
        check(&[toleration(unreachable, Some(-1))], Some(0));
    }
}
