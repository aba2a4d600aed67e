//! Admission: what the API server adds to an object from what the cluster holds (`plugin/pkg/admission`: Priority,
//! DefaultTolerationSeconds, TaintNodesByCondition).

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PodCondition, PodSpec, Taint, Toleration};

use super::{Store, Timing};
use crate::api::{ApiError, Kind, Node, Object, Pod, PriorityClass, Reason, defaults, qos};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// The preemption policy of a pod whose class does not say.
const PREEMPTS: &str = "PreemptLowerPriority";

/// What a pod's priority class gives it.
struct Priority<'s> {
    class: Option<&'s str>,
    value: i32,
    policy: &'s str,
}

impl Store {
    /// Admits an object that is to be created.
    ///
    /// # Errors
    /// A pod that names a priority class which does not exist, or contradicts it; a second default class.
    pub fn admit(&self, object: &mut Object, timing: &Timing) -> Result<(), ApiError> {
        match object {
            Object::Pod(pod) => self.admit_pod(Arc::make_mut(pod), timing),
            Object::Node(node) => {
                taint_new_node(Arc::make_mut(node));
                Ok(())
            }
            Object::PriorityClass(class) => self.admit_priority_class(class),
            _ => Ok(()),
        }
    }

    /// Admits a pod and gives it the defaults that its template does not have. A pod that was admitted already is left as
    /// it is, its spec still shared.
    ///
    /// # Errors
    /// It names a priority class which does not exist, or contradicts it.
    pub fn admit_pod(&self, pod: &mut Pod, timing: &Timing) -> Result<(), ApiError> {
        let priority = self.priority(pod)?;
        if !is_admitted(&pod.spec, &priority) {
            let spec = Arc::make_mut(&mut pod.spec);
            defaults::in_pod(spec);
            spec.priority_class_name = priority.class.map(str::to_owned);
            spec.priority = Some(priority.value);
            spec.preemption_policy = Some(priority.policy.to_owned());
            let missing = [NOT_READY, UNREACHABLE].map(|key| (key, tolerates(spec, key)));
            for (key, tolerates) in missing {
                if !tolerates {
                    let toleration = default_toleration(key, timing);
                    spec.tolerations.get_or_insert_default().push(toleration);
                }
            }
        }
        if pod.status.qos_class.is_none() {
            let class = qos::class(&pod.spec);
            Arc::make_mut(&mut pod.status).qos_class = Some(class.to_owned());
        }
        apply_gated_condition(pod);
        Ok(())
    }

    fn priority(&self, pod: &Pod) -> Result<Priority<'_>, ApiError> {
        let forbidden = |text: String| forbidden(Kind::Pod, &pod.meta.key.name, &text);
        let name = pod.spec.priority_class_name.as_deref().unwrap_or_default();
        let class =
            if name.is_empty() {
                // With several defaults, upstream takes the lowest.
                let classes = self.objects.priority_classes.values();
                let defaults = classes.filter(|class| class.global_default == Some(true));
                defaults.min_by_key(|class| class.value)
            } else {
                let key = crate::api::Key::cluster(name);
                let found = self.objects.get::<PriorityClass>(&key);
                Some(found.ok_or_else(|| {
                    forbidden(format!("no PriorityClass with name {name} was found"))
                })?)
            };
        let priority = Priority {
            class: class.and_then(|class| class.metadata.name.as_deref()),
            value: class.and_then(|class| class.value).unwrap_or(0),
            policy: class
                .and_then(|class| class.preemption_policy.as_deref())
                .unwrap_or(PREEMPTS),
        };
        if let Some(given) = pod.spec.priority
            && given != priority.value
        {
            return Err(forbidden(format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
                priority.value
            )));
        }
        if let Some(given) = &pod.spec.preemption_policy
            && given != priority.policy
        {
            return Err(forbidden(format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
                priority.policy
            )));
        }
        Ok(priority)
    }

    fn admit_priority_class(&self, class: &PriorityClass) -> Result<(), ApiError> {
        if class.global_default != Some(true) {
            return Ok(());
        }
        let name = class.metadata.name.as_deref().unwrap_or_default();
        let mut classes = self.objects.priority_classes.iter();
        let other =
            classes.find(|(key, other)| other.global_default == Some(true) && &*key.name != name);
        other.map_or(Ok(()), |(key, _)| {
            Err(forbidden(
                Kind::PriorityClass,
                name,
                &format!(
                    "PriorityClass {} is already marked as default. Only one default can exist",
                    key.name
                ),
            ))
        })
    }
}

fn forbidden(kind: Kind, name: &str, text: &str) -> ApiError {
    let kind = kind.qualified();
    ApiError::new(
        Reason::Forbidden,
        format!("{kind} \"{name}\" is forbidden: {text}"),
    )
}

fn is_admitted(spec: &PodSpec, priority: &Priority<'_>) -> bool {
    spec.priority == Some(priority.value)
        && spec.preemption_policy.as_deref() == Some(priority.policy)
        && spec.priority_class_name.as_deref() == priority.class
        && tolerates(spec, NOT_READY)
        && tolerates(spec, UNREACHABLE)
        && defaults::is_complete_in_pod(spec)
}

/// Whether a pod says itself how long it tolerates a taint.
fn tolerates(spec: &PodSpec, key: &str) -> bool {
    spec.tolerations.iter().flatten().any(|t| {
        let key_matches = t.key.as_deref().is_none_or(|k| k == key || k.is_empty());
        let effect = t.effect.as_deref().unwrap_or_default();
        key_matches && (effect.is_empty() || effect == "NoExecute")
    })
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

/// The toleration that `DefaultTolerationSeconds` adds.
fn default_toleration(key: &str, timing: &Timing) -> Toleration {
    let seconds = i64::try_from(timing.default_toleration_ms / 1000).unwrap_or(i64::MAX);
    Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(seconds),
        ..Toleration::default()
    }
}

/// A new node takes no pods before the node lifecycle controller has seen it ready.
fn taint_new_node(node: &mut Node) {
    let spec = node.spec.get_or_insert_default();
    let taints = spec.taints.get_or_insert_default();
    let has = taints
        .iter()
        .any(|t| t.key == NOT_READY && t.effect == "NoSchedule");
    if !has {
        taints.push(Taint {
            key: NOT_READY.to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        });
    }
}
