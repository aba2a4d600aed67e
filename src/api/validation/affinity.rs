//! Rules of what pods ask of nodes: affinity, tolerations, spreading.

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodSpec,
    Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm,
};

use super::{field::Errors, meta, names};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn affinity(path: &str, affinity: &Affinity, errors: &mut Errors) {
    if let Some(node) = &affinity.node_affinity {
        node_affinity(&format!("{path}.nodeAffinity"), node, errors);
    }
    if let Some(pods) = &affinity.pod_affinity {
        let (required, preferred) = (
            &pods.required_during_scheduling_ignored_during_execution,
            &pods.preferred_during_scheduling_ignored_during_execution,
        );
        pod_terms(&format!("{path}.podAffinity"), required, preferred, errors);
    }
    if let Some(pods) = &affinity.pod_anti_affinity {
        let (required, preferred) = (
            &pods.required_during_scheduling_ignored_during_execution,
            &pods.preferred_during_scheduling_ignored_during_execution,
        );
        pod_terms(
            &format!("{path}.podAntiAffinity"),
            required,
            preferred,
            errors,
        );
    }
}

fn node_affinity(path: &str, affinity: &NodeAffinity, errors: &mut Errors) {
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        let path = format!("{path}.{REQUIRED}.nodeSelectorTerms");
        if required.node_selector_terms.is_empty() {
            errors.required(&path, "must have at least one node selector term");
        }
        for (index, term) in required.node_selector_terms.iter().enumerate() {
            node_term(&format!("{path}[{index}]"), term, errors);
        }
    }
    let preferred = affinity
        .preferred_during_scheduling_ignored_during_execution
        .iter();
    for (index, term) in preferred.flatten().enumerate() {
        let path = format!("{path}.{PREFERRED}[{index}]");
        if !(1..=100).contains(&term.weight) {
            errors.invalid(
                &format!("{path}.weight"),
                term.weight,
                "must be in the range 1-100",
            );
        }
        node_term(&format!("{path}.preference"), &term.preference, errors);
    }
}

fn node_term(path: &str, term: &NodeSelectorTerm, errors: &mut Errors) {
    for (index, requirement) in term.match_expressions.iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        node_requirement(&path, requirement, errors);
        let key = &requirement.key;
        errors.invalid_each(&format!("{path}.key"), key, names::qualified_name(key));
    }
    for (index, requirement) in term.match_fields.iter().flatten().enumerate() {
        let path = format!("{path}.matchFields[{index}]");
        if !matches!(requirement.operator.as_str(), "In" | "NotIn") {
            errors.invalid(
                &format!("{path}.operator"),
                requirement.operator.as_str(),
                "not a valid selector operator",
            );
        } else if requirement.values.as_ref().map_or(0, Vec::len) != 1 {
            errors.required(
                &format!("{path}.values"),
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            );
        }
        if requirement.key != "metadata.name" {
            let key = requirement.key.as_str();
            errors.invalid(
                &format!("{path}.key"),
                key,
                "not a valid field selector key",
            );
        }
    }
}

fn node_requirement(path: &str, requirement: &NodeSelectorRequirement, errors: &mut Errors) {
    let values = requirement.values.as_deref().unwrap_or_default();
    let path_of = |field: &str| format!("{path}.{field}");
    match requirement.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => errors.required(
            &path_of("values"),
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.forbidden(
            &path_of("values"),
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        "Gt" | "Lt" if values.len() != 1 => errors.required(
            &path_of("values"),
            "must be specified single value when `operator` is 'Lt' or 'Gt'",
        ),
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(&path_of("operator"), other, "not a valid selector operator"),
    }
}

fn pod_terms(
    path: &str,
    required: &Option<Vec<PodAffinityTerm>>,
    preferred: &Option<Vec<WeightedPodAffinityTerm>>,
    errors: &mut Errors,
) {
    for (index, term) in required.iter().flatten().enumerate() {
        pod_term(&format!("{path}.{REQUIRED}[{index}]"), term, errors);
    }
    for (index, weighted) in preferred.iter().flatten().enumerate() {
        let path = format!("{path}.{PREFERRED}[{index}]");
        if !(1..=100).contains(&weighted.weight) {
            let path = format!("{path}.weight");
            errors.invalid(&path, weighted.weight, "must be in the range 1-100");
        }
        pod_term(
            &format!("{path}.podAffinityTerm"),
            &weighted.pod_affinity_term,
            errors,
        );
    }
}

fn pod_term(path: &str, term: &PodAffinityTerm, errors: &mut Errors) {
    if let Some(selector) = &term.label_selector {
        meta::selector(&format!("{path}.labelSelector"), selector, errors);
    }
    let path = format!("{path}.topologyKey");
    topology_key(&path, &term.topology_key, errors);
}

fn topology_key(path: &str, key: &str, errors: &mut Errors) {
    if key.is_empty() {
        errors.required(path, "can not be empty");
    } else {
        errors.invalid_each(path, key, names::qualified_name(key));
    }
}

pub(super) fn spreading(path: &str, spec: &PodSpec, errors: &mut Errors) {
    let constraints = spec.topology_spread_constraints.iter().flatten();
    for (index, constraint) in constraints.enumerate() {
        let path = format!("{path}.topologySpreadConstraints[{index}]");
        let TopologySpreadConstraint {
            max_skew,
            topology_key: key,
            when_unsatisfiable: otherwise,
            label_selector,
            ..
        } = constraint;
        if *max_skew <= 0 {
            errors.invalid(
                &format!("{path}.maxSkew"),
                *max_skew,
                "must be greater than zero",
            );
        }
        topology_key(&format!("{path}.topologyKey"), key, errors);
        let known = ["DoNotSchedule", "ScheduleAnyway"];
        if !known.contains(&otherwise.as_str()) {
            errors.not_supported(&format!("{path}.whenUnsatisfiable"), otherwise, &known);
        }
        if let Some(selector) = label_selector {
            meta::selector(&format!("{path}.labelSelector"), selector, errors);
        }
    }
}

/// The effects that a taint can have.
pub(super) const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn tolerations(path: &str, tolerations: &[Toleration], errors: &mut Errors) {
    for (index, toleration) in tolerations.iter().enumerate() {
        one_toleration(&format!("{path}.tolerations[{index}]"), toleration, errors);
    }
}

fn one_toleration(path: &str, toleration: &Toleration, errors: &mut Errors) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let key = text(&toleration.key);
    let value = text(&toleration.value);
    let operator = text(&toleration.operator);
    let effect = text(&toleration.effect);
    let path_of = |field: &str| format!("{path}.{field}");
    if !key.is_empty() {
        errors.invalid_each(&path_of("key"), &key, names::qualified_name(&key));
    } else if operator != "Exists" {
        errors.invalid(
            &path_of("operator"),
            operator.as_str(),
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        );
    }
    if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
        errors.invalid(
            &path_of("effect"),
            effect.as_str(),
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        );
    }
    match operator.as_str() {
        "" | "Equal" => {
            let wrong = names::label_value(&value);
            if !wrong.is_empty() {
                errors.invalid(&path_of("operator"), value, &wrong.join(";"));
            }
        }
        "Exists" if !value.is_empty() => errors.invalid(
            &path_of("operator"),
            value,
            "value must be empty when `operator` is 'Exists'",
        ),
        "Exists" => {}
        other => errors.not_supported(&path_of("operator"), other, &["Equal", "Exists"]),
    }
    if !effect.is_empty() && !EFFECTS.contains(&effect.as_str()) {
        errors.not_supported(&path_of("effect"), &effect, &EFFECTS);
    }
}
