//! A Deployment's ReplicaSets: which is the new one, revisions, annotations, creation.

use std::sync::Arc;

use k8s_openapi::{
    api::{apps::v1::ReplicaSetSpec, core::v1::PodTemplateSpec},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
};
use xxhash_rust::xxh3::xxh3_64;

use super::{Rollout, rolling::Strategy};
use crate::{
    api::{ApiError, Deployment, EventType, Key, Reason, ReplicaSet, Resource, meta::Labels},
    controller::common::{controlled_by, controller_ref},
};

/// The label that tells the pods of one template from those of another.
pub const TEMPLATE_HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations of a Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 6] = [
    LAST_APPLIED,
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// A ReplicaSet's size as asked for.
pub fn size(set: &ReplicaSet) -> i32 {
    set.spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1)
}

/// How many of its pods are available.
pub fn available(set: &ReplicaSet) -> i32 {
    set.status
        .as_ref()
        .and_then(|status| status.available_replicas)
        .unwrap_or(0)
}

/// The order in which upstream counts ReplicaSets: oldest first.
pub fn by_age(set: &Arc<ReplicaSet>) -> (crate::api::Time, Key) {
    (set.created(), set.key())
}

fn number(set: &ReplicaSet, annotation: &str) -> Option<i32> {
    Resource::annotations(set).get(annotation)?.parse().ok()
}

/// The size of the Deployment when the set was last scaled.
pub fn desired_annotation(set: &ReplicaSet) -> Option<i32> {
    number(set, DESIRED)
}

/// The most pods that there could be when the set was last scaled.
pub fn max_annotation(set: &ReplicaSet) -> Option<i32> {
    number(set, MAX)
}

/// The set's revision; 0 if it has none.
pub fn revision(set: &ReplicaSet) -> i64 {
    let text = Resource::annotations(set).get(REVISION);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn annotate(meta: &mut ObjectMeta, name: &str, value: String) -> bool {
    let annotations = meta.annotations.get_or_insert_default();
    if annotations.get(name) == Some(&value) {
        return false;
    }
    annotations.insert(name.to_owned(), value);
    true
}

/// Notes on a set what it is scaled for (`SetReplicasAnnotations`).
pub fn annotate_size(set: &mut ReplicaSet, strategy: &Strategy) -> bool {
    let most = strategy.replicas + strategy.max_surge();
    let desired = annotate(&mut set.metadata, DESIRED, strategy.replicas.to_string());
    annotate(&mut set.metadata, MAX, most.to_string()) || desired
}

/// Whether two templates are the same but for the hash label (`EqualIgnoreHash`).
fn same_template(a: Option<&PodTemplateSpec>, b: Option<&PodTemplateSpec>) -> bool {
    let (Some(a), Some(b)) = (a, b) else {
        return a.is_none() && b.is_none();
    };
    if a.spec != b.spec {
        return false;
    }
    let bare = |template: &PodTemplateSpec| {
        let mut metadata = template.metadata.clone().unwrap_or_default();
        let labels = metadata.labels.get_or_insert_default();
        labels.remove(TEMPLATE_HASH);
        metadata.annotations.get_or_insert_default();
        metadata
    };
    bare(a) == bare(b)
}

fn template(set: &ReplicaSet) -> Option<&PodTemplateSpec> {
    set.spec.as_ref()?.template.as_ref()
}

/// A hash of a template, in the characters that Kubernetes uses in names (`ComputeHash`, `rand.SafeEncodeString`).
///
/// It hashes the template's debug output, as upstream does; the hash itself is another.
pub fn template_hash(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = format!("{template:?}{collisions:?}");
    let number = xxh3_64(text.as_bytes()) >> 32;
    let encode = |digit: u8| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]);
    number.to_string().bytes().map(encode).collect()
}

fn with_hash(mut labels: Labels, hash: &str) -> Labels {
    labels.insert(TEMPLATE_HASH.to_owned(), hash.to_owned());
    labels
}

impl Rollout<'_, '_> {
    /// Finds the ReplicaSet of the Deployment's template, the oldest if there are several.
    pub fn find_new(&mut self) {
        let wanted = self.deployment.spec.as_ref().map(|spec| &spec.template);
        let found = self
            .sets
            .iter()
            .position(|set| same_template(template(set), wanted));
        self.new = found;
    }

    /// Keeps the new set's revision the highest and its annotations those of the Deployment; creates the set if it is not
    /// there and `create` says so (`getAllReplicaSetsAndSyncRevision`).
    pub fn sync_revision(&mut self, create: bool) -> Result<(), ApiError> {
        let highest = self.old().map(|(_, set)| revision(set)).max().unwrap_or(0);
        match self.new {
            Some(index) => self.refresh_new(index, highest + 1),
            None if create => self.create_new(highest + 1),
            None => Ok(()),
        }
    }

    fn refresh_new(&mut self, index: usize, new_revision: i64) -> Result<(), ApiError> {
        let Some(old) = self.sets.get(index).cloned() else {
            return Ok(());
        };
        let mut set = ReplicaSet::clone(&old);
        describe(&mut set, &self.deployment, new_revision);
        let min_ready = self
            .deployment
            .spec
            .as_ref()
            .and_then(|s| s.min_ready_seconds);
        if let Some(spec) = &mut set.spec
            && spec.min_ready_seconds.unwrap_or(0) != min_ready.unwrap_or(0)
        {
            spec.min_ready_seconds = min_ready;
        }
        if set != *old {
            let set = self.cx.update(set)?;
            if let Some(slot) = self.sets.get_mut(index) {
                *slot = set;
            }
            // The rest at the next look, as upstream.
            return Ok(());
        }
        let revision = revision(&old);
        self.annotate_revision(revision)?;
        if self.progress_deadline().is_some() && self.condition("Progressing").is_none() {
            let message = format!("Found new replica set \"{}\"", old.key().name);
            self.set_condition("Progressing", "True", "FoundNewReplicaSet", message);
            self.write_status()?;
        }
        Ok(())
    }

    fn create_new(&mut self, new_revision: i64) -> Result<(), ApiError> {
        let mut set = self.new_set();
        let total: i32 = self.sets.iter().map(|set| size(set)).sum();
        let replicas = self.strategy.new_set_size(total, 0);
        if let Some(spec) = &mut set.spec {
            spec.replicas = Some(replicas);
        }
        describe(&mut set, &self.deployment, new_revision);
        annotate_size(&mut set, &self.strategy);
        let name = set.key().name;
        let created = match self.cx.create(set) {
            Ok(created) => created,
            Err(error) if error.reason == Reason::AlreadyExists => return self.collision(&name),
            Err(error) => return self.creation_failed(&name, error),
        };
        self.sets.push(created);
        self.new = Some(self.sets.len() - 1);
        if replicas > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {replicas}");
            let about = Arc::clone(&self.deployment);
            self.cx
                .event(&*about, EventType::Normal, "ScalingReplicaSet", message);
        }
        self.annotate_revision(new_revision)?;
        if self.progress_deadline().is_some() {
            let message = format!("Created new replica set \"{name}\"");
            self.set_condition("Progressing", "True", "NewReplicaSetCreated", message);
            self.write_status()?;
        }
        Ok(())
    }

    /// The new ReplicaSet, without a size.
    fn new_set(&self) -> ReplicaSet {
        let spec = self.deployment.spec.clone().unwrap_or_default();
        let hash = template_hash(&spec.template, self.status.collision_count);
        let mut template = spec.template;
        let metadata = template.metadata.get_or_insert_default();
        let labels = with_hash(metadata.labels.take().unwrap_or_default(), &hash);
        metadata.labels = Some(labels.clone());
        let selector = LabelSelector {
            match_labels: Some(with_hash(
                spec.selector.match_labels.unwrap_or_default(),
                &hash,
            )),
            ..spec.selector
        };
        let key = self.deployment.key();
        ReplicaSet {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", key.name)),
                namespace: Some(key.namespace.to_string()),
                labels: Some(labels),
                owner_references: Some(vec![OwnerReference::from(&controller_ref(
                    &*self.deployment,
                ))]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                min_ready_seconds: spec.min_ready_seconds,
                replicas: Some(0),
                selector,
                template: Some(template),
            }),
            status: None,
        }
    }

    /// A set of that name exists: it is ours, or the hashes of two templates collide.
    fn collision(&mut self, name: &str) -> Result<(), ApiError> {
        let key = Key::new(self.deployment.key().namespace, name);
        let wanted = self.deployment.spec.as_ref().map(|spec| &spec.template);
        if let Some(set) = self.cx.get::<ReplicaSet>(&key) {
            let owner = controlled_by(
                set.metadata.owner_references.as_ref(),
                crate::api::Kind::Deployment,
            );
            let ours = owner
                .is_some_and(|owner| Some(&owner.uid) == self.deployment.metadata.uid.as_ref());
            if ours && same_template(template(&set), wanted) {
                self.sets.push(set);
                self.new = Some(self.sets.len() - 1);
                return Ok(());
            }
        }
        let collisions = self.status.collision_count.unwrap_or(0);
        self.status.collision_count = Some(collisions + 1);
        self.write_status()?;
        Err(ApiError::already_exists(crate::api::Kind::ReplicaSet, &key))
    }

    fn creation_failed(&mut self, name: &str, error: ApiError) -> Result<(), ApiError> {
        const REASON: &str = "ReplicaSetCreateError";
        let message = format!("Failed to create new replica set \"{name}\": {error}");
        if self.progress_deadline().is_some() {
            self.set_condition("Progressing", "False", REASON, message.clone());
            self.write_status()?;
        }
        let about = Arc::clone(&self.deployment);
        self.cx.event(&*about, EventType::Warning, REASON, message);
        Err(error)
    }

    /// Notes the revision on the Deployment.
    fn annotate_revision(&mut self, revision: i64) -> Result<(), ApiError> {
        let mut deployment = Deployment::clone(&self.deployment);
        if annotate(&mut deployment.metadata, REVISION, revision.to_string()) {
            self.deployment = self.cx.update(deployment)?;
        }
        Ok(())
    }
}

/// Gives the new set the Deployment's annotations and a revision that is higher than all others
/// (`SetNewReplicaSetAnnotations`).
fn describe(set: &mut ReplicaSet, deployment: &Deployment, new_revision: i64) {
    const HISTORY_LIMIT: usize = 2000;
    for (name, value) in Resource::annotations(deployment) {
        if !NOT_COPIED.contains(&name.as_str()) {
            annotate(&mut set.metadata, name, value.clone());
        }
    }
    let old = revision(set);
    if old >= new_revision {
        return;
    }
    annotate(&mut set.metadata, REVISION, new_revision.to_string());
    if old == 0 {
        return;
    }
    let history = Resource::annotations(set).get(REVISION_HISTORY).cloned();
    let mut revisions: Vec<String> = history
        .iter()
        .flat_map(|history| history.split(','))
        .map(str::to_owned)
        .collect();
    revisions.push(old.to_string());
    while revisions.join(",").len() > HISTORY_LIMIT {
        revisions.remove(0);
    }
    annotate(&mut set.metadata, REVISION_HISTORY, revisions.join(","));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_stable_and_changes_with_every_collision() {
        let template = PodTemplateSpec::default();
        let hash = template_hash(&template, None);
        assert_eq!(hash, template_hash(&template, None));
        assert_ne!(hash, template_hash(&template, Some(1)));
        assert!(
            hash.bytes()
                .all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b)),
            "{hash}"
        );
    }

    #[test]
    fn templates_are_compared_without_the_hash_label() {
        let labelled = |labels: &[(&str, &str)]| PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(
                    labels
                        .iter()
                        .map(|(k, v)| ((*k).into(), (*v).into()))
                        .collect(),
                ),
                ..ObjectMeta::default()
            }),
            spec: None,
        };
        let plain = labelled(&[("app", "web")]);
        let hashed = labelled(&[("app", "web"), (TEMPLATE_HASH, "abc")]);
        assert!(same_template(Some(&plain), Some(&hashed)));
        assert!(!same_template(
            Some(&plain),
            Some(&labelled(&[("app", "db")]))
        ));
    }
}
