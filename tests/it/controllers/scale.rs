//! Large sets: what a change costs must not depend on how many pods there are.

use kubeplay::api::{Kind, Resource};
use serde_json::json;

use super::{bench, create_set, key, template};
use crate::golden_controllers::bench::Bench;

/// How long something takes, in seconds; and how many log records it leaves. The time is for the reader alone.
fn measured(bench: &mut Bench, work: impl FnOnce(&mut Bench)) -> (f64, u64) {
    let (start, seq) = (std::time::Instant::now(), bench.seq());
    work(bench);
    (start.elapsed().as_secs_f64(), bench.seq() - seq)
}

/// Makes all pods ready, each in a step of its own: the worst case for whoever counts them.
fn ready_one_by_one(bench: &mut Bench) {
    bench.bind_all(|_| "node".to_owned());
    for pod in bench.pods() {
        bench.make_ready(&pod);
    }
}

fn create_many(bench: &mut Bench, sets: usize, replicas: usize) {
    for index in 0..sets {
        let app = format!("app-{index}");
        let mut template = template("v1");
        template["metadata"]["labels"]["app"] = json!(app);
        bench.create(
            Kind::ReplicaSet,
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {"name": app, "namespace": "default"},
                "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}},
                    "template": template}}),
        );
        bench.create(
            Kind::Service,
            json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": app, "namespace": "default"},
                "spec": {"selector": {"app": app}, "ports": [{"port": 80}]}}),
        );
    }
}

#[test]
fn one_large_set_costs_about_as_much_as_many_small_ones() {
    const PODS: usize = 20_000;
    for (sets, replicas) in [(1, PODS), (200, PODS / 200)] {
        let mut bench = bench();
        let (time, _) = measured(&mut bench, |bench| create_many(bench, sets, replicas));
        println!("{sets} x {replicas} pods created in {time:.2} s");
        let (time, records) = measured(&mut bench, ready_one_by_one);
        println!("made ready one by one in {time:.2} s, {records} records");
        let pods = bench.pods();
        assert_eq!(pods.iter().filter(|pod| pod.is_ready()).count(), PODS);
        // For each pod: two inputs, its binding and its status, the set's status, the slice.
        assert!(records <= 7 * PODS as u64, "{records}");
        let patch = json!({"spec": {"replicas": replicas / 2}});
        let (time, _) = measured(&mut bench, |bench| {
            bench.patch(Kind::ReplicaSet, key("app-0"), patch);
        });
        println!("{} pods chosen and deleted in {time:.2} s", replicas / 2);
        let half = (replicas / 2) as i64;
        let first = bench
            .sets()
            .into_iter()
            .position(|set| *set.key().name == *"app-0");
        assert_eq!(bench.state()[first.unwrap()], (half, half, half));
    }
}

#[test]
fn a_set_is_made_in_batches_without_a_pause() {
    let mut bench = bench();
    create_set(&mut bench, "s", 1_234);
    assert_eq!(bench.pods().len(), 1_234);
}
