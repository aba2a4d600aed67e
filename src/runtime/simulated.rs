//! The simulated runtime: a seeded model of a container engine, without I/O.
//!
//! Pods take time to start and to stop, images are pulled once a node, containers use CPU and memory. Calls come in by
//! [`handle`](VirtualRuntime::handle), what came of them goes out by [`poll`](VirtualRuntime::poll); nothing else
//! happens. A clone goes on exactly as the original would. What it has survives whoever asks: a node that was killed
//! still has its dead containers, as a real engine would.

mod address;
mod model;
mod node;
mod program;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use model::Usage;

use self::{model::Model, node::SimNode};
use crate::{
    api::{Name, Time, Uid},
    cluster::thread::VirtualRuntime,
    store::{
        Random,
        runtime::{
            Answer, Call, ContainerId, ContainerUsage, Exit, Report, RuntimeError,
            RuntimeErrorKind, SandboxId, Verb,
        },
    },
};

/// Answers come at multiples of this, so that many come together.
const TICK_MICROS: i64 = 10_000;
/// Between two measurements, and where more than so many containers run.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
const MEASURE_MANY_EVERY: Duration = Duration::from_secs(15);
const MANY: usize = 500;

/// A seeded model of a container engine, for all simulated nodes of a cluster.
#[derive(Clone, Debug)]
pub struct SimulatedRuntime {
    model: Model,
    nodes: BTreeMap<Name, SimNode>,
    due: BTreeMap<(Time, u64), Due>,
    /// Whether it is measured what containers use.
    measures: bool,
    /// When it is measured next; none while nothing runs.
    next_measure: Option<Time>,
    last_measure: Time,
    /// CPU time that containers have used until the last measurement, in µs.
    spent: BTreeMap<ContainerId, u64>,
    /// Numbers what is due, so that things due together happen in the order in which they were begun.
    begun: u64,
}

/// Something that will have happened at a time.
#[derive(Clone, Debug)]
struct Due {
    node: Name,
    /// The node's life in which it was begun: what was under way when a node was killed never happens.
    life: u32,
    /// The call to be answered.
    call: Option<u64>,
    what: Happening,
}

#[derive(Clone, Debug)]
enum Happening {
    Answered(Result<Answer, RuntimeError>),
    Pulled { image: String },
    SandboxUp(SandboxId),
    ContainerUp(ContainerId),
    ContainerEnds(ContainerId, Exit),
    SandboxEnds(SandboxId),
    SandboxRemoved(SandboxId),
    Listed,
}

impl SimulatedRuntime {
    /// An engine that has nothing yet.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            model: Model::new(Random::new(seed)),
            nodes: BTreeMap::new(),
            due: BTreeMap::new(),
            measures: false,
            next_measure: None,
            last_measure: Time::ZERO,
            spent: BTreeMap::new(),
            begun: 0,
        }
    }

    /// Reports what containers use: each second, or as metrics-server does, each 15 s, where they are many.
    #[must_use]
    pub const fn measured(mut self) -> Self {
        self.measures = true;
        self
    }

    /// Measures, if it is time.
    fn measure(&mut self, now: Time, reports: &mut Vec<Report>) {
        if self.next_measure.is_none_or(|next| next > now) {
            return;
        }
        let passed = now.since(self.last_measure).as_millis() as u64;
        self.last_measure = now;
        let used: Vec<(ContainerId, Usage)> = self.usage(now).collect();
        let mut before = std::mem::take(&mut self.spent);
        let mut samples = Vec::with_capacity(used.len());
        for (container, usage) in used {
            // Millicores for milliseconds are microseconds.
            let cpu_micros = before.remove(&container).unwrap_or(0) + usage.cpu_milli * passed;
            self.spent.insert(container.clone(), cpu_micros);
            samples.push(ContainerUsage {
                container,
                cpu_micros,
                memory_bytes: usage.memory_bytes,
                oom_kills: 0,
            });
        }
        let every = match samples.len() {
            0 => None,
            1..=MANY => Some(MEASURE_EVERY),
            _ => Some(MEASURE_MANY_EVERY),
        };
        self.next_measure = every.map(|every| now + every);
        reports.push(Report::Usage {
            samples,
            took_micros: 0,
        });
    }

    /// What every running container uses now.
    pub fn usage(&self, now: Time) -> impl Iterator<Item = (ContainerId, Usage)> {
        self.nodes.values().flat_map(move |node| {
            node.running()
                .map(move |(id, container)| (id, self.model.usage(container, now)))
        })
    }

    /// The sandboxes and containers that run, on whatever node.
    #[must_use]
    pub fn running(&self) -> (BTreeSet<SandboxId>, BTreeSet<ContainerId>) {
        let nodes = self.nodes.values();
        (
            nodes.clone().flat_map(SimNode::running_sandboxes).collect(),
            nodes
                .flat_map(|node| node.running().map(|(id, _)| id))
                .collect(),
        )
    }

    /// Whether no node has a sandbox or a container, dead or alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.values().all(SimNode::is_empty)
    }

    fn node(&mut self, name: &Name) -> &mut SimNode {
        let index = self.nodes.len();
        self.nodes
            .entry(name.clone())
            .or_insert_with(|| SimNode::new(index))
    }

    fn later(&mut self, at: Time, due: Due) {
        let tick = at.as_micros().div_euclid(TICK_MICROS) + 1;
        self.begun += 1;
        self.due.insert((Time(tick * TICK_MICROS), self.begun), due);
    }

    /// Something that ends by itself in a node's life: it does not happen if the node is killed before.
    fn begin(&mut self, call: &Call, now: Time, takes: Duration, what: Happening) {
        let due = Due {
            node: call.node.clone(),
            life: self.node(&call.node).life,
            call: Some(call.id),
            what,
        };
        self.later(now + takes, due);
    }

    fn answer(&mut self, call: &Call, now: Time, answer: Answer) {
        self.begin(call, now, Duration::ZERO, Happening::Answered(Ok(answer)));
    }

    fn refuse(&mut self, call: &Call, now: Time, kind: RuntimeErrorKind, message: String) {
        let error = RuntimeError { kind, message };
        self.begin(call, now, Duration::ZERO, Happening::Answered(Err(error)));
    }

    fn act(&mut self, now: Time, call: &Call) {
        match &call.verb {
            Verb::ImageStatus { image } => {
                let present = self.node(&call.node).has_image(image);
                let answer = self.model.image(image, present);
                self.answer(call, now, answer);
            }
            Verb::PullImage { image } => self.pull(now, call, image),
            Verb::RunPodSandbox { sandbox, .. } => {
                let takes = self.model.sandbox_start(call.id);
                match self.node(&call.node).begin_sandbox(*sandbox, now) {
                    Some(ip) => self.answer(call, now, Answer::Sandbox { ip }),
                    None => self.begin(call, now, takes, Happening::SandboxUp(*sandbox)),
                }
            }
            Verb::CreateContainer {
                sandbox,
                container,
                config,
            } => {
                let created = self.node(&call.node).create(*sandbox, container, config);
                match created {
                    Ok(()) => {
                        let id = self.model.runtime_id(container);
                        self.answer(call, now, Answer::Created { id });
                    }
                    Err(message) => self.refuse(call, now, RuntimeErrorKind::NotFound, message),
                }
            }
            Verb::StartContainer { container } => self.start(now, call, container),
            Verb::StopContainer {
                container,
                grace_ms,
            } => self.stop(now, call, container, Duration::from_millis(*grace_ms)),
            Verb::RemoveContainer { container } => {
                self.node(&call.node).remove_container(container);
                self.answer(call, now, Answer::Removed);
            }
            Verb::StopPodSandbox { sandbox } => {
                self.end_sandbox(now, call, *sandbox, Happening::SandboxEnds(*sandbox));
            }
            Verb::RemovePodSandbox { sandbox } => {
                self.end_sandbox(now, call, *sandbox, Happening::SandboxRemoved(*sandbox));
            }
            Verb::List => self.begin(call, now, Duration::ZERO, Happening::Listed),
            Verb::KillNode => {
                let node = self.node(&call.node);
                node.life += 1;
                let pods = node.pods_with_sandboxes();
                for pod in pods {
                    self.kill_pod(now, call, pod);
                }
                self.answer(call, now, Answer::Removed);
            }
            Verb::KillPod { pod } => {
                self.kill_pod(now, call, *pod);
                self.answer(call, now, Answer::Removed);
            }
        }
    }

    fn pull(&mut self, now: Time, call: &Call, image: &str) {
        if self.node(&call.node).has_image(image) {
            let answer = self.model.image(image, true);
            return self.answer(call, now, answer);
        }
        if let Some(message) = Model::pull_fails(image) {
            let error = RuntimeError {
                kind: RuntimeErrorKind::NotFound,
                message,
            };
            let takes = self.model.registry_answer(call.id);
            return self.begin(call, now, takes, Happening::Answered(Err(error)));
        }
        let takes = self.model.pull(image);
        let until = self.node(&call.node).pull_until(image, now + takes);
        let image = image.to_owned();
        self.begin(call, now, until.since(now), Happening::Pulled { image });
    }

    fn start(&mut self, now: Time, call: &Call, id: &ContainerId) {
        let takes = self.model.container_start(call.id);
        match self.node(&call.node).startable(id) {
            Ok(true) => self.begin(call, now, takes, Happening::ContainerUp(id.clone())),
            Ok(false) => self.answer(call, now, Answer::Started),
            Err((kind, message)) => self.refuse(call, now, kind, message),
        }
    }

    fn stop(&mut self, now: Time, call: &Call, id: &ContainerId, grace: Duration) {
        let Some(container) = self.node(&call.node).running_container(id) else {
            let exit = self.node(&call.node).exit_of(id);
            return self.answer(call, now, Answer::Stopped { exit });
        };
        let needs = program::stops_after(&container.config);
        container.stop_calls.push(call.id);
        let (takes, exit) = match needs {
            needs if needs <= grace => (needs, Exit::default()),
            _ => (grace, killed()),
        };
        let due = Due {
            call: None,
            ..self.due_on(call, Happening::ContainerEnds(id.clone(), exit))
        };
        self.later(now + takes, due);
    }

    /// Ends what runs in a sandbox, then the sandbox.
    fn end_sandbox(&mut self, now: Time, call: &Call, sandbox: SandboxId, what: Happening) {
        let running = self.node(&call.node).running_in(sandbox);
        for id in running {
            let due = Due {
                call: None,
                ..self.due_on(call, Happening::ContainerEnds(id, killed()))
            };
            self.later(now, due);
        }
        let takes = self.model.sandbox_stop(call.id);
        self.begin(call, now, takes, what);
    }

    /// SIGKILLs a pod's containers at once, then its sandboxes.
    fn kill_pod(&mut self, now: Time, call: &Call, pod: Uid) {
        let (containers, sandboxes) = self.node(&call.node).alive(pod);
        for id in containers {
            let takes = self.model.kill(&id);
            let due = Due {
                call: None,
                ..self.due_on(call, Happening::ContainerEnds(id, killed()))
            };
            self.later(now + takes, due);
        }
        for sandbox in sandboxes {
            let due = Due {
                call: None,
                ..self.due_on(call, Happening::SandboxEnds(sandbox))
            };
            self.later(now + model::SLOWEST_KILL, due);
        }
    }

    fn due_on(&mut self, call: &Call, what: Happening) -> Due {
        Due {
            node: call.node.clone(),
            life: self.node(&call.node).life,
            call: Some(call.id),
            what,
        }
    }

    /// What is so once something that was due has happened.
    fn happen(&mut self, now: Time, due: Due, reports: &mut Vec<Report>) {
        if self.node(&due.node).life != due.life {
            return;
        }
        let result = match due.what {
            Happening::Answered(result) => Some(result),
            Happening::Pulled { image } => {
                let answer = self.model.image(&image, true);
                self.node(&due.node).pulled(image);
                Some(Ok(answer))
            }
            Happening::SandboxUp(sandbox) => Some(self.node(&due.node).sandbox_up(sandbox)),
            Happening::ContainerUp(id) => Some(self.container_up(now, &due.node, &id)),
            Happening::ContainerEnds(id, exit) => {
                self.container_ends(&due.node, &id, exit, reports);
                None
            }
            Happening::SandboxEnds(sandbox) => {
                self.sandbox_ends(now, &due.node, sandbox, reports);
                Some(Ok(Answer::Removed))
            }
            Happening::SandboxRemoved(sandbox) => {
                self.sandbox_ends(now, &due.node, sandbox, reports);
                self.node(&due.node).remove_sandbox(sandbox);
                Some(Ok(Answer::Removed))
            }
            Happening::Listed => Some(Ok(self.list(&due.node))),
        };
        if let (Some(call), Some(result)) = (due.call, result) {
            let node = due.node;
            reports.push(Report::Answer { call, node, result });
        }
    }

    fn container_up(
        &mut self,
        now: Time,
        node: &Name,
        id: &ContainerId,
    ) -> Result<Answer, RuntimeError> {
        let life = self.node(node).life;
        let Some(container) = self.node(node).start(id, now) else {
            return Err(RuntimeError {
                kind: RuntimeErrorKind::NotFound,
                message: format!("no such container: {id}"),
            });
        };
        if let Some((after, exit)) = program::ends(&container.config) {
            let due = Due {
                node: node.clone(),
                life,
                call: None,
                what: Happening::ContainerEnds(id.clone(), exit),
            };
            self.later(now + after, due);
        }
        if self.measures && self.next_measure.is_none() {
            self.last_measure = now;
            self.next_measure = Some(now + MEASURE_EVERY);
        }
        Ok(Answer::Started)
    }

    fn container_ends(
        &mut self,
        node: &Name,
        id: &ContainerId,
        exit: Exit,
        reports: &mut Vec<Report>,
    ) {
        let Some(container) = self.node(node).running_container(id) else {
            return;
        };
        container.run = Some(Some(exit));
        let calls = std::mem::take(&mut container.stop_calls);
        reports.push(Report::ContainerExited {
            node: node.clone(),
            container: id.clone(),
            exit,
        });
        for call in calls {
            reports.push(Report::Answer {
                call,
                node: node.clone(),
                result: Ok(Answer::Stopped { exit }),
            });
        }
    }

    fn sandbox_ends(
        &mut self,
        now: Time,
        node: &Name,
        sandbox: SandboxId,
        reports: &mut Vec<Report>,
    ) {
        for id in self.node(node).running_in(sandbox) {
            self.container_ends(node, &id, killed(), reports);
        }
        if self.node(node).end_sandbox(sandbox, now) {
            let node = node.clone();
            reports.push(Report::SandboxExited { node, sandbox });
        }
    }

    fn list(&mut self, node: &Name) -> Answer {
        let model = self.model;
        self.node(node).list(|id| model.runtime_id(id))
    }
}

/// How a container ends that was SIGKILLed.
const fn killed() -> Exit {
    Exit {
        code: 137,
        oom_killed: false,
    }
}

impl VirtualRuntime for SimulatedRuntime {
    fn handle(&mut self, now: Time, call: Call) {
        self.act(now, &call);
    }

    fn poll(&mut self, now: Time) -> Vec<Report> {
        let mut reports = Vec::new();
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let due = entry.remove();
            self.happen(now, due, &mut reports);
        }
        self.measure(now, &mut reports);
        reports
    }

    fn next_deadline(&self) -> Option<Time> {
        let due = self.due.keys().next().map(|(at, _)| *at);
        due.into_iter().chain(self.next_measure).min()
    }
}

#[cfg(test)]
mod tests;
