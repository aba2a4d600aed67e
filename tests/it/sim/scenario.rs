//! One seed: a cluster, what is done to it, and what it must look like in the end.

use std::time::Duration;

use kubeplay::{
    api::{Object, Time, codec},
    cluster::{Cluster, drive::Drive, journal::Journal},
    runtime::{
        faulty::{Engine, FaultyRuntime, LATEST, Odds},
        simulated::SimulatedRuntime,
    },
    store::{Config, Defect, Preset, Random, config::RuntimeKind, runtime::Verb},
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

/// How long a cluster has at most to recover from a runtime that failed: a pull that was lost is given up after ten
/// minutes, and may be lost again meanwhile.
const RECOVER: Duration = Duration::from_secs(1500);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long the pods of a dead node have to be elsewhere.
const DRILL: Duration = Duration::from_secs(30);

/// What the pods are made of.
pub type Runtime = FaultyRuntime<SimulatedRuntime>;

/// A run that kept every invariant.
pub struct Run {
    pub steps: u64,
    pub faults: u64,
    /// What went wrong with calls to the runtime.
    pub mishaps: u64,
    pub journal: Vec<u8>,
    pub state_hash: u64,
    pub end: Time,
}

/// A run under way.
pub struct Scenario {
    pub drive: Drive<Runtime>,
    pub random: Random,
    seed: u64,
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
            FaultyRuntime::new(
                SimulatedRuntime::new(config.seed),
                RuntimeKind::Simulated,
                seed,
            ),
        );
        drive.record(Journal::begin(Box::new(journal.clone()) as _, &config).unwrap());
        let mut scenario = Self {
            drive,
            random: Random::new(seed),
            seed,
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
        let settled = settled && !self.invariants.runtime_fails;
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

    /// The runtime fails at random while the cluster is mistreated; then it works again, and in the end all goes.
    fn finish_on_a_failing_runtime(&mut self) -> Result<u64, String> {
        self.run_until(Time::ZERO + SETTLE)?;
        super::invariants::is_converged(self.drive.cluster.store())
            .map_err(|what| format!("not settled: {what}"))?;
        self.invariants.runtime_fails = true;
        for verb in Verb::NAMES {
            let permille = self.pick(0, 40, &format!("{verb} fails"));
            let each = f64::from(u32::try_from(permille).unwrap()) / 1000.0;
            self.drive.runtime.set(verb, Odds::even(each));
        }
        self.drive.runtime.echo(0.2);
        let mut actions = Actions::default();
        let end = self.drive.now() + FAULTS;
        while self.drive.now() < end {
            actions.one(self)?;
            actions.engine(self);
            let pause = 200 + self.random.below(4000, "pause", "", actions.count);
            let until = self.drive.now() + Duration::from_millis(pause);
            self.run_until(until.min(end))?;
        }
        self.drive.runtime.clear();
        let now = self.drive.now();
        self.drive.runtime.set_engine(now, Engine::Up);
        actions.undo_all(self)?;
        // What is on its way may still arrive.
        self.run_until(self.drive.now() + LATEST)?;
        self.recover("not converged", |drive| {
            let store = drive.cluster.store();
            super::invariants::is_converged(store)?;
            super::invariants::truth_is_believed(store)?;
            super::invariants::truth_is_real(drive)
        })?;
        actions.delete_all(self)?;
        self.recover("something is left", |drive| {
            super::invariants::truth_is_real(drive)?;
            let pods = drive.cluster.store().objects.pods.len();
            match drive.runtime.inner.is_empty() {
                true if pods == 0 => Ok(()),
                true => Err(format!("{pods} pods")),
                false => Err(format!("{:?}", drive.runtime.inner.running())),
            }
        })?;
        Ok(actions.count)
    }

    /// Goes on until the cluster is as it should be, as long as that may take.
    fn recover(
        &mut self,
        otherwise: &str,
        holds: impl Fn(&Drive<Runtime>) -> Result<(), String>,
    ) -> Result<(), String> {
        let end = self.drive.now() + RECOVER;
        loop {
            self.run_until(self.drive.now() + LOOK_EVERY)?;
            match holds(&self.drive) {
                Ok(()) => return Ok(()),
                Err(what) if self.drive.now() >= end => return Err(format!("{otherwise}: {what}")),
                Err(_) => {}
            }
        }
    }

    /// Runs a seed.
    pub fn run(seed: u64, defect: Option<Defect>) -> Result<Run, Violation> {
        Self::new(seed, defect).end_of(Self::finish)
    }

    /// Runs a seed on a runtime that fails.
    pub fn run_on_a_failing_runtime(seed: u64, defect: Option<Defect>) -> Result<Run, Violation> {
        Self::new(seed, defect).end_of(Self::finish_on_a_failing_runtime)
    }

    fn end_of(
        mut self,
        finish: impl FnOnce(&mut Self) -> Result<u64, String>,
    ) -> Result<Run, Violation> {
        match finish(&mut self) {
            Ok(faults) => Ok(Run {
                steps: self.steps,
                faults,
                mishaps: self.drive.runtime.mishaps(),
                journal: self.journal.bytes(),
                state_hash: self.drive.cluster.state_hash(),
                end: self.drive.cluster.now(),
            }),
            Err(what) => Err(Violation {
                seed: self.seed,
                at: self.drive.now().to_string(),
                what,
                journal: self.journal.bytes(),
            }),
        }
    }

    /// A settled cluster.
    pub fn settled(seed: u64) -> Drive<Runtime> {
        let mut scenario = Self::new(seed, None);
        scenario.run_until(Time::ZERO + SETTLE).unwrap();
        scenario.drive
    }
}
