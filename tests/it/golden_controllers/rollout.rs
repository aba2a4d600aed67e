//! Rollouts, step by step: the Deployment and ReplicaSet controllers under a kubelet that does what the recording did.

use std::time::Duration;

use kubeplay::{
    api::{Key, Kind, Resource},
    store::{Component, Config, Preset, Runner},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    bench::{Bench, SetState, template},
};

fn key() -> Key {
    Key::new("default", "d")
}

/// A Deployment of a case, its pods bound and not ready.
fn begin(case: &Value) -> Bench {
    let components: Vec<Box<dyn Component>> = vec![
        Box::new(Runner::new(
            kubeplay::controller::deployment::DeploymentController::default(),
        )),
        Box::new(Runner::new(
            kubeplay::controller::replica_set::ReplicaSetController::default(),
        )),
    ];
    let mut bench = Bench::new(Config::new("golden", 1, Preset::Kubernetes), components);
    let strategy = match case["strategy"].as_str() {
        Some("Recreate") => json!({"type": "Recreate"}),
        _ => json!({"type": "RollingUpdate", "rollingUpdate": {
            "maxSurge": case["maxSurge"], "maxUnavailable": case["maxUnavailable"]}}),
    };
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {
            "replicas": case["replicas"], "strategy": strategy,
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": "d"}}, "template": template("v1"),
        }
    });
    bench.create(Kind::Deployment, deployment);
    settle(&mut bench);
    bench
}

/// Lets a second pass; pods find nodes.
fn settle(bench: &mut Bench) {
    bench.bind_all(|_| "node".to_owned());
    bench.pass(Duration::from_secs(1));
    bench.bind_all(|_| "node".to_owned());
}

fn make_all_ready(bench: &mut Bench) {
    for pod in bench.pods() {
        if pod.is_active() && !pod.is_ready() {
            bench.make_ready(&pod);
        }
    }
}

fn change_template(bench: &mut Bench, version: &str) {
    let patch = json!({"spec": {"template": template(version)}});
    bench.patch(Kind::Deployment, key(), patch);
}

/// Does what a tick of the recording did.
fn act(bench: &mut Bench, did: &str) {
    let word = |prefix: &str| {
        let rest = did.strip_prefix(prefix)?;
        rest.split(' ').next()
    };
    if let Some(version) = word("template changed to ").or_else(|| word("template back to ")) {
        change_template(bench, version);
    } else if let Some(set) = word("one pod of rs") {
        let index: usize = set.parse().unwrap();
        let uid = bench.sets()[index].uid();
        let waiting = bench.pods().into_iter().filter(|pod| {
            let own = pod.meta.controller().is_some_and(|o| o.uid == uid);
            own && pod.is_active() && !pod.is_ready()
        });
        let oldest = waiting.min_by_key(|pod| (pod.meta.created, pod.meta.key.clone()));
        let oldest = oldest.unwrap_or_else(|| panic!("no pod to do: {did}"));
        bench.make_ready(&oldest);
    } else if did == "terminating pods gone" {
        bench.remove_terminating();
    } else if let Some(scale) = word("scaled ") {
        let replicas: i64 = scale.split("->").nth(1).unwrap().parse().unwrap();
        let patch = json!({"spec": {"replicas": replicas}});
        bench.patch(Kind::Deployment, key(), patch);
    } else {
        assert!(matches!(did, "paused" | "resumed"), "{did}");
        let patch = json!({"spec": {"paused": did == "paused"}});
        bench.patch(Kind::Deployment, key(), patch);
    }
}

fn recorded_state(value: &Value) -> Vec<SetState> {
    let number = |set: &Value, field: &str| set[field].as_i64().unwrap();
    let sets = value.as_array().unwrap().iter();
    sets.map(|set| {
        (
            number(set, "spec"),
            number(set, "pods"),
            number(set, "ready"),
        )
    })
    .collect()
}

pub fn lockstep(recording: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    for (index, case) in recording["cases"].as_array().unwrap().iter().enumerate() {
        outcome.cases += 1;
        let mut bench = begin(case);
        let mut since = 0;
        if case["initial"]
            .as_array()
            .is_some_and(|sets| !sets.is_empty())
        {
            make_all_ready(&mut bench);
            settle(&mut bench);
            since = bench.seq();
        }
        let mut differ = Vec::new();
        for (tick, recorded) in case["ticks"].as_array().unwrap().iter().enumerate() {
            outcome.steps += 1;
            let did = recorded["did"].as_str().unwrap();
            act(&mut bench, did);
            settle(&mut bench);
            let changes: Vec<_> = recorded["rsSpecChanges"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| {
                    let set = c["rs"].as_u64().unwrap() as usize;
                    (set, c["to"].as_i64().unwrap(), c["op"].as_str().unwrap())
                })
                .collect();
            let (resized, state) = (bench.resized(since), bench.state());
            let after = recorded_state(&recorded["after"]);
            if resized != changes || state != after {
                differ.push(format!(
                    "case {index} tick {tick} ({did}): {resized:?} {state:?}, recorded {changes:?} {after:?}"
                ));
                break;
            }
            since = bench.seq();
        }
        if differ.is_empty() {
            differ.extend(status_difference(&bench, case).map(|d| format!("case {index}: {d}")));
        }
        outcome.differences.extend(differ);
    }
    outcome
}

/// How the Deployment's status differs from the recorded one.
fn status_difference(bench: &Bench, case: &Value) -> Option<String> {
    let objects = &bench.cluster.store().objects;
    let deployment = objects.deployments.get(&key()).unwrap();
    let status = serde_json::to_value(deployment.status.as_ref().unwrap()).unwrap();
    let expected = case["finalStatus"].as_object().unwrap();
    for (field, value) in expected {
        let ours = status.get(field).cloned().unwrap_or(Value::Null);
        if ours != *value {
            return Some(format!("status.{field} is {ours}, recorded {value}"));
        }
    }
    for condition in case["conditions"].as_array().unwrap() {
        let ours = status["conditions"].as_array().unwrap();
        let same = |c: &&Value| {
            ["type", "status", "reason"]
                .iter()
                .all(|field| c[field] == condition[field])
        };
        if !ours.iter().any(|c| same(&c)) {
            return Some(format!("conditions are {ours:?}, recorded {condition}"));
        }
    }
    None
}

pub fn instant(recording: &Value) -> Outcome {
    let cases = recording["cases"].as_array().unwrap();
    let mut outcome = Outcome::default();
    let mut same = 0;
    for (index, case) in cases.iter().enumerate() {
        outcome.cases += 1;
        let sequence = roll_at_once(case);
        outcome.steps += sequence.len();
        let inputs = ["replicas", "maxSurge", "maxUnavailable", "neverReady"];
        let alike = cases
            .iter()
            .filter(|other| inputs.iter().all(|field| other[field] == case[field]));
        let recorded: Vec<Vec<(i64, i64)>> = alike
            .map(|other| {
                let steps = other["sequence_old_new_spec"].as_array().unwrap().iter();
                steps
                    .map(|step| (step[0].as_i64().unwrap(), step[1].as_i64().unwrap()))
                    .collect()
            })
            .collect();
        if recorded.contains(&sequence) {
            same += 1;
        } else if !recorded.iter().any(|one| within_its_bounds(&sequence, one)) {
            let text = format!("case {index}: {sequence:?}, recorded {recorded:?}");
            outcome.differences.push(text);
        }
    }
    let note = format!("{same} as recorded, the rest within the same bounds");
    outcome.notes.push(note);
    outcome
}

/// The order in which pods become ready was not controlled: then the way may differ, not its ends and not how far it strays.
fn within_its_bounds(ours: &[(i64, i64)], recorded: &[(i64, i64)]) -> bool {
    let sums = |steps: &[(i64, i64)]| {
        let sums = || steps.iter().map(|(old, new)| old + new);
        (sums().min(), sums().max())
    };
    let one_way = ours
        .windows(2)
        .all(|pair| pair[1].0 <= pair[0].0 && pair[1].1 >= pair[0].1);
    ours.first() == recorded.first()
        && ours.last() == recorded.last()
        && one_way
        && sums(ours) == sums(recorded)
}

/// Rolls with a kubelet that makes pods ready, and removes them, as soon as it sees them.
fn roll_at_once(case: &Value) -> Vec<(i64, i64)> {
    let mut bench = begin(case);
    make_all_ready(&mut bench);
    settle(&mut bench);
    let old = bench.sets()[0].uid();
    let never = case["neverReady"].as_bool().unwrap();
    let since = bench.seq();
    let replicas = case["replicas"].as_i64().unwrap();
    change_template(&mut bench, "v2");
    for _ in 0..100 {
        bench.bind_all(|_| "node".to_owned());
        for pod in bench.pods() {
            let is_old = pod.meta.controller().is_some_and(|o| o.uid == old);
            if pod.is_active() && !pod.is_ready() && (is_old || !never) {
                bench.make_ready(&pod);
            }
        }
        bench.remove_terminating();
        bench.pass(Duration::from_millis(10));
    }
    let mut sequence = vec![(replicas, 0)];
    for (set, size, _) in bench.resized(since) {
        let (old, new) = sequence[sequence.len() - 1];
        let step = if set == 0 { (size, new) } else { (old, size) };
        if step != (old, new) {
            sequence.push(step);
        }
    }
    sequence
}
