//! What the controllers do, each in a small cluster whose kubelets and scheduler the test plays.

mod endpoints;
mod lifecycle;
mod ownership;
mod scale;
mod workloads;

use kubeplay::{
    api::{Key, Kind},
    store::{Config, Preset},
};
use serde_json::{Value, json};

use super::golden_controllers::bench::{Bench, template};

/// A cluster with one node that is believed for ever.
fn bench() -> Bench {
    let mut config = Config::new("controllers", 1, Preset::Fast);
    config.timing.node_monitor_grace_ms = 1_000_000_000;
    let mut bench = Bench::new(config, kubeplay::controller::all());
    create_node(&mut bench, "node", &json!({}));
    bench
}

/// A node that says that it is ready.
fn create_node(bench: &mut Bench, name: &str, labels: &Value) {
    let heartbeat = bench.now.to_k8s();
    bench.create(
        Kind::Node,
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
            "status": {"conditions": [{"type": "Ready", "status": "True",
                "reason": "KubeletReady", "lastHeartbeatTime": heartbeat}]}}),
    );
}

fn key(name: &str) -> Key {
    Key::new("default", name)
}

fn create_set(bench: &mut Bench, name: &str, replicas: usize) {
    bench.create(
        Kind::ReplicaSet,
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "d"}},
                "template": template("v1")}}),
    );
}

fn create_deployment(bench: &mut Bench, spec: &Value) {
    let mut whole = json!({"replicas": 3, "selector": {"matchLabels": {"app": "d"}},
        "template": template("v1")});
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    bench.create(
        Kind::Deployment,
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "default"}, "spec": whole}),
    );
}

/// Binds all pods and makes them ready, until there are no new ones.
fn bring_up(bench: &mut Bench) {
    for _ in 0..10 {
        bench.bind_all(|_| "node".to_owned());
        bench.remove_terminating();
        let waiting = bench.pods().into_iter().filter(|pod| !pod.is_ready());
        for pod in waiting.collect::<Vec<_>>() {
            bench.make_ready(&pod);
        }
        bench.pass(std::time::Duration::from_secs(1));
    }
}
