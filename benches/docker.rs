//! Figures of the Docker runtime on this machine: limits, a killed node, and what is left of a killed process.
//!
//! `cargo bench --bench docker -- limits`, `-- nodes`, `-- killed`, `-- leaks`; all of them without a word.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures real time and prints"
)]

#[path = "../tests/it/docker/lab.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod lab;

#[path = "../tests/it/pty/session.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod session;

use std::time::{Duration, Instant};

use bollard::{
    Docker,
    query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptions,
    },
};
use kubeplay::{
    runtime::docker::Engine,
    store::runtime::{NodeLimits, Verb},
};
use lab::{Lab, TestPod, Victim};
use rustix::process::Signal;
use session::Session;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if let Some(engine) = lab::engine().await {
            let asked: Vec<String> = std::env::args()
                .skip(1)
                .filter(|word| !word.starts_with('-'))
                .collect();
            let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
            if wanted("limits") {
                limits(&engine).await;
            }
            if wanted("nodes") {
                node_kills(&engine).await;
            }
            if wanted("killed") {
                for while_starting in [false, true] {
                    process_kills(&engine, while_starting).await;
                }
            }
            if wanted("leaks") {
                leaks(&engine).await;
            }
        }
    });
}

/// How exactly the limit of a pod, and the cap of a node with three pods that would use all of it, are met.
async fn limits(engine: &Engine) {
    let state = tempfile::tempdir().unwrap();
    let mut lab = Lab::new(engine.clone(), state.path());
    let over = Duration::from_secs(10);
    let pod = TestPod::new(9);
    lab.hog(&pod, pod.run_sandbox(), 250).await;
    let used = lab
        .cpu_milli(std::slice::from_ref(&pod.container), over)
        .await;
    println!("a pod with a limit of 250m uses {used}m");
    let container = pod.container;
    lab.ask(Verb::RemoveContainer { container }).await.unwrap();
    let limits = NodeLimits {
        cpu_milli: 500,
        memory_bytes: 256 << 20,
    };
    let pods: Vec<TestPod> = (0..3).map(TestPod::new).collect();
    for pod in &pods {
        lab.hog(pod, pod.run_on(limits), 0).await;
    }
    let all: Vec<_> = pods.iter().map(|pod| pod.container.clone()).collect();
    let used = lab.cpu_milli(&all, over).await;
    println!("three hogs on a node of 500m use {used}m");
    lab.end().await;
}

/// From the call to the report of the last container's end, and of the last sandbox's.
async fn node_kills(engine: &Engine) {
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..5 {
        let state = tempfile::tempdir().unwrap();
        let mut lab = Lab::new(engine.clone(), state.path());
        let pods: Vec<TestPod> = (0..8).map(TestPod::new).collect();
        let start = Instant::now();
        lab.run_all(&pods).await;
        times[0].push(start.elapsed());
        let start = Instant::now();
        lab.call(Verb::KillNode);
        for pod in &pods {
            lab.exit(&pod.container).await;
        }
        times[1].push(start.elapsed());
        for _ in &pods {
            lab.sandbox_exit().await;
        }
        times[2].push(start.elapsed());
        let start = Instant::now();
        lab.end().await;
        times[3].push(start.elapsed());
    }
    let names = [
        "8 pods started",
        "node killed: last container dead",
        "last sandbox",
        "quit",
    ];
    for (name, times) in names.iter().zip(&mut times) {
        print(name, times);
    }
}

/// From the SIGKILL of the real program to nothing left, with the largest demo.
async fn process_kills(engine: &Engine, while_starting: bool) {
    let mut times = Vec::new();
    for attempt in 0..10 {
        let state = tempfile::tempdir().unwrap();
        let mut victim = Victim::start(engine, state.path(), "demo/shop.toml").await;
        victim.wait_until_started(if while_starting { attempt } else { 14 });
        victim.kill();
        let patience = Duration::from_secs(120);
        times.push(victim.guard.until_nothing_is_left(patience).await);
    }
    let when = if while_starting { "starts" } else { "runs" };
    let within = times.iter().filter(|t| t.as_secs() < 8).count();
    print(
        &format!("killed while the shop {when}: {within} of 10 gone within 8 s"),
        &mut times,
    );
}

/// Fifty runs with faults at random moments and one of five ends at a random moment; nothing may stay.
async fn leaks(engine: &Engine) {
    let ends = ["quit", "panic", "SIGTERM", "SIGHUP", "SIGKILL"];
    let before = everything(engine).await;
    let mut times = Vec::new();
    for run in 0..50_u32 {
        let draw = |what: u32, below: u32| {
            let mixed = (run * 7 + what).wrapping_mul(2_654_435_761);
            (mixed >> 16) % below
        };
        match ends[run as usize % ends.len()] {
            "panic" => panic_once(engine),
            end => once(engine, end, draw).await,
        }
        let start = Instant::now();
        while everything(engine).await != before {
            assert!(start.elapsed().as_secs() < 30, "run {run} left something");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        times.push(start.elapsed());
    }
    print(
        "50 runs with random faults and ends, nothing left of any",
        &mut times,
    );
}

/// A run with a node that is killed and healed, and an end.
async fn once(engine: &Engine, end: &str, draw: impl Fn(u32, u32) -> u32) {
    let faults = [
        format!("{}ms kill node-1", draw(2, 4000)),
        format!("{}ms heal node-1", 4000 + draw(3, 1000)),
    ];
    let lasts = match end {
        "quit" => format!("{}ms", 500 + draw(1, 6000)),
        _ => "10m".to_owned(),
    };
    let arguments = [
        "--for", &lasts, "--fault", &faults[0], "--fault", &faults[1],
    ];
    let state = tempfile::tempdir().unwrap();
    let mut victim = Victim::start_with(engine, state.path(), "demo/tiny.toml", &arguments).await;
    let signal = match end {
        "SIGTERM" => Signal::TERM,
        "SIGHUP" => Signal::HUP,
        _ => Signal::KILL,
    };
    if end != "quit" {
        tokio::time::sleep(Duration::from_millis(draw(1, 6000).into())).await;
        victim.signal(signal);
    }
    victim.wait();
    victim
        .guard
        .until_nothing_is_left(Duration::from_secs(30))
        .await;
}

/// A run that panics as its screen opens, in a terminal.
fn panic_once(engine: &Engine) {
    let variables = [("KUBEPLAY_PANIC", "screen"), ("DOCKER_HOST", engine.host())];
    let arguments = ["demo/tiny.toml", "--runtime", "docker"];
    let mut session = Session::start(&arguments, &variables, 80, 24);
    assert_ne!(session.end(), Some(0));
}

/// How many containers and networks with our label the engine has, and how many volumes of any kind.
async fn everything(engine: &Engine) -> [usize; 3] {
    let docker = Docker::connect_with_host(engine.host()).unwrap();
    let filters = [("label", vec!["kubeplay=1".to_owned()])]
        .into_iter()
        .collect();
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters);
    let containers = docker.list_containers(Some(options.build())).await.unwrap();
    let options = ListNetworksOptionsBuilder::new().filters(&filters);
    let networks = docker.list_networks(Some(options.build())).await.unwrap();
    let volumes = docker
        .list_volumes(None::<ListVolumesOptions>)
        .await
        .unwrap();
    [
        containers.len(),
        networks.len(),
        volumes.volumes.unwrap_or_default().len(),
    ]
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: median {median:.2?}, longest {longest:.2?}");
}
