//! What the scheduler's tests are built from: objects in few words, and a store with nothing but a scheduler at work.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Scheduler,
    framework::{Plugin, PreFilter, Profile, Refusal},
    node_cache::{NodeCache, NodeInfo},
    resources::PodInfo,
    shape::{Shape, Shapes},
};
use crate::{
    api::{Key, Kind, Node, Object, ObjectRef, Pod, Time, codec},
    store::{
        Component, Config, Context, Decision, DeleteOptions, Preset, Store, Subresource, WriteVerb,
        write::Author,
    },
};

/// A node that can take 110 pods.
pub fn node(name: &str, cpu: &str, memory: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {}}, "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": "110"}}})
}

/// A pod of one container. Admission taints new nodes, and no node lifecycle controller clears them here: so it
/// tolerates that.
pub fn pod(name: &str, cpu: &str, memory: &str) -> Value {
    let requests = json!({"cpu": cpu, "memory": memory});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [{"name": "app", "image": "app:1", "resources": {"requests": requests}}]}})
}

/// An object with something else in one of its fields, which a JSON pointer names; what leads there must exist.
pub fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[field] = value;
    object
}

/// What is computed of a pod's spec.
pub fn info(pod: &Value) -> Arc<PodInfo> {
    let Object::Pod(pod) = codec::from_any(pod.clone()).unwrap() else {
        panic!("not a pod");
    };
    Arc::new(PodInfo::new(&pod.spec))
}

/// A cache of nodes, with pods on the first of them.
pub fn cache(nodes: &[Value], pods: &[Value]) -> NodeCache {
    let mut cache = NodeCache::default();
    for node in nodes {
        let node: Node = serde_json::from_value(node.clone()).unwrap();
        cache.set_node(&Arc::new(node));
    }
    let first = cache.slots()[0].name.clone();
    for (number, pod) in (1..).zip(pods) {
        cache.place(crate::api::Uid(number), &first, &info(pod));
    }
    cache
}

/// What a plugin's filter says of a node: the reasons, joined, with `!` before them if no removal of pods could help.
pub fn filter(plugin: &dyn Plugin, pod: &Value, node: &NodeInfo) -> String {
    match plugin.pre_filter(&info(pod)) {
        PreFilter::Skip => "skip".to_owned(),
        PreFilter::Reject(reason) => format!("rejected: {reason}"),
        PreFilter::Filter(filter) | PreFilter::Only(_, filter) => match filter.filter(node) {
            Ok(()) => "ok".to_owned(),
            Err(refusal @ Refusal { resolvable, .. }) => {
                let reasons: Vec<_> = refusal.bits().map(|bit| filter.reason(bit)).collect();
                format!(
                    "{}{}",
                    if resolvable { "" } else { "!" },
                    reasons.join(", ")
                )
            }
        },
    }
}

/// What a plugin says of a node beyond upstream's reasons.
pub fn detail(plugin: &dyn Plugin, pod: &Value, node: &NodeInfo) -> String {
    match plugin.pre_filter(&info(pod)) {
        PreFilter::Filter(filter) | PreFilter::Only(_, filter) => filter.detail(node),
        other => format!("{other:?}"),
    }
}

/// A plugin's scores of the nodes after normalisation; none if it skips.
pub fn scores(plugin: &dyn Plugin, pod: &Value, nodes: &NodeCache) -> Option<Vec<i64>> {
    let score = plugin.pre_score(&info(pod), nodes)?;
    let mut scores: Vec<i64> = nodes.iter().map(|node| score.score(node)).collect();
    if let Some(normalize) = score.normalize() {
        normalize(&mut scores);
    }
    Some(scores)
}

/// A shape computed from nothing.
pub fn fresh_shape(pod: &Pod, profile: &Profile, nodes: &NodeCache) -> Shape {
    let mut shapes = Shapes::default();
    let shape = shapes.of(&pod.spec, profile, || Arc::new(PodInfo::new(&pod.spec)));
    shape.update(profile, nodes);
    shape.clone()
}

/// A store and a scheduler.
pub struct Rig {
    pub store: Store,
    pub scheduler: Scheduler,
    pub now: Time,
    config: Config,
    unseen: u64,
}

impl Rig {
    /// An empty one.
    pub fn new() -> Self {
        Self::of(Config::new("rig", 1, Preset::Kubernetes))
    }

    /// An empty one with a configuration.
    pub fn of(config: Config) -> Self {
        let mut store = Store::new(&config);
        store.bootstrap();
        let mut scheduler = Scheduler::default();
        scheduler.start(&config);
        Self {
            store,
            scheduler,
            now: Time::ZERO,
            config,
            unseen: 1,
        }
    }

    /// Writes, and lets the scheduler do what it has to.
    pub fn write(&mut self, verb: &WriteVerb) {
        let author = Author {
            by: "test",
            at: self.now,
            cause: 0,
        };
        self.store.write(verb, &self.config.timing, author).unwrap();
        self.settle();
    }

    /// Creates objects, then schedules.
    pub fn create(&mut self, objects: impl IntoIterator<Item = Value>) {
        let author = Author {
            by: "test",
            at: self.now,
            cause: 0,
        };
        for object in objects {
            let verb = WriteVerb::Create(codec::from_any(object).unwrap());
            self.store
                .write(&verb, &self.config.timing, author)
                .unwrap();
        }
        self.settle();
    }

    /// Patches an object.
    pub fn patch(&mut self, kind: Kind, name: &str, patch: Value) {
        let subresource = match patch.get("status") {
            Some(_) => Subresource::Status,
            None => Subresource::Main,
        };
        self.write(&WriteVerb::MergePatch {
            target: reference(kind, name),
            subresource,
            patch,
        });
    }

    /// Deletes an object at once.
    pub fn delete(&mut self, kind: Kind, name: &str) {
        let options = DeleteOptions {
            grace_seconds: Some(0),
            ..DeleteOptions::default()
        };
        let target = reference(kind, name);
        self.write(&WriteVerb::Delete { target, options });
    }

    /// Goes to a time and schedules.
    pub fn advance(&mut self, seconds: i64) {
        self.now = Time::from_secs(seconds);
        self.settle();
    }

    /// Schedules until the queue is empty.
    pub fn settle(&mut self) {
        loop {
            self.deliver();
            if self.scheduler.advance(self.now) == 0 {
                return;
            }
            let mut effects = Vec::new();
            let mut cx = Context {
                store: &mut self.store,
                now: self.now,
                config: &self.config,
                cause: 0,
                by: "",
                effects: &mut effects,
            };
            self.scheduler.run_one(&mut cx);
        }
    }

    fn deliver(&mut self) {
        while let Some(record) = self.store.log.get(self.unseen).cloned() {
            self.unseen += 1;
            self.scheduler.observe(&record, &self.store);
        }
    }

    /// A pod.
    pub fn pod(&self, name: &str) -> Arc<Pod> {
        Arc::clone(self.store.objects.get(&Key::new("default", name)).unwrap())
    }

    /// The node that a pod is bound to, or `""`.
    pub fn node_of(&self, name: &str) -> String {
        self.pod(name)
            .node
            .as_deref()
            .unwrap_or_default()
            .to_owned()
    }

    /// The message of a pod that found no node.
    pub fn message(&self, name: &str) -> String {
        let pod = self.pod(name);
        let condition = pod.condition("PodScheduled").unwrap();
        condition.message.clone().unwrap_or_default()
    }

    /// The last decision.
    pub fn decision(&self) -> &Decision {
        self.store.decisions.last().unwrap()
    }
}

fn reference(kind: Kind, name: &str) -> ObjectRef {
    let namespace = if kind.is_namespaced() { "default" } else { "" };
    ObjectRef::new(kind, Key::new(namespace, name))
}
