//! What goes with what: owners, namespaces.

use std::time::Duration;

use kubeplay::{
    api::{Key, Kind},
    store::Propagation,
};
use serde_json::json;

use super::{bench, bring_up, create_deployment, key};
use crate::golden_controllers::bench::Bench;

fn left(bench: &Bench) -> (usize, usize, usize) {
    let objects = &bench.cluster.store().objects;
    (
        objects.deployments.len(),
        objects.replica_sets.len(),
        objects.pods.len(),
    )
}

#[test]
fn what_an_object_owns_goes_after_it() {
    let mut bench = bench();
    create_deployment(&mut bench, &json!({}));
    bring_up(&mut bench);
    bench.delete(Kind::Deployment, key("d"), Propagation::Background);
    assert_eq!(left(&bench), (0, 0, 3), "the pods have their grace");
    bench.remove_terminating();
    assert_eq!(left(&bench), (0, 0, 0));
}

#[test]
fn what_an_object_owns_goes_before_it_in_the_foreground() {
    let mut bench = bench();
    create_deployment(&mut bench, &json!({}));
    bring_up(&mut bench);
    bench.delete(Kind::Deployment, key("d"), Propagation::Foreground);
    assert_eq!(left(&bench), (1, 1, 3), "all wait for the pods");
    assert!(bench.pods().iter().all(|pod| pod.is_terminating()));
    bench.remove_terminating();
    assert_eq!(left(&bench), (0, 0, 0));
}

#[test]
fn what_an_object_owns_may_stay() {
    let mut bench = bench();
    create_deployment(&mut bench, &json!({}));
    bring_up(&mut bench);
    bench.delete(Kind::Deployment, key("d"), Propagation::Orphan);
    assert_eq!(left(&bench), (0, 1, 3));
    assert_eq!(bench.sets()[0].metadata.owner_references, None);
    // One that selects them takes them over.
    create_deployment(&mut bench, &json!({}));
    bring_up(&mut bench);
    assert_eq!(left(&bench), (1, 1, 3));
}

#[test]
fn an_object_whose_owner_never_was_goes() {
    let mut bench = bench();
    bench.create(
        Kind::ConfigMap,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "c", "namespace": "default", "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "d",
                "uid": "11111111-2222-4333-8444-555555555555"}]}}),
    );
    assert!(bench.cluster.store().objects.config_maps.is_empty());
}

#[test]
fn a_namespace_goes_when_it_is_empty() {
    let mut bench = bench();
    bench.create(
        Kind::Namespace,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
    );
    bench.create(
        Kind::Pod,
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"containers": [{"name": "c", "image": "example/app:v1"}]}}),
    );
    bring_up(&mut bench);
    bench.delete(
        Kind::Namespace,
        Key::cluster("shop"),
        Propagation::Background,
    );
    let find = |bench: &Bench| {
        let objects = &bench.cluster.store().objects;
        objects.namespaces.get(&Key::cluster("shop")).cloned()
    };
    let status = find(&bench).unwrap().status.clone().unwrap();
    assert_eq!(status.phase.as_deref(), Some("Terminating"));
    let remaining = status
        .conditions
        .unwrap()
        .into_iter()
        .find(|c| c.type_ == "NamespaceContentRemaining")
        .unwrap();
    assert_eq!(
        remaining.message.as_deref(),
        Some("Some resources are remaining: pods. has 1 resource instances")
    );
    bench.pass(Duration::from_secs(1));
    bench.remove_terminating();
    assert_eq!(find(&bench), None);
}
