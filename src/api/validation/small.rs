//! Rules of the kinds that have few: namespaces, priority classes, config maps, endpoint slices, leases.

use std::collections::BTreeSet;

use serde_json::json;

use super::{container, field::Errors, meta, names};
use crate::api::{ConfigMap, EndpointSlice, Lease, Namespace, PriorityClass};

/// The highest priority that a user may give.
const HIGHEST_PRIORITY: i32 = 1_000_000_000;
/// How much a config map may hold.
const MOST_DATA: usize = 1 << 20;
/// How many endpoints a slice may have.
const MOST_ENDPOINTS: usize = 1000;

pub(super) fn namespace(it: &Namespace, errors: &mut Errors) {
    meta::metadata(&it.metadata, false, names::dns_label, errors);
}

pub(super) fn priority_class(it: &PriorityClass, old: Option<&PriorityClass>, errors: &mut Errors) {
    meta::metadata(&it.metadata, false, names::dns_subdomain, errors);
    let name = it.metadata.name.as_deref().unwrap_or_default();
    let value = it.value.unwrap_or(0);
    if let Some(old) = old {
        if value != old.value.unwrap_or(0) {
            errors.forbidden("value", "may not be changed in an update.");
        }
        errors.immutable(
            "preemptionPolicy",
            &it.preemption_policy,
            &old.preemption_policy,
        );
        return;
    }
    if name.starts_with("system-") {
        errors.forbidden(
            "metadata.name",
            "priority class names with 'system-' prefix are reserved for system use only",
        );
    } else if value > HIGHEST_PRIORITY {
        let detail =
            format!("maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}");
        errors.forbidden("value", &detail);
    }
    if let Some(policy) = &it.preemption_policy {
        let known = ["Never", "PreemptLowerPriority"];
        if !known.contains(&policy.as_str()) {
            errors.not_supported("preemptionPolicy", policy, &known);
        }
    }
}

pub(super) fn config_map(it: &ConfigMap, old: Option<&ConfigMap>, errors: &mut Errors) {
    meta::metadata(&it.metadata, true, names::dns_subdomain, errors);
    let mut size = 0;
    for (key, value) in it.data.iter().flatten() {
        let path = format!("data[{key}]");
        errors.invalid_each(&path, key, names::config_key(key));
        if it
            .binary_data
            .iter()
            .flatten()
            .any(|(other, _)| other == key)
        {
            errors.invalid(
                &path,
                key.as_str(),
                "duplicate of key present in binaryData",
            );
        }
        size += value.len();
    }
    for (key, value) in it.binary_data.iter().flatten() {
        let path = format!("binaryData[{key}]");
        errors.invalid_each(&path, key, names::config_key(key));
        size += value.0.len();
    }
    if size > MOST_DATA {
        errors.too_long("", MOST_DATA);
    }
    if let Some(old) = old.filter(|old| old.immutable == Some(true)) {
        let detail = "field is immutable when `immutable` is set";
        for (field, changed) in [
            ("immutable", it.immutable != Some(true)),
            ("data", it.data != old.data),
            ("binaryData", it.binary_data != old.binary_data),
        ] {
            if changed {
                errors.forbidden(field, detail);
            }
        }
    }
}

pub(super) fn endpoint_slice(it: &EndpointSlice, old: Option<&EndpointSlice>, errors: &mut Errors) {
    meta::metadata(&it.metadata, true, names::dns_subdomain, errors);
    let types = ["FQDN", "IPv4", "IPv6"];
    if it.address_type.is_empty() {
        errors.required("addressType", "");
    } else if !types.contains(&it.address_type.as_str()) {
        errors.not_supported("addressType", &it.address_type, &types);
    }
    let endpoints = it.endpoints.as_deref().unwrap_or_default();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = format!("endpoints[{index}].addresses");
        if endpoint.addresses.is_empty() {
            errors.required(&path, "must contain at least 1 address");
        }
    }
    if endpoints.len() > MOST_ENDPOINTS {
        let detail = format!("must have at most {MOST_ENDPOINTS} items");
        errors.invalid("endpoints", endpoints.len(), &detail);
    }
    let mut seen = BTreeSet::new();
    for (index, port) in it.ports.iter().flatten().enumerate() {
        let path = format!("ports[{index}]");
        let name = port.name.as_deref().unwrap_or_default();
        if !name.is_empty() {
            errors.invalid_each(&format!("{path}.name"), name, names::dns_label(name));
        }
        if !seen.insert(name) {
            errors.duplicate(&format!("{path}.name"), name);
        }
        let protocol = port.protocol.as_deref().unwrap_or_default();
        container::protocol_of(&format!("{path}.protocol"), protocol, errors);
    }
    if let Some(old) = old {
        errors.immutable("addressType", &it.address_type, &old.address_type);
    }
}

pub(super) fn lease(it: &Lease, errors: &mut Errors) {
    meta::metadata(&it.metadata, true, names::dns_subdomain, errors);
    let Some(spec) = &it.spec else { return };
    if let Some(seconds) = spec.lease_duration_seconds.filter(|seconds| *seconds <= 0) {
        errors.invalid(
            "spec.leaseDurationSeconds",
            json!(seconds),
            "must be greater than 0",
        );
    }
    if let Some(count) = spec.lease_transitions {
        errors.not_negative("spec.leaseTransitions", Some(i64::from(count)));
    }
}
