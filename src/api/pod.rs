//! The pod, held in parts that it shares with its siblings.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{self as core, PodCondition, PodSpec, PodStatus};

use super::{meta::Meta, names::Name};

/// A pod. Its spec is its template's, shared by all replicas; what differs stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub meta: Meta,
    /// The spec without `nodeName`.
    pub spec: Arc<PodSpec>,
    /// `spec.nodeName`: the node that the pod is bound to.
    pub node: Option<Name>,
    pub status: Arc<PodStatus>,
}

impl Pod {
    /// `terminationGracePeriodSeconds` of a pod that does not say.
    pub const DEFAULT_GRACE_SECONDS: i64 = 30;

    /// Where the pod is in its life: `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    #[must_use]
    pub fn phase(&self) -> &str {
        self.status.phase.as_deref().unwrap_or("Pending")
    }

    /// Whether all its containers have ended and will not be started again.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase(), "Succeeded" | "Failed")
    }

    /// Whether the pod has been asked to go.
    #[must_use]
    pub const fn is_terminating(&self) -> bool {
        self.meta.deletion.is_some()
    }

    /// Neither ended nor asked to go: what a ReplicaSet counts as one of its replicas.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.is_terminal() && !self.is_terminating()
    }

    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, condition_type: &str) -> Option<&PodCondition> {
        self.status
            .conditions
            .iter()
            .flatten()
            .find(|c| c.type_ == condition_type)
    }

    /// Whether the control plane believes that the pod is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status == "True")
    }

    /// The pod's address, once its sandbox has one.
    #[must_use]
    pub fn ip(&self) -> Option<&str> {
        self.status.pod_ip.as_deref()
    }

    /// The pod as Kubernetes writes it.
    #[must_use]
    pub fn to_k8s(&self) -> core::Pod {
        let mut spec = PodSpec::clone(&self.spec);
        spec.node_name = self.node.as_deref().map(str::to_owned);
        core::Pod {
            metadata: (&self.meta).into(),
            spec: Some(spec),
            status: Some(PodStatus::clone(&self.status)),
        }
    }
}

impl From<core::Pod> for Pod {
    fn from(pod: core::Pod) -> Self {
        let mut spec = pod.spec.unwrap_or_default();
        let node = spec
            .node_name
            .take()
            .filter(|name| !name.is_empty())
            .map(Name::from);
        Self {
            meta: (&pod.metadata).into(),
            spec: Arc::new(spec),
            node,
            status: Arc::new(pod.status.unwrap_or_default()),
        }
    }
}
