//! Which of a ReplicaSet's pods go first (`pkg/controller/controller_utils.go`, `ActivePodsWithRanks`).

use std::cmp::Ordering;

use super::super::common::ready_since;
use crate::api::{Pod, Time};

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A pod, and how many active pods of related sets share its node.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a> {
    pub pod: &'a Pod,
    pub rank: usize,
}

/// Sorts pods into the order in which they are deleted, the first to go first.
///
/// Upstream's order is not transitive (pods of about the same age are compared by their ids, pods of exactly the same
/// age by their restarts), which the standard library's sorts may answer with a panic: so this is a merge sort of our own.
#[must_use]
pub fn deletion_order(mut pods: Vec<Ranked<'_>>, now: Time) -> Vec<Ranked<'_>> {
    if pods.len() < 2 {
        return pods;
    }
    let right = deletion_order(pods.split_off(pods.len() / 2), now);
    let left = deletion_order(pods, now);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = match compare(*a, *b, now) {
            Ordering::Greater => right.next(),
            _ => left.next(),
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

/// Which of two pods goes first.
#[must_use]
pub fn compare(a: Ranked<'_>, b: Ranked<'_>, now: Time) -> Ordering {
    // Unassigned before assigned, pending before unknown before running, not ready before ready, cheap before dear,
    // where many are before where few are.
    let (ready_a, ready_b) = (ready_since(a.pod), ready_since(b.pod));
    let coarse = a
        .pod
        .node
        .is_some()
        .cmp(&b.pod.node.is_some())
        .then_with(|| phase_order(a.pod).cmp(&phase_order(b.pod)))
        .then_with(|| ready_a.is_some().cmp(&ready_b.is_some()))
        .then_with(|| deletion_cost(a.pod).cmp(&deletion_cost(b.pod)))
        .then_with(|| b.rank.cmp(&a.rank));
    if coarse != Ordering::Equal {
        return coarse;
    }
    // Ready for a short time before ready for long; restarted often before seldom; new before old.
    if let (Some(ready_a), Some(ready_b)) = (ready_a, ready_b)
        && ready_a != ready_b
    {
        return by_age(a.pod, b.pod, ready_a, ready_b, now);
    }
    let (created_a, created_b) = (a.pod.meta.created, b.pod.meta.created);
    restarts(b.pod).cmp(&restarts(a.pod)).then_with(|| {
        if created_a == created_b {
            Ordering::Equal
        } else {
            by_age(a.pod, b.pod, created_a, created_b, now)
        }
    })
}

/// Younger first, where ages count as the same if their logarithms do; then the order is by id, which is as good as random
/// (`LogarithmicScaleDown`).
fn by_age(a: &Pod, b: &Pod, since_a: Time, since_b: Time, now: Time) -> Ordering {
    let magnitude = |since: Time| {
        let age = now.since(since).as_nanos();
        age.checked_ilog2().map_or(-1, i64::from)
    };
    magnitude(since_a)
        .cmp(&magnitude(since_b))
        .then_with(|| a.meta.uid.cmp(&b.meta.uid))
}

fn phase_order(pod: &Pod) -> u8 {
    match pod.phase() {
        "Unknown" => 1,
        "Running" => 2,
        _ => 0,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    let text = pod.meta.annotations.get(DELETION_COST);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The most restarts of an app container, and of a sidecar.
fn restarts(pod: &Pod) -> (i32, i32) {
    let app = pod.status.container_statuses.iter().flatten();
    let sidecar = |name: &str| {
        let mut inits = pod.spec.init_containers.iter().flatten();
        inits.any(|c| c.name == name && c.restart_policy.as_deref() == Some("Always"))
    };
    let inits = pod.status.init_container_statuses.iter().flatten();
    (
        app.map(|c| c.restart_count).max().unwrap_or(0),
        inits
            .filter(|c| sidecar(&c.name))
            .map(|c| c.restart_count)
            .max()
            .unwrap_or(0),
    )
}
