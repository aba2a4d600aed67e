//! The log: everything that happened, in order, each entry with its cause.

use imbl::Vector;
use serde::{Deserialize, Serialize};

use super::{decision::Decision, input::InputSummary, world::WorldChange};
use crate::api::{Name, Object, Time};

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    Added,
    Modified,
    Deleted,
}

/// A change of one object. Watches read these.
#[derive(Clone, Debug)]
pub struct Change {
    pub op: Op,
    /// The object after the change; for a deletion, its last state.
    pub object: Object,
    /// The object before the change.
    pub old: Option<Object>,
    /// The component that made the change.
    pub by: &'static str,
}

/// What a record tells of.
#[derive(Clone, Debug)]
pub enum What {
    /// Something came in from outside.
    Input(InputSummary),
    /// An object changed.
    Change(Change),
    /// The truth changed: a node went dark, a container died.
    World(WorldChange),
    /// Something was asked of a runtime.
    Effect { node: Name, verb: String },
    /// The scheduler decided. Scores and rejections are in [`Store::decisions`](super::Store::decisions), by number,
    /// while it is kept.
    Decision(std::sync::Arc<Decision>),
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct Record {
    /// The entry's number. For a [`Change`], the `resourceVersion` of the object it wrote.
    pub seq: u64,
    /// The number of the entry that led to this one; 0 for none.
    pub cause: u64,
    pub at: Time,
    pub what: What,
}

/// The last records, oldest first. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub struct Log {
    records: Vector<Record>,
    next: u64,
    limit: usize,
}

impl Log {
    /// An empty log that keeps so many records.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            records: Vector::new(),
            next: 1,
            limit,
        }
    }

    /// Appends a record and returns its number.
    pub fn push(&mut self, cause: u64, at: Time, what: What) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.records.push_back(Record {
            seq,
            cause,
            at,
            what,
        });
        if self.records.len() > self.limit {
            self.records.pop_front();
        }
        seq
    }

    /// The number that the next record will have.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next
    }

    /// The number of the oldest record that is kept.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.records.front().map_or(self.next, |record| record.seq)
    }

    /// A record by its number, while it is kept.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Record> {
        let index = seq.checked_sub(self.oldest())?;
        self.records.get(usize::try_from(index).ok()?)
    }

    /// The records from a number on, oldest first.
    pub fn since(&self, seq: u64) -> impl Iterator<Item = &Record> {
        let skip = usize::try_from(seq.saturating_sub(self.oldest())).unwrap_or(usize::MAX);
        let skip = skip.min(self.records.len());
        self.records.focus().narrow(skip..).into_iter()
    }

    /// All kept records, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().rev()
    }

    /// How many records are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no record is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A record and what led to it, up to the input that began it (as far as records are kept).
    pub fn chain(&self, seq: u64) -> impl Iterator<Item = &Record> {
        std::iter::successors(self.get(seq), |record| self.get(record.cause))
    }
}
