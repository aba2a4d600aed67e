//! The verbs of sandboxes, the listing of a node, and kills.

use std::{collections::BTreeMap, sync::PoisonError, time::Instant};

use futures_util::future::join_all;

use super::{
    addresses::Holder,
    calls::Targets,
    engine::Failure,
    index::{SeenState, State, Ticket},
    labels::{self, Part},
    reap,
    shared::Shared,
    spec,
};
use crate::{
    api::Name,
    store::runtime::{
        Answer, ContainerState, RuntimeError, RuntimeErrorKind, SandboxConfig, SandboxId,
        SandboxState,
    },
};

impl Shared {
    /// Creates and starts a sandbox. One that runs already is as good.
    pub async fn run_sandbox(
        &self,
        sandbox: SandboxId,
        config: &SandboxConfig,
        node: &Name,
        ticket: Ticket,
    ) -> Result<Answer, RuntimeError> {
        let part = Part::Sandbox(sandbox);
        let (network, _) = self.network().await?;
        self.built_in().await?;
        self.cap(node, config.node);
        // One that was asked for before may exist, even if nobody heard that it was made.
        if config.generic
            && self.pool.wanted(sandbox, node)
            && let Some(ip) = self.adopt(sandbox, config, node, ticket).await?
        {
            return Ok(Answer::Sandbox { ip });
        }
        let _turn = self.turn(&part).await;
        let _permit = self.starts.acquire().await;
        self.check_alive(ticket, node, sandbox.pod)?;
        let ip = self.allocate(Holder::Sandbox(sandbox)).await?;
        let around = self.surroundings(node);
        let body = |image: &str, labels: BTreeMap<&'static str, String>| {
            spec::sandbox(config, image, &around, &network.name, &ip, labels)
        };
        let created = self
            .create(&part, &config.pod, node, None, None, body)
            .await;
        let result = match created {
            Ok(id) => self.start(&part, &id, node, ticket).await,
            Err(failure) => Err(failure.into()),
        };
        if let Err(error) = result {
            // The next attempt begins anew, with another address.
            self.discard(sandbox).await;
            return Err(error);
        }
        if let Some(State::Exited(_)) = self.index().get(&part).map(|entry| entry.state) {
            return Err(RuntimeError {
                kind: RuntimeErrorKind::Unavailable,
                message: format!("{part} has ended"),
            });
        }
        Ok(Answer::Sandbox { ip })
    }

    /// Takes a sandbox that was made ahead, if there is one; its address.
    async fn adopt(
        &self,
        sandbox: SandboxId,
        config: &SandboxConfig,
        node: &Name,
        ticket: Ticket,
    ) -> Result<Option<String>, RuntimeError> {
        let part = Part::Sandbox(sandbox);
        let _turn = self.turn(&part).await;
        self.check_alive(ticket, node, sandbox.pod)?;
        while let Some(mut warm) = self.pool.take() {
            let Some(addresses) = self.known_addresses() else {
                return Ok(None);
            };
            let ip = {
                let mut addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner);
                addresses.hand_over(warm.number, sandbox);
                addresses.get(sandbox).map(|ip| ip.to_string())
            };
            self.index().adopt(sandbox, node.clone(), warm.id.clone());
            let told = match &ip {
                Some(ip) => warm.name(config, ip).await,
                None => Err(Failure::Other("it has no address".to_owned())),
            };
            if let Err(failure) = told {
                tracing::warn!(container = warm.id, %failure, "a sandbox made ahead is of no use");
                self.discard(sandbox).await;
                continue;
            }
            if let Err(killed) = self.check_alive(ticket, node, sandbox.pod) {
                self.kill_one(&warm.id).await;
                return Err(killed);
            }
            return Ok(ip);
        }
        Ok(None)
    }

    /// A sandbox that was made ahead has ended and is nobody's.
    pub async fn lost_warm(&self, id: &str) {
        let Some(number) = self.pool.ended(id) else {
            return;
        };
        self.release(Holder::Warm(number)).await;
        self.drop_container(id).await;
    }

    /// Removes all sandboxes that were made ahead and are nobody's.
    pub async fn empty_pool(&self) {
        while let Some(warm) = self.pool.take() {
            self.release(Holder::Warm(warm.number)).await;
            self.drop_container(&warm.id).await;
        }
    }

    /// Removes a container that nobody waits for. What cannot be removed now goes at the end of the run.
    async fn drop_container(&self, id: &str) {
        if let Err(failure) = reap::remove_container(&self.engine, id).await {
            tracing::warn!(container = id, %failure, "remove failed");
        }
    }

    /// Takes an address.
    pub async fn allocate(&self, holder: Holder) -> Result<String, Failure> {
        let (_, addresses) = self.network().await?;
        let mut addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let address = addresses.allocate(holder, now());
        let address = address.ok_or_else(|| {
            Failure::Other("no address is free in the cluster's network".to_owned())
        })?;
        Ok(address.to_string())
    }

    /// Gives an address back.
    pub async fn release(&self, holder: Holder) {
        if let Ok((_, addresses)) = self.network().await {
            addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .release(holder, now());
        }
    }

    /// Removes what may have become of a sandbox that could not be started.
    async fn discard(&self, sandbox: SandboxId) {
        let part = Part::Sandbox(sandbox);
        let id = self.index().get(&part).map(|entry| entry.id.clone());
        if let Some(id) = id {
            self.index().ending(&part);
            self.drop_container(&id).await;
            self.index().removed(&part);
        }
        self.release(Holder::Sandbox(sandbox)).await;
    }

    /// Ends a sandbox and whatever runs in it.
    pub async fn stop_sandbox(&self, sandbox: SandboxId) -> Result<Answer, RuntimeError> {
        let part = Part::Sandbox(sandbox);
        // Known even if its creation was never answered.
        self.find(&part).await?;
        let targets = {
            let mut index = self.index();
            let targets: Targets = index
                .of_pod(sandbox.pod)
                .filter(|(part, entry)| is_of(part, entry.joined, sandbox))
                .filter(|(_, entry)| matches!(entry.state, State::Running | State::Starting { .. }))
                .map(|(part, entry)| (part.clone(), entry.id.clone()))
                .collect();
            for (part, _) in &targets {
                index.ending(part);
            }
            targets
        };
        let all = targets.clone();
        self.kill(targets).await;
        for (part, id) in &all {
            match self.ended(part, id).await {
                Err(failure) if failure.status() == Some(404) => self.removed(part),
                result => drop(result?),
            }
        }
        Ok(Answer::Removed)
    }

    /// Removes a sandbox and its containers, running or not.
    pub async fn remove_sandbox(&self, sandbox: SandboxId) -> Result<Answer, RuntimeError> {
        let uid = sandbox.pod.to_string();
        // Asked of the engine: what is not known here must go too.
        let mut seen = self.list(&[(labels::POD_UID, uid.as_str())]).await?;
        seen.retain(|container| is_of(&container.part, container.joined, sandbox));
        let part = Part::Sandbox(sandbox);
        // One that was made ahead has no pod's labels.
        let known = self.index().get(&part).map(|entry| entry.id.clone());
        let adopted = known.filter(|_| !seen.iter().any(|container| container.part == part));
        let (owner, containers): (Vec<_>, Vec<_>) = seen
            .into_iter()
            .map(|container| (container.part, container.id))
            .chain(adopted.map(|id| (part, id)))
            .partition(|(part, _)| matches!(part, Part::Sandbox(_)));
        for group in [containers, owner] {
            let removals = group.iter().map(async |(part, id)| {
                self.index().ending(part);
                reap::remove_container(&self.engine, id).await?;
                self.removed(part);
                Ok::<_, Failure>(())
            });
            join_all(removals)
                .await
                .into_iter()
                .collect::<Result<(), _>>()?;
        }
        self.release(Holder::Sandbox(sandbox)).await;
        self.pool.unwanted(sandbox);
        Ok(Answer::Removed)
    }

    /// Everything that the engine has of a node.
    pub async fn list_node(&self, node: &Name) -> Result<Answer, RuntimeError> {
        let (mut sandboxes, mut containers) = (Vec::new(), Vec::new());
        let mut all = self.list(&[(labels::NODE, node)]).await?;
        // Those that were made ahead have no node's label.
        let mut adopted = self.list(&[(labels::WARM, "")]).await?;
        adopted.retain(|seen| seen.node == *node);
        all.append(&mut adopted);
        for seen in all {
            match seen.part {
                Part::Sandbox(sandbox) => sandboxes.push(SandboxState {
                    sandbox,
                    running: seen.state == SeenState::Running,
                    ip: self.address(sandbox).or(seen.ip).unwrap_or_default(),
                }),
                Part::Container(ref container) => {
                    let run = match seen.state {
                        SeenState::Created => None,
                        SeenState::Running => Some(None),
                        SeenState::Ended => match self.ended(&seen.part, &seen.id).await {
                            Ok(exit) => Some(Some(exit)),
                            // Removed meanwhile.
                            Err(failure) if failure.status() == Some(404) => continue,
                            Err(failure) => return Err(failure.into()),
                        },
                    };
                    containers.push(ContainerState {
                        container: container.clone(),
                        run,
                        id: seen.id,
                    });
                }
            }
        }
        Ok(Answer::Listing {
            sandboxes,
            containers,
        })
    }

    fn address(&self, sandbox: SandboxId) -> Option<String> {
        let addresses = self.known_addresses()?;
        let addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner);
        Some(addresses.get(sandbox)?.to_string())
    }

    /// SIGKILL to all containers at once, then to the sandboxes.
    pub async fn kill(&self, targets: Targets) -> Answer {
        let (sandboxes, containers): (Targets, Targets) = targets
            .into_iter()
            .partition(|(part, _)| matches!(part, Part::Sandbox(_)));
        for group in [containers, sandboxes] {
            join_all(group.iter().map(|(_, id)| self.kill_one(id))).await;
        }
        Answer::Removed
    }
}

/// Whether a container is a sandbox, or is joined to it.
fn is_of(part: &Part, joined: Option<u32>, sandbox: SandboxId) -> bool {
    match part {
        Part::Sandbox(id) => *id == sandbox,
        Part::Container(id) => id.pod == sandbox.pod && joined == Some(sandbox.attempt),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "addresses rest for a time on the wall"
)]
fn now() -> Instant {
    Instant::now()
}
