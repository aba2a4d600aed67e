//! The screen as it is drawn: reviewed buffers of staged moments, a driven cluster, and everything at every size.

mod driven;
mod keys;
pub(super) mod scene;
mod screens;
mod sizes;
mod source;
