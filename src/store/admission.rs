//! Admission: what the API server adds to a pod from what the cluster holds (`plugin/pkg/admission`).

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PodCondition, PodSpec, Toleration};

use super::{Store, Timing};
use crate::api::{ApiError, Object, Pod};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

impl Store {
    /// Admits an object that is to be created.
    ///
    /// # Errors
    /// A pod that names a priority class which does not exist.
    pub fn admit(&self, object: &mut Object, timing: &Timing) -> Result<(), ApiError> {
        if let Object::Pod(pod) = object {
            self.admit_pod(Arc::make_mut(pod), timing)?;
        }
        Ok(())
    }

    /// Admits a pod. A pod that was admitted already is left as it is, its spec still shared.
    ///
    /// # Errors
    /// It names a priority class which does not exist.
    pub fn admit_pod(&self, pod: &mut Pod, timing: &Timing) -> Result<(), ApiError> {
        if default_tolerations(&pod.spec, timing).next().is_some() {
            let spec = Arc::make_mut(&mut pod.spec);
            let added: Vec<_> = default_tolerations(spec, timing).collect();
            spec.tolerations.get_or_insert_default().extend(added);
        }
        apply_gated_condition(pod);
        Ok(())
    }
}

/// Says of a pod with scheduling gates why nothing happens (`applySchedulingGatedCondition`,
/// `pkg/registry/core/pod/strategy.go`).
fn apply_gated_condition(pod: &mut Pod) {
    let gates = pod.spec.scheduling_gates.as_ref();
    if gates.is_none_or(Vec::is_empty) || pod.condition("PodScheduled").is_some() {
        return;
    }
    let gated = PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("SchedulingGated".to_owned()),
        message: Some("Scheduling is blocked due to non-empty scheduling gates".to_owned()),
        ..PodCondition::default()
    };
    let status = Arc::make_mut(&mut pod.status);
    status.conditions.get_or_insert_default().push(gated);
}

/// The tolerations that `DefaultTolerationSeconds` adds.
fn default_tolerations(spec: &PodSpec, timing: &Timing) -> impl Iterator<Item = Toleration> {
    let seconds = i64::try_from(timing.default_toleration_ms / 1000).unwrap_or(i64::MAX);
    let tolerates = |key: &str| {
        spec.tolerations.iter().flatten().any(|t| {
            let key_matches = t.key.as_deref().is_none_or(|k| k == key || k.is_empty());
            let effect = t.effect.as_deref().unwrap_or_default();
            key_matches && (effect.is_empty() || effect == "NoExecute")
        })
    };
    let missing: Vec<_> = [NOT_READY, UNREACHABLE]
        .into_iter()
        .filter(|key| !tolerates(key))
        .collect();
    missing.into_iter().map(move |key| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(seconds),
        ..Toleration::default()
    })
}
