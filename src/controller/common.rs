//! What several controllers need: owner references, pod conditions, numbers as statuses write them.

use std::sync::Arc;

use k8s_openapi::{
    api::core::v1::{PodCondition, PodStatus},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};

use crate::api::{Key, Kind, Pod, Resource, Time, Uid, meta::Labels, meta::Owner};

/// The reference by which `owner` controls an object (`metav1.NewControllerRef`).
pub fn controller_ref<T: Resource>(owner: &T) -> Owner {
    Owner {
        api_version: T::KIND.api_version().into(),
        kind: T::KIND.as_str().into(),
        name: owner.key().name,
        uid: owner.uid(),
        controller: true,
        block_owner_deletion: true,
    }
}

/// The controlling reference among owner references, if it is to an object of a kind.
pub fn controlled_by(owners: Option<&Vec<OwnerReference>>, kind: Kind) -> Option<&OwnerReference> {
    owners
        .into_iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
        .filter(|owner| owner.kind == kind.as_str() && owner.api_version == kind.api_version())
}

/// The pod's controller, if it is of a kind: its key and id.
#[must_use]
pub fn pod_controller(pod: &Pod, kind: Kind) -> Option<(Key, Uid)> {
    let owner = pod.meta.controller()?;
    let same = *owner.kind == *kind.as_str() && *owner.api_version == *kind.api_version();
    same.then(|| {
        let namespace = pod.meta.key.namespace.clone();
        (Key::new(namespace, owner.name.clone()), owner.uid)
    })
}

/// Whether two sets of labels are the same; quick where they are shared.
#[must_use]
pub fn same_labels(a: &Arc<Labels>, b: &Arc<Labels>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// A count as statuses write it: left out when it is zero.
#[must_use]
pub fn unless_zero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

/// A count as an API integer.
#[must_use]
pub fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Sets a pod's condition; false if it is as it was (`podutil.UpdatePodCondition`).
pub fn set_pod_condition(status: &mut PodStatus, mut condition: PodCondition, now: Time) -> bool {
    condition.last_transition_time = Some(now.to_k8s());
    let conditions = status.conditions.get_or_insert_default();
    let Some(old) = conditions.iter_mut().find(|c| c.type_ == condition.type_) else {
        conditions.push(condition);
        return true;
    };
    if old.status == condition.status {
        condition
            .last_transition_time
            .clone_from(&old.last_transition_time);
    }
    let changed = *old != condition;
    *old = condition;
    changed
}

/// The condition that tells that a pod goes because of a disruption.
#[must_use]
pub fn disruption(reason: &str, message: &str) -> PodCondition {
    PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        ..PodCondition::default()
    }
}

/// The pod's readiness: since when it is ready, if it is.
#[must_use]
pub fn ready_since(pod: &Pod) -> Option<Time> {
    let ready = pod.condition("Ready").filter(|c| c.status == "True")?;
    Some(
        ready
            .last_transition_time
            .as_ref()
            .map_or(Time::ZERO, Time::from),
    )
}
