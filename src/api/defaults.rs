//! The values of fields that an object does not set (`pkg/apis/*/v1/defaults.go`).

use std::sync::Arc;

use k8s_openapi::{
    api::core::v1::{NamespaceSpec, NamespaceStatus, PodSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{Key, Namespace, Object, Pod};

/// Sets what an object leaves open.
pub fn apply(object: &mut Object) {
    match object {
        Object::Namespace(namespace) => namespace_defaults(Arc::make_mut(namespace)),
        Object::Pod(pod) => pod_spec(Arc::make_mut(&mut Arc::make_mut(pod).spec)),
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

fn namespace_defaults(namespace: &mut Namespace) {
    let spec = namespace.spec.get_or_insert_with(NamespaceSpec::default);
    if namespace.metadata.deletion_timestamp.is_none() && spec.finalizers.is_none() {
        spec.finalizers = Some(vec!["kubernetes".to_owned()]);
    }
    namespace
        .status
        .get_or_insert_with(NamespaceStatus::default)
        .phase
        .get_or_insert_with(|| "Active".to_owned());
}

/// Defaults of a pod's spec, in a pod or in a template.
pub fn pod_spec(spec: &mut PodSpec) {
    spec.termination_grace_period_seconds
        .get_or_insert(Pod::DEFAULT_GRACE_SECONDS);
    spec.restart_policy
        .get_or_insert_with(|| "Always".to_owned());
    spec.scheduler_name
        .get_or_insert_with(|| "default-scheduler".to_owned());
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
