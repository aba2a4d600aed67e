//! What the core asks of container runtimes and what they report: CRI's verbs as data.
//!
//! A call is keyed by pod, container and attempt, and may be repeated: asking twice for the same thing is asking once.
//! The order of calls is the kubelet's business. An answer may never come; then the truth is what a listing says.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::config::RuntimeKind;
use crate::api::{Key, Name, Uid};

/// One sandbox of a pod. A pod gets a new one (next attempt) when its sandbox died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SandboxId {
    pub pod: Uid,
    pub attempt: u32,
}

/// One container of a pod. A restart is a new one (next attempt).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerId {
    pub pod: Uid,
    pub name: Name,
    pub attempt: u32,
}

impl ContainerId {
    /// What comes before all containers of a pod, in order.
    #[must_use]
    pub fn before_all_of(pod: Uid) -> Self {
        Self {
            pod,
            name: Name::from(""),
            attempt: 0,
        }
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pod, self.name, self.attempt)
    }
}

/// What a sandbox is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxConfig {
    pub pod: Key,
    pub hostname: Name,
    pub labels: BTreeMap<String, String>,
    /// Whether nothing of the pod has to be fixed when its sandbox is made: then one that was made ahead will do.
    pub generic: bool,
    /// What all pods of the node may use together.
    pub node: NodeLimits,
}

/// What everything on a node may use together; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLimits {
    pub cpu_milli: u64,
    pub memory_bytes: u64,
}

/// What a container is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerConfig {
    pub pod: Key,
    pub hostname: Name,
    pub image: String,
    /// Replaces the image's entry point, if not empty.
    pub command: Vec<String>,
    /// Replaces the image's arguments, if not empty.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: Option<String>,
    /// CPU request in millicores: the container's share when CPU is short.
    pub cpu_request_milli: u64,
    /// CPU limit in millicores; 0 for none.
    pub cpu_limit_milli: u64,
    /// Memory limit in bytes; 0 for none.
    pub memory_limit_bytes: u64,
    pub read_only_root: bool,
    pub run_as_user: Option<i64>,
}

/// Something asked of a node's runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Number of the log record of this call; the answer carries it.
    pub id: u64,
    pub node: Name,
    pub runtime: RuntimeKind,
    pub verb: Verb,
}

/// What is asked: CRI's verbs, and the one that stands for pulling the plug.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    PullImage {
        image: String,
    },
    /// Answered at once from what the runtime has: [`Answer::Image`].
    ImageStatus {
        image: String,
    },
    RunPodSandbox {
        sandbox: SandboxId,
        config: Arc<SandboxConfig>,
    },
    CreateContainer {
        sandbox: SandboxId,
        container: ContainerId,
        config: Arc<ContainerConfig>,
    },
    StartContainer {
        container: ContainerId,
    },
    /// SIGTERM, and SIGKILL after the grace.
    StopContainer {
        container: ContainerId,
        grace_ms: u64,
    },
    RemoveContainer {
        container: ContainerId,
    },
    /// Stops the sandbox and whatever still runs in it.
    StopPodSandbox {
        sandbox: SandboxId,
    },
    /// Removes the sandbox and its containers.
    RemovePodSandbox {
        sandbox: SandboxId,
    },
    /// What the node runs: [`Answer::Listing`].
    List,
    /// SIGKILL all app containers of the node at once, then its sandboxes.
    KillNode,
    /// SIGKILL all app containers of one pod, then its sandbox.
    KillPod {
        pod: Uid,
    },
}

impl Verb {
    /// The names of all verbs.
    pub const NAMES: [&str; 12] = [
        "PullImage",
        "ImageStatus",
        "RunPodSandbox",
        "CreateContainer",
        "StartContainer",
        "StopContainer",
        "RemoveContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
        "List",
        "KillNode",
        "KillPod",
    ];

    /// The pod that it is about, if it is about one.
    #[must_use]
    pub const fn pod(&self) -> Option<Uid> {
        match self {
            Self::RunPodSandbox { sandbox, .. }
            | Self::CreateContainer { sandbox, .. }
            | Self::StopPodSandbox { sandbox }
            | Self::RemovePodSandbox { sandbox } => Some(sandbox.pod),
            Self::StartContainer { container }
            | Self::StopContainer { container, .. }
            | Self::RemoveContainer { container } => Some(container.pod),
            Self::KillPod { pod } => Some(*pod),
            Self::PullImage { .. } | Self::ImageStatus { .. } | Self::List | Self::KillNode => None,
        }
    }

    /// The verb's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "PullImage",
            Self::ImageStatus { .. } => "ImageStatus",
            Self::RunPodSandbox { .. } => "RunPodSandbox",
            Self::CreateContainer { .. } => "CreateContainer",
            Self::StartContainer { .. } => "StartContainer",
            Self::StopContainer { .. } => "StopContainer",
            Self::RemoveContainer { .. } => "RemoveContainer",
            Self::StopPodSandbox { .. } => "StopPodSandbox",
            Self::RemovePodSandbox { .. } => "RemovePodSandbox",
            Self::List => "List",
            Self::KillNode => "KillNode",
            Self::KillPod { .. } => "KillPod",
        }
    }
}

/// What a runtime reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// The answer to a call.
    Answer {
        call: u64,
        node: Name,
        result: Result<Answer, RuntimeError>,
    },
    /// A container ended.
    ContainerExited {
        node: Name,
        container: ContainerId,
        exit: Exit,
    },
    /// A sandbox ended; whatever ran in it has no network any more.
    SandboxExited { node: Name, sandbox: SandboxId },
    /// What running containers have used until now, all at one moment, and what it took to find out, in µs.
    Usage {
        samples: Vec<ContainerUsage>,
        took_micros: u64,
    },
    /// How far the preparation of something slow has come (an image being packed or pulled); for the screen only.
    Progress { what: Name, done: u64, total: u64 },
    /// The engine can or cannot be reached; for the screen, and for the kubelets of its nodes.
    Engine {
        runtime: RuntimeKind,
        up: bool,
        message: String,
    },
}

/// What a container has used, as the kernel counts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUsage {
    pub container: ContainerId,
    /// CPU time since its start, in µs of the cluster's processors.
    pub cpu_micros: u64,
    /// Memory in bytes that cannot be reclaimed: the working set, as kubelet has it.
    pub memory_bytes: u64,
    /// How many of its processes were killed for want of memory.
    pub oom_kills: u32,
}

/// A call that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The image, if the runtime has it.
    Image {
        present: bool,
        id: String,
        size_bytes: u64,
    },
    /// The sandbox runs and has this address.
    Sandbox { ip: String },
    /// The container exists; the runtime's own id for it.
    Created { id: String },
    /// The container runs.
    Started,
    /// The container does not run any more.
    Stopped { exit: Exit },
    /// The thing is gone.
    Removed,
    /// Everything that the runtime has of this node.
    Listing {
        sandboxes: Vec<SandboxState>,
        containers: Vec<ContainerState>,
    },
}

/// A sandbox in a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxState {
    pub sandbox: SandboxId,
    pub running: bool,
    pub ip: String,
}

/// A container in a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerState {
    pub container: ContainerId,
    /// None: created, not started. `Some(None)`: running. `Some(Some(exit))`: ended.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    pub run: Option<Option<Exit>>,
    pub id: String,
}

/// Reads a value that is given, be it null: left out is something else.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<Exit>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// How a container ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: i32,
    pub oom_killed: bool,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RuntimeError {
    pub kind: RuntimeErrorKind,
    pub message: String,
}

/// What to do about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuntimeErrorKind {
    /// The thing does not exist (an image, a container).
    NotFound,
    /// The request itself is wrong (no such program, bad mount): the same request will fail again.
    Invalid,
    /// The engine failed or cannot be reached; the call may or may not have been done.
    Unavailable,
}
