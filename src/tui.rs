//! The screen: `update(model, message) -> commands` and `view(model)`, both pure, and a loop around them.
//!
//! A key becomes a message, a message a command, a command an input to the core. A view reads the model and the snapshot
//! in it and nothing else: so each is tested by a rendered buffer, and the same screen shows a live cluster, a
//! recording, or a cluster somewhere else. It knows the cluster's snapshots and inputs, and nothing of runtimes.
//!
//! What can be done stands in one table ([`action`]); what a thing looks like is said by its [meaning](theme::Meaning);
//! where it goes is decided in [`layout`]. [`terminal`] owns the terminal's modes.

pub mod action;
pub mod book;
pub mod causes;
pub mod census;
pub mod explain;
pub mod export;
pub mod feed;
pub mod glyphs;
pub mod history;
pub mod keymap;
pub mod layout;
pub mod lines;
pub mod list;
pub mod model;
pub mod node_state;
pub mod overlay;
pub mod palette;
pub mod pod_state;
pub mod recovery;
pub mod run;
pub mod summary;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;
pub mod widget;

pub use model::{About, Model};
pub use run::{QuitReason, Surroundings, TuiOptions, run};
pub use summary::summary;
pub use update::{Command, Message, update};
pub use view::view;

#[cfg(test)]
mod tests;
