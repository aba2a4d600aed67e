//! An object of any kind, and what all kinds have in common.

use std::{fmt, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    ConfigMap, Deployment, EndpointSlice, Event, Lease, Namespace, Node, Pod, PriorityClass,
    ReplicaSet, Service,
    meta::{Deletion, Labels, Meta, Owner},
    names::{Key, Kind, Uid},
    time::Time,
};

/// Reads a `resourceVersion`; anything that is not a number we wrote counts as "not given".
pub(super) fn parse_version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// What the store gives an object when it is created or written.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub uid: Uid,
    pub created: Time,
}

/// What the store needs to know of an object of any kind.
pub trait Resource: Clone + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;

    /// Namespace and name.
    fn key(&self) -> Key;
    /// Unique id; [`Uid::NONE`] before creation.
    fn uid(&self) -> Uid;
    /// The log record that wrote this state; 0 if not given.
    fn resource_version(&self) -> u64;
    /// Sets the version.
    fn set_resource_version(&mut self, version: u64);
    /// Counts changes of the desired state.
    fn generation(&self) -> i64;
    /// Sets the generation.
    fn set_generation(&mut self, generation: i64);
    /// `creationTimestamp`.
    fn created(&self) -> Time;
    /// Gives a new object its identity.
    fn stamp(&mut self, stamp: &Stamp);
    /// When the object is to be gone, if it was asked to go.
    fn deletion(&self) -> Option<Deletion>;
    /// Marks the object as asked to go.
    fn set_deletion(&mut self, deletion: Deletion);
    /// What must be done before the object may go.
    fn finalizers(&self) -> Vec<String>;
    /// Sets the finalizers.
    fn set_finalizers(&mut self, finalizers: Vec<String>);
    /// Who owns the object.
    fn owners(&self) -> Vec<Owner>;
    /// Labels.
    fn labels(&self) -> &Labels;
    /// Annotations.
    fn annotations(&self) -> &Labels;
    /// Whether the desired state (all but metadata and status) is the same.
    fn same_spec(&self, other: &Self) -> bool;
    /// Takes over the other's status: a write to the object itself cannot change it.
    fn take_status(&mut self, from: &Self);
    /// Takes over all but the status and the version: a write to the status can change nothing else.
    fn take_all_but_status(&mut self, from: &Self);
    /// Wraps the object.
    fn wrap(this: Arc<Self>) -> Object;
    /// Unwraps it again, if it is of this kind.
    fn unwrap(object: &Object) -> Option<&Arc<Self>>;
}

static NO_LABELS: Labels = Labels::new();

macro_rules! object_meta_methods {
    () => {
        fn key(&self) -> Key {
            Key::new(
                self.metadata.namespace.as_deref().unwrap_or_default(),
                self.metadata.name.as_deref().unwrap_or_default(),
            )
        }
        fn uid(&self) -> Uid {
            self.metadata
                .uid
                .as_deref()
                .and_then(|uid| uid.parse().ok())
                .unwrap_or(Uid::NONE)
        }
        fn resource_version(&self) -> u64 {
            parse_version(self.metadata.resource_version.as_deref())
        }
        fn set_resource_version(&mut self, version: u64) {
            self.metadata.resource_version = Some(version.to_string());
        }
        fn generation(&self) -> i64 {
            self.metadata.generation.unwrap_or(0)
        }
        fn set_generation(&mut self, generation: i64) {
            self.metadata.generation = (generation > 0).then_some(generation);
        }
        fn created(&self) -> Time {
            self.metadata
                .creation_timestamp
                .as_ref()
                .map_or(Time::ZERO, Time::from)
        }
        fn stamp(&mut self, stamp: &Stamp) {
            stamp_meta(&mut self.metadata, stamp);
        }
        fn deletion(&self) -> Option<Deletion> {
            self.metadata
                .deletion_timestamp
                .as_ref()
                .map(|at| Deletion {
                    at: Time::from(at),
                    grace_seconds: self.metadata.deletion_grace_period_seconds.unwrap_or(0),
                })
        }
        fn set_deletion(&mut self, deletion: Deletion) {
            self.metadata.deletion_timestamp = Some(deletion.at.to_k8s());
            self.metadata.deletion_grace_period_seconds = Some(deletion.grace_seconds);
        }
        fn finalizers(&self) -> Vec<String> {
            self.metadata.finalizers.clone().unwrap_or_default()
        }
        fn set_finalizers(&mut self, finalizers: Vec<String>) {
            self.metadata.finalizers = (!finalizers.is_empty()).then_some(finalizers);
        }
        fn owners(&self) -> Vec<Owner> {
            self.metadata
                .owner_references
                .iter()
                .flatten()
                .map(Owner::from)
                .collect()
        }
        fn labels(&self) -> &Labels {
            self.metadata.labels.as_ref().unwrap_or(&NO_LABELS)
        }
        fn annotations(&self) -> &Labels {
            self.metadata.annotations.as_ref().unwrap_or(&NO_LABELS)
        }
    };
}

fn stamp_meta(meta: &mut ObjectMeta, stamp: &Stamp) {
    meta.uid = Some(stamp.uid.to_string());
    meta.creation_timestamp = Some(stamp.created.to_k8s());
    meta.deletion_timestamp = None;
    meta.deletion_grace_period_seconds = None;
}

/// A kind whose desired state is in `spec` and whose observed state is in `status`.
macro_rules! resource_with_status {
    ($($kind:ident),*) => {$(
        impl Resource for $kind {
            const KIND: Kind = Kind::$kind;
            object_meta_methods!();
            fn same_spec(&self, other: &Self) -> bool {
                self.spec == other.spec
            }
            fn take_status(&mut self, from: &Self) {
                self.status.clone_from(&from.status);
            }
            fn take_all_but_status(&mut self, from: &Self) {
                let status = self.status.take();
                *self = from.clone();
                self.status = status;
            }
            fn wrap(this: Arc<Self>) -> Object {
                Object::$kind(this)
            }
            fn unwrap(object: &Object) -> Option<&Arc<Self>> {
                match object {
                    Object::$kind(this) => Some(this),
                    _ => None,
                }
            }
        }
    )*};
}

/// A kind without a status.
macro_rules! resource_without_status {
    ($($kind:ident),*) => {$(
        impl Resource for $kind {
            const KIND: Kind = Kind::$kind;
            object_meta_methods!();
            fn same_spec(&self, other: &Self) -> bool {
                let mut other = other.clone();
                other.metadata = self.metadata.clone();
                *self == other
            }
            fn take_status(&mut self, _: &Self) {}
            fn take_all_but_status(&mut self, from: &Self) {
                *self = from.clone();
            }
            fn wrap(this: Arc<Self>) -> Object {
                Object::$kind(this)
            }
            fn unwrap(object: &Object) -> Option<&Arc<Self>> {
                match object {
                    Object::$kind(this) => Some(this),
                    _ => None,
                }
            }
        }
    )*};
}

resource_with_status!(Namespace, Node, Service, Deployment, ReplicaSet);
resource_without_status!(PriorityClass, ConfigMap, EndpointSlice, Lease);

macro_rules! compact_meta_methods {
    () => {
        fn key(&self) -> Key {
            self.meta.key.clone()
        }
        fn uid(&self) -> Uid {
            self.meta.uid
        }
        fn resource_version(&self) -> u64 {
            self.meta.resource_version
        }
        fn set_resource_version(&mut self, version: u64) {
            self.meta.resource_version = version;
        }
        fn generation(&self) -> i64 {
            self.meta.generation
        }
        fn set_generation(&mut self, generation: i64) {
            self.meta.generation = generation;
        }
        fn created(&self) -> Time {
            self.meta.created
        }
        fn stamp(&mut self, stamp: &Stamp) {
            self.meta.uid = stamp.uid;
            self.meta.created = stamp.created.floor_to_second();
            self.meta.deletion = None;
        }
        fn deletion(&self) -> Option<Deletion> {
            self.meta.deletion
        }
        fn set_deletion(&mut self, deletion: Deletion) {
            self.meta.deletion = Some(deletion);
        }
        fn finalizers(&self) -> Vec<String> {
            self.meta.finalizers.to_vec()
        }
        fn set_finalizers(&mut self, finalizers: Vec<String>) {
            self.meta.finalizers = finalizers.into();
        }
        fn owners(&self) -> Vec<Owner> {
            self.meta.owners.to_vec()
        }
        fn labels(&self) -> &Labels {
            &self.meta.labels
        }
        fn annotations(&self) -> &Labels {
            &self.meta.annotations
        }
    };
}

impl Resource for Pod {
    const KIND: Kind = Kind::Pod;
    compact_meta_methods!();
    fn same_spec(&self, other: &Self) -> bool {
        self.node == other.node && (Arc::ptr_eq(&self.spec, &other.spec) || self.spec == other.spec)
    }
    fn take_status(&mut self, from: &Self) {
        self.status = Arc::clone(&from.status);
    }
    fn take_all_but_status(&mut self, from: &Self) {
        let status = Arc::clone(&self.status);
        *self = from.clone();
        self.status = status;
    }
    fn wrap(this: Arc<Self>) -> Object {
        Object::Pod(this)
    }
    fn unwrap(object: &Object) -> Option<&Arc<Self>> {
        match object {
            Object::Pod(this) => Some(this),
            _ => None,
        }
    }
}

impl Resource for Event {
    const KIND: Kind = Kind::Event;
    compact_meta_methods!();
    fn same_spec(&self, _: &Self) -> bool {
        true // events have no generation
    }
    fn take_status(&mut self, _: &Self) {}
    fn take_all_but_status(&mut self, from: &Self) {
        *self = from.clone();
    }
    fn wrap(this: Arc<Self>) -> Object {
        Object::Event(this)
    }
    fn unwrap(object: &Object) -> Option<&Arc<Self>> {
        match object {
            Object::Event(this) => Some(this),
            _ => None,
        }
    }
}

/// An object of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    Namespace(Arc<Namespace>),
    Node(Arc<Node>),
    PriorityClass(Arc<PriorityClass>),
    ConfigMap(Arc<ConfigMap>),
    Service(Arc<Service>),
    Deployment(Arc<Deployment>),
    ReplicaSet(Arc<ReplicaSet>),
    Pod(Arc<Pod>),
    EndpointSlice(Arc<EndpointSlice>),
    Lease(Arc<Lease>),
    Event(Arc<Event>),
}

/// Calls `$body` with `$it` bound to whatever kind of object `$object` is.
#[macro_export]
macro_rules! with_object {
    ($object:expr, $it:ident => $body:expr) => {
        match $object {
            $crate::api::Object::Namespace($it) => $body,
            $crate::api::Object::Node($it) => $body,
            $crate::api::Object::PriorityClass($it) => $body,
            $crate::api::Object::ConfigMap($it) => $body,
            $crate::api::Object::Service($it) => $body,
            $crate::api::Object::Deployment($it) => $body,
            $crate::api::Object::ReplicaSet($it) => $body,
            $crate::api::Object::Pod($it) => $body,
            $crate::api::Object::EndpointSlice($it) => $body,
            $crate::api::Object::Lease($it) => $body,
            $crate::api::Object::Event($it) => $body,
        }
    };
}

impl Object {
    /// Wraps an object of a known kind.
    pub fn of<T: Resource>(object: T) -> Self {
        T::wrap(Arc::new(object))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        fn of<T: Resource>(_: &Arc<T>) -> Kind {
            T::KIND
        }
        with_object!(self, it => of(it))
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> Key {
        with_object!(self, it => it.key())
    }

    /// Unique id.
    #[must_use]
    pub fn uid(&self) -> Uid {
        with_object!(self, it => it.uid())
    }

    /// Kind and key.
    #[must_use]
    pub fn reference(&self) -> super::ObjectRef {
        super::ObjectRef::new(self.kind(), self.key())
    }

    /// The log record that wrote this state.
    #[must_use]
    pub fn resource_version(&self) -> u64 {
        with_object!(self, it => it.resource_version())
    }

    /// When the object is to be gone, if it was asked to go.
    #[must_use]
    pub fn deletion(&self) -> Option<Deletion> {
        with_object!(self, it => it.deletion())
    }

    /// Owners.
    #[must_use]
    pub fn owners(&self) -> Vec<Owner> {
        with_object!(self, it => it.owners())
    }

    /// Finalizers.
    #[must_use]
    pub fn finalizers(&self) -> Vec<String> {
        with_object!(self, it => it.finalizers())
    }

    /// Labels.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        with_object!(self, it => Resource::labels(&**it))
    }

    /// Annotations.
    #[must_use]
    pub fn annotations(&self) -> &Labels {
        with_object!(self, it => Resource::annotations(&**it))
    }
}

/// The object as the kind that is asked for, if it is of that kind.
#[must_use]
pub fn unwrap<T: Resource>(object: &Object) -> Option<&T> {
    T::unwrap(object).map(|object| &**object)
}

impl From<Meta> for ObjectMeta {
    fn from(meta: Meta) -> Self {
        Self::from(&meta)
    }
}
