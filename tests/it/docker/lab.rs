//! A runtime to try things on, and the guard that nothing of it stays.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        CreateContainerOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
        ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};
use kubeplay::{
    api::{Key, Name, Uid, image::BUILT_IN_IMAGE},
    cluster::thread::CallSink,
    runtime::docker::{self, DockerRuntime, Engine, Options},
    store::{
        config::RuntimeKind,
        runtime::{
            Answer, Call, ContainerConfig, ContainerId, ContainerUsage, Exit, NodeLimits, Report,
            RuntimeError, SandboxConfig, SandboxId, Verb,
        },
    },
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The engine; none if there is none and none is required.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
pub async fn engine() -> Option<Engine> {
    match docker::probe().await {
        Ok(engine) => Some(engine),
        Err(why) if std::env::var("KUBEPLAY_REQUIRE_DOCKER").is_ok_and(|v| v == "1") => {
            panic!("no Docker engine: {why}")
        }
        Err(why) => {
            println!("skipped, no Docker engine: {why}");
            None
        }
    }
}

/// Runs a test against the engine, if there is one, and checks that nothing stays.
pub fn with_lab(test: impl AsyncFnOnce(Lab) -> Lab) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if let Some(engine) = engine().await {
            let state = tempfile::tempdir().unwrap();
            test(Lab::new(engine, state.path())).await.end().await;
        }
    });
}

/// A runtime with what it reported.
pub struct Lab {
    pub engine: Engine,
    pub runtime: DockerRuntime,
    sink: CallSink,
    reports: UnboundedReceiver<Report>,
    /// Reports that nobody waited for yet.
    unread: Vec<Report>,
    calls: u64,
    pub guard: Guard,
}

/// A pod of one container.
#[derive(Clone)]
pub struct TestPod {
    pub key: Key,
    pub sandbox: SandboxId,
    pub container: ContainerId,
}

impl TestPod {
    pub fn new(number: u32) -> Self {
        let pod = Uid(0xabcd_0000_0000_0000_0000_0000_0000_0000 + u128::from(number));
        Self {
            key: Key::new("default", format!("pod-{number}")),
            sandbox: SandboxId { pod, attempt: 0 },
            container: ContainerId {
                pod,
                name: Name::from("main"),
                attempt: 0,
            },
        }
    }

    pub fn run_sandbox(&self) -> Verb {
        Verb::RunPodSandbox {
            sandbox: self.sandbox,
            config: Arc::new(SandboxConfig {
                pod: self.key.clone(),
                hostname: self.key.name.clone(),
                labels: Default::default(),
                generic: false,
                node: NodeLimits::default(),
            }),
        }
    }

    /// As [`run_sandbox`](Self::run_sandbox), on a node that has so much.
    pub fn run_on(&self, node: NodeLimits) -> Verb {
        let Verb::RunPodSandbox { sandbox, config } = self.run_sandbox() else {
            unreachable!()
        };
        let config = Arc::new(SandboxConfig {
            node,
            ..(*config).clone()
        });
        Verb::RunPodSandbox { sandbox, config }
    }

    /// As [`run_sandbox`](Self::run_sandbox), of a pod that may use one that was made ahead.
    pub fn run_generic(&self) -> Verb {
        let Verb::RunPodSandbox { sandbox, config } = self.run_sandbox() else {
            unreachable!()
        };
        let config = Arc::new(SandboxConfig {
            generic: true,
            ..(*config).clone()
        });
        Verb::RunPodSandbox { sandbox, config }
    }

    pub fn config(&self, args: &[&str]) -> ContainerConfig {
        ContainerConfig {
            pod: self.key.clone(),
            hostname: self.key.name.clone(),
            image: BUILT_IN_IMAGE.to_owned(),
            command: vec![],
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: vec![],
            working_dir: None,
            cpu_request_milli: 100,
            cpu_limit_milli: 0,
            memory_limit_bytes: 0,
            read_only_root: false,
            run_as_user: None,
        }
    }

    pub fn create(&self, config: ContainerConfig) -> Verb {
        Verb::CreateContainer {
            sandbox: self.sandbox,
            container: self.container.clone(),
            config: Arc::new(config),
        }
    }

    pub fn start(&self) -> Verb {
        Verb::StartContainer {
            container: self.container.clone(),
        }
    }
}

impl Lab {
    pub fn new(engine: Engine, state: &Path) -> Self {
        let (sender, reports) = unbounded_channel();
        let options = Options {
            program: PathBuf::from(env!("CARGO_BIN_EXE_kubeplay")),
            state_dir: Some(state.to_owned()),
            ..Options::new("lab", 1.0)
        };
        let runtime = DockerRuntime::start(engine.clone(), options, move |batch| {
            for report in batch {
                let _ = sender.send(report);
            }
        })
        .unwrap();
        Self {
            guard: Guard {
                host: engine.host().to_owned(),
                run: runtime.run().to_owned(),
            },
            engine,
            sink: runtime.sink(),
            runtime,
            reports,
            unread: Vec::new(),
            calls: 0,
        }
    }

    pub fn call_on(&mut self, node: &str, verb: Verb) -> u64 {
        self.calls += 1;
        (self.sink)(Call {
            id: self.calls,
            node: Name::from(node),
            runtime: RuntimeKind::Docker,
            verb,
        });
        self.calls
    }

    pub fn call(&mut self, verb: Verb) -> u64 {
        self.call_on("node-1", verb)
    }

    /// The first report that something can be made of, whether it has come already or comes yet.
    pub async fn wait<T>(&mut self, wanted: impl Fn(&Report) -> Option<T>) -> T {
        let mut looked_at = 0;
        loop {
            for index in looked_at..self.unread.len() {
                if let Some(found) = wanted(&self.unread[index]) {
                    self.unread.remove(index);
                    return found;
                }
            }
            looked_at = self.unread.len();
            match tokio::time::timeout(PATIENCE, self.reports.recv()).await {
                Ok(Some(report)) => self.unread.push(report),
                _ => panic!("the report never came; these did: {:#?}", self.unread),
            }
        }
    }

    /// What was reported so far and nobody waited for.
    pub fn unread(&mut self) -> &[Report] {
        while let Ok(report) = self.reports.try_recv() {
            self.unread.push(report);
        }
        &self.unread
    }

    pub async fn answer(&mut self, id: u64) -> Result<Answer, RuntimeError> {
        self.wait(|report| match report {
            Report::Answer { call, result, .. } if *call == id => Some(result.clone()),
            _ => None,
        })
        .await
    }

    pub async fn ask(&mut self, verb: Verb) -> Result<Answer, RuntimeError> {
        let id = self.call(verb);
        self.answer(id).await
    }

    /// Starts a pod of the built-in workload; its address.
    pub async fn run(&mut self, pod: &TestPod, args: &[&str]) -> String {
        let Answer::Sandbox { ip } = self.ask(pod.run_sandbox()).await.unwrap() else {
            panic!("no sandbox");
        };
        self.ask(pod.create(pod.config(args))).await.unwrap();
        self.ask(pod.start()).await.unwrap();
        ip
    }

    /// Waits until so many sandboxes have been made ahead.
    pub async fn wait_until_warm(&self, sandboxes: usize) {
        let start = Instant::now();
        while self.runtime.warm_sandboxes() < sandboxes {
            assert!(start.elapsed() < PATIENCE, "no sandbox is made ahead");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts many at once.
    pub async fn run_all(&mut self, pods: &[TestPod]) {
        let steps: [fn(&TestPod) -> Verb; 3] = [
            TestPod::run_sandbox,
            |pod| pod.create(pod.config(&[])),
            TestPod::start,
        ];
        for step in steps {
            let calls: Vec<u64> = pods.iter().map(|pod| self.call(step(pod))).collect();
            for call in calls {
                self.answer(call).await.unwrap();
            }
        }
    }

    /// How the container ended, once it has.
    pub async fn exit(&mut self, container: &ContainerId) -> Exit {
        self.wait(|report| match report {
            Report::ContainerExited {
                container: ended,
                exit,
                ..
            } if ended == container => Some(*exit),
            _ => None,
        })
        .await
    }

    /// What a container has used, as it is measured next, and what measuring took.
    pub async fn usage(&mut self, container: &ContainerId) -> (ContainerUsage, Duration) {
        self.unread
            .retain(|report| !matches!(report, Report::Usage { .. }));
        self.wait(|report| match report {
            Report::Usage {
                samples,
                took_micros,
            } => {
                let found = samples.iter().find(|s| s.container == *container)?;
                Some((found.clone(), Duration::from_micros(*took_micros)))
            }
            _ => None,
        })
        .await
    }

    /// A sandbox that ended, once one has.
    pub async fn sandbox_exit(&mut self) -> SandboxId {
        self.wait(|report| match report {
            Report::SandboxExited { sandbox, .. } => Some(*sandbox),
            _ => None,
        })
        .await
    }

    /// Starts a pod that computes for longer than any test.
    pub async fn hog(&mut self, pod: &TestPod, sandbox: Verb, cpu_limit_milli: u64) {
        let Answer::Sandbox { ip } = self.ask(sandbox).await.unwrap() else {
            panic!("no sandbox");
        };
        let config = ContainerConfig {
            cpu_limit_milli,
            ..pod.config(&["serve", "--cpu-ms", "600000"])
        };
        self.ask(pod.create(config)).await.unwrap();
        self.ask(pod.start()).await.unwrap();
        let address = format!("{ip}:8080");
        get(&address, "/healthz").await;
        tokio::spawn(async move { try_get(&address, "/").await });
    }

    /// What containers use together, in millicores, over some time.
    pub async fn cpu_milli(&mut self, containers: &[ContainerId], over: Duration) -> u64 {
        let mut sums = Vec::new();
        for _ in 0..2 {
            let mut sum = 0;
            let start = Instant::now();
            for container in containers {
                sum += self.usage(container).await.0.cpu_micros;
            }
            // Each was measured in a second of its own.
            sums.push((start, sum));
            tokio::time::sleep(over).await;
        }
        let passed = sums[1].0 - sums[0].0;
        u64::try_from(u128::from(sums[1].1 - sums[0].1) * 1000 / passed.as_micros()).unwrap()
    }

    /// The containers that are nobody's yet.
    pub async fn warm(&self) -> Vec<String> {
        let labels = vec!["kubeplay.warm".to_owned(), self.guard.label().remove(0)];
        self.guard.containers_with(labels).await
    }

    /// SIGKILL, from outside.
    pub async fn kill(&self, id: &str) {
        let docker = self.guard.docker();
        // One that a pod took, and that died with its node, does not run.
        let _ = docker.kill_container(id, None).await;
    }

    /// How many of some containers have a text in their hosts file.
    pub async fn hosts_files(&self, ids: &[String], text: &str) -> usize {
        let mut found = 0;
        for id in ids {
            let inspected = self.guard.docker().inspect_container(id, None).await;
            let path = inspected.unwrap().hosts_path.unwrap();
            let hosts = std::fs::read_to_string(path).unwrap_or_default();
            found += usize::from(hosts.contains(text));
        }
        found
    }

    /// A running container that is not ours, on the run's network.
    pub async fn stranger(&self) -> Stranger {
        let docker = self.guard.docker();
        let ours = self.guard.containers().await;
        let image = docker.inspect_container(&ours[0], None).await.unwrap();
        let body = ContainerCreateBody {
            image: image.config.unwrap().image,
            entrypoint: Some(vec![
                "/kubeplay".to_owned(),
                kubeplay::workload::ARGUMENT.to_owned(),
                "pause".to_owned(),
            ]),
            host_config: Some(HostConfig {
                network_mode: Some(format!("kubeplay-{}", self.guard.run)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = docker.create_container(None::<CreateContainerOptions>, body);
        let stranger = Stranger {
            id: created.await.unwrap().id,
            host: self.engine.host().to_owned(),
        };
        docker.start_container(&stranger.id, None).await.unwrap();
        stranger
    }

    /// Ends the run, and looks whether anything stayed.
    pub async fn end(self) {
        self.runtime.shutdown(|_, _| {}).await.unwrap();
        assert_eq!(self.guard.left().await, Vec::<String>::new());
    }
}

/// What a pod answers once it listens.
pub async fn get(address: &str, path: &str) -> String {
    let start = Instant::now();
    loop {
        match try_get(address, path).await {
            Ok(text) => return text,
            Err(error) if start.elapsed() > PATIENCE => panic!("{address}: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn try_get(address: &str, path: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// What is left of a run. When it is dropped, be it by a panic, it removes that.
pub struct Guard {
    pub host: String,
    pub run: String,
}

impl Guard {
    fn docker(&self) -> Docker {
        Docker::connect_with_host(&self.host).unwrap()
    }

    fn label(&self) -> Vec<String> {
        vec![format!("kubeplay.run={}", self.run)]
    }

    pub async fn containers(&self) -> Vec<String> {
        self.containers_with(self.label()).await
    }

    async fn containers_with(&self, labels: Vec<String>) -> Vec<String> {
        let filters = [("label", labels)].into_iter().collect();
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listing = self.docker().list_containers(Some(options)).await.unwrap();
        listing.into_iter().filter_map(|c| c.id).collect()
    }

    async fn networks(&self) -> Vec<String> {
        let filters = [("label", self.label())].into_iter().collect();
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let listing = self.docker().list_networks(Some(options)).await.unwrap();
        listing.into_iter().filter_map(|n| n.name).collect()
    }

    async fn volumes(&self) -> Vec<String> {
        let filters = [("label", self.label())].into_iter().collect();
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let listing = self.docker().list_volumes(Some(options)).await.unwrap();
        let volumes = listing.volumes.unwrap_or_default();
        volumes.into_iter().map(|v| v.name).collect()
    }

    /// Everything of the run that is still there.
    pub async fn left(&self) -> Vec<String> {
        let mut left = self.containers().await;
        left.extend(self.networks().await);
        left.extend(self.volumes().await);
        let cgroups = docker::cgroups(&self.run);
        left.extend(cgroups.iter().map(|path| path.display().to_string()));
        let processes = processes(&self.run);
        left.extend(processes.iter().map(|process| format!("process {process}")));
        left
    }

    /// How long it takes until nothing is left.
    pub async fn until_nothing_is_left(&self, patience: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let left = self.left().await;
            if left.is_empty() {
                return start.elapsed();
            }
            assert!(start.elapsed() < patience, "left: {left:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn remove(&self) {
        for id in self.containers().await {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
            let docker = self.docker();
            let _ = docker.remove_container(&id, Some(options.build())).await;
        }
        for name in self.networks().await {
            let _ = self.docker().remove_network(&name).await;
        }
        for name in self.volumes().await {
            let options = None::<RemoveVolumeOptions>;
            let _ = self.docker().remove_volume(&name, options).await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // On a thread of its own: this may happen inside of a runtime.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(self.remove());
            });
        });
    }
}

/// A container without our labels; removed when it is dropped.
pub struct Stranger {
    host: String,
    id: String,
}

impl Stranger {
    pub async fn is_running(&self) -> bool {
        let docker = Docker::connect_with_host(&self.host).unwrap();
        let inspected = docker.inspect_container(&self.id, None).await.unwrap();
        inspected.state.unwrap().running == Some(true)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let docker = Docker::connect_with_host(&self.host).unwrap();
                    let options = RemoveContainerOptionsBuilder::new().force(true);
                    let _ = docker
                        .remove_container(&self.id, Some(options.build()))
                        .await;
                });
            });
        });
    }
}

/// The processes that were told of a run by their arguments: its watchdog.
pub fn processes(run: &str) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process: &i32| {
            // Empty for one that has ended and was not waited for.
            std::fs::read(format!("/proc/{process}/cmdline"))
                .is_ok_and(|words| words.split(|byte| *byte == 0).any(|w| w == run.as_bytes()))
        })
        .collect()
}

/// The real program, running a topology headless, to be killed.
pub struct Victim {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub guard: Guard,
}

impl Victim {
    /// Starts one, with a state directory of its own or of others.
    pub async fn start(engine: &Engine, state: &Path, topology: &str) -> Self {
        Self::start_with(engine, state, topology, &["--for", "10m"]).await
    }

    /// As [`start`](Self::start), with more arguments.
    pub async fn start_with(
        engine: &Engine,
        state: &Path,
        topology: &str,
        arguments: &[&str],
    ) -> Self {
        let before = locks(state);
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubeplay"))
            .args(["run", topology, "--headless", "--runtime", "docker"])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("DOCKER_HOST", engine.host())
            .env("XDG_STATE_HOME", state)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let run = loop {
            if let Some(run) = locks(state).difference(&before).next() {
                break run.clone();
            }
            assert_eq!(child.try_wait().unwrap(), None);
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let host = engine.host().to_owned();
        Self {
            child,
            lines,
            guard: Guard { host, run },
        }
    }

    /// Waits until so many containers of pods have started.
    pub fn wait_until_started(&mut self, pods: usize) {
        let started = |line: &String| line.contains(r#""message":"Container started""#);
        let lines = self.lines.by_ref().map_while(Result::ok);
        assert_eq!(lines.filter(started).take(pods).count(), pods);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) {
        // A pipe that is full would keep it from ending.
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The runs that have a lock in a state directory.
fn locks(state: &Path) -> BTreeSet<String> {
    let runs = std::fs::read_dir(state.join("kubeplay/runs"));
    let names = runs.into_iter().flatten().flatten();
    names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".lock")?.to_owned())
        })
        .collect()
}
