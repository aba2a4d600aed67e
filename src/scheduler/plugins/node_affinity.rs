//! NodeAffinity: `nodeSelector`, required and preferred node affinity.

use std::sync::Arc;

use crate::{
    api::node_selector::{RequiredNodeAffinity, Term, preferred_terms},
    scheduler::{
        framework::{Filter, Normalize, Plugin, PreFilter, Refusal, Score, normalize},
        node_cache::{NodeCache, NodeInfo},
        resources::PodInfo,
    },
};

/// The plugin.
#[derive(Debug)]
pub struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn pre_filter(&self, pod: &Arc<PodInfo>) -> PreFilter {
        let Some(required) = RequiredNodeAffinity::of(&pod.spec) else {
            return PreFilter::Skip;
        };
        match required.names() {
            None => PreFilter::Filter(Arc::new(required)),
            Some(names) if names.is_empty() => {
                PreFilter::Reject("pod affinity terms conflict".to_owned())
            }
            Some(names) => {
                let names = names.into_iter().map(Into::into).collect();
                PreFilter::Only(names, Arc::new(required))
            }
        }
    }

    fn pre_score(&self, pod: &Arc<PodInfo>, _: &NodeCache) -> Option<Arc<dyn Score>> {
        Some(Arc::new(Preferred(preferred_terms(&pod.spec)?)))
    }
}

impl Filter for RequiredNodeAffinity {
    fn filter(&self, node: &NodeInfo) -> Result<(), Refusal> {
        match &node.node {
            Some(node) if self.matches(node) => Ok(()),
            _ => Err(Refusal::FINAL),
        }
    }

    fn reason(&self, _: u32) -> String {
        "node(s) didn't match Pod's node affinity/selector".to_owned()
    }

    fn detail(&self, node: &NodeInfo) -> String {
        node.node
            .as_ref()
            .map_or_else(String::new, |node| self.explain(node))
    }
}

#[derive(Debug)]
struct Preferred(Vec<(i64, Term)>);

impl Score for Preferred {
    fn score(&self, node: &NodeInfo) -> i64 {
        let Some(node) = &node.node else { return 0 };
        let matching = self.0.iter().filter(|(_, term)| term.matches(node));
        matching.map(|(weight, _)| weight).sum()
    }

    fn normalize(&self) -> Option<Normalize> {
        Some(normalize)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scheduler::testing::{cache, detail, filter, node, pod, scores, with};

    fn labelled(name: &str, labels: Value) -> Value {
        with(node(name, "1", "1Gi"), "/metadata/labels", labels)
    }

    fn requiring(terms: Value) -> Value {
        let required =
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
        with(
            pod("p", "1", "1Gi"),
            "/spec/affinity",
            json!({"nodeAffinity": required}),
        )
    }

    fn named(name: &str) -> Value {
        json!({"key": "metadata.name", "operator": "In", "values": [name]})
    }

    #[test]
    fn a_pod_that_asks_for_nothing_is_not_looked_at() {
        let cache = cache(&[labelled("n1", json!({}))], &[]);
        assert_eq!(
            filter(&NodeAffinity, &pod("p", "1", "1Gi"), &cache.slots()[0]),
            "skip"
        );
        assert_eq!(scores(&NodeAffinity, &pod("p", "1", "1Gi"), &cache), None);
    }

    #[test]
    fn a_node_without_the_label_is_refused_and_the_label_named() {
        let cache = cache(&[labelled("n1", json!({"disk": "hdd"}))], &[]);
        let pod = with(
            pod("p", "1", "1Gi"),
            "/spec/nodeSelector",
            json!({"disk": "ssd"}),
        );
        let refused = "!node(s) didn't match Pod's node affinity/selector";
        assert_eq!(filter(&NodeAffinity, &pod, &cache.slots()[0]), refused);
        let said = detail(&NodeAffinity, &pod, &cache.slots()[0]);
        assert_eq!(said, "needs label disk=ssd, has disk=hdd");
        let affine = requiring(
            json!([{"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]}]),
        );
        assert_eq!(
            detail(&NodeAffinity, &affine, &cache.slots()[0]),
            "needs cores > 8"
        );
    }

    #[test]
    fn terms_that_name_nodes_leave_only_those() {
        let pre_filter =
            |pod: &Value| NodeAffinity.pre_filter(&crate::scheduler::testing::info(pod));
        let one = requiring(json!([{"matchFields": [named("n2")]}]));
        assert!(matches!(pre_filter(&one), PreFilter::Only(names, _) if names.len() == 1));
        let either =
            requiring(json!([{"matchFields": [named("n2")]}, {"matchFields": [named("n3")]}]));
        assert!(matches!(pre_filter(&either), PreFilter::Only(names, _) if names.len() == 2));
        let conflict = requiring(json!([{"matchFields": [named("n2"), named("n3")]}]));
        assert!(
            matches!(pre_filter(&conflict), PreFilter::Reject(why) if why == "pod affinity terms conflict")
        );
    }

    #[test]
    fn the_weights_of_matching_terms_are_added_and_the_best_node_gets_100() {
        let nodes = cache(
            &[
                labelled("n1", json!({"disk": "ssd", "zone": "a"})),
                labelled("n2", json!({"disk": "ssd"})),
                labelled("n3", json!({"zone": "a"})),
                labelled("n4", json!({})),
            ],
            &[],
        );
        let term = |weight: i32, key: &str| {
            json!({"weight": weight, "preference": {
            "matchExpressions": [{"key": key, "operator": "Exists"}]}})
        };
        let empty = json!({"weight": 50, "preference": {}});
        let terms = json!([term(30, "disk"), term(10, "zone"), empty]);
        let affinity =
            json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}});
        let pod = with(pod("p", "1", "1Gi"), "/spec/affinity", affinity);
        assert_eq!(
            scores(&NodeAffinity, &pod, &nodes),
            Some(vec![100, 75, 25, 0])
        );
    }
}
