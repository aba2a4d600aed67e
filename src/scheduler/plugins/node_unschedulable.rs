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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scheduler::testing::{cache, filter, node, pod, with};

    fn check(unschedulable: bool, tolerations: serde_json::Value, expected: &str) {
        let cordoned = with(
            node("n1", "1", "1Gi"),
            "/spec/unschedulable",
            json!(unschedulable),
        );
        let pod = with(pod("p", "1", "1Gi"), "/spec/tolerations", tolerations);
        let cache = cache(&[cordoned], &[]);
        assert_eq!(
            filter(&NodeUnschedulable, &pod, &cache.slots()[0]),
            expected
        );
    }

    #[test]
    fn a_cordoned_node_is_refused_unless_the_pod_tolerates_it() {
        check(false, json!([]), "ok");
        check(true, json!([]), "!node(s) were unschedulable");
        check(true, json!([{"operator": "Exists"}]), "skip");
        let key = "node.kubernetes.io/unschedulable";
        check(
            true,
            json!([{"key": key, "operator": "Exists", "effect": "NoSchedule"}]),
            "skip",
        );
        let effect = json!([{"key": key, "operator": "Exists", "effect": "NoExecute"}]);
        check(true, effect, "!node(s) were unschedulable");
    }
}
