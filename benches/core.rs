//! What the control plane costs, in virtual time on the simulated runtime.
//!
//! `cargo bench --bench core` runs all; `cargo bench --bench core -- scale` one of `scale`, `demo`, `drills`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures and prints"
)]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kubeplay::{
    api::{Name, Object, Time, codec},
    cluster::{Cluster, drive::Drive},
    runtime::simulated::SimulatedRuntime,
    store::{
        Config, Input, Preset, Store, What,
        input::{Fault, FaultRequest, InputSummary, Target},
    },
    topology,
};
use serde_json::json;

type Simulation = Drive<SimulatedRuntime>;

fn main() {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|c| c == name);
    if wanted("scale") {
        for deployments in [20, 200] {
            scale(1_000, 20_000, deployments);
        }
    }
    if wanted("demo") {
        demo();
    }
    if wanted("drills") {
        drills(50);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn object(value: serde_json::Value) -> Object {
    match codec::from_any(value) {
        Ok(object) => object,
        Err(error) => panic!("a benchmark's own object is wrong: {error}"),
    }
}

fn create(drive: &mut Simulation, object: Object) {
    if let Err(error) = drive.create(object) {
        panic!("a benchmark's own object is refused: {error}");
    }
}

fn ready(store: &Store) -> usize {
    store
        .objects
        .pods
        .values()
        .filter(|pod| pod.is_ready())
        .count()
}

/// Nodes and pods from nothing to Ready.
fn scale(nodes: usize, pods: usize, deployments: usize) {
    let run = || {
        let begun = Instant::now();
        let config = Config::new("scale", 1, Preset::Kubernetes);
        let mut drive = Drive::new(Cluster::new(config), SimulatedRuntime::new(1));
        for index in 0..nodes {
            let name = format!("node-{index:04}");
            let resources = json!({"cpu": "8", "memory": "32Gi", "pods": "110"});
            create(
                &mut drive,
                object(json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name,
                    "topology.kubernetes.io/zone": format!("zone-{}", index % 3)}},
                "status": {"capacity": resources, "allocatable": resources}})),
            );
        }
        for index in 0..deployments {
            let name = format!("app-{index:03}");
            create(
                &mut drive,
                object(json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"replicas": pods / deployments, "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [
                        {"name": "app", "image": "example/app:1",
                         "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}]}}}})),
            );
            create(
                &mut drive,
                object(json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}})),
            );
        }
        let mut end = Time::ZERO;
        while ready(drive.cluster.store()) < pods {
            end = end + Duration::from_secs(1);
            drive.run_until(end);
            assert!(end < Time::from_secs(600), "the cluster does not settle");
        }
        (
            begun.elapsed().as_secs_f64(),
            end,
            drive.cluster.store().log.next_seq(),
        )
    };
    let runs: Vec<_> = (0..3).map(|_| run()).collect();
    let seconds = median(runs.iter().map(|run| run.0).collect());
    let (_, end, records) = runs[0];
    println!(
        "scale: {nodes} nodes, {pods} pods of {deployments} deployments Ready in {seconds:.2} s of wall time (median of 3; \
         virtual {end}, {records} records)"
    );
}

fn demo_drive(seed: u64) -> Simulation {
    let mut topology = match topology::demo() {
        Ok(topology) => topology,
        Err(problems) => panic!("the demo is wrong: {problems}"),
    };
    topology.config.seed = seed;
    let mut drive = Drive::new(Cluster::new(topology.config), SimulatedRuntime::new(seed));
    for object in topology.objects {
        create(&mut drive, object);
    }
    drive
}

fn nodes(drive: &Simulation) -> Vec<Name> {
    drive
        .cluster
        .store()
        .objects
        .nodes
        .keys()
        .map(|key| key.name.clone())
        .collect()
}

fn kill(node: Name) -> Input {
    Input::Fault(FaultRequest::Inject {
        fault: Fault::Kill,
        target: Target::Node(node),
    })
}

/// Ten minutes of the demo with a fault a minute, each healed half a minute later.
fn demo() {
    let run = |seed: u64| {
        let begun = Instant::now();
        let mut drive = demo_drive(seed);
        let nodes = nodes(&drive);
        for minute in 0..10 {
            let node = nodes[minute % nodes.len()].clone();
            drive.run_until(Time::from_secs(minute as i64 * 60 + 20));
            drive.input(&kill(node.clone()));
            drive.run_until(Time::from_secs(minute as i64 * 60 + 50));
            drive.input(&Input::Fault(FaultRequest::Heal {
                target: Target::Node(node),
            }));
        }
        drive.run_until(Time::from_secs(600));
        begun.elapsed().as_secs_f64()
    };
    let seconds = median((1..=5).map(run).collect());
    println!(
        "demo: 10 virtual minutes with a fault a minute in {seconds:.3} s of wall time (median of 5 seeds)"
    );
}

/// A step of a drill: the first record it could write, and what it took.
struct Step {
    first: u64,
    micros: f64,
}

/// The control plane's own share of a recovery: the wall time of all steps on the way from the fault to each pod that
/// is Ready again. From input received to effects issued is at most that.
fn drills(count: u64) {
    let mut shares = Vec::new();
    for seed in 1..=count {
        let mut drive = demo_drive(seed);
        drive.run_until(Time::from_secs(30));
        let nodes = nodes(&drive);
        let node = nodes[usize::try_from(seed).unwrap_or(0) % nodes.len()].clone();
        let hit = drive.cluster.store().objects.pods_on(&node).count();
        let fault = drive.cluster.store().log.next_seq();
        let mut steps = Vec::new();
        let mut measured =
            |drive: &mut Simulation, work: &mut dyn FnMut(&mut Simulation) -> bool| {
                let first = drive.cluster.store().log.next_seq();
                let begun = Instant::now();
                let more = work(drive);
                steps.push(Step {
                    first,
                    micros: begun.elapsed().as_secs_f64() * 1e6,
                });
                more
            };
        measured(&mut drive, &mut |drive| {
            drive.input(&kill(node.clone()));
            true
        });
        let end = drive.now() + Duration::from_secs(60);
        while measured(&mut drive, &mut |drive| drive.advance(end)) {}
        let store = drive.cluster.store();
        let became_ready = store
            .log
            .since(fault)
            .filter(|record| became_ready(&record.what));
        let share = became_ready
            .filter_map(|record| share(store, record.seq, fault, &steps))
            .collect::<Vec<_>>();
        assert!(
            hit == 0 || !share.is_empty(),
            "seed {seed}: no replacement became ready because of the fault"
        );
        shares.extend(share);
    }
    shares.sort_by(f64::total_cmp);
    let at = |percent: usize| shares[(shares.len() - 1) * percent / 100] / 1000.0;
    println!(
        "drills: {count} node kills, {} replacements; the control plane's share of each: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
        shares.len(),
        at(50),
        at(99),
        at(100)
    );
}

fn became_ready(what: &What) -> bool {
    let What::Change(change) = what else {
        return false;
    };
    let ready = |object: &Object| matches!(object, Object::Pod(pod) if pod.is_ready());
    ready(&change.object) && !change.old.as_ref().is_some_and(ready)
}

/// The wall time of the steps that wrote the records of a cause chain, if it begins with the fault.
fn share(store: &Store, seq: u64, fault: u64, steps: &[Step]) -> Option<f64> {
    let chain: Vec<_> = store.log.chain(seq).collect();
    let root = chain.last()?;
    let from_fault = chain.iter().any(|record| record.seq >= fault);
    if !from_fault || matches!(&root.what, What::Input(InputSummary::Write { .. })) {
        return None;
    }
    let on_the_way: BTreeSet<usize> = chain
        .iter()
        .filter(|record| record.seq >= fault)
        .map(|record| {
            steps
                .partition_point(|step| step.first <= record.seq)
                .saturating_sub(1)
        })
        .collect();
    Some(
        on_the_way
            .into_iter()
            .filter_map(|index| steps.get(index))
            .map(|step| step.micros)
            .sum(),
    )
}
