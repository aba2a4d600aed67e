//! Incidents: what a fault did, from the fault to the recovery.

use super::input::{Fault, Target};
use crate::api::{Key, Name, Time};

/// A step on the way from a fault to recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The control plane noticed: a node is not ready, a pod's containers are seen dead.
    Noticed,
    /// The node has its NoExecute taint.
    Tainted,
    /// The pods that were hit are asked to go.
    Evicted,
    /// Their replacements exist.
    Replaced,
    /// The replacements are bound to nodes.
    Scheduled,
    /// The replacements (or the pods themselves, restarted) are ready.
    Ready,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 6] = [
        Self::Noticed,
        Self::Tainted,
        Self::Evicted,
        Self::Replaced,
        Self::Scheduled,
        Self::Ready,
    ];

    /// The phase's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Noticed => "noticed",
            Self::Tainted => "tainted",
            Self::Evicted => "evicted",
            Self::Replaced => "replaced",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
        }
    }
}

/// A fault and what followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Counts incidents of a run, from 1.
    pub id: u64,
    pub fault: Fault,
    pub target: Target,
    pub at: Time,
    /// The log record of the fault.
    pub record: u64,
    /// The pods that were hit.
    pub pods: Vec<Key>,
    /// When each phase was first complete, and the record that completed it.
    pub phases: Vec<(Phase, Time, u64)>,
    /// When a person undid the fault.
    pub healed: Option<Time>,
    /// When as many pods were ready again as before.
    pub recovered: Option<Time>,
    /// What recovery waits for now, in words without times; empty when it waits for nothing.
    pub waiting_for: Name,
    /// When that is over, where it is known: the screen shows how long that is from now.
    pub waiting_until: Option<Time>,
}
