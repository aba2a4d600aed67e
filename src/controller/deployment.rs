//! Deployments: ReplicaSets of the old and the new template, exchanged within bounds (`pkg/controller/deployment`).
//!
//! A Deployment never looks at pods: it scales ReplicaSets and reads their statuses, and takes one step at a time. Every
//! write wakes it again for the next.

pub mod rolling;
mod sets;
mod status;

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::{
    api::apps::v1::DeploymentStatus,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference},
};

use self::{
    rolling::{Share, Strategy, proportional},
    sets::{annotate_size, available, by_age, desired_annotation, max_annotation, revision, size},
};
use super::common::{controlled_by, controller_ref};
use crate::{
    api::{
        ApiError, Deployment, EventType, Key, Kind, Object, ReplicaSet, Resource,
        selector::Selector,
    },
    store::{Context, Defect, DeleteOptions, Op, Outcome, Reconciler, Record, Store, WakeUp, What},
};

/// The Deployment controller.
#[derive(Clone, Debug, Default)]
pub struct DeploymentController {
    /// ReplicaSets that nobody controls.
    orphans: BTreeSet<Key>,
}

impl Reconciler for DeploymentController {
    type Key = Key;
    const NAME: &'static str = "deployment-controller";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Key>) {
        let What::Change(change) = &record.what else {
            return;
        };
        match &change.object {
            Object::Deployment(deployment) if change.op != Op::Deleted => {
                wake.now(deployment.key());
            }
            Object::ReplicaSet(set) => {
                for state in [change.old.as_ref(), Some(&change.object)]
                    .into_iter()
                    .flatten()
                {
                    if let Object::ReplicaSet(set) = state
                        && let Some(key) = owner(set)
                    {
                        wake.now(key);
                    }
                }
                self.observe_orphan(set, change.op == Op::Deleted, store, wake);
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut Context<'_>) -> Outcome {
        let Some(deployment) = cx.get::<Deployment>(key) else {
            return Outcome::Done;
        };
        let sets = match claim(&deployment, &self.orphans, cx) {
            Ok(sets) => sets,
            Err(_) => return Outcome::Retry,
        };
        let mut rollout = Rollout {
            strategy: Strategy::of(&deployment),
            status: deployment.status.clone().unwrap_or_default(),
            deployment,
            sets,
            new: None,
            cx,
        };
        rollout.find_new();
        rollout.sync().unwrap_or(Outcome::Retry)
    }
}

impl DeploymentController {
    fn observe_orphan(
        &mut self,
        set: &ReplicaSet,
        gone: bool,
        store: &Store,
        wake: &mut WakeUp<'_, Key>,
    ) {
        let key = set.key();
        if gone || set.owners().iter().any(|owner| owner.controller) {
            self.orphans.remove(&key);
            return;
        }
        let first = Key::new(key.namespace.clone(), "");
        let deployments = store.objects.deployments.range(first..);
        for (other, deployment) in deployments.take_while(|(k, _)| k.namespace == key.namespace) {
            if selector(deployment).matches(Resource::labels(set)) {
                wake.now(other.clone());
            }
        }
        self.orphans.insert(key);
    }
}

/// The Deployment that controls a set.
fn owner(set: &ReplicaSet) -> Option<Key> {
    let owner = controlled_by(set.metadata.owner_references.as_ref(), Kind::Deployment)?;
    Some(Key::new(set.key().namespace, owner.name.as_str()))
}

fn selector(deployment: &Deployment) -> Selector {
    Selector::of(deployment.spec.as_ref().map(|spec| &spec.selector))
}

/// The Deployment's ReplicaSets, oldest first, after adopting those of nobody that it selects and releasing those that it
/// does not select any more.
fn claim(
    deployment: &Deployment,
    orphans: &BTreeSet<Key>,
    cx: &mut Context<'_>,
) -> Result<Vec<Arc<ReplicaSet>>, ApiError> {
    let uid = deployment.uid();
    let namespace = deployment.key().namespace;
    let selector = selector(deployment);
    let live = deployment.deletion().is_none();
    let find = |key: &Key| cx.store.objects.get::<ReplicaSet>(key).cloned();
    let owned = cx.store.objects.owned_by(uid);
    let mut sets: Vec<_> = owned
        .filter(|reference| reference.kind == Kind::ReplicaSet)
        .filter_map(|reference| find(&reference.key))
        .filter(|set| owner(set).is_some())
        .collect();
    let first = Key::new(namespace.clone(), "");
    let adopted: Vec<_> = orphans
        .range(first..)
        .take_while(|key| live && key.namespace == namespace)
        .filter_map(find)
        .filter(|set| set.deletion().is_none() && selector.matches(Resource::labels(&**set)))
        .collect();
    let selected = |set: &Arc<ReplicaSet>| selector.matches(Resource::labels(&**set));
    let released: Vec<_> = sets.extract_if(.., |set| live && !selected(set)).collect();
    for set in released {
        let mut set = ReplicaSet::clone(&set);
        if let Some(owners) = &mut set.metadata.owner_references {
            owners.retain(|owner| Some(&owner.uid) != deployment.metadata.uid.as_ref());
        }
        cx.update(set)?;
    }
    for set in adopted {
        let mut set = ReplicaSet::clone(&set);
        let reference = OwnerReference::from(&controller_ref(deployment));
        set.metadata
            .owner_references
            .get_or_insert_default()
            .push(reference);
        sets.push(cx.update(set)?);
    }
    sets.sort_by_key(by_age);
    Ok(sets)
}

/// One look at a Deployment.
struct Rollout<'a, 'c> {
    deployment: Arc<Deployment>,
    strategy: Strategy,
    /// The status as it is to be written.
    status: DeploymentStatus,
    /// All ReplicaSets, oldest first.
    sets: Vec<Arc<ReplicaSet>>,
    /// Which of them has the Deployment's template.
    new: Option<usize>,
    cx: &'a mut Context<'c>,
}

impl Rollout<'_, '_> {
    fn paused(&self) -> bool {
        let spec = self.deployment.spec.as_ref();
        spec.and_then(|spec| spec.paused) == Some(true)
    }

    fn new_set_ref(&self) -> Option<&Arc<ReplicaSet>> {
        self.new.and_then(|index| self.sets.get(index))
    }

    /// The sets of other templates, oldest first.
    fn old(&self) -> impl Iterator<Item = (usize, &Arc<ReplicaSet>)> {
        let new = self.new;
        self.sets
            .iter()
            .enumerate()
            .filter(move |(index, _)| Some(*index) != new)
    }

    /// The old sets that have pods or are to have some.
    fn active_old(&self) -> Vec<usize> {
        let active = self.old().filter(|(_, set)| size(set) > 0);
        active.map(|(index, _)| index).collect()
    }

    fn size_of(&self, index: usize) -> i32 {
        self.sets.get(index).map_or(0, |set| size(set))
    }

    fn total(&self) -> i32 {
        self.sets.iter().map(|set| size(set)).sum()
    }

    /// `syncDeployment`.
    fn sync(&mut self) -> Result<Outcome, ApiError> {
        if selects_everything(&self.deployment) {
            return self.refuse_to_select_everything();
        }
        if self.deployment.deletion().is_some() {
            self.sync_revision(false)?;
            return self.sync_status();
        }
        self.sync_paused_condition()?;
        if self.paused() || self.scaled() {
            return self.sync_scale();
        }
        if self.strategy.rolling {
            self.roll()
        } else {
            self.recreate()
        }
    }

    fn refuse_to_select_everything(&mut self) -> Result<Outcome, ApiError> {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        let generation = self.deployment.generation();
        if self.status.observed_generation < Some(generation) {
            let about = Arc::clone(&self.deployment);
            self.cx
                .event(&*about, EventType::Warning, "SelectingAll", message);
            self.status.observed_generation = Some(generation);
            self.write_status()?;
        }
        Ok(Outcome::Done)
    }

    /// Whether the Deployment was scaled since its sets were (`isScalingEvent`).
    fn scaled(&self) -> bool {
        let replicas = self.strategy.replicas;
        let active = self.sets.iter().filter(|set| size(set) > 0);
        active
            .filter_map(|set| desired_annotation(set))
            .any(|desired| desired != replicas)
    }

    /// Scales, and nothing else (`sync`).
    fn sync_scale(&mut self) -> Result<Outcome, ApiError> {
        self.sync_revision(false)?;
        self.spread_scale()?;
        if self.paused() {
            self.clean_up()?;
        }
        self.sync_status()
    }

    /// Gives every set its part of the new size (`scale`).
    fn spread_scale(&mut self) -> Result<(), ApiError> {
        let replicas = self.strategy.replicas;
        let active: Vec<usize> = (0..self.sets.len())
            .filter(|index| self.size_of(*index) > 0)
            .collect();
        // One active set, or none: then the newest.
        let only = match active.as_slice() {
            [] => self.new.or_else(|| self.sets.len().checked_sub(1)),
            [one] => Some(*one),
            _ => None,
        };
        if let Some(only) = only {
            self.scale(only, replicas)?;
            return Ok(());
        }
        if self.saturated() {
            for index in self.active_old() {
                self.scale(index, 0)?;
            }
            return Ok(());
        }
        if self.strategy.rolling {
            self.scale_in_proportion(active)?;
        }
        Ok(())
    }

    /// Whether the new set has all its pods (`IsSaturated`).
    fn saturated(&self) -> bool {
        let replicas = self.strategy.replicas;
        self.new_set_ref().is_some_and(|set| {
            size(set) == replicas
                && desired_annotation(set) == Some(replicas)
                && available(set) == replicas
        })
    }

    fn scale_in_proportion(&mut self, mut active: Vec<usize>) -> Result<(), ApiError> {
        let most = match self.strategy.replicas {
            0 => 0,
            replicas => replicas + self.strategy.max_surge(),
        };
        // Largest first; of two alike the newer when growing, the older when shrinking.
        let growing = most > self.total();
        if growing {
            active.reverse();
        }
        active.sort_by_key(|index| std::cmp::Reverse(self.size_of(*index)));
        let share = |index: &usize| self.sets.get(*index);
        let shares: Vec<Share> = active
            .iter()
            .filter_map(share)
            .map(|set| Share {
                size: size(set),
                max_before: max_annotation(set),
            })
            .collect();
        let actual = self.status.replicas.unwrap_or(0);
        for (index, size) in active
            .into_iter()
            .zip(proportional(&self.strategy, &shares, actual))
        {
            self.resize(index, size)?;
        }
        Ok(())
    }

    /// Scales a set, if it has another size. Returns whether it had.
    fn scale(&mut self, index: usize, to: i32) -> Result<bool, ApiError> {
        if self.size_of(index) == to {
            return Ok(false);
        }
        self.resize(index, to)?;
        Ok(true)
    }

    /// Gives a set a size and notes what for (`scaleReplicaSet`).
    fn resize(&mut self, index: usize, to: i32) -> Result<(), ApiError> {
        let Some(old) = self.sets.get(index).cloned() else {
            return Ok(());
        };
        let from = size(&old);
        let mut set = ReplicaSet::clone(&old);
        let noted = annotate_size(&mut set, &self.strategy);
        if let Some(spec) = &mut set.spec {
            spec.replicas = Some(to);
        }
        if from == to && !noted {
            return Ok(());
        }
        let set = self.cx.update(set)?;
        if from != to {
            let direction = if from < to { "up" } else { "down" };
            let name = set.key().name;
            let message = format!("Scaled {direction} replica set {name} from {from} to {to}");
            let about = Arc::clone(&self.deployment);
            self.cx
                .event(&*about, EventType::Normal, "ScalingReplicaSet", message);
        }
        if let Some(slot) = self.sets.get_mut(index) {
            *slot = set;
        }
        Ok(())
    }

    /// One step of a rolling update (`rolloutRolling`).
    fn roll(&mut self) -> Result<Outcome, ApiError> {
        self.sync_revision(true)?;
        if !self.grow_new()? && !self.shrink_old()? && self.complete(&self.status) {
            self.clean_up()?;
        }
        self.sync_rollout_status()
    }

    fn grow_new(&mut self) -> Result<bool, ApiError> {
        let Some(new) = self.new else {
            return Ok(false);
        };
        let (size, replicas) = (self.size_of(new), self.strategy.replicas);
        if size > replicas {
            return self.scale(new, replicas);
        }
        let to = self.strategy.new_set_size(self.total(), size);
        self.scale(new, to)
    }

    /// How many pods must stay available.
    fn min_available(&self) -> i32 {
        if self.cx.config.defect == Some(Defect::UnavailableIgnored) {
            return 0;
        }
        self.strategy.min_available()
    }

    /// Scales old sets down as far as the bounds allow: first what is not available anyway (`reconcileOldReplicaSets`).
    fn shrink_old(&mut self) -> Result<bool, ApiError> {
        let old = self.active_old();
        if old.is_empty() {
            return Ok(false);
        }
        let new_unavailable = self
            .new_set_ref()
            .map_or(0, |set| size(set) - available(set));
        let spare = self.total() - self.min_available() - new_unavailable;
        if spare <= 0 {
            return Ok(false);
        }
        let unhealthy = self.drop_unhealthy(&old, spare)?;
        let healthy = self.drop_available(&old)?;
        Ok(unhealthy + healthy > 0)
    }

    fn drop_unhealthy(&mut self, old: &[usize], most: i32) -> Result<i32, ApiError> {
        let mut dropped = 0;
        for index in old.iter().copied() {
            let Some(set) = self.sets.get(index) else {
                continue;
            };
            let (size, unhealthy) = (size(set), size(set) - available(set));
            let part = unhealthy.min(most - dropped);
            if part > 0 {
                self.scale(index, size - part)?;
                dropped += part;
            }
        }
        Ok(dropped)
    }

    fn drop_available(&mut self, old: &[usize]) -> Result<i32, ApiError> {
        let available: i32 = self.sets.iter().map(|set| available(set)).sum();
        let most = available - self.min_available();
        let mut dropped = 0;
        for index in old.iter().copied() {
            let size = self.size_of(index);
            let part = size.min(most - dropped);
            if part > 0 {
                self.scale(index, size - part)?;
                dropped += part;
            }
        }
        Ok(dropped)
    }

    /// One step of a recreation: all old pods go, then all new ones come (`rolloutRecreate`).
    fn recreate(&mut self) -> Result<Outcome, ApiError> {
        self.sync_revision(false)?;
        let mut scaled = false;
        for index in self.active_old() {
            scaled |= self.scale(index, 0)?;
        }
        if scaled || self.old_pods_remain() {
            return self.sync_rollout_status();
        }
        if self.new.is_none() {
            self.sync_revision(true)?;
        }
        if let Some(new) = self.new {
            self.scale(new, self.strategy.replicas)?;
        }
        if self.complete(&self.status) {
            self.clean_up()?;
        }
        self.sync_rollout_status()
    }

    fn old_pods_remain(&self) -> bool {
        let objects = &self.cx.store.objects;
        self.old().any(|(_, set)| {
            let counts = objects.pod_counts(set.uid());
            counts.active + counts.terminating > 0
                || set.status.as_ref().is_some_and(|s| s.replicas > 0)
        })
    }

    /// Deletes old sets beyond `revisionHistoryLimit`, the oldest revisions first (`cleanupDeployment`).
    fn clean_up(&mut self) -> Result<(), ApiError> {
        let spec = self.deployment.spec.as_ref();
        let limit = spec.and_then(|spec| spec.revision_history_limit);
        let Some(limit) = limit.filter(|limit| *limit != i32::MAX) else {
            return Ok(());
        };
        let mut old: Vec<_> = self
            .old()
            .filter(|(_, set)| set.deletion().is_none())
            .map(|(_, set)| Arc::clone(set))
            .collect();
        let surplus = old
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|set| (revision(set), by_age(set)));
        for set in old.into_iter().take(surplus) {
            let status = set.status.clone().unwrap_or_default();
            let busy = status.replicas != 0
                || size(&set) != 0
                || set.generation() > status.observed_generation.unwrap_or(0);
            if !busy {
                self.cx
                    .delete::<ReplicaSet>(&set.key(), &DeleteOptions::default())?;
            }
        }
        Ok(())
    }
}

fn selects_everything(deployment: &Deployment) -> bool {
    let selector = deployment.spec.as_ref().map(|spec| &spec.selector);
    selector == Some(&LabelSelector::default())
}
