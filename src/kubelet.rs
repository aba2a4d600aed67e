//! The kubelets: a pod's life on its node, and the node's own report (`pkg/kubelet`).
//!
//! One component stands for all nodes' kubelets. An [`Agent`] is one node's: its lease, its status, what it asked of
//! the runtime. A [`Worker`] is one pod on its node, as upstream's pod worker. A kubelet knows what it has seen: while
//! its node is cut off it goes on by that, and while the node is dark it does nothing. What runtimes report is recorded
//! as truth in either case.

mod admit;
mod agent;
mod backoff;
mod condition;
mod config;
mod env;
mod image;
mod listing;
mod news;
mod settle;
mod start;
mod status;
mod stop;
mod worker;

use std::{collections::BTreeMap, sync::Arc};

use self::{
    agent::Agent,
    news::{Ask, News},
    worker::{Report as StatusReport, Worker},
};
use crate::{
    api::{Name, Node, Object, Pod, Uid},
    store::{
        Change, Context, Defect, Input, Outcome, Reconciler, Record, Store, WakeUp, What,
        WorkQueue,
        log::Op,
        runtime::{Answer, Report, RuntimeError, RuntimeErrorKind},
        world::{ContainerTruth, WorldChange},
    },
};

/// What a kubelet looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A node: power, lease, status, unanswered calls.
    Node(Name),
    /// A pod on its node.
    Pod(Uid),
}

/// All nodes' kubelets.
#[derive(Clone, Debug, Default)]
pub struct Kubelet {
    agents: BTreeMap<Name, Agent>,
    workers: BTreeMap<Uid, Worker>,
}

impl Reconciler for Kubelet {
    type Key = Work;
    const NAME: &'static str = "kubelet";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Work>) {
        match &record.what {
            What::Change(change) => match &change.object {
                Object::Pod(pod) => self.pod_changed(change, pod, wake),
                Object::Node(node) => self.node_changed(change, node, store, wake),
                _ => {}
            },
            What::World(change) => self.world_changed(change, store, wake),
            _ => {}
        }
    }

    fn input(&mut self, input: &Input, cx: &mut Context<'_>, queue: &mut WorkQueue<Work>) {
        if let Input::Runtime(reports) = input {
            for report in reports {
                self.reported(report, cx, queue);
            }
        }
    }

    fn reconcile(&mut self, work: &Work, cx: &mut Context<'_>) -> Outcome {
        match work {
            Work::Node(name) => self.reconcile_node(name, cx),
            Work::Pod(uid) => self.reconcile_pod(*uid, cx),
        }
    }
}

impl Kubelet {
    fn pod_changed(&mut self, change: &Change, pod: &Arc<Pod>, wake: &mut WakeUp<'_, Work>) {
        let Some(node) = &pod.node else { return };
        if change.by == Self::NAME {
            return;
        }
        let Some(agent) = self.agents.get_mut(node).filter(|agent| agent.hears()) else {
            return;
        };
        let uid = pod.meta.uid;
        if change.op == Op::Deleted {
            let Some(worker) = self.workers.get_mut(&uid) else {
                return;
            };
            worker.pod = Arc::clone(pod);
            worker.gone = true;
        } else if let Some(worker) = self.workers.get_mut(&uid) {
            worker.sees(pod);
        } else {
            self.workers.insert(uid, Worker::new(pod, node));
            agent.pods.insert(uid);
        }
        wake.now(Work::Pod(uid));
    }

    fn node_changed(
        &mut self,
        change: &Change,
        node: &Arc<Node>,
        store: &Store,
        wake: &mut WakeUp<'_, Work>,
    ) {
        let name = Name::from(node.metadata.name.as_deref().unwrap_or_default());
        let count = self.agents.len();
        let agent = self
            .agents
            .entry(name.clone())
            .or_insert_with(|| Agent::new(&name, count));
        if change.op == Op::Deleted {
            agent.object = None;
            return;
        }
        let known = agent.object.is_some();
        agent.sees(node);
        if !known {
            self.resync(&name, store, wake);
        } else if change.by != Self::NAME {
            wake.now(Work::Node(name));
        }
    }

    fn world_changed(&mut self, change: &WorldChange, store: &Store, wake: &mut WakeUp<'_, Work>) {
        let name = change.node();
        match change {
            WorldChange::NodeOn { .. } | WorldChange::HeartbeatsRestored { .. } => {
                self.resync(name, store, wake);
            }
            WorldChange::NodeOff { .. }
            | WorldChange::NodeBooting { .. }
            | WorldChange::HeartbeatsCut { .. } => {
                if let Some(agent) = self.agents.get_mut(name) {
                    agent.sees_truth(store);
                }
            }
            _ => {}
        }
    }

    /// Looks at all that the API has of a node: it is new, or has come back.
    fn resync(&mut self, name: &Name, store: &Store, wake: &mut WakeUp<'_, Work>) {
        let Some(agent) = self.agents.get_mut(name) else {
            return;
        };
        agent.sees_truth(store);
        wake.now(Work::Node(name.clone()));
        if !agent.hears() {
            return;
        }
        if let Some(node) = store.objects.node(name) {
            agent.sees(node);
        }
        for pod in store.objects.pods_on(name) {
            let uid = pod.meta.uid;
            agent.pods.insert(uid);
            self.workers
                .entry(uid)
                .or_insert_with(|| Worker::new(pod, name));
        }
        for uid in &agent.pods {
            let Some(worker) = self.workers.get_mut(uid) else {
                continue;
            };
            let found = store.objects.get::<Pod>(&worker.pod.meta.key);
            match found.filter(|pod| pod.meta.uid == *uid) {
                Some(pod) => worker.sees(&pod.clone()),
                None => worker.gone = true,
            }
            worker.report = StatusReport::Due;
            wake.now(Work::Pod(*uid));
        }
    }

    /// Takes a report: the truth is recorded whoever hears it, and the kubelet hears it if its node is on.
    fn reported(&mut self, report: &Report, cx: &mut Context<'_>, queue: &mut WorkQueue<Work>) {
        match report {
            Report::Answer { call, node, result } => {
                self.answered(*call, node, result, cx, queue);
            }
            Report::ContainerExited {
                node,
                container,
                exit,
            } => {
                let worker = self.workers.get(&container.pod);
                let expected = worker.is_some_and(|worker| worker.may_end(container));
                match cx.store.world.containers.get(container) {
                    Some((_, ContainerTruth::Exited { .. })) => return,
                    // One that has been removed since, or was never started by anybody.
                    None if !expected => return,
                    _ => {}
                }
                let cause = cx.change_world(WorldChange::ContainerExited {
                    node: node.clone(),
                    container: container.clone(),
                    exit: *exit,
                });
                if cx.config.defect == Some(Defect::ExitUnheard) {
                    return;
                }
                let news = News::ContainerExited {
                    at: cx.now,
                    container: container.clone(),
                    exit: *exit,
                };
                self.hear(node, container.pod, news, cause, queue);
            }
            Report::SandboxExited { node, sandbox } => {
                let worker = self.workers.get(&sandbox.pod);
                let mut cause = cx.cause;
                if cx.store.world.sandboxes.contains_key(sandbox) {
                    cause = cx.change_world(WorldChange::SandboxExited {
                        node: node.clone(),
                        sandbox: *sandbox,
                    });
                } else if !worker.is_some_and(|worker| worker.awaits_sandbox(*sandbox)) {
                    return;
                }
                let news = News::SandboxExited(*sandbox);
                self.hear(node, sandbox.pod, news, cause, queue);
            }
            Report::Engine { runtime, up, .. } => {
                for (name, agent) in &mut self.agents {
                    if agent.runtime == *runtime {
                        agent.engine_is(*up, cx.now);
                        queue.add(Work::Node(name.clone()), cx.cause);
                    }
                }
            }
            Report::Progress { .. } | Report::Usage { .. } => {}
        }
    }

    /// Takes the answer to a call.
    fn answered(
        &mut self,
        call: u64,
        node: &Name,
        result: &Result<Answer, RuntimeError>,
        cx: &mut Context<'_>,
        queue: &mut WorkQueue<Work>,
    ) {
        let Some(agent) = self.agents.get_mut(node) else {
            return;
        };
        let made = matches!(
            result,
            Ok(Answer::Sandbox { .. } | Answer::Created { .. } | Answer::Started)
        );
        let Some(asked) = agent.asked.remove(&call) else {
            if made {
                // Nobody waits for it any more: whether it is still wanted, a listing is to tell.
                agent.relist(cx.now);
                queue.add(Work::Node(node.clone()), cx.cause);
            }
            return;
        };
        let worker = asked.ask.pod().and_then(|pod| self.workers.get_mut(&pod));
        let awaited = worker
            .as_ref()
            .is_some_and(|worker| worker.awaits(&asked.ask));
        let cause = if made && !awaited {
            agent.relist(cx.now);
            queue.add(Work::Node(node.clone()), cx.cause);
            cx.cause
        } else {
            record_truth(node, &asked.ask, result.as_ref(), cx)
        };
        if !agent.on || asked.boot != agent.boot {
            return;
        }
        if asked.ask == Ask::List {
            let unclear = agent.listed(result.is_ok(), cx);
            if let Ok(answer) = result {
                self.listed(node, asked.at, answer, &unclear, cx, queue);
            }
            queue.add(Work::Node(node.clone()), cause);
            return;
        }
        if let Some(pod) = asked.ask.pod() {
            agent.hears_of(pod);
        }
        if let Some(worker) = worker {
            worker.news.push(News::Answered {
                at: cx.now,
                ask: asked.ask.clone(),
                asked_at: asked.at,
                result: result.clone(),
            });
            queue.add(Work::Pod(worker.uid), cause);
        }
        let open = |error: &RuntimeError| error.kind == RuntimeErrorKind::Unavailable;
        if asked.ask.makes() && result.as_ref().is_err_and(open) {
            agent.doubt(call, asked, cx.now);
            queue.add(Work::Node(node.clone()), cx.cause);
        }
    }

    /// Passes news to a pod's worker, if its kubelet runs.
    fn hear(&mut self, node: &Name, pod: Uid, news: News, cause: u64, queue: &mut WorkQueue<Work>) {
        if let Some(agent) = self.agents.get_mut(node).filter(|agent| agent.on)
            && let Some(worker) = self.workers.get_mut(&pod)
        {
            agent.hears_of(pod);
            worker.news.push(news);
            queue.add(Work::Pod(pod), cause);
        }
    }

    fn reconcile_pod(&mut self, uid: Uid, cx: &mut Context<'_>) -> Outcome {
        let Some(worker) = self.workers.get_mut(&uid) else {
            return Outcome::Done;
        };
        let Some(agent) = self.agents.get_mut(&worker.node) else {
            return Outcome::Done;
        };
        // A dark node's pods are looked at again when it is back.
        if !agent.on || agent.booted != agent.boot || agent.recovering {
            return Outcome::Done;
        }
        // So are those of a node whose runtime is down, when it answers.
        if !agent.has_runtime(cx) {
            return Outcome::Done;
        }
        let wake = worker.sync(agent, cx);
        if worker.is_removed() {
            agent.pods.remove(&uid);
            agent.hears_of(uid);
            self.workers.remove(&uid);
            forget_containers(uid, cx);
            return Outcome::Done;
        }
        wake.map_or(Outcome::Done, Outcome::At)
    }

    fn reconcile_node(&mut self, name: &Name, cx: &mut Context<'_>) -> Outcome {
        let Some(agent) = self.agents.get_mut(name) else {
            return Outcome::Done;
        };
        if agent.boot == 0 {
            // A machine that the world does not know yet is on from here.
            cx.change_world(WorldChange::NodeOn { node: name.clone() });
            return Outcome::Done;
        }
        if !agent.on {
            return Outcome::Done;
        }
        if agent.booted != agent.boot {
            if !agent.connected {
                // A kubelet that has just started knows its pods from the API alone.
                return Outcome::Done;
            }
            agent.boot_up(cx);
            for uid in &agent.pods {
                if let Some(worker) = self.workers.get_mut(uid) {
                    worker.restarted();
                }
            }
        }
        Outcome::At(agent.beat(cx))
    }
}

/// Records that a pod's containers are removed.
fn forget_containers(pod: Uid, cx: &mut Context<'_>) {
    let all = cx.store.world.containers_of(pod);
    let all: Vec<_> = all
        .map(|(id, (node, _))| (node.clone(), id.clone()))
        .collect();
    for (node, container) in all {
        cx.change_world(WorldChange::ContainerRemoved { node, container });
    }
}

/// Records what an answer says about the truth; the number of the record, for what follows from it.
fn record_truth(
    node: &Name,
    ask: &Ask,
    result: Result<&Answer, &RuntimeError>,
    cx: &mut Context<'_>,
) -> u64 {
    let node = node.clone();
    let is_gone = result.is_err_and(|error| error.kind == RuntimeErrorKind::NotFound);
    match (ask, result.ok()) {
        (Ask::RunSandbox(sandbox), Some(Answer::Sandbox { .. })) => {
            cx.change_world(WorldChange::SandboxStarted {
                node,
                sandbox: *sandbox,
            })
        }
        (Ask::Start(container), Some(Answer::Started)) => {
            // The report of its end may have come before the answer.
            let known = cx.store.world.containers.get(container);
            if known.is_some_and(|(_, truth)| matches!(truth, ContainerTruth::Exited { .. })) {
                return cx.cause;
            }
            cx.change_world(WorldChange::ContainerStarted {
                node,
                container: container.clone(),
            })
        }
        (Ask::Stop(container), Some(Answer::Stopped { exit })) => {
            let known = cx.store.world.containers.get(container);
            if !known.is_some_and(|(_, truth)| matches!(truth, ContainerTruth::Running { .. })) {
                return cx.cause;
            }
            cx.change_world(WorldChange::ContainerExited {
                node,
                container: container.clone(),
                exit: *exit,
            })
        }
        (Ask::StopSandbox(sandbox) | Ask::RemoveSandbox(sandbox), answer)
            if (answer == Some(&Answer::Removed) || is_gone)
                && cx.store.world.sandboxes.contains_key(sandbox) =>
        {
            cx.change_world(WorldChange::SandboxExited {
                node,
                sandbox: *sandbox,
            })
        }
        (Ask::RemoveContainer(container), answer)
            if (answer == Some(&Answer::Removed) || is_gone)
                && cx.store.world.containers.contains_key(container) =>
        {
            cx.change_world(WorldChange::ContainerRemoved {
                node,
                container: container.clone(),
            })
        }
        _ => cx.cause,
    }
}

#[cfg(test)]
mod tests;
