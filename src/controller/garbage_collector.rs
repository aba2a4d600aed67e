//! What goes when its owner goes (`pkg/controller/garbagecollector`).
//!
//! The store's index of owners is the graph; a change wakes the objects that it may have left without an owner, and the
//! owners that wait for what they own.

use std::sync::Arc;

use crate::{
    api::{ApiError, Key, Kind, Object, ObjectRef, Uid, defaults, meta::Owner},
    store::{
        Context, Defect, DeleteOptions, Op, Outcome, Propagation, Reconciler, Record, Store,
        WakeUp, What,
        tables::{Objects, Stored},
        write::{FOREGROUND, ORPHAN},
    },
    with_object,
};

/// The garbage collector.
#[derive(Clone, Debug, Default)]
pub struct GarbageCollector {}

impl Reconciler for GarbageCollector {
    type Key = ObjectRef;
    const NAME: &'static str = "garbage-collector-controller";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, ObjectRef>) {
        let What::Change(change) = &record.what else {
            return;
        };
        let object = &change.object;
        if matches!(object, Object::Event(_)) {
            return;
        }
        if change.op == Op::Deleted {
            for dependent in store.objects.owned_by(object.uid()) {
                wake.now(dependent.clone());
            }
            for owner in object.owners() {
                wake_waiting_owner(&object.key(), &owner, store, wake);
            }
            return;
        }
        if object.deletion().is_some() {
            let finalizers = object.finalizers();
            if has(&finalizers, ORPHAN) || has(&finalizers, FOREGROUND) {
                wake.now(object.reference());
            }
            if has(&finalizers, FOREGROUND) && !waits_for_dependents(change.old.as_ref()) {
                for dependent in store.objects.owned_by(object.uid()) {
                    wake.now(dependent.clone());
                }
            }
            return;
        }
        if same_owners(change.old.as_ref(), object) {
            return;
        }
        let owners = object.owners();
        let key = object.key();
        let mut states = owners
            .iter()
            .map(|owner| state(&store.objects, &key, owner));
        if states.any(|state| state != State::Solid) {
            wake.now(object.reference());
        }
    }

    fn reconcile(&mut self, item: &ObjectRef, cx: &mut Context<'_>) -> Outcome {
        let Some(object) = cx.store.objects.object(item) else {
            return Outcome::Done;
        };
        let done = if object.deletion().is_some() {
            finish(&object, cx)
        } else {
            collect(&object, cx)
        };
        done.map_or(Outcome::Retry, |()| Outcome::Done)
    }
}

/// Whether a change left the owners as they were; quick for pods, of which there are many.
fn same_owners(old: Option<&Object>, new: &Object) -> bool {
    match (old, new) {
        (None, _) => false,
        (Some(Object::Pod(old)), Object::Pod(new)) => {
            Arc::ptr_eq(&old.meta.owners, &new.meta.owners) || old.meta.owners == new.meta.owners
        }
        (Some(old), new) => old.owners() == new.owners(),
    }
}

fn has(finalizers: &[String], finalizer: &str) -> bool {
    finalizers.iter().any(|f| f == finalizer)
}

fn waits_for_dependents(object: Option<&Object>) -> bool {
    object
        .is_some_and(|object| object.deletion().is_some() && has(&object.finalizers(), FOREGROUND))
}

/// Where an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is there, or of a kind that is not known here.
    Solid,
    /// It is gone.
    Dangling,
    /// It goes as soon as what it owns is gone.
    Waiting,
}

fn owner_reference(dependent: &Key, owner: &Owner) -> Option<ObjectRef> {
    let kind = Kind::find(&owner.api_version, &owner.kind)?;
    let key = if kind.is_namespaced() {
        Key::new(dependent.namespace.clone(), owner.name.clone())
    } else {
        Key::cluster(owner.name.clone())
    };
    Some(ObjectRef::new(kind, key))
}

fn find_owner(objects: &Objects, dependent: &Key, owner: &Owner) -> Option<Object> {
    let found = objects.object(&owner_reference(dependent, owner)?)?;
    (found.uid() == owner.uid).then_some(found)
}

fn state(objects: &Objects, dependent: &Key, owner: &Owner) -> State {
    if owner_reference(dependent, owner).is_none() {
        return State::Solid;
    }
    match find_owner(objects, dependent, owner) {
        None => State::Dangling,
        found if waits_for_dependents(found.as_ref()) => State::Waiting,
        Some(_) => State::Solid,
    }
}

/// An owner that waits for what it owns is told that something of it is gone.
fn wake_waiting_owner(
    dependent: &Key,
    owner: &Owner,
    store: &Store,
    wake: &mut WakeUp<'_, ObjectRef>,
) {
    let found = find_owner(&store.objects, dependent, owner);
    if let Some(found) = found.filter(|found| waits_for_dependents(Some(found))) {
        wake.now(found.reference());
    }
}

/// Deletes an object none of whose owners is left (`attemptToDeleteItem`).
fn collect(object: &Object, cx: &mut Context<'_>) -> Result<(), ApiError> {
    let owners = object.owners();
    let key = object.key();
    let states: Vec<State> = owners
        .iter()
        .map(|owner| state(&cx.store.objects, &key, owner))
        .collect();
    if states.iter().all(|state| *state == State::Solid) {
        return Ok(());
    }
    if states.contains(&State::Solid) {
        let kept = owners.iter().zip(&states);
        let kept = kept.filter(|(_, state)| **state == State::Solid);
        let kept: Vec<_> = kept.map(|(owner, _)| owner.clone()).collect();
        return set_owners(object, &kept, cx);
    }
    if cx.config.defect == Some(Defect::OrphansKept) {
        return Ok(());
    }
    let owns = cx.store.objects.owned_by(object.uid()).next().is_some();
    let finalizers = object.finalizers();
    let propagation = if has(&finalizers, ORPHAN) {
        Propagation::Orphan
    } else if has(&finalizers, FOREGROUND) || (states.contains(&State::Waiting) && owns) {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    let options = DeleteOptions {
        propagation,
        uid: Some(object.uid()),
        ..DeleteOptions::default()
    };
    cx.delete_any(&object.reference(), &options)
}

/// Does what an object that was asked to go waits for.
fn finish(object: &Object, cx: &mut Context<'_>) -> Result<(), ApiError> {
    let finalizers = object.finalizers();
    let dependents: Vec<Object> = cx
        .store
        .objects
        .owned_by(object.uid())
        .filter_map(|reference| cx.store.objects.object(reference))
        .collect();
    if has(&finalizers, ORPHAN) {
        for dependent in dependents {
            let mut owners = dependent.owners();
            owners.retain(|owner| owner.uid != object.uid());
            set_owners(&dependent, &owners, cx)?;
        }
        return drop_finalizer(object, ORPHAN, cx);
    }
    if has(&finalizers, FOREGROUND) {
        let blocks = |dependent: &Object| blocks(dependent, object.uid());
        if !dependents.iter().any(blocks) {
            return drop_finalizer(object, FOREGROUND, cx);
        }
    }
    Ok(())
}

fn blocks(dependent: &Object, owner: Uid) -> bool {
    let owners = dependent.owners();
    owners
        .iter()
        .any(|o| o.uid == owner && o.block_owner_deletion)
}

fn update(object: Object, cx: &mut Context<'_>) -> Result<(), ApiError> {
    fn write<T: Stored>(object: Arc<T>, cx: &mut Context<'_>) -> Result<(), ApiError> {
        cx.update(Arc::unwrap_or_clone(object)).map(drop)
    }
    with_object!(object, it => write(it, cx))
}

fn set_owners(object: &Object, owners: &[Owner], cx: &mut Context<'_>) -> Result<(), ApiError> {
    let mut object = object.clone();
    if let Object::Pod(pod) = &mut object {
        Arc::make_mut(pod).meta.owners = owners.into();
    } else if let Some(meta) = defaults::object_meta_mut(&mut object) {
        meta.owner_references =
            (!owners.is_empty()).then(|| owners.iter().map(Into::into).collect());
    }
    update(object, cx)
}

fn drop_finalizer(object: &Object, finalizer: &str, cx: &mut Context<'_>) -> Result<(), ApiError> {
    fn write<T: Stored>(
        object: &Arc<T>,
        finalizer: &str,
        cx: &mut Context<'_>,
    ) -> Result<(), ApiError> {
        let mut object = T::clone(object);
        let mut finalizers = object.finalizers();
        finalizers.retain(|f| f != finalizer);
        object.set_finalizers(finalizers);
        cx.update(object).map(drop)
    }
    with_object!(object, it => write(it, finalizer, cx))
}
