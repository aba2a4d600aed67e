//! Sandboxes that were made ahead, so that a pod need not wait for one: what takes longest at a pod's start is the
//! sandbox with its network (a quarter of a second of a third).
//!
//! They are unnamed: who takes one tells its agent whose it is (`crate::workload::agent`). There are as many as the
//! node that has most pods that may use one, within bounds: so many replacements are needed when it dies. They are made
//! only while nobody waits for the engine.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell waits for the engine to be idle"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{
    container::{AttachContainerResults, LogOutput},
    query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptions},
};
use futures_util::StreamExt;
use tokio::{io::AsyncWriteExt, sync::Notify};

use super::{
    addresses::Holder,
    engine::{Failure, within},
    labels, reap,
    shared::{STARTS_AT_ONCE, Shared},
    spec,
};
use crate::{
    api::Name,
    store::runtime::{SandboxConfig, SandboxId},
    workload::agent,
};

/// There are never fewer, once a pod has come that may use one, and never more.
const FEWEST: usize = 2;
const MOST: usize = 10;
/// The engine counts as idle when nothing was started for so long.
const LEISURE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(50);
/// Before one that could not be made is tried again.
const RETRY: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);
/// How long an agent may take to hear whose it is.
const AGENT_LIMIT: Duration = Duration::from_secs(1);

/// A sandbox that is nobody's yet.
pub struct Warm {
    pub id: String,
    /// Its number, under which it holds its address.
    pub number: u64,
    pipe: AttachContainerResults,
}

/// The sandboxes that are nobody's yet.
#[derive(Default)]
pub struct Pool {
    state: Mutex<State>,
    /// Something has changed that may call for more.
    changed: Notify,
}

#[derive(Default)]
struct State {
    idle: VecDeque<Warm>,
    made: u64,
    /// The pods' sandboxes that were or could have been taken from here, with their nodes.
    users: BTreeMap<SandboxId, Name>,
}

impl State {
    /// How many there should be.
    fn need(&self) -> usize {
        let mut by_node: BTreeMap<&Name, usize> = BTreeMap::new();
        for node in self.users.values() {
            *by_node.entry(node).or_default() += 1;
        }
        let most = by_node.into_values().max();
        most.map_or(0, |most| most.clamp(FEWEST, MOST))
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pod came that may use one. True if its sandbox is asked for for the first time.
    pub fn wanted(&self, sandbox: SandboxId, node: &Name) -> bool {
        let before = self.state().users.insert(sandbox, node.clone());
        self.changed.notify_one();
        before.is_none()
    }

    /// Its sandbox is gone.
    pub fn unwanted(&self, sandbox: SandboxId) {
        self.state().users.remove(&sandbox);
    }

    /// Takes one, if there is one.
    pub fn take(&self) -> Option<Warm> {
        let taken = self.state().idle.pop_front();
        self.changed.notify_one();
        taken
    }

    /// One has ended; its number, if it was nobody's yet.
    pub fn ended(&self, id: &str) -> Option<u64> {
        let mut state = self.state();
        let found = state.idle.iter().position(|warm| warm.id == id)?;
        let warm = state.idle.remove(found)?;
        drop(state);
        self.changed.notify_one();
        Some(warm.number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.state().idle.len()
    }
}

impl Warm {
    /// Tells its agent whose it is.
    ///
    /// # Errors
    /// The agent did not take it: the sandbox is of no use.
    pub async fn name(&mut self, config: &SandboxConfig, ip: &str) -> Result<(), Failure> {
        let identity = agent::Identity {
            hostname: config.hostname.to_string(),
            ip: ip.to_owned(),
        };
        let line = identity.to_line();
        let told = async {
            self.pipe.input.write_all(line.as_bytes()).await?;
            self.pipe.input.flush().await?;
            while let Some(output) = self.pipe.output.next().await {
                if let Ok(LogOutput::StdOut { message }) = output
                    && message.starts_with(agent::DONE.as_bytes())
                {
                    return Ok(());
                }
            }
            Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
        };
        match tokio::time::timeout(AGENT_LIMIT, told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::Other(format!("a sandbox's agent failed: {error}"))),
            Err(_) => Err(Failure::Other(
                "a sandbox's agent does not answer".to_owned(),
            )),
        }
    }
}

/// Keeps the pool as full as it should be, until the runtime closes.
pub async fn keep(shared: Arc<Shared>) {
    let closing = shared.closing.clone();
    let keep = async {
        loop {
            shared.pool.changed.notified().await;
            while shared.pool.len() < shared.pool.state().need() {
                shared.at_leisure().await;
                if let Err(failure) = shared.warm_up().await {
                    tracing::warn!(%failure, "a sandbox could not be made ahead");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = keep => {}
    }
}

impl Shared {
    /// Waits until nothing has been started for a while.
    async fn at_leisure(&self) {
        let mut quiet = Duration::ZERO;
        while quiet < LEISURE {
            tokio::time::sleep(LOOK).await;
            quiet = match self.starts.available_permits() == STARTS_AT_ONCE {
                true => quiet + LOOK,
                false => Duration::ZERO,
            };
        }
    }

    /// Makes one sandbox and puts it into the pool.
    async fn warm_up(&self) -> Result<(), Failure> {
        let number = {
            let mut state = self.pool.state();
            state.made += 1;
            state.made
        };
        let holder = Holder::Warm(number);
        let made = match self.allocate(holder).await {
            Ok(ip) => self.make_warm(number, &ip).await,
            Err(failure) => Err(failure),
        };
        match made {
            Ok(warm) => self.pool.state().idle.push_back(warm),
            Err(failure) => {
                self.release(holder).await;
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn make_warm(&self, number: u64, ip: &str) -> Result<Warm, Failure> {
        let (network, _) = self.network().await?;
        let image = self.built_in().await?;
        let labels = [
            (labels::OURS, "1".to_owned()),
            (labels::RUN, self.run.id().to_owned()),
            (labels::MACHINE, self.machine.clone()),
            (labels::WARM, number.to_string()),
        ];
        let around = self.surroundings("warm");
        let body = spec::warm_sandbox(&image, &around, &network.name, ip, labels.into());
        let docker = self.engine.docker();
        let creation = docker.create_container(None::<CreateContainerOptions>, body);
        let id = within(LIMIT, "create container", creation).await?.id;
        let started = async {
            let options = AttachContainerOptionsBuilder::new()
                .stdin(true)
                .stdout(true)
                .stream(true)
                .build();
            let attach = docker.attach_container(&id, Some(options));
            let pipe = within(LIMIT, "attach container", attach).await?;
            let _permit = self.starts.acquire().await;
            within(LIMIT, "start container", docker.start_container(&id, None)).await?;
            Ok(pipe)
        };
        match started.await {
            Ok(pipe) => Ok(Warm { id, number, pipe }),
            Err(failure) => {
                let _ = reap::remove_container(&self.engine, &id).await;
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Uid;

    #[test]
    fn as_many_are_needed_as_the_fullest_node_has_pods_that_may_use_one() {
        let pool = Pool::default();
        let id = |pod| SandboxId {
            pod: Uid(pod),
            attempt: 0,
        };
        assert_eq!(pool.state().need(), 0);
        pool.wanted(id(1), &Name::from("node-1"));
        assert_eq!(pool.state().need(), 2);
        for pod in 2..6 {
            pool.wanted(id(pod), &Name::from("node-2"));
        }
        assert_eq!(pool.state().need(), 4);
        for pod in 6..30 {
            pool.wanted(id(pod), &Name::from("node-2"));
        }
        assert_eq!(pool.state().need(), 10);
        (1..30).for_each(|pod| pool.unwanted(id(pod)));
        assert_eq!(pool.state().need(), 0);
    }
}
