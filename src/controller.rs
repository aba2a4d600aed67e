//! The controllers: each watches a few kinds and brings what is closer to what is asked for.
//!
//! A file each, named as upstream's packages under `pkg/controller`. They know the objects and the store and not one
//! another: what one writes, another sees. A reconcile costs what changed, never the size of the cluster: what would
//! need a scan is counted by the store's indexes or kept up by `observe`.

pub mod common;
pub mod deployment;
pub mod endpoint_slice;
pub mod garbage_collector;
pub mod namespace;
pub mod node_lifecycle;
pub mod pod_gc;
pub mod replica_set;
pub mod taint_eviction;

use crate::store::{Component, Runner};

/// All controllers, in the order in which they take their turns.
#[must_use]
pub fn all() -> Vec<Box<dyn Component>> {
    vec![
        Box::new(Runner::new(deployment::DeploymentController::default())),
        Box::new(Runner::new(replica_set::ReplicaSetController::default())),
        Box::new(Runner::new(
            endpoint_slice::EndpointSliceController::default(),
        )),
        Box::new(Runner::new(node_lifecycle::NodeLifecycle::default())),
        Box::new(Runner::new(taint_eviction::TaintEviction::default())),
        Box::new(Runner::new(pod_gc::PodGc::default())),
        Box::new(Runner::new(namespace::NamespaceController::default())),
        Box::new(Runner::new(garbage_collector::GarbageCollector::default())),
    ]
}
