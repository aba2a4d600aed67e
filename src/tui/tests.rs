//! The screen as it is drawn: reviewed buffers of staged moments, and everything at every size.

mod keys;
mod scene;
mod screens;
mod sizes;
mod source;
