//! The work queue: keys that wait to be looked at, each once, with the cause that woke it.
//!
//! It mirrors client-go's `workqueue`: adding a key that waits already changes nothing; a key can be due later; a key
//! that failed comes back after 5 ms, then twice as late each time, up to 1000 s.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::api::Time;

const FIRST_RETRY: Duration = Duration::from_millis(5);
const LONGEST_RETRY: Duration = Duration::from_secs(1000);

/// Keys to be reconciled.
#[derive(Clone, Debug)]
pub struct WorkQueue<K: Ord + Clone> {
    ready: VecDeque<(K, u64)>,
    waiting: BTreeSet<K>,
    later: BTreeSet<(Time, u64, K)>,
    due: BTreeMap<K, (Time, u64)>,
    failures: BTreeMap<K, u32>,
}

impl<K: Ord + Clone> Default for WorkQueue<K> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            later: BTreeSet::new(),
            due: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> WorkQueue<K> {
    /// Wakes a key now. If it waits already, the first cause stands.
    pub fn add(&mut self, key: K, cause: u64) {
        if self.waiting.insert(key.clone()) {
            self.ready.push_back((key, cause));
        }
    }

    /// Wakes a key at a time. A key has one such time: the earliest asked for.
    pub fn add_at(&mut self, key: K, at: Time, cause: u64) {
        if let Some((due, old)) = self.due.get(&key) {
            if *due <= at {
                return;
            }
            let old = (*due, *old, key.clone());
            self.later.remove(&old);
        }
        self.due.insert(key.clone(), (at, cause));
        self.later.insert((at, cause, key));
    }

    /// Forgets a key's time, if it has one.
    pub fn cancel(&mut self, key: &K) {
        if let Some((due, cause)) = self.due.remove(key) {
            self.later.remove(&(due, cause, key.clone()));
        }
    }

    /// Wakes a key that failed, after its back-off.
    pub fn retry(&mut self, key: K, now: Time, cause: u64) {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let delay = FIRST_RETRY * 2u32.saturating_pow((*failures).min(18));
        *failures += 1;
        self.add_at(key, now + delay.min(LONGEST_RETRY), cause);
    }

    /// Forgets that a key failed.
    pub fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// Moves what is due by `now` to the ready keys.
    pub fn advance(&mut self, now: Time) {
        while let Some((at, _, _)) = self.later.first() {
            if *at > now {
                return;
            }
            if let Some((_, cause, key)) = self.later.pop_first() {
                self.due.remove(&key);
                self.add(key, cause);
            }
        }
    }

    /// The next ready key and what woke it.
    pub fn pop(&mut self) -> Option<(K, u64)> {
        let (key, cause) = self.ready.pop_front()?;
        self.waiting.remove(&key);
        Some((key, cause))
    }

    /// How many keys are ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether no key is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// When the next key becomes ready.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.later.first().map(|(at, _, _)| *at)
    }
}
