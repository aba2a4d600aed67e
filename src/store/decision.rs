//! The record of one scheduling decision: what the scheduler saw, node by node, and why it chose as it did.

use std::sync::Arc;

use crate::api::{Key, Name, Time, Uid};

/// Why a node was not feasible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub node: Name,
    pub plugin: &'static str,
    /// Upstream's reasons (`Insufficient cpu`), and what upstream leaves out in `detail`.
    pub reasons: Vec<String>,
    pub detail: String,
    /// Whether removing pods could help (`Unschedulable`) or not (`UnschedulableAndUnresolvable`).
    pub resolvable: bool,
}

/// A plugin's part in a node's score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginScore {
    pub plugin: &'static str,
    /// As the plugin gave it.
    pub raw: i64,
    /// After normalisation, 0 to 100.
    pub normalized: i64,
    pub weight: i64,
}

impl PluginScore {
    /// What counts.
    #[must_use]
    pub const fn weighted(&self) -> i64 {
        self.normalized * self.weight
    }
}

/// A feasible node's scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeScore {
    pub node: Name,
    pub total: i64,
    pub plugins: Vec<PluginScore>,
}

/// How a cycle ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Bound {
        node: Name,
    },
    Unschedulable,
    /// The cycle itself failed (the pod went away, the binding was refused).
    Error {
        message: String,
    },
}

/// One scheduling cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Counts decisions of a run, from 1.
    pub number: u64,
    pub pod: Key,
    pub uid: Uid,
    pub at: Time,
    /// How often the pod has been tried, this time included.
    pub attempt: u32,
    pub verdict: Verdict,
    /// How many nodes there were.
    pub nodes: usize,
    /// How many were feasible.
    pub feasible: usize,
    /// The best feasible nodes, best first; all of them if there are few. Empty when only one was feasible: scoring is
    /// skipped then.
    pub scores: Vec<NodeScore>,
    /// The nodes that were refused; all of them if there are few.
    pub rejections: Vec<Rejection>,
    /// How many nodes were refused for each reason.
    pub histogram: Vec<(String, usize)>,
    /// How many nodes shared the highest total.
    pub tied: usize,
    /// The number, below `tied`, that broke the tie.
    pub tie_break: u64,
    /// Upstream's message (`0/3 nodes are available: ...`), empty when bound.
    pub message: String,
}

impl Decision {
    /// The decision without what it says of single nodes.
    fn summary(&self) -> Self {
        Self {
            pod: self.pod.clone(),
            verdict: self.verdict.clone(),
            scores: Vec::new(),
            rejections: Vec::new(),
            histogram: self.histogram.clone(),
            message: self.message.clone(),
            ..*self
        }
    }
}

impl super::Store {
    /// Keeps a decision and logs it. The log, which remembers much longer, has it without scores and rejections.
    pub fn decided(&mut self, decision: Decision, at: Time, cause: u64) -> u64 {
        let summary = decision.summary();
        self.decisions.push_back(Arc::new(decision));
        if self.decisions.len() > self.decision_limit {
            self.decisions.pop_front();
        }
        self.record(cause, at, super::What::Decision(Arc::new(summary)))
    }
}
