//! Moments of a cluster, staged by writing its objects and its truth.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use crossterm::event::{Event, KeyEvent, KeyModifiers};
use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
    style::Style,
};
use serde_json::{Value, json};

use crate::{
    api::{EventType, Key, Kind, Name, Node, Object, ObjectRef, Pod, Resource, Time, Uid, codec},
    cluster::Snapshot,
    metrics::ResourceMetrics,
    store::{
        Config, Context, DeleteOptions, Incident, Input, Preset, Store, Subresource, What,
        decision::{Decision, NodeScore, PluginScore, Rejection, Verdict},
        input::{Fault, FaultRequest, InputSummary, Target},
        runtime::{ContainerId, ContainerUsage, Exit},
        world::WorldChange,
        write::Author,
    },
    tui::{
        About, Command, Message, Model, glyphs::Glyphs, keymap::Stroke, theme::Theme, update, view,
        widget::Pen,
    },
};

/// A cluster that is written by hand.
pub struct Scene {
    store: Store,
    config: Config,
    metrics: ResourceMetrics,
    at: Time,
}

impl Scene {
    pub fn new() -> Self {
        let config = Config::new("shop", 1, Preset::Fast);
        let mut store = Store::new(&config);
        store.bootstrap();
        Self {
            store,
            config,
            metrics: ResourceMetrics::default(),
            at: Time::ZERO,
        }
    }

    pub fn at(&mut self, seconds: f64) -> &mut Self {
        self.at = Time((seconds * 1e6) as i64);
        self
    }

    fn author(&self) -> Author {
        Author {
            by: "test",
            at: self.at,
            cause: 0,
        }
    }

    fn put(&mut self, value: Value) {
        let author = self.author();
        match codec::from_any(value).unwrap() {
            Object::Node(node) => drop(self.store.create(Node::clone(&node), author).unwrap()),
            Object::Pod(pod) => drop(self.store.create(Pod::clone(&pod), author).unwrap()),
            Object::Lease(lease) => {
                drop(
                    self.store
                        .create(crate::api::Lease::clone(&lease), author)
                        .unwrap(),
                );
            }
            other => panic!("{:?}", other.kind()),
        }
    }

    /// A ready node of 4 CPUs and 4 GiB.
    pub fn node(&mut self, name: &str, zone: &str) -> &mut Self {
        let room = json!({ "cpu": "4", "memory": "4Gi", "pods": "20" });
        self.put(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": name, "labels": { "topology.kubernetes.io/zone": zone } },
            "spec": {},
            "status": { "capacity": room, "allocatable": room, "conditions": [
                { "type": "Ready", "status": "True", "reason": "KubeletReady",
                  "message": "kubelet is posting ready status",
                  "lastTransitionTime": stamp(self.at) } ] },
        }));
        let on = WorldChange::NodeOn { node: name.into() };
        self.store.change_world(on, self.at, 0);
        self.put(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": name, "namespace": "kube-node-lease" },
            "spec": { "renewTime": self.at.timestamp().to_string() },
        }));
        self
    }

    fn change_node(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        let mut node = Node::clone(self.store.objects.node(name).unwrap());
        change(&mut node);
        let author = self.author();
        let stored = self
            .store
            .update(node.clone(), Subresource::Main, author)
            .unwrap();
        node.set_resource_version(stored.resource_version());
        self.store
            .update(node, Subresource::Status, author)
            .unwrap();
    }

    pub fn cordon(&mut self, name: &str) -> &mut Self {
        self.change_node(name, |node| {
            node.spec.get_or_insert_default().unschedulable = Some(true);
        });
        self
    }

    /// The node goes dark; nobody has noticed.
    pub fn kill_node(&mut self, name: &str) -> &mut Self {
        let target = Target::Node(name.into());
        let request = FaultRequest::Inject {
            fault: Fault::Kill,
            target: target.clone(),
        };
        let input = Input::Fault(request);
        let record = self
            .store
            .record(0, self.at, What::Input(InputSummary::from(&input)));
        let off = WorldChange::NodeOff { node: name.into() };
        self.store.change_world(off, self.at, record);
        let hit: Vec<(Key, Uid)> = self
            .store
            .objects
            .pods_on(name)
            .map(|pod| (pod.meta.key.clone(), pod.meta.uid))
            .collect();
        for (_, pod) in &hit {
            self.store.change_world(
                WorldChange::ContainerExited {
                    node: name.into(),
                    container: container(*pod),
                    exit: Exit {
                        code: 137,
                        oom_killed: false,
                    },
                },
                self.at,
                record,
            );
        }
        let id = self.store.incidents.len() as u64 + 1;
        self.store.incidents.push_back(Arc::new(Incident {
            id,
            fault: Fault::Kill,
            target,
            at: self.at,
            record,
            pods: hit.into_iter().map(|(key, _)| key).collect(),
            phases: Vec::new(),
            healed: None,
            recovered: None,
            waiting_for: "the node monitor to notice".into(),
            waiting_until: Some(self.at + Duration::from_secs(5)),
        }));
        let message = "Injected fault: the node has no power until it is healed";
        self.event_by(
            "kubeplay-chaos",
            Kind::Node,
            name,
            EventType::Warning,
            "NodeKilled",
            message,
        )
    }

    /// The node monitor notices.
    pub fn notice(&mut self, name: &str) -> &mut Self {
        let at = self.at;
        self.change_node(name, |node| {
            let status = node.status.get_or_insert_default();
            for condition in status.conditions.iter_mut().flatten() {
                condition.status = "Unknown".to_owned();
                condition.reason = Some("NodeStatusUnknown".to_owned());
                condition.message = Some("Kubelet stopped posting node status.".to_owned());
                condition.last_transition_time = Some(at.to_k8s());
            }
            let taint = |effect: &str| k8s_openapi::api::core::v1::Taint {
                key: "node.kubernetes.io/unreachable".to_owned(),
                effect: effect.to_owned(),
                time_added: Some(at.to_k8s()),
                ..Default::default()
            };
            node.spec.get_or_insert_default().taints =
                Some(vec![taint("NoSchedule"), taint("NoExecute")]);
        });
        self.event(
            Kind::Node,
            name,
            EventType::Normal,
            "NodeNotReady",
            &format!("Node {name} status is now: NodeNotReady"),
        );
        if let Some(last) = self.store.incidents.pop_back() {
            let mut incident = Incident::clone(&last);
            incident.waiting_for = "the unreachable toleration of 3 pods".into();
            incident.waiting_until = Some(at + Duration::from_secs(5));
            self.store.incidents.push_back(Arc::new(incident));
        }
        let pods: Vec<Key> = self
            .store
            .objects
            .pods_on(name)
            .map(|pod| pod.meta.key.clone())
            .collect();
        for key in pods {
            let mut pod = Pod::clone(self.store.objects.pods.get(&key).unwrap());
            for condition in Arc::make_mut(&mut pod.status)
                .conditions
                .iter_mut()
                .flatten()
            {
                condition.status = "False".to_owned();
            }
            self.store
                .update(pod, Subresource::Status, self.author())
                .unwrap();
        }
        self
    }

    /// A pod of a ReplicaSet; `node` is empty for one that waits.
    pub fn pod(&mut self, name: &str, node: &str, status: Value) -> &mut Self {
        let requests = json!({ "cpu": "600m", "memory": "256Mi" });
        let mut spec = json!({
            "containers": [{ "name": "app", "image": "shop/web:1", "resources": { "requests": requests } }],
            "tolerations": [{ "key": "node.kubernetes.io/unreachable", "operator": "Exists",
                              "effect": "NoExecute", "tolerationSeconds": 5 }],
        });
        // `web-7d9f8c6b54-x2kzq` is a ReplicaSet's pod, `db-0` is not.
        let mut labels = json!({});
        if let [_, hash, _] = name.split('-').collect::<Vec<_>>()[..] {
            labels["pod-template-hash"] = hash.into();
        }
        if !node.is_empty() {
            spec["nodeName"] = node.into();
        }
        self.put(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": "default", "labels": labels },
            "spec": spec, "status": status,
        }));
        if status["phase"] == "Running" {
            let uid = self.store.objects.pods[&Key::new("default", name)].meta.uid;
            let started = WorldChange::ContainerStarted {
                node: node.into(),
                container: container(uid),
            };
            self.store.change_world(started, self.at, 0);
        }
        self
    }

    pub fn running(&mut self, name: &str, node: &str) -> &mut Self {
        self.pod(
            name,
            node,
            status("Running", true, json!({ "running": {} }), 0),
        )
    }

    /// What the pods that run have used lately: millicores, one measurement a second.
    pub fn uses(&mut self, loads: &[(&str, [u64; 6])]) -> &mut Self {
        let mut spent = vec![0; loads.len()];
        for second in 0..=6 {
            let mut samples = Vec::new();
            for ((pod, milli), spent) in loads.iter().zip(&mut spent) {
                if second > 0 {
                    *spent += milli[second - 1] * 1000;
                }
                let key = Key::new("default", *pod);
                let uid = self.store.objects.get::<Pod>(&key).unwrap().meta.uid;
                let containers = self.store.world.containers_of(uid);
                samples.extend(containers.map(|(container, _)| ContainerUsage {
                    container: container.clone(),
                    cpu_micros: *spent,
                    memory_bytes: 31 << 20,
                    oom_kills: 0,
                }));
            }
            let at = self.at + Duration::from_secs(second as u64);
            let took = Duration::from_millis(2);
            self.metrics.note(at, &samples, took, &self.store.world);
        }
        self
    }

    pub fn delete_pod(&mut self, name: &str) -> &mut Self {
        let author = self.author();
        self.store
            .delete::<Pod>(
                &Key::new("default", name),
                &DeleteOptions::default(),
                author,
            )
            .unwrap();
        self
    }

    pub fn event(
        &mut self,
        kind: Kind,
        name: &str,
        event_type: EventType,
        reason: &str,
        message: &str,
    ) -> &mut Self {
        self.event_by("kubelet", kind, name, event_type, reason, message)
    }

    fn event_by(
        &mut self,
        by: &'static str,
        kind: Kind,
        name: &str,
        event_type: EventType,
        reason: &str,
        message: &str,
    ) -> &mut Self {
        let key = if kind.is_namespaced() {
            Key::new("default", name)
        } else {
            Key::cluster(name)
        };
        let uid = self
            .store
            .objects
            .object(&ObjectRef::new(kind, key.clone()))
            .map_or(Uid::NONE, |object| object.uid());
        let mut effects = Vec::new();
        let mut cx = Context {
            store: &mut self.store,
            now: self.at,
            config: &self.config,
            cause: 0,
            by,
            effects: &mut effects,
        };
        let host: Option<&Name> = None;
        cx.event_from(
            ObjectRef::new(kind, key),
            uid,
            event_type,
            reason,
            message.into(),
            host,
        );
        self
    }

    fn decision(&self, pod: &str, verdict: Verdict) -> Decision {
        let key = Key::new("default", pod);
        let refused = |node: &str, plugin, reason: &str, detail: &str| Rejection {
            node: node.into(),
            plugin,
            reasons: vec![reason.to_owned()],
            detail: detail.to_owned(),
            resolvable: true,
        };
        Decision {
            number: 118 + self.store.decisions.len() as u64,
            uid: self.store.objects.pods[&key].meta.uid,
            pod: key,
            at: self.at,
            attempt: 1,
            verdict,
            nodes: 6,
            feasible: 3,
            scores: Vec::new(),
            rejections: vec![
                refused(
                    "node-1",
                    "NodeResourcesFit",
                    "Insufficient cpu",
                    "cpu: 250m wanted, 140m free",
                ),
                refused(
                    "node-3",
                    "TaintToleration",
                    "node(s) had untolerated taint(s)",
                    "node.kubernetes.io/unreachable",
                ),
                refused(
                    "node-6",
                    "NodeUnschedulable",
                    "node(s) were unschedulable",
                    "",
                ),
            ],
            histogram: vec![
                ("Insufficient cpu".to_owned(), 1),
                ("node(s) had untolerated taint(s)".to_owned(), 1),
                ("node(s) were unschedulable".to_owned(), 1),
            ],
            tied: 1,
            tie_break: 0,
            message: String::new(),
        }
    }

    /// The scheduler chose a node for a pod.
    pub fn decide(&mut self, pod: &str, node: &str) -> &mut Self {
        let score = |node: &str, parts: [(&'static str, i64, i64, i64); 5]| NodeScore {
            node: node.into(),
            total: parts
                .iter()
                .map(|(.., normal, weight)| normal * weight)
                .sum(),
            plugins: parts
                .into_iter()
                .map(|(plugin, raw, normalized, weight)| PluginScore {
                    plugin,
                    raw,
                    normalized,
                    weight,
                })
                .collect(),
        };
        let parts = |affinity: i64, fit: i64, balanced: i64, image: i64| {
            [
                ("TaintToleration", 0, 100, 3),
                ("NodeAffinity", affinity, affinity, 2),
                ("NodeResourcesFit", fit, fit, 1),
                ("NodeResourcesBalancedAllocation", balanced, balanced, 1),
                ("ImageLocality", image, image, 1),
            ]
        };
        let decision = Decision {
            scores: vec![
                score(node, parts(50, 68, 91, 12)),
                score("node-5", parts(40, 55, 73, 0)),
                score("node-2", parts(0, 41, 88, 12)),
            ],
            ..self.decision(pod, Verdict::Bound { node: node.into() })
        };
        self.store.decided(decision, self.at, 0);
        self
    }

    /// The scheduler found no node for a pod.
    pub fn refuse(&mut self, pod: &str, message: &str) -> &mut Self {
        let mut decision = self.decision(pod, Verdict::Unschedulable);
        decision.feasible = 0;
        message.clone_into(&mut decision.message);
        for node in ["node-2", "node-4", "node-5"] {
            let rejection = Rejection {
                node: node.into(),
                ..decision.rejections[0].clone()
            };
            decision.rejections.push(rejection);
        }
        decision.histogram[0].1 = 4;
        self.store.decided(decision, self.at, 0);
        self
    }

    pub fn progress(&mut self, what: &str, done: u64, total: u64) -> &mut Self {
        self.store.world.progress.insert(what.into(), (done, total));
        self
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            at: self.at,
            config: Arc::new(self.config.clone()),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            paused: false,
        })
    }
}

fn stamp(at: Time) -> Value {
    at.floor_to_second().timestamp().to_string().into()
}

fn container(pod: Uid) -> ContainerId {
    ContainerId {
        pod,
        name: "app".into(),
        attempt: 0,
    }
}

/// A pod's status with one container in a state.
pub fn status(phase: &str, ready: bool, state: Value, restarts: i32) -> Value {
    json!({
        "phase": phase,
        "podIP": "10.244.0.7",
        "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        "containerStatuses": [{ "name": "app", "image": "", "imageID": "", "ready": ready,
                                "restartCount": restarts, "state": state }],
    })
}

pub fn waiting(reason: &str) -> Value {
    json!({ "waiting": { "reason": reason } })
}

/// Six nodes in three zones and a bit of everything: one node lost and noticed, one cordoned, a pod that starts, one
/// that waits, one that crashes, one that leaves.
pub fn incident() -> Scene {
    let mut scene = quiet();
    scene.at(123.0).kill_node("node-3");
    scene.at(163.0).notice("node-3");
    scene
        .at(163.6)
        .pod(
            "web-7d9f8c6b54-w8s2x",
            "node-4",
            status("Pending", false, waiting("ContainerCreating"), 0),
        )
        .decide("web-7d9f8c6b54-w8s2x", "node-4")
        .event(
            Kind::Pod,
            "web-7d9f8c6b54-w8s2x",
            EventType::Normal,
            "Scheduled",
            "Successfully assigned default/web-7d9f8c6b54-w8s2x to node-4",
        );
    scene.at(166.0);
    scene
}

/// The same cluster before anything was broken, but for a pod that crashes, one that waits and one that leaves.
pub fn quiet() -> Scene {
    let mut scene = Scene::new();
    for (index, zone) in ["zone-a", "zone-b", "zone-c", "zone-c", "zone-b", "zone-c"]
        .iter()
        .enumerate()
    {
        scene.node(&format!("node-{}", index + 1), zone);
    }
    scene
        .running("web-7d9f8c6b54-x2kzq", "node-1")
        .running("web-7d9f8c6b54-p9m4t", "node-1")
        .running("cart-5c8b77d9f-1aa9z", "node-1")
        .running("db-0", "node-1")
        .running("web-7d9f8c6b54-mm4vb", "node-2")
        .running("cart-5c8b77d9f-9ztkk", "node-2")
        .running("worker-66f7b5c9d8-t0pxx", "node-2")
        .running("web-7d9f8c6b54-q7rdd", "node-3")
        .running("cart-5c8b77d9f-h3csw", "node-3")
        .running("worker-66f7b5c9d8-a9dlm", "node-3")
        .running("web-7d9f8c6b54-l2nhh", "node-4")
        .running("cache-0", "node-4")
        .pod(
            "api-84cc5d7b9-d1fgt",
            "node-5",
            status("Running", false, waiting("CrashLoopBackOff"), 4),
        )
        .running("web-7d9f8c6b54-e6bqp", "node-5")
        .running("worker-66f7b5c9d8-n7uxz", "node-6")
        .cordon("node-6");
    scene.at(93.0).event(
        Kind::Pod,
        "api-84cc5d7b9-d1fgt",
        EventType::Warning,
        "BackOff",
        "Back-off restarting failed container app in pod api-84cc5d7b9-d1fgt",
    );
    scene.at(97.0).event(
        Kind::Pod,
        "api-84cc5d7b9-d1fgt",
        EventType::Warning,
        "BackOff",
        "Back-off restarting failed container app in pod api-84cc5d7b9-d1fgt",
    );
    let message = "0/6 nodes are available: 1 node(s) were unschedulable, 5 Insufficient memory. preemption: 0/6 nodes \
                   are available: 1 Preemption is not helpful for scheduling, 5 No preemption victims found for \
                   incoming pod.";
    scene.at(100.0).pod(
        "worker-66f7b5c9d8-v4e8s",
        "",
        json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message }] }),
    );
    scene.event(
        Kind::Pod,
        "worker-66f7b5c9d8-v4e8s",
        EventType::Warning,
        "FailedScheduling",
        message,
    );
    scene.refuse("worker-66f7b5c9d8-v4e8s", message);
    scene.at(110.0).delete_pod("worker-66f7b5c9d8-t0pxx");
    scene.at(120.0);
    scene
}

/// A screen of a scene.
pub struct Screen {
    pub model: Model,
    pub theme: Theme,
    pub glyphs: Glyphs,
}

impl Screen {
    pub fn new(scene: &Scene, width: u16, height: u16) -> Self {
        let about = About {
            runtime: "simulated: no Docker engine".to_owned(),
        };
        let model = Model::new(scene.snapshot(), about, Size::new(width, height));
        let mut screen = Self {
            model,
            theme: Theme::named("terminal").unwrap(),
            glyphs: Glyphs::UNICODE,
        };
        screen.show(scene);
        screen
    }

    /// Takes a newer snapshot.
    pub fn show(&mut self, scene: &Scene) -> &mut Self {
        update(&mut self.model, Message::Snapshot(scene.snapshot()));
        self
    }

    /// Presses keys, by their names in the table of actions, with blanks between them.
    pub fn press(&mut self, keys: &str) -> Vec<Command> {
        let mut commands = Vec::new();
        for key in keys.split_whitespace() {
            let stroke = Stroke::parse(key).unwrap();
            let modifiers = if stroke.ctrl {
                KeyModifiers::CONTROL
            } else {
                KeyModifiers::NONE
            };
            let Event::Key(event) = Event::Key(KeyEvent::new(stroke.code, modifiers)) else {
                unreachable!()
            };
            commands.extend(update(&mut self.model, Message::Key(event)));
        }
        commands
    }

    pub fn buffer(&self) -> Buffer {
        let size = self.model.size;
        let area = Rect::new(0, 0, size.width, size.height);
        let mut buffer = Buffer::empty(area);
        let mut pen = Pen::new(&mut buffer, &self.theme, &self.glyphs);
        view::draw(&self.model, &mut pen, area);
        buffer
    }

    /// The screen's text.
    pub fn text(&self) -> String {
        let buffer = self.buffer();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let line: String = (0..buffer.area.width)
                .map(|x| buffer[(x, y)].symbol())
                .collect();
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    /// The screen's text, and below it a letter per cell for its style, with what the letters stand for.
    pub fn styled(&self) -> String {
        let buffer = self.buffer();
        let mut known: Vec<Style> = vec![Style::reset()];
        let mut letters = String::new();
        for y in 0..buffer.area.height {
            let mut line = String::new();
            for x in 0..buffer.area.width {
                let style = buffer[(x, y)].style();
                let blank = buffer[(x, y)].symbol() == " "
                    && !style
                        .add_modifier
                        .contains(ratatui::style::Modifier::REVERSED);
                let index = match known.iter().position(|other| *other == style) {
                    _ if blank => 0,
                    Some(index) => index,
                    None => {
                        known.push(style);
                        known.len() - 1
                    }
                };
                line.push(if blank {
                    ' '
                } else {
                    char::from(b'a' + index as u8)
                });
            }
            let _ = writeln!(letters, "{}", line.trim_end());
        }
        let legend: String = known
            .iter()
            .enumerate()
            .skip(1)
            .map(|(index, style)| {
                let letter = char::from(b'a' + index as u8);
                format!(
                    "{letter}: {:?} on {:?} {:?}\n",
                    style.fg.unwrap(),
                    style.bg.unwrap(),
                    style.add_modifier
                )
            })
            .collect();
        format!("{}\n{letters}\n{legend}", self.text())
    }
}
