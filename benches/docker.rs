//! Figures of the Docker runtime on this machine: a killed node, and what is left of a killed process.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures real time and prints"
)]

#[path = "../tests/it/docker/lab.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod lab;

use std::time::{Duration, Instant};

use kubeplay::{
    runtime::docker::Engine,
    store::runtime::{NodeLimits, Verb},
};
use lab::{Lab, TestPod, Victim};

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if let Some(engine) = lab::engine().await {
            limits(&engine).await;
            node_kills(&engine).await;
            for while_starting in [false, true] {
                process_kills(&engine, while_starting).await;
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

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: median {median:.2?}, longest {longest:.2?}");
}
