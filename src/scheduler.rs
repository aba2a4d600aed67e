//! The scheduler: which node a pod goes to, decided as kube-scheduler decides, and every decision recorded.
//!
//! | room | upstream (`pkg/scheduler`) |
//! |---|---|
//! | [`queue`] | `backend/queue`: active, backing off, waiting, gated |
//! | [`node_cache`], [`resources`] | `backend/cache`, `framework/types.go`: nodes and the sums of what is on them |
//! | [`framework`], [`plugins`] | `framework`: extension points, and a file for each plugin |
//! | [`shape`] | verdicts and scores of all nodes for all pods of one spec, kept between cycles; ours |
//! | [`cycle`](self), [`message`], [`explain`] | `schedule_one.go`, `framework.FitError`; the record of a decision |
//!
//! It learns of nodes and pods from the log alone, change by change, and never scans all pods. All nodes are filtered and
//! scored (upstream samples them from 100 on).

pub mod conditions;
mod cycle;
pub mod explain;
pub mod framework;
pub mod message;
pub mod node_cache;
pub mod plugins;
pub mod queue;
pub mod resources;
pub mod shape;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use self::{
    framework::Profile,
    node_cache::{NodeCache, Slot},
    queue::SchedulingQueue,
    resources::PodInfos,
    shape::Shapes,
};
use crate::{
    api::{Object, Pod, Time},
    store::{Change, Component, Config, Context, Defect, Input, Op, Record, Store, What},
};

/// The scheduler.
#[derive(Clone, Default)]
pub struct Scheduler {
    profile: Profile,
    queue: SchedulingQueue,
    nodes: NodeCache,
    infos: PodInfos,
    shapes: Shapes,
    /// Counts decisions.
    decisions: u64,
    defect: Option<Defect>,
}

impl fmt::Debug for Scheduler {
    /// What its next decisions depend on; the columns follow from that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("queue", &self.queue)
            .field("nodes", &self.nodes)
            .field("decisions", &self.decisions)
            .finish_non_exhaustive()
    }
}

impl Component for Scheduler {
    fn name(&self) -> &'static str {
        "default-scheduler"
    }

    fn start(&mut self, config: &Config) {
        self.queue = SchedulingQueue::new(&config.timing);
        self.defect = config.defect;
        if config.defect == Some(Defect::FitIgnored) {
            self.profile = Profile::default().without("NodeResourcesFit");
        }
    }

    fn observe(&mut self, record: &Record, _: &Store) {
        let What::Change(change) = &record.what else {
            return;
        };
        match &change.object {
            Object::Node(node) if change.op == Op::Deleted => {
                self.nodes
                    .remove_node(node.metadata.name.as_deref().unwrap_or_default());
            }
            Object::Node(node) => {
                if let Some(slot) = self.nodes.set_node(node) {
                    self.wake(slot, record);
                }
            }
            Object::Pod(pod) => self.observe_pod(pod, change, record),
            _ => {}
        }
    }

    fn input(&mut self, _: &Input, _: &mut Context<'_>) {}

    fn advance(&mut self, now: Time) -> usize {
        self.queue.advance(now);
        self.queue.len()
    }

    fn run_one(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(queued) = self.queue.pop() else {
            return false;
        };
        cx.by = self.name();
        cx.cause = queued.cause;
        if let Some(pod) = cx.get::<Pod>(&queued.key) {
            self.schedule(&pod, queued, cx);
        }
        true
    }

    fn next_deadline(&self) -> Option<Time> {
        self.queue.next_deadline()
    }

    fn boxed(&self) -> Box<dyn Component> {
        Box::new(self.clone())
    }
}

impl Scheduler {
    fn observe_pod(&mut self, pod: &Arc<Pod>, change: &Change, record: &Record) {
        let old = match &change.old {
            Some(Object::Pod(old)) => Some(old),
            _ => None,
        };
        let same_spec =
            old.is_some_and(|old| Arc::ptr_eq(&old.spec, &pod.spec) || old.spec == pod.spec);
        let gone = change.op == Op::Deleted;
        if let (Some(node), false, false) = (&pod.node, gone, pod.is_terminal()) {
            let moved = old.is_none_or(|old| old.node != pod.node || old.is_terminal());
            if moved || !same_spec {
                self.nodes
                    .place(pod.meta.uid, node, &self.infos.of(&pod.spec));
            }
        } else if let Some(slot) = self.nodes.remove(pod.meta.uid) {
            self.wake(slot, record);
        }
        if gone || !self.is_wanted(pod, old) {
            self.queue.remove(&pod.meta.key);
            return;
        }
        let gated = !self.profile.may_enqueue(pod);
        if !self.queue.contains(&pod.meta.key) {
            self.queue.add(pod, gated, record.at, record.seq);
        } else if !same_spec || old.is_some_and(|old| old.meta.labels != pod.meta.labels) {
            self.queue.update(pod, gated, record.at, record.seq);
        }
    }

    /// Whether a pod wants a node from this scheduler.
    fn is_wanted(&self, pod: &Pod, old: Option<&Arc<Pod>>) -> bool {
        if self.defect == Some(Defect::BindsTwice)
            && pod.is_ready()
            && old.is_some_and(|old| !old.is_ready())
        {
            return true;
        }
        let scheduler = pod.spec.scheduler_name.as_deref();
        pod.node.is_none()
            && pod.is_active()
            && scheduler.is_none_or(|name| *name == *self.profile.name)
    }

    /// Wakes the pods for which a node that changed is better now.
    fn wake(&mut self, slot: Slot, record: &Record) {
        if self.defect == Some(Defect::WakeLost) {
            return;
        }
        for id in self.queue.waiting_shapes() {
            // A shape that is not kept any more cannot tell: its pods try.
            let shape = self.shapes.get_mut(id);
            if shape.is_none_or(|shape| shape.improves(slot, &self.nodes)) {
                self.queue.wake(id, record.at, record.seq);
            }
        }
    }
}
