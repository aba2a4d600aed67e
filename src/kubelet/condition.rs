//! What a node says of itself (`pkg/kubelet/nodestatus/setters.go`).

use k8s_openapi::api::core::v1::{
    DaemonEndpoint, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus, NodeSystemInfo,
};

use super::agent::Agent;
use crate::{
    api::{Name, Node},
    store::{Context, config::RuntimeKind},
};

/// The version of Kubernetes that kubeplay decides as.
const VERSION: &str = "v1.36.2";
const KUBELET_PORT: i32 = 10250;

/// A condition as it is while all is well: type, status, reason, message, and the event when it comes to be so.
struct Healthy {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: &'static str,
    event: &'static str,
}

const HEALTHY: [Healthy; 4] = [
    Healthy {
        kind: "MemoryPressure",
        status: "False",
        reason: "KubeletHasSufficientMemory",
        message: "kubelet has sufficient memory available",
        event: "NodeHasSufficientMemory",
    },
    Healthy {
        kind: "DiskPressure",
        status: "False",
        reason: "KubeletHasNoDiskPressure",
        message: "kubelet has no disk pressure",
        event: "NodeHasNoDiskPressure",
    },
    Healthy {
        kind: "PIDPressure",
        status: "False",
        reason: "KubeletHasSufficientPID",
        message: "kubelet has sufficient PID available",
        event: "NodeHasSufficientPID",
    },
    Healthy {
        kind: "Ready",
        status: "True",
        reason: "KubeletReady",
        message: "kubelet is posting ready status",
        event: "NodeReady",
    },
];

const RUNTIME_DOWN: Healthy = Healthy {
    kind: "Ready",
    status: "False",
    reason: "KubeletNotReady",
    message: "container runtime is down",
    event: "NodeNotReady",
};

fn wanted(has_runtime: bool) -> impl Iterator<Item = &'static Healthy> {
    let [memory, disk, pid, ready] = &HEALTHY;
    let ready = if has_runtime { ready } else { &RUNTIME_DOWN };
    [memory, disk, pid, ready].into_iter()
}

fn find<'a>(status: &'a NodeStatus, kind: &str) -> Option<&'a NodeCondition> {
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind)
}

/// The address that a node's status gives.
pub(super) fn internal_ip(node: &Node) -> Option<&str> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    let found = addresses.iter().find(|a| a.type_ == "InternalIP");
    found.map(|address| address.address.as_str())
}

/// The id of a machine's start.
pub(super) fn boot_id(node: &Name, boot: u32, cx: &Context<'_>) -> String {
    let bits = cx.random().bits128("boot", node, u64::from(boot));
    crate::api::Uid(bits).to_string()
}

/// Whether the status says what the kubelet would say.
pub(super) fn is_current(node: &Node, has_runtime: bool) -> bool {
    let Some(status) = &node.status else {
        return false;
    };
    status.node_info.is_some()
        && wanted(has_runtime)
            .all(|want| find(status, want.kind).is_some_and(|c| c.status == want.status))
}

/// The node with its status as the kubelet reports it now, and the events of conditions that turned.
pub(super) fn report(node: &Node, agent: &Agent, cx: &Context<'_>) -> (Node, Vec<&'static str>) {
    let mut node = node.clone();
    let mut status = node.status.take().unwrap_or_default();
    let mut turned = Vec::new();
    let mut conditions = Vec::with_capacity(HEALTHY.len());
    for want in wanted(agent.has_runtime(cx)) {
        let old = find(&status, want.kind);
        let same = old.filter(|old| old.status == want.status);
        if same.is_none() {
            turned.push(want.event);
        }
        conditions.push(NodeCondition {
            type_: want.kind.to_owned(),
            status: want.status.to_owned(),
            reason: Some(want.reason.to_owned()),
            message: Some(want.message.to_owned()),
            last_heartbeat_time: Some(cx.now.to_k8s()),
            last_transition_time: same
                .and_then(|old| old.last_transition_time.clone())
                .or_else(|| Some(cx.now.to_k8s())),
        });
    }
    let others = status.conditions.take().unwrap_or_default();
    let ours = |other: &NodeCondition| HEALTHY.iter().any(|want| want.kind == other.type_);
    conditions.extend(others.into_iter().filter(|other| !ours(other)));
    status.conditions = Some(conditions);
    if status.allocatable.is_none() {
        status.allocatable.clone_from(&status.capacity);
    }
    if status.capacity.is_none() {
        status.capacity.clone_from(&status.allocatable);
    }
    status.addresses.get_or_insert_with(|| addresses(agent));
    status.node_info = Some(info(agent, cx));
    status.daemon_endpoints = Some(NodeDaemonEndpoints {
        kubelet_endpoint: Some(DaemonEndpoint { port: KUBELET_PORT }),
    });
    node.status = Some(status);
    (node, turned)
}

fn addresses(agent: &Agent) -> Vec<NodeAddress> {
    let address = |kind: &str, address: &str| NodeAddress {
        type_: kind.to_owned(),
        address: address.to_owned(),
    };
    vec![
        address("InternalIP", &agent.ip),
        address("Hostname", &agent.name),
    ]
}

fn info(agent: &Agent, cx: &Context<'_>) -> NodeSystemInfo {
    let machine = cx.random().bits128("machine", &agent.name, 0);
    let runtime = match agent.runtime {
        RuntimeKind::Docker => "docker",
        RuntimeKind::Simulated => "simulated",
    };
    NodeSystemInfo {
        architecture: "amd64".to_owned(),
        boot_id: boot_id(&agent.name, agent.boot, cx),
        container_runtime_version: format!("{runtime}://{}", env!("CARGO_PKG_VERSION")),
        kernel_version: "6.12.0".to_owned(),
        kube_proxy_version: String::new(),
        kubelet_version: VERSION.to_owned(),
        machine_id: format!("{machine:032x}"),
        operating_system: "linux".to_owned(),
        os_image: "kubeplay".to_owned(),
        swap: None,
        system_uuid: crate::api::Uid(machine).to_string(),
    }
}
