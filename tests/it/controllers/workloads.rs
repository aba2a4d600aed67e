//! ReplicaSets and Deployments.

use std::{sync::Arc, time::Duration};

use kubeplay::{
    api::{Kind, Resource},
    store::WriteVerb,
};
use serde_json::json;

use super::{
    super::golden_controllers::bench::{Bench, template},
    bench, bring_up, create_deployment, create_set, key,
};

fn set_status(bench: &Bench, name: &str) -> serde_json::Value {
    let set = bench.cluster.store().objects.replica_sets.get(&key(name));
    serde_json::to_value(set.unwrap().status.as_ref().unwrap()).unwrap()
}

fn deployment(bench: &Bench) -> serde_json::Value {
    let objects = &bench.cluster.store().objects;
    serde_json::to_value(&**objects.deployments.get(&key("d")).unwrap()).unwrap()
}

fn progressing(bench: &Bench) -> serde_json::Value {
    let deployment = deployment(bench);
    let conditions = deployment["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|c| c["type"] == "Progressing");
    found.cloned().unwrap_or_default()
}

#[test]
fn pods_of_one_template_share_what_is_the_same() {
    let mut bench = bench();
    create_set(&mut bench, "s", 3);
    // A scaling is a new generation, and the template is still the same.
    bench.patch(Kind::ReplicaSet, key("s"), json!({"spec": {"replicas": 6}}));
    let pods = bench.pods();
    assert_eq!(pods.len(), 6);
    for pod in &pods {
        assert!(Arc::ptr_eq(&pod.spec, &pods[0].spec));
        assert!(Arc::ptr_eq(&pod.meta.labels, &pods[0].meta.labels));
        let name = pod.meta.key.name.strip_prefix("s-").unwrap();
        assert_eq!(name.len(), 5, "{name}");
    }
    let events = bench.events(Kind::ReplicaSet);
    let created = format!("Created pod: {}", pods[0].meta.key.name);
    assert!(
        events.contains(&("SuccessfulCreate".to_owned(), created)),
        "{events:?}"
    );
}

#[test]
fn a_set_adopts_what_it_selects_and_lets_go_of_what_it_does_not() {
    let mut bench = bench();
    bench.create(
        Kind::Pod,
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "orphan", "namespace": "default", "labels": {"app": "d"}},
            "spec": {"containers": [{"name": "c", "image": "example/app:v1"}]}}),
    );
    create_set(&mut bench, "s", 2);
    assert_eq!(bench.pods().len(), 2, "the orphan counts");
    let controller = |bench: &Bench, name: &str| {
        let pod = bench.cluster.store().objects.pods.get(&key(name)).unwrap();
        pod.meta.controller().map(|owner| owner.name.to_string())
    };
    assert_eq!(controller(&bench, "orphan").as_deref(), Some("s"));
    bench.patch(
        Kind::Pod,
        key("orphan"),
        json!({"metadata": {"labels": {"app": "other"}}}),
    );
    assert_eq!(controller(&bench, "orphan"), None);
    assert_eq!(bench.pods().len(), 3, "it is replaced");
}

#[test]
fn a_pod_is_available_when_it_has_been_ready_for_long_enough() {
    let mut bench = bench();
    create_set(&mut bench, "s", 2);
    let spec = json!({"spec": {"minReadySeconds": 10}});
    bench.patch(Kind::ReplicaSet, key("s"), spec);
    bench.bind_all(|_| "node".to_owned());
    bench.make_ready(&bench.pods()[0]);
    let available = |bench: &Bench| set_status(bench, "s")["availableReplicas"].clone();
    assert_eq!(set_status(&bench, "s")["readyReplicas"], 1);
    assert_eq!(available(&bench), json!(null));
    bench.pass(Duration::from_secs(5));
    bench.make_ready(&bench.pods()[1]);
    bench.pass(Duration::from_secs(4));
    assert_eq!(available(&bench), json!(null));
    bench.pass(Duration::from_secs(1));
    assert_eq!(available(&bench), json!(1));
    bench.pass(Duration::from_secs(5));
    assert_eq!(available(&bench), json!(2));
}

#[test]
fn a_refused_pod_ends_the_batch_and_is_tried_again() {
    let mut bench = bench();
    let mut template = template("v1");
    template["spec"]["priorityClassName"] = json!("missing");
    bench.create(
        Kind::ReplicaSet,
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": "s", "namespace": "default"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "d"}},
                "template": template}}),
    );
    assert_eq!(bench.pods().len(), 0);
    let status = set_status(&bench, "s");
    assert_eq!(
        status["conditions"][0]["reason"], "FailedCreate",
        "{status}"
    );
    assert!(
        bench
            .events(Kind::ReplicaSet)
            .iter()
            .all(|(reason, _)| reason == "FailedCreate")
    );
    bench.create(
        Kind::PriorityClass,
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": "missing"}, "value": 7}),
    );
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.pods().len(), 2);
    assert_eq!(set_status(&bench, "s").get("conditions"), None);
}

#[test]
fn what_is_deleted_by_hand_is_replaced_and_what_is_too_much_goes() {
    let mut bench = bench();
    create_set(&mut bench, "s", 3);
    bring_up(&mut bench);
    let target = bench.pods()[0].meta.key.clone();
    bench.delete(Kind::Pod, target, Default::default());
    assert_eq!(
        bench.state(),
        [(3, 3, 2)],
        "the one that goes is not counted"
    );
    bring_up(&mut bench);
    bench.patch(Kind::ReplicaSet, key("s"), json!({"spec": {"replicas": 1}}));
    assert_eq!(bench.state(), [(1, 1, 1)]);
    assert_eq!(set_status(&bench, "s")["terminatingReplicas"], 2);
    bench.remove_terminating();
    assert_eq!(set_status(&bench, "s")["terminatingReplicas"], 0);
}

#[test]
fn a_rollout_that_does_not_move_exceeds_its_deadline() {
    let mut bench = bench();
    create_deployment(&mut bench, &json!({"progressDeadlineSeconds": 60}));
    assert_eq!(progressing(&bench)["reason"], "ReplicaSetUpdated");
    bench.pass(Duration::from_secs(59));
    assert_eq!(progressing(&bench)["status"], "True");
    bench.pass(Duration::from_secs(3));
    let condition = progressing(&bench);
    assert_eq!(condition["status"], "False");
    assert_eq!(condition["reason"], "ProgressDeadlineExceeded");
    let name = bench.sets()[0].key().name;
    let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
    assert_eq!(condition["message"], message);
    bring_up(&mut bench);
    assert_eq!(progressing(&bench)["reason"], "NewReplicaSetAvailable");
}

#[test]
fn a_rollout_tells_its_steps_and_counts_its_revisions() {
    let mut bench = bench();
    create_deployment(&mut bench, &json!({"replicas": 2}));
    bring_up(&mut bench);
    let first = bench.sets()[0].key().name;
    assert_eq!(
        first.strip_prefix("d-").map(|hash| hash.len() >= 6),
        Some(true)
    );
    bench.patch(
        Kind::Deployment,
        key("d"),
        json!({"spec": {"template": template("v2")}}),
    );
    bring_up(&mut bench);
    let second = bench.sets()[1].key().name;
    bench.patch(
        Kind::Deployment,
        key("d"),
        json!({"spec": {"template": template("v1")}}),
    );
    bring_up(&mut bench);
    assert_eq!(bench.state(), [(2, 2, 2), (0, 0, 0)]);
    let deployment = deployment(&bench);
    let annotations = &deployment["metadata"]["annotations"];
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "3");
    let history = Resource::annotations(&*bench.sets()[0])
        .get("deployment.kubernetes.io/revision-history")
        .cloned();
    assert_eq!(history.as_deref(), Some("1"));
    let texts: Vec<String> = bench
        .events(Kind::Deployment)
        .into_iter()
        .map(|(reason, text)| format!("{reason} {text}"))
        .collect();
    let expected = [
        format!("ScalingReplicaSet Scaled up replica set {first} from 0 to 2"),
        format!("ScalingReplicaSet Scaled up replica set {second} from 0 to 1"),
        format!("ScalingReplicaSet Scaled down replica set {first} from 2 to 1"),
        format!("ScalingReplicaSet Scaled up replica set {second} from 1 to 2"),
        format!("ScalingReplicaSet Scaled down replica set {first} from 1 to 0"),
    ];
    assert_eq!(texts[..5], expected);
}

#[test]
fn old_sets_beyond_the_history_limit_go() {
    let mut bench = bench();
    create_deployment(&mut bench, &json!({"revisionHistoryLimit": 1}));
    for version in ["v2", "v3", "v4"] {
        bring_up(&mut bench);
        let patch = json!({"spec": {"template": template(version)}});
        bench.patch(Kind::Deployment, key("d"), patch);
    }
    bring_up(&mut bench);
    assert_eq!(bench.state(), [(0, 0, 0), (3, 3, 3)]);
}

#[test]
fn another_set_of_the_same_name_is_a_collision() {
    let mut first = bench();
    create_deployment(&mut first, &json!({}));
    let mut squatter = (*first.sets()[0]).clone();
    let mut bench = bench();
    squatter.metadata.owner_references = None;
    squatter.metadata.labels = None;
    squatter.metadata.uid = None;
    squatter.metadata.resource_version = None;
    squatter.spec.as_mut().unwrap().replicas = Some(0);
    let other = [("app".to_owned(), "other".to_owned())];
    let spec = squatter.spec.as_mut().unwrap();
    spec.selector.match_labels = Some(other.clone().into());
    let metadata = spec.template.as_mut().unwrap().metadata.as_mut().unwrap();
    metadata.labels = Some(other.into());
    bench.write(WriteVerb::Create(kubeplay::api::Object::of(squatter)));
    create_deployment(&mut bench, &json!({}));
    bench.pass(Duration::from_secs(1));
    assert_eq!(deployment(&bench)["status"]["collisionCount"], 1);
    assert_eq!(bench.sets().len(), 2);
    assert_eq!(bench.pods().len(), 3);
}

#[test]
fn a_settled_cluster_is_left_alone() {
    let mut bench = bench();
    create_deployment(&mut bench, &json!({}));
    bring_up(&mut bench);
    let seq = bench.seq();
    bench.pass(Duration::from_secs(700));
    assert_eq!(bench.seq(), seq, "nothing was written");
}
