//! What the store promises.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde_json::json;

use super::{
    Config, DeleteOptions, Op, Preset, Propagation, Random, Store, Subresource, Timing, What,
    WorkQueue, WriteVerb, write::Author,
};
use crate::api::{
    ApiError, ConfigMap, Deployment, Key, Kind, Namespace, Object, ObjectRef, Pod, Reason, Time,
    codec,
};

fn store() -> Store {
    let mut store = Store::new(&Config::new("test", 1, Preset::Kubernetes));
    store.bootstrap();
    store
}

const AUTHOR: Author = Author {
    by: "test",
    at: Time::from_secs(5),
    cause: 0,
};

fn write(store: &mut Store, verb: &WriteVerb) -> Result<Object, ApiError> {
    let timing = Timing::preset(Preset::Kubernetes);
    store
        .write(verb, &timing, AUTHOR)
        .map(|written| written.object)
}

fn create(store: &mut Store, value: serde_json::Value) -> Result<Object, ApiError> {
    let object = codec::from_any(value)?;
    write(store, &WriteVerb::Create(object))
}

fn config_map(name: &str, value: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
        "data": {"key": value}})
}

fn reference(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, Key::new("default", name))
}

fn read<T: super::tables::Stored>(store: &Store, name: &str) -> T {
    T::clone(store.objects.get::<T>(&Key::new("default", name)).unwrap())
}

#[test]
fn a_write_with_an_old_version_is_refused_and_changes_nothing() {
    let mut store = store();
    create(&mut store, config_map("c", "one")).unwrap();
    let first: ConfigMap = read(&store, "c");
    let mut second = first.clone();
    second.data = Some(BTreeMap::from([("key".to_owned(), "two".to_owned())]));
    store.update(second, Subresource::Main, AUTHOR).unwrap();
    let before = store.log.next_seq();
    let error = store.update(first, Subresource::Main, AUTHOR).unwrap_err();
    assert_eq!(error.reason, Reason::Conflict);
    assert_eq!(store.log.next_seq(), before);
    assert_eq!(read::<ConfigMap>(&store, "c").data.unwrap()["key"], "two");
}

#[test]
fn a_write_that_changes_nothing_has_no_record_and_no_new_version() {
    let mut store = store();
    let created = create(&mut store, config_map("c", "one")).unwrap();
    let before = store.log.next_seq();
    let same: ConfigMap = read(&store, "c");
    store.update(same, Subresource::Main, AUTHOR).unwrap();
    assert_eq!(store.log.next_seq(), before);
    assert_eq!(store.objects.object(&created.reference()).unwrap(), created);
}

#[test]
fn a_resource_version_is_the_number_of_the_record_that_wrote_it() {
    let mut store = store();
    let created = create(&mut store, config_map("c", "one")).unwrap();
    let record = store.log.get(created.resource_version()).unwrap();
    assert!(
        matches!(&record.what, What::Change(change) if change.op == Op::Added && change.object == created)
    );
}

#[test]
fn the_generation_counts_changes_of_the_spec_and_not_of_the_status() {
    let mut store = store();
    create(&mut store, json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}, "template": {
            "metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}})).unwrap();
    let mut deployment: Deployment = read(&store, "d");
    assert_eq!(deployment.metadata.generation, Some(1));
    deployment.status.get_or_insert_default().replicas = Some(7);
    deployment.spec.as_mut().unwrap().replicas = Some(2);
    store
        .update(deployment.clone(), Subresource::Status, AUTHOR)
        .unwrap();
    let after: Deployment = read(&store, "d");
    assert_eq!(after.metadata.generation, Some(1));
    assert_eq!(
        after.spec.as_ref().unwrap().replicas,
        Some(1),
        "a status write leaves the spec alone"
    );
    assert_eq!(after.status.as_ref().unwrap().replicas, Some(7));
    deployment.metadata.resource_version = None;
    deployment.status = None;
    store.update(deployment, Subresource::Main, AUTHOR).unwrap();
    let after: Deployment = read(&store, "d");
    assert_eq!(after.metadata.generation, Some(2));
    assert_eq!(
        after.status.unwrap().replicas,
        Some(7),
        "a write of the object leaves the status alone"
    );
}

#[test]
fn a_name_can_be_taken_once_and_only_in_a_namespace_that_is_there() {
    let mut store = store();
    create(&mut store, config_map("c", "one")).unwrap();
    assert_eq!(
        create(&mut store, config_map("c", "two"))
            .unwrap_err()
            .reason,
        Reason::AlreadyExists
    );
    let mut elsewhere = config_map("c", "one");
    elsewhere["metadata"]["namespace"] = json!("nowhere");
    let error = create(&mut store, elsewhere).unwrap_err();
    assert_eq!(error.message, "namespaces \"nowhere\" not found");
}

#[test]
fn an_object_with_finalizers_goes_when_the_last_is_done() {
    let mut store = store();
    let mut value = config_map("c", "one");
    value["metadata"]["finalizers"] = json!(["example.com/hold"]);
    create(&mut store, value).unwrap();
    let key = Key::new("default", "c");
    store
        .delete::<ConfigMap>(&key, &DeleteOptions::default(), AUTHOR)
        .unwrap();
    let mut waiting: ConfigMap = read(&store, "c");
    assert!(waiting.metadata.deletion_timestamp.is_some());
    waiting.metadata.finalizers = None;
    store.update(waiting, Subresource::Main, AUTHOR).unwrap();
    assert!(store.objects.get::<ConfigMap>(&key).is_none());
    let last = store.log.newest_first().next().unwrap();
    assert!(matches!(&last.what, What::Change(change) if change.op == Op::Deleted));
}

#[test]
fn foreground_deletion_and_orphaning_leave_their_finalizers_for_the_garbage_collector() {
    for (propagation, finalizer) in [
        (Propagation::Foreground, "foregroundDeletion"),
        (Propagation::Orphan, "orphan"),
    ] {
        let mut store = store();
        create(&mut store, config_map("c", "one")).unwrap();
        let options = DeleteOptions {
            propagation,
            ..DeleteOptions::default()
        };
        store
            .delete::<ConfigMap>(&Key::new("default", "c"), &options, AUTHOR)
            .unwrap();
        let waiting: ConfigMap = read(&store, "c");
        assert_eq!(
            waiting.metadata.finalizers,
            Some(vec![finalizer.to_owned()])
        );
    }
}

#[test]
fn a_namespace_that_is_being_deleted_takes_nothing_new() {
    let mut store = store();
    create(
        &mut store,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
    )
    .unwrap();
    let target = ObjectRef::new(Kind::Namespace, Key::cluster("shop"));
    write(
        &mut store,
        &WriteVerb::Delete {
            target,
            options: DeleteOptions::default(),
        },
    )
    .unwrap();
    assert!(
        store
            .objects
            .get::<Namespace>(&Key::cluster("shop"))
            .is_some(),
        "its finalizer holds it"
    );
    let mut value = config_map("c", "one");
    value["metadata"]["namespace"] = json!("shop");
    let error = create(&mut store, value).unwrap_err();
    assert_eq!(error.reason, Reason::Forbidden);
    assert!(
        error.message.contains("because it is being terminated"),
        "{error}"
    );
}

fn bound_pod(store: &mut Store) -> Pod {
    create(store, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"terminationGracePeriodSeconds": 7, "containers": [{"name": "c", "image": "i:1"}]}})).unwrap();
    let mut pod: Pod = read(store, "p");
    pod.node = Some("n".into());
    Pod::clone(&store.update(pod, Subresource::Main, AUTHOR).unwrap())
}

#[test]
fn a_bound_pod_gets_its_grace_which_can_be_cut_and_never_stretched() {
    let mut store = store();
    let pod = bound_pod(&mut store);
    let key = pod.meta.key.clone();
    let mut delete = |grace| {
        let options = DeleteOptions {
            grace_seconds: grace,
            ..DeleteOptions::default()
        };
        store.delete::<Pod>(&key, &options, AUTHOR).unwrap();
        store
            .objects
            .get::<Pod>(&key)
            .map(|pod| pod.meta.deletion.unwrap().grace_seconds)
    };
    assert_eq!(delete(None), Some(7));
    assert_eq!(delete(Some(60)), Some(7));
    assert_eq!(delete(Some(3)), Some(3));
    assert_eq!(delete(Some(0)), None);
}

#[test]
fn a_pod_that_is_bound_nowhere_goes_at_once() {
    let mut store = store();
    create(
        &mut store,
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]}}),
    )
    .unwrap();
    let target = reference(Kind::Pod, "p");
    write(
        &mut store,
        &WriteVerb::Delete {
            target,
            options: DeleteOptions::default(),
        },
    )
    .unwrap();
    assert!(store.objects.pods.is_empty());
}

#[test]
fn a_merge_patch_sets_merges_and_removes() {
    let mut target = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"});
    super::write::merge(
        &mut target,
        &json!({"a": {"b": null, "c": [3]}, "e": {"f": null, "g": 1}}),
    );
    assert_eq!(target, json!({"a": {"c": [3]}, "d": "x", "e": {"g": 1}}));
}

#[test]
fn indexes_follow_every_write() {
    let mut store = store();
    let pod = bound_pod(&mut store);
    assert_eq!(store.objects.pods_on("n").count(), 1);
    assert_eq!(store.objects.unbound_pods().count(), 0);
    let options = DeleteOptions {
        grace_seconds: Some(0),
        ..DeleteOptions::default()
    };
    store
        .delete::<Pod>(&pod.meta.key, &options, AUTHOR)
        .unwrap();
    assert_eq!(store.objects.pods_on("n").count(), 0);
}

#[test]
fn the_log_keeps_the_last_records_and_knows_what_it_dropped() {
    let mut config = Config::new("test", 1, Preset::Fast);
    config.log_limit = 10;
    let mut store = Store::new(&config);
    store.bootstrap();
    for index in 0..20 {
        create(&mut store, config_map(&format!("c-{index}"), "one")).unwrap();
    }
    assert_eq!(store.log.len(), 10);
    let oldest = store.log.oldest();
    assert_eq!(store.log.since(0).next().unwrap().seq, oldest);
    assert_eq!(store.log.since(store.log.next_seq()).count(), 0);
    assert_eq!(store.log.since(store.log.next_seq() - 3).count(), 3);
    assert!(store.log.get(oldest - 1).is_none());
    assert_eq!(store.log.get(oldest).unwrap().seq, oldest);
}

#[test]
fn ids_differ_and_are_the_same_in_every_run() {
    let ids = || {
        let mut store = store();
        let one = create(&mut store, config_map("one", "x")).unwrap().uid();
        let two = create(&mut store, config_map("two", "x")).unwrap().uid();
        (one, two)
    };
    let (one, two) = ids();
    assert_ne!(one, two);
    assert_eq!(ids(), (one, two));
    assert_eq!(one.to_string().parse::<crate::api::Uid>().unwrap(), one);
    assert_eq!(
        one.to_string().as_bytes()[14],
        b'4',
        "a version 4 UUID: {one}"
    );
}

#[test]
fn random_draws_depend_on_their_key_alone() {
    let random = Random::new(7);
    assert_eq!(random.bits("a", "b", 1), Random::new(7).bits("a", "b", 1));
    for other in [
        random.bits("a", "b", 2),
        random.bits("ab", "", 1),
        Random::new(8).bits("a", "b", 1),
    ] {
        assert_ne!(random.bits("a", "b", 1), other);
    }
    let mut seen = [0u32; 6];
    for counter in 0..6000 {
        seen[usize::try_from(random.below(6, "dice", "", counter)).unwrap()] += 1;
    }
    assert!(
        seen.iter().all(|count| (800..1200).contains(count)),
        "{seen:?}"
    );
}

#[test]
fn a_key_that_fails_comes_back_later_each_time_and_a_key_that_waits_waits_once() {
    let mut queue = WorkQueue::default();
    queue.add("a", 1);
    queue.add("a", 2);
    assert_eq!(queue.pop(), Some(("a", 1)));
    assert_eq!(queue.pop(), None);
    let mut now = Time::ZERO;
    let mut delays = Vec::new();
    for _ in 0..4 {
        queue.retry("a", now, 0);
        let due = queue.next_deadline().unwrap();
        delays.push(due.since(now));
        now = due;
        queue.advance(now);
        assert!(queue.pop().is_some());
    }
    assert_eq!(delays, [5, 10, 20, 40].map(Duration::from_millis));
    queue.forget(&"a");
    queue.retry("a", now, 0);
    assert_eq!(queue.next_deadline(), Some(now + Duration::from_millis(5)));
}

proptest! {
    /// Every element that is asked for comes out once per asking while it does not wait, in order of time.
    #[test]
    fn a_work_queue_hands_out_what_was_put_in(adds in prop::collection::vec((0u8..6, 0i64..50), 1..60)) {
        let mut queue = WorkQueue::default();
        let mut earliest = BTreeMap::new();
        for (key, at) in &adds {
            queue.add_at(*key, Time::from_secs(*at), 0);
            let slot = earliest.entry(*key).or_insert(*at);
            *slot = (*slot).min(*at);
        }
        let mut out = BTreeMap::new();
        let mut last = Time::ZERO;
        while let Some(due) = queue.next_deadline() {
            prop_assert!(due >= last);
            last = due;
            queue.advance(due);
            while let Some((key, _)) = queue.pop() {
                prop_assert!(out.insert(key, due.as_micros() / 1_000_000).is_none());
            }
        }
        prop_assert_eq!(out, earliest);
    }
}

#[test]
fn a_listed_container_is_read_from_a_journal_as_it_was() {
    use super::runtime::{ContainerId, ContainerState, Exit};
    for run in [None, Some(None), Some(Some(Exit::default()))] {
        let state = ContainerState {
            container: ContainerId {
                pod: crate::api::Uid(1),
                name: "app".into(),
                attempt: 0,
            },
            run,
            id: String::new(),
        };
        let text = serde_json::to_string(&state).unwrap();
        let read: ContainerState = serde_json::from_str(&text).unwrap();
        assert_eq!(read, state, "{text}");
    }
}
