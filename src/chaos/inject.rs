//! Doing a fault to a target, and undoing it.

use std::{sync::Arc, time::Duration};

use super::{Chaos, Work, recovery::Recovery};
use crate::{
    api::{EventType, Key, Kind, Name, Node, ObjectRef, Pod, Resource, Uid},
    store::{
        Context, EventReport, Incident, WorkQueue,
        config::RuntimeKind,
        input::{Fault, FaultRequest, Target},
        runtime::Verb,
        world::{Power, WorldChange},
    },
};

impl Chaos {
    pub(super) fn take(
        &mut self,
        request: &FaultRequest,
        cx: &mut Context<'_>,
        queue: &mut WorkQueue<Work>,
    ) {
        match request {
            FaultRequest::Inject { fault, target } => match inject(*fault, target, cx) {
                Ok(hit) => self.open_incident(*fault, target, &hit, cx, queue),
                Err(why) => refused(target, &format!("{} refused: {why}", fault.as_str()), cx),
            },
            FaultRequest::Heal { target } => match heal(target, cx) {
                Ok(()) => self.healed(target, cx, queue),
                Err(why) => refused(target, &format!("heal refused: {why}"), cx),
            },
        }
    }

    fn open_incident(
        &mut self,
        fault: Fault,
        target: &Target,
        hit: &[Arc<Pod>],
        cx: &mut Context<'_>,
        queue: &mut WorkQueue<Work>,
    ) {
        let id = cx.store.incidents.last().map_or(1, |last| last.id + 1);
        cx.store.incidents.push_back(Arc::new(Incident {
            id,
            fault,
            target: target.clone(),
            at: cx.now,
            record: cx.cause,
            pods: hit.iter().map(|pod| pod.meta.key.clone()).collect(),
            phases: Vec::new(),
            healed: None,
            recovered: None,
            waiting_for: Name::from(""),
            waiting_until: None,
        }));
        let recovery = Recovery::begin(id, fault, target, hit, cx.store);
        self.open.insert(id, recovery);
        queue.add(Work::Incident(id), cx.cause);
    }

    fn healed(&mut self, target: &Target, cx: &mut Context<'_>, queue: &mut WorkQueue<Work>) {
        for incident in cx.store.incidents.iter_mut().rev() {
            if incident.target == *target && incident.healed.is_none() {
                Arc::make_mut(incident).healed = Some(cx.now);
                if self.open.contains_key(&incident.id) {
                    queue.add(Work::Incident(incident.id), cx.cause);
                }
            }
        }
    }
}

/// Does a fault to a target; the pods that it hits.
fn inject(fault: Fault, target: &Target, cx: &mut Context<'_>) -> Result<Vec<Arc<Pod>>, String> {
    match (target, fault) {
        (Target::Node(name), fault) => {
            let node = cx.get::<Node>(&Key::cluster(name.clone()));
            let node = node.ok_or_else(|| format!("there is no node {name}"))?;
            inject_node(fault, name, &node, cx)?;
            let pods = cx.store.objects.pods_on(name);
            Ok(pods.filter(|pod| pod.is_active()).cloned().collect())
        }
        (Target::Pod(key), Fault::Kill) => {
            let pod = cx.get::<Pod>(key);
            let pod = pod.ok_or_else(|| format!("there is no pod {key}"))?;
            let node = pod.node.clone();
            let node = node.ok_or_else(|| format!("pod {key} is on no node"))?;
            if !cx.store.world.is_on(&node) {
                return Err(format!("node {node} of pod {key} is dark"));
            }
            let message = "Injected fault: all containers of the pod are killed";
            event(target, EventType::Warning, "PodKilled", message, cx);
            let runtime = runtime_of(&node, cx);
            cx.call(&node, runtime, Verb::KillPod { pod: pod.meta.uid });
            Ok(vec![pod])
        }
        (Target::Pod(_), fault) => Err(format!("{} is for nodes, not for pods", fault.as_str())),
    }
}

fn inject_node(fault: Fault, name: &Name, node: &Node, cx: &mut Context<'_>) -> Result<(), String> {
    let target = Target::Node(name.clone());
    let truth = cx.store.world.nodes.get(name).cloned();
    let power = truth.as_ref().map_or(Power::Off, |truth| truth.power);
    let node_name = name.clone();
    let (change, reason, message) = match fault {
        Fault::Kill if power == Power::Off => return Err(format!("node {name} is off")),
        Fault::Kill => (
            WorldChange::NodeOff { node: node_name },
            "NodeKilled",
            "Injected fault: the node has no power until it is healed",
        ),
        Fault::Reboot if power != Power::On => return Err(format!("node {name} is not on")),
        Fault::Reboot => (
            WorldChange::NodeBooting {
                node: node_name,
                until: cx.now + Duration::from_millis(cx.config.timing.node_boot_ms),
            },
            "NodeRebooted",
            "Injected fault: the node is rebooted",
        ),
        Fault::CutHeartbeats if truth.is_some_and(|truth| !truth.connected) => {
            return Err(format!("node {name} is cut off"));
        }
        Fault::CutHeartbeats => (
            WorldChange::HeartbeatsCut { node: node_name },
            "HeartbeatsCut",
            "Injected fault: the kubelet does not reach the control plane until it is healed",
        ),
    };
    event(&target, EventType::Warning, reason, message, cx);
    cx.change_world(change);
    if fault != Fault::CutHeartbeats && power == Power::On {
        cx.call(name, RuntimeKind::of(node), Verb::KillNode);
    }
    Ok(())
}

/// Undoes whatever is done to a target.
fn heal(target: &Target, cx: &mut Context<'_>) -> Result<(), String> {
    let name = match target {
        Target::Node(name) => name.clone(),
        Target::Pod(key) => return Err(format!("nothing is done to pod {key} that lasts")),
    };
    let Some(truth) = cx.store.world.nodes.get(&name).cloned() else {
        return Err(format!("there is no node {name}"));
    };
    let dark = truth.power == Power::Off;
    if !dark && truth.connected {
        return match truth.power {
            Power::Booting { .. } => Err(format!("node {name} boots already")),
            _ => Err(format!("nothing is done to node {name}")),
        };
    }
    event(
        target,
        EventType::Normal,
        "FaultHealed",
        "Injected faults are undone",
        cx,
    );
    if !truth.connected {
        cx.change_world(WorldChange::HeartbeatsRestored { node: name.clone() });
    }
    if dark {
        let until = cx.now + Duration::from_millis(cx.config.timing.node_boot_ms);
        cx.change_world(WorldChange::NodeBooting { node: name, until });
    }
    Ok(())
}

fn runtime_of(node: &Name, cx: &Context<'_>) -> RuntimeKind {
    let node = cx.store.objects.node(node);
    node.map_or(RuntimeKind::Simulated, |node| RuntimeKind::of(node))
}

/// Says that a fault could not be done or undone.
fn refused(target: &Target, message: &str, cx: &mut Context<'_>) {
    event(target, EventType::Warning, "FaultRefused", message, cx);
}

fn event(
    target: &Target,
    event_type: EventType,
    reason: &str,
    message: &str,
    cx: &mut Context<'_>,
) {
    let (regarding, uid) = match target {
        Target::Node(name) => {
            let node = cx.store.objects.node(name);
            let uid = node.map_or(Uid::NONE, |node| node.uid());
            (ObjectRef::new(Kind::Node, Key::cluster(name.clone())), uid)
        }
        Target::Pod(key) => {
            let pod = cx.store.objects.get::<Pod>(key);
            let uid = pod.map_or(Uid::NONE, |pod| pod.meta.uid);
            (ObjectRef::new(Kind::Pod, key.clone()), uid)
        }
    };
    cx.report(EventReport {
        regarding,
        uid,
        field_path: None,
        event_type,
        reason,
        message: message.into(),
        host: None,
    });
}
