//! The tables of objects and the indexes over them, all persistent: a snapshot is a clone.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};

use super::{
    config::Config,
    decision::Decision,
    incident::Incident,
    log::{Log, What},
    random::Random,
    world::World,
};
use crate::{
    api::{
        ConfigMap, Deployment, EndpointSlice, Event, Key, Kind, Lease, Name, Namespace, Node,
        Object, ObjectRef, Pod, PriorityClass, ReplicaSet, Resource, Service, Time, Uid,
    },
    with_object,
};

/// All objects of one kind.
pub type Table<T> = OrdMap<Key, Arc<T>>;

/// How many pods a controller owns, by what it asks of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// All of them.
    pub total: usize,
    /// Neither ended nor terminating.
    pub active: usize,
    /// Active and Ready.
    pub ready: usize,
    /// Terminating, not ended.
    pub terminating: usize,
}

impl PodCounts {
    fn add(&mut self, pod: &Pod, sign: isize) {
        let count = |slot: &mut usize, yes: bool| {
            if yes {
                *slot = slot.saturating_add_signed(sign);
            }
        };
        count(&mut self.total, true);
        count(&mut self.active, pod.is_active());
        count(&mut self.ready, pod.is_active() && pod.is_ready());
        count(
            &mut self.terminating,
            pod.is_terminating() && !pod.is_terminal(),
        );
    }
}

/// Every object, by kind; and indexes.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub namespaces: Table<Namespace>,
    pub nodes: Table<Node>,
    pub priority_classes: Table<PriorityClass>,
    pub config_maps: Table<ConfigMap>,
    pub services: Table<Service>,
    pub deployments: Table<Deployment>,
    pub replica_sets: Table<ReplicaSet>,
    pub pods: Table<Pod>,
    pub endpoint_slices: Table<EndpointSlice>,
    pub leases: Table<Lease>,
    pub events: Table<Event>,
    /// Pods by the node they are bound to (`""` for none).
    pods_by_node: OrdSet<(Name, Key)>,
    /// Objects by their owners' ids, events excepted.
    by_owner: OrdSet<(Uid, ObjectRef)>,
    /// Pods counted per controlling owner.
    pod_counts: OrdMap<Uid, PodCounts>,
    /// All pods counted.
    all_pods: PodCounts,
    /// How many pods are bound to no node.
    unbound: usize,
}

/// A kind that has a table.
pub trait Stored: Resource {
    /// The kind's table.
    fn table(objects: &Objects) -> &Table<Self>;
    /// The kind's table, to write.
    fn table_mut(objects: &mut Objects) -> &mut Table<Self>;
}

macro_rules! stored {
    ($($kind:ident: $table:ident),*) => {$(
        impl Stored for $kind {
            fn table(objects: &Objects) -> &Table<Self> {
                &objects.$table
            }
            fn table_mut(objects: &mut Objects) -> &mut Table<Self> {
                &mut objects.$table
            }
        }
    )*};
}

stored!(
    Namespace: namespaces, Node: nodes, PriorityClass: priority_classes, ConfigMap: config_maps,
    Service: services, Deployment: deployments, ReplicaSet: replica_sets, Pod: pods,
    EndpointSlice: endpoint_slices, Lease: leases, Event: events
);

impl Objects {
    /// An object of a known kind.
    #[must_use]
    pub fn get<T: Stored>(&self, key: &Key) -> Option<&Arc<T>> {
        T::table(self).get(key)
    }

    /// A node by name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.get(&Key::cluster(name))
    }

    /// An object of any kind.
    #[must_use]
    pub fn object(&self, reference: &ObjectRef) -> Option<Object> {
        fn find<T: Stored>(objects: &Objects, key: &Key) -> Option<Object> {
            objects.get::<T>(key).cloned().map(T::wrap)
        }
        let key = &reference.key;
        match reference.kind {
            Kind::Namespace => find::<Namespace>(self, key),
            Kind::Node => find::<Node>(self, key),
            Kind::PriorityClass => find::<PriorityClass>(self, key),
            Kind::ConfigMap => find::<ConfigMap>(self, key),
            Kind::Service => find::<Service>(self, key),
            Kind::Deployment => find::<Deployment>(self, key),
            Kind::ReplicaSet => find::<ReplicaSet>(self, key),
            Kind::Pod => find::<Pod>(self, key),
            Kind::EndpointSlice => find::<EndpointSlice>(self, key),
            Kind::Lease => find::<Lease>(self, key),
            Kind::Event => find::<Event>(self, key),
        }
    }

    /// References to all objects of a kind, in a namespace if one is given, in order of their keys.
    #[must_use]
    pub fn keys(&self, kind: Kind, namespace: Option<&str>) -> Vec<Key> {
        fn keys<T: Stored>(objects: &Objects, namespace: Option<&str>) -> Vec<Key> {
            match namespace {
                None => T::table(objects).keys().cloned().collect(),
                Some(namespace) => T::table(objects)
                    .range(Key::new(namespace, "")..)
                    .map(|(key, _)| key)
                    .take_while(|key| &*key.namespace == namespace)
                    .cloned()
                    .collect(),
            }
        }
        match kind {
            Kind::Namespace => keys::<Namespace>(self, namespace),
            Kind::Node => keys::<Node>(self, namespace),
            Kind::PriorityClass => keys::<PriorityClass>(self, namespace),
            Kind::ConfigMap => keys::<ConfigMap>(self, namespace),
            Kind::Service => keys::<Service>(self, namespace),
            Kind::Deployment => keys::<Deployment>(self, namespace),
            Kind::ReplicaSet => keys::<ReplicaSet>(self, namespace),
            Kind::Pod => keys::<Pod>(self, namespace),
            Kind::EndpointSlice => keys::<EndpointSlice>(self, namespace),
            Kind::Lease => keys::<Lease>(self, namespace),
            Kind::Event => keys::<Event>(self, namespace),
        }
    }

    /// Whether a namespace holds an object of a kind.
    #[must_use]
    pub fn has_any(&self, kind: Kind, namespace: &str) -> bool {
        fn any<T: Stored>(objects: &Objects, namespace: &str) -> bool {
            let mut first = T::table(objects).range(Key::new(namespace, "")..);
            first
                .next()
                .is_some_and(|(key, _)| &*key.namespace == namespace)
        }
        match kind {
            Kind::Namespace => any::<Namespace>(self, namespace),
            Kind::Node => any::<Node>(self, namespace),
            Kind::PriorityClass => any::<PriorityClass>(self, namespace),
            Kind::ConfigMap => any::<ConfigMap>(self, namespace),
            Kind::Service => any::<Service>(self, namespace),
            Kind::Deployment => any::<Deployment>(self, namespace),
            Kind::ReplicaSet => any::<ReplicaSet>(self, namespace),
            Kind::Pod => any::<Pod>(self, namespace),
            Kind::EndpointSlice => any::<EndpointSlice>(self, namespace),
            Kind::Lease => any::<Lease>(self, namespace),
            Kind::Event => any::<Event>(self, namespace),
        }
    }

    /// Pods in a namespace.
    pub fn pods_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<Pod>> {
        let namespace = namespace.to_owned();
        self.pods
            .range(Key::new(namespace.as_str(), "")..)
            .take_while(move |(key, _)| *key.namespace == *namespace)
            .map(|(_, pod)| pod)
    }

    /// Pods bound to a node.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Arc<Pod>> {
        let node = Name::from(node);
        self.pods_by_node
            .range((node.clone(), Key::cluster(""))..)
            .take_while(move |(name, _)| *name == node)
            .filter_map(|(_, key)| self.pods.get(key))
    }

    /// Pods that are bound to no node.
    pub fn unbound_pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods_on("")
    }

    /// References to what an object owns.
    pub fn owned_by(&self, owner: Uid) -> impl Iterator<Item = &ObjectRef> {
        let first = ObjectRef::new(Kind::Namespace, Key::cluster(""));
        self.by_owner
            .range((owner, first)..)
            .take_while(move |(uid, _)| *uid == owner)
            .map(|(_, reference)| reference)
    }

    /// Pods that an object owns.
    pub fn pods_of(&self, owner: Uid) -> impl Iterator<Item = &Arc<Pod>> {
        let first = ObjectRef::new(Kind::Pod, Key::cluster(""));
        self.by_owner
            .range((owner, first)..)
            .take_while(move |(uid, reference)| *uid == owner && reference.kind == Kind::Pod)
            .filter_map(|(_, reference)| self.pods.get(&reference.key))
    }

    /// How many pods an object controls.
    #[must_use]
    pub fn pod_counts(&self, controller: Uid) -> PodCounts {
        self.pod_counts
            .get(&controller)
            .copied()
            .unwrap_or_default()
    }

    /// How many pods there are.
    #[must_use]
    pub const fn all_pods(&self) -> PodCounts {
        self.all_pods
    }

    /// How many pods are bound to no node.
    #[must_use]
    pub const fn unbound_count(&self) -> usize {
        self.unbound
    }

    /// Puts a new state into its table and keeps the indexes right. Returns the old state.
    pub(super) fn put(&mut self, object: &Object) -> Option<Object> {
        fn put<T: Stored>(objects: &mut Objects, object: &Arc<T>) -> Option<Object> {
            T::table_mut(objects)
                .insert(object.key(), Arc::clone(object))
                .map(T::wrap)
        }
        let old = with_object!(object, it => put(self, it));
        self.reindex(old.as_ref(), Some(object));
        old
    }

    /// Takes an object out of its table.
    pub(super) fn take(&mut self, object: &Object) -> Option<Object> {
        fn take<T: Stored>(objects: &mut Objects, object: &Arc<T>) -> Option<Object> {
            T::table_mut(objects).remove(&object.key()).map(T::wrap)
        }
        let old = with_object!(object, it => take(self, it));
        self.reindex(old.as_ref(), None);
        old
    }

    fn reindex(&mut self, old: Option<&Object>, new: Option<&Object>) {
        if let Some(Object::Event(_)) = old.or(new) {
            return;
        }
        if let (Some(Object::Pod(old)), Some(Object::Pod(new))) = (old, new) {
            // The common case, and the one that must be cheap.
            self.count(old, -1);
            self.count(new, 1);
            if old.node != new.node {
                self.pods_by_node.remove(&node_entry(old));
                self.pods_by_node.insert(node_entry(new));
            }
            if Arc::ptr_eq(&old.meta.owners, &new.meta.owners) || old.meta.owners == new.meta.owners
            {
                return;
            }
        } else {
            if let Some(Object::Pod(pod)) = old {
                self.count(pod, -1);
                self.pods_by_node.remove(&node_entry(pod));
            }
            if let Some(Object::Pod(pod)) = new {
                self.count(pod, 1);
                self.pods_by_node.insert(node_entry(pod));
            }
        }
        if let Some(old) = old {
            for owner in old.owners() {
                self.by_owner.remove(&(owner.uid, old.reference()));
            }
        }
        if let Some(new) = new {
            for owner in new.owners() {
                self.by_owner.insert((owner.uid, new.reference()));
            }
        }
    }

    fn count(&mut self, pod: &Pod, sign: isize) {
        self.all_pods.add(pod, sign);
        if pod.node.is_none() {
            self.unbound = self.unbound.saturating_add_signed(sign);
        }
        let Some(owner) = pod.meta.controller() else {
            return;
        };
        let counts = self.pod_counts.entry(owner.uid).or_default();
        counts.add(pod, sign);
        if counts.total == 0 {
            self.pod_counts.remove(&owner.uid);
        }
    }
}

fn node_entry(pod: &Pod) -> (Name, Key) {
    (
        pod.node.clone().unwrap_or_else(|| Name::from("")),
        pod.meta.key.clone(),
    )
}

/// What makes two events the same: object, part of it, reason, message.
pub(super) type EventIndex = (Uid, Option<Name>, Name, Name);

/// Objects, the truth, and what happened. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Store {
    pub objects: Objects,
    pub world: World,
    pub log: Log,
    /// The last decisions, oldest first.
    pub decisions: Vector<Arc<Decision>>,
    /// Faults and what followed, oldest first.
    pub incidents: Vector<Arc<Incident>>,
    pub(super) decision_limit: usize,
    pub(super) event_limit: usize,
    /// Events by what they say, so that one that repeats is counted.
    pub(super) event_index: OrdMap<EventIndex, Key>,
    /// Events in order of creation, so that the oldest go first.
    pub(super) event_order: Vector<Key>,
    pub random: Random,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            objects: Objects::default(),
            world: World::default(),
            log: Log::new(config.log_limit),
            decisions: Vector::new(),
            incidents: Vector::new(),
            decision_limit: config.decision_limit,
            event_limit: config.event_limit,
            event_index: OrdMap::new(),
            event_order: Vector::new(),
            random: Random::new(config.seed),
        }
    }

    /// Logs something.
    pub fn record(&mut self, cause: u64, at: Time, what: What) -> u64 {
        self.log.push(cause, at, what)
    }
}
