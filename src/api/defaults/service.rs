//! Defaults of services, and what an update keeps of what was allocated
//! (`pkg/apis/core/v1/defaults.go`, `pkg/registry/core/service/storage`).

use k8s_openapi::{
    api::core::v1::{ClientIPConfig, ServiceSpec, SessionAffinityConfig},
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::api::Service;

/// How long a client sticks to its pod.
const STICKY_SECONDS: i32 = 10_800;

/// Sets what a service leaves open, but for addresses and node ports.
pub(super) fn defaults(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    let affinity = spec
        .session_affinity
        .get_or_insert_with(|| "None".to_owned());
    match affinity.as_str() {
        "ClientIP" => {
            let config = spec
                .session_affinity_config
                .get_or_insert_with(SessionAffinityConfig::default);
            let client = config.client_ip.get_or_insert_with(ClientIPConfig::default);
            client.timeout_seconds.get_or_insert(STICKY_SECONDS);
        }
        "None" => spec.session_affinity_config = None,
        _ => {}
    }
    let kind = spec
        .type_
        .get_or_insert_with(|| "ClusterIP".to_owned())
        .clone();
    for port in spec.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
        let target = port.target_port.get_or_insert_default();
        let open = match target {
            IntOrString::Int(number) => *number == 0,
            IntOrString::String(name) => name.is_empty(),
        };
        if open {
            *target = IntOrString::Int(port.port);
        }
        port.node_port = port.node_port.filter(|number| *number != 0);
    }
    let external = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    if external {
        spec.external_traffic_policy
            .get_or_insert_with(|| "Cluster".to_owned());
    }
    if external || kind == "ClusterIP" {
        spec.internal_traffic_policy
            .get_or_insert_with(|| "Cluster".to_owned());
        spec.ip_families
            .get_or_insert_with(|| vec!["IPv4".to_owned()]);
        spec.ip_family_policy
            .get_or_insert_with(|| "SingleStack".to_owned());
    }
    if kind == "LoadBalancer" {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
    spec.publish_not_ready_addresses = spec.publish_not_ready_addresses.filter(|publish| *publish);
    spec.cluster_ip = spec.cluster_ip.take().filter(|address| !address.is_empty());
    spec.cluster_ips = spec.cluster_ips.take().filter(|list| !list.is_empty());
    if spec.cluster_ips.is_none() {
        spec.cluster_ips = spec.cluster_ip.clone().map(|address| vec![address]);
    }
    super::tidy_labels(&mut spec.selector);
}

/// Keeps what was allocated and an update does not mention, and drops what only the old type needed.
pub fn keep_allocated(service: &mut Service, old: &Service) {
    let (Some(spec), Some(old)) = (&mut service.spec, &old.spec) else {
        return;
    };
    let kind = |spec: &ServiceSpec| spec.type_.clone().unwrap_or_else(|| "ClusterIP".to_owned());
    let (new_kind, old_kind) = (kind(spec), kind(old));
    let has_address = |kind: &str| kind != "ExternalName";
    let has_node_port = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    let blank = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
    if has_address(&new_kind) && has_address(&old_kind) {
        if blank(&spec.cluster_ip) {
            spec.cluster_ip.clone_from(&old.cluster_ip);
        }
        if spec.cluster_ip == old.cluster_ip {
            spec.cluster_ips.clone_from(&old.cluster_ips);
        } else if spec.cluster_ips == old.cluster_ips {
            spec.cluster_ips = spec.cluster_ip.clone().map(|address| vec![address]);
        }
    } else if !has_address(&new_kind) && spec.cluster_ip == old.cluster_ip {
        spec.cluster_ip = None;
        spec.cluster_ips = None;
        spec.ip_families = None;
        spec.ip_family_policy = None;
        spec.internal_traffic_policy = None;
    }
    for port in spec.ports.iter_mut().flatten() {
        let before = old.ports.iter().flatten().find(|before| {
            (before.port, &before.protocol) == (port.port, &port.protocol)
                || before.node_port == port.node_port
        });
        let before = before.and_then(|before| before.node_port);
        if has_node_port(&new_kind) {
            if port.node_port.is_none_or(|number| number == 0) && has_node_port(&old_kind) {
                port.node_port = before;
            }
        } else if port.node_port == before {
            port.node_port = None;
        }
    }
    if !has_node_port(&new_kind) && spec.external_traffic_policy == old.external_traffic_policy {
        spec.external_traffic_policy = None;
    }
    if new_kind != "LoadBalancer"
        && spec.allocate_load_balancer_node_ports == old.allocate_load_balancer_node_ports
    {
        spec.allocate_load_balancer_node_ports = None;
    }
}
