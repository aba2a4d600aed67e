//! All integration tests, in one binary: it links once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod cli;
mod docker;
mod golden_controllers;
mod golden_scheduler;
mod pty;
mod sim;
mod support;
mod tidy;
mod topology;
