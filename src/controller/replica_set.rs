//! ReplicaSets: as many pods as asked for (`pkg/controller/replicaset`).
//!
//! A reconcile in which nothing is to do costs the same however many pods there are: the store counts a set's pods, and
//! what it does not count (pods to adopt or release, pods that lack a label, pods that are not ready for long enough) is
//! kept here as they change. All pods of one generation of a template share one spec, one set of labels, one owner.

mod claims;
mod known;
pub mod ranking;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{ReplicaSetCondition, ReplicaSetStatus};

use self::{
    known::Known,
    ranking::{Ranked, deletion_order},
};
use super::common::{controlled_by, count, pod_controller, same_labels, unless_zero};
use crate::{
    api::{ApiError, EventType, Key, Kind, Name, Object, Pod, ReplicaSet, Resource},
    store::{
        Change, Context, Defect, DeleteOptions, Op, Outcome, Reconciler, Record, Store, WakeUp,
        What,
    },
};

/// How many pods one reconcile creates or deletes at most.
const BURST: usize = 500;

/// The ReplicaSet controller.
#[derive(Clone, Debug, Default)]
pub struct ReplicaSetController {
    /// What is known of each set beside what the store says.
    sets: BTreeMap<Key, Known>,
    /// Active pods that nobody controls.
    orphans: BTreeSet<Key>,
}

impl Reconciler for ReplicaSetController {
    type Key = Key;
    const NAME: &'static str = "replicaset-controller";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Key>) {
        let What::Change(change) = &record.what else {
            return;
        };
        match &change.object {
            Object::ReplicaSet(set) => self.observe_set(set, change, store, wake),
            Object::Pod(pod) => self.observe_pod(pod, change, store, wake),
            Object::PriorityClass(_) => {
                // A pod's priority comes from its class when it is admitted.
                self.sets
                    .values_mut()
                    .for_each(|known| known.template = None);
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut Context<'_>) -> Outcome {
        let Some(set) = cx.get::<ReplicaSet>(key) else {
            self.sets.remove(key);
            return Outcome::Done;
        };
        let known = self.sets.entry(key.clone()).or_default();
        if claims::settle(known, &set, cx).is_err() {
            return Outcome::Retry;
        }
        known.follow(&set, cx);
        let managed = match set.deletion() {
            Some(_) => Ok(0),
            None => manage(known, &set, cx),
        };
        let status = status(known, &set, managed.as_ref().err(), cx);
        if set.status.as_ref() != Some(&status) {
            let mut set = ReplicaSet::clone(&set);
            set.status = Some(status);
            if cx.update_status(set).is_err() {
                return Outcome::Retry;
            }
        }
        match managed {
            Err(_) => Outcome::Retry,
            Ok(0) => known.next_available().map_or(Outcome::Done, Outcome::At),
            Ok(_) => Outcome::At(cx.now),
        }
    }
}

impl ReplicaSetController {
    fn observe_set(
        &mut self,
        set: &ReplicaSet,
        change: &Change,
        store: &Store,
        wake: &mut WakeUp<'_, Key>,
    ) {
        let key = set.key();
        match change.op {
            Op::Deleted => {
                self.sets.remove(&key);
                return;
            }
            Op::Added => {
                let mut known = Known::default();
                let candidates = self.orphans.iter();
                let candidates = candidates.filter_map(|pod| store.objects.get::<Pod>(pod));
                claims::adoptable(&mut known, set, candidates.map(|pod| &**pod));
                self.sets.insert(key.clone(), known);
            }
            // What this controller wrote is the status alone.
            Op::Modified if change.by == Self::NAME => return,
            Op::Modified => {}
        }
        wake.now(key);
    }

    fn observe_pod(
        &mut self,
        pod: &Pod,
        change: &Change,
        store: &Store,
        wake: &mut WakeUp<'_, Key>,
    ) {
        let old = match &change.old {
            Some(Object::Pod(old)) => Some(&**old),
            _ => None,
        };
        if change.op == Op::Modified
            && let Some(old) = old
            && looks_the_same(old, pod)
        {
            return;
        }
        let gone = change.op == Op::Deleted;
        let was = old.and_then(|old| pod_controller(old, Kind::ReplicaSet));
        let is = pod_controller(pod, Kind::ReplicaSet);
        if let Some((key, _)) = &was
            && was != is
            && let Some(known) = self.sets.get_mut(key)
        {
            known.forget(pod);
            wake.now(key.clone());
        }
        if let Some((key, uid)) = is
            && let Some(known) = self.sets.get_mut(&key)
            && let Some(set) = store.objects.get::<ReplicaSet>(&key)
            && set.uid() == uid
        {
            if gone {
                known.forget(pod);
            } else {
                let relabelled =
                    old.is_some_and(|old| !same_labels(&old.meta.labels, &pod.meta.labels));
                known.see(pod, set, relabelled);
            }
            wake.now(key);
        }
        self.observe_orphan(pod, gone, store, wake);
    }

    /// A pod that nobody controls may be one for a set to adopt.
    fn observe_orphan(&mut self, pod: &Pod, gone: bool, store: &Store, wake: &mut WakeUp<'_, Key>) {
        let key = &pod.meta.key;
        if gone || pod.meta.controller().is_some() || !pod.is_active() {
            self.orphans.remove(key);
            return;
        }
        self.orphans.insert(key.clone());
        let first = Key::new(key.namespace.clone(), "");
        let sets = store.objects.replica_sets.range(first..);
        for (set_key, set) in sets.take_while(|(other, _)| other.namespace == key.namespace) {
            if let Some(known) = self.sets.get_mut(set_key)
                && claims::adoptable(known, set, std::iter::once(pod))
            {
                wake.now(set_key.clone());
            }
        }
    }
}

/// Whether nothing about the pod changed that a ReplicaSet looks at.
fn looks_the_same(old: &Pod, new: &Pod) -> bool {
    old.is_terminal() == new.is_terminal()
        && old.is_terminating() == new.is_terminating()
        && old.is_ready() == new.is_ready()
        && same_labels(&old.meta.labels, &new.meta.labels)
        && (std::sync::Arc::ptr_eq(&old.meta.owners, &new.meta.owners)
            || old.meta.owners == new.meta.owners)
}

/// What went wrong with a pod: the condition's reason and its message.
#[derive(Clone, Debug)]
struct Failure {
    reason: &'static str,
    message: String,
}

/// How many pods are asked for.
fn desired(set: &ReplicaSet, cx: &Context<'_>) -> usize {
    let asked = set.spec.as_ref().and_then(|spec| spec.replicas);
    let mut desired = usize::try_from(asked.unwrap_or(1)).unwrap_or(0);
    if cx.config.defect == Some(Defect::ReplicaTooMany) && desired > 0 {
        desired += 1;
    }
    desired
}

/// Creates what is missing or deletes what is too much. Returns how many are still to be created or deleted after this.
fn manage(known: &mut Known, set: &ReplicaSet, cx: &mut Context<'_>) -> Result<usize, Failure> {
    let active = cx.store.objects.pod_counts(set.uid()).active;
    let desired = desired(set, cx);
    if active < desired {
        let missing = desired - active;
        create_pods(known, set, missing.min(BURST), cx).map_err(|error| Failure {
            reason: "FailedCreate",
            message: error.message,
        })?;
        return Ok(missing.saturating_sub(BURST));
    }
    let surplus = active - desired;
    if surplus > 0 {
        delete_pods(set, surplus.min(BURST), cx).map_err(|error| Failure {
            reason: "FailedDelete",
            message: error.message,
        })?;
    }
    Ok(surplus.saturating_sub(BURST))
}

/// Creates pods. The first that is refused ends the batch.
fn create_pods(
    known: &mut Known,
    set: &ReplicaSet,
    number: usize,
    cx: &mut Context<'_>,
) -> Result<(), ApiError> {
    for _ in 0..number {
        let created = known
            .template(set, cx)
            .and_then(|template| create_pod(template, cx));
        match created {
            Ok(name) => {
                let message = format!("Created pod: {name}");
                cx.event(set, EventType::Normal, "SuccessfulCreate", message);
            }
            Err(error) => {
                let message = format!("Error creating: {error}");
                cx.event(set, EventType::Warning, "FailedCreate", message);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Creates one pod under a name that is free. Five characters are few: of 20,000 pods some draw the same.
fn create_pod(template: Pod, cx: &mut Context<'_>) -> Result<Name, ApiError> {
    const DRAWS: u64 = 8; // as the API server
    let prefix = template.meta.generate_name.clone().unwrap_or_default();
    let namespace = template.meta.key.namespace.clone();
    let first = cx.store.log.next_seq() * DRAWS;
    let name = |draw| Name::from(format!("{prefix}{}", cx.random().suffix(&prefix, draw)));
    let free = |name: &Name| {
        let key = Key::new(namespace.clone(), name.clone());
        !cx.store.objects.pods.contains_key(&key)
    };
    let name = (first..first + DRAWS)
        .map(name)
        .find(free)
        .unwrap_or_else(|| name(first));
    let mut pod = template;
    pod.meta.key = Key::new(namespace, name.clone());
    cx.create(pod).map(|_| name)
}

/// Deletes so many pods, those first that upstream would delete first.
fn delete_pods(set: &ReplicaSet, number: usize, cx: &mut Context<'_>) -> Result<(), ApiError> {
    for key in victims(set, number, cx) {
        match cx.delete::<Pod>(&key, &DeleteOptions::default()) {
            Ok(_) => {
                let message = format!("Deleted pod: {}", key.name);
                cx.event(set, EventType::Normal, "SuccessfulDelete", message);
            }
            Err(error) => {
                let message = format!("Error deleting: {error}");
                cx.event(set, EventType::Warning, "FailedDelete", message);
                return Err(error);
            }
        }
    }
    Ok(())
}

fn victims(set: &ReplicaSet, number: usize, cx: &Context<'_>) -> Vec<Key> {
    let objects = &cx.store.objects;
    let uid = set.uid();
    let own = |pod: &&std::sync::Arc<Pod>| {
        pod.is_active() && pod.meta.controller().is_some_and(|owner| owner.uid == uid)
    };
    let pods: Vec<_> = objects.pods_of(uid).filter(own).collect();
    if number >= pods.len() {
        return pods.iter().map(|pod| pod.meta.key.clone()).collect();
    }
    let crowd = crowding(set, cx);
    let rank = |pod: &Pod| {
        pod.node
            .as_ref()
            .map_or(0, |node| crowd.get(node).copied().unwrap_or(0))
    };
    let ranked = pods.iter().map(|pod| Ranked {
        pod,
        rank: rank(pod),
    });
    let ordered = deletion_order(ranked.collect(), cx.now);
    let first = ordered.iter().take(number);
    first.map(|ranked| ranked.pod.meta.key.clone()).collect()
}

/// How many active pods of the sets with the same owner run on each node.
fn crowding(set: &ReplicaSet, cx: &Context<'_>) -> BTreeMap<Name, usize> {
    let objects = &cx.store.objects;
    let owner = controlled_by(set.metadata.owner_references.as_ref(), Kind::Deployment);
    let related: Vec<_> = match owner.and_then(|owner| owner.uid.parse().ok()) {
        Some(owner) => objects
            .owned_by(owner)
            .filter(|reference| reference.kind == Kind::ReplicaSet)
            .filter_map(|reference| objects.replica_sets.get(&reference.key))
            .map(|set| set.uid())
            .collect(),
        None => vec![set.uid()],
    };
    let mut crowd = BTreeMap::new();
    for pod in related.into_iter().flat_map(|uid| objects.pods_of(uid)) {
        if let Some(node) = pod.node.as_ref().filter(|_| pod.is_active()) {
            *crowd.entry(node.clone()).or_insert(0) += 1;
        }
    }
    crowd
}

/// The status as it should be (`calculateStatus`).
fn status(
    known: &Known,
    set: &ReplicaSet,
    failure: Option<&Failure>,
    cx: &Context<'_>,
) -> ReplicaSetStatus {
    let counts = cx.store.objects.pod_counts(set.uid());
    let old = set.status.clone().unwrap_or_default();
    let mut conditions = old.conditions.unwrap_or_default();
    match failure {
        None => conditions.retain(|c| c.type_ != "ReplicaFailure"),
        Some(failure) if !conditions.iter().any(|c| c.type_ == "ReplicaFailure") => {
            conditions.push(ReplicaSetCondition {
                type_: "ReplicaFailure".to_owned(),
                status: "True".to_owned(),
                reason: Some(failure.reason.to_owned()),
                message: Some(failure.message.clone()),
                last_transition_time: Some(cx.now.to_k8s()),
            });
        }
        Some(_) => {}
    }
    let unlabeled = known.unlabeled(&cx.store.objects);
    ReplicaSetStatus {
        replicas: count(counts.active),
        fully_labeled_replicas: unless_zero(count(counts.active.saturating_sub(unlabeled))),
        ready_replicas: unless_zero(count(counts.ready)),
        available_replicas: unless_zero(count(counts.ready.saturating_sub(known.ripening()))),
        terminating_replicas: Some(count(counts.terminating)),
        observed_generation: Some(set.generation()),
        conditions: (!conditions.is_empty()).then_some(conditions),
    }
}
