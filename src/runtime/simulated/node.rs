//! What the engine of one simulated node has: images, sandboxes, containers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::address::Addresses;
use crate::{
    api::{Time, Uid, image::BUILT_IN_IMAGE},
    store::runtime::{
        Answer, ContainerConfig, ContainerId, ContainerState, Exit, RuntimeError, RuntimeErrorKind,
        SandboxId, SandboxState,
    },
};

/// The engine of one node.
#[derive(Clone, Debug)]
pub(super) struct SimNode {
    /// Counts how often the node was killed.
    pub life: u32,
    addresses: Addresses,
    images: BTreeSet<String>,
    pulling: BTreeMap<String, Time>,
    sandboxes: BTreeMap<SandboxId, SimSandbox>,
    containers: BTreeMap<ContainerId, SimContainer>,
}

#[derive(Clone, Debug)]
struct SimSandbox {
    host: u8,
    state: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Starting,
    Running,
    Ended,
}

/// A container.
#[derive(Clone, Debug)]
pub(super) struct SimContainer {
    pub config: Arc<ContainerConfig>,
    sandbox: u32,
    /// As in a listing: none before it is started, then whether and how it ended.
    pub run: Option<Option<Exit>>,
    pub started: Time,
    /// Calls that wait for its end.
    pub stop_calls: Vec<u64>,
}

impl SimNode {
    /// The engine of a cluster's n-th node, with nothing.
    pub fn new(index: usize) -> Self {
        Self {
            life: 0,
            addresses: Addresses::new(index),
            images: BTreeSet::new(),
            pulling: BTreeMap::new(),
            sandboxes: BTreeMap::new(),
            containers: BTreeMap::new(),
        }
    }

    /// Whether it has no sandbox and no container.
    pub fn is_empty(&self) -> bool {
        self.sandboxes.is_empty() && self.containers.is_empty()
    }

    /// Whether the engine has an image; the built-in workload's it always has.
    pub fn has_image(&self, image: &str) -> bool {
        image.is_empty() || image.starts_with(BUILT_IN_IMAGE) || self.images.contains(image)
    }

    /// When a pull that ends at `until` if it begins now really ends: it joins one that is under way.
    pub fn pull_until(&mut self, image: &str, until: Time) -> Time {
        *self.pulling.entry(image.to_owned()).or_insert(until)
    }

    pub fn pulled(&mut self, image: String) {
        self.pulling.remove(&image);
        self.images.insert(image);
    }

    /// Begins a sandbox, unless it runs: then its address.
    pub fn begin_sandbox(&mut self, id: SandboxId, now: Time) -> Option<String> {
        if let Some(sandbox) = self.sandboxes.get(&id) {
            let text = self.addresses.text(sandbox.host);
            return (sandbox.state == Life::Running).then_some(text);
        }
        if let Some(host) = self.addresses.take(now) {
            let state = Life::Starting;
            self.sandboxes.insert(id, SimSandbox { host, state });
        }
        None
    }

    /// A sandbox has come up, unless no address was free for it or it was ended before.
    pub fn sandbox_up(&mut self, id: SandboxId) -> Result<Answer, RuntimeError> {
        let refused = |why: &str| RuntimeError {
            kind: RuntimeErrorKind::Unavailable,
            message: format!("failed to set up the sandbox: {why}"),
        };
        let Some(sandbox) = self.sandboxes.get_mut(&id) else {
            return Err(refused("no address is free"));
        };
        if sandbox.state == Life::Ended {
            return Err(refused("it has ended"));
        }
        sandbox.state = Life::Running;
        let ip = self.addresses.text(sandbox.host);
        Ok(Answer::Sandbox { ip })
    }

    /// Ends a sandbox; whether it ran.
    pub fn end_sandbox(&mut self, id: SandboxId, now: Time) -> bool {
        let Some(sandbox) = self.sandboxes.get_mut(&id) else {
            return false;
        };
        let before = std::mem::replace(&mut sandbox.state, Life::Ended);
        if before != Life::Ended {
            self.addresses.release(sandbox.host, now);
        }
        before == Life::Running
    }

    pub fn remove_sandbox(&mut self, id: SandboxId) {
        self.sandboxes.remove(&id);
        self.containers
            .retain(|container, state| container.pod != id.pod || state.sandbox != id.attempt);
    }

    /// Creates a container; one that is there is left as it is.
    pub fn create(
        &mut self,
        sandbox: SandboxId,
        id: &ContainerId,
        config: &Arc<ContainerConfig>,
    ) -> Result<(), String> {
        let runs = self.sandboxes.get(&sandbox).map(|s| s.state) == Some(Life::Running);
        if !runs {
            return Err(format!("sandbox {} does not run", sandbox.pod));
        }
        if !self.has_image(&config.image) {
            return Err(format!("no such image: {}", config.image));
        }
        self.containers
            .entry(id.clone())
            .or_insert_with(|| SimContainer {
                config: Arc::clone(config),
                sandbox: sandbox.attempt,
                run: None,
                started: Time::ZERO,
                stop_calls: Vec::new(),
            });
        Ok(())
    }

    /// Whether a container can be started: false if it runs already.
    pub fn startable(&self, id: &ContainerId) -> Result<bool, (RuntimeErrorKind, String)> {
        match self.containers.get(id) {
            None => Err((
                RuntimeErrorKind::NotFound,
                format!("no such container: {id}"),
            )),
            Some(container) => match super::program::cannot_start(&container.config) {
                Some(message) => Err((RuntimeErrorKind::Invalid, message)),
                None => Ok(container.run.is_none()),
            },
        }
    }

    /// Starts a container whose sandbox runs.
    pub fn start(&mut self, id: &ContainerId, now: Time) -> Option<&SimContainer> {
        let container = self.containers.get_mut(id)?;
        let sandbox = SandboxId {
            pod: id.pod,
            attempt: container.sandbox,
        };
        if self.sandboxes.get(&sandbox)?.state != Life::Running {
            return None;
        }
        if container.run.is_none() {
            container.run = Some(None);
            container.started = now;
        }
        Some(container)
    }

    pub fn remove_container(&mut self, id: &ContainerId) {
        self.containers.remove(id);
    }

    /// A container, if it runs.
    pub fn running_container(&mut self, id: &ContainerId) -> Option<&mut SimContainer> {
        self.containers
            .get_mut(id)
            .filter(|container| container.run == Some(None))
    }

    /// How a container that does not run ended.
    pub fn exit_of(&self, id: &ContainerId) -> Exit {
        let container = self.containers.get(id);
        container
            .and_then(|container| container.run.flatten())
            .unwrap_or_default()
    }

    fn containers_of(&self, pod: Uid) -> impl Iterator<Item = (&ContainerId, &SimContainer)> {
        self.containers
            .range(ContainerId::before_all_of(pod)..)
            .take_while(move |(id, _)| id.pod == pod)
    }

    pub fn running_in(&self, sandbox: SandboxId) -> Vec<ContainerId> {
        self.containers_of(sandbox.pod)
            .filter(|(_, c)| c.sandbox == sandbox.attempt && c.run == Some(None))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// A pod's running containers and living sandboxes.
    pub fn alive(&self, pod: Uid) -> (Vec<ContainerId>, Vec<SandboxId>) {
        let containers = self.containers_of(pod).filter(|(_, c)| c.run == Some(None));
        let first = SandboxId { pod, attempt: 0 };
        let sandboxes = self
            .sandboxes
            .range(first..)
            .take_while(|(id, _)| id.pod == pod)
            .filter(|(_, sandbox)| sandbox.state != Life::Ended);
        (
            containers.map(|(id, _)| id.clone()).collect(),
            sandboxes.map(|(id, _)| *id).collect(),
        )
    }

    /// The pods that have a sandbox, each once.
    pub fn pods_with_sandboxes(&self) -> Vec<Uid> {
        let mut pods: Vec<Uid> = self.sandboxes.keys().map(|id| id.pod).collect();
        pods.dedup();
        pods
    }

    /// All running sandboxes.
    pub fn running_sandboxes(&self) -> impl Iterator<Item = SandboxId> {
        let running = |(_, sandbox): &(&SandboxId, &SimSandbox)| sandbox.state == Life::Running;
        self.sandboxes.iter().filter(running).map(|(id, _)| *id)
    }

    /// All running containers.
    pub fn running(&self) -> impl Iterator<Item = (ContainerId, &SimContainer)> {
        self.containers
            .iter()
            .filter(|(_, container)| container.run == Some(None))
            .map(|(id, container)| (id.clone(), container))
    }

    /// Everything, as [`Answer::Listing`].
    pub fn list(&self, runtime_id: impl Fn(&ContainerId) -> String) -> Answer {
        let sandboxes = self
            .sandboxes
            .iter()
            .map(|(id, sandbox)| SandboxState {
                sandbox: *id,
                running: sandbox.state == Life::Running,
                ip: self.addresses.text(sandbox.host),
            })
            .collect();
        let containers = self
            .containers
            .iter()
            .map(|(id, container)| ContainerState {
                container: id.clone(),
                run: container.run,
                id: runtime_id(id),
            })
            .collect();
        Answer::Listing {
            sandboxes,
            containers,
        }
    }
}
