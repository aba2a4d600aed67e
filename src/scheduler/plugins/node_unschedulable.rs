//! NodeUnschedulable: no pods for cordoned nodes, unless they tolerate it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Taint;

use crate::{
    api::taint,
    scheduler::{
        framework::{Filter, Plugin, PreFilter, Refusal},
        node_cache::NodeInfo,
        resources::PodInfo,
    },
};

/// The plugin.
#[derive(Debug)]
pub struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn pre_filter(&self, pod: &Arc<PodInfo>) -> PreFilter {
        let cordon = Taint {
            key: "node.kubernetes.io/unschedulable".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        };
        if taint::is_tolerated(pod.spec.tolerations.as_deref(), &cordon) {
            return PreFilter::Skip;
        }
        PreFilter::Filter(Arc::new(Cordon))
    }
}

#[derive(Debug)]
struct Cordon;

impl Filter for Cordon {
    fn filter(&self, node: &NodeInfo) -> Result<(), Refusal> {
        if node.is_unschedulable() {
            return Err(Refusal::FINAL);
        }
        Ok(())
    }

    fn reason(&self, _: u32) -> String {
        "node(s) were unschedulable".to_owned()
    }

    fn detail(&self, _: &NodeInfo) -> String {
        "cordoned (spec.unschedulable)".to_owned()
    }
}
