//! Endpoint slices.

use std::sync::Arc;

use kubeplay::{
    api::{EndpointSlice, Kind, Object, Pod, Resource},
    store::{Op, What},
};
use serde_json::{Value, json};

use super::{
    super::golden_controllers::bench::Bench, bench, bring_up, create_node, create_set, key,
};

fn create_service(bench: &mut Bench, spec: Value) {
    let mut whole = json!({"selector": {"app": "d"}, "ports": [{"port": 80, "targetPort": 8080}]});
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    bench.create(
        Kind::Service,
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "default", "labels": {"team": "a"}},
            "spec": whole}),
    );
}

fn slices(bench: &Bench) -> Vec<Arc<EndpointSlice>> {
    let slices = &bench.cluster.store().objects.endpoint_slices;
    slices.values().cloned().collect()
}

fn sizes(bench: &Bench) -> Vec<usize> {
    let size = |slice: &Arc<EndpointSlice>| slice.endpoints.as_ref().map_or(0, Vec::len);
    let mut sizes: Vec<_> = slices(bench).iter().map(size).collect();
    sizes.sort_unstable();
    sizes
}

fn endpoint(bench: &Bench, pod: &Pod) -> Value {
    let all = slices(bench);
    let all = all
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten());
    let found: Vec<_> = all
        .filter(|e| e.target_ref.as_ref().unwrap().name.as_deref() == Some(&*pod.meta.key.name))
        .collect();
    assert!(found.len() < 2, "{pod:?} is listed twice");
    found
        .first()
        .map_or(Value::Null, |e| serde_json::to_value(e).unwrap())
}

/// How often slices were written since a record.
fn writes(bench: &Bench, since: u64) -> usize {
    let log = &bench.cluster.store().log;
    log.since(since)
        .filter(|record| {
            matches!(&record.what, What::Change(change)
                if matches!(change.object, Object::EndpointSlice(_)) && change.op != Op::Deleted)
        })
        .count()
}

#[test]
fn a_service_without_pods_has_one_empty_slice() {
    let mut bench = bench();
    create_service(&mut bench, json!({}));
    assert_eq!(sizes(&bench), [0]);
    let slice = &slices(&bench)[0];
    let labels = Resource::labels(&**slice);
    assert_eq!(labels["kubernetes.io/service-name"], "web");
    assert_eq!(
        labels["endpointslice.kubernetes.io/managed-by"],
        "endpointslice-controller.k8s.io"
    );
    assert_eq!(labels["team"], "a");
    assert!(slice.key().name.starts_with("web-"));
}

#[test]
fn a_slice_holds_a_hundred_and_a_change_touches_one() {
    let mut bench = bench();
    create_service(&mut bench, json!({}));
    create_set(&mut bench, "s", 250);
    bring_up(&mut bench);
    assert_eq!(sizes(&bench), [50, 100, 100]);
    let pod = bench.pods()[7].clone();
    let seq = bench.seq();
    bench.make_unready(&pod);
    assert_eq!(writes(&bench, seq), 1);
    assert_eq!(
        endpoint(&bench, &pod)["conditions"],
        json!({"ready": false, "serving": false, "terminating": false})
    );
    let seq = bench.seq();
    let mut running = Pod::clone(&bench.pods()[7]);
    Arc::make_mut(&mut running.status).message = Some("tired".to_owned());
    bench.write(kubeplay::store::WriteVerb::Update {
        object: Object::of(running),
        subresource: kubeplay::store::Subresource::Status,
    });
    assert_eq!(writes(&bench, seq), 0, "nobody asks for its message");
}

#[test]
fn an_endpoint_says_where_its_pod_is_and_how_it_is() {
    let mut bench = bench();
    create_node(
        &mut bench,
        "east",
        &json!({"topology.kubernetes.io/zone": "zone-e"}),
    );
    create_service(&mut bench, json!({}));
    create_set(&mut bench, "s", 1);
    bench.bind_all(|_| "east".to_owned());
    let pod = bench.pods()[0].clone();
    assert_eq!(endpoint(&bench, &pod), Value::Null, "it has no address yet");
    bench.make_ready(&pod);
    let listed = endpoint(&bench, &pod);
    assert_eq!(listed["nodeName"], "east");
    assert_eq!(listed["zone"], "zone-e");
    assert_eq!(listed["conditions"]["ready"], true);
    let ports = serde_json::to_value(&slices(&bench)[0].ports).unwrap();
    assert_eq!(
        ports,
        json!([{"name": "", "port": 8080, "protocol": "TCP"}])
    );
    bench.delete(Kind::Pod, pod.meta.key.clone(), Default::default());
    assert_eq!(
        endpoint(&bench, &pod)["conditions"],
        json!({"ready": false, "serving": true, "terminating": true})
    );
    bench.remove_terminating();
    assert_eq!(endpoint(&bench, &pod), Value::Null);
}

#[test]
fn a_service_may_ask_for_pods_that_are_not_ready() {
    let mut bench = bench();
    create_service(&mut bench, json!({"publishNotReadyAddresses": true}));
    create_set(&mut bench, "s", 1);
    bring_up(&mut bench);
    let pod = bench.pods()[0].clone();
    bench.make_unready(&pod);
    let conditions = &endpoint(&bench, &pod)["conditions"];
    assert_eq!(conditions["ready"], true);
    assert_eq!(conditions["serving"], false);
}

#[test]
fn slices_follow_their_service() {
    let mut bench = bench();
    create_service(&mut bench, json!({}));
    create_set(&mut bench, "s", 120);
    bring_up(&mut bench);
    let ports = |port: i32| json!({"spec": {"ports": [{"port": 80, "targetPort": port}]}});
    bench.patch(Kind::Service, key("web"), ports(9090));
    assert_eq!(sizes(&bench), [20, 100]);
    for slice in slices(&bench) {
        assert_eq!(slice.ports.as_ref().unwrap()[0].port, Some(9090));
    }
    let selector = json!({"spec": {"selector": {"app": "other"}}});
    bench.patch(Kind::Service, key("web"), selector);
    assert_eq!(sizes(&bench), [0], "one empty slice stays");
    bench.patch(
        Kind::Service,
        key("web"),
        json!({"spec": {"selector": {"app": "d"}}}),
    );
    assert_eq!(sizes(&bench), [20, 100]);
    let stranger = slices(&bench)[0].key();
    bench.delete(Kind::EndpointSlice, stranger, Default::default());
    assert_eq!(
        sizes(&bench),
        [20, 100],
        "a slice that was deleted comes back"
    );
    bench.delete(Kind::Service, key("web"), Default::default());
    assert_eq!(sizes(&bench), [] as [usize; 0]);
}

#[test]
fn a_named_port_is_the_pods_own() {
    let mut bench = bench();
    create_service(
        &mut bench,
        json!({"ports": [{"name": "http", "port": 80, "targetPort": "web"},
            {"name": "none", "port": 81, "targetPort": "missing"}]}),
    );
    bench.create(
        Kind::Pod,
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default", "labels": {"app": "d"}},
            "spec": {"containers": [{"name": "c", "image": "example/app:v1",
                "ports": [{"name": "web", "containerPort": 3000, "protocol": "TCP"}]}]}}),
    );
    bring_up(&mut bench);
    let ports = serde_json::to_value(&slices(&bench)[0].ports).unwrap();
    assert_eq!(
        ports,
        json!([{"name": "http", "port": 3000, "protocol": "TCP"}])
    );
}
