//! What a kubelet asks of a runtime, and what it hears.

use crate::{
    api::{Time, Uid},
    store::runtime::{
        Answer, ContainerId, ContainerState, Exit, RuntimeError, SandboxId, SandboxState,
    },
};

/// What was asked: the verb without its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    RunSandbox(SandboxId),
    StopSandbox(SandboxId),
    RemoveSandbox(SandboxId),
    ImageStatus(ContainerId),
    Pull(ContainerId),
    Create(ContainerId),
    Start(ContainerId),
    Stop(ContainerId),
    RemoveContainer(ContainerId),
    List,
}

impl Ask {
    /// The pod it is about.
    pub const fn pod(&self) -> Option<Uid> {
        match self {
            Self::RunSandbox(id) | Self::StopSandbox(id) | Self::RemoveSandbox(id) => Some(id.pod),
            Self::ImageStatus(id)
            | Self::Pull(id)
            | Self::Create(id)
            | Self::Start(id)
            | Self::Stop(id)
            | Self::RemoveContainer(id) => Some(id.pod),
            Self::List => None,
        }
    }

    /// Whether it makes something, of which a listing tells.
    pub const fn makes(&self) -> bool {
        matches!(self, Self::RunSandbox(_) | Self::Create(_) | Self::Start(_))
    }
}

/// What a worker has not looked at yet.
#[derive(Clone, Debug)]
pub(super) enum News {
    Answered {
        at: Time,
        ask: Ask,
        asked_at: Time,
        result: Result<Answer, RuntimeError>,
    },
    ContainerExited {
        at: Time,
        container: ContainerId,
        exit: Exit,
    },
    SandboxExited(SandboxId),
    Listed(Box<PodListing>),
}

/// A pod's part of what a runtime listed.
#[derive(Clone, Debug, Default)]
pub(super) struct PodListing {
    pub at: Time,
    pub sandboxes: Vec<SandboxState>,
    pub containers: Vec<ContainerState>,
    /// The calls that the listing stands in for; none: all that are open.
    pub lost: Option<Vec<Ask>>,
}
