//! Taking a pod down: containers with their grace, sidecars last, the sandbox, then the object
//! (`pkg/kubelet/kubelet.go` `SyncTerminatingPod`, `pkg/kubelet/kuberuntime/kuberuntime_container.go`).

use std::{sync::Arc, time::Duration};

use super::{
    agent::Agent,
    news::Ask,
    worker::{Report, SandboxStep, Stage, Step, Worker},
};
use crate::{
    api::{EventType, Pod, Time},
    store::{
        Context, DeleteOptions,
        runtime::{SandboxId, Verb},
    },
};

/// What is left to a sidecar at least, however long the others took (`minimumGracePeriodInSeconds`).
const LEAST_GRACE: Duration = Duration::from_secs(2);

impl Worker {
    /// The grace that the pod's containers are given.
    fn grace(&self) -> Duration {
        let seconds = match self.pod.meta.deletion {
            // Even who must go at once gets a second.
            Some(deletion) => deletion.grace_seconds.max(1),
            None => self
                .pod
                .spec
                .termination_grace_period_seconds
                .unwrap_or(Pod::DEFAULT_GRACE_SECONDS),
        };
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    /// Whether a container is on its way to the runtime: it has to arrive before it can be stopped.
    fn is_arriving(&self) -> bool {
        let arriving = |step: &Step| matches!(step, Step::Creating | Step::Starting);
        self.containers.iter().any(|c| arriving(&c.step))
    }

    /// Goes on stopping. Returns when to look again, if no news comes before.
    pub fn stop_next(&mut self, agent: &mut Agent, cx: &mut Context<'_>) -> Option<Time> {
        let since = *self.stop_since.get_or_insert(cx.now);
        if self.sandbox.step == SandboxStep::Starting || self.is_arriving() {
            return None;
        }
        if self.stop_from > cx.now {
            return Some(self.stop_from);
        }
        let grace = self.grace();
        let mut waits = false;
        for index in 0..self.containers.len() {
            if !self.sidecar(index) {
                waits |= self.stop_container(index, grace, agent, cx);
            }
        }
        if waits {
            return None;
        }
        for index in (0..self.inits).rev() {
            let left = grace.saturating_sub(cx.now.since(since)).max(LEAST_GRACE);
            if self.sidecar(index) && self.stop_container(index, left, agent, cx) {
                return None;
            }
        }
        match self.sandbox.step {
            SandboxStep::Ready | SandboxStep::Dead => {
                self.stop_sandbox(agent, cx);
                None
            }
            SandboxStep::Starting | SandboxStep::Stopping => None,
            SandboxStep::Absent(_) | SandboxStep::Stopped => {
                self.stage = Stage::Stopped;
                self.due(Report::Now);
                None
            }
        }
    }

    /// Stops a container; whether it still runs.
    fn stop_container(
        &mut self,
        index: usize,
        grace: Duration,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(container) = self.containers.get(index) else {
            return false;
        };
        let since = match container.step {
            Step::Running(since) => {
                let message = format!("Stopping container {}", self.name(index));
                self.event(
                    Some(index),
                    EventType::Normal,
                    "Killing",
                    message,
                    agent,
                    cx,
                );
                since
            }
            // A deletion can be made shorter.
            Step::Stopping(since, given) if grace < given && !self.sidecar(index) => since,
            Step::Stopping(..) => return true,
            _ => return false,
        };
        self.set(index, Step::Stopping(since, grace));
        let container = self.id(index);
        let verb = Verb::StopContainer {
            container: container.clone(),
            grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
        };
        agent.ask(Ask::Stop(container), verb, cx);
        true
    }

    fn stop_sandbox(&mut self, agent: &mut Agent, cx: &mut Context<'_>) {
        self.sandbox.step = SandboxStep::Stopping;
        let sandbox = self.sandbox_id();
        agent.ask(
            Ask::StopSandbox(sandbox),
            Verb::StopPodSandbox { sandbox },
            cx,
        );
    }

    /// Ends what is left of a sandbox that died, for the next one.
    pub(super) fn replace_sandbox(
        &mut self,
        agent: &mut Agent,
        cx: &mut Context<'_>,
    ) -> Option<Time> {
        if self.is_arriving() {
            return None;
        }
        if self.stop_from > cx.now {
            return Some(self.stop_from);
        }
        let grace = self.grace();
        let mut waits = false;
        for index in 0..self.containers.len() {
            waits |= self.stop_container(index, grace, agent, cx);
        }
        if waits {
            return None;
        }
        let message = "Pod sandbox changed, it will be killed and re-created.";
        self.event(
            None,
            EventType::Normal,
            "SandboxChanged",
            message,
            agent,
            cx,
        );
        self.stop_sandbox(agent, cx);
        self.due(Report::Now);
        None
    }

    /// The sandbox is stopped.
    pub(super) fn sandbox_stopped(&mut self, now: Time) {
        if self.sandbox.step != SandboxStep::Stopping {
            return;
        }
        if self.stage == Stage::Active {
            self.renew_sandbox(now);
        } else {
            self.sandbox.step = SandboxStep::Stopped;
        }
    }

    /// Begins anew with the next sandbox: its init containers run again, then the others.
    pub(super) fn renew_sandbox(&mut self, now: Time) {
        self.sandbox.attempt += 1;
        self.sandbox.step = SandboxStep::Absent(now);
        self.sandbox.ip.clear();
        self.initialized = false;
        for index in 0..self.containers.len() {
            let plain_init = index < self.inits && !self.sidecar(index);
            let Some(container) = self.containers.get_mut(index) else {
                continue;
            };
            match &container.step {
                Step::Ended(ended) if plain_init => {
                    container.last = Some(Arc::clone(ended));
                    container.attempt += 1;
                    container.step = Step::Idle;
                }
                // Their restart goes by the back-off.
                Step::Ended(_) | Step::Idle | Step::Held { .. } => {}
                Step::Checking | Step::Pulling(_) | Step::Imaged => container.step = Step::Idle,
                Step::Creating
                | Step::Created
                | Step::Starting
                | Step::Running(_)
                | Step::Stopping(..) => {
                    container.attempt += 1;
                    container.step = Step::Idle;
                }
            }
        }
    }

    /// Takes leave of a pod that is to go and has stopped: the object goes first, then what is left on the node.
    /// Returns when to look again, if no news comes before.
    pub(super) fn leave(&mut self, agent: &mut Agent, cx: &mut Context<'_>) -> Option<Time> {
        let stopped = matches!(self.stage, Stage::Stopped | Stage::Refused(..));
        if !stopped || !(self.gone || self.pod.is_terminating()) {
            return None;
        }
        if self.stop_from > cx.now {
            return Some(self.stop_from);
        }
        if !self.gone {
            if !agent.connected {
                return None;
            }
            let options = DeleteOptions {
                grace_seconds: Some(0),
                uid: Some(self.uid),
                ..DeleteOptions::default()
            };
            // Refused only where it is gone already. One that has finalizers stays in the API, not here.
            let _ = cx.delete::<Pod>(&self.pod.meta.key, &options);
            self.gone = true;
        }
        let never =
            self.sandbox.attempt == 0 && self.sandbox.step == SandboxStep::Absent(Time::ZERO);
        if never {
            self.stage = Stage::Removed;
            return None;
        }
        self.stage = Stage::Removing;
        let last = self.sandbox.attempt;
        for attempt in last.saturating_sub(1)..=last {
            self.remove_sandbox(attempt, agent, cx);
        }
        None
    }

    /// Asks for a sandbox, and the containers that were in it, to be removed.
    pub(super) fn remove_sandbox(&self, attempt: u32, agent: &mut Agent, cx: &mut Context<'_>) {
        let sandbox = SandboxId {
            pod: self.uid,
            attempt,
        };
        let verb = Verb::RemovePodSandbox { sandbox };
        agent.ask(Ask::RemoveSandbox(sandbox), verb, cx);
    }

    /// A sandbox is removed.
    pub(super) fn sandbox_removed(&mut self, id: SandboxId) {
        if self.stage == Stage::Removing && id == self.sandbox_id() {
            self.stage = Stage::Removed;
        }
    }
}
