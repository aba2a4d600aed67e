//! The values of fields that an object does not set (`pkg/apis/*/v1/defaults.go`), and what its kind's strategy resets
//! when it is created (`pkg/registry/*/*/strategy.go`).
//!
//! Applying defaults twice gives the same as applying them once.

mod pod;
mod probe;
mod quantities;
mod service;

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::{
        apps::v1::{DeploymentStatus, ReplicaSetStatus, RollingUpdateDeployment},
        core::v1::{
            DaemonEndpoint, LoadBalancerStatus, NamespaceSpec, NamespaceStatus,
            NodeDaemonEndpoints, PodStatus, ServiceStatus,
        },
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

pub use self::{
    pod::{in_pod, is_complete_in_pod, pod_spec},
    quantities::malformed_quantity,
    service::keep_allocated,
};
use super::{Deployment, EndpointSlice, Key, Namespace, Node, Object, PriorityClass, ReplicaSet};

/// The label that names a namespace on the namespace itself.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Sets what an object leaves open.
pub fn apply(object: &mut Object) {
    quantities::canonicalize(object);
    if let Some(meta) = object_meta_mut(object) {
        tidy_labels(&mut meta.labels);
        tidy_labels(&mut meta.annotations);
    }
    match object {
        Object::Namespace(it) => of_namespace(Arc::make_mut(it)),
        Object::Node(it) => of_node(Arc::make_mut(it)),
        Object::PriorityClass(it) => of_priority_class(Arc::make_mut(it)),
        Object::Service(it) => service::defaults(Arc::make_mut(it)),
        Object::Deployment(it) => of_deployment(Arc::make_mut(it)),
        Object::ReplicaSet(it) => of_replica_set(Arc::make_mut(it)),
        Object::Pod(it) => {
            let spec = Arc::make_mut(&mut Arc::make_mut(it).spec);
            pod_spec(spec);
            in_pod(spec);
        }
        Object::EndpointSlice(it) => of_endpoint_slice(Arc::make_mut(it)),
        Object::ConfigMap(_) | Object::Lease(_) | Object::Event(_) => {}
    }
}

/// Gives an object that is to be created the status of a new one. A node keeps what it says of itself.
pub fn reset_status(object: &mut Object) {
    match object {
        Object::Namespace(it) => {
            Arc::make_mut(it).status = Some(NamespaceStatus {
                phase: Some("Active".to_owned()),
                conditions: None,
            });
        }
        Object::Service(it) => {
            Arc::make_mut(it).status = Some(ServiceStatus {
                load_balancer: Some(LoadBalancerStatus::default()),
                conditions: None,
            });
        }
        Object::Deployment(it) => Arc::make_mut(it).status = Some(DeploymentStatus::default()),
        Object::ReplicaSet(it) => Arc::make_mut(it).status = Some(ReplicaSetStatus::default()),
        Object::Pod(it) => {
            Arc::make_mut(it).status = Arc::new(PodStatus {
                phase: Some("Pending".to_owned()),
                ..PodStatus::default()
            });
        }
        _ => {}
    }
}

/// Puts an object that says no namespace, and lives in one, into `default`.
pub fn namespace(object: &mut Object) {
    if !object.kind().is_namespaced() {
        return;
    }
    if let Object::Pod(pod) = object {
        if pod.meta.key.namespace.is_empty() {
            let meta = &mut Arc::make_mut(pod).meta;
            meta.key = Key::new("default", meta.key.name.clone());
        }
    } else if let Some(meta) = object_meta_mut(object) {
        let namespace = meta.namespace.get_or_insert_default();
        if namespace.is_empty() {
            "default".clone_into(namespace);
        }
    }
}

fn of_namespace(namespace: &mut Namespace) {
    let spec = namespace.spec.get_or_insert_with(NamespaceSpec::default);
    if namespace.metadata.deletion_timestamp.is_none() && spec.finalizers.is_none() {
        spec.finalizers = Some(vec!["kubernetes".to_owned()]);
    }
    namespace
        .status
        .get_or_insert_with(NamespaceStatus::default)
        .phase
        .get_or_insert_with(|| "Active".to_owned());
    if let Some(name) = &namespace.metadata.name {
        let labels = namespace.metadata.labels.get_or_insert_default();
        labels.insert(NAMESPACE_LABEL.to_owned(), name.clone());
    }
}

fn of_node(node: &mut Node) {
    let status = node.status.get_or_insert_default();
    if status.allocatable.is_none() {
        status.allocatable.clone_from(&status.capacity);
    }
    // Go writes these two even if they say nothing.
    status.node_info.get_or_insert_default();
    status
        .daemon_endpoints
        .get_or_insert_with(NodeDaemonEndpoints::default)
        .kubelet_endpoint
        .get_or_insert_with(DaemonEndpoint::default);
    node.spec.get_or_insert_default();
}

fn of_priority_class(class: &mut PriorityClass) {
    class
        .preemption_policy
        .get_or_insert_with(|| "PreemptLowerPriority".to_owned());
    if class.global_default == Some(false) {
        class.global_default = None;
    }
}

fn of_deployment(deployment: &mut Deployment) {
    let spec = deployment.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    spec.progress_deadline_seconds.get_or_insert(600);
    let strategy = spec.strategy.get_or_insert_default();
    let kind = strategy
        .type_
        .get_or_insert_with(|| "RollingUpdate".to_owned());
    if kind == "RollingUpdate" {
        let share = || IntOrString::String("25%".to_owned());
        let rolling = strategy
            .rolling_update
            .get_or_insert_with(RollingUpdateDeployment::default);
        rolling.max_unavailable.get_or_insert_with(share);
        rolling.max_surge.get_or_insert_with(share);
    }
    // Go leaves out what is false or zero here.
    spec.paused = spec.paused.filter(|paused| *paused);
    spec.min_ready_seconds = spec.min_ready_seconds.filter(|seconds| *seconds != 0);
    pod_spec(spec.template.spec.get_or_insert_default());
}

fn of_replica_set(set: &mut ReplicaSet) {
    let spec = set.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    spec.min_ready_seconds = spec.min_ready_seconds.filter(|seconds| *seconds != 0);
    if let Some(template) = &mut spec.template {
        pod_spec(template.spec.get_or_insert_default());
    }
}

fn of_endpoint_slice(slice: &mut EndpointSlice) {
    for port in slice.ports.iter_mut().flatten() {
        port.name.get_or_insert_default();
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
}

/// Labels or annotations without an empty map, which Go leaves out.
pub(super) fn tidy_labels(labels: &mut Option<BTreeMap<String, String>>) {
    if labels.as_ref().is_some_and(BTreeMap::is_empty) {
        *labels = None;
    }
}

/// The metadata of an object that holds it as Kubernetes declares it.
pub fn object_meta_mut(object: &mut Object) -> Option<&mut ObjectMeta> {
    Some(match object {
        Object::Namespace(it) => &mut Arc::make_mut(it).metadata,
        Object::Node(it) => &mut Arc::make_mut(it).metadata,
        Object::PriorityClass(it) => &mut Arc::make_mut(it).metadata,
        Object::ConfigMap(it) => &mut Arc::make_mut(it).metadata,
        Object::Service(it) => &mut Arc::make_mut(it).metadata,
        Object::Deployment(it) => &mut Arc::make_mut(it).metadata,
        Object::ReplicaSet(it) => &mut Arc::make_mut(it).metadata,
        Object::EndpointSlice(it) => &mut Arc::make_mut(it).metadata,
        Object::Lease(it) => &mut Arc::make_mut(it).metadata,
        Object::Pod(_) | Object::Event(_) => return None,
    })
}
