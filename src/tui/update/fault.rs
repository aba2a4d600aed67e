//! Breaking things and mending them.

use k8s_openapi::api::core::v1::NodeStatus;

use super::Command;
use crate::{
    api::{Key, Kind, Name, ObjectRef, Quantity},
    store::{
        Input, Subresource, WriteRequest, WriteVerb,
        input::{Fault, FaultRequest, Target},
    },
    tui::{
        action::Action,
        census::is_ready,
        model::{Model, Overlay, Pending},
    },
};

/// The faults that the menu offers, in its order.
pub const MENU: [Action; 4] = [
    Action::Kill,
    Action::Reboot,
    Action::CutHeartbeats,
    Action::Cordon,
];

/// Opens the menu, if there is something to break.
pub fn open_menu(model: &mut Model) {
    if model.target().is_none() {
        model.say("no node and no pod is selected");
    } else {
        model.overlay = Some(Overlay::Faults);
    }
}

/// Why an action of the menu cannot be taken on the selection, if it cannot.
#[must_use]
pub fn refusal(model: &Model, action: Action) -> Option<&'static str> {
    let world = &model.snapshot.store.world;
    match (model.target(), action) {
        (None, _) => Some("no node and no pod is selected"),
        (Some(Target::Pod(_)), Action::Reboot | Action::CutHeartbeats | Action::Cordon) => {
            Some("nodes only")
        }
        (Some(Target::Pod(key)), _) => match model.pod(&key) {
            Some(pod) if pod.node.is_none() => Some("the pod is on no node"),
            Some(_) => None,
            None => Some("the pod is gone"),
        },
        (Some(Target::Node(node)), Action::Kill | Action::Reboot) => {
            let on = world
                .nodes
                .get(&node)
                .is_none_or(crate::store::world::NodeTruth::is_on);
            (!on).then_some("the node is off")
        }
        (Some(Target::Node(node)), Action::CutHeartbeats) => {
            let connected = world.nodes.get(&node).is_none_or(|truth| truth.connected);
            (!connected).then_some("the node is cut off")
        }
        (Some(Target::Node(_)), _) => None,
    }
}

/// Takes an action of the menu.
pub fn fire(model: &mut Model, action: Action) -> Vec<Command> {
    if let Some(why) = refusal(model, action) {
        model.say(format!("not {}: {why}", action.info().label));
        model.overlay = None;
        return Vec::new();
    }
    model.overlay = None;
    let fault = match action {
        Action::Kill => Fault::Kill,
        Action::Reboot => Fault::Reboot,
        Action::CutHeartbeats => Fault::CutHeartbeats,
        _ => return cordon(model),
    };
    let Some(target) = model.target() else {
        return Vec::new();
    };
    let question = match &target {
        Target::Node(node) => question(model, node),
        Target::Pod(_) => None,
    };
    let input = Input::Fault(FaultRequest::Inject { fault, target });
    match question {
        Some(question) => {
            model.overlay = Some(Overlay::Confirm {
                question,
                then: Pending::Send(input),
            });
            Vec::new()
        }
        None => vec![Command::Send(input)],
    }
}

/// What is asked before a node is broken that the cluster can hardly spare.
fn question(model: &Model, node: &Name) -> Option<String> {
    let nodes = &model.snapshot.store.objects.nodes;
    let this = nodes
        .get(&Key::cluster(node.clone()))
        .filter(|node| is_ready(node))?;
    if model.census.ready <= 1 {
        return Some(format!("{node} is the last ready node. Break it?"));
    }
    let cpu = |status: Option<&NodeStatus>| {
        let allocatable = status.and_then(|status| status.allocatable.as_ref());
        allocatable
            .and_then(|list| list.get("cpu"))
            .map_or(0, |cpu| Quantity::of(cpu).milli_value())
    };
    let all: i64 = nodes
        .values()
        .filter(|node| is_ready(node))
        .map(|node| cpu(node.status.as_ref()))
        .sum();
    let part = cpu(this.status.as_ref());
    (part > 0 && part * 2 > all).then(|| {
        format!(
            "{node} has {} % of the ready capacity. Break it?",
            part * 100 / all.max(1)
        )
    })
}

fn cordon(model: &mut Model) -> Vec<Command> {
    let Some(Target::Node(name)) = model.target() else {
        return Vec::new();
    };
    let node = model.snapshot.store.objects.node(&name);
    let cordoned = node
        .and_then(|node| node.spec.as_ref())
        .and_then(|spec| spec.unschedulable)
        == Some(true);
    let value = if cordoned {
        serde_json::Value::Null
    } else {
        true.into()
    };
    model.say(format!(
        "{name} {}",
        if cordoned {
            "uncordoned"
        } else {
            "cordoned: no new pods"
        }
    ));
    model.writes += 1;
    vec![Command::Write(WriteRequest {
        id: model.writes,
        user: "user".into(),
        verb: WriteVerb::MergePatch {
            target: ObjectRef::new(Kind::Node, Key::cluster(name)),
            subresource: Subresource::Main,
            patch: serde_json::json!({ "spec": { "unschedulable": value } }),
        },
    })]
}

/// Undoes what was done to the selection; for a pod, to its node.
pub fn heal(model: &mut Model) -> Vec<Command> {
    let node = match model.target() {
        None => None,
        Some(Target::Node(node)) => Some(node),
        Some(Target::Pod(key)) => model.pod(&key).and_then(|pod| pod.node.clone()),
    };
    let Some(node) = node else {
        model.say("nothing to heal");
        return Vec::new();
    };
    let truth = model.snapshot.store.world.nodes.get(&node);
    if truth.is_none_or(|truth| truth.is_on() && truth.connected) {
        model.say(format!("nothing to heal: {node} is on and connected"));
        return Vec::new();
    }
    model.say(format!("healing {node}"));
    vec![Command::Send(Input::Fault(FaultRequest::Heal {
        target: Target::Node(node),
    }))]
}
