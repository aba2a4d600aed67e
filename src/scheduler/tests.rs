//! The scheduler as a whole: decisions, wake-ups, and the properties that must always hold.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    node_cache::{NodeCache, NodeInfo},
    resources::PodInfos,
    testing::{Rig, fresh_shape, node, pod, with},
};
use crate::{
    api::{Kind, Name, Pod},
    store::{Config, Defect, Op, Preset, Store, What, decision::Verdict},
};

fn attempts(rig: &Rig) -> Vec<(String, u32)> {
    let decisions = rig.store.decisions.iter();
    decisions
        .map(|it| (it.pod.name.to_string(), it.attempt))
        .collect()
}

#[test]
fn a_pod_is_bound_in_one_write_and_the_decision_is_its_cause() {
    let mut rig = Rig::new();
    rig.create([
        node("n1", "4", "8Gi"),
        node("n2", "2", "8Gi"),
        pod("web", "1", "1Gi"),
    ]);
    assert_eq!(rig.node_of("web"), "n1");
    let bound = rig.pod("web");
    assert_eq!(bound.condition("PodScheduled").unwrap().status, "True");
    let writes = rig.store.log.since(1).filter(|record| {
        matches!(&record.what, What::Change(it) if it.op == Op::Modified && it.object.kind() == Kind::Pod)
    });
    assert_eq!(writes.count(), 1);
    let cause = rig
        .store
        .log
        .get(bound.meta.resource_version)
        .unwrap()
        .cause;
    let What::Decision(logged) = &rig.store.log.get(cause).unwrap().what else {
        panic!("not a decision");
    };
    let decision = rig.decision();
    assert_eq!(logged.number, decision.number);
    assert_eq!(
        (decision.nodes, decision.feasible, decision.tied),
        (2, 2, 1)
    );
    assert_eq!(decision.scores.len(), 2);
    assert!(logged.scores.is_empty(), "the log keeps the outcome alone");
    let event = rig.store.objects.events.values().next().unwrap();
    assert_eq!(&*event.message, "Successfully assigned default/web to n1");
}

#[test]
fn a_tie_is_broken_by_a_number_that_is_the_pods_own() {
    let run = || {
        let mut rig = Rig::new();
        rig.create((0..8).map(|number| node(&format!("n{number}"), "4", "8Gi")));
        rig.create([
            pod("a", "1", "1Gi"),
            pod("b", "0", "0"),
            pod("c", "1", "2Gi"),
        ]);
        ["a", "b", "c"].map(|name| rig.node_of(name))
    };
    assert_eq!(run(), run());
    let mut rig = Rig::new();
    rig.create([
        node("n2", "4", "8Gi"),
        node("n1", "4", "8Gi"),
        pod("a", "1", "1Gi"),
    ]);
    let decision = rig.decision();
    assert_eq!(decision.tied, 2);
    let by_name = ["n1", "n2"][usize::try_from(decision.tie_break).unwrap()];
    assert_eq!(
        rig.node_of("a"),
        by_name,
        "nodes on top are counted in order of their names"
    );
}

#[test]
fn a_failure_names_every_reason_and_the_record_says_what_is_missing() {
    let mut rig = Rig::new();
    let taints = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]);
    rig.create([
        node("n1", "1", "8Gi"),
        with(node("n2", "4", "8Gi"), "/spec/unschedulable", json!(true)),
        with(node("n3", "4", "8Gi"), "/spec/taints", taints),
        pod("web", "1500m", "1Gi"),
    ]);
    assert_eq!(
        rig.message("web"),
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), \
         1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/3 nodes are \
         available: 3 Preemption is not helpful for scheduling."
    );
    let details = rig
        .decision()
        .rejections
        .iter()
        .map(|it| (&*it.node, &*it.detail));
    assert_eq!(
        details.collect::<Vec<_>>(),
        [
            ("n1", "cpu: needs 1500m, has 1 free of 1"),
            ("n2", "cordoned (spec.unschedulable)"),
            ("n3", "does not tolerate gpu=yes:NoSchedule"),
        ]
    );
    assert_eq!(rig.decision().verdict, Verdict::Unschedulable);
}

#[test]
fn without_a_node_it_says_so() {
    let mut rig = Rig::new();
    rig.create([pod("web", "1", "1Gi")]);
    assert_eq!(rig.message("web"), "no nodes available to schedule pods");
    rig.create([node("n1", "4", "8Gi")]);
    assert_eq!(rig.node_of("web"), "n1");
}

#[test]
fn pods_of_other_schedulers_bound_pods_and_gated_pods_are_left_alone() {
    let mut rig = Rig::new();
    let other = with(
        pod("other", "1", "1Gi"),
        "/spec/schedulerName",
        json!("mine"),
    );
    let named = with(pod("named", "1", "1Gi"), "/spec/nodeName", json!("n1"));
    let gated = with(
        pod("gated", "1", "1Gi"),
        "/spec/schedulingGates",
        json!([{"name": "wait"}]),
    );
    rig.create([node("n1", "4", "8Gi"), other, named, gated]);
    assert!(rig.store.decisions.is_empty());
    rig.patch(
        Kind::Pod,
        "gated",
        json!({"spec": {"schedulingGates": null}}),
    );
    assert_eq!(rig.node_of("gated"), "n1");
    assert_eq!(rig.node_of("other"), "");
}

#[test]
fn higher_priority_goes_first_then_who_came_earlier() {
    let mut rig = Rig::new();
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "important"}, "value": 10});
    let high = with(
        pod("high", "1", "1Gi"),
        "/spec/priorityClassName",
        json!("important"),
    );
    rig.create([
        class,
        pod("first", "1", "1Gi"),
        pod("second", "1", "1Gi"),
        high,
    ]);
    rig.store.decisions.clear();
    rig.create([node("n1", "4", "8Gi")]);
    let order: Vec<_> = attempts(&rig).into_iter().map(|(name, _)| name).collect();
    assert_eq!(order, ["high", "first", "second"]);
}

/// A node that is full, and a pod that waits.
fn waiting() -> Rig {
    let mut rig = Rig::new();
    rig.create([
        node("n1", "2", "8Gi"),
        pod("a", "2", "1Gi"),
        pod("b", "1", "1Gi"),
    ]);
    assert_eq!(rig.node_of("b"), "");
    rig.store.decisions.clear();
    rig
}

#[test]
fn a_waiting_pod_tries_again_when_something_makes_a_node_better_for_it() {
    let check = |what: &str, change: fn(&mut Rig)| {
        let mut rig = waiting();
        change(&mut rig);
        assert_eq!(attempts(&rig), [("b".to_owned(), 2)], "{what}");
        assert_ne!(rig.node_of("b"), "", "{what}");
    };
    check("a node is added", |rig| {
        rig.create([node("n2", "1", "8Gi")]);
    });
    check("a pod is deleted", |rig| rig.delete(Kind::Pod, "a"));
    check("a pod has ended", |rig| {
        rig.patch(Kind::Pod, "a", json!({"status": {"phase": "Succeeded"}}));
    });
    check("a node has grown", |rig| {
        rig.patch(
            Kind::Node,
            "n1",
            json!({"status": {"allocatable": {"cpu": "3"}}}),
        );
    });
}

#[test]
fn a_waiting_pod_does_not_try_for_what_cannot_help_it() {
    let check = |what: &str, change: fn(&mut Rig)| {
        let mut rig = waiting();
        change(&mut rig);
        assert_eq!(attempts(&rig), [], "{what}");
    };
    check("a node is added that is too small", |rig| {
        rig.create([node("n2", "500m", "8Gi")]);
    });
    check("its node is cordoned", |rig| {
        rig.patch(Kind::Node, "n1", json!({"spec": {"unschedulable": true}}));
    });
    check("its node reports", |rig| {
        let condition = json!([{"type": "Ready", "status": "True"}]);
        rig.patch(
            Kind::Node,
            "n1",
            json!({"status": {"conditions": condition}}),
        );
    });
    check("time passes", |rig| rig.advance(300));
}

#[test]
fn a_pod_that_waited_for_five_minutes_tries_again_without_a_reason() {
    let mut rig = waiting();
    assert_eq!(
        rig.scheduler.queue.next_deadline(),
        Some(crate::api::Time::from_secs(330))
    );
    let before = rig.store.log.next_seq();
    rig.advance(330);
    assert_eq!(attempts(&rig), [("b".to_owned(), 2)]);
    let writes =
        rig.store.log.since(before).filter(
            |record| matches!(&record.what, What::Change(it) if it.object.kind() == Kind::Pod),
        );
    assert_eq!(writes.count(), 0, "the same message is not written again");
}

#[test]
fn of_many_nodes_the_best_and_the_first_refused_are_kept() {
    let mut rig = Rig::new();
    rig.create((0..100).map(|number| {
        let node = node(&format!("n{number:03}"), "4", "8Gi");
        with(node, "/spec/unschedulable", json!(number >= 50))
    }));
    rig.create([pod("a", "1", "1Gi"), pod("b", "1", "1Gi")]);
    let decision = rig.decision();
    assert_eq!(
        (
            decision.feasible,
            decision.scores.len(),
            decision.rejections.len()
        ),
        (50, 16, 16)
    );
    assert_eq!(
        decision.histogram,
        [("node(s) were unschedulable".to_owned(), 50)]
    );
    assert_eq!(decision.tied, 49);
    let first = rig.store.decisions.front().unwrap();
    let Verdict::Bound { node } = &first.verdict else {
        panic!("{first:?}");
    };
    assert!(
        decision.scores.iter().all(|it| it.node != *node),
        "taken: no longer among the best"
    );
    let names: Vec<_> = decision.scores.iter().map(|it| it.node.clone()).collect();
    assert!(
        names.is_sorted(),
        "equals in order of their names: {names:?}"
    );
}

#[test]
fn planted_defects_do_what_they_say() {
    let rig = |defect| {
        let mut config = Config::new("rig", 1, Preset::Kubernetes);
        config.defect = Some(defect);
        Rig::of(config)
    };
    let mut overfull = rig(Defect::FitIgnored);
    overfull.create([node("n1", "1", "1Gi"), pod("a", "2", "2Gi")]);
    assert_eq!(overfull.node_of("a"), "n1");
    let mut deaf = rig(Defect::WakeLost);
    deaf.create([pod("a", "1", "1Gi")]);
    deaf.create([node("n1", "4", "8Gi")]);
    assert_eq!(deaf.node_of("a"), "");
    let mut twice = rig(Defect::BindsTwice);
    twice.create([node("n1", "4", "8Gi"), pod("a", "1", "1Gi")]);
    twice.create([node("n2", "4", "8Gi")]);
    let ready = json!([{"type": "Ready", "status": "True"}]);
    twice.patch(
        Kind::Pod,
        "a",
        json!({"status": {"phase": "Running", "conditions": ready}}),
    );
    assert_eq!(twice.node_of("a"), "n2");
}

/// A change of a cluster.
#[derive(Clone, Debug)]
enum Act {
    AddNode(u8, Value),
    PatchNode(u8, Value),
    RemoveNode(u8),
    AddPods(Vec<Value>),
    RemovePod(u8),
    EndPod(u8),
}

fn name(prefix: &str, number: u8) -> String {
    format!("{prefix}{number}")
}

fn node_patches() -> impl Strategy<Value = Value> {
    let taint = |effect: &str| json!({"spec": {"taints": [{"key": "t", "effect": effect}]}});
    prop_oneof![
        any::<bool>().prop_map(|it| json!({"spec": {"unschedulable": it}})),
        Just(taint("NoSchedule")),
        Just(taint("PreferNoSchedule")),
        Just(json!({"spec": {"taints": null}})),
        prop_oneof![Just("ssd"), Just("hdd")]
            .prop_map(|it| json!({"metadata": {"labels": {"disk": it}}})),
        (1..5i32).prop_map(|cpu| json!({"status": {"allocatable": {"cpu": cpu.to_string()}}})),
        Just(json!({"status": {"images": [{"names": ["app:1"], "sizeBytes": 400_000_000}]}})),
    ]
}

fn specs() -> impl Strategy<Value = Value> {
    let requests = (
        prop_oneof![Just("0"), Just("300m"), Just("1"), Just("3")],
        0..3i64,
    );
    (requests, 0..6u8).prop_map(|((cpu, memory), kind)| {
        let pod = pod("", cpu, &format!("{}Mi", memory * 700));
        let preferred = json!([{"weight": 5, "preference": {"matchExpressions": [
            {"key": "disk", "operator": "In", "values": ["ssd"]}]}}]);
        let affinity = json!({"nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": preferred}});
        let only = json!([{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]);
        let named = json!({"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": only}}});
        match kind {
            0 => with(pod, "/spec/nodeSelector", json!({"disk": "ssd"})),
            1 => with(pod, "/spec/tolerations", json!([{"operator": "Exists"}])),
            2 => with(pod, "/spec/affinity", affinity),
            3 => with(pod, "/spec/affinity", named),
            4 => with(pod, "/spec/nodeName", json!("n2")),
            _ => pod,
        }
    })
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..5u8, prop_oneof![Just("2"), Just("4")])
            .prop_map(|(number, cpu)| Act::AddNode(number, node(&name("n", number), cpu, "3Gi"))),
        3 => (0..5u8, node_patches()).prop_map(|(number, patch)| Act::PatchNode(number, patch)),
        1 => (0..5u8).prop_map(Act::RemoveNode),
        4 => prop::collection::vec(specs(), 1..4).prop_map(Act::AddPods),
        2 => any::<u8>().prop_map(Act::RemovePod),
        1 => any::<u8>().prop_map(Act::EndPod),
    ]
}

fn pick(rig: &Rig, number: u8) -> Option<String> {
    let pods = &rig.store.objects.pods;
    let index = usize::from(number) % pods.len().max(1);
    pods.keys().nth(index).map(|key| key.name.to_string())
}

fn act(rig: &mut Rig, act: Act, pods: &mut u32) {
    let exists = |rig: &Rig, number| rig.store.objects.node(&name("n", number)).is_some();
    match act {
        Act::AddNode(number, node) if !exists(rig, number) => rig.create([node]),
        Act::PatchNode(number, patch) if exists(rig, number) => {
            rig.patch(Kind::Node, &name("n", number), patch);
        }
        Act::RemoveNode(number) if exists(rig, number) => {
            rig.delete(Kind::Node, &name("n", number));
        }
        Act::AddPods(specs) => rig.create(specs.into_iter().map(|spec| {
            *pods += 1;
            with(spec, "/metadata/name", json!(format!("p{pods}")))
        })),
        Act::RemovePod(number) => {
            if let Some(name) = pick(rig, number) {
                rig.delete(Kind::Pod, &name);
            }
        }
        Act::EndPod(number) => {
            if let Some(name) = pick(rig, number) {
                rig.patch(Kind::Pod, &name, json!({"status": {"phase": "Failed"}}));
            }
        }
        _ => {}
    }
}

/// The cache as it must be, from the store alone.
fn rebuilt(store: &Store) -> NodeCache {
    let (mut cache, mut infos) = (NodeCache::default(), PodInfos::default());
    for node in store.objects.nodes.values() {
        cache.set_node(node);
    }
    for pod in store.objects.pods.values().filter(|pod| !pod.is_terminal()) {
        if let Some(node) = &pod.node {
            cache.place(pod.meta.uid, node, &infos.of(&pod.spec));
        }
    }
    cache
}

fn by_name(cache: &NodeCache) -> BTreeMap<Name, NodeInfo> {
    let used = cache
        .slots()
        .iter()
        .filter(|info| info.node.is_some() || info.pods > 0);
    used.map(|info| (info.name.clone(), info.clone())).collect()
}

/// What a pod's columns say, in the terms of nodes.
fn columns(rig: &Rig, pod: &Pod, fresh: bool) -> String {
    let Scheduler { profile, nodes, .. } = &rig.scheduler;
    let mut shapes = rig.scheduler.shapes.clone();
    let mut shape = fresh_shape(pod, profile, nodes);
    if !fresh {
        shape = shapes.of(&pod.spec, profile, || shape.info).clone();
        shape.update(profile, nodes);
    }
    let totals: Vec<_> = shape.totals().collect();
    let scorers = || shape.scorers.iter().map(|it| (it.plugin, it.weight));
    let scores: Vec<Vec<_>> = totals
        .iter()
        .map(|(slot, _)| {
            let scorers = shape.scorers.iter();
            scorers
                .map(|it| (it.raw(*slot), it.normalized(*slot)))
                .collect()
        })
        .collect();
    let mut tally: Vec<_> = shape.tally().map(|it| format!("{it:?}")).collect();
    tally.sort();
    let top = shape.top();
    format!(
        "{:?}\n{tally:?}\n{totals:?}\n{:?}\n{scores:?}\n{top:?}",
        shape.verdicts(),
        scorers().collect::<Vec<_>>()
    )
}

use super::Scheduler;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn caches_are_as_if_made_anew_nothing_is_overcommitted_and_nobody_waits_in_vain(
        list in prop::collection::vec(acts(), 1..40)
    ) {
        let mut rig = Rig::new();
        let mut pods = 0;
        for it in list {
            let decided = rig.store.decisions.len();
            act(&mut rig, it, &mut pods);
            prop_assert_eq!(by_name(&rig.scheduler.nodes), by_name(&rebuilt(&rig.store)));
            for decision in rig.store.decisions.iter().skip(decided) {
                // The last one to come decides whether too many came; all of them were placed by now.
                if let Verdict::Bound { node } = &decision.verdict
                    && let Some(node) = by_name(&rig.scheduler.nodes).get(node)
                    && let Some(pod) = rig.store.objects.get::<Pod>(&decision.pod)
                {
                    let asks = &super::resources::PodInfo::new(&pod.spec).requests;
                    let (used, has) = (&node.requested, &node.allocatable);
                    prop_assert!(asks.milli_cpu == 0 || used.milli_cpu <= has.milli_cpu, "{decision:?}");
                    prop_assert!(asks.memory == 0 || used.memory <= has.memory, "{decision:?}");
                    prop_assert!(node.pods <= node.allowed_pods, "{decision:?}");
                }
            }
            for pod in rig.store.objects.unbound_pods().filter(|pod| pod.is_active()) {
                let shape = fresh_shape(pod, &rig.scheduler.profile, &rig.scheduler.nodes);
                prop_assert_eq!(shape.feasible(), 0, "{} waits in vain", pod.meta.key);
            }
            for pod in rig.store.objects.pods.values() {
                prop_assert_eq!(columns(&rig, pod, false), columns(&rig, pod, true));
            }
        }
    }
}
