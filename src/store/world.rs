//! What is so, as against what the control plane believes: the machines and containers themselves.

use std::fmt;

use imbl::OrdMap;

use super::{
    config::RuntimeKind,
    runtime::{ContainerId, Exit, Report, SandboxId},
};
use crate::api::{Name, Time};

/// Whether a machine has power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    On,
    Off,
    /// Off, and on again at that time.
    Booting {
        until: Time,
    },
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeTruth {
    pub power: Power,
    /// Whether the node's kubelet reaches the control plane.
    pub connected: bool,
    /// Changes with every start of the machine.
    pub boot: u32,
    /// Since when it is as it is.
    pub since: Time,
}

impl NodeTruth {
    /// Whether the machine runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.power == Power::On
    }
}

/// A container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerTruth {
    Created,
    Running { since: Time },
    Exited { at: Time, exit: Exit },
}

/// The truth about machines, sandboxes and containers. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub nodes: OrdMap<Name, NodeTruth>,
    /// Running sandboxes, with the node they run on.
    pub sandboxes: OrdMap<SandboxId, Name>,
    /// Containers that exist, with the node they are on.
    pub containers: OrdMap<ContainerId, (Name, ContainerTruth)>,
    /// Slow preparations under way: what, done, total.
    pub progress: OrdMap<Name, (u64, u64)>,
    /// The runtimes that were looked for: whether each can be reached, and what it is or why it cannot.
    pub engines: OrdMap<RuntimeKind, (bool, Name)>,
}

impl World {
    /// Notes what a report says of the runtimes themselves.
    pub fn note(&mut self, report: &Report) {
        match report {
            Report::Progress { what, done, total } if done >= total => {
                self.progress.remove(what);
            }
            Report::Progress { what, done, total } => {
                self.progress.insert(what.clone(), (*done, *total));
            }
            Report::Engine {
                runtime,
                up,
                message,
            } => {
                self.engines
                    .insert(*runtime, (*up, message.as_str().into()));
            }
            Report::Answer { .. }
            | Report::Usage { .. }
            | Report::ContainerExited { .. }
            | Report::SandboxExited { .. } => {}
        }
    }

    /// Whether the machine is on (nodes of which nothing is known are not).
    #[must_use]
    pub fn is_on(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(NodeTruth::is_on)
    }

    /// Whether a container runs.
    #[must_use]
    pub fn is_running(&self, container: &ContainerId) -> bool {
        let truth = self.containers.get(container);
        truth.is_some_and(|(_, truth)| matches!(truth, ContainerTruth::Running { .. }))
    }

    /// A pod's containers.
    pub fn containers_of(
        &self,
        pod: crate::api::Uid,
    ) -> impl Iterator<Item = (&ContainerId, &(Name, ContainerTruth))> {
        self.containers
            .range(ContainerId::before_all_of(pod)..)
            .take_while(move |(id, _)| id.pod == pod)
    }
}

/// A change of the truth.
#[derive(Clone, Debug, PartialEq)]
pub enum WorldChange {
    NodeOff {
        node: Name,
    },
    NodeBooting {
        node: Name,
        until: Time,
    },
    NodeOn {
        node: Name,
    },
    HeartbeatsCut {
        node: Name,
    },
    HeartbeatsRestored {
        node: Name,
    },
    SandboxStarted {
        node: Name,
        sandbox: SandboxId,
    },
    SandboxExited {
        node: Name,
        sandbox: SandboxId,
    },
    ContainerStarted {
        node: Name,
        container: ContainerId,
    },
    ContainerExited {
        node: Name,
        container: ContainerId,
        exit: Exit,
    },
    ContainerRemoved {
        node: Name,
        container: ContainerId,
    },
}

impl WorldChange {
    /// The node it happened on.
    #[must_use]
    pub const fn node(&self) -> &Name {
        match self {
            Self::NodeOff { node }
            | Self::NodeBooting { node, .. }
            | Self::NodeOn { node }
            | Self::HeartbeatsCut { node }
            | Self::HeartbeatsRestored { node }
            | Self::SandboxStarted { node, .. }
            | Self::SandboxExited { node, .. }
            | Self::ContainerStarted { node, .. }
            | Self::ContainerExited { node, .. }
            | Self::ContainerRemoved { node, .. } => node,
        }
    }

    /// Applies the change.
    fn apply(&self, world: &mut World, at: Time) {
        let set = |world: &mut World, node: &Name, change: &dyn Fn(&mut NodeTruth)| {
            let mut truth = world.nodes.get(node).cloned().unwrap_or(NodeTruth {
                power: Power::On,
                connected: true,
                boot: 0,
                since: at,
            });
            change(&mut truth);
            truth.since = at;
            world.nodes.insert(node.clone(), truth);
        };
        match self {
            Self::NodeOff { node } => set(world, node, &|truth| truth.power = Power::Off),
            Self::NodeBooting { node, until } => {
                set(world, node, &|truth| {
                    truth.power = Power::Booting { until: *until }
                });
            }
            Self::NodeOn { node } => set(world, node, &|truth| {
                truth.power = Power::On;
                truth.boot += 1;
            }),
            Self::HeartbeatsCut { node } => set(world, node, &|truth| truth.connected = false),
            Self::HeartbeatsRestored { node } => set(world, node, &|truth| truth.connected = true),
            Self::SandboxStarted { node, sandbox } => {
                world.sandboxes.insert(*sandbox, node.clone());
            }
            Self::SandboxExited { sandbox, .. } => {
                world.sandboxes.remove(sandbox);
            }
            Self::ContainerStarted { node, container } => {
                let truth = ContainerTruth::Running { since: at };
                world
                    .containers
                    .insert(container.clone(), (node.clone(), truth));
            }
            Self::ContainerExited {
                node,
                container,
                exit,
            } => {
                let truth = ContainerTruth::Exited { at, exit: *exit };
                world
                    .containers
                    .insert(container.clone(), (node.clone(), truth));
            }
            Self::ContainerRemoved { container, .. } => {
                world.containers.remove(container);
            }
        }
    }
}

impl fmt::Display for WorldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeOff { node } => write!(f, "{node} lost power"),
            Self::NodeBooting { node, until } => write!(f, "{node} reboots until {until}"),
            Self::NodeOn { node } => write!(f, "{node} is on"),
            Self::HeartbeatsCut { node } => write!(f, "{node} is cut from the control plane"),
            Self::HeartbeatsRestored { node } => write!(f, "{node} reaches the control plane"),
            Self::SandboxStarted { node, sandbox } => {
                write!(f, "sandbox {} runs on {node}", sandbox.pod)
            }
            Self::SandboxExited { node, sandbox } => {
                write!(f, "sandbox {} on {node} ended", sandbox.pod)
            }
            Self::ContainerStarted { node, container } => {
                write!(f, "container {} runs on {node}", container.name)
            }
            Self::ContainerExited {
                node,
                container,
                exit,
            } => {
                write!(
                    f,
                    "container {} on {node} ended with {}",
                    container.name, exit.code
                )
            }
            Self::ContainerRemoved { node, container } => {
                write!(f, "container {} on {node} removed", container.name)
            }
        }
    }
}

impl super::Store {
    /// Changes the truth and logs it.
    pub fn change_world(&mut self, change: WorldChange, at: Time, cause: u64) -> u64 {
        change.apply(&mut self.world, at);
        self.record(cause, at, super::What::World(change))
    }
}
