//! All integration tests, in one binary: it links once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; tests read KUBEPLAY_* and wait for real processes"
)]

mod api;
mod cli;
mod controllers;
mod docker;
mod golden_controllers;
mod golden_scheduler;
mod pty;
mod sim;
mod support;
mod tidy;
mod topology;
