//! `[[nodes]]`: groups of nodes that are alike.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{NodeSpec, NodeStatus},
    apimachinery::pkg::{api::resource::Quantity as Text, apis::meta::v1::ObjectMeta},
};

use super::{
    made::{Made, Origin},
    section::{Placed, Section},
    taints,
};
use crate::{
    api::{Node, Object},
    store::config::RUNTIME_ANNOTATION,
};

/// The most nodes that a topology may have, Kubernetes' own limit.
pub const MOST_NODES: usize = 5_000;

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What the nodes of a group have in common.
struct Group {
    name: String,
    count: usize,
    capacity: BTreeMap<String, Text>,
    zones: Vec<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    spec: NodeSpec,
    origin: Origin,
}

/// Reads a group and makes its nodes.
pub(super) fn group(mut section: Section<'_>) -> Vec<Made> {
    let name = section.required_text("name");
    let mut origin = Origin::of(&section.doc, section.span.clone());
    let count = section.integer("count", 0..=i64::try_from(MOST_NODES).unwrap_or(i64::MAX));
    let mut capacity = BTreeMap::new();
    let mut amount = |key: &str, found: Option<Placed<Text>>, default: &str| {
        let text = found.map_or_else(|| Text(default.to_owned()), |found| found.value);
        capacity.insert(key.to_owned(), text);
    };
    amount("cpu", section.quantity("cpu", false), "4");
    amount("memory", section.quantity("memory", true), "8Gi");
    let storage = section.quantity("ephemeral_storage", true);
    amount("ephemeral-storage", storage, "100Gi");
    let pods = section.integer("pods", 0..=10_000);
    let pods = pods.map(|n| n.map(|n| Text(n.to_string())));
    amount("pods", pods, "110");
    let zones = section.texts("zones").map_or_else(Vec::new, |t| t.value);
    let labels = section.map("labels").map_or_else(Vec::new, |map| map.value);
    let runtime = section.word("runtime", &["auto", "docker", "simulated"]);
    let taints = taints::taints(&mut section);
    for (field, key) in [
        ("metadata.name", "name"),
        ("metadata.labels", "labels"),
        ("spec.taints", "taints"),
        ("status", "cpu"),
    ] {
        origin.field(field, section.place(key));
    }
    let Some(name) = name else {
        section.finish();
        return Vec::new();
    };
    let group = Group {
        name: name.value.to_owned(),
        count: count.map_or(1, |count| usize::try_from(count.value).unwrap_or(0)),
        capacity,
        zones: zones.into_iter().map(|z| z.value.to_owned()).collect(),
        labels: labels.into_iter().map(|(k, v)| (k, v.value)).collect(),
        annotations: runtime
            .filter(|runtime| runtime.value != "auto")
            .map(|runtime| (RUNTIME_ANNOTATION.to_owned(), runtime.value.to_owned()))
            .into_iter()
            .collect(),
        spec: NodeSpec {
            taints: (!taints.is_empty()).then_some(taints),
            ..NodeSpec::default()
        },
        origin,
    };
    section.finish();
    group.nodes()
}

/// The nodes of a cluster whose topology names none.
pub(super) fn default_nodes(origin: &Origin) -> Vec<Made> {
    let amount = |(key, value): (&str, &str)| (key.to_owned(), Text(value.to_owned()));
    let group = Group {
        name: "node".to_owned(),
        count: 3,
        capacity: [
            ("cpu", "4"),
            ("memory", "8Gi"),
            ("ephemeral-storage", "100Gi"),
            ("pods", "110"),
        ]
        .map(amount)
        .into(),
        zones: Vec::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec: NodeSpec::default(),
        origin: origin.clone(),
    };
    group.nodes()
}

impl Group {
    fn nodes(&self) -> Vec<Made> {
        (0..self.count).map(|index| self.node(index)).collect()
    }

    fn node(&self, index: usize) -> Made {
        let name = format!("{}-{}", self.name, index + 1);
        let mut labels = BTreeMap::from([
            (HOSTNAME.to_owned(), name.clone()),
            ("kubernetes.io/os".to_owned(), "linux".to_owned()),
            ("kubernetes.io/arch".to_owned(), architecture().to_owned()),
        ]);
        if !self.zones.is_empty() {
            let zone = self.zones[index % self.zones.len()].clone();
            labels.insert(ZONE.to_owned(), zone);
        }
        labels.extend(self.labels.clone());
        let node = Node {
            metadata: ObjectMeta {
                name: Some(name),
                labels: Some(labels),
                annotations: (!self.annotations.is_empty()).then(|| self.annotations.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec.clone()),
            status: Some(NodeStatus {
                capacity: Some(self.capacity.clone()),
                allocatable: Some(self.capacity.clone()),
                ..NodeStatus::default()
            }),
        };
        Made::new(Object::of(node), self.origin.clone())
    }
}

/// The processor that this program was built for, by Go's name for it.
const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}
