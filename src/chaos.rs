//! Faults, how each is undone, and what comes of them.
//!
//! A fault changes the truth at once and asks the runtimes to act on it; the control plane is not told. [`inject`] does
//! that. An incident follows what the control plane makes of it, from the log: [`recovery`].

mod inject;
mod recovery;
mod waiting;

use std::collections::BTreeMap;

use self::recovery::Recovery;
use crate::{
    api::{Name, Object},
    store::{
        Context, Input, Outcome, Reconciler, Record, Store, WakeUp, What, WorkQueue,
        world::{Power, WorldChange},
    },
};

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A node that is rebooting.
    Boot(Name),
    /// An incident, by its number.
    Incident(u64),
}

/// Injects faults and follows what comes of them.
#[derive(Clone, Debug, Default)]
pub struct Chaos {
    /// Incidents that are not over, by their number.
    open: BTreeMap<u64, Recovery>,
}

impl Reconciler for Chaos {
    type Key = Work;
    const NAME: &'static str = "kubeplay-chaos";

    fn observe(&mut self, record: &Record, _: &Store, wake: &mut WakeUp<'_, Work>) {
        match &record.what {
            What::World(WorldChange::NodeBooting { node, until }) => {
                wake.at(Work::Boot(node.clone()), *until);
            }
            What::World(change) => {
                for (id, recovery) in &self.open {
                    if recovery.is_about_node(change.node()) && is_power(change) {
                        wake.now(Work::Incident(*id));
                    }
                }
            }
            What::Change(change) => {
                for (id, recovery) in &mut self.open {
                    let concerns = match &change.object {
                        Object::Pod(pod) => recovery.sees_pod(pod, change.op),
                        Object::Node(node) => recovery.sees_node(node),
                        Object::ReplicaSet(_) => recovery.sees_owner(change.object.uid()),
                        _ => false,
                    };
                    if concerns {
                        wake.now(Work::Incident(*id));
                    }
                }
            }
            _ => {}
        }
    }

    fn input(&mut self, input: &Input, cx: &mut Context<'_>, queue: &mut WorkQueue<Work>) {
        if let Input::Fault(request) = input {
            self.take(request, cx, queue);
        }
    }

    fn reconcile(&mut self, work: &Work, cx: &mut Context<'_>) -> Outcome {
        match work {
            Work::Boot(node) => boot(node, cx),
            Work::Incident(id) => {
                if let Some(recovery) = self.open.get_mut(id)
                    && recovery.follow(cx)
                {
                    self.open.remove(id);
                }
                Outcome::Done
            }
        }
    }
}

/// Whether a change of the truth is about a machine, not about what runs on it.
const fn is_power(change: &WorldChange) -> bool {
    matches!(
        change,
        WorldChange::NodeOn { .. }
            | WorldChange::NodeOff { .. }
            | WorldChange::HeartbeatsCut { .. }
            | WorldChange::HeartbeatsRestored { .. }
    )
}

/// Starts a machine whose reboot is over.
fn boot(node: &Name, cx: &mut Context<'_>) -> Outcome {
    let power = cx.store.world.nodes.get(node).map(|truth| truth.power);
    match power {
        Some(Power::Booting { until }) if until <= cx.now => {
            cx.change_world(WorldChange::NodeOn { node: node.clone() });
            Outcome::Done
        }
        Some(Power::Booting { until }) => Outcome::At(until),
        // It was killed in the meantime, or is on already.
        _ => Outcome::Done,
    }
}

#[cfg(test)]
mod tests;
