//! What the API is told of a pod: phase, conditions, container statuses (`pkg/kubelet/kubelet_pods.go`
//! `generateAPIPodStatus`, `pkg/kubelet/status/generate.go`).

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIP, PodCondition, PodIP, PodStatus,
};

use super::{
    agent::Agent,
    backoff::go_duration,
    start::START_ERROR,
    worker::{Container, Ended, Report, SandboxStep, Stage, Step, Worker},
};
use crate::{
    api::{Pod, Time},
    store::{Context, config::RuntimeKind},
};

/// Whether a condition holds, and if not, why.
struct Verdict {
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    const YES: Self = Self {
        holds: true,
        reason: None,
        message: None,
    };

    const fn no(reason: &'static str) -> Self {
        Self {
            holds: false,
            reason: Some(reason),
            message: None,
        }
    }

    fn because(reason: &'static str, what: &str, names: &[&str]) -> Self {
        Self {
            holds: false,
            reason: Some(reason),
            message: Some(format!(
                "containers with {what} status: [{}]",
                names.join(" ")
            )),
        }
    }
}

impl Worker {
    /// Writes the status, if that is due and the API can be reached.
    pub(super) fn write_status(&mut self, agent: &Agent, cx: &mut Context<'_>) {
        let due = match self.report {
            Report::Nothing => false,
            Report::Due => !self.is_starting(),
            Report::Now => true,
        };
        if !due || self.gone || !agent.connected {
            return;
        }
        self.report = Report::Nothing;
        let Some(started) = self.started else { return };
        let status = match &self.stage {
            Stage::Refused(reason, message) => PodStatus {
                phase: Some("Failed".to_owned()),
                reason: Some(reason.to_string()),
                message: Some(format!("Pod was rejected: {message}")),
                start_time: Some(started.to_k8s()),
                qos_class: self.pod.status.qos_class.clone(),
                conditions: Some(self.others_conditions()),
                observed_generation: Some(self.pod.meta.generation),
                ..PodStatus::default()
            },
            _ => self.status(started, agent, cx.now),
        };
        if status == *self.pod.status {
            return;
        }
        let mut pod = Pod::clone(&self.pod);
        pod.status = Arc::new(status);
        // Whoever wrote in between is seen first; then it is written again.
        pod.meta.resource_version = 0;
        if let Ok(pod) = cx.update_status(pod) {
            self.pod = pod;
        }
    }

    fn status(&self, started: Time, agent: &Agent, now: Time) -> PodStatus {
        let old = &*self.pod.status;
        let phase = self.phase();
        let ip = (!self.sandbox.ip.is_empty()).then(|| self.sandbox.ip.clone());
        let statuses = |range: std::ops::Range<usize>| -> Option<Vec<ContainerStatus>> {
            (!range.is_empty()).then(|| {
                range
                    .map(|index| self.container_status(index, agent))
                    .collect()
            })
        };
        PodStatus {
            phase: Some(phase.to_owned()),
            conditions: Some(self.conditions(phase, now)),
            host_ip: Some(agent.ip.clone()),
            host_ips: Some(vec![HostIP {
                ip: agent.ip.clone(),
            }]),
            pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
            pod_ip: ip,
            start_time: old.start_time.clone().or_else(|| Some(started.to_k8s())),
            qos_class: old.qos_class.clone(),
            init_container_statuses: statuses(0..self.inits),
            container_statuses: statuses(self.inits..self.containers.len()),
            observed_generation: Some(self.pod.meta.generation),
            reason: old.reason.clone(),
            message: old.message.clone(),
            nominated_node_name: old.nominated_node_name.clone(),
            ..PodStatus::default()
        }
    }

    /// The phase (`getPhase`). A pod counts as ended only when all of it has stopped.
    fn phase(&self) -> &'static str {
        if self.stage == Stage::Stopped {
            return self.last_phase();
        }
        let begun = |c: &Container| {
            c.step.running().is_some() || matches!(c.step, Step::Ended(_)) || c.last.is_some()
        };
        let apps = self.containers.get(self.inits..).unwrap_or_default();
        let waits_for_init = !self.initialized && self.inits > 0 && !apps.iter().any(begun);
        if waits_for_init || !apps.iter().all(begun) {
            "Pending"
        } else {
            "Running"
        }
    }

    /// The phase of a pod whose containers have all stopped for good.
    fn last_phase(&self) -> &'static str {
        if self.pod.is_terminal() {
            return match self.pod.phase() {
                "Succeeded" => "Succeeded",
                _ => "Failed",
            };
        }
        let code = |c: &Container| match (&c.step, &c.last) {
            (Step::Ended(ended), _) | (_, Some(ended)) => Some(ended.exit.code),
            _ => None,
        };
        let apps = self.containers.get(self.inits..).unwrap_or_default();
        if apps.iter().all(|c| code(c) == Some(0)) {
            "Succeeded"
        } else if self.containers.iter().all(|c| code(c).is_none()) {
            "Pending"
        } else {
            "Failed"
        }
    }

    /// Conditions that others set: they stay as they are.
    fn others_conditions(&self) -> Vec<PodCondition> {
        const OURS: [&str; 5] = [
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
            "PodScheduled",
        ];
        let all = self.pod.status.conditions.iter().flatten();
        let scheduled = all.clone().filter(|c| c.type_ == "PodScheduled");
        let others = all.clone().filter(|c| !OURS.contains(&c.type_.as_str()));
        scheduled.chain(others).cloned().collect()
    }

    fn conditions(&self, phase: &str, now: Time) -> Vec<PodCondition> {
        let sandbox = match self.sandbox.step {
            SandboxStep::Ready => Verdict::YES,
            _ => Verdict {
                reason: None,
                ..Verdict::no("")
            },
        };
        let mut conditions = Vec::with_capacity(6);
        conditions.push(self.condition("PodReadyToStartContainers", sandbox, now));
        conditions.push(self.condition("Initialized", self.initialized_verdict(phase), now));
        conditions.push(self.condition("Ready", self.ready_verdict(phase), now));
        conditions.push(self.condition("ContainersReady", self.ready_verdict(phase), now));
        let mut others = self.others_conditions();
        if !others.iter().any(|c| c.type_ == "PodScheduled") {
            conditions.push(self.condition("PodScheduled", Verdict::YES, now));
        }
        conditions.append(&mut others);
        conditions
    }

    fn condition(&self, kind: &str, verdict: Verdict, now: Time) -> PodCondition {
        let status = if verdict.holds { "True" } else { "False" };
        let old = self.pod.condition(kind).filter(|old| old.status == status);
        PodCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.map(str::to_owned),
            message: verdict.message,
            last_probe_time: None,
            last_transition_time: old
                .and_then(|old| old.last_transition_time.clone())
                .or_else(|| Some(now.to_k8s())),
            observed_generation: Some(self.pod.meta.generation),
        }
    }

    fn initialized_verdict(&self, phase: &str) -> Verdict {
        if phase == "Succeeded" {
            return Verdict {
                reason: Some("PodCompleted"),
                ..Verdict::YES
            };
        }
        if self.initialized {
            return Verdict::YES;
        }
        let done = |index: usize| match self.containers.get(index).map(|c| &c.step) {
            Some(step) if self.sidecar(index) => step.running().is_some(),
            Some(Step::Ended(ended)) => ended.exit.code == 0,
            _ => false,
        };
        let left: Vec<&str> = (0..self.inits)
            .filter(|index| !done(*index))
            .map(|index| self.name(index))
            .collect();
        if left.is_empty() {
            Verdict::YES
        } else {
            Verdict::because("ContainersNotInitialized", "incomplete", &left)
        }
    }

    fn ready_verdict(&self, phase: &str) -> Verdict {
        match phase {
            "Succeeded" => return Verdict::no("PodCompleted"),
            "Failed" => return Verdict::no("PodFailed"),
            _ => {}
        }
        let counts = |index: &usize| *index >= self.inits || self.sidecar(*index);
        let running = |index: usize| {
            self.containers
                .get(index)
                .is_some_and(|c| c.step.running().is_some())
        };
        let unready: Vec<&str> = (0..self.containers.len())
            .filter(counts)
            .filter(|index| !running(*index))
            .map(|index| self.name(index))
            .collect();
        if unready.is_empty() {
            Verdict::YES
        } else {
            Verdict::because("ContainersNotReady", "unready", &unready)
        }
    }

    fn container_status(&self, index: usize, agent: &Agent) -> ContainerStatus {
        let spec = self.spec(index);
        let Some(container) = self.containers.get(index) else {
            return ContainerStatus::default();
        };
        let running = container.step.running().is_some();
        let init = index < self.inits && !self.sidecar(index);
        let succeeded = matches!(&container.step, Step::Ended(ended) if ended.exit.code == 0);
        let (state, last) = self.states(index, container, agent);
        let id = match (&container.step, &container.last) {
            (Step::Running(_) | Step::Stopping(..), _) => Some(&container.id),
            (Step::Ended(ended), _) | (_, Some(ended)) => Some(&ended.id),
            _ => None,
        };
        ContainerStatus {
            name: spec.map(|spec| spec.name.clone()).unwrap_or_default(),
            image: spec.and_then(|spec| spec.image.clone()).unwrap_or_default(),
            image_id: container.image_id.clone(),
            container_id: id.map(|id| runtime_id(id, agent)),
            ready: if init { succeeded } else { running },
            started: Some(running),
            restart_count: i32::try_from(container.attempt).unwrap_or(i32::MAX),
            state: Some(state),
            last_state: last.or_else(|| Some(ContainerState::default())),
            ..ContainerStatus::default()
        }
    }

    /// A container's state and the state before it.
    fn states(
        &self,
        index: usize,
        container: &Container,
        agent: &Agent,
    ) -> (ContainerState, Option<ContainerState>) {
        let waiting = |reason: &str, message: Option<String>| ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some(reason.to_owned()),
                message,
            }),
            ..ContainerState::default()
        };
        let last = container
            .last
            .as_ref()
            .map(|ended| terminated(ended, agent));
        match &container.step {
            Step::Running(since) | Step::Stopping(since, _) => {
                let running = ContainerStateRunning {
                    started_at: Some(since.to_k8s()),
                };
                let state = ContainerState {
                    running: Some(running),
                    ..ContainerState::default()
                };
                (state, last)
            }
            Step::Ended(ended) if container.crash_looping => {
                let message = format!(
                    "back-off {} restarting failed container={} pod={}",
                    go_duration(container.crash.wait()),
                    self.name(index),
                    self.in_words()
                );
                let state = waiting("CrashLoopBackOff", Some(message));
                (state, Some(terminated(ended, agent)))
            }
            // Until its restart waits, it is shown as what failed; upstream's status says so from the next sync on.
            Step::Ended(ended)
                if ended.reason == START_ERROR && self.restarts(index, ended.exit) =>
            {
                let state = waiting("RunContainerError", Some(ended.message.clone()));
                (state, Some(terminated(ended, agent)))
            }
            Step::Ended(ended) => (terminated(ended, agent), last),
            Step::Held {
                reason, message, ..
            } => (waiting(reason, Some(message.clone())), last),
            _ if self.inits > 0 && !self.initialized => (waiting("PodInitializing", None), last),
            _ => (waiting("ContainerCreating", None), last),
        }
    }
}

fn runtime_id(id: &str, agent: &Agent) -> String {
    match agent.runtime {
        RuntimeKind::Docker => format!("docker://{id}"),
        RuntimeKind::Simulated => format!("simulated://{id}"),
    }
}

fn terminated(ended: &Ended, agent: &Agent) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: ended.exit.code,
            reason: Some(ended.reason.to_owned()),
            message: (!ended.message.is_empty()).then(|| ended.message.clone()),
            started_at: Some(ended.started.to_k8s()),
            finished_at: Some(ended.finished.to_k8s()),
            container_id: (!ended.id.is_empty()).then(|| runtime_id(&ended.id, agent)),
            signal: None,
        }),
        ..ContainerState::default()
    }
}
