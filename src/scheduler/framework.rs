//! The extension points of the scheduling framework (`pkg/scheduler/framework/interface.go`).
//!
//! | point | here |
//! |---|---|
//! | PreEnqueue, PreFilter, PreScore, PostFilter | methods of [`Plugin`] |
//! | QueueSort | [`place`](super::plugins::place) (PrioritySort) |
//! | Filter, Score, NormalizeScore | [`Filter`] and [`Score`], which PreFilter and PreScore return: upstream's `CycleState` |
//! | Reserve, Permit, PreBind, PostBind | no plugin of this version has one; their place is in `cycle.rs`, around Bind |
//! | Bind | [`bind`](super::plugins::bind) (DefaultBinder) |
//!
//! What PreFilter and PreScore return depends on the pod's spec and the nodes alone, so that it serves all pods of a
//! spec ([`Shape`](super::shape::Shape)).

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::{
    node_cache::{NodeCache, NodeInfo},
    plugins,
    resources::PodInfo,
};
use crate::api::{Name, Pod};

/// The highest score of a plugin before its weight counts.
pub const MAX_NODE_SCORE: i64 = 100;

/// Why a node was refused, in short: plugins say more when they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A bit for each of the plugin's reasons.
    pub reasons: u32,
    /// Whether removing pods could help (`Unschedulable`) or not (`UnschedulableAndUnresolvable`).
    pub resolvable: bool,
}

impl Refusal {
    /// The only reason of a plugin that has one, which no removal of pods can change.
    pub const FINAL: Self = Self {
        reasons: 1,
        resolvable: false,
    };

    /// The numbers of the reasons.
    pub fn bits(self) -> impl Iterator<Item = u32> {
        (0..u32::BITS).filter(move |bit| self.reasons & (1 << bit) != 0)
    }
}

/// What a plugin says of a pod before it looks at nodes.
#[derive(Debug)]
pub enum PreFilter {
    /// It has nothing to say: no node is asked for.
    Skip,
    /// Nodes are to be looked at.
    Filter(Arc<dyn Filter>),
    /// The same, and only these nodes.
    Only(BTreeSet<Name>, Arc<dyn Filter>),
    /// No node will do, for this reason.
    Reject(String),
}

/// Looks at nodes for one pod.
pub trait Filter: fmt::Debug + Send + Sync {
    /// Whether the pod can go there.
    ///
    /// # Errors
    /// Why not.
    fn filter(&self, node: &NodeInfo) -> Result<(), Refusal>;

    /// Upstream's text for a reason.
    fn reason(&self, bit: u32) -> String;

    /// What upstream leaves out: which taint, how much is missing.
    fn detail(&self, node: &NodeInfo) -> String;
}

/// Changes raw scores to scores from 0 to [`MAX_NODE_SCORE`]. It is given every value that a feasible node has, once: what
/// becomes of a value may depend on which others there are, not on how many nodes have them.
pub type Normalize = fn(&mut [i64]);

/// Scores nodes for one pod.
pub trait Score: fmt::Debug + Send + Sync {
    /// The node's raw score.
    fn score(&self, node: &NodeInfo) -> i64;

    /// NormalizeScore, if raw scores are not scores yet.
    fn normalize(&self) -> Option<Normalize> {
        None
    }
}

/// What PostFilter sees of a pod that fits nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Unfit<'a> {
    pub pod: &'a Pod,
    /// How many nodes there are.
    pub nodes: usize,
    /// On how many of them the removal of pods could help.
    pub resolvable: usize,
}

/// A plugin: what it does at each extension point, if anything.
pub trait Plugin: fmt::Debug + Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Whether a pod may enter the queue.
    fn may_enqueue(&self, _: &Pod) -> bool {
        true
    }

    /// Prepares to look at nodes for pods of a spec.
    fn pre_filter(&self, _: &Arc<PodInfo>) -> PreFilter {
        PreFilter::Skip
    }

    /// Prepares to score nodes for pods of a spec; none if there is nothing to say (Skip).
    fn pre_score(&self, _: &Arc<PodInfo>, _: &NodeCache) -> Option<Arc<dyn Score>> {
        None
    }

    /// Tries to make room for a pod that fits nowhere; what came of it, in upstream's words.
    fn post_filter(&self, _: &Unfit<'_>) -> Option<String> {
        None
    }
}

/// A plugin and the weight of its score.
#[derive(Clone, Debug)]
pub struct Enabled {
    pub plugin: Arc<dyn Plugin>,
    pub weight: i64,
}

/// The plugins that are enabled, in order, for pods that name a scheduler (`KubeSchedulerProfile`).
#[derive(Clone, Debug)]
pub struct Profile {
    /// `schedulerName`.
    pub name: Name,
    pub plugins: Vec<Enabled>,
}

impl Default for Profile {
    /// Upstream's order and weights (`apis/config/v1/default_plugins.go`).
    fn default() -> Self {
        fn enabled(plugin: impl Plugin + 'static, weight: i64) -> Enabled {
            let plugin = Arc::new(plugin);
            Enabled { plugin, weight }
        }
        Self {
            name: "default-scheduler".into(),
            plugins: vec![
                enabled(plugins::SchedulingGates, 0),
                enabled(plugins::NodeUnschedulable, 0),
                enabled(plugins::NodeName, 0),
                enabled(plugins::TaintToleration, 3),
                enabled(plugins::NodeAffinity, 2),
                enabled(plugins::NodeResourcesFit, 1),
                enabled(plugins::DynamicResources, 2),
                enabled(plugins::DefaultPreemption, 0),
                enabled(plugins::NodeResourcesBalancedAllocation, 1),
                enabled(plugins::ImageLocality, 1),
            ],
        }
    }
}

impl Profile {
    /// The profile without a plugin.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.plugins.retain(|enabled| enabled.plugin.name() != name);
        self
    }

    /// Whether all plugins let a pod into the queue.
    #[must_use]
    pub fn may_enqueue(&self, pod: &Pod) -> bool {
        self.plugins
            .iter()
            .all(|enabled| enabled.plugin.may_enqueue(pod))
    }
}

/// Upstream's `DefaultNormalizeScore`: the highest becomes 100.
pub fn normalize(scores: &mut [i64]) {
    let max = scores.iter().copied().max().unwrap_or(0);
    if max > 0 {
        for score in scores {
            *score = MAX_NODE_SCORE * *score / max;
        }
    }
}

/// The same the other way round: the highest becomes 0.
pub fn normalize_reversed(scores: &mut [i64]) {
    normalize(scores);
    for score in scores {
        *score = MAX_NODE_SCORE - *score;
    }
}
