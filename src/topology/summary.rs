//! What a topology makes, in a few lines.

use std::{collections::BTreeSet, fmt::Write};

use super::Topology;
use crate::api::{Kind, Object};

/// The most objects of a kind that are named.
const NAMED: usize = 8;

/// The lines.
pub(super) fn of(topology: &Topology) -> String {
    let config = &topology.config;
    let mut text = format!(
        "cluster \"{}\", seed {}, timing {}\n",
        config.name,
        config.seed,
        config.preset.as_str()
    );
    for kind in Kind::ALL {
        let objects: Vec<&Object> = topology
            .objects
            .iter()
            .filter(|o| o.kind() == kind)
            .collect();
        if objects.is_empty() {
            continue;
        }
        let count = objects.len();
        let noun = if count == 1 {
            kind.as_str().to_lowercase()
        } else {
            kind.plural().to_owned()
        };
        let detail = match kind {
            Kind::Node => nodes(topology, &objects),
            _ => names(&objects),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {count:>5} {noun:<15} {detail}");
    }
    text
}

fn nodes(topology: &Topology, nodes: &[&Object]) -> String {
    let zones: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|node| node.labels().get("topology.kubernetes.io/zone"))
        .map(String::as_str)
        .collect();
    let cpu = topology.capacity("cpu").as_cpu();
    let memory = topology.capacity("memory").as_bytes();
    let zones = match zones.len() {
        0 => String::new(),
        _ => format!(" in {}", zones.into_iter().collect::<Vec<_>>().join(", ")),
    };
    format!("{cpu} CPUs, {memory}{zones}")
}

fn names(objects: &[&Object]) -> String {
    let name = |object: &&Object| {
        let key = object.key();
        let name = match &*key.namespace {
            "" | "default" => key.name.to_string(),
            namespace => format!("{namespace}/{}", key.name),
        };
        match replicas(object) {
            Some(replicas) => format!("{name} ×{replicas}"),
            None => name,
        }
    };
    let mut names: Vec<String> = objects.iter().take(NAMED).map(name).collect();
    if objects.len() > NAMED {
        names.push("…".to_owned());
    }
    names.join(", ")
}

fn replicas(object: &Object) -> Option<i32> {
    match object {
        Object::Deployment(it) => Some(it.spec.as_ref()?.replicas.unwrap_or(1)),
        Object::ReplicaSet(it) => Some(it.spec.as_ref()?.replicas.unwrap_or(1)),
        _ => None,
    }
}
