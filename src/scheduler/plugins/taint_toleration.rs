//! TaintToleration: nodes with taints that a pod does not tolerate are refused, or less liked.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::{
    api::taint,
    scheduler::{
        framework::{Filter, Normalize, Plugin, PreFilter, Refusal, Score, normalize_reversed},
        node_cache::{NodeCache, NodeInfo},
        resources::PodInfo,
    },
};

const PREFER: &str = "PreferNoSchedule";

/// The plugin.
#[derive(Debug)]
pub struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn pre_filter(&self, pod: &Arc<PodInfo>) -> PreFilter {
        PreFilter::Filter(Arc::new(Hard(Arc::clone(pod))))
    }

    fn pre_score(&self, pod: &Arc<PodInfo>, _: &NodeCache) -> Option<Arc<dyn Score>> {
        let tolerations = pod.spec.tolerations.iter().flatten();
        let counts = |it: &&Toleration| matches!(it.effect.as_deref(), None | Some("" | PREFER));
        Some(Arc::new(Soft(
            tolerations.filter(counts).cloned().collect(),
        )))
    }
}

/// Taints that keep pods off a node.
#[derive(Debug)]
struct Hard(Arc<PodInfo>);

impl Hard {
    fn untolerated<'a>(&'a self, node: &'a NodeInfo) -> Option<&'a Taint> {
        let tolerations = self.0.spec.tolerations.as_deref();
        node.taints()
            .find(|it| it.effect != PREFER && !taint::is_tolerated(tolerations, it))
    }
}

impl Filter for Hard {
    fn filter(&self, node: &NodeInfo) -> Result<(), Refusal> {
        match self.untolerated(node) {
            Some(_) => Err(Refusal::FINAL),
            None => Ok(()),
        }
    }

    fn reason(&self, _: u32) -> String {
        "node(s) had untolerated taint(s)".to_owned()
    }

    fn detail(&self, node: &NodeInfo) -> String {
        let untolerated = self.untolerated(node);
        untolerated.map_or_else(String::new, |it| {
            format!("does not tolerate {}", taint::display(it))
        })
    }
}

/// Taints that make a node less liked; holds the tolerations that count for them.
#[derive(Debug)]
struct Soft(Vec<Toleration>);

impl Score for Soft {
    fn score(&self, node: &NodeInfo) -> i64 {
        let disliked = |it: &&Taint| it.effect == PREFER && !taint::is_tolerated(Some(&self.0), it);
        i64::try_from(node.taints().filter(disliked).count()).unwrap_or(i64::MAX)
    }

    fn normalize(&self) -> Option<Normalize> {
        Some(normalize_reversed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scheduler::testing::{cache, detail, filter, node, pod, scores, with};

    fn tainted(name: &str, taints: Value) -> Value {
        with(node(name, "1", "1Gi"), "/spec/taints", taints)
    }

    fn tolerating(tolerations: Value) -> Value {
        with(pod("p", "1", "1Gi"), "/spec/tolerations", tolerations)
    }

    #[test]
    fn a_taint_keeps_off_who_does_not_tolerate_it() {
        let check = |taint: Value, tolerations: Value, expected: &str| {
            let cache = cache(&[tainted("n1", json!([taint]))], &[]);
            let pod = tolerating(tolerations);
            assert_eq!(
                filter(&TaintToleration, &pod, &cache.slots()[0]),
                expected,
                "{taint}"
            );
        };
        let refused = "!node(s) had untolerated taint(s)";
        let taint = |effect: &str| json!({"key": "a", "value": "1", "effect": effect});
        check(taint("NoSchedule"), json!([]), refused);
        check(taint("NoExecute"), json!([]), refused);
        check(taint("PreferNoSchedule"), json!([]), "ok");
        check(
            taint("NoSchedule"),
            json!([{"key": "a", "value": "1"}]),
            "ok",
        );
        check(
            taint("NoSchedule"),
            json!([{"key": "a", "value": "2"}]),
            refused,
        );
        let seconds = json!([{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]);
        check(taint("NoExecute"), seconds, "ok");
    }

    #[test]
    fn the_first_taint_that_is_not_tolerated_is_named() {
        let taints = json!([{"key": "a", "effect": "NoSchedule"}, {"key": "b", "value": "x", "effect": "NoExecute"}]);
        let cache = cache(&[tainted("n1", taints)], &[]);
        let pod = tolerating(json!([{"key": "a", "operator": "Exists"}]));
        let said = detail(&TaintToleration, &pod, &cache.slots()[0]);
        assert_eq!(said, "does not tolerate b=x:NoExecute");
    }

    #[test]
    fn the_node_with_the_most_disliked_taints_gets_nothing_and_one_without_gets_all() {
        let soft = |key: &str| json!({"key": key, "effect": "PreferNoSchedule"});
        let nodes = [
            tainted("n1", json!([])),
            tainted("n2", json!([soft("a")])),
            tainted("n3", json!([soft("a"), soft("b"), soft("c")])),
        ];
        let nodes = cache(&nodes, &[]);
        let given = |tolerations| scores(&TaintToleration, &tolerating(tolerations), &nodes);
        assert_eq!(given(json!([])), Some(vec![100, 67, 0]));
        assert_eq!(
            given(json!([{"operator": "Exists"}])),
            Some(vec![100, 100, 100])
        );
        let other_effect = json!([{"key": "b", "operator": "Exists", "effect": "NoSchedule"}]);
        assert_eq!(
            given(other_effect),
            Some(vec![100, 67, 0]),
            "tolerates another effect"
        );
        let tolerated = json!([{"key": "b", "operator": "Exists", "effect": "PreferNoSchedule"}]);
        assert_eq!(given(tolerated), Some(vec![100, 50, 0]));
    }
}
