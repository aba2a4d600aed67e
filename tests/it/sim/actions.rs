//! What is done to a cluster, chosen by the seed.

use kubeplay::{
    api::{Key, Kind, Name, ObjectRef},
    runtime::faulty::Engine,
    store::{
        DeleteOptions, Input, Subresource, WriteVerb,
        input::{Fault, FaultRequest, Target},
    },
};
use serde_json::{Value, json};

use super::scenario::{CRASHER, Scenario};

/// The actions of a run.
#[derive(Default)]
pub struct Actions {
    /// How many there were.
    pub count: u64,
}

impl Actions {
    /// Does one thing.
    pub fn one(&mut self, scenario: &mut Scenario) -> Result<(), String> {
        self.count += 1;
        let count = self.count;
        let random = scenario.random;
        let below = |bound: u64, what: &str| random.below(bound, "action", what, count);
        let node = scenario.nodes[below(scenario.nodes.len() as u64, "node") as usize].clone();
        let index = below(scenario.deployments.len() as u64, "deployment") as usize;
        let deployment = scenario.deployments[index].clone();
        // A rollout alone does not excuse missing replicas; everything else does.
        let rollout = match below(14, "kind") {
            0 | 1 => fault(
                scenario,
                Fault::Kill,
                Target::Node(Name::from(node.as_str())),
            ),
            2 => fault(
                scenario,
                Fault::Reboot,
                Target::Node(Name::from(node.as_str())),
            ),
            3 | 4 => fault(
                scenario,
                Fault::CutHeartbeats,
                Target::Node(Name::from(node.as_str())),
            ),
            5 | 6 => heal(scenario, &node),
            7 => match pod(scenario, below(1 << 32, "pod")) {
                Some(key) => fault(scenario, Fault::Kill, Target::Pod(key)),
                None => Ok(false),
            },
            8 => match pod(scenario, below(1 << 32, "pod")) {
                Some(key) => delete(scenario, Kind::Pod, key),
                None => Ok(false),
            },
            9 => cordon(scenario, &node, true),
            10 => cordon(scenario, &node, false),
            11 => scale(scenario, &deployment, below(6, "replicas")),
            12 => image(scenario, &deployment, &format!("example/app:{}", count + 1)),
            _ => image(scenario, &deployment, "example/does-not-exist:1"),
        }?;
        if !rollout {
            scenario.disturb();
        }
        scenario.check()
    }

    /// Kills a node that has pods.
    pub fn kill_a_node(&mut self, scenario: &mut Scenario) -> Result<String, String> {
        self.count += 1;
        let pods = &scenario.drive.cluster.store().objects.pods;
        let node = pods
            .values()
            .find_map(|pod| pod.node.clone())
            .ok_or("no pod is bound")?;
        scenario.disturb();
        fault(scenario, Fault::Kill, Target::Node(node.clone()))?;
        Ok(node.to_string())
    }

    /// Heals every node, lets pods onto all of them and gives every deployment an image that exists.
    pub fn undo_all(&mut self, scenario: &mut Scenario) -> Result<(), String> {
        scenario.disturb();
        for node in scenario.nodes.clone() {
            heal(scenario, &node)?;
            cordon(scenario, &node, false)?;
        }
        for deployment in scenario.deployments.clone() {
            image(scenario, &deployment, "example/app:final")?;
        }
        scenario.check()
    }

    /// Lets the engine be unreachable, or silent, or be as it was.
    pub fn engine(&mut self, scenario: &mut Scenario) {
        self.count += 1;
        let engine = match scenario.random.below(6, "action", "engine", self.count) {
            0 => Engine::Down,
            1 => Engine::Hung,
            _ => Engine::Up,
        };
        let now = scenario.drive.now();
        scenario.drive.runtime.set_engine(now, engine);
    }

    /// Deletes all deployments.
    pub fn delete_all(&mut self, scenario: &mut Scenario) -> Result<(), String> {
        let names = scenario.deployments.clone();
        for name in names.iter().map(String::as_str).chain([CRASHER]) {
            delete(scenario, Kind::Deployment, Key::new("default", name))?;
        }
        Ok(())
    }

    /// Deletes the first deployment.
    pub fn delete_a_deployment(&mut self, scenario: &mut Scenario) -> Result<(), String> {
        let name = scenario.deployments[0].clone();
        scenario.disturb();
        delete(
            scenario,
            Kind::Deployment,
            Key::new("default", name.as_str()),
        )
        .map(drop)
    }
}

fn fault(scenario: &mut Scenario, fault: Fault, target: Target) -> Result<bool, String> {
    scenario
        .drive
        .input(&Input::Fault(FaultRequest::Inject { fault, target }));
    Ok(false)
}

fn heal(scenario: &mut Scenario, node: &str) -> Result<bool, String> {
    let target = Target::Node(Name::from(node));
    scenario
        .drive
        .input(&Input::Fault(FaultRequest::Heal { target }));
    Ok(false)
}

fn pod(scenario: &Scenario, random: u64) -> Option<Key> {
    let pods = &scenario.drive.cluster.store().objects.pods;
    let index = random as usize % pods.len().max(1);
    pods.keys().nth(index).cloned()
}

fn patch(scenario: &mut Scenario, target: ObjectRef, patch: Value) -> Result<(), String> {
    let subresource = Subresource::Main;
    scenario
        .drive
        .write(WriteVerb::MergePatch {
            target,
            subresource,
            patch,
        })
        .map(drop)
        .map_err(|error| format!("the API refused a patch that is right: {error}"))
}

fn cordon(scenario: &mut Scenario, node: &str, on: bool) -> Result<bool, String> {
    let target = ObjectRef::new(Kind::Node, Key::cluster(node));
    let value = if on { json!(true) } else { Value::Null };
    patch(scenario, target, json!({"spec": {"unschedulable": value}}))?;
    Ok(false)
}

fn deployment(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::Deployment, Key::new("default", name))
}

fn scale(scenario: &mut Scenario, name: &str, replicas: u64) -> Result<bool, String> {
    patch(
        scenario,
        deployment(name),
        json!({"spec": {"replicas": replicas}}),
    )?;
    Ok(false)
}

fn image(scenario: &mut Scenario, name: &str, image: &str) -> Result<bool, String> {
    let containers = json!([{"name": "app", "image": image,
        "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}}}]);
    patch(
        scenario,
        deployment(name),
        json!({"spec": {"template": {"spec": {"containers": containers}}}}),
    )?;
    Ok(true)
}

fn delete(scenario: &mut Scenario, kind: Kind, key: Key) -> Result<bool, String> {
    let target = ObjectRef::new(kind, key);
    let options = DeleteOptions::default();
    scenario
        .drive
        .write(WriteVerb::Delete { target, options })
        .map(|_| false)
        .map_err(|error| format!("the API refused to delete what is there: {error}"))
}
