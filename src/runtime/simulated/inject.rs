//! Faults of the engine that tests ask for: calls that fail, and calls whose answer is lost.

use std::collections::BTreeMap;

use crate::store::{Random, runtime::Call};

/// How often calls go wrong, by the verb's name; a verb that is not named never does.
#[derive(Clone, Debug, Default)]
pub struct Injection {
    rates: BTreeMap<&'static str, Rates>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    error: f64,
    lost: f64,
}

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    Nothing,
    /// It fails, undone.
    Error,
    /// It never arrives.
    LostBefore,
    /// It is done, and its answer never arrives.
    LostAfter,
}

impl Injection {
    /// Nothing goes wrong.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            rates: BTreeMap::new(),
        }
    }

    /// Lets a verb's calls fail with a probability, and their answers be lost with another.
    pub fn set(&mut self, verb: &'static str, error: f64, lost: f64) {
        self.rates.insert(verb, Rates { error, lost });
    }

    /// Nothing goes wrong from here on.
    pub fn clear(&mut self) {
        self.rates.clear();
    }

    pub(super) fn draw(&self, random: Random, call: &Call) -> Injected {
        let verb = call.verb.name();
        let Some(rates) = self.rates.get(verb) else {
            return Injected::Nothing;
        };
        let drawn = random.unit("inject", verb, call.id);
        if drawn < rates.error {
            Injected::Error
        } else if drawn < rates.error + rates.lost / 2.0 {
            Injected::LostBefore
        } else if drawn < rates.error + rates.lost {
            Injected::LostAfter
        } else {
            Injected::Nothing
        }
    }

    /// Whether a late answer to a call is lost.
    pub(super) fn loses(&self, random: Random, call: u64, verb: &'static str) -> bool {
        let rate = self.rates.get(verb).map_or(0.0, |rates| rates.lost / 2.0);
        rate > 0.0 && random.unit("inject late", verb, call) < rate
    }
}
