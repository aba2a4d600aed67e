//! What has happened, as the Events view shows it: read from the log a piece at a time, so that no frame looks at all of
//! it.

use std::{collections::BTreeSet, sync::Arc};

use imbl::OrdMap;

use super::list::Rows;
use crate::{
    api::{Event, EventType, Name, Object, ObjectRef, Resource, Time, Uid},
    store::{Op, Store, What, world::WorldChange},
};

/// How many entries are kept; the oldest go first.
const LIMIT: usize = 20_000;

/// Who reports faults and their healing.
const CHAOS: &str = "kubeplay-chaos";

/// What kind of thing an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    Normal,
    Warning,
    /// Something that a person did to the cluster.
    Fault,
}

impl EntryKind {
    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
            Self::Fault => "Fault",
        }
    }
}

/// One row of the Events view.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Time,
    pub kind: EntryKind,
    pub reason: Name,
    pub object: ObjectRef,
    pub message: Name,
    pub count: u32,
    pub source: Name,
    event: Uid,
}

impl Entry {
    fn of_event(event: &Event) -> Self {
        Self {
            at: event.last,
            kind: match event.event_type {
                _ if &*event.source == CHAOS => EntryKind::Fault,
                EventType::Normal => EntryKind::Normal,
                EventType::Warning => EntryKind::Warning,
            },
            reason: event.reason.clone(),
            object: event.regarding.clone(),
            message: event.message.clone(),
            count: event.count,
            source: event.source.clone(),
            event: event.meta.uid,
        }
    }

    /// The object in the short form that `kubectl` uses (`pod/web-1`).
    #[must_use]
    pub fn object_text(&self) -> String {
        format!(
            "{}/{}",
            self.object.kind.as_str().to_lowercase(),
            self.object.key.name
        )
    }
}

/// Which entries are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The entry contains this text, whatever the case.
    pub text: String,
    /// The entry is of this kind.
    pub kind: Option<EntryKind>,
}

impl Filter {
    /// Whether everything is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.kind.is_none()
    }

    fn matches(&self, entry: &Entry) -> bool {
        let contains = |text: &str| text.to_lowercase().contains(&self.text);
        self.kind.is_none_or(|kind| kind == entry.kind)
            && (self.text.is_empty()
                || contains(&entry.reason)
                || contains(&entry.object_text())
                || contains(&entry.message))
    }
}

/// Entries by the number of the record that last wrote them.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    entries: OrdMap<u64, Entry>,
    by_event: OrdMap<Uid, u64>,
    /// Entries by what they are about.
    by_object: OrdMap<ObjectRef, Rows>,
    shown: Rows,
    filter: Filter,
    next: u64,
}

/// What reading a piece of the log came upon besides entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// A node was added or removed.
    pub node_set: bool,
    /// A node changed.
    pub nodes: bool,
    /// Nodes of which something changed: themselves, their pods, the truth about them.
    pub touched: BTreeSet<Name>,
}

/// The machine that a change of the truth is about, if it is about one and not about what runs on it.
const fn machine(change: &WorldChange) -> Option<&Name> {
    match change {
        WorldChange::NodeOn { node }
        | WorldChange::NodeOff { node }
        | WorldChange::NodeBooting { node, .. }
        | WorldChange::HeartbeatsCut { node }
        | WorldChange::HeartbeatsRestored { node } => Some(node),
        _ => None,
    }
}

impl Feed {
    /// Reads what was logged since the last time. Where the log has gone too far, the events themselves are read.
    pub fn read(&mut self, store: &Store) -> Seen {
        let mut seen = Seen::default();
        if self.next < store.log.oldest() {
            let nodes = store.objects.nodes.keys();
            seen = Seen {
                node_set: true,
                nodes: true,
                touched: nodes.map(|key| key.name.clone()).collect(),
            };
            for event in store.objects.events.values() {
                self.event(event.meta.resource_version, event);
            }
        }
        for record in store.log.since(self.next) {
            let change = match &record.what {
                What::Change(change) => change,
                What::World(change) => {
                    seen.touched.extend(machine(change).cloned());
                    continue;
                }
                _ => continue,
            };
            match &change.object {
                Object::Event(event) if change.op != Op::Deleted => self.event(record.seq, event),
                Object::Pod(pod) => {
                    seen.touched.extend(pod.node.clone());
                    if let Some(Object::Pod(old)) = &change.old {
                        seen.touched.extend(old.node.clone());
                    }
                }
                Object::Node(node) => {
                    seen.touched.insert(node.key().name);
                    seen.nodes = true;
                    seen.node_set |= change.op != Op::Modified;
                }
                _ => {}
            }
        }
        self.next = store.log.next_seq();
        seen
    }

    fn event(&mut self, seq: u64, event: &Arc<Event>) {
        if let Some(old) = self.by_event.insert(event.meta.uid, seq)
            && let Some(entry) = self.entries.remove(&old)
        {
            self.forget(old, &entry.object);
        }
        self.push(seq, Entry::of_event(event));
    }

    fn push(&mut self, seq: u64, entry: Entry) {
        if self.filter.matches(&entry) {
            self.shown.insert(seq);
        }
        self.by_object
            .entry(entry.object.clone())
            .or_default()
            .insert(seq);
        self.entries.insert(seq, entry);
        while self.entries.len() > LIMIT {
            let (Some((oldest, entry)), entries) = self.entries.without_min_with_key() else {
                return;
            };
            self.by_event.remove(&entry.event);
            self.forget(oldest, &entry.object);
            self.entries = entries;
        }
    }

    fn forget(&mut self, seq: u64, object: &ObjectRef) {
        self.shown.remove(&seq);
        if let Some(rows) = self.by_object.get_mut(object) {
            rows.remove(&seq);
            if rows.is_empty() {
                self.by_object.remove(object);
            }
        }
    }

    /// Shows other entries.
    pub fn set_filter(&mut self, filter: Filter) {
        if self.filter == filter {
            return;
        }
        let lower = Filter {
            text: filter.text.to_lowercase(),
            kind: filter.kind,
        };
        let shown = self
            .entries
            .iter()
            .filter(|(_, entry)| lower.matches(entry));
        self.shown = shown.map(|(seq, _)| *seq).collect();
        self.filter = lower;
    }

    /// An entry.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(&seq)
    }

    /// How many entries there are, and how many of them are shown.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.entries.len(), self.shown.len())
    }

    /// The shown entries from one back, newest first.
    pub fn rows_back(&self, from: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let rows = self.shown.range(..=from).rev();
        rows.filter_map(|seq| Some((*seq, self.entries.get(seq)?)))
    }

    /// The numbers of the shown entries.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.shown
    }

    /// The entries about an object, newest first.
    pub fn about(&self, object: &ObjectRef) -> impl Iterator<Item = &Entry> {
        let rows = self.by_object.get(object).into_iter();
        rows.flat_map(|rows| rows.iter().rev())
            .filter_map(|seq| self.entries.get(seq))
    }

    /// The newest entries of all, newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().rev()
    }
}
