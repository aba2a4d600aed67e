//! Whether a node takes a pod (`pkg/kubelet/lifecycle/predicate.go`).
//!
//! The scheduler has asked the same before; the kubelet asks again, for pods that were bound by hand and for what has
//! changed since.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Container, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration,
    },
    apimachinery::pkg::api::resource::Quantity as Text,
};

use crate::api::{Node, Pod, Quantity, meta::Labels};

/// Amounts of the resources that a pod asks for or a node gives; CPU in millicores, all else in whole units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    amounts: BTreeMap<String, i64>,
    pods: i64,
}

impl Requests {
    /// What a pod asks for: the larger of what its containers need together and what each init container needs beside
    /// the sidecars before it; and the pod's overhead.
    pub fn of(spec: &PodSpec) -> Self {
        let mut sum = Self::default();
        for container in &spec.containers {
            sum.add_container(container);
        }
        let mut sidecars = Self::default();
        let mut peak = Self::default();
        for container in spec.init_containers.iter().flatten() {
            let mut alone = sidecars.clone();
            alone.add_container(container);
            peak.max(&alone);
            if is_sidecar(container) {
                sidecars = alone;
            }
        }
        sum.add(&sidecars, 1);
        sum.max(&peak);
        if let Some(pod_level) = spec.resources.as_ref().and_then(|r| r.requests.as_ref()) {
            for (name, amount) in pod_level {
                sum.amounts.insert(name.clone(), whole(name, amount));
            }
        }
        for (name, amount) in spec.overhead.iter().flatten() {
            sum.add_one(name, whole(name, amount));
        }
        sum.pods = 1;
        sum
    }

    fn add_container(&mut self, container: &Container) {
        let Some(resources) = &container.resources else {
            return;
        };
        for (name, amount) in resources.requests.iter().flatten() {
            self.add_one(name, whole(name, amount));
        }
        // What is limited and not requested is requested as limited.
        for (name, amount) in resources.limits.iter().flatten() {
            if resources
                .requests
                .as_ref()
                .is_none_or(|r| !r.contains_key(name))
            {
                self.add_one(name, whole(name, amount));
            }
        }
    }

    fn add_one(&mut self, name: &str, amount: i64) {
        match self.amounts.get_mut(name) {
            Some(sum) => *sum = sum.saturating_add(amount),
            None => {
                self.amounts.insert(name.to_owned(), amount);
            }
        }
    }

    /// Adds another's amounts, or takes them away with sign -1.
    pub fn add(&mut self, other: &Self, sign: i64) {
        for (name, amount) in &other.amounts {
            self.add_one(name, amount * sign);
        }
        self.pods += other.pods * sign;
    }

    fn max(&mut self, other: &Self) {
        for (name, amount) in &other.amounts {
            let mine = self.amounts.entry(name.clone()).or_default();
            *mine = (*mine).max(*amount);
        }
    }
}

/// An amount in the unit in which it is compared.
fn whole(name: &str, amount: &Text) -> i64 {
    let amount = Quantity::of(amount);
    if name == "cpu" {
        amount.milli_value()
    } else {
        amount.value()
    }
}

/// Whether an init container goes on running beside the app containers.
pub(super) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Why a pod is refused: the status' reason and message.
pub(super) struct Refusal {
    pub reason: String,
    pub message: String,
}

/// Why a node that has so much in use does not take a pod, if so.
pub(super) fn refusal(pod: &Pod, asks: &Requests, node: &Node, used: &Requests) -> Option<Refusal> {
    let status = node.status.as_ref();
    let gives = status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
    if let Some(gives) = gives {
        let lacks = |name: &str, asked: i64, in_use: i64| {
            let capacity = gives.get(name).map_or(0, |amount| whole(name, amount));
            (asked > 0 && asked > capacity - in_use).then(|| Refusal {
                reason: format!("OutOf{name}"),
                message: format!(
                    "Node didn't have enough resource: {name}, requested: {asked}, used: {in_use}, capacity: {capacity}"
                ),
            })
        };
        if gives.contains_key("pods")
            && let Some(refusal) = lacks("pods", 1, used.pods)
        {
            return Some(refusal);
        }
        for (name, asked) in &asks.amounts {
            let in_use = used.amounts.get(name).copied().unwrap_or(0);
            if let Some(refusal) = lacks(name, *asked, in_use) {
                return Some(refusal);
            }
        }
    }
    let predicate = |name: &str, why: &str| Refusal {
        reason: name.to_owned(),
        message: format!("Predicate {name} failed: {why}"),
    };
    if !selects(&pod.spec, node) {
        let why = "node(s) didn't match Pod's node affinity/selector";
        return Some(predicate("NodeAffinity", why));
    }
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    let no_execute = |taint: &&Taint| taint.effect == "NoExecute";
    let tolerated = |taint: &Taint| {
        let mut tolerations = pod.spec.tolerations.iter().flatten();
        tolerations.any(|toleration| tolerates(toleration, taint))
    };
    if taints
        .into_iter()
        .flatten()
        .filter(no_execute)
        .any(|taint| !tolerated(taint))
    {
        let why = "node(s) had taints that the pod didn't tolerate";
        return Some(predicate("TaintToleration", why));
    }
    None
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || (key.is_empty() && exists))
        && (exists
            || toleration.value.as_deref().unwrap_or_default()
                == taint.value.as_deref().unwrap_or_default())
}

/// Whether a pod's node selector and required node affinity select a node.
fn selects(spec: &PodSpec, node: &Node) -> bool {
    static NO_LABELS: Labels = Labels::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let selector = spec.node_selector.iter().flatten();
    if !selector
        .clone()
        .all(|(key, value)| labels.get(key) == Some(value))
    {
        return false;
    }
    let required = spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.as_ref())
        .and_then(|a| {
            a.required_during_scheduling_ignored_during_execution
                .as_ref()
        });
    let Some(required) = required else {
        return true;
    };
    let name = node.metadata.name.as_deref();
    let matches = |term: &NodeSelectorTerm| {
        let labels_match =
            |r: &NodeSelectorRequirement| holds(r, labels.get(&r.key).map(String::as_str));
        let field_matches =
            |r: &NodeSelectorRequirement| r.key == "metadata.name" && holds(r, name);
        let empty = term.match_expressions.is_none() && term.match_fields.is_none();
        !empty
            && term.match_expressions.iter().flatten().all(labels_match)
            && term.match_fields.iter().flatten().all(field_matches)
    };
    required.node_selector_terms.iter().any(matches)
}

/// Whether a requirement holds for a value that may be absent.
fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let mut values = requirement.values.iter().flatten().map(String::as_str);
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| values.any(|v| v == value)),
        "NotIn" => value.is_none_or(|value| values.all(|v| v != value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => number(value)
            .zip(number(values.next()))
            .is_some_and(|(a, b)| a > b),
        "Lt" => number(value)
            .zip(number(values.next()))
            .is_some_and(|(a, b)| a < b),
        _ => false,
    }
}
