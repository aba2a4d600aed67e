//! Bringing a pod up: admission, sandbox, init containers in order, then the others; restarts
//! (`pkg/kubelet/kubelet.go` `SyncPod`, `pkg/kubelet/kuberuntime/kuberuntime_manager.go`).
//!
//! One thing is started at a time, in the spec's order, as upstream does.

use std::{sync::Arc, time::Duration};

use super::{
    admit::{self, Requests},
    agent::Agent,
    backoff::go_duration,
    config,
    image::{PullPolicy, invalid_name},
    news::Ask,
    worker::{
        Ended, Report, SandboxStep, Stage, Step, Worker, crash_bounds, image_bounds, retry_after,
    },
};
use crate::{
    api::{EventType, Time},
    store::{
        Context, Defect,
        runtime::{Answer, ContainerId, Exit, RuntimeError, RuntimeErrorKind, Verb},
    },
};

/// How long the end of a container is let be before it is restarted: what ends together (a pod's containers, then its
/// sandbox) is looked at together. Upstream looks once a second (`plegRelistPeriod`).
const SETTLE: Duration = Duration::from_millis(200);

/// The reason of a container whose program could not be started (containerd's).
pub(super) const START_ERROR: &str = "StartError";

/// How a container counts as ended whose program could not be started.
const START_ERROR_EXIT: Exit = Exit {
    code: 128,
    oom_killed: false,
};

/// The earlier of two times at which to look again.
pub(super) fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    a.into_iter().chain(b).min()
}

impl Worker {
    /// Does what can be done now. Returns when to look again, if no news comes before.
    pub fn sync(&mut self, agent: &mut Agent, cx: &mut Context<'_>) -> Option<Time> {
        self.take_news(agent, cx);
        if self.stage == Stage::New {
            self.admit(agent, cx);
        }
        if self.stage == Stage::Active
            && (self.gone
                || self.pod.is_terminating()
                || self.pod.is_terminal()
                || self.is_finished())
        {
            self.stage = Stage::Stopping;
        }
        let mut wake = None;
        if self.stage == Stage::Active {
            wake = self.start_next(agent, cx);
        }
        if self.stage == Stage::Stopping {
            wake = self.stop_next(agent, cx);
        }
        if self.gone || self.stage == Stage::Stopped {
            self.release(agent);
        }
        self.write_status(agent, cx);
        earlier(wake, self.leave(agent, cx))
    }

    /// Gives back what the pod was admitted with.
    fn release(&mut self, agent: &mut Agent) {
        if let Some(admitted) = self.admitted.take() {
            agent.used.add(&admitted, -1);
        }
    }

    fn admit(&mut self, agent: &mut Agent, cx: &mut Context<'_>) {
        if self.pod.is_terminal() || self.pod.is_terminating() || self.gone {
            self.stage = Stage::Stopped;
            return;
        }
        let asks = Requests::of(&self.pod.spec);
        let refused = match (&agent.object, cx.config.defect) {
            (Some(node), defect) if defect != Some(Defect::FitIgnored) => {
                admit::refusal(&self.pod, &asks, node, &agent.used)
            }
            _ => None,
        };
        self.started = Some(cx.now);
        self.due(Report::Now);
        if let Some(refusal) = refused {
            let message = refusal.message.as_str();
            self.event(
                None,
                EventType::Warning,
                &refusal.reason,
                message,
                agent,
                cx,
            );
            self.stage = Stage::Refused(refusal.reason.into(), refusal.message.into());
            return;
        }
        agent.used.add(&asks, 1);
        self.admitted = Some(asks);
        self.stage = Stage::Active;
    }

    fn start_next(&mut self, agent: &mut Agent, cx: &mut Context<'_>) -> Option<Time> {
        match self.sandbox.step {
            SandboxStep::Absent(from) if from > cx.now => return Some(from),
            SandboxStep::Absent(_) => {
                self.sandbox.step = SandboxStep::Starting;
                let sandbox = self.sandbox_id();
                let config = Arc::new(config::sandbox(&self.pod, cx));
                let verb = Verb::RunPodSandbox { sandbox, config };
                agent.ask(Ask::RunSandbox(sandbox), verb, cx);
                // One dead sandbox is kept, for its containers' logs.
                if let Some(attempt) = sandbox.attempt.checked_sub(2) {
                    self.remove_sandbox(attempt, agent, cx);
                }
                return None;
            }
            SandboxStep::Dead => return self.replace_sandbox(agent, cx),
            SandboxStep::Starting | SandboxStep::Stopping | SandboxStep::Stopped => return None,
            SandboxStep::Ready => {}
        }
        let mut wake = None;
        for index in 0..self.containers.len() {
            let history = index < self.inits && self.initialized && !self.sidecar(index);
            if history {
                continue;
            }
            match self.bring_up(index, agent, cx) {
                Progress::Up => {}
                Progress::Waits(until) => {
                    wake = earlier(wake, until);
                    // What comes after an init container waits with it.
                    if index < self.inits && !self.initialized {
                        return wake;
                    }
                }
                Progress::UnderWay => return wake,
            }
            if self.sandbox.step != SandboxStep::Ready {
                return Some(cx.now);
            }
        }
        wake
    }

    /// Brings one container as far as it can be brought now.
    fn bring_up(&mut self, index: usize, agent: &mut Agent, cx: &mut Context<'_>) -> Progress {
        let Some(container) = self.containers.get(index) else {
            return Progress::Up;
        };
        match &container.step {
            Step::Running(_) | Step::Stopping(..) if index < self.inits && !self.sidecar(index) => {
                return Progress::Waits(None);
            }
            Step::Running(_) | Step::Stopping(..) => return Progress::Up,
            Step::Ended(ended) => {
                let ended = Arc::clone(ended);
                if !self.restarts(index, ended.exit) {
                    return Progress::Up;
                }
                if let Some(until) = self.back_off(index, &ended, agent, cx) {
                    return Progress::Waits(Some(until));
                }
                self.next_attempt(index, ended, agent, cx);
                if self.sandbox.step != SandboxStep::Ready {
                    return Progress::UnderWay;
                }
            }
            Step::Held { until, .. } if *until > cx.now => {
                return self.held(index, *until, agent, cx);
            }
            _ => {}
        }
        for _ in 0..3 {
            match self.containers.get(index).map(|c| &c.step) {
                Some(Step::Idle | Step::Held { .. }) => self.look_for_image(index, agent, cx),
                Some(Step::Imaged) => self.create(index, agent, cx),
                Some(Step::Created) => {
                    self.set(index, Step::Starting);
                    let container = self.id(index);
                    let ask = Ask::Start(container.clone());
                    agent.ask(ask, Verb::StartContainer { container }, cx);
                }
                _ => break,
            }
            if let Some(Step::Held { until, .. }) = self.containers.get(index).map(|c| &c.step) {
                return Progress::Waits(Some(*until));
            }
        }
        Progress::UnderWay
    }

    pub(super) fn set(&mut self, index: usize, step: Step) {
        if let Some(container) = self.containers.get_mut(index) {
            container.step = step;
        }
    }

    /// Until when a container's restart waits, if it does.
    fn back_off(
        &mut self,
        index: usize,
        ended: &Ended,
        agent: &Agent,
        cx: &mut Context<'_>,
    ) -> Option<Time> {
        let bounds = crash_bounds(cx);
        let container = self.containers.get_mut(index)?;
        let until = container.crash.over(ended.finished, bounds);
        if until <= cx.now || until == ended.finished {
            let settled = ended.finished + SETTLE;
            return (settled > cx.now).then_some(settled);
        }
        if !container.crash_looping {
            container.crash_looping = true;
            let message = format!(
                "Back-off restarting failed container {} in pod {}",
                self.name(index),
                self.in_words()
            );
            self.event(
                Some(index),
                EventType::Warning,
                "BackOff",
                message,
                agent,
                cx,
            );
            self.due(Report::Now);
        }
        Some(until)
    }

    /// The pod as upstream's messages name it: `name_namespace(uid)`.
    pub(super) fn in_words(&self) -> String {
        let key = &self.pod.meta.key;
        format!("{}_{}({})", key.name, key.namespace, self.uid)
    }

    /// Goes on to a container's next instance.
    fn next_attempt(
        &mut self,
        index: usize,
        ended: Arc<Ended>,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) {
        if cx.config.defect == Some(Defect::ContainersTwice) {
            // The defect: what runs is forgotten, not stopped.
            self.renew_sandbox(cx.now);
            return;
        }
        let bounds = crash_bounds(cx);
        let mut stale = self.id(index);
        let Some(container) = self.containers.get_mut(index) else {
            return;
        };
        container.crash.next(ended.finished, cx.now, bounds);
        container.last = Some(ended);
        container.attempt += 1;
        container.crash_looping = false;
        container.step = Step::Idle;
        // One dead instance is kept, for its log.
        if let Some(attempt) = container.attempt.checked_sub(2) {
            stale.attempt = attempt;
            let ask = Ask::RemoveContainer(stale.clone());
            agent.ask(ask, Verb::RemoveContainer { container: stale }, cx);
        }
    }

    /// A container that waits: where it is for its image, the wait has a name of its own after a moment.
    fn held(&mut self, index: usize, until: Time, agent: &Agent, cx: &mut Context<'_>) -> Progress {
        let pull = self.pulls.get(self.image(index));
        let wait = pull.map_or(Duration::ZERO, |pull| pull.backoff.wait());
        let named = until - wait + Duration::from_millis(PULL_ERROR_SHOWN_MS).min(wait / 2);
        match self.containers.get(index).map(|c| &c.step) {
            Some(Step::Held { reason, .. }) if *reason == "ErrImagePull" => {}
            _ => return Progress::Waits(Some(until)),
        }
        if named > cx.now {
            return Progress::Waits(Some(named));
        }
        self.back_off_pull(index, until, agent, cx);
        Progress::Waits(Some(until))
    }

    /// Lets a container wait until its image is tried again.
    fn back_off_pull(&mut self, index: usize, until: Time, agent: &Agent, cx: &mut Context<'_>) {
        let image = self.image(index).to_owned();
        let pull = self.pulls.get(&image);
        let error = pull.map_or("", |pull| pull.error.as_str());
        let back_off = format!("Back-off pulling image \"{image}\"");
        let message = format!("{back_off}: ErrImagePull: {error}");
        let reason = "ImagePullBackOff";
        self.set(
            index,
            Step::Held {
                reason,
                message,
                until,
            },
        );
        let normal = EventType::Normal;
        self.event(Some(index), normal, "BackOff", back_off, agent, cx);
        let error = "Error: ImagePullBackOff";
        self.event(Some(index), EventType::Warning, "Failed", error, agent, cx);
        self.due(Report::Now);
    }

    fn image(&self, index: usize) -> &str {
        let image = self.spec(index).and_then(|spec| spec.image.as_deref());
        image.unwrap_or_default()
    }

    /// Holds a container for a reason, until a time, and says so.
    pub(super) fn hold(
        &mut self,
        index: usize,
        reason: &'static str,
        message: String,
        until: Time,
        agent: &Agent,
        cx: &mut Context<'_>,
    ) {
        let said = match reason {
            "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => reason,
            _ => message.as_str(),
        };
        let error = format!("Error: {said}");
        self.event(Some(index), EventType::Warning, "Failed", error, agent, cx);
        self.set(
            index,
            Step::Held {
                reason,
                message,
                until,
            },
        );
        self.due(Report::Now);
    }

    fn look_for_image(&mut self, index: usize, agent: &mut Agent, cx: &mut Context<'_>) {
        let retry = cx.now + retry_after(cx);
        let image = self.image(index).to_owned();
        if let Some(why) = invalid_name(&image) {
            let message = format!(
                "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {why}"
            );
            let inspect = message.as_str();
            self.event(
                Some(index),
                EventType::Warning,
                "InspectFailed",
                inspect,
                agent,
                cx,
            );
            self.hold(index, "InvalidImageName", message, retry, agent, cx);
            return;
        }
        let policy = self
            .spec(index)
            .map_or(PullPolicy::IfNotPresent, PullPolicy::of);
        if policy == PullPolicy::Always {
            self.pull(index, image, agent, cx);
        } else if let Some(id) = agent.images.get(&image) {
            let id = id.clone();
            self.image_is_present(index, id, agent, cx);
        } else {
            self.set(index, Step::Checking);
            let ask = Ask::ImageStatus(self.id(index));
            agent.ask(ask, Verb::ImageStatus { image }, cx);
        }
    }

    fn image_is_present(
        &mut self,
        index: usize,
        image_id: String,
        agent: &Agent,
        cx: &mut Context<'_>,
    ) {
        let message = format!(
            "Container image \"{}\" already present on machine and can be accessed by the pod",
            self.image(index)
        );
        self.event(Some(index), EventType::Normal, "Pulled", message, agent, cx);
        if let Some(container) = self.containers.get_mut(index) {
            container.image_id = image_id;
            container.step = Step::Imaged;
        }
    }

    fn pull(&mut self, index: usize, image: String, agent: &mut Agent, cx: &mut Context<'_>) {
        let until = self.pulls.get(&image).map(|pull| pull.backoff.until());
        if let Some(until) = until.filter(|until| *until > cx.now) {
            self.back_off_pull(index, until, agent, cx);
            return;
        }
        let message = format!("Pulling image \"{image}\"");
        self.event(
            Some(index),
            EventType::Normal,
            "Pulling",
            message,
            agent,
            cx,
        );
        self.set(index, Step::Pulling(cx.now));
        let ask = Ask::Pull(self.id(index));
        agent.ask(ask, Verb::PullImage { image }, cx);
    }

    /// A container's index, if it waits for its image.
    fn waiting_for_image(&self, id: &ContainerId) -> Option<usize> {
        let index = self.index(id)?;
        let step = &self.containers.get(index)?.step;
        matches!(step, Step::Checking | Step::Pulling(_)).then_some(index)
    }

    /// The runtime has a container's image, or not.
    pub(super) fn image_checked(
        &mut self,
        id: &ContainerId,
        image_id: Option<String>,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) {
        let Some(index) = self.waiting_for_image(id) else {
            return;
        };
        let image = self.image(index).to_owned();
        match image_id {
            Some(image_id) => {
                agent.images.insert(image, image_id.clone());
                self.image_is_present(index, image_id, agent, cx);
            }
            None if self.spec(index).map(PullPolicy::of) == Some(PullPolicy::Never) => {
                let message =
                    format!("Container image \"{image}\" is not present with pull policy of Never");
                let said = message.as_str();
                self.event(
                    Some(index),
                    EventType::Warning,
                    "ErrImageNeverPull",
                    said,
                    agent,
                    cx,
                );
                let retry = cx.now + retry_after(cx);
                self.hold(index, "ErrImageNeverPull", message, retry, agent, cx);
            }
            None => self.pull(index, image, agent, cx),
        }
    }

    /// The runtime could not say whether it has an image.
    pub(super) fn image_unknown(
        &mut self,
        id: &ContainerId,
        error: &RuntimeError,
        retry: Time,
        agent: &Agent,
        cx: &mut Context<'_>,
    ) {
        if let Some(index) = self.waiting_for_image(id) {
            let message = format!("Failed to inspect image \"{}\": {error}", self.image(index));
            let said = message.as_str();
            self.event(
                Some(index),
                EventType::Warning,
                "InspectFailed",
                said,
                agent,
                cx,
            );
            self.hold(index, "ImageInspectError", message, retry, agent, cx);
        }
    }

    /// An image was pulled.
    pub(super) fn image_pulled(
        &mut self,
        id: &ContainerId,
        answer: &Answer,
        asked_at: Time,
        at: Time,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) {
        let Some(index) = self.waiting_for_image(id) else {
            return;
        };
        let image = self.image(index).to_owned();
        let (image_id, size) = match answer {
            Answer::Image { id, size_bytes, .. } => (id.clone(), *size_bytes),
            _ => (String::new(), 0),
        };
        let took = go_duration(at.since(asked_at));
        let message = format!(
            "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {size} bytes."
        );
        self.event(Some(index), EventType::Normal, "Pulled", message, agent, cx);
        agent.images.insert(image, image_id.clone());
        if let Some(container) = self.containers.get_mut(index) {
            container.image_id = image_id;
            container.step = Step::Imaged;
        }
    }

    /// An image could not be pulled.
    pub(super) fn pull_failed(
        &mut self,
        id: &ContainerId,
        error: &RuntimeError,
        at: Time,
        agent: &Agent,
        cx: &mut Context<'_>,
    ) {
        let Some(index) = self.waiting_for_image(id) else {
            return;
        };
        let bounds = image_bounds(cx);
        let message = format!("Failed to pull image \"{}\": {error}", self.image(index));
        self.event(
            Some(index),
            EventType::Warning,
            "Failed",
            message,
            agent,
            cx,
        );
        let image = self.image(index).to_owned();
        let pull = self.pulls.entry(image).or_default();
        pull.backoff.next(at, at, bounds);
        pull.error.clone_from(&error.message);
        let until = pull.backoff.until();
        self.hold(
            index,
            "ErrImagePull",
            error.message.clone(),
            until,
            agent,
            cx,
        );
    }

    fn create(&mut self, index: usize, agent: &mut Agent, cx: &mut Context<'_>) {
        let config = match self.spec(index) {
            Some(spec) => config::container(self, spec, agent, cx),
            None => return,
        };
        match config {
            Ok(config) => {
                self.set(index, Step::Creating);
                let container = self.id(index);
                let verb = Verb::CreateContainer {
                    sandbox: self.sandbox_id(),
                    container: container.clone(),
                    config: Arc::new(config),
                };
                agent.ask(Ask::Create(container), verb, cx);
            }
            Err(message) => {
                let retry = cx.now + retry_after(cx);
                self.hold(
                    index,
                    "CreateContainerConfigError",
                    message,
                    retry,
                    agent,
                    cx,
                );
            }
        }
    }

    /// A container could not be created or started.
    pub(super) fn start_failed(
        &mut self,
        index: usize,
        starting: bool,
        error: &RuntimeError,
        at: Time,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) {
        if error.kind == RuntimeErrorKind::NotFound {
            // The image may have gone since it was looked for.
            let image = self.image(index).to_owned();
            agent.images.remove(&image);
        }
        let retry = at + retry_after(cx);
        let message = error.message.clone();
        if !starting {
            self.hold(index, "CreateContainerError", message, retry, agent, cx);
            return;
        }
        if error.kind != RuntimeErrorKind::Invalid {
            // It may have been started all the same, or is not there any more: asked again, the runtime will say.
            self.hold(index, "RunContainerError", message, retry, agent, cx);
            return;
        }
        let said = format!("Error: {message}");
        self.event(Some(index), EventType::Warning, "Failed", said, agent, cx);
        if let Some(container) = self.containers.get_mut(index) {
            container.step = Step::Ended(Arc::new(Ended {
                exit: START_ERROR_EXIT,
                reason: START_ERROR,
                message,
                started: at,
                finished: at,
                id: container.id.clone(),
            }));
        }
        self.initialized |= index >= self.inits;
        self.due(Report::Now);
    }
}

/// How long a failed pull is shown as `ErrImagePull` before its wait is shown as `ImagePullBackOff`.
const PULL_ERROR_SHOWN_MS: u64 = 2_000;

/// How far a container has come.
enum Progress {
    /// What comes after it can go on.
    Up,
    /// It cannot go on before that time, or before news.
    Waits(Option<Time>),
    /// The runtime is asked: what comes after it waits for the answer.
    UnderWay,
}
