//! The verbs of containers: create, start, stop, remove.

use std::{collections::BTreeMap, time::Duration};

use bollard::{
    models::ContainerCreateBody,
    query_parameters::{
        CreateContainerOptionsBuilder, KillContainerOptionsBuilder, StopContainerOptionsBuilder,
    },
};

use super::{
    engine::{Failure, within},
    index::{Seen, SeenState, State, Ticket},
    labels::{self, Part},
    reap,
    shared::Shared,
    spec,
};
use crate::{
    api::{Key, Name, image::BUILT_IN_IMAGE},
    store::runtime::{
        Answer, ContainerConfig, ContainerId, Exit, RuntimeError, RuntimeErrorKind, SandboxId,
    },
};

const CREATE_LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(60);
const KILL_LIMIT: Duration = Duration::from_secs(15);
/// What the engine may take beyond a container's grace.
const STOP_MARGIN: Duration = Duration::from_secs(15);
/// How often, and how many times, one is looked for whose name is taken.
const RETRY: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 40;
/// How a container that was killed ended.
const KILLED: Exit = Exit {
    code: 137,
    oom_killed: false,
};

impl Shared {
    /// Creates a container in a sandbox. One that exists already is as good.
    pub async fn create_container(
        &self,
        sandbox: SandboxId,
        container: &ContainerId,
        config: &ContainerConfig,
        node: &Name,
    ) -> Result<Answer, RuntimeError> {
        let owner = Part::Sandbox(sandbox);
        let Some(owner) = self.find(&owner).await? else {
            return Err(RuntimeError {
                kind: RuntimeErrorKind::NotFound,
                message: format!("there is no {owner} to create a container in"),
            });
        };
        let built_in = config.image == BUILT_IN_IMAGE;
        let part = Part::Container(container.clone());
        let _turn = self.turn(&part).await;
        let around = self.surroundings(node);
        let body = |image: &str, mut labels: BTreeMap<&'static str, String>| {
            labels.insert(labels::SANDBOX, sandbox.attempt.to_string());
            spec::container(config, image, built_in, &around, &owner, labels)
        };
        let image = (!built_in).then_some(config.image.as_str());
        let id = self
            .create(&part, &config.pod, node, image, Some(sandbox.attempt), body)
            .await?;
        Ok(Answer::Created { id })
    }

    /// Creates a container of an image, or of the built-in one.
    pub async fn create(
        &self,
        part: &Part,
        pod: &Key,
        node: &Name,
        image: Option<&str>,
        joined: Option<u32>,
        body: impl Fn(&str, BTreeMap<&'static str, String>) -> ContainerCreateBody,
    ) -> Result<String, Failure> {
        let run = self.run.id();
        let name = labels::container_name(&self.options.cluster, run, part, pod);
        let mut labels = labels::of_part(part, pod, node);
        labels.insert(labels::OURS, "1".to_owned());
        labels.insert(labels::RUN, run.to_owned());
        labels.insert(labels::MACHINE, self.machine.clone());
        let id = match image {
            Some(image) => self.create_as(&name, body(image, labels)).await,
            None => {
                let image = self.built_in().await?;
                match self.create_as(&name, body(&image, labels.clone())).await {
                    // Another version of kubeplay removed it meanwhile.
                    Err(failure) if failure.status() == Some(404) => {
                        self.forget_built_in().await;
                        let image = self.built_in().await?;
                        self.create_as(&name, body(&image, labels)).await
                    }
                    result => result,
                }
            }
        };
        let id = match id {
            Err(failure) if failure.status() == Some(409) => {
                // The name is taken: it was created before, or is being created by a call that was given up.
                self.find_soon(part).await?.ok_or(failure)?
            }
            result => result?,
        };
        self.index().created(Seen {
            part: part.clone(),
            node: node.clone(),
            id: id.clone(),
            state: SeenState::Created,
            ip: None,
            joined,
        });
        Ok(id)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what the engine still makes shows a little later"
    )]
    async fn find_soon(&self, part: &Part) -> Result<Option<String>, Failure> {
        for _ in 0..ATTEMPTS {
            let found = self.find(part).await?;
            if found.is_some() {
                return Ok(found);
            }
            tokio::time::sleep(RETRY).await;
        }
        Ok(None)
    }

    async fn create_as(&self, name: &str, body: ContainerCreateBody) -> Result<String, Failure> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let docker = self.engine.docker();
        let creation = docker.create_container(Some(options), body);
        let created = within(CREATE_LIMIT, "create container", creation).await?;
        for warning in created.warnings {
            tracing::debug!(container = name, warning);
        }
        Ok(created.id)
    }

    /// Starts a container. One that was started before is not started again, whether it runs or not.
    pub async fn start_container(
        &self,
        container: &ContainerId,
        node: &Name,
        ticket: Ticket,
    ) -> Result<Answer, RuntimeError> {
        let part = Part::Container(container.clone());
        let _turn = self.turn(&part).await;
        let _permit = self.starts.acquire().await;
        self.check_alive(ticket, node, container.pod)?;
        let Some(id) = self.find(&part).await? else {
            return Err(RuntimeError {
                kind: RuntimeErrorKind::NotFound,
                message: format!("{part} does not exist"),
            });
        };
        self.start(&part, &id, node, ticket).await?;
        Ok(Answer::Started)
    }

    /// Starts what exists. What was killed while it started is killed again.
    pub async fn start(
        &self,
        part: &Part,
        id: &str,
        node: &Name,
        ticket: Ticket,
    ) -> Result<(), RuntimeError> {
        let state = self.index().get(part).map(|entry| entry.state);
        if matches!(state, Some(State::Running | State::Exited(_))) {
            return Ok(());
        }
        self.index().starting(part);
        let start = self.engine.docker().start_container(id, None);
        let result = within(START_LIMIT, "start container", start).await;
        if let Err(killed) = self.check_alive(ticket, node, part.pod()) {
            self.kill_one(id).await;
            return Err(killed);
        }
        Ok(result?)
    }

    /// SIGTERM, or what the image says, and SIGKILL after the grace. One that does not run is as good.
    pub async fn stop_container(
        &self,
        container: &ContainerId,
        grace_ms: u64,
    ) -> Result<Answer, RuntimeError> {
        let part = Part::Container(container.clone());
        let Some(id) = self.find(&part).await? else {
            return Ok(Answer::Stopped { exit: KILLED });
        };
        if let Some(State::Exited(exit)) = self.index().get(&part).map(|entry| entry.state) {
            return Ok(Answer::Stopped { exit });
        }
        self.index().ending(&part);
        let seconds = i32::try_from(grace_ms.div_ceil(1000)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let limit = Duration::from_millis(grace_ms) + STOP_MARGIN;
        let stop = self.engine.docker().stop_container(&id, Some(options));
        match within(limit, "stop container", stop).await {
            Err(failure) if failure.status() == Some(404) => {
                self.removed(&part);
                return Ok(Answer::Stopped { exit: KILLED });
            }
            result => result?,
        }
        let exit = self.ended(&part, &id).await?;
        Ok(Answer::Stopped { exit })
    }

    /// Removes a container, running or not.
    pub async fn remove_container(&self, container: &ContainerId) -> Result<Answer, RuntimeError> {
        let part = Part::Container(container.clone());
        if let Some(id) = self.find(&part).await? {
            self.index().ending(&part);
            reap::remove_container(&self.engine, &id).await?;
            self.removed(&part);
        }
        Ok(Answer::Removed)
    }

    /// A container is gone: it is forgotten, and its end reported if it was thought to run.
    pub fn removed(&self, part: &Part) {
        let news = self.index().removed(part);
        if let Some(report) = news {
            self.report(report);
        }
    }

    /// SIGKILL. That it does not run, or does not exist, is as good.
    pub async fn kill_one(&self, id: &str) {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        let kill = self.engine.docker().kill_container(id, Some(options));
        if let Err(failure) = within(KILL_LIMIT, "kill container", kill).await
            && !matches!(failure.status(), Some(404 | 409))
        {
            tracing::warn!(container = id, %failure, "kill failed");
        }
    }
}
