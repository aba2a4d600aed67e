//! One pod's endpoint (`podToEndpoint`, `getEndpointPorts`).

use k8s_openapi::{
    api::{
        core::v1::{Container, ObjectReference, ServicePort},
        discovery::v1::{Endpoint, EndpointConditions, EndpointPort},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::ZONE;
use crate::{
    api::{Pod, Resource, Service},
    store::{Context, Defect},
};

/// A pod as an endpoint of a Service, if it is one: it has an address, has not ended, and its node exists.
pub fn endpoint(service: &Service, pod: &Pod, cx: &Context<'_>) -> Option<Endpoint> {
    let spec = service.spec.as_ref()?;
    let ip = pod.ip().filter(|_| !pod.is_terminal())?;
    let publish = spec.publish_not_ready_addresses == Some(true);
    let node = pod
        .node
        .as_ref()
        .and_then(|name| cx.store.objects.node(name));
    if node.is_none() && !publish {
        return None;
    }
    let (serving, terminating) = (pod.is_ready(), pod.is_terminating());
    let listed_anyway = publish || cx.config.defect == Some(Defect::UnreadyEndpoints);
    let in_its_domain = pod.spec.subdomain == service.metadata.name;
    Some(Endpoint {
        addresses: vec![ip.to_owned()],
        conditions: Some(EndpointConditions {
            ready: Some(listed_anyway || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: pod.spec.hostname.clone().filter(|_| in_its_domain),
        node_name: pod.node.as_deref().map(str::to_owned),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some(pod.meta.key.namespace.to_string()),
            name: Some(pod.meta.key.name.to_string()),
            uid: Some(pod.meta.uid.to_string()),
            ..ObjectReference::default()
        }),
        zone: node.and_then(|node| Resource::labels(&**node).get(ZONE).cloned()),
        ..Endpoint::default()
    })
}

/// The ports of a Service as a pod has them. A named port that the pod does not have is left out.
pub fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let spec = service.spec.as_ref();
    let ports = spec.and_then(|spec| spec.ports.as_ref());
    let ports = ports.into_iter().flatten();
    ports
        .filter_map(|port| {
            Some(EndpointPort {
                name: Some(port.name.clone().unwrap_or_default()),
                port: Some(target(port, pod)?),
                protocol: Some(protocol(port.protocol.as_deref()).to_owned()),
                app_protocol: port.app_protocol.clone(),
            })
        })
        .collect()
}

fn protocol(given: Option<&str>) -> &str {
    given.unwrap_or("TCP")
}

/// The port of the pod that a Service's port leads to (`podutil.FindPort`).
fn target(port: &ServicePort, pod: &Pod) -> Option<i32> {
    let name = match &port.target_port {
        None => return Some(port.port),
        Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    let sidecar = |c: &&Container| c.restart_policy.as_deref() == Some("Always");
    let inits = pod.spec.init_containers.iter().flatten().filter(sidecar);
    pod.spec
        .containers
        .iter()
        .chain(inits)
        .flat_map(|container| container.ports.iter().flatten())
        .find(|p| {
            p.name.as_ref() == Some(name)
                && protocol(p.protocol.as_deref()) == protocol(port.protocol.as_deref())
        })
        .map(|p| p.container_port)
}
