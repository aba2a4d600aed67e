//! From a fault to the recovery: what the control plane has noticed and done, read from the log.
//!
//! An incident is over when the workloads that were hit have as many ready pods as before. A pod that nobody controls
//! has to be ready itself; if it is deleted, nothing will bring it back, and nothing is waited for.

use std::{collections::BTreeMap, sync::Arc};

use super::waiting;
use crate::{
    api::{Kind, Name, Node, Pod, ReplicaSet, Time, Uid},
    store::{
        Context, Incident, Op, Store,
        incident::Phase,
        input::{Fault, Target},
    },
};

/// A pod that was hit.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub pod: Arc<Pod>,
    pub gone: bool,
}

/// What was ready before the fault.
#[derive(Clone, Debug)]
struct Before {
    kind: Kind,
    key: crate::api::Key,
    ready: usize,
}

/// An incident that is not over.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    id: u64,
    pub fault: Fault,
    pub target: Target,
    /// The pods that were hit, as they are now.
    pub hit: BTreeMap<Uid, Hit>,
    /// The controllers of these pods.
    owners: BTreeMap<Uid, Before>,
    /// Pods that these controllers have made since, as they are now.
    pub replacements: BTreeMap<Uid, Arc<Pod>>,
    /// Since when the node is believed to be unwell.
    pub not_ready: bool,
    /// When the node got its NoExecute taint.
    pub tainted: Option<Time>,
    pods_noticed: bool,
}

/// Whether a node has a taint for being not ready or unreachable that evicts, and since when.
fn eviction_taint(node: &Node) -> Option<Option<Time>> {
    let taints = node.spec.as_ref()?.taints.as_ref()?;
    let found = taints.iter().find(|taint| {
        let unwell = [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
        ];
        taint.effect == "NoExecute" && unwell.contains(&taint.key.as_str())
    })?;
    Some(found.time_added.as_ref().map(Time::from))
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    let ready = conditions.and_then(|all| all.iter().find(|c| c.type_ == "Ready"));
    ready.is_some_and(|condition| condition.status == "True")
}

impl Recovery {
    /// Begins to follow a fault that hit these pods.
    pub fn begin(id: u64, fault: Fault, target: &Target, hit: &[Arc<Pod>], store: &Store) -> Self {
        let mut owners = BTreeMap::new();
        for owner in hit
            .iter()
            .filter_map(|pod| pod.meta.controller().map(|o| (o, pod)))
        {
            let (owner, pod) = owner;
            owners.entry(owner.uid).or_insert_with(|| Before {
                kind: Kind::find(&owner.api_version, &owner.kind).unwrap_or(Kind::Pod),
                key: crate::api::Key::new(pod.meta.key.namespace.clone(), owner.name.clone()),
                ready: store.objects.pod_counts(owner.uid).ready,
            });
        }
        let hit = hit.iter().map(|pod| {
            let pod = Arc::clone(pod);
            (pod.meta.uid, Hit { pod, gone: false })
        });
        Self {
            id,
            fault,
            target: target.clone(),
            hit: hit.collect(),
            owners,
            replacements: BTreeMap::new(),
            not_ready: false,
            tainted: None,
            pods_noticed: false,
        }
    }

    /// Whether the fault was done to this node.
    pub fn is_about_node(&self, node: &Name) -> bool {
        matches!(&self.target, Target::Node(name) if name == node)
    }

    /// Takes a change of a pod; whether it matters.
    pub fn sees_pod(&mut self, pod: &Arc<Pod>, op: Op) -> bool {
        let uid = pod.meta.uid;
        if let Some(hit) = self.hit.get_mut(&uid) {
            self.pods_noticed |= !pod.is_ready();
            hit.pod = Arc::clone(pod);
            hit.gone |= op == Op::Deleted;
            return true;
        }
        let owned = |pod: &Pod| {
            let controller = pod.meta.controller();
            controller.is_some_and(|owner| self.owners.contains_key(&owner.uid))
        };
        if op == Op::Deleted {
            return self.replacements.remove(&uid).is_some() || owned(pod);
        }
        if (op == Op::Added && owned(pod)) || self.replacements.contains_key(&uid) {
            self.replacements.insert(uid, Arc::clone(pod));
            return true;
        }
        // A sibling that was not hit: only its readiness counts.
        owned(pod)
    }

    /// Takes a change of a node; whether it matters.
    pub fn sees_node(&mut self, node: &Arc<Node>) -> bool {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        if !matches!(&self.target, Target::Node(target) if &**target == name) {
            return false;
        }
        let before = (self.not_ready, self.tainted.is_some());
        self.not_ready = !is_ready(node);
        match eviction_taint(node) {
            Some(added) => self.tainted = self.tainted.or(added).or(Some(Time::ZERO)),
            None => self.tainted = None,
        }
        before != (self.not_ready, self.tainted.is_some())
    }

    /// Whether an object controls pods that were hit.
    pub fn sees_owner(&self, owner: Uid) -> bool {
        self.owners.contains_key(&owner)
    }

    /// Brings the incident up to date; whether it is over.
    pub fn follow(&mut self, cx: &mut Context<'_>) -> bool {
        let index = cx
            .store
            .incidents
            .iter()
            .rposition(|incident| incident.id == self.id);
        let Some(index) = index else { return true };
        let Some(incident) = cx.store.incidents.get(index).cloned() else {
            return true;
        };
        let mut incident = Incident::clone(&incident);
        for phase in Phase::ALL {
            let known = incident.phases.iter().any(|(known, _, _)| *known == phase);
            if !known && self.is_complete(phase, &incident, cx.store) {
                incident.phases.push((phase, cx.now, cx.cause));
            }
        }
        let over = self.is_over(&incident, cx.store);
        if over {
            incident.recovered = Some(cx.now);
            incident.waiting_for = Name::from("");
            incident.waiting_until = None;
        } else {
            let (what, until) = waiting::waits_for(self, &incident, cx);
            incident.waiting_for = what.into();
            incident.waiting_until = until;
        }
        if let Some(slot) = cx.store.incidents.get_mut(index) {
            *slot = Arc::new(incident);
        }
        over
    }

    fn is_over(&self, incident: &Incident, store: &Store) -> bool {
        if self.hit.is_empty() {
            return true;
        }
        let noticed = incident
            .phases
            .iter()
            .any(|(phase, _, _)| *phase == Phase::Noticed);
        // What was undone before anybody noticed has done no harm, unless it killed something.
        let harmless = self.fault == Fault::CutHeartbeats && incident.healed.is_some();
        (noticed || harmless) && self.is_ready_again(store)
    }

    fn is_complete(&self, phase: Phase, incident: &Incident, store: &Store) -> bool {
        let known = |phase| incident.phases.iter().any(|(known, _, _)| *known == phase);
        match phase {
            Phase::Noticed => self.not_ready || self.pods_noticed,
            Phase::Tainted => self.tainted.is_some(),
            Phase::Evicted => !self.hit.is_empty() && self.left() == 0,
            Phase::Replaced => {
                known(Phase::Evicted) && self.replacements.len() >= self.to_be_replaced(store)
            }
            Phase::Scheduled => {
                let bound = self.replacements.values().filter(|pod| pod.node.is_some());
                known(Phase::Replaced) && bound.count() >= self.to_be_replaced(store)
            }
            Phase::Ready => known(Phase::Noticed) && self.is_ready_again(store),
        }
    }

    /// How many of the pods that were hit are neither gone nor asked to go.
    pub fn left(&self) -> usize {
        let stays = |hit: &&Hit| !hit.gone && hit.pod.is_active();
        self.hit.values().filter(stays).count()
    }

    /// How many pods have to be made anew: those that were hit and have a controller that still wants them.
    pub fn to_be_replaced(&self, store: &Store) -> usize {
        let wanted = |hit: &&Hit| {
            let owner = hit.pod.meta.controller();
            owner.is_some_and(|owner| self.wants(owner.uid, store) > 0)
        };
        self.hit.values().filter(wanted).count()
    }

    /// How many ready pods a controller is to have: as before, or fewer if it wants fewer now.
    fn wants(&self, owner: Uid, store: &Store) -> usize {
        let Some(before) = self.owners.get(&owner) else {
            return 0;
        };
        if before.kind != Kind::ReplicaSet {
            return before.ready;
        }
        let found = store.objects.get::<ReplicaSet>(&before.key);
        let replicas = found.and_then(|set| set.spec.as_ref()?.replicas);
        before
            .ready
            .min(usize::try_from(replicas.unwrap_or(0)).unwrap_or(0))
    }

    /// How many ready pods are missing.
    pub fn missing(&self, store: &Store) -> usize {
        let short = |owner: &Uid| {
            let ready = store.objects.pod_counts(*owner).ready;
            self.wants(*owner, store).saturating_sub(ready)
        };
        let lone = |hit: &&Hit| {
            hit.pod.meta.controller().is_none()
                && !hit.gone
                && !hit.pod.is_terminal()
                && !hit.pod.is_ready()
        };
        self.owners.keys().map(short).sum::<usize>() + self.hit.values().filter(lone).count()
    }

    fn is_ready_again(&self, store: &Store) -> bool {
        self.missing(store) == 0
    }
}
