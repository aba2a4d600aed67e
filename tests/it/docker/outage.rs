//! An engine of the test's own that is stopped, hangs, and is killed under a running cluster.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bollard::{Docker, query_parameters::ListContainersOptionsBuilder};
use kubeplay::{
    runtime::docker::Engine,
    store::{RuntimeKind, world::ContainerTruth},
    topology,
};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    lab::{self, Guard},
    live::{Live, replicas},
};

/// Kubeplay says within 2 s that an engine is gone; a busy machine gets a little more.
const NOTICED: Duration = Duration::from_secs(4);

/// A `dockerd` with a socket, a data root and an address range of its own.
struct OwnEngine {
    dir: tempfile::TempDir,
    driver: String,
    child: Option<Child>,
}

impl OwnEngine {
    fn new(driver: &str) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            driver: driver.to_owned(),
            child: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Starts it and waits until it answers.
    async fn start(&mut self) -> Engine {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"));
        let log = log.unwrap();
        // One that was killed leaves it.
        let _ = std::fs::remove_file(self.path("pid"));
        // Not the machine's.
        std::fs::write(self.path("daemon.json"), "{}").unwrap();
        let child = Command::new("dockerd")
            .arg("--config-file")
            .arg(self.path("daemon.json"))
            .arg("--data-root")
            .arg(self.path("data"))
            .arg("--exec-root")
            .arg(self.path("exec"))
            .arg("--pidfile")
            .arg(self.path("pid"))
            .args(["--host", &self.host(), "--bridge", "none"])
            .args(["--storage-driver", &self.driver])
            // The machine's rules are another engine's.
            .args(["--iptables=false", "--ip6tables=false"])
            .args(["--ip-forward=false", "--ip-masq=false"])
            .args(["--containerd-namespace", "kubeplay-test"])
            .args(["--containerd-plugins-namespace", "kubeplay-test-plugins"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let start = Instant::now();
        loop {
            match Engine::connect(&self.host()).await {
                Ok(engine) => return engine,
                Err(why) if start.elapsed() > Duration::from_secs(60) => {
                    panic!("{why}\n{}", self.log())
                }
                Err(_) => {
                    let ended = self.child.as_mut().unwrap().try_wait().unwrap();
                    assert_eq!(ended, None, "{}", self.log());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.join("\n")
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    fn wait(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = kill_process(Pid::from_child(self.child.as_ref().unwrap()), Signal::CONT);
            self.signal(Signal::TERM);
            self.wait();
        }
        // Its containerd, where it started one of its own, ends with it; its mounts do not.
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let below = |path: &&str| Path::new(path).starts_with(self.dir.path());
        let mut paths: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(below)
            .collect();
        paths.sort_unstable();
        for path in paths.into_iter().rev() {
            let _ = Command::new("umount").args(["-l", path]).status();
        }
    }
}

fn says_up(live: &Live) -> Option<bool> {
    let snapshot = live.handle.snapshot();
    let engine = snapshot.store.world.engines.get(&RuntimeKind::Docker);
    engine.map(|(up, _)| *up)
}

/// The pods' containers that run, as the engine says, by pod uid and name.
async fn of_engine(guard: &Guard) -> BTreeSet<(String, String)> {
    let docker = Docker::connect_with_host(&guard.host).unwrap();
    let label = vec![format!("kubeplay.run={}", guard.run)];
    let filters = [("label", label)].into_iter().collect();
    let options = ListContainersOptionsBuilder::new().filters(&filters);
    let listing = docker.list_containers(Some(options.build())).await.unwrap();
    let labels = listing.into_iter().filter_map(|c| c.labels);
    labels
        .filter_map(|labels| {
            let name = labels.get("kubeplay.container")?;
            (name != "POD").then(|| (labels["kubeplay.pod.uid"].clone(), name.clone()))
        })
        .collect()
}

/// The same as the cluster knows it.
fn of_cluster(live: &Live) -> BTreeSet<(String, String)> {
    let snapshot = live.handle.snapshot();
    let containers = &snapshot.store.world.containers;
    containers
        .iter()
        .filter(|(_, (_, truth))| matches!(truth, ContainerTruth::Running { .. }))
        .map(|(id, _)| (id.pod.to_string(), id.name.to_string()))
        .collect()
}

#[test]
fn a_cluster_outlives_an_engine_that_is_stopped_hangs_or_is_killed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let Some(machines) = lab::engine().await else {
            return;
        };
        let docker = Docker::connect_with_host(machines.host()).unwrap();
        let driver = docker.info().await.unwrap().driver.unwrap();
        let installed = Command::new("dockerd").arg("--version").output();
        if installed.is_err() || !rustix::process::geteuid().is_root() {
            println!("skipped: no engine of the test's own can be started here");
            return;
        }
        let mut own = OwnEngine::new(&driver);
        let engine = own.start().await;
        let topology = topology::load(Path::new("demo/tiny.toml")).unwrap();
        let pods = replicas(&topology);
        let mut live = Live::start(&engine, &topology).await;
        live.create(&topology);
        let ready = |live: &Live| {
            let all = live.pods();
            all.iter().filter(|pod| pod.is_ready()).count() == pods && all.len() == pods
        };
        live.until("the first start", ready).await;
        for how in ["stop", "hang", "kill"] {
            let start = Instant::now();
            match how {
                "stop" => own.signal(Signal::TERM),
                "hang" => own.signal(Signal::STOP),
                _ => own.signal(Signal::KILL),
            }
            if how != "hang" {
                own.wait();
            }
            // A stopping engine first stops its containers: it is gone when its process is.
            let gone = if how == "stop" { Instant::now() } else { start };
            live.until("word of it", |live| says_up(live) == Some(false))
                .await;
            let noticed = gone.elapsed();
            println!("{how}: noticed after {noticed:.1?}");
            assert!(noticed < NOTICED, "{how}: noticed after {noticed:?}");
            tokio::time::sleep(Duration::from_secs(3)).await;
            match how {
                "hang" => own.signal(Signal::CONT),
                _ => drop(own.start().await),
            }
            let start = Instant::now();
            live.until("an engine", |live| says_up(live) == Some(true))
                .await;
            live.until("recovery", |live| {
                ready(live) && of_cluster(live).len() == pods
            })
            .await;
            println!("{how}: recovered after {:.1?}", start.elapsed());
            let mut tries = 0;
            while of_engine(&live.guard).await != of_cluster(&live) {
                tries += 1;
                assert!(tries < 50, "{how}: the engine and the cluster differ");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        live.end().await;
    });
}
