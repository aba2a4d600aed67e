//! What is printed when the screen is left: the incidents, and what the scheduler did.

use std::fmt::Write as _;

use super::{update::verb, view::recovery::took};
use crate::{
    cluster::Snapshot,
    store::{Incident, decision::Verdict, input::Target},
};

/// Incidents that are told one by one.
const INCIDENTS: usize = 20;

/// The summary of a run; empty if nothing happened in it.
#[must_use]
pub fn summary(snapshot: &Snapshot) -> String {
    let store = &snapshot.store;
    let Some(last) = store.decisions.last() else {
        return String::new();
    };
    let kept = store.decisions.len();
    let bound = store.decisions.iter();
    let bound = bound
        .filter(|decision| matches!(decision.verdict, Verdict::Bound { .. }))
        .count();
    let pods = store.objects.all_pods();
    let mut out = format!(
        "{} ran for {} with the preset {:?} and seed {}: {} nodes, {} of {} pods ready.\n",
        snapshot.config.name,
        took(snapshot.at.since(crate::api::Time::ZERO)),
        snapshot.config.preset.as_str(),
        snapshot.config.seed,
        store.objects.nodes.len(),
        pods.ready,
        pods.active,
    );
    let of = if kept as u64 == last.number {
        String::new()
    } else {
        format!(" of the last {kept}")
    };
    let _ = writeln!(
        out,
        "{} scheduling decisions; {bound}{of} placed a pod, {} found no node.",
        last.number,
        kept - bound
    );
    let skip = store.incidents.len().saturating_sub(INCIDENTS);
    if skip > 0 {
        let _ = writeln!(out, "{skip} earlier incidents");
    }
    for incident in store.incidents.iter().skip(skip) {
        let _ = writeln!(out, "{}", told(incident));
    }
    out
}

/// An incident in a line.
fn told(incident: &Incident) -> String {
    let target = match &incident.target {
        Target::Node(name) => name.to_string(),
        Target::Pod(key) => format!("pod {}", key.name),
    };
    let mut text = format!(
        "#{} {target} {} at {}",
        incident.id,
        verb(incident.fault),
        incident.at
    );
    for (phase, at, _) in &incident.phases {
        let _ = write!(
            text,
            ", {} +{}",
            phase.as_str(),
            took(at.since(incident.at))
        );
    }
    match incident.recovered {
        Some(at) => {
            let _ = write!(text, "; recovered after {}", took(at.since(incident.at)));
        }
        None => {
            let _ = write!(
                text,
                "; not recovered: waiting for {}",
                incident.waiting_for
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::scene::{Scene, incident};

    #[test]
    fn incidents_and_decisions_are_told_in_a_few_lines() {
        assert_eq!(summary(&Scene::new().snapshot()), "");
        let text = summary(&incident().snapshot());
        assert_eq!(
            text,
            "shop ran for 166.0s with the preset \"fast\" and seed 1: 6 nodes, 10 of 16 pods ready.\n\
             119 scheduling decisions; 1 of the last 2 placed a pod, 1 found no node.\n\
             #1 node-3 killed at 02:03.0; not recovered: waiting for the unreachable toleration of 3 pods\n"
        );
    }
}
