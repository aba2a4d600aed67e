//! A run in real time: the cluster's thread, the engine where pods need one, and the screen.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    RunOptions, ScreenOptions,
    start::{self, Refusal, Start},
};
use crate::{
    cluster::{
        Cluster,
        thread::{self, CallSink, Handle},
    },
    runtime::{
        docker::{self, DockerRuntime},
        simulated::SimulatedRuntime,
    },
    store::{Config, Input, runtime::Report},
};

/// Where calls to the engine go, once it is there. No node needs it before.
type LateSink = Arc<OnceLock<Mutex<CallSink>>>;

/// A cluster that runs.
pub struct Live {
    pub handle: Handle,
    cluster: JoinHandle<Cluster>,
    sink: LateSink,
    docker: Arc<Mutex<Option<DockerRuntime>>>,
    runtime: tokio::runtime::Runtime,
    interrupted: Arc<AtomicBool>,
}

impl Live {
    /// An empty cluster that runs.
    ///
    /// # Errors
    /// The system refuses a thread, or the journal cannot be written.
    pub fn start(config: &Config, options: &RunOptions) -> anyhow::Result<Self> {
        let journal = start::journal(config, options)?;
        let sink = LateSink::default();
        let late = Arc::clone(&sink);
        let real: CallSink = Box::new(move |call| {
            if let Some(Ok(mut sink)) = late.get().map(Mutex::lock) {
                sink(call);
            }
        });
        let simulated = Box::new(SimulatedRuntime::new(config.seed).measured());
        let cluster = Cluster::new(config.clone());
        let (handle, cluster) =
            thread::spawn(cluster, simulated, real, journal).context("start the cluster")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("start the shell's threads")?;
        let docker = Arc::default();
        let interrupted = Arc::default();
        Ok(Self {
            handle,
            cluster,
            sink,
            docker,
            runtime,
            interrupted,
        })
    }

    /// Notes SIGINT, SIGTERM and SIGHUP instead of dying of them.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn catch_signals(&self) -> anyhow::Result<()> {
        let _inside = self.runtime.enter();
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ] {
            let mut signals = signal(kind).context("listen for signals")?;
            let interrupted = Arc::clone(&self.interrupted);
            self.runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    interrupted.store(true, Ordering::Relaxed);
                }
            });
        }
        Ok(())
    }

    /// Whether a signal asked the run to end.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// What is needed to bring the topology into the cluster from another thread.
    pub fn launcher(&self) -> Launcher {
        Launcher {
            handle: self.handle.clone(),
            sink: Arc::clone(&self.sink),
            docker: Arc::clone(&self.docker),
            runtime: self.runtime.handle().clone(),
        }
    }

    /// The shell's threads.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// Ends the run and removes what it made.
    ///
    /// # Errors
    /// The cluster's thread has panicked, or the engine would not remove something.
    pub fn end(self) -> anyhow::Result<()> {
        self.handle.stop();
        let ended = self.cluster.join();
        let docker = self.docker.lock().ok().and_then(|mut docker| docker.take());
        if let Some(docker) = docker {
            let progress = |done, all| super::say_progress("removing containers", done, all);
            let reaped = self.runtime.block_on(docker.shutdown(progress));
            let reaped = reaped.map_err(|error| anyhow!(error))?;
            if reaped.stuck > 0 {
                super::say_error(&format!("warning: removed {reaped}"));
            }
        }
        // What still waits for an engine that does not answer must not hold the end up.
        self.runtime.shutdown_background();
        ended
            .map(drop)
            .map_err(|_| anyhow!("the cluster's thread ended in a panic"))
    }
}

/// Brings a topology into a running cluster.
pub struct Launcher {
    handle: Handle,
    sink: LateSink,
    docker: Arc<Mutex<Option<DockerRuntime>>>,
    runtime: tokio::runtime::Handle,
}

impl Launcher {
    /// Prepares the engine, if pods need one, and creates the topology's objects.
    ///
    /// # Errors
    /// The API refuses an object.
    pub fn launch(self, mut start: Start) -> Result<(), Refusal> {
        self.handle
            .send(Input::Runtime(vec![start.engine_report()]));
        if let Some(engine) = start.engine.take() {
            let handle = self.handle.clone();
            let reports = move |reports: Vec<Report>| handle.send(Input::Runtime(reports));
            let _inside = self.runtime.enter();
            let options = docker::Options::new(start.config.name.clone(), start.cpu_share(&engine));
            let docker =
                DockerRuntime::start(engine, options, reports).map_err(Refusal::NoEngine)?;
            // Set once: a run has one launcher.
            let _ = self.sink.set(Mutex::new(docker.sink()));
            if let Ok(mut slot) = self.docker.lock() {
                *slot = Some(docker);
            }
        }
        for request in start.requests() {
            let refused = self
                .handle
                .write(request)
                .and_then(|reply| reply.result.err());
            if let Some(error) = refused {
                return Err(Refusal::Topology(error.to_string()));
            }
        }
        Ok(())
    }
}

/// Opens the screen on a topology.
///
/// # Errors
/// The terminal, the log or the journal cannot be used, or the engine would not remove something.
pub fn run(
    path: Option<&Path>,
    options: &RunOptions,
    screen: &ScreenOptions,
) -> anyhow::Result<u8> {
    start::log(options)?;
    let topology = match start::load(path, options) {
        Ok(topology) => topology,
        Err(refusal) => return Ok(refusal.report()),
    };
    super::screen::run(topology, options, screen)
}
