//! One seed: a cluster, what is done to it, and what it must look like in the end.

use std::time::Duration;

use kubeplay::{
    api::{Object, Time, codec},
    cluster::{Cluster, drive::Drive, journal::Journal},
    runtime::simulated::SimulatedRuntime,
    store::{Config, Defect, Preset, Random},
};
use serde_json::json;

use super::{Memory, Violation, actions::Actions, invariants::Invariants};

/// A deployment that is never available for long.
pub const CRASHER: &str = "crasher";
/// How long a cluster has to come up.
const SETTLE: Duration = Duration::from_secs(20);
/// How long it is mistreated.
const FAULTS: Duration = Duration::from_secs(60);
/// How long it has to recover from the last fault: detection, toleration, and the longest back-offs of the preset.
const CONVERGE: Duration = Duration::from_secs(90);

/// How long the pods of a dead node have to be elsewhere.
const DRILL: Duration = Duration::from_secs(30);

/// A run that kept every invariant.
pub struct Run {
    pub steps: u64,
    pub faults: u64,
    pub journal: Vec<u8>,
    pub state_hash: u64,
    pub end: Time,
}

/// A run under way.
pub struct Scenario {
    pub drive: Drive<SimulatedRuntime>,
    pub random: Random,
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// The names of the deployments.
    pub deployments: Vec<String>,
    /// Whether something other than a rollout keeps replicas from being available.
    disturbed: bool,
    /// When something was last done that may keep them.
    disturbed_at: Time,
    invariants: Invariants,
    journal: Memory,
    steps: u64,
}

impl Scenario {
    fn new(seed: u64, defect: Option<Defect>) -> Self {
        let mut config = Config::new("sim", seed, Preset::Fast);
        config.defect = defect;
        let journal = Memory::default();
        let mut drive = Drive::new(
            Cluster::new(config.clone()),
            SimulatedRuntime::new(config.seed),
        );
        drive.record(Journal::begin(Box::new(journal.clone()) as _, &config).unwrap());
        let mut scenario = Self {
            drive,
            random: Random::new(seed),
            nodes: Vec::new(),
            deployments: Vec::new(),
            disturbed: true,
            disturbed_at: Time::ZERO,
            invariants: Invariants::default(),
            journal,
            steps: 0,
        };
        scenario.build();
        scenario.build_crasher();
        scenario
    }

    /// A number from `low` to `high` (both included) for a purpose.
    pub fn pick(&self, low: u64, high: u64, what: &str) -> u64 {
        low + self.random.below(high - low + 1, "scenario", what, 0)
    }

    /// Nodes with room to spare for the deployments: one node less must still do.
    fn build(&mut self) {
        let nodes = self.pick(4, 8, "nodes");
        let zones = self.pick(1, 3, "zones");
        for index in 0..nodes {
            let name = format!("node-{}", index + 1);
            self.create(
                json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {
                    "kubernetes.io/hostname": name,
                    "topology.kubernetes.io/zone": format!("zone-{}", index % zones)}},
                "status": {"capacity": {"cpu": "2", "memory": "4Gi", "pods": "20"},
                    "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "20"}}}),
            );
            self.nodes.push(name);
        }
        let deployments = self.pick(1, 3, "deployments");
        for index in 0..deployments {
            let name = format!("app-{index}");
            let replicas = self.pick(1, 5, &name);
            let (surge, unavailable) = match self.pick(0, 3, &format!("{name} strategy")) {
                0 => (json!("25%"), json!("25%")),
                1 => (json!(1), json!(0)),
                2 => (json!(0), json!(1)),
                _ => (json!("50%"), json!("50%")),
            };
            self.create(json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
                    "template": {"metadata": {"labels": {"app": name}}, "spec": {
                        "terminationGracePeriodSeconds": 2,
                        "containers": [{"name": "app", "image": "example/app:1",
                            "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}}}]}}}}));
            self.create(json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}}));
            self.deployments.push(name);
        }
    }

    /// A workload whose program ends again and again.
    fn build_crasher(&mut self) {
        let seconds = self.pick(2, 9, "crasher");
        self.create(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": CRASHER, "namespace": "default"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": CRASHER}},
                "template": {"metadata": {"labels": {"app": CRASHER}}, "spec": {
                    "containers": [{"name": "app", "image": "example/app:1",
                        "command": ["sh", "-c", format!("sleep {seconds}; exit 1")]}]}}}}));
    }

    fn create(&mut self, value: serde_json::Value) {
        let object: Object = codec::from_any(value).unwrap();
        self.drive.create(object).unwrap();
    }

    /// Goes on until `end`, with the invariants checked after every step.
    pub fn run_until(&mut self, end: Time) -> Result<(), String> {
        loop {
            self.steps += 1;
            self.check()?;
            if !self.drive.advance(end) {
                return self.check();
            }
        }
    }

    /// Notes that something was done that may keep replicas from being available.
    pub fn disturb(&mut self) {
        self.disturbed = true;
        self.disturbed_at = self.drive.now();
    }

    /// Checks the invariants now.
    pub fn check(&mut self) -> Result<(), String> {
        // What was done a moment ago may not have happened yet: a container takes its time to die.
        let settled = self.drive.now() > self.disturbed_at + Duration::from_secs(1);
        if self.disturbed && settled && super::invariants::is_calm(self.drive.cluster.store()) {
            self.disturbed = false;
        }
        self.invariants.check(&self.drive, self.disturbed)
    }

    fn finish(&mut self) -> Result<u64, String> {
        self.run_until(Time::ZERO + SETTLE)?;
        super::invariants::is_converged(self.drive.cluster.store())
            .map_err(|what| format!("not settled: {what}"))?;
        let mut actions = Actions::default();
        let end = self.drive.now() + FAULTS;
        while self.drive.now() < end {
            actions.one(self)?;
            let pause = 200 + self.random.below(4000, "pause", "", actions.count);
            let until = self.drive.now() + Duration::from_millis(pause);
            self.run_until(until.min(end))?;
        }
        actions.undo_all(self)?;
        self.run_until(self.drive.now() + CONVERGE)?;
        super::invariants::is_converged(self.drive.cluster.store())
            .map_err(|what| format!("not converged: {what}"))?;
        self.invariants.at_the_end(&self.drive)?;
        self.drill(&mut actions)?;
        // What is deleted takes what it owns along.
        actions.delete_a_deployment(self)?;
        self.run_until(self.drive.now() + CONVERGE)?;
        self.invariants.nothing_is_orphaned(&self.drive)?;
        Ok(actions.count)
    }

    /// One node dies and nothing else is the matter: then its pods must be elsewhere when detection, toleration and
    /// start-up are over.
    fn drill(&mut self, actions: &mut Actions) -> Result<(), String> {
        let node = actions.kill_a_node(self)?;
        self.run_until(self.drive.now() + DRILL)?;
        super::invariants::is_evacuated(self.drive.cluster.store(), &node)?;
        actions.undo_all(self)?;
        self.run_until(self.drive.now() + CONVERGE)?;
        super::invariants::is_converged(self.drive.cluster.store())
            .map_err(|what| format!("not converged after the drill: {what}"))
    }

    /// Runs a seed.
    pub fn run(seed: u64, defect: Option<Defect>) -> Result<Run, Violation> {
        let mut scenario = Self::new(seed, defect);
        match scenario.finish() {
            Ok(faults) => Ok(Run {
                steps: scenario.steps,
                faults,
                journal: scenario.journal.bytes(),
                state_hash: scenario.drive.cluster.state_hash(),
                end: scenario.drive.cluster.now(),
            }),
            Err(what) => Err(Violation {
                seed,
                at: scenario.drive.now().to_string(),
                what,
                journal: scenario.journal.bytes(),
            }),
        }
    }

    /// A settled cluster.
    pub fn settled(seed: u64) -> Drive<SimulatedRuntime> {
        let mut scenario = Self::new(seed, None);
        scenario.run_until(Time::ZERO + SETTLE).unwrap();
        scenario.drive
    }
}
