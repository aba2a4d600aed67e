//! Objects and what happened to them: tables, versions, the log, work queues, causes, keyed randomness; and the types
//! that go into and come out of the core.
//!
//! **Invariant:** nothing here reads a clock, a random source or the environment. Time and randomness come in with
//! [`Context`].
//!
//! One number counts everything that happens: a [`Record`]'s `seq`. An object's `resourceVersion` is the `seq` of the
//! record that wrote it, so "why is this object as it is" is a look-up in the [`Log`] and a walk up `cause`.

mod addresses;
pub mod admission;
pub mod bootstrap;
pub mod component;
pub mod config;
pub mod decision;
pub mod incident;
pub mod input;
pub mod log;
pub mod queue;
pub mod random;
pub mod runtime;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod timing;
pub mod world;
pub mod write;

pub use component::{Component, Context, EventReport, Outcome, Reconciler, Runner, WakeUp};
pub use config::{Config, Defect, RuntimeKind};
pub use decision::Decision;
pub use incident::Incident;
pub use input::{Input, Reply, WriteRequest, WriteVerb};
pub use log::{Change, Log, Op, Record, What};
pub use queue::WorkQueue;
pub use random::Random;
pub use tables::{Objects, Store};
pub use timing::{Preset, Timing};
pub use world::World;
pub use write::{DeleteOptions, Propagation, Subresource};
