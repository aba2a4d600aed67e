//! Object metadata in the compact form that pods and events use.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{
    names::{Key, Name, Uid},
    time::Time,
};

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// An owner reference, its id in binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub api_version: Name,
    pub kind: Name,
    pub name: Name,
    pub uid: Uid,
    pub controller: bool,
    pub block_owner_deletion: bool,
}

impl From<&OwnerReference> for Owner {
    fn from(owner: &OwnerReference) -> Self {
        Self {
            api_version: owner.api_version.as_str().into(),
            kind: owner.kind.as_str().into(),
            name: owner.name.as_str().into(),
            uid: owner.uid.parse().unwrap_or(Uid::NONE),
            controller: owner.controller == Some(true),
            block_owner_deletion: owner.block_owner_deletion == Some(true),
        }
    }
}

impl From<&Owner> for OwnerReference {
    fn from(owner: &Owner) -> Self {
        Self {
            api_version: owner.api_version.to_string(),
            kind: owner.kind.to_string(),
            name: owner.name.to_string(),
            uid: owner.uid.to_string(),
            controller: owner.controller.then_some(true),
            block_owner_deletion: owner.block_owner_deletion.then_some(true),
        }
    }
}

/// When an object is to be gone, and the grace it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// `deletionTimestamp`: when the grace ends.
    pub at: Time,
    /// `deletionGracePeriodSeconds`.
    pub grace_seconds: i64,
}

/// Metadata of a [`Pod`](super::Pod) or [`Event`](super::Event).
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub key: Key,
    pub generate_name: Option<Name>,
    pub uid: Uid,
    /// The number of the log record that wrote this state; 0 before the store has it.
    pub resource_version: u64,
    pub generation: i64,
    /// `creationTimestamp`, a whole second.
    pub created: Time,
    pub deletion: Option<Deletion>,
    pub labels: Arc<Labels>,
    pub annotations: Arc<Labels>,
    pub owners: Arc<[Owner]>,
    pub finalizers: Arc<[String]>,
}

impl Meta {
    /// Metadata of an object that the store does not have yet.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self {
            key,
            generate_name: None,
            uid: Uid::NONE,
            resource_version: 0,
            generation: 0,
            created: Time::ZERO,
            deletion: None,
            labels: Arc::default(),
            annotations: Arc::default(),
            owners: Arc::new([]),
            finalizers: Arc::new([]),
        }
    }

    /// The owner that controls the object, if one does.
    #[must_use]
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }
}

impl From<&Meta> for ObjectMeta {
    fn from(meta: &Meta) -> Self {
        let map = |labels: &Arc<Labels>| (!labels.is_empty()).then(|| Labels::clone(labels));
        Self {
            name: Some(meta.key.name.to_string()),
            generate_name: meta.generate_name.as_deref().map(str::to_owned),
            namespace: (!meta.key.namespace.is_empty()).then(|| meta.key.namespace.to_string()),
            uid: (!meta.uid.is_none()).then(|| meta.uid.to_string()),
            resource_version: (meta.resource_version > 0)
                .then(|| meta.resource_version.to_string()),
            generation: (meta.generation > 0).then_some(meta.generation),
            creation_timestamp: (!meta.uid.is_none()).then(|| meta.created.to_k8s()),
            deletion_timestamp: meta.deletion.map(|d| d.at.to_k8s()),
            deletion_grace_period_seconds: meta.deletion.map(|d| d.grace_seconds),
            labels: map(&meta.labels),
            annotations: map(&meta.annotations),
            owner_references: (!meta.owners.is_empty())
                .then(|| meta.owners.iter().map(OwnerReference::from).collect()),
            finalizers: (!meta.finalizers.is_empty()).then(|| meta.finalizers.to_vec()),
            ..Self::default()
        }
    }
}

impl From<&ObjectMeta> for Meta {
    fn from(meta: &ObjectMeta) -> Self {
        let map = |labels: &Option<Labels>| Arc::new(labels.clone().unwrap_or_default());
        Self {
            key: Key::new(
                meta.namespace.as_deref().unwrap_or_default(),
                meta.name.as_deref().unwrap_or_default(),
            ),
            generate_name: meta.generate_name.as_deref().map(Name::from),
            uid: meta
                .uid
                .as_deref()
                .and_then(|uid| uid.parse().ok())
                .unwrap_or(Uid::NONE),
            resource_version: super::object::parse_version(meta.resource_version.as_deref()),
            generation: meta.generation.unwrap_or(0),
            created: meta
                .creation_timestamp
                .as_ref()
                .map_or(Time::ZERO, Time::from),
            deletion: meta.deletion_timestamp.as_ref().map(|at| Deletion {
                at: Time::from(at),
                grace_seconds: meta.deletion_grace_period_seconds.unwrap_or(0),
            }),
            labels: map(&meta.labels),
            annotations: map(&meta.annotations),
            owners: meta
                .owner_references
                .iter()
                .flatten()
                .map(Owner::from)
                .collect(),
            finalizers: meta.finalizers.iter().flatten().cloned().collect(),
        }
    }
}
