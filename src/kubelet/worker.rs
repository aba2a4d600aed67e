//! One pod on its node: what the kubelet knows of its sandbox and containers (`pkg/kubelet/pod_workers.go`).
//!
//! [`start`](super::start) brings it up, [`stop`](super::stop) takes it down, [`status`](super::status) tells the API.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1 as core;

use super::{
    admit::{Requests, is_sidecar},
    agent::Agent,
    backoff::{Backoff, Bounds},
    news::{Ask, News},
};
use crate::{
    api::{EventType, Kind, Name, ObjectRef, Pod, Time, Uid},
    store::{
        Context, EventReport,
        runtime::{Answer, ContainerId, Exit, RuntimeError, RuntimeErrorKind, SandboxId},
    },
};

/// Where a pod is in its life on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The node has not decided whether to take it.
    New,
    /// The node does not take it: reason and message.
    Refused(Name, Name),
    /// It is to run.
    Active,
    /// What runs is being stopped: the pod is to go, or has come to its end.
    Stopping,
    /// All is stopped.
    Stopped,
    /// Its sandboxes are being removed; the API has no such pod any more.
    Removing,
    Removed,
}

/// Whether the status has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Report {
    Nothing,
    /// As soon as nothing is being started (as upstream, whose sync writes before it starts things).
    Due,
    /// At once.
    Now,
}

/// What the kubelet knows of the pod's sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SandboxStep {
    /// To be started, not before that time.
    Absent(Time),
    Starting,
    Ready,
    /// It ended; what is left of it has to be stopped before the next.
    Dead,
    Stopping,
    /// Stopped and not to be started again.
    Stopped,
}

#[derive(Clone, Debug)]
pub(super) struct Sandbox {
    pub attempt: u32,
    pub step: SandboxStep,
    pub ip: String,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub exit: Exit,
    /// `Completed`, `Error`, `OOMKilled`, ...
    pub reason: &'static str,
    pub message: String,
    pub started: Time,
    pub finished: Time,
    /// The runtime's id of the container.
    pub id: String,
}

/// What the kubelet knows of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Waits for its turn.
    Idle,
    /// Could not be started for a reason; tried again at a time.
    Held {
        reason: &'static str,
        message: String,
        until: Time,
    },
    /// The runtime is asked whether it has the image.
    Checking,
    /// The image is being pulled, since then.
    Pulling(Time),
    /// The image is there.
    Imaged,
    Creating,
    Created,
    Starting,
    /// Runs, since then.
    Running(Time),
    /// Runs, since then, and was asked to stop with so much grace.
    Stopping(Time, std::time::Duration),
    Ended(Arc<Ended>),
}

impl Step {
    /// Since when it runs, if it does.
    pub const fn running(&self) -> Option<Time> {
        match self {
            Self::Running(since) | Self::Stopping(since, _) => Some(*since),
            _ => None,
        }
    }

    /// Whether an answer of the runtime is needed to go on.
    pub const fn is_starting(&self) -> bool {
        matches!(
            self,
            Self::Checking
                | Self::Pulling(_)
                | Self::Imaged
                | Self::Creating
                | Self::Created
                | Self::Starting
        )
    }
}

/// A container of the pod.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub name: Name,
    /// The number of the instance; what the API calls the restart count.
    pub attempt: u32,
    pub step: Step,
    /// The instance before this one.
    pub last: Option<Arc<Ended>>,
    /// Whether its restart waits for its back-off (`CrashLoopBackOff`).
    pub crash_looping: bool,
    pub crash: Backoff,
    /// The runtime's id.
    pub id: String,
    pub image_id: String,
}

/// A pull that failed, the last time.
#[derive(Clone, Debug, Default)]
pub(super) struct FailedPull {
    pub backoff: Backoff,
    pub error: String,
}

/// A pod on its node.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub uid: Uid,
    pub node: Name,
    /// The pod as the kubelet last saw it.
    pub pod: Arc<Pod>,
    /// Whether the API has it no more.
    pub gone: bool,
    pub stage: Stage,
    /// What it was admitted with; given back when it has ended.
    pub admitted: Option<Requests>,
    pub sandbox: Sandbox,
    /// Init containers first, then the others, each in the spec's order.
    pub containers: Vec<Container>,
    /// How many of them are init containers.
    pub inits: usize,
    /// How long a failed pull of an image is waited for: containers of the same image wait together.
    pub pulls: BTreeMap<String, FailedPull>,
    /// Whether an app container was started in this sandbox: then init containers are history.
    pub initialized: bool,
    /// When the node took it, or refused it; none if it never looked at it.
    pub started: Option<Time>,
    /// When it was asked to stop, and the grace.
    pub stop_since: Option<Time>,
    /// Stopping is not tried again before that time.
    pub stop_from: Time,
    pub report: Report,
    pub news: Vec<News>,
}

impl Worker {
    /// A pod that was bound to a node.
    pub fn new(pod: &Arc<Pod>, node: &Name) -> Self {
        let inits = pod.spec.init_containers.as_ref().map_or(0, Vec::len);
        let fresh = |spec: &core::Container| Container {
            name: Name::from(spec.name.as_str()),
            attempt: 0,
            step: Step::Idle,
            last: None,
            crash_looping: false,
            crash: Backoff::default(),
            id: String::new(),
            image_id: String::new(),
        };
        Self {
            uid: pod.meta.uid,
            node: node.clone(),
            pod: Arc::clone(pod),
            gone: false,
            stage: Stage::New,
            admitted: None,
            sandbox: Sandbox {
                attempt: 0,
                step: SandboxStep::Absent(Time::ZERO),
                ip: String::new(),
            },
            containers: {
                let init = pod.spec.init_containers.iter().flatten();
                init.chain(&pod.spec.containers).map(fresh).collect()
            },
            inits,
            pulls: BTreeMap::new(),
            initialized: false,
            started: None,
            stop_since: None,
            stop_from: Time::ZERO,
            report: Report::Nothing,
            news: Vec::new(),
        }
    }

    /// Whether nothing is left of it on the node.
    pub fn is_removed(&self) -> bool {
        self.stage == Stage::Removed
    }

    /// Takes over what the API has.
    pub fn sees(&mut self, pod: &Arc<Pod>) {
        if !Arc::ptr_eq(&self.pod.status, &pod.status) {
            self.due(Report::Due);
        }
        let before = std::mem::replace(&mut self.pod, Arc::clone(pod));
        if Arc::ptr_eq(&before.spec, &self.pod.spec) {
            return;
        }
        for index in 0..self.containers.len() {
            let image = |pod: &Pod| spec_of(pod, self.inits, index).and_then(|s| s.image.clone());
            let changed = image(&before) != image(&self.pod);
            // Another image does not wait for what the old one waited for.
            if let Some(container) = self.containers.get_mut(index).filter(|_| changed)
                && matches!(container.step, Step::Held { .. })
            {
                container.step = Step::Idle;
            }
        }
    }

    /// Asks for the status to be written.
    pub fn due(&mut self, report: Report) {
        self.report = self.report.max(report);
    }

    /// The kubelet was started anew: what it waited for, and its back-offs, are forgotten.
    pub fn restarted(&mut self) {
        self.news.clear();
        for container in &mut self.containers {
            container.crash = Backoff::default();
        }
        self.pulls.clear();
    }

    /// A container's spec.
    pub fn spec(&self, index: usize) -> Option<&core::Container> {
        spec_of(&self.pod, self.inits, index)
    }

    /// A container's name.
    pub fn name(&self, index: usize) -> &str {
        self.containers
            .get(index)
            .map_or("", |container| &container.name)
    }

    /// Whether a container is an init container that goes on running.
    pub fn sidecar(&self, index: usize) -> bool {
        index < self.inits && self.spec(index).is_some_and(is_sidecar)
    }

    /// The id of a container's present instance.
    pub fn id(&self, index: usize) -> ContainerId {
        let container = self.containers.get(index);
        ContainerId {
            pod: self.uid,
            name: container.map_or_else(|| Name::from(""), |c| c.name.clone()),
            attempt: container.map_or(0, |c| c.attempt),
        }
    }

    /// The id of the present sandbox.
    pub fn sandbox_id(&self) -> SandboxId {
        SandboxId {
            pod: self.uid,
            attempt: self.sandbox.attempt,
        }
    }

    /// The container whose present instance this is.
    pub fn index(&self, id: &ContainerId) -> Option<usize> {
        let is_it = |c: &Container| c.name == id.name && c.attempt == id.attempt;
        self.containers.iter().position(is_it)
    }

    /// Whether something is being started.
    pub fn is_starting(&self) -> bool {
        self.sandbox.step == SandboxStep::Starting
            || self.containers.iter().any(|c| c.step.is_starting())
    }

    /// Whether a container that ended is to run again.
    pub fn restarts(&self, index: usize, exit: Exit) -> bool {
        let of_container = self.spec(index).and_then(|s| s.restart_policy.as_deref());
        let of_pod = self.pod.spec.restart_policy.as_deref();
        let failed = exit.code != 0;
        match of_container.or(of_pod).unwrap_or("Always") {
            "Never" => false,
            "OnFailure" => failed,
            // An init container has done its part when it succeeds, unless it is a sidecar.
            _ => failed || index >= self.inits || self.sidecar(index),
        }
    }

    /// Whether the pod has come to its end: no container is to run any more.
    pub fn is_finished(&self) -> bool {
        let over = |index: usize| match self.containers.get(index).map(|c| &c.step) {
            Some(Step::Ended(ended)) => {
                (!self.restarts(index, ended.exit)).then_some(ended.exit.code)
            }
            _ => None,
        };
        let init_failed = !self.initialized
            && (0..self.inits).any(|index| over(index).is_some_and(|code| code != 0));
        init_failed || (self.inits..self.containers.len()).all(|index| over(index).is_some())
    }

    /// Reports an event about the pod, or about one of its containers.
    pub fn event(
        &self,
        container: Option<usize>,
        event_type: EventType,
        reason: &str,
        message: impl Into<Name>,
        agent: &Agent,
        cx: &mut Context<'_>,
    ) {
        if !agent.connected {
            return;
        }
        let field_path = container.map(|index| {
            let list = if index < self.inits {
                "initContainers"
            } else {
                "containers"
            };
            Name::from(format!("spec.{list}{{{}}}", self.name(index)))
        });
        cx.report(EventReport {
            regarding: ObjectRef::new(Kind::Pod, self.pod.meta.key.clone()),
            uid: self.uid,
            field_path,
            event_type,
            reason,
            message: message.into(),
            host: Some(&agent.name),
        });
    }

    /// Takes what was heard since.
    pub fn take_news(&mut self, agent: &mut Agent, cx: &mut Context<'_>) {
        for news in std::mem::take(&mut self.news) {
            match news {
                News::Answered {
                    at,
                    ask,
                    asked_at,
                    result,
                } => match result {
                    Ok(answer) => self.done(&ask, answer, at, asked_at, agent, cx),
                    Err(error) => self.failed(&ask, &error, at, agent, cx),
                },
                News::ContainerExited {
                    at,
                    container,
                    exit,
                } => {
                    if let Some(index) = self.index(&container) {
                        self.ended(index, exit, at);
                    }
                }
                News::SandboxExited(id) => {
                    if id == self.sandbox_id() {
                        self.sandbox_ended();
                    }
                }
                News::Listed(listing) => self.listed(&listing, agent, cx),
            }
        }
    }

    /// A container ended.
    pub fn ended(&mut self, index: usize, exit: Exit, at: Time) {
        let reason = match exit {
            Exit {
                oom_killed: true, ..
            } => "OOMKilled",
            Exit { code: 0, .. } => "Completed",
            _ => "Error",
        };
        self.ended_as(index, exit, reason, "", at);
    }

    /// A container is not there any more, and nobody knows how it ended.
    pub fn vanished(&mut self, index: usize, at: Time) {
        let message = "The container could not be located when the pod was terminated";
        self.ended_as(index, UNKNOWN_EXIT, "ContainerStatusUnknown", message, at);
    }

    fn ended_as(
        &mut self,
        index: usize,
        exit: Exit,
        reason: &'static str,
        message: &str,
        at: Time,
    ) {
        let Some(container) = self.containers.get_mut(index) else {
            return;
        };
        let started = match &container.step {
            Step::Running(since) | Step::Stopping(since, _) => *since,
            Step::Ended(_) => return,
            // The report of its end has overtaken the answer that it was started, or that answer never came.
            _ => at,
        };
        container.step = Step::Ended(Arc::new(Ended {
            exit,
            reason,
            message: message.to_owned(),
            started,
            finished: at,
            id: container.id.clone(),
        }));
        if index >= self.inits {
            self.initialized = true;
        }
        self.due(Report::Now);
    }

    fn sandbox_ended(&mut self) {
        match self.sandbox.step {
            SandboxStep::Ready | SandboxStep::Starting => self.sandbox.step = SandboxStep::Dead,
            _ => {}
        }
    }

    /// Whether the pod's sandbox is this one and is being started.
    pub fn awaits_sandbox(&self, id: SandboxId) -> bool {
        id == self.sandbox_id() && self.sandbox.step == SandboxStep::Starting
    }

    /// Whether the answer to a call that makes something is waited for.
    pub fn awaits(&self, ask: &Ask) -> bool {
        match ask {
            Ask::RunSandbox(id) => self.awaits_sandbox(*id),
            // Its end may have overtaken the answer.
            Ask::Create(id) | Ask::Start(id) => self.index(id).is_some(),
            _ => true,
        }
    }

    /// Whether this may be the first that is heard of a container's end.
    pub fn may_end(&self, id: &ContainerId) -> bool {
        let container = self.index(id).and_then(|index| self.containers.get(index));
        container.is_some_and(|container| !matches!(container.step, Step::Ended(_)))
    }

    fn step(&mut self, id: &ContainerId) -> Option<(usize, &mut Container)> {
        let index = self.index(id)?;
        self.containers.get_mut(index).map(|c| (index, c))
    }

    /// A call was done.
    fn done(
        &mut self,
        ask: &Ask,
        answer: Answer,
        at: Time,
        asked_at: Time,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) {
        match (ask, answer) {
            (Ask::RunSandbox(id), Answer::Sandbox { ip }) if self.awaits_sandbox(*id) => {
                self.sandbox.step = SandboxStep::Ready;
                self.sandbox.ip = ip;
            }
            (Ask::StopSandbox(id), _) if *id == self.sandbox_id() => self.sandbox_stopped(cx.now),
            (Ask::RemoveSandbox(id), _) => self.sandbox_removed(*id),
            (
                Ask::ImageStatus(id),
                Answer::Image {
                    present,
                    id: image_id,
                    ..
                },
            ) => {
                self.image_checked(id, present.then_some(image_id), agent, cx);
            }
            (Ask::Pull(id), answer) => self.image_pulled(id, &answer, asked_at, at, agent, cx),
            (Ask::Create(id), Answer::Created { id: runtime_id }) => {
                if let Some((index, container)) = self.step(id)
                    && container.step == Step::Creating
                {
                    container.id = runtime_id;
                    container.step = Step::Created;
                    let message = "Container created";
                    self.event(
                        Some(index),
                        EventType::Normal,
                        "Created",
                        message,
                        agent,
                        cx,
                    );
                }
            }
            (Ask::Start(id), Answer::Started) => {
                if let Some((index, container)) = self.step(id) {
                    if container.step == Step::Starting {
                        container.step = Step::Running(at);
                        self.initialized |= index >= self.inits;
                        self.due(Report::Due);
                    }
                    let message = "Container started";
                    self.event(
                        Some(index),
                        EventType::Normal,
                        "Started",
                        message,
                        agent,
                        cx,
                    );
                }
            }
            (Ask::Stop(id), Answer::Stopped { exit }) => {
                if let Some(index) = self.index(id) {
                    self.ended(index, exit, at);
                }
            }
            _ => {}
        }
    }

    /// A call failed.
    fn failed(
        &mut self,
        ask: &Ask,
        error: &RuntimeError,
        at: Time,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) {
        let retry = at + retry_after(cx);
        match ask {
            Ask::RunSandbox(id) if self.awaits_sandbox(*id) => {
                self.sandbox.step = SandboxStep::Absent(retry);
                let message = format!("Failed to create pod sandbox: {error}");
                let reason = "FailedCreatePodSandBox";
                self.event(None, EventType::Warning, reason, message, agent, cx);
                self.due(Report::Due);
            }
            Ask::StopSandbox(_) | Ask::RemoveSandbox(_)
                if error.kind == RuntimeErrorKind::NotFound =>
            {
                self.done(ask, Answer::Removed, at, at, agent, cx);
            }
            Ask::StopSandbox(id) if *id == self.sandbox_id() => {
                self.sandbox.step = SandboxStep::Dead;
                self.stop_from = retry;
                let pod = self.uid.to_string();
                let action = ["KillPodSandbox", &pod, "KillPodSandboxError"];
                self.kill_failed(action, error, agent, cx);
            }
            Ask::RemoveSandbox(id) if *id == self.sandbox_id() => {
                self.stage = Stage::Stopped;
                self.stop_from = retry;
            }
            Ask::ImageStatus(id) => self.image_unknown(id, error, retry, agent, cx),
            Ask::Pull(id) => self.pull_failed(id, error, at, agent, cx),
            Ask::Create(id) | Ask::Start(id) => {
                let starting = matches!(ask, Ask::Start(_));
                if let Some(index) = self.index(id) {
                    self.start_failed(index, starting, error, at, agent, cx);
                }
            }
            Ask::Stop(id) => {
                if let Some((index, container)) = self.step(id)
                    && let Step::Stopping(since, _) = container.step
                {
                    if error.kind == RuntimeErrorKind::NotFound {
                        self.vanished(index, at);
                    } else {
                        container.step = Step::Running(since);
                        self.stop_from = retry;
                        let action = ["KillContainer", self.name(index), "KillContainerError"];
                        self.kill_failed(action, error, agent, cx);
                    }
                }
            }
            _ => {}
        }
    }

    /// Says that something could not be stopped: action, target and error as upstream names them.
    fn kill_failed(
        &self,
        [action, target, name]: [&str; 3],
        error: &RuntimeError,
        agent: &Agent,
        cx: &mut Context<'_>,
    ) {
        let message = format!(
            "error killing pod: failed to \"{action}\" for \"{target}\" with {name}: {:?}",
            error.message
        );
        let reason = "FailedKillPod";
        self.event(None, EventType::Warning, reason, message, agent, cx);
    }
}

/// The spec of one of a pod's containers, of which so many are init containers.
fn spec_of(pod: &Pod, inits: usize, index: usize) -> Option<&core::Container> {
    match index.checked_sub(inits) {
        None => pod.spec.init_containers.as_ref()?.get(index),
        Some(index) => pod.spec.containers.get(index),
    }
}

/// How a container counts as ended of which nothing is known.
const UNKNOWN_EXIT: Exit = Exit {
    code: 137,
    oom_killed: false,
};

/// After how long a failed step is tried again (upstream's `backOffPeriod`; the same as the first crash back-off).
pub(super) fn retry_after(cx: &Context<'_>) -> std::time::Duration {
    std::time::Duration::from_millis(cx.config.timing.crash_backoff_first_ms)
}

/// The bounds of the crash back-off.
pub(super) fn crash_bounds(cx: &Context<'_>) -> Bounds {
    let timing = &cx.config.timing;
    Bounds::millis(timing.crash_backoff_first_ms, timing.crash_backoff_cap_ms)
}

/// The bounds of the image back-off.
pub(super) fn image_bounds(cx: &Context<'_>) -> Bounds {
    let timing = &cx.config.timing;
    Bounds::millis(timing.image_backoff_first_ms, timing.image_backoff_cap_ms)
}
