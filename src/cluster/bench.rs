//! A small cluster on the simulated runtime, for the tests of components.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, drive::Drive};
use crate::{
    api::{Event, Key, Kind, Name, ObjectRef, Pod, Time, codec},
    runtime::{faulty::FaultyRuntime, simulated::SimulatedRuntime},
    store::{
        Config, DeleteOptions, Input, Preset, WriteVerb,
        config::RuntimeKind,
        input::{Fault, FaultRequest, Target},
        world::ContainerTruth,
    },
};

pub(crate) struct Bench {
    pub drive: Drive<FaultyRuntime<SimulatedRuntime>>,
}

impl Bench {
    /// A cluster with so many nodes, `node-1` and on, of 4 CPUs.
    pub fn new(preset: Preset, nodes: usize) -> Self {
        Self::of(Config::new("bench", 7, preset), nodes)
    }

    pub fn of(config: Config, nodes: usize) -> Self {
        let kind = RuntimeKind::Simulated;
        let runtime = SimulatedRuntime::new(config.seed);
        let runtime = FaultyRuntime::new(runtime, kind, config.seed);
        let drive = Drive::new(Cluster::new(config), runtime);
        let mut bench = Self { drive };
        for number in 1..=nodes {
            bench.node(&format!("node-{number}"));
        }
        bench
    }

    pub fn node(&mut self, name: &str) {
        let amounts = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
        self.create(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"capacity": amounts, "allocatable": amounts}}),
        );
    }

    pub fn create(&mut self, value: Value) {
        self.drive.create(codec::from_any(value).unwrap()).unwrap();
    }

    /// A pod on `node-1` with this spec, its container named `app` if none is given.
    pub fn pod(&mut self, name: &str, spec: Value) {
        self.pod_on("node-1", name, spec);
    }

    pub fn pod_on(&mut self, node: &str, name: &str, mut spec: Value) {
        spec["nodeName"] = json!(node);
        if spec.get("containers").is_none() {
            spec["containers"] = json!([{"name": "app", "image": "kubeplay.dev/workload",
                "imagePullPolicy": "IfNotPresent"}]);
        }
        self.create(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec}));
    }

    pub fn delete(&mut self, name: &str, grace_seconds: Option<i64>) {
        let target = ObjectRef::new(Kind::Pod, Key::new("default", name));
        let options = DeleteOptions {
            grace_seconds,
            ..DeleteOptions::default()
        };
        let verb = WriteVerb::Delete { target, options };
        self.drive.write(verb).unwrap();
    }

    pub fn inject(&mut self, fault: Fault, target: Target) {
        let request = FaultRequest::Inject { fault, target };
        self.drive.input(&Input::Fault(request));
    }

    pub fn heal(&mut self, node: &str) {
        let target = Target::Node(node.into());
        self.drive
            .input(&Input::Fault(FaultRequest::Heal { target }));
    }

    pub fn now(&self) -> Time {
        self.drive.now()
    }

    pub fn run(&mut self, millis: u64) {
        let end = self.now() + Duration::from_millis(millis);
        self.drive.run_until(end);
    }

    /// Goes on until a condition holds, an hour at most.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Cluster) -> bool) {
        let end = self.now() + Duration::from_secs(3600);
        let held = self.drive.run_until_true(end, condition);
        assert!(held, "never: {what}\n{}", self.story());
    }

    pub fn until_running(&mut self, name: &str) {
        let key = Key::new("default", name);
        self.until(&format!("{name} ready"), |cluster| {
            let pod = cluster.store().objects.get::<Pod>(&key);
            pod.is_some_and(|pod| pod.is_ready() && pod.phase() == "Running")
        });
    }

    pub fn find(&self, name: &str) -> Option<Pod> {
        self.drive.pod("default", name).cloned()
    }

    pub fn get(&self, name: &str) -> Pod {
        self.find(name).unwrap()
    }

    /// A container's state in a word: `running`, or the reason why it is not.
    pub fn state(&self, name: &str, container: usize) -> String {
        let pod = self.get(name);
        let status = &pod.status.container_statuses.as_ref().unwrap()[container];
        let state = status.state.clone().unwrap();
        let waiting = state.waiting.and_then(|waiting| waiting.reason);
        let terminated = state.terminated.and_then(|terminated| terminated.reason);
        waiting
            .or(terminated)
            .unwrap_or_else(|| "running".to_owned())
    }

    pub fn restarts(&self, name: &str) -> i32 {
        let pod = self.get(name);
        pod.status.container_statuses.as_ref().unwrap()[0].restart_count
    }

    /// How many containers really run.
    pub fn alive(&self) -> usize {
        let containers = self.drive.cluster.store().world.containers.values();
        containers
            .filter(|(_, truth)| matches!(truth, ContainerTruth::Running { .. }))
            .count()
    }

    pub fn events(&self) -> Vec<Event> {
        let events = self.drive.cluster.store().objects.events.values();
        let mut events: Vec<Event> = events.map(|event| Event::clone(event)).collect();
        events.sort_by_key(|event| event.meta.resource_version);
        events
    }

    /// Reasons of the events about an object, in order of their last occurrence.
    pub fn reasons(&self, name: &str) -> Vec<String> {
        let events = self.events().into_iter();
        let about = events.filter(|event| &*event.regarding.key.name == name);
        about.map(|event| event.reason.to_string()).collect()
    }

    /// Messages of the events about an object with this reason.
    pub fn messages(&self, name: &str, reason: &str) -> Vec<Name> {
        let events = self.events().into_iter();
        events
            .filter(|event| &*event.regarding.key.name == name && &*event.reason == reason)
            .map(|event| event.message)
            .collect()
    }

    /// How many times an object's status was written by the kubelet.
    pub fn status_writes(&self, name: &str) -> usize {
        let log = &self.drive.cluster.store().log;
        log.since(0)
            .filter(|record| match &record.what {
                crate::store::What::Change(change) => {
                    change.by == "kubelet"
                        && change.op == crate::store::Op::Modified
                        && matches!(&change.object, crate::api::Object::Pod(pod) if &*pod.meta.key.name == name)
                }
                _ => false,
            })
            .count()
    }

    fn story(&self) -> String {
        let line = |event: Event| {
            format!(
                "{} {} {} {}\n",
                event.last, event.regarding, event.reason, event.message
            )
        };
        let pods = self.drive.cluster.store().objects.pods.values();
        let pods: String = pods.map(|pod| format!("{:?}\n", pod.status)).collect();
        self.events().into_iter().map(line).collect::<String>() + &pods
    }
}
