//! Rules of pods.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1::{PodSpec, Toleration};

use super::{affinity, container, field::Errors, meta, names};
use crate::api::Pod;

pub(super) fn pod(pod: &Pod, old: Option<&Pod>, errors: &mut Errors) {
    let prefix = pod.meta.generate_name.as_deref().unwrap_or_default();
    meta::names(&pod.meta.key.name, prefix, names::dns_subdomain, errors);
    let namespace = &pod.meta.key.namespace;
    errors.invalid_each("metadata.namespace", namespace, names::dns_label(namespace));
    meta::labels("metadata.labels", &pod.meta.labels, errors);
    meta::annotations(&pod.meta.annotations, errors);
    meta::owners(&pod.meta.owners, errors);
    meta::finalizers(&pod.meta.finalizers, errors);
    spec("spec", &pod.spec, errors);
    for (list, containers) in [
        ("containers", Some(&pod.spec.containers)),
        ("initContainers", pod.spec.init_containers.as_ref()),
    ] {
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let image = container.image.as_deref().unwrap_or_default();
            if image.trim() != image {
                let path = format!("spec.{list}[{index}].image");
                errors.invalid(&path, image, "must not have leading or trailing whitespace");
            }
        }
    }
    if let Some(old) = old {
        update(pod, old, errors);
    }
}

/// The spec of a pod or of a template.
pub(super) fn spec(path: &str, spec: &PodSpec, errors: &mut Errors) {
    let path_of = |field: &str| format!("{path}.{field}");
    volumes(path, spec, errors);
    container::containers(path, spec, errors);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut word = |field: &str, value: &Option<String>, known: &[&str]| {
        let value = text(value);
        if value.is_empty() {
            errors.required(&path_of(field), "");
        } else if !known.contains(&value.as_str()) {
            errors.not_supported(&path_of(field), &value, known);
        }
    };
    word(
        "restartPolicy",
        &spec.restart_policy,
        &["Always", "Never", "OnFailure"],
    );
    let policies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    word("dnsPolicy", &spec.dns_policy, &policies);
    if let Some(labels) = &spec.node_selector {
        meta::labels(&path_of("nodeSelector"), labels, errors);
    }
    if let Some(affinity) = &spec.affinity {
        affinity::affinity(&path_of("affinity"), affinity, errors);
    }
    affinity::spreading(path, spec, errors);
    for (field, name) in [
        ("serviceAccountName", &spec.service_account_name),
        ("nodeName", &spec.node_name),
    ] {
        let name = text(name);
        if !name.is_empty() {
            errors.invalid_each(&path_of(field), &name, names::dns_subdomain(&name));
        }
    }
    if let Some(deadline) = spec.active_deadline_seconds
        && !(1..=i64::from(i32::MAX)).contains(&deadline)
    {
        let detail = format!("must be between 1 and {}, inclusive", i32::MAX);
        errors.invalid(&path_of("activeDeadlineSeconds"), deadline, &detail);
    }
    for (field, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        let name = text(name);
        if !name.is_empty() {
            errors.invalid_each(&path_of(field), &name, names::dns_label(&name));
        }
    }
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    affinity::tolerations(path, tolerations, errors);
    let class = text(&spec.priority_class_name);
    if !class.is_empty() {
        errors.invalid_each(
            &path_of("priorityClassName"),
            &class,
            names::dns_subdomain(&class),
        );
    }
    if let Some(policy) = &spec.preemption_policy {
        let known = ["Never", "PreemptLowerPriority"];
        if !known.contains(&policy.as_str()) {
            errors.not_supported(&path_of("preemptionPolicy"), policy, &known);
        }
    }
}

fn volumes(path: &str, spec: &PodSpec, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let path = format!("{path}.volumes[{index}].name");
        let wrong = names::dns_label(&volume.name);
        if volume.name.is_empty() {
            errors.required(&path, "");
        } else if !wrong.is_empty() {
            errors.invalid_each(&path, &volume.name, wrong);
        } else if !seen.insert(&volume.name) {
            errors.duplicate(&path, volume.name.as_str());
        }
    }
}

/// What an update of a pod must leave as it is.
fn update(pod: &Pod, old: &Pod, errors: &mut Errors) {
    if pod.node == old.node && Arc::ptr_eq(&pod.spec, &old.spec) {
        return;
    }
    // What may change is set back; what then differs may not.
    let mut back = PodSpec::clone(&pod.spec);
    let before = &old.spec;
    for (new, old) in back.containers.iter_mut().zip(&before.containers) {
        new.image.clone_from(&old.image);
    }
    let init = back.init_containers.iter_mut().flatten();
    for (new, old) in init.zip(before.init_containers.iter().flatten()) {
        new.image.clone_from(&old.image);
    }
    deadline(&mut back, before, errors);
    gates(&mut back, before, errors);
    if !only_added(back.tolerations.as_deref(), before.tolerations.as_deref()) {
        errors.forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        );
    }
    back.tolerations.clone_from(&before.tolerations);
    if back.termination_grace_period_seconds == Some(1)
        && before
            .termination_grace_period_seconds
            .is_some_and(|grace| grace < 0)
    {
        back.termination_grace_period_seconds = before.termination_grace_period_seconds;
    }
    if back != **before || pod.node != old.node {
        errors.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        );
    }
}

fn deadline(back: &mut PodSpec, before: &PodSpec, errors: &mut Errors) {
    let path = "spec.activeDeadlineSeconds";
    match (back.active_deadline_seconds, before.active_deadline_seconds) {
        (Some(new), Some(old)) if new > old => {
            errors.invalid(
                path,
                new,
                &format!("must be less than or equal to previous value {old}"),
            );
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            errors.invalid(path, serde_json::Value::Null, detail);
        }
        _ => {}
    }
    back.active_deadline_seconds = before.active_deadline_seconds;
}

fn gates(back: &mut PodSpec, before: &PodSpec, errors: &mut Errors) {
    let old = before.scheduling_gates.as_deref().unwrap_or_default();
    for (index, gate) in back.scheduling_gates.iter().flatten().enumerate() {
        if !old.contains(gate) {
            errors.forbidden(
                &format!("spec.schedulingGates[{index}].name"),
                &format!(
                    "only deletion is allowed, but found new scheduling gate '{}'",
                    gate.name
                ),
            );
        }
    }
    back.scheduling_gates.clone_from(&before.scheduling_gates);
}

/// Whether every old toleration is still there, but for its seconds.
fn only_added(new: Option<&[Toleration]>, old: Option<&[Toleration]>) -> bool {
    let new = new.unwrap_or_default();
    let same = |a: &Toleration, b: &Toleration| {
        (&a.key, &a.operator, &a.value, &a.effect) == (&b.key, &b.operator, &b.value, &b.effect)
    };
    let mut old = old.unwrap_or_default().iter();
    old.all(|old| new.iter().any(|new| same(new, old)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        api::{Object, codec, defaults},
        store::write::merge,
    };

    fn object(patch: &Value) -> Object {
        let mut value = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "default"},
            "spec": {"activeDeadlineSeconds": 60, "containers": [{"name": "c", "image": "nginx:1.27"}],
                "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}]}});
        merge(&mut value, patch);
        let mut object = codec::from_any(value).unwrap();
        defaults::apply(&mut object);
        object
    }

    fn check(patch: Value, expected: &[&str]) {
        let errors = super::super::check(&object(&patch), Some(&object(&json!({}))));
        let found: Vec<String> = errors
            .iter()
            .map(|error| {
                error
                    .to_string()
                    .split('`')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        assert_eq!(found, expected, "{patch}");
    }

    #[test]
    fn of_a_pod_only_images_deadline_and_more_tolerations_may_change() {
        let container = |field: &str, value: Value| {
            let mut container = json!({"name": "c", "image": "nginx:1.27"});
            container[field] = value;
            json!({"spec": {"containers": [container]}})
        };
        let others = "spec: Forbidden: pod updates may not change fields other than ";
        check(json!({}), &[]);
        check(container("image", json!("nginx:1.28")), &[]);
        check(container("command", json!(["x"])), &[others]);
        check(json!({"spec": {"nodeName": "n"}}), &[others]);
        check(json!({"metadata": {"labels": {"a": "b"}}}), &[]);
        check(json!({"spec": {"activeDeadlineSeconds": 30}}), &[]);
        check(
            json!({"spec": {"activeDeadlineSeconds": 90}}),
            &[
                "spec.activeDeadlineSeconds: Invalid value: 90: must be less than or equal to previous value 60",
            ],
        );
        let old = json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5});
        let new = json!({"key": "b", "operator": "Exists"});
        check(json!({"spec": {"tolerations": [old, new]}}), &[]);
        check(
            json!({"spec": {"tolerations": [new]}}),
            &[
                "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
            ],
        );
    }
}
