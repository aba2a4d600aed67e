//! Faults and their undoing, and what incidents say of them.

use serde_json::json;

use crate::{
    api::{Key, Time},
    cluster::bench::Bench,
    store::{
        Incident, Preset,
        incident::Phase,
        input::{Fault, Target},
        world::Power,
    },
};

fn incidents(bench: &Bench) -> Vec<Incident> {
    let incidents = bench.drive.cluster.store().incidents.iter();
    incidents
        .map(|incident| Incident::clone(incident))
        .collect()
}

fn node(name: &str) -> Target {
    Target::Node(name.into())
}

fn pod(name: &str) -> Target {
    Target::Pod(Key::new("default", name))
}

#[test]
fn a_fault_on_what_is_not_there_is_refused_in_an_event() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.run(100);
    bench.inject(Fault::Kill, node("node-9"));
    bench.inject(Fault::Kill, pod("nobody"));
    bench.inject(Fault::Reboot, pod("nobody"));
    bench.heal("node-1");
    bench.heal("node-9");
    assert!(incidents(&bench).is_empty());
    let refused = bench.messages("node-9", "FaultRefused");
    assert_eq!(&*refused[0], "kill refused: there is no node node-9");
    assert_eq!(bench.messages("nobody", "FaultRefused").len(), 2);
    assert_eq!(bench.messages("node-1", "FaultRefused").len(), 1);
}

#[test]
fn a_dark_node_can_be_healed_once_and_boots_in_its_time() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.run(100);
    bench.inject(Fault::Kill, node("node-1"));
    bench.inject(Fault::Kill, node("node-1"));
    assert_eq!(incidents(&bench).len(), 1, "it is off already");
    bench.run(1_000);
    bench.heal("node-1");
    bench.heal("node-1");
    let until = bench.now() + std::time::Duration::from_secs(5);
    let power = |bench: &Bench| {
        let world = &bench.drive.cluster.store().world;
        world.nodes.get("node-1").unwrap().power
    };
    assert_eq!(power(&bench), Power::Booting { until });
    bench.run(4_999);
    assert_ne!(power(&bench), Power::On);
    bench.run(1);
    assert_eq!(power(&bench), Power::On);
}

#[test]
fn a_node_that_is_killed_while_it_boots_stays_dark() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.run(100);
    bench.inject(Fault::Reboot, node("node-1"));
    bench.run(1_000);
    bench.inject(Fault::Kill, node("node-1"));
    bench.run(60_000);
    assert!(!bench.drive.cluster.store().world.is_on("node-1"));
}

#[test]
fn a_killed_pod_is_noticed_and_recovers_where_it_is() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    let at = bench.now();
    bench.inject(Fault::Kill, pod("web"));
    assert_eq!(&*incidents(&bench)[0].waiting_for, "the kubelet");
    bench.run(5_000);
    let incident = &incidents(&bench)[0];
    assert_eq!((incident.id, incident.at), (1, at));
    assert_eq!(incident.pods, [Key::new("default", "web")]);
    let phases: Vec<Phase> = incident.phases.iter().map(|(phase, _, _)| *phase).collect();
    assert_eq!(phases, [Phase::Noticed, Phase::Ready]);
    assert!(incident.recovered.unwrap() < at + std::time::Duration::from_secs(2));
    assert_eq!(&*incident.waiting_for, "");
}

#[test]
fn a_rebooted_node_is_waited_for_and_its_pods_come_back() {
    let mut bench = Bench::new(Preset::Fast, 2);
    bench.pod_on("node-2", "web", json!({}));
    bench.until_running("web");
    bench.inject(Fault::Reboot, node("node-2"));
    bench.run(1_000);
    let incident = &incidents(&bench)[0];
    assert_eq!(&*incident.waiting_for, "node reboot");
    assert!(incident.waiting_until > Some(bench.now()));
    assert!(incident.recovered.is_none());
    bench.run(10_000);
    let incident = &incidents(&bench)[0];
    assert!(incident.recovered.is_some(), "{incident:?}");
}

#[test]
fn a_node_without_pods_has_nothing_to_recover() {
    let mut bench = Bench::new(Preset::Fast, 2);
    bench.run(1_000);
    bench.inject(Fault::Kill, node("node-2"));
    let incident = &incidents(&bench)[0];
    assert_eq!(incident.recovered, Some(Time::from_secs(1)));
}

#[test]
fn several_incidents_are_followed_at_once() {
    let mut bench = Bench::new(Preset::Fast, 2);
    bench.pod_on("node-1", "one", json!({}));
    bench.pod_on("node-2", "two", json!({}));
    bench.until_running("one");
    bench.until_running("two");
    bench.inject(Fault::Kill, pod("one"));
    bench.inject(Fault::Kill, pod("two"));
    bench.run(5_000);
    let incidents = incidents(&bench);
    assert_eq!(incidents.iter().map(|i| i.id).collect::<Vec<_>>(), [1, 2]);
    assert!(
        incidents
            .iter()
            .all(|incident| incident.recovered.is_some())
    );
}

#[test]
fn a_cut_that_was_healed_before_anybody_noticed_did_no_harm() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    bench.inject(Fault::CutHeartbeats, node("node-1"));
    bench.run(1_000);
    assert_eq!(
        &*incidents(&bench)[0].waiting_for,
        "node monitor grace period"
    );
    bench.heal("node-1");
    let incident = &incidents(&bench)[0];
    assert_eq!(incident.healed, Some(bench.now()));
    assert_eq!(incident.recovered, Some(bench.now()));
}

#[test]
fn a_killed_node_is_noticed_tainted_evicted_replaced_scheduled_and_ready_in_that_order() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.create(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "app", "image": "kubeplay.dev/workload:1"}]}}}}));
    bench.run(3_000);
    bench.node("node-2");
    bench.run(100);
    bench.inject(Fault::Kill, node("node-1"));
    let mut waits = Vec::new();
    for _ in 0..200 {
        bench.run(100);
        let incident = &incidents(&bench)[0];
        let said = incident.waiting_for.to_string();
        if waits.last() != Some(&said) {
            waits.push(said);
        }
    }
    let incident = &incidents(&bench)[0];
    let phases: Vec<Phase> = incident.phases.iter().map(|(phase, _, _)| *phase).collect();
    assert_eq!(phases, Phase::ALL);
    assert!(
        incident
            .phases
            .windows(2)
            .all(|pair| pair[0].1 <= pair[1].1)
    );
    assert!(incident.recovered.unwrap() < incident.at + std::time::Duration::from_secs(15));
    assert_eq!(
        waits,
        [
            "node monitor grace period",
            "NoExecute taint",
            "toleration on 3 pods",
            "3 pods to become ready",
            ""
        ]
    );
}
