//! A node dies: how long until who notices.

use std::{collections::BTreeSet, time::Duration};

use kubeplay::{
    api::{Key, Kind, Object, Pod, Time, Uid},
    store::{Config, Op, Preset, Timing, What},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    bench::{Bench, template},
};

const NODES: usize = 10;
const DEAD: &str = "fake-0003";

/// The flags that a recording was made with, as timing constants.
fn timing(recording: &Value) -> Timing {
    let mut timing = Timing::preset(Preset::Kubernetes);
    let flags = recording["kcmFlags"].as_str().unwrap();
    let seconds = |flag: &str| {
        let value = flags.split(flag).nth(1)?.split_once('s')?.0;
        value.parse::<u64>().ok().map(|seconds| seconds * 1000)
    };
    if let Some(period) = seconds("--node-monitor-period=") {
        timing.node_monitor_period_ms = period;
        // The fake kubelets renewed as often.
        timing.lease_renew_ms = period;
    }
    if let Some(grace) = seconds("--node-monitor-grace-period=") {
        timing.node_monitor_grace_ms = grace;
    }
    timing
}

fn renew(bench: &mut Bench, node: &str) {
    let key = Key::new("kube-node-lease", node);
    let time = bench.now.to_k8s_micro();
    let spec = json!({"holderIdentity": node, "renewTime": time});
    if bench.cluster.store().objects.leases.contains_key(&key) {
        bench.patch(Kind::Lease, key, json!({"spec": spec}));
    } else {
        let metadata = json!({"name": node, "namespace": "kube-node-lease"});
        bench.create(
            Kind::Lease,
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": metadata, "spec": spec}),
        );
    }
}

fn node(index: usize) -> String {
    format!("fake-{index:04}")
}

fn begin(recording: &Value) -> Bench {
    let mut config = Config::new("golden", 1, Preset::Kubernetes);
    config.timing = timing(recording);
    let mut bench = Bench::new(config, kubeplay::controller::all());
    for index in 0..NODES {
        bench.create(
            Kind::Node,
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node(index)},
                "status": {"conditions": [{"type": "Ready", "status": "True",
                    "reason": "KubeletReady", "lastHeartbeatTime": bench.now.to_k8s()}]}}),
        );
    }
    let mut template = template("v1");
    if let Some(seconds) = recording["tolerationSeconds"].as_i64() {
        let toleration = |key: &str| {
            json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists",
                "effect": "NoExecute", "tolerationSeconds": seconds})
        };
        template["spec"]["tolerations"] =
            json!([toleration("not-ready"), toleration("unreachable")]);
    }
    bench.create(
        Kind::Deployment,
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "default"},
            "spec": {"replicas": recording["replicas"],
                "selector": {"matchLabels": {"app": "d"}}, "template": template}}),
    );
    bench.bind_all(|index| node(index % NODES));
    for pod in bench.pods() {
        bench.make_ready(&pod);
    }
    bench
}

/// What happened, in seconds since the dead node's last lease.
#[derive(Debug, Default)]
struct Timeline {
    taints: Vec<(f64, Value)>,
    pods_not_ready: Vec<f64>,
    pods_deleted: Vec<f64>,
    replaced: Vec<f64>,
    wrong: Vec<String>,
}

/// Runs the cluster until well after the last thing that was recorded.
fn run(bench: &mut Bench, recording: &Value) -> Timeline {
    let period = Duration::from_millis(timing(recording).lease_renew_ms);
    // The last lease came a little after a look at the nodes, as it did when this was recorded.
    let mut next = Time::from_millis(700);
    let last = next + period * 2;
    let recorded = recording["timeline"].as_array().unwrap();
    let span = recorded.last().unwrap()["sinceLastLease_s"]
        .as_f64()
        .unwrap();
    let end = last + Duration::from_secs_f64(span + 10.0);
    let mut since = 0;
    while next < end {
        bench.run_until(next);
        for index in 0..NODES {
            if node(index) != DEAD || bench.now <= last {
                renew(bench, &node(index));
            }
        }
        if bench.now == last {
            since = bench.seq();
        }
        next = next + period;
        // The scheduler and the kubelets of the other nodes.
        while bench.now < next {
            let step = (bench.now + Duration::from_millis(10)).min(next);
            bench.run_until(step);
            bench.bind_all(|_| node(0));
        }
    }
    read(bench, since, last)
}

fn read(bench: &Bench, since: u64, last: Time) -> Timeline {
    let mut timeline = Timeline::default();
    let mut victims = BTreeSet::new();
    for record in bench.cluster.store().log.since(since) {
        let What::Change(change) = &record.what else {
            continue;
        };
        let at = record.at.since(last).as_secs_f64();
        match &change.object {
            Object::Node(node) if node.metadata.name.as_deref() == Some(DEAD) => {
                let state = node_state(node);
                if timeline.taints.last().map(|(_, last)| last) != Some(&state) {
                    timeline.taints.push((at, state));
                }
            }
            Object::Pod(pod) => {
                let old = match &change.old {
                    Some(Object::Pod(old)) => Some(&**old),
                    _ => None,
                };
                pod_change(&mut timeline, &mut victims, old, pod, change.op, at);
            }
            _ => {}
        }
    }
    timeline
}

fn pod_change(
    timeline: &mut Timeline,
    victims: &mut BTreeSet<Uid>,
    old: Option<&Pod>,
    pod: &Pod,
    op: Op,
    at: f64,
) {
    let on_dead = pod.node.as_ref().is_some_and(|node| **node == *DEAD);
    if op == Op::Added {
        timeline.replaced.push(at);
    } else if on_dead && old.is_some_and(Pod::is_ready) && !pod.is_ready() {
        timeline.pods_not_ready.push(at);
        victims.insert(pod.meta.uid);
    } else if pod.is_terminating() && old.is_some_and(|old| !old.is_terminating()) {
        timeline.pods_deleted.push(at);
        let target = pod.condition("DisruptionTarget");
        let reason = target.and_then(|c| c.reason.as_deref());
        if !victims.contains(&pod.meta.uid)
            || reason != Some("DeletionByTaintManager")
            || pod.is_ready()
            || pod.phase() != "Running"
        {
            timeline
                .wrong
                .push(format!("{} {:?}", pod.meta.key, pod.status));
        }
    }
}

fn node_state(node: &kubeplay::api::Node) -> Value {
    let ready = node.status.as_ref().unwrap().conditions.as_ref().unwrap();
    let ready = ready.iter().find(|c| c.type_ == "Ready").unwrap();
    let taints = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten());
    let mut taints: Vec<String> = taints
        .map(|taint| format!("{}:{}", taint.key, taint.effect))
        .collect();
    taints.sort();
    json!({"ready": ready.status, "reason": ready.reason, "taints": taints})
}

pub fn check(recording: &Value) -> Outcome {
    let mut bench = begin(recording);
    let timeline = run(&mut bench, recording);
    let period = timing(recording).node_monitor_period_ms as f64 / 1000.0;
    let mut outcome = Outcome {
        cases: 1,
        ..Outcome::default()
    };
    let summary = &recording["summary_s_since_last_lease"];
    let mut compare = |what: &str, ours: &[f64], recorded: &Value| {
        outcome.steps += 1;
        let ends = |values: &[f64]| {
            let first = values.iter().copied().fold(f64::INFINITY, f64::min);
            let last = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (first, last)
        };
        let (first, last) = ends(ours);
        let both = recorded.as_array();
        let at = |i: usize| both.map_or(recorded, |both| &both[i]).as_f64().unwrap();
        outcome.notes.push(format!(
            "{what}: {first:.3} to {last:.3} s, recorded {:.3} to {:.3}",
            at(0),
            at(1)
        ));
        let near = (first - at(0)).abs() <= period && (last - at(1)).abs() <= period;
        if !near {
            outcome
                .differences
                .push(format!("{what}: {ours:?}, recorded {recorded}"));
        }
    };
    let taint_times: Vec<f64> = timeline.taints.iter().map(|(at, _)| *at).collect();
    let at = |i: usize| taint_times.get(i).copied().unwrap_or(f64::INFINITY);
    compare("Ready=Unknown", &[at(0)], &summary["nodeReadyUnknown"]);
    compare("NoSchedule", &[at(1)], &summary["taintNoSchedule"]);
    compare("NoExecute", &[at(2)], &summary["taintNoExecute"]);
    let minmax = |name: &str| &summary[format!("{name}_minmax")];
    compare(
        "pods not ready",
        &timeline.pods_not_ready,
        minmax("podReadyFalse"),
    );
    compare(
        "pods deleted",
        &timeline.pods_deleted,
        minmax("podDeletionTimestamp"),
    );
    compare("replaced", &timeline.replaced, minmax("replacementCreated"));
    let sequence: Vec<Value> = timeline
        .taints
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    let recorded: Vec<Value> = recording["taintSequence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|state| {
            let mut state = state.clone();
            state.as_object_mut().unwrap().remove("t");
            state
        })
        .collect();
    outcome.steps += recorded.len();
    if sequence != recorded {
        outcome
            .differences
            .push(format!("{sequence:?}, recorded {recorded:?}"));
    }
    let victims = recording["podsOnNode"].as_u64().unwrap() as usize;
    if timeline.pods_deleted.len() != victims || timeline.replaced.len() != victims {
        outcome
            .differences
            .push(format!("{victims} pods were to be replaced"));
    }
    outcome.differences.extend(timeline.wrong);
    outcome
}
