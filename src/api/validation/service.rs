//! Rules of services (`pkg/apis/core/validation`, `ValidateService`).

use std::{collections::BTreeSet, net::IpAddr};

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use serde_json::json;

use super::{container, field::Errors, meta, names, probe};
use crate::api::Service;

pub(super) fn service(it: &Service, old: Option<&Service>, errors: &mut Errors) {
    meta::metadata(&it.metadata, true, names::dns_1035_label, errors);
    let Some(spec) = &it.spec else { return };
    if let Some(old) = old.and_then(|old| old.spec.as_ref()) {
        addresses_stay(spec, old, errors);
    }
    let kind = spec.type_.as_deref().unwrap_or_default();
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.required("spec.ports", "");
    }
    of_kind(kind, spec, headless, errors);
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        one_port(
            &format!("spec.ports[{index}]"),
            port,
            ports.len() > 1,
            &mut seen,
            errors,
        );
    }
    if let Some(selector) = &spec.selector {
        meta::labels("spec.selector", selector, errors);
    }
    let affinity = spec.session_affinity.as_deref().unwrap_or_default();
    if !["ClientIP", "None"].contains(&affinity) {
        errors.not_supported("spec.sessionAffinity", affinity, &["ClientIP", "None"]);
    }
    sticky_seconds(spec, errors);
    addresses(spec, errors);
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !kinds.contains(&kind) {
        errors.not_supported("spec.type", kind, &kinds);
    }
    twice(kind, ports, errors);
    traffic(kind, spec, errors);
}

fn of_kind(kind: &str, spec: &ServiceSpec, headless: bool, errors: &mut Errors) {
    match kind {
        "LoadBalancer" | "NodePort" if headless => errors.invalid(
            "spec.clusterIPs[0]",
            "None",
            &format!("may not be set to 'None' for {kind} services"),
        ),
        "ExternalName" => {
            if spec.cluster_ips.is_some() {
                let detail = "may not be set for ExternalName services";
                errors.forbidden("spec.clusterIPs", detail);
            }
            let name = spec.external_name.as_deref().unwrap_or_default();
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() {
                errors.required("spec.externalName", "");
            } else {
                errors.invalid_each("spec.externalName", name, names::dns_subdomain(name));
            }
        }
        _ => {}
    }
}

fn one_port<'p>(
    path: &str,
    port: &'p ServicePort,
    several: bool,
    seen: &mut BTreeSet<&'p str>,
    errors: &mut Errors,
) {
    let name = port.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        if several {
            errors.required(&format!("{path}.name"), "");
        }
    } else {
        errors.invalid_each(&format!("{path}.name"), name, names::dns_label(name));
        if !seen.insert(name) {
            errors.duplicate(&format!("{path}.name"), name);
        }
    }
    container::number(&format!("{path}.port"), port.port, errors);
    let protocol = port.protocol.as_deref().unwrap_or_default();
    container::protocol_of(&format!("{path}.protocol"), protocol, errors);
    if let Some(target) = &port.target_port {
        probe::port(&format!("{path}.targetPort"), target, errors);
    }
}

fn sticky_seconds(spec: &ServiceSpec, errors: &mut Errors) {
    let config = spec.session_affinity_config.as_ref();
    let client = config.and_then(|config| config.client_ip.as_ref());
    if let Some(seconds) = client.and_then(|client| client.timeout_seconds)
        && !(1..=86_400).contains(&seconds)
    {
        errors.invalid(
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            seconds,
            "must be greater than 0 and less than or equal to 86400",
        );
    }
}

fn addresses(spec: &ServiceSpec, errors: &mut Errors) {
    let list = spec.cluster_ips.as_deref().unwrap_or_default();
    let one = spec.cluster_ip.as_deref().unwrap_or_default();
    match list.first() {
        Some(_) if one.is_empty() => {
            errors.required("spec.clusterIP", "");
        }
        Some(first) if first != one => {
            errors.invalid(
                "spec.clusterIPs",
                json!(list),
                "first value must match `clusterIP`",
            );
        }
        _ => {}
    }
    for (index, address) in list.iter().enumerate() {
        if address != "None" && address.parse::<IpAddr>().is_err() {
            errors.invalid(
                &format!("spec.clusterIPs[{index}]"),
                address.as_str(),
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            );
        }
    }
}

/// A service's address stays, but for a change from or to `ExternalName`.
fn addresses_stay(spec: &ServiceSpec, old: &ServiceSpec, errors: &mut Errors) {
    let is_name = |spec: &ServiceSpec| spec.type_.as_deref() == Some("ExternalName");
    if is_name(spec) || is_name(old) {
        return;
    }
    let list = |spec: &ServiceSpec| spec.cluster_ips.clone().unwrap_or_default();
    let (new, old) = (list(spec), list(old));
    if let Some(before) = old.first()
        && new.first() != Some(before)
    {
        errors.invalid("spec.clusterIPs[0]", json!(new), "may not change once set");
    }
}

fn twice(kind: &str, ports: &[ServicePort], errors: &mut Errors) {
    let mut node_ports = BTreeSet::new();
    let mut own = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        if let Some(number) = port.node_port {
            let path = format!("{path}.nodePort");
            if kind == "ClusterIP" {
                errors.forbidden(&path, "may not be used when `type` is 'ClusterIP'");
            }
            if !node_ports.insert((&port.protocol, number)) {
                errors.duplicate(&path, number);
            }
        }
        if !own.insert((&port.protocol, port.port)) {
            let key = json!({"protocol": port.protocol, "port": port.port});
            errors.duplicate(&path, key);
        }
    }
}

fn traffic(kind: &str, spec: &ServiceSpec, errors: &mut Errors) {
    if spec.allocate_load_balancer_node_ports.is_some() && kind != "LoadBalancer" {
        errors.forbidden(
            "spec.allocateLoadBalancerNodePorts",
            "may only be used when `type` is 'LoadBalancer'",
        );
    }
    let known = ["Cluster", "Local"];
    let external = matches!(kind, "NodePort" | "LoadBalancer")
        || spec
            .external_ips
            .as_ref()
            .is_some_and(|ips| !ips.is_empty());
    if let Some(policy) = &spec.external_traffic_policy {
        let path = "spec.externalTrafficPolicy";
        if !external {
            let detail = "may only be set for externally-accessible services";
            errors.invalid(path, policy.as_str(), detail);
        } else if !known.contains(&policy.as_str()) {
            errors.not_supported(path, policy, &known);
        }
    }
    if let Some(policy) = &spec.internal_traffic_policy
        && !known.contains(&policy.as_str())
    {
        errors.not_supported("spec.internalTrafficPolicy", policy, &known);
    }
    if let Some(near) = &spec.traffic_distribution {
        let known = ["PreferClose", "PreferSameNode", "PreferSameZone"];
        if !known.contains(&near.as_str()) {
            errors.not_supported("spec.trafficDistribution", near, &known);
        }
    }
}
