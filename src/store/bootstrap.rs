//! What the API server makes for itself: the system's namespaces and priority classes.

use super::{Store, write::Author};
use crate::api::{Namespace, Object, PriorityClass, Time, defaults};

/// The namespace of the nodes' leases.
pub const LEASE_NAMESPACE: &str = "kube-node-lease";

/// The namespaces that every cluster has.
pub const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", LEASE_NAMESPACE];

/// The priority classes that every cluster has: name, value, description.
pub const PRIORITY_CLASSES: [(&str, i32, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

impl Store {
    /// Creates the system's own objects.
    pub fn bootstrap(&mut self) {
        let author = Author {
            by: "apiserver",
            at: Time::ZERO,
            cause: 0,
        };
        for name in NAMESPACES {
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(name.to_owned());
            let mut object = Object::of(namespace);
            defaults::apply(&mut object);
            if let Object::Namespace(namespace) = object {
                // The store is empty: nothing can be in the way.
                let _ = self.create(Namespace::clone(&namespace), author);
            }
        }
        for (name, value, description) in PRIORITY_CLASSES {
            let mut class = PriorityClass {
                value: Some(value),
                description: Some(description.to_owned()),
                preemption_policy: Some("PreemptLowerPriority".to_owned()),
                ..PriorityClass::default()
            };
            class.metadata.name = Some(name.to_owned());
            let _ = self.create(class, author);
        }
    }
}
