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
