//! Namespaces that were asked to go: what is in them goes first (`pkg/controller/namespace`).

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::NamespaceCondition;

use crate::{
    api::{ApiError, Key, Kind, Name, Namespace, Object, ObjectRef, Resource, Time},
    store::{
        Context, DeleteOptions, Op, Outcome, Reconciler, Record, Store, WakeUp, What,
        tables::Objects,
    },
};

/// The finalizer (of the spec, not of the metadata) that this controller takes away in the end.
const FINALIZER: &str = "kubernetes";
/// How long a namespace that still holds something waits, if nothing tells of its last object's end before.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// The namespace controller.
#[derive(Clone, Debug, Default)]
pub struct NamespaceController {}

impl Reconciler for NamespaceController {
    type Key = Name;
    const NAME: &'static str = "namespace-controller";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Name>) {
        let What::Change(change) = &record.what else {
            return;
        };
        match &change.object {
            Object::Namespace(namespace)
                if change.op != Op::Deleted && namespace.deletion().is_some() =>
            {
                wake.now(namespace.key().name);
            }
            Object::Namespace(_) | Object::Event(_) => {}
            object if change.op == Op::Deleted => {
                let name = object.key().namespace;
                let namespace = store.objects.get::<Namespace>(&Key::cluster(name.clone()));
                if namespace.is_some_and(|n| n.deletion().is_some()) && is_empty(store, &name) {
                    wake.now(name);
                }
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, name: &Name, cx: &mut Context<'_>) -> Outcome {
        let Some(namespace) = cx.get::<Namespace>(&Key::cluster(name.clone())) else {
            return Outcome::Done;
        };
        if namespace.deletion().is_none() {
            return Outcome::Done;
        }
        match terminate(&namespace, cx) {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::At(cx.now + LOOK_AGAIN),
            Err(_) => Outcome::Retry,
        }
    }
}

/// What can be in a namespace, events last: they may still tell how the rest went.
fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.is_namespaced())
}

fn is_empty(store: &Store, namespace: &str) -> bool {
    let mut kinds = kinds().filter(|kind| *kind != Kind::Event);
    kinds.all(|kind| !store.objects.has_any(kind, namespace))
}

/// Deletes what is in a namespace. Returns whether nothing is left and the namespace is gone.
fn terminate(namespace: &Namespace, cx: &mut Context<'_>) -> Result<bool, ApiError> {
    let name = namespace.key().name;
    for kind in kinds() {
        for key in cx.store.objects.keys(kind, Some(&name)) {
            let target = ObjectRef::new(kind, key);
            let object = cx.store.objects.object(&target);
            if object.is_some_and(|object| object.deletion().is_none()) {
                cx.delete_any(&target, &DeleteOptions::default())?;
            }
        }
    }
    let left = Left::count(&cx.store.objects, &name);
    let mut namespace = namespace.clone();
    let status = namespace.status.get_or_insert_default();
    status.phase = Some("Terminating".to_owned());
    for condition in left.conditions(cx.now) {
        let conditions = status.conditions.get_or_insert_default();
        match conditions.iter_mut().find(|c| c.type_ == condition.type_) {
            Some(old) if old.status == condition.status && old.message == condition.message => {}
            Some(old) => *old = condition,
            None => conditions.push(condition),
        }
    }
    let stored = cx.update_status(namespace)?;
    if !left.kinds.is_empty() {
        return Ok(false);
    }
    let mut namespace = Namespace::clone(&stored);
    if let Some(finalizers) = namespace.spec.as_mut().and_then(|s| s.finalizers.as_mut()) {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    cx.update(namespace)?;
    Ok(true)
}

/// What is still in a namespace.
struct Left {
    kinds: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
}

impl Left {
    fn count(objects: &Objects, namespace: &str) -> Self {
        let mut left = Self {
            kinds: BTreeMap::new(),
            finalizers: BTreeMap::new(),
        };
        for kind in kinds() {
            let resource = match kind.group() {
                "" => format!("{}.", kind.plural()),
                group => format!("{}.{group}", kind.plural()),
            };
            for key in objects.keys(kind, Some(namespace)) {
                *left.kinds.entry(resource.clone()).or_default() += 1;
                let object = objects.object(&ObjectRef::new(kind, key));
                for finalizer in object.map(|o| o.finalizers()).unwrap_or_default() {
                    *left.finalizers.entry(finalizer).or_default() += 1;
                }
            }
        }
        left
    }

    /// The conditions as upstream words them (`status_condition_utils.go`).
    fn conditions(&self, now: Time) -> Vec<NamespaceCondition> {
        let list = |counts: &BTreeMap<String, usize>, what: &str| {
            let one =
                |(name, n): (&String, &usize)| format!("{name} {what} {n} resource instances");
            counts.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let condition =
            |condition: &str, bad: bool, reason: &str, message: String| NamespaceCondition {
                type_: condition.to_owned(),
                status: if bad { "True" } else { "False" }.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message),
                last_transition_time: Some(now.to_k8s()),
            };
        let fine = |name: &str, reason: &str, message: &str| {
            condition(name, false, reason, message.to_owned())
        };
        let mut conditions = vec![
            fine(
                "NamespaceDeletionDiscoveryFailure",
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            fine(
                "NamespaceDeletionGroupVersionParsingFailure",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            fine(
                "NamespaceDeletionContentFailure",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        ];
        conditions.push(match self.kinds.is_empty() {
            true => fine(
                "NamespaceContentRemaining",
                "ContentRemoved",
                "All content successfully removed",
            ),
            false => condition(
                "NamespaceContentRemaining",
                true,
                "SomeResourcesRemain",
                format!("Some resources are remaining: {}", list(&self.kinds, "has")),
            ),
        });
        conditions.push(match self.finalizers.is_empty() {
            true => fine(
                "NamespaceFinalizersRemaining",
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            ),
            false => condition(
                "NamespaceFinalizersRemaining",
                true,
                "SomeFinalizersRemain",
                format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    list(&self.finalizers, "in")
                ),
            ),
        });
        conditions
    }
}
