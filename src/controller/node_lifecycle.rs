//! Node lifecycle: notices that a node has fallen silent and says so, on the node and on its pods
//! (`pkg/controller/nodelifecycle`).
//!
//! The controller trusts no node's clock: it notes when it last *saw* a new lease or heartbeat. Every monitor period it
//! looks at all nodes; a node of which nothing was seen for the grace period becomes `Ready=Unknown`, its pods
//! `Ready=False`, and it queues for a NoExecute taint, zone by zone and one at a time. Where all zones are down, it is
//! rather the controller that is cut off: then nothing is evicted.

pub mod taints;
mod zone;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::{NodeCondition, PodCondition};

use self::{
    taints::{NOT_READY, UNREACHABLE, condition, evicts, no_schedule_differs, swap},
    zone::{State, Zone},
};
use super::common::set_pod_condition;
use crate::{
    api::{
        ApiError, EventType, Key, Kind, Name, Node, Object, ObjectRef, Pod, Resource, Time, Uid,
    },
    store::{
        Change, Config, Context, Defect, Op, Outcome, Reconciler, Record, Store, Timing, WakeUp,
        What, WorkQueue, bootstrap::LEASE_NAMESPACE,
    },
};

/// How often the queues of nodes to be tainted are looked at.
const PASS: Duration = Duration::from_millis(100);
/// Nodes with this label do not count when a zone is judged.
const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";
/// The conditions that are unknown of a silent node.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// The node lifecycle controller.
#[derive(Clone, Debug, Default)]
pub struct NodeLifecycle {
    nodes: BTreeMap<Name, Health>,
    zones: BTreeMap<String, Zone>,
    /// Nodes of which a new lease or heartbeat came since the last look.
    heard: BTreeSet<Name>,
    next_look: Time,
}

/// What the controller knows of a node.
#[derive(Clone, Debug)]
struct Health {
    uid: Uid,
    /// When it last saw a sign of life.
    seen: Time,
    zone: String,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Look at all nodes, or at the queues of nodes to be tainted.
    Monitor,
    /// Give a node the NoSchedule taints that its conditions ask for.
    Taint(Name),
    /// A pod was bound to a node.
    Bound(Key),
}

impl Reconciler for NodeLifecycle {
    type Key = Work;
    const NAME: &'static str = "node-controller";

    fn start(&mut self, _: &Config, queue: &mut WorkQueue<Work>) {
        queue.add_at(Work::Monitor, Time::ZERO, 0);
    }

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Work>) {
        let What::Change(change) = &record.what else {
            return;
        };
        match &change.object {
            Object::Lease(lease)
                if lease.metadata.namespace.as_deref() == Some(LEASE_NAMESPACE) =>
            {
                let renewed = |spec: Option<&k8s_openapi::api::coordination::v1::LeaseSpec>| {
                    spec.and_then(|spec| spec.renew_time.clone())
                };
                let old = match &change.old {
                    Some(Object::Lease(old)) => renewed(old.spec.as_ref()),
                    _ => None,
                };
                if change.op != Op::Deleted && renewed(lease.spec.as_ref()) > old {
                    self.heard.insert(lease.key().name);
                }
            }
            Object::Node(node) if change.op != Op::Deleted => {
                self.observe_node(node, change, wake);
            }
            Object::Pod(pod) if change.op != Op::Deleted => {
                let bound = match &change.old {
                    Some(Object::Pod(old)) => old.node != pod.node,
                    _ => true,
                };
                let node = pod.node.as_ref().filter(|_| bound);
                let node = node.and_then(|name| store.objects.node(name));
                if node.is_some_and(|node| !matches!(condition(node, "Ready"), None | Some("True")))
                {
                    wake.now(Work::Bound(pod.meta.key.clone()));
                }
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, work: &Work, cx: &mut Context<'_>) -> Outcome {
        let done = match work {
            Work::Monitor => return self.monitor(cx),
            Work::Taint(name) => taint_by_conditions(name, cx),
            Work::Bound(key) => bound(key, cx),
        };
        done.map_or(Outcome::Retry, |()| Outcome::Done)
    }
}

impl NodeLifecycle {
    fn observe_node(&mut self, node: &Node, change: &Change, wake: &mut WakeUp<'_, Work>) {
        let heartbeat = |node: &Node| {
            let conditions = node.status.as_ref()?.conditions.as_ref()?;
            let ready = conditions.iter().find(|c| c.type_ == "Ready")?;
            Some(ready.last_heartbeat_time.clone())
        };
        if let Some(Object::Node(old)) = &change.old
            && change.by != Self::NAME
            && heartbeat(old) != heartbeat(node)
        {
            self.heard.insert(node.key().name);
        }
        if no_schedule_differs(node) {
            wake.now(Work::Taint(node.key().name));
        }
    }

    fn monitor(&mut self, cx: &mut Context<'_>) -> Outcome {
        if cx.now >= self.next_look {
            self.next_look = cx.now + Timing::ms(cx.config.timing.node_monitor_period_ms);
            if self.look(cx).is_err() {
                self.next_look = cx.now;
                return Outcome::Retry;
            }
        } else if self.pass(cx).is_err() {
            return Outcome::Retry;
        }
        let waiting = self.zones.values().filter_map(Zone::next);
        let pass = waiting.map(|next| next_pass(next.max(cx.now))).min();
        let next = pass.map_or(self.next_look, |pass| pass.min(self.next_look));
        Outcome::At(next)
    }

    /// Looks at all nodes (`monitorNodeHealth`).
    fn look(&mut self, cx: &mut Context<'_>) -> Result<(), ApiError> {
        let nodes = cx.store.objects.nodes.clone();
        let mut ready: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        self.forget_gone(cx);
        for node in nodes.values() {
            let node = self.look_at(node, cx)?;
            if Resource::labels(&*node).contains_key(EXCLUDED) {
                continue;
            }
            let counts = ready.entry(zone::of(&node)).or_default();
            match condition(&node, "Ready") {
                Some("True") => counts.0 += 1,
                _ => counts.1 += 1,
            }
        }
        self.handle_disruption(&ready, cx)
    }

    fn forget_gone(&mut self, cx: &mut Context<'_>) {
        let objects = &cx.store.objects;
        let gone: Vec<(Name, Uid)> = self
            .nodes
            .iter()
            .filter(|(name, _)| objects.node(name).is_none())
            .map(|(name, health)| (name.clone(), health.uid))
            .collect();
        for (name, uid) in gone {
            let text = format!("Removing Node {name} from Controller");
            report(cx, &name, uid, "RemovingNode", &text);
            self.heard.remove(&name);
            if let Some(health) = self.nodes.remove(&name)
                && let Some(zone) = self.zones.get_mut(&health.zone)
            {
                zone.remove(&name);
            }
        }
    }

    /// Looks at one node; returns it as it is afterwards.
    fn look_at(&mut self, node: &Arc<Node>, cx: &mut Context<'_>) -> Result<Arc<Node>, ApiError> {
        let name = node.key().name;
        self.meet(&name, node, cx);
        let was = condition(node, "Ready").map(str::to_owned);
        let timing = &cx.config.timing;
        let grace = match was {
            None => timing.node_startup_grace_ms,
            Some(_) => timing.node_monitor_grace_ms,
        };
        let heard = self.heard.remove(&name);
        let Some(health) = self.nodes.get_mut(&name) else {
            return Ok(Arc::clone(node));
        };
        if heard {
            health.seen = cx.now;
        }
        // Upstream asks for more than the grace; its looks drift by the time they take, ours are exact.
        let silent = cx.now >= health.seen + Timing::ms(grace)
            && cx.config.defect != Some(Defect::SilenceUnnoticed);
        let mut node = Arc::clone(node);
        if silent && let Some(unknown) = as_unknown(&node, cx.now) {
            node = cx.update_status(unknown)?;
        }
        self.queue_for_taint(&name, &node, cx)?;
        if was.as_deref() == Some("True") && condition(&node, "Ready") != Some("True") {
            let message = format!("Node {name} status is now: NodeNotReady");
            cx.event(&*node, EventType::Normal, "NodeNotReady", message);
            let pods: Vec<_> = cx.store.objects.pods_on(&name).cloned().collect();
            for pod in pods {
                mark_not_ready(&pod, cx)?;
            }
        }
        // Its taints may have changed with it.
        let key = Key::cluster(name);
        Ok(cx.get::<Node>(&key).unwrap_or(node))
    }

    /// A node that is new to the controller, or another one under an old name, or in another zone.
    fn meet(&mut self, name: &Name, node: &Node, cx: &mut Context<'_>) {
        let (uid, zone) = (node.uid(), zone::of(node));
        self.zones
            .entry(zone.clone())
            .or_insert_with(|| Zone::new(&cx.config.timing));
        match self.nodes.get_mut(name) {
            Some(health) if health.uid == uid => {
                if health.zone != zone {
                    if let Some(old) = self.zones.get_mut(&health.zone) {
                        old.remove(name);
                    }
                    health.zone = zone;
                }
            }
            _ => {
                let text = format!("Registered Node {name} in Controller");
                report(cx, name, uid, "RegisteredNode", &text);
                // A node that has never reported is given time from its creation on, any other from now.
                let seen = match condition(node, "Ready") {
                    None => node.created(),
                    Some(_) => cx.now,
                };
                let health = Health { uid, seen, zone };
                self.nodes.insert(name.clone(), health);
            }
        }
    }

    /// Queues a node that is not ready for its NoExecute taint; takes both taints from one that is
    /// (`processTaintBaseEviction`).
    fn queue_for_taint(
        &mut self,
        name: &Name,
        node: &Arc<Node>,
        cx: &mut Context<'_>,
    ) -> Result<(), ApiError> {
        let Some(zone) = self.zones.get_mut(&zone::of(node)) else {
            return Ok(());
        };
        let (right, wrong) = match condition(node, "Ready") {
            Some("True") => {
                zone.remove(name);
                return swap(cx, node, None, &[NOT_READY, UNREACHABLE]);
            }
            Some("False") => (NOT_READY, UNREACHABLE),
            Some(_) => (UNREACHABLE, NOT_READY),
            None => return Ok(()),
        };
        if evicts(node, wrong) {
            return swap(cx, node, Some(right), &[wrong]);
        }
        if !evicts(node, right) {
            zone.add(name);
        }
        Ok(())
    }

    /// Judges the zones and sets the rates at which their nodes are emptied.
    fn handle_disruption(
        &mut self,
        ready: &BTreeMap<String, (usize, usize)>,
        cx: &mut Context<'_>,
    ) -> Result<(), ApiError> {
        let now = cx.now;
        let states = ready
            .iter()
            .map(|(zone, (up, down))| (zone.clone(), (zone::state(*up, *down), up + down)));
        let states: BTreeMap<String, (State, usize)> = states.collect();
        let all_are = states.values().all(|(state, _)| *state == State::Full);
        let judged = |zone: &String| states.contains_key(zone);
        self.zones.retain(|name, zone| judged(name) || zone.waits());
        let all_were = self.zones.values().all(|zone| zone.state == State::Full);
        if all_are && all_were {
            return Ok(());
        }
        if all_are {
            // Master disruption mode: stop everything.
            for zone in self.zones.values_mut() {
                zone.set_rate(0, now);
                zone.state = State::Full;
            }
            let nodes = cx.store.objects.nodes.clone();
            for node in nodes.values() {
                if let Some(zone) = self.zones.get_mut(&zone::of(node)) {
                    zone.remove(&node.key().name);
                }
                swap(cx, node, None, &[NOT_READY, UNREACHABLE])?;
            }
            return Ok(());
        }
        if all_were {
            for health in self.nodes.values_mut() {
                health.seen = now;
            }
        }
        for (name, (state, nodes)) in states {
            if let Some(zone) = self.zones.get_mut(&name)
                && (all_were || zone.state != state)
            {
                zone.set_rate(zone::rate(state, nodes, &cx.config.timing), now);
                zone.state = state;
            }
        }
        Ok(())
    }

    /// Gives NoExecute taints to the nodes whose turn it is (`doNoExecuteTaintingPass`).
    fn pass(&mut self, cx: &mut Context<'_>) -> Result<(), ApiError> {
        for zone in self.zones.values_mut() {
            while let Some(name) = zone.pop(cx.now) {
                let Some(node) = cx.get::<Node>(&Key::cluster(name)) else {
                    continue;
                };
                match condition(&node, "Ready") {
                    Some("False") => swap(cx, &node, Some(NOT_READY), &[UNREACHABLE])?,
                    Some("Unknown") => swap(cx, &node, Some(UNREACHABLE), &[NOT_READY])?,
                    // It has come back.
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The first pass at or after a time, on a grid; never at a monitor's own instant.
fn next_pass(at: Time) -> Time {
    let grid = i64::try_from(PASS.as_micros()).unwrap_or(i64::MAX);
    Time((at.as_micros().div_euclid(grid) + 1) * grid)
}

/// The node with the conditions of one that has not reported for too long; none if it has them.
fn as_unknown(node: &Node, now: Time) -> Option<Node> {
    let mut changed = node.clone();
    let created = node.metadata.creation_timestamp.clone();
    let conditions = changed
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    for kind in REPORTED {
        match conditions.iter_mut().find(|c| c.type_ == kind) {
            None => conditions.push(NodeCondition {
                type_: kind.to_owned(),
                status: "Unknown".to_owned(),
                reason: Some("NodeStatusNeverUpdated".to_owned()),
                message: Some("Kubelet never posted node status.".to_owned()),
                last_heartbeat_time: created.clone(),
                last_transition_time: Some(now.to_k8s()),
            }),
            Some(known) if known.status != "Unknown" => {
                "Unknown".clone_into(&mut known.status);
                known.reason = Some("NodeStatusUnknown".to_owned());
                known.message = Some("Kubelet stopped posting node status.".to_owned());
                known.last_transition_time = Some(now.to_k8s());
            }
            Some(_) => {}
        }
    }
    // Only what the Ready condition says decides whether it is written, as upstream.
    (condition(node, "Ready") != condition(&changed, "Ready")).then_some(changed)
}

fn report(cx: &mut Context<'_>, node: &Name, uid: Uid, reason: &str, text: &str) {
    let regarding = ObjectRef::new(Kind::Node, Key::cluster(node.clone()));
    let message = format!("Node {node} event: {text}");
    cx.event_from(
        regarding,
        uid,
        EventType::Normal,
        reason,
        message.into(),
        None,
    );
}

fn taint_by_conditions(name: &Name, cx: &mut Context<'_>) -> Result<(), ApiError> {
    let Some(node) = cx.get::<Node>(&Key::cluster(name.clone())) else {
        return Ok(());
    };
    match taints::with_no_schedule(&node, cx.now) {
        Some(node) => cx.update(node).map(drop),
        None => Ok(()),
    }
}

/// A pod that comes to a node that is not ready is not ready either.
fn bound(key: &Key, cx: &mut Context<'_>) -> Result<(), ApiError> {
    let Some(pod) = cx.get::<Pod>(key) else {
        return Ok(());
    };
    let node = pod.node.as_ref();
    let node = node.and_then(|name| cx.store.objects.node(name));
    match node.and_then(|node| condition(node, "Ready")) {
        None | Some("True") => Ok(()),
        Some(_) => mark_not_ready(&pod, cx),
    }
}

/// Says of a pod that it is not ready, as its kubelet does not (`MarkPodsNotReady`).
fn mark_not_ready(pod: &Arc<Pod>, cx: &mut Context<'_>) -> Result<(), ApiError> {
    let Some(ready) = pod.condition("Ready").filter(|c| c.status != "False") else {
        return Ok(());
    };
    let condition = PodCondition {
        status: "False".to_owned(),
        ..ready.clone()
    };
    let mut changed = Pod::clone(pod);
    set_pod_condition(Arc::make_mut(&mut changed.status), condition, cx.now);
    cx.update_status(changed)?;
    cx.event(
        &**pod,
        EventType::Warning,
        "NodeNotReady",
        "Node is not ready",
    );
    Ok(())
}
