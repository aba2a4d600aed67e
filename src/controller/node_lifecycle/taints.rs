//! The taints that tell of a node's conditions.

use k8s_openapi::api::core::v1::Taint;

use crate::{
    api::{ApiError, Node, Time},
    store::Context,
};

/// Key of the taints of a node that says that it is not ready.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Key of the taints of a node that says nothing any more.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NO_SCHEDULE: &str = "NoSchedule";
const NO_EXECUTE: &str = "NoExecute";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Which value of which condition is told by which taint (`nodeConditionToTaintKeyStatusMap`).
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    (
        "MemoryPressure",
        "True",
        "node.kubernetes.io/memory-pressure",
    ),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    (
        "NetworkUnavailable",
        "True",
        "node.kubernetes.io/network-unavailable",
    ),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// A node's condition, by its type.
pub fn condition<'a>(node: &'a Node, condition_type: &str) -> Option<&'a str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|c| c.type_ == condition_type)?;
    Some(&found.status)
}

fn list(node: &Node) -> impl Iterator<Item = &Taint> {
    node.spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten())
}

/// Whether a node has a taint by which pods are evicted.
pub fn evicts(node: &Node, key: &str) -> bool {
    list(node).any(|taint| taint.key == key && taint.effect == NO_EXECUTE)
}

/// The keys of the NoSchedule taints that a node should have.
fn wanted(node: &Node) -> Vec<&'static str> {
    let mut keys: Vec<_> = BY_CONDITION
        .into_iter()
        .filter(|(kind, status, _)| condition(node, kind) == Some(status))
        .map(|(_, _, key)| key)
        .collect();
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
        keys.push(UNSCHEDULABLE);
    }
    keys
}

fn ours(key: &str) -> bool {
    key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(_, _, taint)| *taint == key)
}

/// The node with the NoSchedule taints that its conditions ask for; none if it has them.
pub fn with_no_schedule(node: &Node, now: Time) -> Option<Node> {
    let wanted = wanted(node);
    let mut taints: Vec<Taint> = list(node)
        .filter(|taint| {
            taint.effect != NO_SCHEDULE || !ours(&taint.key) || wanted.contains(&taint.key.as_str())
        })
        .cloned()
        .collect();
    for key in wanted {
        if !taints
            .iter()
            .any(|taint| taint.key == key && taint.effect == NO_SCHEDULE)
        {
            taints.push(taint(key, NO_SCHEDULE, now));
        }
    }
    with(node, taints)
}

/// Whether [`with_no_schedule`] has something to do; cheaper.
pub fn no_schedule_differs(node: &Node) -> bool {
    let wanted = wanted(node);
    let has = |key: &str| list(node).any(|t| t.key == key && t.effect == NO_SCHEDULE);
    wanted.iter().any(|key| !has(key))
        || list(node).any(|taint| {
            taint.effect == NO_SCHEDULE && ours(&taint.key) && !wanted.contains(&taint.key.as_str())
        })
}

/// Gives a node one NoExecute taint and takes others away.
///
/// # Errors
/// As the store refuses.
pub fn swap(
    cx: &mut Context<'_>,
    node: &Node,
    add: Option<&str>,
    remove: &[&str],
) -> Result<(), ApiError> {
    let mut taints: Vec<Taint> = list(node)
        .filter(|taint| taint.effect != NO_EXECUTE || !remove.contains(&taint.key.as_str()))
        .cloned()
        .collect();
    if let Some(key) = add.filter(|key| !evicts(node, key)) {
        taints.push(taint(key, NO_EXECUTE, cx.now));
    }
    match with(node, taints) {
        Some(node) => cx.update(node).map(drop),
        None => Ok(()),
    }
}

fn taint(key: &str, effect: &str, now: Time) -> Taint {
    Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        time_added: Some(now.to_k8s()),
        value: None,
    }
}

fn with(node: &Node, taints: Vec<Taint>) -> Option<Node> {
    if list(node).eq(taints.iter()) {
        return None;
    }
    let mut node = node.clone();
    node.spec.get_or_insert_default().taints = (!taints.is_empty()).then_some(taints);
    Some(node)
}
