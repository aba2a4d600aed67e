//! All integration tests, in one binary: it links once.

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
