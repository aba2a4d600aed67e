//! Pods per second from all pods existing to all bound, through the step: with store writes, events, indexes and the
//! record of every decision; pods of ten shapes, every node scored.
//!
//! `cargo bench --bench scheduler`

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock"
)]
#![expect(clippy::print_stdout, reason = "a measurement is printed")]

use std::{sync::Arc, time::Instant};

use k8s_openapi::api::core::v1::PodSpec;
use kubeplay::{
    api::{Key, Meta, Node, Pod, Time},
    cluster::Cluster,
    scheduler::Scheduler,
    store::{Component, Config, Context, Input, Preset, Record, Store},
};
use serde_json::json;

const SHAPES: u32 = 10;

/// Creates all nodes, then all pods, each in one work item, as a controller would: pods of a shape share their spec.
#[derive(Clone, Debug)]
struct Feeder {
    nodes: u32,
    pods: u32,
    turn: usize,
    with_preferences: bool,
}

impl Component for Feeder {
    fn name(&self) -> &'static str {
        "feeder"
    }
    fn start(&mut self, _: &Config) {}
    fn observe(&mut self, _: &Record, _: &Store) {}
    fn input(&mut self, _: &Input, _: &mut Context<'_>) {}

    fn advance(&mut self, _: Time) -> usize {
        2 - self.turn
    }

    fn run_one(&mut self, cx: &mut Context<'_>) -> bool {
        self.turn += 1;
        if self.turn == 1 {
            for number in 0..self.nodes {
                cx.create(node(number)).expect("a new node");
            }
        } else {
            let specs: Vec<_> = (0..SHAPES)
                .map(|shape| Arc::new(spec(shape, self.with_preferences)))
                .collect();
            for (number, spec) in (0..self.pods).zip(specs.iter().cycle()) {
                let pod = Pod {
                    meta: Meta::new(Key::new("default", format!("pod-{number:06}"))),
                    spec: Arc::clone(spec),
                    node: None,
                    status: Arc::default(),
                };
                cx.create(pod).expect("a new pod");
            }
        }
        true
    }

    fn next_deadline(&self) -> Option<Time> {
        None
    }

    fn boxed(&self) -> Box<dyn Component> {
        Box::new(self.clone())
    }
}

fn node(number: u32) -> Node {
    let resources = json!({"cpu": "32", "memory": "64Gi", "pods": "110"});
    let disk = if number.is_multiple_of(2) {
        "ssd"
    } else {
        "hdd"
    };
    let mut taints = json!([]);
    if number.is_multiple_of(10) {
        taints = json!([{"key": "spare", "effect": "PreferNoSchedule"}]);
    }
    serde_json::from_value(json!({
        "metadata": {"name": format!("node-{number:05}"), "labels": {"disk": disk}},
        "spec": {"taints": taints},
        "status": {"capacity": resources, "allocatable": resources}}))
    .expect("a node")
}

fn spec(shape: u32, with_preferences: bool) -> PodSpec {
    let requests = json!({
        "cpu": format!("{}m", 50 + 20 * shape), "memory": format!("{}Mi", 64 + 16 * shape)});
    let mut spec = json!({
        "schedulerName": "default-scheduler",
        "containers": [{"name": "app", "image": "app:1", "resources": {"requests": requests}}]});
    if with_preferences {
        spec["affinity"] = json!({"nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {
                "matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}}]}});
    }
    serde_json::from_value(spec).expect("a spec")
}

/// Pods per second.
fn measure(nodes: u32, pods: u32, with_preferences: bool) -> f64 {
    let feeder = Feeder {
        nodes,
        pods,
        turn: 0,
        with_preferences,
    };
    let components: Vec<Box<dyn Component>> =
        vec![Box::new(feeder), Box::new(Scheduler::default())];
    let mut cluster = Cluster::with(Config::new("bench", 1, Preset::Kubernetes), components);
    cluster.step(Time::ZERO, &Input::StepOne);
    cluster.step(Time::ZERO, &Input::StepOne);
    let start = Instant::now();
    cluster.step(Time::ZERO, &Input::Continue);
    let seconds = start.elapsed().as_secs_f64();
    let unbound = cluster.store().objects.unbound_pods().count();
    assert_eq!(unbound, 0, "every pod fits");
    f64::from(pods) / seconds
}

fn main() {
    println!(
        "{:>6} {:>7} {:>12} {:>12} {:>16}",
        "nodes", "pods", "pods/s", "us/pod", "with affinity"
    );
    for (nodes, pods) in [(100, 5_000), (1_000, 20_000), (5_000, 20_000)] {
        let mut runs: Vec<_> = (0..3).map(|_| measure(nodes, pods, false)).collect();
        runs.sort_by(f64::total_cmp);
        let preferring = measure(nodes, pods, true);
        let median = runs[1];
        println!(
            "{nodes:>6} {pods:>7} {median:>12.0} {:>12.1} {preferring:>16.0}",
            1e6 / median
        );
    }
}
