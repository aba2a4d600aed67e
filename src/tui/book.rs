//! The decisions that are shown: their numbers, kept from snapshot to snapshot so that no frame looks at all of them.

use std::sync::Arc;

use super::list::Rows;
use crate::{
    api::{Time, Uid},
    store::{Decision, Store, What, decision::Verdict},
};

/// Which of the kept decisions are shown.
#[derive(Clone, Debug, Default)]
pub struct Book {
    shown: Rows,
    /// The text that a decision must contain, in lower case.
    text: String,
    next: u64,
}

impl Book {
    /// Takes in what was decided since the last time, and forgets what is not kept any more.
    pub fn read(&mut self, store: &Store) {
        let oldest = store
            .decisions
            .front()
            .map_or(self.next, |decision| decision.number);
        while let Some(number) = self.shown.get_min().copied().filter(|n| *n < oldest) {
            self.shown.remove(&number);
        }
        for decision in store.decisions.iter().rev() {
            if decision.number < self.next {
                break;
            }
            if contains(decision, &self.text) {
                self.shown.insert(decision.number);
            }
        }
        if let Some(last) = store.decisions.last() {
            self.next = last.number + 1;
        }
    }

    /// Shows only decisions that contain a text, whatever the case.
    pub fn set_text(&mut self, text: &str, store: &Store) {
        self.text = text.to_lowercase();
        let found = store.decisions.iter();
        self.shown = found
            .filter(|decision| contains(decision, &self.text))
            .map(|decision| decision.number)
            .collect();
    }

    /// The numbers of the shown decisions.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.shown
    }
}

/// Whether a decision's pod, node or message contains a text in lower case.
fn contains(decision: &Decision, text: &str) -> bool {
    let has = |part: &str| part.to_lowercase().contains(text);
    text.is_empty()
        || has(&decision.pod.name)
        || has(&decision.pod.namespace)
        || has(&decision.message)
        || matches!(&decision.verdict, Verdict::Bound { node } if has(node))
}

/// A decision by its number, while it is kept: numbers follow one another.
#[must_use]
pub fn decision(store: &Store, number: u64) -> Option<&Arc<Decision>> {
    let first = store.decisions.front()?.number;
    let index = usize::try_from(number.checked_sub(first)?).ok()?;
    store
        .decisions
        .get(index)
        .filter(|decision| decision.number == number)
        .or_else(|| store.decisions.iter().rev().find(|d| d.number == number))
}

/// The last decision about a pod, not later than a time.
#[must_use]
pub fn about(store: &Store, pod: Uid, until: Time) -> Option<&Arc<Decision>> {
    let found = store.decisions.iter().rev();
    found
        .filter(|decision| decision.uid == pod)
        .find(|decision| decision.at <= until)
}

/// The log's record of a decision, while it is kept. Records are in the order of time, so that few are looked at.
#[must_use]
pub fn record(store: &Store, decision: &Decision) -> Option<u64> {
    let log = &store.log;
    let (mut low, mut high) = (log.oldest(), log.next_seq());
    while low < high {
        let middle = low + (high - low) / 2;
        if log.get(middle)?.at < decision.at {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let at_that_time = log.since(low).take_while(|record| record.at == decision.at);
    at_that_time
        .filter(|record| {
            matches!(&record.what, What::Decision(found) if found.number == decision.number)
        })
        .map(|record| record.seq)
        .next()
}
