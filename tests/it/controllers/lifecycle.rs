//! Nodes that fall silent, and what becomes of their pods.

use std::time::Duration;

use kubeplay::{
    api::{Key, Kind, Node, Time},
    store::{Config, Preset, Propagation},
};
use serde_json::{Value, json};

use super::{create_deployment, create_node, template};
use crate::golden_controllers::bench::Bench;

/// Nodes in zones, by the fast preset's times.
fn zones(zones: &[(&str, usize)]) -> Bench {
    let config = Config::new("lifecycle", 1, Preset::Fast);
    let mut bench = Bench::new(config, kubeplay::controller::all());
    for (zone, nodes) in zones {
        for index in 0..*nodes {
            let labels = json!({"topology.kubernetes.io/zone": zone});
            create_node(&mut bench, &format!("{zone}-{index}"), &labels);
        }
    }
    bench
}

/// Lets time pass in which the nodes of which `alive` says so report, as often as they should.
fn live(bench: &mut Bench, seconds: i64, alive: impl Fn(&str) -> bool) {
    for _ in 0..seconds {
        let names: Vec<String> = nodes(bench).iter().map(name).collect();
        for name in names.into_iter().filter(|name| alive(name)) {
            let key = Key::new("kube-node-lease", name.as_str());
            let spec = json!({"renewTime": bench.now.to_k8s_micro()});
            if bench.cluster.store().objects.leases.contains_key(&key) {
                bench.patch(Kind::Lease, key, json!({"spec": spec}));
            } else {
                let metadata = json!({"name": name, "namespace": "kube-node-lease"});
                bench.create(
                    Kind::Lease,
                    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                        "metadata": metadata, "spec": spec}),
                );
            }
        }
        bench.pass(Duration::from_secs(1));
    }
}

fn nodes(bench: &Bench) -> Vec<Node> {
    let nodes = &bench.cluster.store().objects.nodes;
    nodes.values().map(|node| Node::clone(node)).collect()
}

fn name(node: &Node) -> String {
    node.metadata.name.clone().unwrap()
}

/// The names of the nodes from which pods are evicted.
fn evicting(bench: &Bench) -> Vec<String> {
    let tainted = |node: &Node| {
        let mut taints = node
            .spec
            .iter()
            .flat_map(|spec| spec.taints.iter().flatten());
        taints.any(|taint| taint.effect == "NoExecute")
    };
    nodes(bench)
        .iter()
        .filter(|node| tainted(node))
        .map(name)
        .collect()
}

fn heal(bench: &mut Bench, name: &str) {
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True",
        "reason": "KubeletReady", "lastHeartbeatTime": bench.now.to_k8s()}]}});
    bench.write(kubeplay::store::WriteVerb::MergePatch {
        target: kubeplay::api::ObjectRef::new(Kind::Node, Key::cluster(name)),
        subresource: kubeplay::store::Subresource::Status,
        patch: status,
    });
}

#[test]
fn a_zone_loses_its_silent_nodes_one_by_one() {
    let mut bench = zones(&[("a", 6)]);
    live(&mut bench, 5, |_| true);
    let silent = |name: &str| !matches!(name, "a-1" | "a-2");
    live(&mut bench, 4, silent);
    assert_eq!(evicting(&bench), [] as [String; 0]);
    live(&mut bench, 1, silent);
    assert_eq!(evicting(&bench).len(), 1);
    live(&mut bench, 1, silent);
    assert_eq!(evicting(&bench), ["a-1", "a-2"]);
    let events = bench.events(Kind::Node);
    let text = "Node a-1 status is now: NodeNotReady".to_owned();
    assert!(
        events.contains(&("NodeNotReady".to_owned(), text)),
        "{events:?}"
    );
    let text = "Node a-1 event: Registered Node a-1 in Controller".to_owned();
    assert!(
        events.contains(&("RegisteredNode".to_owned(), text)),
        "{events:?}"
    );
}

#[test]
fn a_small_zone_that_is_mostly_down_is_left_alone() {
    let mut bench = zones(&[("a", 4), ("b", 2)]);
    live(&mut bench, 5, |_| true);
    live(&mut bench, 30, |name| matches!(name, "a-0" | "b-0" | "b-1"));
    assert_eq!(evicting(&bench), [] as [String; 0]);
    let unknown = nodes(&bench);
    let unknown = unknown.iter().filter(|node| {
        let conditions = node.status.as_ref().unwrap().conditions.as_ref().unwrap();
        conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "Unknown")
    });
    assert_eq!(unknown.count(), 3);
}

#[test]
fn a_zone_that_is_all_down_is_emptied_while_another_is_up() {
    let mut bench = zones(&[("a", 3), ("b", 1)]);
    live(&mut bench, 5, |_| true);
    live(&mut bench, 15, |name| name == "b-0");
    assert_eq!(evicting(&bench), ["a-0", "a-1", "a-2"]);
}

#[test]
fn where_all_nodes_are_silent_nothing_is_evicted() {
    let mut bench = zones(&[("a", 3), ("b", 3)]);
    live(&mut bench, 5, |_| true);
    live(&mut bench, 30, |_| false);
    assert_eq!(evicting(&bench), [] as [String; 0]);
    // One is heard of again, so it is not the controller that is cut off: the others are tainted, in each zone one a
    // second. The limiters start drained (`SwapLimiter`), hence the first second.
    heal(&mut bench, "a-0");
    let mut tainted = vec![];
    for _ in 0..6 {
        live(&mut bench, 1, |name| name == "a-0");
        tainted.push(evicting(&bench).len());
    }
    assert_eq!(tainted, [0, 0, 2, 4, 5, 5]);
    assert!(!evicting(&bench).contains(&"a-0".to_owned()));
}

#[test]
fn a_node_that_never_reported_has_its_start_up_grace() {
    let mut bench = zones(&[("a", 2)]);
    bench.create(
        Kind::Node,
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "new"}}),
    );
    let ready = |bench: &Bench| -> Option<Value> {
        let node = nodes(bench).into_iter().find(|node| name(node) == "new")?;
        let conditions = node.status?.conditions?;
        let ready = conditions.into_iter().find(|c| c.type_ == "Ready")?;
        Some(serde_json::to_value(ready).unwrap())
    };
    live(&mut bench, 9, |name| name != "new");
    assert_eq!(ready(&bench), None);
    live(&mut bench, 2, |name| name != "new");
    let ready = ready(&bench).unwrap();
    assert_eq!(ready["reason"], "NodeStatusNeverUpdated");
    assert_eq!(ready["message"], "Kubelet never posted node status.");
}

#[test]
fn a_node_that_comes_back_in_time_keeps_its_pods() {
    let mut bench = zones(&[("a", 3)]);
    create_deployment(
        &mut bench,
        &json!({"replicas": 1, "template": template("v1")}),
    );
    live(&mut bench, 3, |_| true);
    bench.bind_all(|_| "a-0".to_owned());
    bench.make_ready(&bench.pods()[0]);
    live(&mut bench, 7, |name| name != "a-0");
    assert_eq!(evicting(&bench), ["a-0"]);
    assert!(!bench.pods()[0].is_ready(), "its node is silent");
    heal(&mut bench, "a-0");
    live(&mut bench, 10, |_| true);
    assert_eq!(evicting(&bench), [] as [String; 0]);
    let pods = bench.pods();
    assert_eq!(pods.len(), 1);
    assert!(!pods[0].is_terminating());
    let cancelled = format!("Cancelling deletion of Pod {}", pods[0].meta.key);
    let events = bench.events(Kind::Pod);
    assert!(
        events.contains(&("TaintManagerEviction".to_owned(), cancelled)),
        "{events:?}"
    );
    assert!(events.contains(&("NodeNotReady".to_owned(), "Node is not ready".to_owned())));
}

#[test]
fn the_pods_of_a_node_that_is_gone_are_collected_after_the_quarantine() {
    let mut bench = zones(&[("a", 3)]);
    create_deployment(
        &mut bench,
        &json!({"replicas": 1, "template": template("v1")}),
    );
    bench.bind_all(|_| "a-0".to_owned());
    bench.make_ready(&bench.pods()[0]);
    let orphan = bench.pods()[0].meta.clone();
    bench.delete(Kind::Node, Key::cluster("a-0"), Propagation::Background);
    live(&mut bench, 3, |_| true);
    assert!(bench.pods().iter().any(|pod| pod.meta.uid == orphan.uid));
    live(&mut bench, 5, |_| true);
    assert!(bench.pods().iter().all(|pod| pod.meta.uid != orphan.uid));
    let log = &bench.cluster.store().log;
    let last = log.newest_first().find_map(|record| match &record.what {
        kubeplay::store::What::Change(change) => match &change.object {
            kubeplay::api::Object::Pod(pod) if pod.meta.uid == orphan.uid => Some(pod.clone()),
            _ => None,
        },
        _ => None,
    });
    let last = last.unwrap();
    assert_eq!(last.phase(), "Failed");
    let target = last.condition("DisruptionTarget").unwrap();
    assert_eq!(target.reason.as_deref(), Some("DeletionByPodGC"));
    assert_eq!(
        target.message.as_deref(),
        Some("PodGC: node no longer exists")
    );
    assert!(bench.now > Time::ZERO);
}

#[test]
fn a_node_out_of_service_loses_its_terminating_pods_at_once() {
    let mut bench = zones(&[("a", 3)]);
    create_deployment(
        &mut bench,
        &json!({"replicas": 1, "template": template("v1")}),
    );
    live(&mut bench, 3, |_| true);
    bench.bind_all(|_| "a-0".to_owned());
    bench.make_ready(&bench.pods()[0]);
    live(&mut bench, 7, |name| name != "a-0");
    let taints = json!([{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]);
    let patch = json!({"spec": {"taints": taints}});
    bench.patch(Kind::Node, Key::cluster("a-0"), patch);
    live(&mut bench, 3, |name| name != "a-0");
    let bound: Vec<_> = bench
        .pods()
        .into_iter()
        .filter(|pod| pod.node.is_some())
        .collect();
    assert_eq!(bound.len(), 0, "{bound:?}");
}
