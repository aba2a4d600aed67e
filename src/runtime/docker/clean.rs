//! `kubeplay clean`, and the clean-up at every start: what dead runs of this machine left.

use std::{fmt, path::PathBuf};

use super::{
    engine::Engine,
    image,
    reap::{Progress, Reaped, Thoroughness, reap, runs_of},
    run::{Holder, Machine},
};

/// What was found and removed.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    /// Dead runs, with what was removed of each.
    pub runs: Vec<(String, Reaped)>,
    /// Runs that live, and were left alone.
    pub alive: Vec<String>,
    /// Built-in images that no container used.
    pub images: usize,
}

impl fmt::Display for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for (run, reaped) in &self.runs {
            lines.push(format!("run {run}: removed {reaped}"));
        }
        if self.images > 0 {
            let plural = if self.images == 1 { "" } else { "s" };
            lines.push(format!("removed {} built-in image{plural}", self.images));
        }
        for run in &self.alive {
            lines.push(format!("run {run}: in use, left alone"));
        }
        if lines.is_empty() {
            lines.push("nothing to remove".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}

/// Removes what dead runs of this machine left, and built-in images that no container uses.
///
/// # Errors
/// In words: the state directory cannot be used, or the engine failed.
pub async fn clean(
    engine: &Engine,
    state_dir: Option<PathBuf>,
    progress: Progress<'_>,
) -> Result<Cleaned, String> {
    let machine = Machine::open(state_dir)
        .map_err(|error| format!("the state directory cannot be used: {error}"))?;
    let mut cleaned = reap_dead_runs(engine, &machine, progress).await?;
    cleaned.images = image::prune(engine, None)
        .await
        .map_err(|error| error.to_string())?;
    Ok(cleaned)
}

/// Reaps the runs of this machine whose lock nobody holds.
pub(super) async fn reap_dead_runs(
    engine: &Engine,
    machine: &Machine,
    progress: Progress<'_>,
) -> Result<Cleaned, String> {
    let mut cleaned = Cleaned::default();
    let mut runs = runs_of(engine, machine.id())
        .await
        .map_err(|error| error.to_string())?;
    runs.extend(machine.known_runs());
    runs.sort();
    runs.dedup();
    for run in runs {
        let holder = machine
            .take(&run)
            .map_err(|error| format!("the lock of run {run} cannot be read: {error}"))?;
        let Holder::Us(lock) = holder else {
            cleaned.alive.push(run);
            continue;
        };
        let reaped = reap(engine, &run, Thoroughness::AT_REST, progress)
            .await
            .map_err(|error| format!("run {run} cannot be removed: {error}"))?;
        lock.forget();
        if !reaped.is_empty() {
            cleaned.runs.push((run, reaped));
        }
    }
    Ok(cleaned)
}
