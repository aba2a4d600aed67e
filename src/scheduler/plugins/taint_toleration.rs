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
