//! Faults and how each is undone.

use crate::{
    api::Name,
    store::{Context, Outcome, Reconciler, Record, Store, WakeUp},
};

/// Injects faults and follows what comes of them.
#[derive(Clone, Debug, Default)]
pub struct Chaos {}

impl Reconciler for Chaos {
    type Key = Name;
    const NAME: &'static str = "chaos";

    fn observe(&mut self, _: &Record, _: &Store, _: &mut WakeUp<'_, Name>) {}

    fn reconcile(&mut self, _: &Name, _: &mut Context<'_>) -> Outcome {
        Outcome::Done
    }
}
