//! Figures of a run, for its summary.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    api::{Event, Object},
    store::{Op, Record, Store, What, decision::Verdict},
};

/// Counts what happened, record by record.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub inputs: u64,
    pub changes: u64,
    pub effects: u64,
    pub bound: u64,
    pub unschedulable: u64,
    pub events: BTreeMap<String, u64>,
    unseen: u64,
}

impl Figures {
    /// Looks at what is new in the log and hands out each event that was written. What the log has dropped already is
    /// returned as a number: it was not seen.
    pub fn follow(&mut self, store: &Store, mut each: impl FnMut(&Record, &Event)) -> u64 {
        let missed = store.log.oldest().saturating_sub(self.unseen.max(1));
        for record in store.log.since(self.unseen) {
            match &record.what {
                What::Input(_) => self.inputs += 1,
                What::Effect { .. } => self.effects += 1,
                What::Decision(decision) => match decision.verdict {
                    Verdict::Bound { .. } => self.bound += 1,
                    Verdict::Unschedulable | Verdict::Error { .. } => self.unschedulable += 1,
                },
                What::Change(change) => {
                    self.changes += 1;
                    if let Object::Event(event) = &change.object
                        && change.op != Op::Deleted
                    {
                        *self.events.entry(event.reason.to_string()).or_default() += 1;
                        each(record, event);
                    }
                }
                What::World(_) => {}
            }
        }
        self.unseen = store.log.next_seq();
        missed
    }

    /// The summary's part that the same seed always gives.
    pub fn summary(&self, store: &Store) -> Value {
        let objects = &store.objects;
        let ready = objects.pods.values().filter(|pod| pod.is_ready()).count();
        let nodes_ready = objects
            .nodes
            .values()
            .filter(|node| node_is_ready(node))
            .count();
        let incidents: Vec<_> = store.incidents.iter().map(|incident| {
            let phases: BTreeMap<_, _> = incident
                .phases
                .iter()
                .map(|(phase, at, _)| (phase.as_str(), at.since(incident.at).as_secs_f64()))
                .collect();
            json!({
                "id": incident.id,
                "fault": incident.fault.as_str(),
                "target": incident.target.to_string(),
                "at": incident.at.as_secs_f64(),
                "pods": incident.pods.len(),
                "phases": phases,
                "recoveredAfter": incident.recovered.map(|at| at.since(incident.at).as_secs_f64()),
                "waitingFor": &*incident.waiting_for,
            })
        }).collect();
        json!({
            "nodes": objects.nodes.len(),
            "nodesReady": nodes_ready,
            "pods": objects.pods.len(),
            "podsReady": ready,
            "inputs": self.inputs,
            "changes": self.changes,
            "effects": self.effects,
            "decisions": {"bound": self.bound, "unschedulable": self.unschedulable},
            "events": self.events,
            "incidents": incidents,
        })
    }
}

/// Whether a node's Ready condition is true.
fn node_is_ready(node: &crate::api::Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}
