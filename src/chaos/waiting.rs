//! What a recovery waits for, in words, and until when.

use std::time::Duration;

use k8s_openapi::api::core::v1::Toleration;

use super::recovery::{Hit, Recovery};
use crate::{
    api::{Key, Lease, Name, Pod, Time},
    store::{
        Context, Incident, bootstrap::LEASE_NAMESPACE, incident::Phase, input::Target, world::Power,
    },
};

fn pods(count: usize) -> String {
    match count {
        1 => "1 pod".to_owned(),
        many => format!("{many} pods"),
    }
}

/// What the recovery waits for, and when that is over if it is known.
pub(super) fn waits_for(
    recovery: &Recovery,
    incident: &Incident,
    cx: &Context<'_>,
) -> (String, Option<Time>) {
    let known = |phase| incident.phases.iter().any(|(known, _, _)| *known == phase);
    let node = match &recovery.target {
        Target::Node(node) => Some(node),
        Target::Pod(_) => None,
    };
    let booting = node.and_then(|node| booting_until(node, cx));
    if !known(Phase::Noticed) {
        return match (node, booting) {
            (_, Some(until)) => ("node reboot".to_owned(), Some(until)),
            (Some(node), None) => (
                "node monitor grace period".to_owned(),
                silence_noticed(node, cx),
            ),
            (None, None) => ("the kubelet".to_owned(), None),
        };
    }
    let left = recovery.left();
    if recovery.not_ready && left > 0 {
        if let Some(added) = recovery.tainted {
            return match tolerated_until(recovery, added) {
                Some(until) => (format!("toleration on {}", pods(left)), Some(until)),
                None => (
                    format!("the node: {} tolerate its taint for ever", pods(left)),
                    booting,
                ),
            };
        }
        if let Some(until) = booting {
            return ("node reboot".to_owned(), Some(until));
        }
        return ("NoExecute taint".to_owned(), None);
    }
    let evicted = recovery.hit.len() - left;
    let replaced = recovery.replacements.len();
    if evicted > replaced && recovery.to_be_replaced(cx.store) > replaced {
        return (
            format!("replacements of {}", pods(evicted - replaced)),
            None,
        );
    }
    let unbound: Vec<_> = recovery
        .replacements
        .values()
        .filter(|pod| pod.node.is_none())
        .collect();
    if !unbound.is_empty() {
        let reason = unbound.iter().find_map(|pod| unschedulable(pod));
        return match reason {
            Some(reason) => (
                format!("{} unschedulable: {reason}", pods(unbound.len())),
                None,
            ),
            None => (format!("the scheduler on {}", pods(unbound.len())), None),
        };
    }
    let missing = recovery.missing(cx.store);
    (format!("{} to become ready", pods(missing)), None)
}

fn booting_until(node: &Name, cx: &Context<'_>) -> Option<Time> {
    match cx.store.world.nodes.get(node)?.power {
        Power::Booting { until } => Some(until),
        Power::On | Power::Off => None,
    }
}

/// When the silence of a node is noticed at the earliest.
fn silence_noticed(node: &Name, cx: &Context<'_>) -> Option<Time> {
    let lease = cx.get::<Lease>(&Key::new(LEASE_NAMESPACE, node.clone()))?;
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?;
    Some(Time::from(renewed) + Duration::from_millis(cx.config.timing.node_monitor_grace_ms))
}

/// When the first of the pods that are left is evicted; none if all tolerate the taint for ever.
fn tolerated_until(recovery: &Recovery, added: Time) -> Option<Time> {
    let stays = |hit: &&Hit| !hit.gone && hit.pod.is_active();
    let hits = recovery.hit.values().filter(stays);
    hits.filter_map(|hit| toleration_seconds(&hit.pod))
        .map(|seconds| added + Duration::from_secs(seconds))
        .min()
}

/// For how long a pod tolerates an unreachable node; none for ever.
fn toleration_seconds(pod: &Pod) -> Option<u64> {
    let about = |toleration: &&Toleration| {
        let key = toleration.key.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        (key.is_empty() || key == "node.kubernetes.io/unreachable")
            && (effect.is_empty() || effect == "NoExecute")
    };
    let mut shortest = None;
    for toleration in pod.spec.tolerations.iter().flatten().filter(about) {
        let seconds = u64::try_from(toleration.toleration_seconds?).unwrap_or(0);
        shortest = Some(shortest.map_or(seconds, |s: u64| s.min(seconds)));
    }
    shortest.or(Some(0))
}

/// Why a pod is unschedulable, in short: `Insufficient cpu`.
fn unschedulable(pod: &Pod) -> Option<String> {
    let condition = pod.condition("PodScheduled")?;
    let message = condition.message.as_deref()?;
    let (_, reasons) = message.split_once(": ")?;
    let reasons = reasons.split_once(". ").map_or(reasons, |(first, _)| first);
    let words = |reason: &str| {
        let reason = reason.trim().trim_end_matches('.');
        let counted = reason
            .split_once(' ')
            .filter(|(n, _)| n.parse::<usize>().is_ok());
        counted.map_or(reason, |(_, words)| words).to_owned()
    };
    let all: Vec<String> = reasons.split(", ").map(words).collect();
    Some(all.join(", "))
}
