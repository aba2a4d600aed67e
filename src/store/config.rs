//! What a run is started with.

use serde::{Deserialize, Serialize};

use super::timing::{Preset, Timing};
use crate::api::{Name, Node};

/// The annotation by which a Node says what its pods are made of.
pub const RUNTIME_ANNOTATION: &str = "kubeplay.dev/runtime";

/// What the pods of a node are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Containers of the local engine.
    Docker,
    /// A seeded model.
    Simulated,
}

impl RuntimeKind {
    /// What the pods of a node are made of: a model, unless its annotation says otherwise.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let annotations = node.metadata.annotations.as_ref();
        let chosen = annotations.and_then(|all| all.get(RUNTIME_ANNOTATION));
        match chosen.map(String::as_str) {
            Some("docker") => Self::Docker,
            _ => Self::Simulated,
        }
    }

    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Simulated => "simulated",
        }
    }
}

/// What a run is started with; with the inputs it determines everything that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The cluster's name.
    pub name: Name,
    pub seed: u64,
    pub preset: Preset,
    pub timing: Timing,
    /// A deliberate defect, for the test that proves that the simulation catches such things.
    #[serde(skip)]
    pub defect: Option<Defect>,
    /// How many log records are kept.
    pub log_limit: usize,
    /// How many decisions are kept.
    pub decision_limit: usize,
    /// How many events are kept; the oldest go first.
    pub event_limit: usize,
}

impl Config {
    /// A cluster with a preset's timing.
    pub fn new(name: impl Into<Name>, seed: u64, preset: Preset) -> Self {
        Self {
            name: name.into(),
            seed,
            preset,
            timing: Timing::preset(preset),
            defect: None,
            log_limit: 200_000,
            decision_limit: 2_000,
            event_limit: 100_000,
        }
    }
}

/// Deliberate defects. No file and no argument can set one: only the test that plants them, one at a time, and expects
/// the invariants of the simulation to catch each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Scheduler and kubelets do not look at what fits.
    FitIgnored,
    /// The scheduler binds a pod that is bound.
    BindsTwice,
    /// The scheduler does not try unschedulable pods again.
    WakeLost,
    /// Endpoint slices list pods that are not ready.
    UnreadyEndpoints,
    /// A ReplicaSet makes one pod too many.
    ReplicaTooMany,
    /// A rolling update ignores `maxUnavailable`.
    UnavailableIgnored,
    /// The node lifecycle controller does not notice silent nodes.
    SilenceUnnoticed,
    /// Taint eviction evicts nobody.
    NobodyEvicted,
    /// A kubelet starts a pod's containers again without ending the old ones.
    ContainersTwice,
    /// A kubelet does not hear that a container ended.
    ExitUnheard,
    /// What a deleted object owned stays.
    OrphansKept,
    /// A kubelet waits for ever for an answer that was lost.
    AnswersMissed,
    /// A kubelet does not look at what its runtime has of pods that it does not know.
    StraysKept,
}
