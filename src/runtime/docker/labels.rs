//! What names a container of ours: labels, by which everything is found, and names, which are for people.

use std::{collections::BTreeMap, fmt};

use crate::{
    api::{Key, Name, Uid},
    store::runtime::{ContainerId, SandboxId},
};

/// On everything that kubeplay makes, with the value `1`.
pub const OURS: &str = "kubeplay";
/// The run that made it.
pub const RUN: &str = "kubeplay.run";
/// The machine and user of that run.
pub const MACHINE: &str = "kubeplay.machine";
/// The node that it belongs to.
pub const NODE: &str = "kubeplay.node";
/// Uid of its pod.
pub const POD_UID: &str = "kubeplay.pod.uid";
/// Namespace and name of its pod.
pub const POD_NAME: &str = "kubeplay.pod.name";
/// Name of the container in its pod, or [`SANDBOX_CONTAINER`].
pub const CONTAINER: &str = "kubeplay.container";
/// Attempt of the container, or of the sandbox.
pub const ATTEMPT: &str = "kubeplay.attempt";
/// Attempt of the sandbox that the container is joined to.
pub const SANDBOX: &str = "kubeplay.sandbox";
/// On sandboxes that were made ahead. Which pod took one is known to the run alone.
pub const WARM: &str = "kubeplay.warm";
/// On built-in images: the hash of their contents.
pub const IMAGE: &str = "kubeplay.image";

/// The container name of sandboxes; no container of a pod can be called so, for it is in capitals.
pub const SANDBOX_CONTAINER: &str = "POD";

/// A container of the engine, as the core names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Sandbox(SandboxId),
    Container(ContainerId),
}

impl Part {
    /// Uid of its pod.
    pub const fn pod(&self) -> Uid {
        match self {
            Self::Sandbox(id) => id.pod,
            Self::Container(id) => id.pod,
        }
    }

    /// Name of the container in its pod, or [`SANDBOX_CONTAINER`].
    pub fn container(&self) -> &str {
        match self {
            Self::Sandbox(_) => SANDBOX_CONTAINER,
            Self::Container(id) => &id.name,
        }
    }

    /// Its attempt.
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Sandbox(id) => id.attempt,
            Self::Container(id) => id.attempt,
        }
    }

    /// Whose labels these are; none if they are not complete.
    pub fn of_labels<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<(Self, Name)> {
        let pod = label(POD_UID)?.parse().ok()?;
        let attempt = label(ATTEMPT)?.parse().ok()?;
        let node = Name::from(label(NODE)?);
        let part = match label(CONTAINER)? {
            SANDBOX_CONTAINER => Self::Sandbox(SandboxId { pod, attempt }),
            name => Self::Container(ContainerId {
                pod,
                name: Name::from(name),
                attempt,
            }),
        };
        Some((part, node))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sandbox(id) => write!(f, "sandbox {}/{}", id.pod, id.attempt),
            Self::Container(id) => write!(f, "container {id}"),
        }
    }
}

/// Labels of a container of ours.
pub fn of_part(part: &Part, pod: &Key, node: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (NODE, node.to_owned()),
        (POD_UID, part.pod().to_string()),
        (POD_NAME, pod.to_string()),
        (CONTAINER, part.container().to_owned()),
        (ATTEMPT, part.attempt().to_string()),
    ])
}

/// The name of a container: `kp-<cluster>-<namespace>-<pod>-<uid>-<container>-<attempt>`, and the run at the end,
/// because two runs with one seed have pods of the same names and uids.
pub fn container_name(cluster: &str, run: &str, part: &Part, pod: &Key) -> String {
    let uid = part.pod().to_string();
    let name = format!(
        "kp-{cluster}-{}-{}-{}-{}-{}-{run}",
        pod.namespace,
        pod.name,
        uid.get(..5).unwrap_or(&uid),
        part.container(),
        part.attempt(),
    );
    name.replace(
        |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')),
        "-",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Part {
        Part::Container(ContainerId {
            pod: Uid(0x1234_5678_9abc_def0_1122_3344_5566_7788),
            name: Name::from("web"),
            attempt: 3,
        })
    }

    #[test]
    fn labels_say_whose_they_are() {
        let sandbox = Part::Sandbox(SandboxId {
            pod: Uid(7),
            attempt: 1,
        });
        for part in [container(), sandbox] {
            let labels = of_part(&part, &Key::new("default", "web-1"), "node-2");
            let found = Part::of_labels(|name| labels.get(name).map(String::as_str));
            assert_eq!(found, Some((part, Name::from("node-2"))));
        }
        assert_eq!(Part::of_labels(|_| None), None);
        assert_eq!(Part::of_labels(|_| Some("x")), None);
    }

    #[test]
    fn a_name_tells_pod_and_container_and_has_only_characters_that_docker_takes() {
        let name = container_name(
            "my shop",
            "0a1b",
            &container(),
            &Key::new("default", "web-1"),
        );
        assert_eq!(name, "kp-my-shop-default-web-1-12345-web-3-0a1b");
    }
}
