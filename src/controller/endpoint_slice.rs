//! Endpoint slices: where a Service's pods can be reached (`pkg/controller/endpointslice`, `k8s.io/endpointslice`).
//!
//! A Service may have thousands of pods, and each of them changes: so a change of a pod touches the one slice that it is
//! in. Which one that is, is kept in a [`Book`] per Service; when something else changed (the Service, a slice that
//! somebody else wrote) the book is made anew and every pod looked at.

mod book;
mod endpoint;

use std::collections::{BTreeMap, BTreeSet};

use self::book::Book;
use crate::{
    api::{
        EndpointSlice, Key, Name, Node, Object, Pod, Reason, Resource, Service, meta::Labels,
        selector::Selector,
    },
    controller::common::same_labels,
    store::{Change, Context, Op, Outcome, Reconciler, Record, Store, WakeUp, What},
};

/// The label by which a slice names its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label by which a slice names its controller.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// This controller's name in [`MANAGED_BY`].
pub const MANAGER: &str = "endpointslice-controller.k8s.io";
const ZONE: &str = "topology.kubernetes.io/zone";

/// The endpoint slice controller.
#[derive(Clone, Debug, Default)]
pub struct EndpointSliceController {
    books: BTreeMap<Key, Book>,
    /// Services by their namespace and the first label that they select.
    selecting: BTreeMap<(Name, String, String), BTreeSet<Key>>,
}

impl Reconciler for EndpointSliceController {
    type Key = Key;
    const NAME: &'static str = "endpoint-slice-controller";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Key>) {
        let What::Change(change) = &record.what else {
            return;
        };
        match &change.object {
            Object::Service(service) => self.observe_service(service, change, wake),
            Object::Pod(pod) => self.observe_pod(pod, change, wake),
            Object::EndpointSlice(slice) if change.by != Self::NAME => {
                self.observe_slice(slice, wake);
            }
            Object::Node(node) => self.observe_node(node, change, store, wake),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut Context<'_>) -> Outcome {
        let (Some(service), Some(book)) = (cx.get::<Service>(key), self.books.get_mut(key)) else {
            return Outcome::Done;
        };
        if selector(&service).is_none() || service.deletion().is_some() {
            return Outcome::Done;
        }
        match book.sync(&service, cx) {
            Ok(()) => Outcome::Done,
            // The namespace is on its way out, and this with it.
            Err(error) if error.reason == Reason::Forbidden => Outcome::Done,
            Err(_) => {
                book.start_over();
                Outcome::Retry
            }
        }
    }
}

/// The labels that a Service selects, if it selects at all.
fn selector(service: &Service) -> Option<&Labels> {
    let spec = service.spec.as_ref()?;
    let selector = spec.selector.as_ref().filter(|labels| !labels.is_empty())?;
    (spec.type_.as_deref() != Some("ExternalName")).then_some(selector)
}

impl EndpointSliceController {
    fn observe_service(&mut self, service: &Service, change: &Change, wake: &mut WakeUp<'_, Key>) {
        if let Some(Object::Service(old)) = &change.old
            && change.op == Op::Modified
            && old.spec == service.spec
            && Resource::labels(&**old) == Resource::labels(service)
        {
            return;
        }
        let key = service.key();
        let entry = |labels: &Labels| {
            let (label, value) = labels.iter().next()?;
            Some((key.namespace.clone(), label.clone(), value.clone()))
        };
        if let Some(book) = self.books.get(&key)
            && let Some(old) = entry(&book.selector)
            && let Some(keys) = self.selecting.get_mut(&old)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.selecting.remove(&old);
            }
        }
        if change.op == Op::Deleted {
            self.books.remove(&key);
            return;
        }
        let book = self.books.entry(key.clone()).or_default();
        book.selector = selector(service).cloned().unwrap_or_default();
        book.start_over();
        if let Some(entry) = entry(&book.selector) {
            self.selecting.entry(entry).or_default().insert(key.clone());
        }
        wake.now(key);
    }

    fn observe_slice(&mut self, slice: &EndpointSlice, wake: &mut WakeUp<'_, Key>) {
        let Some(service) = Resource::labels(slice).get(SERVICE_NAME) else {
            return;
        };
        let key = Key::new(slice.key().namespace, service.as_str());
        if let Some(book) = self.books.get_mut(&key) {
            book.start_over();
            wake.now(key);
        }
    }

    fn observe_pod(&mut self, pod: &Pod, change: &Change, wake: &mut WakeUp<'_, Key>) {
        let old = match &change.old {
            Some(Object::Pod(old)) => Some(&**old),
            _ => None,
        };
        if !concerns(old, pod, change.op) {
            return;
        }
        self.touch(pod, &pod.meta.labels, wake);
        if let Some(old) = old
            && !same_labels(&old.meta.labels, &pod.meta.labels)
        {
            self.touch(pod, &old.meta.labels, wake);
        }
    }

    /// Notes the pod for every Service that selects the labels.
    fn touch(&mut self, pod: &Pod, labels: &Labels, wake: &mut WakeUp<'_, Key>) {
        for (label, value) in labels {
            let namespace = pod.meta.key.namespace.clone();
            let services = self
                .selecting
                .get(&(namespace, label.clone(), value.clone()));
            for key in services.into_iter().flatten() {
                if let Some(book) = self.books.get_mut(key)
                    && Selector::of_map(&book.selector).matches(labels)
                {
                    book.touch(pod.meta.key.clone());
                    wake.now(key.clone());
                }
            }
        }
    }

    /// An endpoint names its node's zone, and there is none on a node that does not exist.
    fn observe_node(
        &mut self,
        node: &Node,
        change: &Change,
        store: &Store,
        wake: &mut WakeUp<'_, Key>,
    ) {
        let zone = |node: &Node| Resource::labels(node).get(ZONE).cloned();
        if let Some(Object::Node(old)) = &change.old
            && change.op == Op::Modified
            && zone(old) == zone(node)
        {
            return;
        }
        for pod in store.objects.pods_on(&node.key().name) {
            self.touch(pod, &pod.meta.labels, wake);
        }
    }
}

/// Whether a pod's change can change an endpoint.
fn concerns(old: Option<&Pod>, new: &Pod, op: Op) -> bool {
    let listed = |pod: &Pod| pod.ip().is_some() && !pod.is_terminal();
    match (op, old) {
        (Op::Deleted, Some(old)) => listed(old),
        (Op::Modified, Some(old)) => {
            let (was, is) = (listed(old), listed(new));
            (was || is)
                && (was != is
                    || old.ip() != new.ip()
                    || old.is_ready() != new.is_ready()
                    || old.is_terminating() != new.is_terminating()
                    || old.node != new.node
                    || !same_labels(&old.meta.labels, &new.meta.labels))
        }
        _ => listed(new),
    }
}
