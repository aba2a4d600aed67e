//! A cluster of controllers alone: what kubelets and the scheduler do, the test does.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::PodCondition;
use kubeplay::{
    api::{Key, Kind, Name, Object, ObjectRef, Pod, ReplicaSet, Resource, Time},
    cluster::Cluster,
    store::{
        Component, Config, DeleteOptions, Input, Op, Propagation, Record, Subresource, What,
        WriteRequest, WriteVerb,
    },
};
use serde_json::{Value, json};

/// A cluster and the time.
pub struct Bench {
    pub cluster: Cluster,
    pub now: Time,
    writes: u64,
}

/// What a ReplicaSet has: size asked for, active pods, ready pods.
pub type SetState = (i64, i64, i64);

impl Bench {
    pub fn new(config: Config, components: Vec<Box<dyn Component>>) -> Self {
        Self {
            cluster: Cluster::with(config, components),
            now: Time::ZERO,
            writes: 0,
        }
    }

    /// Writes, and lets everything follow from it.
    pub fn write(&mut self, verb: WriteVerb) {
        self.writes += 1;
        let request = WriteRequest {
            id: self.writes,
            user: Name::from("test"),
            verb,
        };
        let output = self.cluster.step(self.now, &Input::Write(request));
        for reply in output.replies {
            reply.result.unwrap();
        }
    }

    pub fn create(&mut self, kind: Kind, object: Value) {
        let object = kubeplay::api::codec::from_value(kind, object).unwrap();
        self.write(WriteVerb::Create(object));
    }

    pub fn patch(&mut self, kind: Kind, key: Key, patch: Value) {
        self.write(WriteVerb::MergePatch {
            target: ObjectRef::new(kind, key),
            subresource: Subresource::Main,
            patch,
        });
    }

    /// Goes on to a time, through everything that is due on the way.
    pub fn run_until(&mut self, end: Time) {
        loop {
            let output = self.cluster.step(self.now, &Input::Continue);
            match output.next_deadline.filter(|next| *next <= end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
        }
        self.now = self.now.max(end);
    }

    pub fn pass(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    pub fn pods(&self) -> Vec<Arc<Pod>> {
        let pods = &self.cluster.store().objects.pods;
        pods.values().cloned().collect()
    }

    /// The ReplicaSets in the order in which they were made.
    pub fn sets(&self) -> Vec<Arc<ReplicaSet>> {
        let sets = &self.cluster.store().objects.replica_sets;
        let mut sets: Vec<_> = sets.values().cloned().collect();
        sets.sort_by_key(|set| (set.created(), set.key()));
        sets
    }

    /// Binds all pods that are bound to no node to one.
    pub fn bind_all(&mut self, node: impl Fn(usize) -> String) {
        let unbound = self.pods().into_iter().filter(|pod| pod.node.is_none());
        for (index, pod) in unbound.enumerate() {
            let mut pod = Pod::clone(&pod);
            pod.node = Some(node(index).into());
            self.write(WriteVerb::Update {
                object: Object::of(pod),
                subresource: Subresource::Binding,
            });
        }
    }

    /// Does what a kubelet does when a pod's containers are up.
    pub fn make_ready(&mut self, pod: &Pod) {
        let mut pod = pod.clone();
        let now = self.now.to_k8s();
        let status = Arc::make_mut(&mut pod.status);
        status.phase = Some("Running".to_owned());
        let (high, low) = (self.writes / 250 % 250, self.writes % 250);
        status.pod_ip = Some(format!("10.244.{high}.{low}"));
        status.conditions = Some(vec![PodCondition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(now),
            ..PodCondition::default()
        }]);
        self.write(WriteVerb::Update {
            object: Object::of(pod),
            subresource: Subresource::Status,
        });
    }

    /// Says of a pod that it is not ready any more.
    pub fn make_unready(&mut self, pod: &Pod) {
        let mut pod = pod.clone();
        let status = Arc::make_mut(&mut pod.status);
        for condition in status.conditions.iter_mut().flatten() {
            condition.status = "False".to_owned();
        }
        self.write(WriteVerb::Update {
            object: Object::of(pod),
            subresource: Subresource::Status,
        });
    }

    pub fn delete(&mut self, kind: Kind, key: Key, propagation: Propagation) {
        let options = DeleteOptions {
            propagation,
            ..DeleteOptions::default()
        };
        let target = ObjectRef::new(kind, key);
        self.write(WriteVerb::Delete { target, options });
    }

    /// Reasons and messages of the events about objects of a kind, in the order in which they came.
    pub fn events(&self, kind: Kind) -> Vec<(String, String)> {
        let changes = self.cluster.store().log.since(0);
        changes
            .filter_map(|record| match &record.what {
                What::Change(change) if change.op == Op::Added => match &change.object {
                    Object::Event(event) if event.regarding.kind == kind => {
                        Some((event.reason.to_string(), event.message.to_string()))
                    }
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    /// Does what kubelets do when the grace of pods is over.
    pub fn remove_terminating(&mut self) {
        for pod in self.pods().into_iter().filter(|pod| pod.is_terminating()) {
            let options = DeleteOptions {
                grace_seconds: Some(0),
                ..DeleteOptions::default()
            };
            self.write(WriteVerb::Delete {
                target: ObjectRef::new(Kind::Pod, pod.meta.key.clone()),
                options,
            });
        }
    }

    /// The state of every ReplicaSet.
    pub fn state(&self) -> Vec<SetState> {
        let pods = self.pods();
        let sets = self.sets();
        let one = |set: &Arc<ReplicaSet>| {
            let uid = set.uid();
            let own = pods
                .iter()
                .filter(|pod| pod.is_active())
                .filter(|pod| pod.meta.controller().is_some_and(|o| o.uid == uid));
            let own: Vec<_> = own.collect();
            let ready = own.iter().filter(|pod| pod.is_ready()).count();
            (size(set), own.len() as i64, ready as i64)
        };
        sets.iter().map(one).collect()
    }

    pub fn seq(&self) -> u64 {
        self.cluster.store().log.next_seq()
    }

    /// The changes of ReplicaSets' sizes from a record on: which set, to what, created or scaled.
    pub fn resized(&self, since: u64) -> Vec<(usize, i64, &'static str)> {
        let sets = self.sets();
        let index = |set: &ReplicaSet| {
            let position = sets.iter().position(|other| other.key() == set.key());
            position.unwrap()
        };
        let change = |record: &Record| {
            let What::Change(change) = &record.what else {
                return None;
            };
            let Object::ReplicaSet(set) = &change.object else {
                return None;
            };
            match (&change.old, change.op) {
                (None, Op::Added) => Some((index(set), size(set), "create")),
                (Some(Object::ReplicaSet(old)), Op::Modified) if size(old) != size(set) => {
                    Some((index(set), size(set), "scale"))
                }
                _ => None,
            }
        };
        let log = &self.cluster.store().log;
        log.since(since).filter_map(change).collect()
    }
}

pub fn size(set: &ReplicaSet) -> i64 {
    set.spec.as_ref().unwrap().replicas.unwrap().into()
}

/// A pod template with a version to tell it from others.
pub fn template(version: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "d"}},
        "spec": {"containers": [{"name": "c", "image": format!("example/app:{version}")}]}
    })
}
