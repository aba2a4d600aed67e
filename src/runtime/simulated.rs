//! The simulated runtime: pods that take time to start, without I/O.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    api::Time,
    cluster::thread::VirtualRuntime,
    store::{
        Random,
        runtime::{Answer, Call, Report, Verb},
    },
};

/// A seeded model of a container runtime, for all simulated nodes of a cluster.
#[derive(Clone, Debug)]
pub struct SimulatedRuntime {
    random: Random,
    due: BTreeMap<(Time, u64), Report>,
}

impl SimulatedRuntime {
    /// A runtime that does nothing yet.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            due: BTreeMap::new(),
        }
    }
}

impl VirtualRuntime for SimulatedRuntime {
    fn handle(&mut self, now: Time, call: Call) {
        let answer = match &call.verb {
            Verb::RunPodSandbox { .. } => {
                let last = call.id % 250 + 2;
                Answer::Sandbox {
                    ip: format!("10.244.0.{last}"),
                }
            }
            Verb::CreateContainer { container, .. } => Answer::Created {
                id: container.to_string(),
            },
            Verb::StartContainer { .. } => Answer::Started,
            _ => Answer::Removed,
        };
        let jitter = self
            .random
            .below(100, call.verb.name(), &call.node, call.id);
        let at = now + Duration::from_millis(50 + jitter);
        let report = Report::Answer {
            call: call.id,
            node: call.node,
            result: Ok(answer),
        };
        self.due.insert((at, call.id), report);
    }

    fn poll(&mut self, now: Time) -> Vec<Report> {
        let later = self.due.split_off(&(now + Duration::from_micros(1), 0));
        std::mem::replace(&mut self.due, later)
            .into_values()
            .collect()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.due.keys().next().map(|(at, _)| *at)
    }
}
