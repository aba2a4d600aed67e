//! What a component of the control plane is: something that watches the log and reconciles keys.

use std::{fmt, sync::Arc};

use super::{
    Config, DeleteOptions, Input, Random, Record, Store, Subresource, WorkQueue,
    config::RuntimeKind,
    log::What,
    runtime::{Call, Verb},
    tables::Stored,
    world::WorldChange,
    write::Author,
};
use crate::api::{
    ApiError, Event, EventType, Key, Meta, Name, ObjectRef, Pod, Resource, Time, Uid,
};

/// What a component works with while it handles one key.
pub struct Context<'a> {
    pub store: &'a mut Store,
    pub now: Time,
    pub config: &'a Config,
    /// The record that led to this work.
    pub cause: u64,
    /// The component's name.
    pub by: &'static str,
    pub effects: &'a mut Vec<Call>,
}

impl Context<'_> {
    fn author(&self) -> Author {
        Author {
            by: self.by,
            at: self.now,
            cause: self.cause,
        }
    }

    /// Randomness by key.
    #[must_use]
    pub fn random(&self) -> Random {
        self.store.random
    }

    /// An object of a known kind.
    #[must_use]
    pub fn get<T: Stored>(&self, key: &Key) -> Option<Arc<T>> {
        self.store.objects.get::<T>(key).cloned()
    }

    /// Creates an object.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create<T: Stored>(&mut self, object: T) -> Result<Arc<T>, ApiError> {
        let author = self.author();
        self.store.create(object, author)
    }

    /// Writes an object (all but its status).
    ///
    /// # Errors
    /// As [`Store::update`].
    pub fn update<T: Stored>(&mut self, object: T) -> Result<Arc<T>, ApiError> {
        let author = self.author();
        self.store.update(object, Subresource::Main, author)
    }

    /// Writes an object's status.
    ///
    /// # Errors
    /// As [`Store::update`].
    pub fn update_status<T: Stored>(&mut self, object: T) -> Result<Arc<T>, ApiError> {
        let author = self.author();
        self.store.update(object, Subresource::Status, author)
    }

    /// Writes a pod's node and status in one, as a binding does.
    ///
    /// # Errors
    /// As [`Store::update`].
    pub fn bind(&mut self, pod: Pod) -> Result<Arc<Pod>, ApiError> {
        let author = self.author();
        self.store.update(pod, Subresource::Binding, author)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub fn delete<T: Stored>(
        &mut self,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Arc<T>, ApiError> {
        let author = self.author();
        self.store.delete(key, options, author)
    }

    /// Deletes an object of any kind.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub fn delete_any(
        &mut self,
        target: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<(), ApiError> {
        let author = self.author();
        self.store.delete_any(target, options, author).map(drop)
    }

    /// Changes the truth.
    pub fn change_world(&mut self, change: WorldChange) -> u64 {
        self.store.change_world(change, self.now, self.cause)
    }

    /// Asks something of a node's runtime. The answer comes as an input with the returned number.
    pub fn call(&mut self, node: &Name, runtime: RuntimeKind, verb: Verb) -> u64 {
        let what = What::Effect {
            node: node.clone(),
            verb: verb.name().to_owned(),
        };
        let id = self.store.record(self.cause, self.now, what);
        self.effects.push(Call {
            id,
            node: node.clone(),
            runtime,
            verb,
        });
        id
    }

    /// Reports an event about an object. One that says the same again is counted.
    pub fn event<T: Resource>(
        &mut self,
        about: &T,
        event_type: EventType,
        reason: &str,
        message: impl Into<Name>,
    ) {
        let regarding = ObjectRef::new(T::KIND, about.key());
        self.event_from(
            regarding,
            about.uid(),
            event_type,
            reason,
            message.into(),
            None,
        );
    }

    /// Reports an event about an object, as the kubelet of a node.
    pub fn event_from(
        &mut self,
        regarding: ObjectRef,
        uid: Uid,
        event_type: EventType,
        reason: &str,
        message: Name,
        host: Option<&Name>,
    ) {
        self.report(EventReport {
            regarding,
            uid,
            field_path: None,
            event_type,
            reason,
            message,
            host,
        });
    }

    /// Reports an event with all that can be said in one.
    pub fn report(&mut self, report: EventReport<'_>) {
        let author = self.author();
        self.store.report(report, author);
    }
}

/// What an event is to say.
#[derive(Clone, Debug)]
pub struct EventReport<'a> {
    pub regarding: ObjectRef,
    pub uid: Uid,
    /// The part of the object that it is about (`spec.containers{app}`).
    pub field_path: Option<Name>,
    pub event_type: EventType,
    pub reason: &'a str,
    pub message: Name,
    /// The node whose kubelet reports it.
    pub host: Option<&'a Name>,
}

impl Store {
    fn report(&mut self, report: EventReport<'_>, author: Author) {
        let reason = Name::from(report.reason);
        let index = (
            report.uid,
            report.field_path.clone(),
            reason.clone(),
            report.message.clone(),
        );
        if let Some(event) = self
            .event_index
            .get(&index)
            .and_then(|key| self.objects.events.get(key))
        {
            let mut event = Event::clone(event);
            event.count += 1;
            event.last = author.at;
            // An event that is there can be written again.
            let _ = self.update(event, Subresource::Main, author);
            return;
        }
        let seq = self.log.next_seq();
        let namespace = match &*report.regarding.key.namespace {
            "" => Name::from("default"),
            _ => report.regarding.key.namespace.clone(),
        };
        let name = format!(
            "{}.{:016x}",
            report.regarding.key.name,
            self.random.bits("event", report.reason, seq)
        );
        let key = Key::new(namespace, name);
        let event = Event {
            meta: Meta::new(key.clone()),
            regarding: report.regarding,
            regarding_uid: report.uid,
            field_path: report.field_path,
            event_type: report.event_type,
            reason,
            message: report.message,
            count: 1,
            first: author.at,
            last: author.at,
            source: author.by.into(),
            host: report.host.cloned(),
        };
        // Refused only where the namespace is gone: then nobody can read it either.
        if self.create(event, author).is_ok() {
            self.event_index.insert(index, key.clone());
            self.event_order.push_back(key);
            self.drop_old_events(author);
        }
    }

    /// Events are kept for an hour (`--event-ttl`), and no more than the limit.
    fn drop_old_events(&mut self, author: Author) {
        const TTL: std::time::Duration = std::time::Duration::from_secs(3600);
        while let Some(key) = self.event_order.front().cloned() {
            let Some(event) = self.objects.events.get(&key).cloned() else {
                self.event_order.pop_front();
                continue;
            };
            let over = self.event_order.len() > self.event_limit;
            if !over && event.last + TTL > author.at {
                return;
            }
            self.event_order.pop_front();
            let index = (
                event.regarding_uid,
                event.field_path.clone(),
                event.reason.clone(),
                event.message.clone(),
            );
            self.event_index.remove(&index);
            let _ = self.delete::<Event>(&key, &DeleteOptions::default(), author);
        }
    }
}

/// What is to be done with a key after it was reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing until something changes.
    Done,
    /// Look again at that time.
    At(Time),
    /// It failed: look again after a back-off.
    Retry,
}

/// Wakes keys on account of a record.
pub struct WakeUp<'a, K: Ord + Clone> {
    queue: &'a mut WorkQueue<K>,
    cause: u64,
}

impl<K: Ord + Clone> WakeUp<'_, K> {
    /// Wakes a key.
    pub fn now(&mut self, key: K) {
        self.queue.add(key, self.cause);
    }

    /// Wakes a key at a time.
    pub fn at(&mut self, key: K, at: Time) {
        self.queue.add_at(key, at, self.cause);
    }
}

/// A level-triggered controller: compares desired with observed for one key and writes.
pub trait Reconciler: Clone + fmt::Debug + Send + 'static {
    /// What is reconciled.
    type Key: Ord + Clone + fmt::Debug + Send;
    /// The component's name, as upstream's events give it.
    const NAME: &'static str;

    /// Sees what happened and wakes the keys that it concerns.
    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Self::Key>);

    /// Looks at one key.
    fn reconcile(&mut self, key: &Self::Key, cx: &mut Context<'_>) -> Outcome;

    /// Sees an input as it comes in. Most components meet in the store alone and need none.
    fn input(&mut self, _: &Input, _: &mut Context<'_>, _: &mut WorkQueue<Self::Key>) {}

    /// Called once, before the first input.
    fn start(&mut self, _: &Config, _: &mut WorkQueue<Self::Key>) {}
}

/// A component as the cluster runs it.
pub trait Component: fmt::Debug + Send {
    /// The component's name.
    fn name(&self) -> &'static str;
    /// Called once, before the first input.
    fn start(&mut self, config: &Config);
    /// Sees what happened.
    fn observe(&mut self, record: &Record, store: &Store);
    /// Sees an input as it comes in.
    fn input(&mut self, input: &Input, cx: &mut Context<'_>);
    /// Makes due keys ready; returns how many are.
    fn advance(&mut self, now: Time) -> usize;
    /// Handles one ready key; false if none is.
    fn run_one(&mut self, cx: &mut Context<'_>) -> bool;
    /// When the next key becomes ready.
    fn next_deadline(&self) -> Option<Time>;
    /// A copy.
    fn boxed(&self) -> Box<dyn Component>;
}

/// A reconciler with its queue.
#[derive(Clone, Debug)]
pub struct Runner<R: Reconciler> {
    reconciler: R,
    queue: WorkQueue<R::Key>,
}

impl<R: Reconciler> Runner<R> {
    /// A reconciler with an empty queue.
    pub fn new(reconciler: R) -> Self {
        Self {
            reconciler,
            queue: WorkQueue::default(),
        }
    }
}

impl<R: Reconciler> Component for Runner<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn start(&mut self, config: &Config) {
        self.reconciler.start(config, &mut self.queue);
    }

    fn observe(&mut self, record: &Record, store: &Store) {
        let mut wake = WakeUp {
            queue: &mut self.queue,
            cause: record.seq,
        };
        self.reconciler.observe(record, store, &mut wake);
    }

    fn input(&mut self, input: &Input, cx: &mut Context<'_>) {
        cx.by = R::NAME;
        self.reconciler.input(input, cx, &mut self.queue);
    }

    fn advance(&mut self, now: Time) -> usize {
        self.queue.advance(now);
        self.queue.len()
    }

    fn run_one(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((key, cause)) = self.queue.pop() else {
            return false;
        };
        cx.by = R::NAME;
        cx.cause = cause;
        match self.reconciler.reconcile(&key, cx) {
            Outcome::Done => self.queue.forget(&key),
            Outcome::At(at) => {
                self.queue.forget(&key);
                self.queue.add_at(key, at, cause);
            }
            Outcome::Retry => self.queue.retry(key, cx.now, cause),
        }
        true
    }

    fn next_deadline(&self) -> Option<Time> {
        self.queue.next_deadline()
    }

    fn boxed(&self) -> Box<dyn Component> {
        Box::new(self.clone())
    }
}
