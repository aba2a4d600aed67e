//! Figures of a whole cluster whose pods are containers of the Docker Engine: how fast the shop is ready, against the
//! engine alone; how fast a replacement runs; what it costs to measure load.
//!
//! `cargo bench --bench pods -- shop`, `-- replacements`, `-- load`; all of them without a word.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures real time and prints"
)]

#[path = "../tests/it/docker/lab.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod lab;

#[path = "../tests/it/docker/live.rs"]
mod live;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use bollard::{
    Docker,
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, RemoveContainerOptionsBuilder},
};
use futures_util::{StreamExt, stream};
use kubeplay::{api::Uid, runtime::docker::Engine, store::WriteVerb, topology};
use lab::Guard;
use live::{Live, replicas};

/// How many starts the engine alone is given at once: more only makes the queue longer.
const AT_ONCE: usize = 4;

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let Some(engine) = lab::engine().await else {
            return;
        };
        if wanted("shop") {
            shop(&engine).await;
        }
        if wanted("replacements") {
            replacements(&engine).await;
        }
        if wanted("load") {
            load(&engine).await;
        }
    });
}

/// The shop from nothing to all pods ready, and the engine alone with the same containers, alternating.
async fn shop(engine: &Engine) {
    let topology = topology::load(Path::new("demo/shop.toml")).unwrap();
    let pods = replicas(&topology);
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let mut live = Live::start(engine, &topology).await;
        let start = Instant::now();
        live.create(&topology);
        let ready = |live: &Live| live.pods().iter().filter(|pod| pod.is_ready()).count() == pods;
        let end = live.until("the shop", ready).await;
        ours.push(end - start);
        let bodies = Bodies::of(&live.guard).await;
        live.end().await;
        alone.push(bodies.run(engine).await);
    }
    let ratio = median(&mut ours).as_secs_f64() / median(&mut alone).as_secs_f64();
    print(&format!("shop, {pods} pods ready"), &mut ours);
    print("the same containers by the engine alone", &mut alone);
    println!("ratio {ratio:.2}");
}

/// What the engine was asked to create, pod by pod: the sandbox, then its containers.
struct Bodies(Vec<(ContainerCreateBody, Vec<ContainerCreateBody>)>);

impl Bodies {
    async fn of(guard: &Guard) -> Self {
        let docker = Docker::connect_with_host(&guard.host).unwrap();
        let mut pods: BTreeMap<String, (Option<ContainerCreateBody>, Vec<ContainerCreateBody>)> =
            BTreeMap::new();
        for id in guard.containers().await {
            let inspected = docker.inspect_container(&id, None).await.unwrap();
            let config = inspected.config.unwrap();
            let labels = config.labels.clone().unwrap_or_default();
            let Some(pod) = labels.get("kubeplay.pod.uid") else {
                continue;
            };
            let mut host = inspected.host_config.unwrap();
            host.cgroup_parent = None;
            let sandbox = labels["kubeplay.container"] == "POD";
            let body = ContainerCreateBody {
                image: config.image,
                hostname: config.hostname.filter(|_| sandbox),
                entrypoint: config.entrypoint,
                cmd: config.cmd,
                env: config.env,
                user: config.user,
                labels: Some([("bench".to_owned(), "1".to_owned())].into()),
                host_config: Some(host),
                ..Default::default()
            };
            let entry = pods.entry(pod.clone()).or_default();
            match sandbox {
                true => entry.0 = Some(body),
                false => entry.1.push(body),
            }
        }
        let pods = pods.into_values();
        Self(
            pods.map(|(sandbox, rest)| (sandbox.unwrap(), rest))
                .collect(),
        )
    }

    async fn run(&self, engine: &Engine) -> Duration {
        let docker = Docker::connect_with_host(engine.host()).unwrap();
        let network = "kubeplay-bench-alone";
        let request = bollard::models::NetworkCreateRequest {
            name: network.to_owned(),
            internal: Some(true),
            ..Default::default()
        };
        docker.create_network(request).await.unwrap();
        let docker = &docker;
        let make = async |mut body: ContainerCreateBody, mode: String| {
            body.host_config.as_mut().unwrap().network_mode = Some(mode);
            let created = docker.create_container(None::<CreateContainerOptions>, body);
            let id = created.await.unwrap().id;
            docker.start_container(&id, None).await.unwrap();
            id
        };
        let start = Instant::now();
        let pods = stream::iter(&self.0).map(async |(sandbox, containers)| {
            let owner = make(sandbox.clone(), network.to_owned()).await;
            let mut ids = Vec::new();
            for container in containers {
                ids.push(make(container.clone(), format!("container:{owner}")).await);
            }
            ids.push(owner);
            ids
        });
        let ids: Vec<Vec<String>> = pods.buffer_unordered(AT_ONCE).collect().await;
        let took = start.elapsed();
        for id in ids.into_iter().flatten() {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
            docker
                .remove_container(&id, Some(options.build()))
                .await
                .unwrap();
        }
        docker.remove_network(network).await.unwrap();
        took
    }
}

/// A pod is deleted, twenty times; from when its replacement was bound to when it runs.
async fn replacements(engine: &Engine) {
    let topology = topology::load(Path::new("demo/shop.toml")).unwrap();
    let pods = replicas(&topology);
    let mut live = Live::start(engine, &topology).await;
    live.create(&topology);
    let ready = |live: &Live| {
        let all = live.pods();
        all.len() == pods && all.iter().all(|pod| pod.is_ready())
    };
    live.until("the shop", ready).await;
    let mut times = Vec::new();
    for _ in 0..20 {
        live.until("a warm sandbox", |live| live.docker.warm_sandboxes() >= 2)
            .await;
        // The engine is at rest again.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before: BTreeSet<Uid> = live.pods().iter().map(|pod| pod.meta.uid).collect();
        let victim = live
            .pods()
            .into_iter()
            .find(|pod| pod.meta.key.name.starts_with("web-"))
            .unwrap();
        live.write(WriteVerb::Delete {
            target: kubeplay::api::ObjectRef::new(
                kubeplay::api::Kind::Pod,
                victim.meta.key.clone(),
            ),
            options: Default::default(),
        });
        let new = |live: &Live| {
            let pods = live.pods();
            pods.into_iter().find(|pod| !before.contains(&pod.meta.uid))
        };
        let bound = live
            .until("a binding", |live| {
                new(live).is_some_and(|pod| pod.node.is_some())
            })
            .await;
        let running = live
            .until("a running replacement", |live| {
                new(live).is_some_and(|pod| pod.is_ready())
            })
            .await;
        times.push(running - bound);
        live.until("the shop", ready).await;
    }
    live.end().await;
    times.sort();
    let p95 = times[times.len() * 95 / 100 - 1];
    print("a replacement, from bound to running", &mut times);
    println!("p95 {p95:.2?}");
}

/// 200 pods; what a minute of measuring costs kubeplay and the engine, and how old the figures get.
async fn load(engine: &Engine) {
    let text = r#"
[cluster]
name = "load"
timing = "fast"
[[nodes]]
name = "node"
count = 10
cpu = "4"
memory = "4Gi"
pods = 30
[[deployments]]
name = "idle"
replicas = 200
requests = { cpu = "10m", memory = "8Mi" }
"#;
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), text).unwrap();
    let topology = topology::load(file.path()).unwrap();
    let mut live = Live::start(engine, &topology).await;
    live.create(&topology);
    let ready = |live: &Live| live.pods().iter().filter(|pod| pod.is_ready()).count() == 200;
    live.until("200 pods", ready).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (mut costs, mut oldest) = (Vec::new(), Duration::ZERO);
    let engines = engine_processes();
    let before = (cpu_time(&[std::process::id()]), cpu_time(&engines));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let snapshot = live.handle.snapshot();
        let now = live.handle.now();
        for pod in snapshot.store.objects.pods.values() {
            let used = snapshot.metrics.pod(pod.meta.uid, &snapshot.store.world);
            oldest = oldest.max(now.since(used.unwrap().at));
        }
        costs.extend(snapshot.metrics.cost());
    }
    let passed = start.elapsed();
    let after = (cpu_time(&[std::process::id()]), cpu_time(&engines));
    let percent = |spent: Duration| 100.0 * spent.as_secs_f64() / passed.as_secs_f64();
    print("a measurement of 200 pods", &mut costs);
    println!(
        "kubeplay, everything it does: {:.1} % of a core; the engine: {:.1} %; oldest figure {oldest:.2?}",
        percent(after.0 - before.0),
        percent(after.1 - before.1),
    );
    live.end().await;
}

/// The processes of the engine on this machine.
fn engine_processes() -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process: &u32| {
            let name = std::fs::read_to_string(format!("/proc/{process}/comm"));
            name.is_ok_and(|name| matches!(name.trim(), "dockerd" | "containerd"))
        })
        .collect()
}

/// CPU time of processes, from `/proc/PID/stat` (a hundredth of a second is its unit).
fn cpu_time(processes: &[u32]) -> Duration {
    let ticks = |process: &u32| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let after = text.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after.split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|f| f.parse().ok()).unwrap_or(0);
        field(11) + field(12)
    };
    Duration::from_millis(processes.iter().map(ticks).sum::<u64>() * 10)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn print(what: &str, times: &mut [Duration]) {
    let median = median(times);
    let longest = times[times.len() - 1];
    println!("{what}: median {median:.2?}, longest {longest:.2?}");
}
