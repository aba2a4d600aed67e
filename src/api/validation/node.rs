//! Rules of nodes.

use std::collections::BTreeSet;

use super::{affinity::EFFECTS, container, field::Errors, meta, names};
use crate::api::Node;

pub(super) fn node(it: &Node, errors: &mut Errors) {
    meta::metadata(&it.metadata, false, names::dns_subdomain, errors);
    let mut seen = BTreeSet::new();
    let taints = it.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    for (index, taint) in taints.enumerate() {
        let path = format!("spec.taints[{index}]");
        let wrong = names::qualified_name(&taint.key);
        errors.invalid_each(&format!("{path}.key"), &taint.key, wrong);
        let value = taint.value.as_deref().unwrap_or_default();
        let wrong = names::label_value(value);
        if !wrong.is_empty() {
            errors.invalid(&format!("{path}.value"), value, &wrong.join(";"));
        }
        if taint.effect.is_empty() {
            errors.required(&format!("{path}.effect"), "");
        } else if !EFFECTS.contains(&taint.effect.as_str()) {
            errors.not_supported(&format!("{path}.effect"), &taint.effect, &EFFECTS);
        }
        if !seen.insert((&taint.key, &taint.effect)) {
            let value = serde_json::to_value(taint).unwrap_or_default();
            errors.duplicate(&path, value);
        }
    }
    let status = it.status.clone().unwrap_or_default();
    for (field, amounts) in [
        ("capacity", status.capacity),
        ("allocatable", status.allocatable),
    ] {
        for (resource, amount) in amounts.unwrap_or_default() {
            container::quantity(&format!("status.{field}.{resource}"), &amount, errors);
        }
    }
}
