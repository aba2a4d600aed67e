//! Quality of service (`pkg/apis/core/v1/helper/qos`).

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::api::resource::Quantity as Text};

use super::Quantity;

/// A pod's class: `Guaranteed`, `Burstable` or `BestEffort`.
#[must_use]
pub fn class(spec: &PodSpec) -> &'static str {
    let mut requests = BTreeMap::new();
    let mut limits = BTreeMap::new();
    let mut all_limited = true;
    let init = spec.init_containers.iter().flatten();
    for container in init.chain(&spec.containers) {
        let resources = container.resources.as_ref();
        add(&mut requests, resources.and_then(|r| r.requests.as_ref()));
        let limited = add(&mut limits, resources.and_then(|r| r.limits.as_ref()));
        all_limited &= limited == 2;
    }
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if all_limited && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// Adds the CPU and memory that are not zero; answers how many of the two there were.
fn add(
    sums: &mut BTreeMap<&'static str, Quantity>,
    amounts: Option<&BTreeMap<String, Text>>,
) -> usize {
    let mut found = 0;
    for resource in ["cpu", "memory"] {
        let amount = amounts.and_then(|amounts| amounts.get(resource));
        let amount = amount.map_or(Quantity::ZERO, Quantity::of);
        if !amount.is_zero() && !amount.is_negative() {
            let sum = sums.entry(resource).or_default();
            *sum = sum.plus(amount);
            found += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(containers: serde_json::Value, expected: &str) {
        let spec: PodSpec =
            serde_json::from_value(serde_json::json!({ "containers": containers })).unwrap();
        assert_eq!(class(&spec), expected, "{containers}");
    }

    #[test]
    fn the_class_follows_from_requests_and_limits() {
        let both = serde_json::json!({"cpu": "1", "memory": "1Gi"});
        let full =
            serde_json::json!({"name": "a", "resources": {"requests": both, "limits": both}});
        check(serde_json::json!([{"name": "a"}]), "BestEffort");
        check(serde_json::json!([full]), "Guaranteed");
        check(serde_json::json!([full, {"name": "b"}]), "Burstable");
        check(
            serde_json::json!([{"name": "a", "resources": {"requests": {"cpu": "1"}}}]),
            "Burstable",
        );
        check(
            serde_json::json!([{"name": "a", "resources": {"requests": {"cpu": "0"}}}]),
            "BestEffort",
        );
    }
}
