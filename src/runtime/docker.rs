//! Pods as containers of a Docker Engine.
//!
//! A pod is a sandbox, which owns the network, and its containers joined to it. [`DockerRuntime`] takes the core's calls
//! ([`crate::store::runtime`]), and reports what became of them and what happens by itself. It never makes the core
//! wait: calls go into a channel, reports come out of a thread of their own. Whatever it makes carries the run's labels,
//! and nothing else is ever touched ([`labels`]).
//!
//! However kubeplay ends, nothing stays: [`DockerRuntime::shutdown`] at a normal quit, else the [`watchdog`], else
//! the next start ([`clean()`]).

mod addresses;
mod calls;
mod caps;
mod clean;
mod containers;
mod context;
mod elf;
mod engine;
mod image;
mod images;
mod index;
mod labels;
mod network;
mod pool;
mod reap;
mod run;
mod sandboxes;
mod shared;
mod spec;
mod subnet;
mod usage;
mod watch;
mod watchdog;

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

pub use clean::{Cleaned, clean};
pub use engine::{Engine, probe};
pub use reap::{Reaped, cgroups};
pub use watchdog::{ARGUMENT as WATCHDOG_ARGUMENT, watchdog_main};

use crate::{
    api::Name,
    cluster::thread::CallSink,
    store::runtime::{Call, Report},
};
use reap::Thoroughness;
use run::Machine;
use shared::Shared;
use watchdog::Watchdog;

/// How many reports go into one input.
const BATCH: usize = 1024;
/// How long a quit waits for calls under way; the watchdog looks after what they still make.
const CALLS_LIMIT: Duration = Duration::from_secs(10);

/// How a runtime is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's name, for the names of containers.
    pub cluster: Name,
    /// Processors of the host per processor of the cluster ([`Engine::cpu_share`]).
    pub cpu_share: f64,
    /// The program that is packed into the built-in image and is the watchdog: this one.
    pub program: PathBuf,
    /// Where locks are; the user's own state directory if not said.
    pub state_dir: Option<PathBuf>,
}

impl Options {
    /// The usual options of a cluster.
    pub fn new(cluster: impl Into<Name>, cpu_share: f64) -> Self {
        Self {
            cluster: cluster.into(),
            cpu_share,
            // Valid even when the file was replaced meanwhile.
            program: PathBuf::from("/proc/self/exe"),
            state_dir: None,
        }
    }
}

/// The containers of one run.
pub struct DockerRuntime {
    shared: Arc<Shared>,
    calls: UnboundedSender<Call>,
    watchdog: Watchdog,
}

impl DockerRuntime {
    /// Starts a run. Returns at once: network and image are prepared in the background, or when first needed. Reports
    /// that are ready together are given together, on a thread of their own. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// In words: the state directory cannot be written, or the watchdog cannot be started.
    pub fn start(
        engine: Engine,
        options: Options,
        reports: impl Fn(Vec<Report>) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let machine = Machine::open(options.state_dir.clone())
            .map_err(|error| format!("the state directory cannot be used: {error}"))?;
        let run = machine
            .begin()
            .map_err(|error| format!("the state directory cannot be used: {error}"))?;
        // Before anything that it would have to remove.
        let watchdog = Watchdog::start(&options.program, run.id(), &engine, machine.dir())
            .map_err(|error| format!("the watchdog cannot be started: {error}"))?;
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new()
            .name("docker-reports".to_owned())
            .spawn(move || deliver(&receiver, reports))
            .map_err(|error| format!("a thread cannot be started: {error}"))?;
        let id = machine.id().to_owned();
        let shared = Arc::new(Shared::new(engine, options, id, run, sender));
        let (calls, inbox) = unbounded_channel();
        tokio::spawn(calls::dispatch(Arc::clone(&shared), inbox));
        tokio::spawn(watch::watch(Arc::clone(&shared)));
        tokio::spawn(usage::measure(Arc::clone(&shared)));
        shared.tasks.spawn(pool::keep(Arc::clone(&shared)));
        shared.tasks.spawn(prepare(Arc::clone(&shared)));
        tokio::spawn(tidy(Arc::clone(&shared), machine));
        Ok(Self {
            shared,
            calls,
            watchdog,
        })
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> &str {
        self.shared.run.id()
    }

    /// How many sandboxes are ready that were made ahead.
    #[must_use]
    pub fn warm_sandboxes(&self) -> usize {
        self.shared.pool.len()
    }

    /// Where the core's calls go.
    #[must_use]
    pub fn sink(&self) -> CallSink {
        let calls = self.calls.clone();
        Box::new(move |call| {
            // Refused only when the runtime has closed: then nothing is left to call for.
            let _ = calls.send(call);
        })
    }

    /// Ends the run: no call is taken any more, and everything is removed. The callback hears how many containers are
    /// removed, of how many.
    ///
    /// # Errors
    /// In words: the engine failed. The watchdog goes on trying.
    pub async fn shutdown(
        self,
        progress: impl Fn(usize, usize) + Send + Sync,
    ) -> Result<Reaped, String> {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        let at_rest = tokio::time::timeout(CALLS_LIMIT, self.shared.tasks.wait()).await;
        let how = match at_rest {
            Ok(()) => Thoroughness::AT_REST,
            Err(_) => Thoroughness::AFTER_A_CRASH,
        };
        let reaped = reap::reap(&self.shared.engine, self.shared.run.id(), how, &progress)
            .await
            .map_err(|error| format!("not everything could be removed: {error}"))?;
        self.shared.run.forget();
        let watchdog = self.watchdog;
        let _ = tokio::task::spawn_blocking(move || watchdog.dismiss()).await;
        Ok(reaped)
    }
}

/// Gives reports that are ready together as one.
fn deliver(receiver: &mpsc::Receiver<Report>, reports: impl Fn(Vec<Report>)) {
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        batch.extend(receiver.try_iter().take(BATCH));
        reports(batch);
    }
}

/// Prepares network and image before somebody needs them. What fails here fails again, and is told, when it is needed.
async fn prepare(shared: Arc<Shared>) {
    let (network, image) = tokio::join!(shared.network(), shared.built_in());
    for failure in [network.map(drop), image.map(drop)]
        .into_iter()
        .filter_map(Result::err)
    {
        tracing::warn!(%failure, "preparation failed");
    }
}

/// Removes what dead runs and older versions left.
async fn tidy(shared: Arc<Shared>, machine: Machine) {
    match clean::reap_dead_runs(&shared.engine, &machine, &|_, _| {}).await {
        Ok(cleaned) if cleaned.runs.is_empty() => {}
        Ok(cleaned) => tracing::info!(%cleaned, "dead runs were removed"),
        Err(error) => tracing::warn!(error, "dead runs could not be removed"),
    }
    if let Ok(current) = shared.built_in().await
        && let Err(failure) = image::prune(&shared.engine, Some(&current)).await
    {
        tracing::warn!(%failure, "older images could not be removed");
    }
}
