//! What comes into the core, and what is answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    runtime::Report,
    write::{DeleteOptions, Subresource},
};
use crate::api::{ApiError, Key, Name, Object, ObjectRef};

/// One input of a step. Everything that a run depends on is one of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Nothing new: run what is due.
    Continue,
    /// A write to the API.
    Write(WriteRequest),
    /// What runtimes answered or saw, oldest first.
    Runtime(Vec<Report>),
    /// A fault, or its undoing.
    Fault(FaultRequest),
    /// Stop or continue reconciling. While paused, writes are stored and reports are taken, but nothing is reconciled.
    Pause(bool),
    /// Run one work item, paused or not.
    StepOne,
}

/// A write to the API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WriteRequest {
    /// Chosen by the sender; the [`Reply`] carries it.
    pub id: u64,
    /// Who asks: `user`, `topology`, a component.
    pub user: Name,
    pub verb: WriteVerb,
}

/// What a write asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum WriteVerb {
    Create(Object),
    Update {
        object: Object,
        subresource: Subresource,
    },
    /// A JSON merge patch (RFC 7386).
    MergePatch {
        target: ObjectRef,
        subresource: Subresource,
        patch: serde_json::Value,
    },
    Delete {
        target: ObjectRef,
        options: DeleteOptions,
    },
}

/// The answer to a write.
#[derive(Clone, Debug)]
pub struct Reply {
    pub id: u64,
    pub result: Result<Written, ApiError>,
}

/// A write that was done.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object as it is now; for a deletion, its last state.
    pub object: Object,
    /// Warnings for the writer, as the API sends them in `Warning` headers.
    pub warnings: Vec<String>,
}

/// What a fault is aimed at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    Node(Name),
    Pod(Key),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Pod(key) => write!(f, "pod {key}"),
        }
    }
}

/// What can be done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// SIGKILL everything at once; a node stays dark until it is healed.
    Kill,
    /// Kill a node and start it again.
    Reboot,
    /// Cut a node's kubelet from the control plane; its containers go on.
    CutHeartbeats,
}

impl Fault {
    /// The fault's name, as headless runs and keys use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Reboot => "reboot",
            Self::CutHeartbeats => "cut-heartbeats",
        }
    }
}

/// A fault to be injected or undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultRequest {
    Inject {
        fault: Fault,
        target: Target,
    },
    /// Undo whatever is done to the target.
    Heal {
        target: Target,
    },
}

/// An input as the log names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputSummary {
    Continue,
    Write {
        user: Name,
        verb: &'static str,
        target: ObjectRef,
    },
    Runtime {
        reports: usize,
    },
    Fault(FaultRequest),
    Pause(bool),
    StepOne,
}

impl From<&Input> for InputSummary {
    fn from(input: &Input) -> Self {
        match input {
            Input::Continue => Self::Continue,
            Input::Write(request) => {
                let (verb, target) = match &request.verb {
                    WriteVerb::Create(object) => ("create", object.reference()),
                    WriteVerb::Update { object, .. } => ("update", object.reference()),
                    WriteVerb::MergePatch { target, .. } => ("patch", target.clone()),
                    WriteVerb::Delete { target, .. } => ("delete", target.clone()),
                };
                Self::Write {
                    user: request.user.clone(),
                    verb,
                    target,
                }
            }
            Input::Runtime(reports) => Self::Runtime {
                reports: reports.len(),
            },
            Input::Fault(request) => Self::Fault(request.clone()),
            Input::Pause(paused) => Self::Pause(*paused),
            Input::StepOne => Self::StepOne,
        }
    }
}
