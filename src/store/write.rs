//! Writing objects: creation, update with optimistic concurrency, deletion with grace and finalizers.
//!
//! It mirrors `apiserver/pkg/registry/generic/registry/store.go`. Controllers write through [`Context`](super::Context),
//! which calls the typed functions here; requests from outside come as [`WriteVerb`]s.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    input::{WriteVerb, Written},
    log::{Change, Op, What},
    tables::{Store, Stored},
};
use crate::{
    api::{
        ApiError, Key, Kind, Namespace, Object, ObjectRef, Pod, Reason, Time, Uid, codec, defaults,
        meta::Deletion, object::Stamp, quantity::BadQuantity, support, validation,
    },
    with_object,
};

/// Which part of an object a write is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subresource {
    /// Everything but the status.
    #[default]
    Main,
    /// The status alone.
    Status,
    /// A pod's node, with the condition that tells of it: everything in one write.
    Binding,
}

/// What happens to what an object owns when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// The object goes at once, what it owns after it.
    #[default]
    Background,
    /// What it owns goes first.
    Foreground,
    /// What it owns stays.
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`; none: the object's own.
    pub grace_seconds: Option<i64>,
    pub propagation: Propagation,
    /// Delete only the object with this id.
    pub uid: Option<Uid>,
}

/// `metadata.finalizers` entry of foreground deletion.
pub const FOREGROUND: &str = "foregroundDeletion";
/// `metadata.finalizers` entry of orphaning.
pub const ORPHAN: &str = "orphan";

/// Who writes, when and why.
#[derive(Clone, Copy, Debug)]
pub struct Author {
    pub by: &'static str,
    pub at: Time,
    /// The log record that led to the write.
    pub cause: u64,
}

impl Store {
    /// Creates an object.
    ///
    /// # Errors
    /// The name is taken, or its namespace does not exist or is terminating.
    pub fn create<T: Stored>(&mut self, mut object: T, author: Author) -> Result<Arc<T>, ApiError> {
        let key = object.key();
        self.check_namespace(T::KIND, &key)?;
        if self.objects.get::<T>(&key).is_some() {
            return Err(ApiError::already_exists(T::KIND, &key));
        }
        let seq = self.log.next_seq();
        object.stamp(&Stamp {
            uid: self.new_uid(T::KIND, &key, seq),
            created: author.at,
        });
        object.set_resource_version(seq);
        object.set_generation(i64::from(has_generation(T::KIND)));
        let object = Arc::new(object);
        self.commit(Op::Added, T::wrap(Arc::clone(&object)), author);
        Ok(object)
    }

    /// Writes an object, or its status alone. Returns the stored state; nothing is written if nothing changes.
    ///
    /// # Errors
    /// There is no such object, or it has changed since `object` was read.
    pub fn update<T: Stored>(
        &mut self,
        mut object: T,
        subresource: Subresource,
        author: Author,
    ) -> Result<Arc<T>, ApiError> {
        let key = object.key();
        let old = self
            .objects
            .get::<T>(&key)
            .cloned()
            .ok_or_else(|| ApiError::not_found(T::KIND, &key))?;
        let version = object.resource_version();
        let other = !object.uid().is_none() && object.uid() != old.uid();
        if other || (version != 0 && version != old.resource_version()) {
            return Err(ApiError::conflict(T::KIND, &key));
        }
        match subresource {
            Subresource::Main => {
                object.take_status(&old);
                let grown = has_generation(T::KIND) && grows(&object, &old);
                object.set_generation(old.generation() + i64::from(grown));
            }
            Subresource::Status => object.take_all_but_status(&old),
            Subresource::Binding => {}
        }
        object.set_resource_version(old.resource_version());
        if object == *old {
            return Ok(old);
        }
        object.set_resource_version(self.log.next_seq());
        let object = Arc::new(object);
        let wrapped = T::wrap(Arc::clone(&object));
        if object.deletion().is_some() && may_go(&wrapped) {
            self.commit(Op::Deleted, wrapped, author);
        } else {
            self.commit(Op::Modified, wrapped, author);
        }
        Ok(object)
    }

    /// Deletes an object, or marks it to be deleted when its grace is over and its finalizers are done.
    ///
    /// # Errors
    /// There is no such object, or it has another id.
    pub fn delete<T: Stored>(
        &mut self,
        key: &Key,
        options: &DeleteOptions,
        author: Author,
    ) -> Result<Arc<T>, ApiError> {
        let old = self
            .objects
            .get::<T>(key)
            .cloned()
            .ok_or_else(|| ApiError::not_found(T::KIND, key))?;
        if options.uid.is_some_and(|uid| uid != old.uid()) {
            return Err(ApiError::conflict(T::KIND, key));
        }
        let mut object = T::clone(&old);
        match options.propagation {
            Propagation::Background => {}
            Propagation::Foreground => add_finalizer(&mut object, FOREGROUND),
            Propagation::Orphan => add_finalizer(&mut object, ORPHAN),
        }
        let grace = grace_seconds(&T::wrap(Arc::clone(&old)), options.grace_seconds);
        // A deletion can be made shorter, never longer.
        let deletion = Deletion {
            at: author.at + Duration::from_secs(u64::try_from(grace).unwrap_or(0)),
            grace_seconds: grace,
        };
        if old
            .deletion()
            .is_none_or(|earlier| earlier.grace_seconds > grace)
        {
            object.set_deletion(deletion);
            if has_generation(T::KIND) && old.deletion().is_none() {
                object.set_generation(old.generation() + 1);
            }
        }
        if object == *old && !may_go(&T::wrap(Arc::clone(&old))) {
            return Ok(old);
        }
        object.set_resource_version(self.log.next_seq());
        let object = Arc::new(object);
        let wrapped = T::wrap(Arc::clone(&object));
        let op = if may_go(&wrapped) {
            Op::Deleted
        } else {
            Op::Modified
        };
        self.commit(op, wrapped, author);
        Ok(object)
    }

    /// Does what a request from outside asks, with defaults, admission and validation.
    ///
    /// # Errors
    /// As the API refuses.
    pub fn write(
        &mut self,
        verb: &WriteVerb,
        timing: &super::Timing,
        author: Author,
    ) -> Result<Written, ApiError> {
        match verb {
            WriteVerb::Create(object) => self.create_any(object.clone(), timing, author),
            WriteVerb::Update {
                object,
                subresource,
            } => self.update_any(object.clone(), *subresource, author),
            WriteVerb::MergePatch {
                target,
                subresource,
                patch,
            } => {
                let old = self
                    .objects
                    .object(target)
                    .ok_or_else(|| ApiError::not_found(target.kind, &target.key))?;
                let bad = |error: serde_json::Error| {
                    ApiError::new(Reason::BadRequest, format!("invalid patch: {error}"))
                };
                let mut value = codec::to_value(&old).map_err(bad)?;
                merge(&mut value, patch);
                let object = codec::from_value(target.kind, value).map_err(bad)?;
                self.update_any(object, *subresource, author)
            }
            WriteVerb::Delete { target, options } => {
                let object = self.delete_any(target, options, author)?;
                Ok(Written {
                    object,
                    warnings: Vec::new(),
                })
            }
        }
    }

    /// Deletes an object of any kind.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub fn delete_any(
        &mut self,
        target: &ObjectRef,
        options: &DeleteOptions,
        author: Author,
    ) -> Result<Object, ApiError> {
        fn delete<T: Stored>(
            store: &mut Store,
            _: &Arc<T>,
            key: &Key,
            options: &DeleteOptions,
            author: Author,
        ) -> Result<Object, ApiError> {
            store.delete::<T>(key, options, author).map(T::wrap)
        }
        let old = self
            .objects
            .object(target)
            .ok_or_else(|| ApiError::not_found(target.kind, &target.key))?;
        with_object!(&old, it => delete(self, it, &target.key, options, author))
    }

    fn create_any(
        &mut self,
        object: Object,
        timing: &super::Timing,
        author: Author,
    ) -> Result<Written, ApiError> {
        fn create<T: Stored>(
            store: &mut Store,
            object: Arc<T>,
            author: Author,
        ) -> Result<Object, ApiError> {
            store
                .create(Arc::unwrap_or_clone(object), author)
                .map(T::wrap)
        }
        readable(&object)?;
        let mut object = self.named(object);
        self.check_namespace(object.kind(), &object.key())?;
        defaults::apply(&mut object);
        defaults::reset_status(&mut object);
        self.admit(&mut object, timing)?;
        let causes = validation::check(&object, None);
        if !causes.is_empty() {
            return Err(ApiError::invalid(object.kind(), &object.key().name, causes));
        }
        self.allocate(&mut object)?;
        let warnings = support::warnings(&object)
            .iter()
            .map(ToString::to_string)
            .collect();
        let object = with_object!(object, it => create(self, it, author))?;
        Ok(Written { object, warnings })
    }

    fn update_any(
        &mut self,
        mut object: Object,
        subresource: Subresource,
        author: Author,
    ) -> Result<Written, ApiError> {
        fn update<T: Stored>(
            store: &mut Store,
            object: Arc<T>,
            subresource: Subresource,
            author: Author,
        ) -> Result<Object, ApiError> {
            store
                .update(Arc::unwrap_or_clone(object), subresource, author)
                .map(T::wrap)
        }
        let reference = object.reference();
        let old = self
            .objects
            .object(&reference)
            .ok_or_else(|| ApiError::not_found(reference.kind, &reference.key))?;
        readable(&object)?;
        defaults::apply(&mut object);
        if subresource == Subresource::Main {
            // A stale write is told so before it is judged.
            let version = object.resource_version();
            if version != 0 && version != old.resource_version() {
                return Err(ApiError::conflict(reference.kind, &reference.key));
            }
            with_object!(&mut object, it => keep_identity(it, &old))?;
            if let (Object::Service(new), Object::Service(old)) = (&mut object, &old) {
                defaults::keep_allocated(Arc::make_mut(new), old);
            }
            let causes = validation::check(&object, Some(&old));
            if !causes.is_empty() {
                return Err(ApiError::invalid(
                    reference.kind,
                    &reference.key.name,
                    causes,
                ));
            }
            self.allocate(&mut object)?;
        }
        let warnings = support::warnings(&object)
            .iter()
            .map(ToString::to_string)
            .collect();
        let object = with_object!(object, it => update(self, it, subresource, author))?;
        Ok(Written { object, warnings })
    }

    /// Gives an object a namespace and, from `generateName`, a name.
    fn named(&self, mut object: Object) -> Object {
        let seq = self.log.next_seq();
        let kind = object.kind();
        let name = |prefix: Option<&str>, name: &str| match prefix {
            Some(prefix) if name.is_empty() && !prefix.is_empty() => {
                format!("{prefix}{}", self.random.suffix(prefix, seq))
            }
            _ => name.to_owned(),
        };
        if let Object::Pod(pod) = &mut object {
            let meta = &mut Arc::make_mut(pod).meta;
            let chosen = name(meta.generate_name.as_deref(), &meta.key.name);
            let namespace = match &*meta.key.namespace {
                "" => "default".into(),
                _ => meta.key.namespace.clone(),
            };
            meta.key = Key::new(namespace, chosen);
        } else if !matches!(object, Object::Event(_)) {
            let meta = defaults::object_meta_mut(&mut object);
            if let Some(meta) = meta {
                let chosen = name(
                    meta.generate_name.as_deref(),
                    meta.name.as_deref().unwrap_or_default(),
                );
                meta.name = Some(chosen);
                if kind.is_namespaced() && meta.namespace.as_deref().is_none_or(str::is_empty) {
                    meta.namespace = Some("default".to_owned());
                }
            }
        }
        object
    }

    fn check_namespace(&self, kind: Kind, key: &Key) -> Result<(), ApiError> {
        if !kind.is_namespaced() {
            return Ok(());
        }
        let namespace = Key::cluster(key.namespace.clone());
        let Some(found) = self.objects.get::<Namespace>(&namespace) else {
            return Err(ApiError::not_found(Kind::Namespace, &namespace));
        };
        // Events may still be written, to tell how the namespace went.
        if found.metadata.deletion_timestamp.is_some() && kind != Kind::Event {
            return Err(ApiError::new(
                Reason::Forbidden,
                format!(
                    "{} \"{}\" is forbidden: unable to create new content in namespace {} because it is being terminated",
                    kind.qualified(),
                    key.name,
                    key.namespace
                ),
            ));
        }
        Ok(())
    }

    fn new_uid(&self, kind: Kind, key: &Key, seq: u64) -> Uid {
        let bits = self.random.bits128(kind.as_str(), &key.to_string(), seq);
        // The bits that mark a random UUID (RFC 9562, version 4).
        let version = (bits & !(0xf << 76)) | (0x4 << 76);
        Uid((version & !(0x3 << 62)) | (0x2 << 62))
    }

    fn commit(&mut self, op: Op, object: Object, author: Author) {
        let old = match op {
            Op::Deleted => self.objects.take(&object),
            Op::Added | Op::Modified => self.objects.put(&object),
        };
        let change = Change {
            op,
            object,
            old,
            by: author.by,
        };
        self.record(author.cause, author.at, What::Change(change));
    }
}

/// Gives an object that is to replace another what no writer can change: id and times.
fn keep_identity<T: Stored>(object: &mut Arc<T>, old: &Object) -> Result<(), ApiError> {
    let Some(old) = T::unwrap(old) else {
        return Ok(());
    };
    if !object.uid().is_none() && object.uid() != old.uid() {
        return Err(ApiError::conflict(T::KIND, &old.key()));
    }
    let object = Arc::make_mut(object);
    object.stamp(&Stamp {
        uid: old.uid(),
        created: old.created(),
    });
    if let Some(deletion) = old.deletion() {
        object.set_deletion(deletion);
    }
    Ok(())
}

/// Refuses an object with a quantity that is none, as upstream's decoder does.
fn readable(object: &Object) -> Result<(), ApiError> {
    defaults::malformed_quantity(object).map_or(Ok(()), |_| {
        let kind = object.kind();
        let version = kind.api_version().rsplit('/').next().unwrap_or_default();
        Err(ApiError::new(
            Reason::BadRequest,
            format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {BadQuantity}"),
        ))
    })
}

/// Whether the API counts generations of this kind.
const fn has_generation(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Deployment | Kind::ReplicaSet | Kind::Pod | Kind::EndpointSlice | Kind::PriorityClass
    )
}

/// Whether an update counts as a change of the desired state.
fn grows<T: Stored>(new: &T, old: &T) -> bool {
    if !new.same_spec(old) {
        return true;
    }
    // A Deployment's annotations count too, for they are copied to its ReplicaSets; but for the one that its controller
    // writes, upstream together with the status.
    let own = |object: &T| {
        let mut annotations = object.annotations().clone();
        annotations.remove("deployment.kubernetes.io/revision");
        annotations
    };
    T::KIND == Kind::Deployment && own(new) != own(old)
}

fn add_finalizer<T: Stored>(object: &mut T, finalizer: &str) {
    let mut finalizers = object.finalizers();
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.to_owned());
        object.set_finalizers(finalizers);
    }
}

/// Whether an object that was asked to go has nothing left to wait for.
fn may_go(object: &Object) -> bool {
    let Some(deletion) = object.deletion() else {
        return false;
    };
    let waits = match object {
        Object::Pod(_) => deletion.grace_seconds > 0,
        Object::Namespace(namespace) => namespace
            .spec
            .as_ref()
            .and_then(|spec| spec.finalizers.as_ref())
            .is_some_and(|finalizers| !finalizers.is_empty()),
        _ => false,
    };
    !waits && object.finalizers().is_empty()
}

/// The grace that a deletion gives (`pkg/registry/core/pod/strategy.go`, `CheckGracefulDelete`).
fn grace_seconds(object: &Object, asked: Option<i64>) -> i64 {
    let Object::Pod(pod) = object else { return 0 };
    if pod.node.is_none() || pod.is_terminal() {
        return 0;
    }
    asked
        .or(pod.spec.termination_grace_period_seconds)
        .unwrap_or(Pod::DEFAULT_GRACE_SECONDS)
        .max(0)
}

/// Applies a JSON merge patch (RFC 7386).
pub fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    use serde_json::Value;
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
}
