//! Recordings of functions: numbers in, numbers out.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::core::v1::{ContainerStatus, PodCondition, PodStatus},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kubeplay::{
    api::{Key, Meta, Pod, Time},
    controller::{
        deployment::rolling::Strategy,
        replica_set::ranking::{Ranked, deletion_order},
    },
};
use serde_json::Value;

use super::Outcome;

fn int(value: &Value) -> i32 {
    value.as_i64().unwrap().try_into().unwrap()
}

fn int_or_percent(value: &Value) -> IntOrString {
    match value {
        Value::Number(_) => IntOrString::Int(int(value)),
        other => {
            let text = other.as_str().unwrap();
            text.parse()
                .map_or_else(|_| IntOrString::String(text.to_owned()), IntOrString::Int)
        }
    }
}

fn rows(recording: &Value, check: impl Fn(&Value) -> bool) -> Outcome {
    let rows = recording["rows"].as_array().unwrap();
    let differ = rows.iter().filter(|row| !check(row));
    Outcome {
        cases: rows.len(),
        steps: rows.len(),
        differences: differ.map(ToString::to_string).collect(),
        notes: Vec::new(),
    }
}

pub fn fenceposts(recording: &Value) -> Outcome {
    rows(recording, |row| {
        let (surge, unavailable) = (&row["MaxSurge"], &row["MaxUnavailable"]);
        let strategy = Strategy::rolling(
            int(&row["Replicas"]),
            int_or_percent(surge),
            int_or_percent(unavailable),
        );
        let resolved = (int(&row["ResolvedSurge"]), int(&row["ResolvedUnavailable"]));
        strategy.fenceposts() == resolved
            && strategy.max_surge() == int(&row["EffMaxSurge"])
            && strategy.max_unavailable() == int(&row["EffMaxUnavailable"])
            && strategy.min_available() == int(&row["MinAvailable"])
    })
}

pub fn new_set_sizes(recording: &Value) -> Outcome {
    rows(recording, |row| {
        let strategy = Strategy::rolling(
            int(&row["replicas"]),
            int_or_percent(&row["maxSurge"]),
            int_or_percent(&row["maxUnavailable"]),
        );
        let (new, old) = (int(&row["newRSSpec"]), int(&row["oldRSSpec"]));
        strategy.new_set_size(new + old, new) == int(&row["newRSNewReplicas"])
    })
}

pub fn deletion_ranking(recording: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    for (index, case) in recording["cases"].as_array().unwrap().iter().enumerate() {
        outcome.cases += 1;
        let now = Time::from_secs(1_000_000);
        let pods: Vec<(Pod, usize)> = case["pods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pod| (ranked_pod(pod, now), int(&pod["rank"]) as usize))
            .collect();
        outcome.steps += pods.len();
        let ranked = pods.iter().map(|(pod, rank)| Ranked { pod, rank: *rank });
        let order = deletion_order(ranked.collect(), now);
        let names: Vec<&str> = order.iter().map(|r| &*r.pod.meta.key.name).collect();
        let expected: Vec<&str> = case["deletionOrder"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        // Pairs that upstream does not order may stand either way.
        let mut normal = names.clone();
        for pair in case["unorderedPairs"].as_array().into_iter().flatten() {
            let place = |order: &[&str], i: usize| {
                let name = pair[i].as_str().unwrap();
                order.iter().position(|other| *other == name).unwrap()
            };
            let (a, b) = (place(&normal, 0), place(&normal, 1));
            if (a < b) != (place(&expected, 0) < place(&expected, 1)) {
                normal.swap(a, b);
            }
        }
        if normal != expected {
            let text = format!("case {index}: {names:?} instead of {expected:?}");
            outcome.differences.push(text);
        }
    }
    outcome
}

fn ranked_pod(recorded: &Value, now: Time) -> Pod {
    let text = |field: &str| recorded[field].as_str().unwrap_or_default().to_owned();
    let ago = |field: &str| {
        let seconds = recorded[field].as_f64();
        seconds.map(|seconds| now - Duration::from_secs_f64(seconds))
    };
    let mut meta = Meta::new(Key::new("default", text("name")));
    meta.uid = text("uid").parse().unwrap();
    meta.created = ago("createdSecondsAgo").unwrap();
    if let Some(cost) = recorded["deletionCost"].as_str() {
        let annotation = "controller.kubernetes.io/pod-deletion-cost".to_owned();
        meta.annotations = Arc::new([(annotation, cost.to_owned())].into());
    }
    let ready = recorded["ready"].as_bool().unwrap();
    let conditions = ready.then(|| {
        vec![PodCondition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            last_transition_time: ago("readySecondsAgo").map(Time::to_k8s),
            ..PodCondition::default()
        }]
    });
    let container = ContainerStatus {
        restart_count: recorded["restartCount"].as_i64().unwrap_or(0) as i32,
        ..ContainerStatus::default()
    };
    let node = text("nodeName");
    Pod {
        meta,
        spec: Arc::default(),
        node: (!node.is_empty()).then(|| node.into()),
        status: Arc::new(PodStatus {
            phase: Some(text("phase")),
            conditions,
            container_statuses: Some(vec![container]),
            ..PodStatus::default()
        }),
    }
}
