//! `kubeplay clean`: what runs that were cut short have left.

use std::io::Write;

use crate::runtime::docker;

/// Removes it and says what it was.
///
/// # Errors
/// The engine fails.
pub fn run() -> anyhow::Result<u8> {
    let engine = match super::start::probe() {
        Ok(engine) => engine,
        Err(reason) => return Ok(super::start::Refusal::NoEngine(reason).report()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let progress = |done, all| super::say_progress("removing containers", done, all);
    let report = runtime
        .block_on(docker::clean(&engine, None, &progress))
        .map_err(|error| anyhow::anyhow!(error))?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(super::OK)
}
