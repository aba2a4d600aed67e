//! Pod conditions as `podutil.UpdatePodCondition` writes them.

use k8s_openapi::api::core::v1::{PodCondition, PodStatus};

use crate::api::Time;

/// Sets a condition. Its `lastTransitionTime` moves only when its status does.
pub fn set_condition(status: &mut PodStatus, mut condition: PodCondition, now: Time) {
    condition.last_transition_time = Some(now.to_k8s());
    let conditions = status.conditions.get_or_insert_default();
    match conditions.iter_mut().find(|it| it.type_ == condition.type_) {
        None => conditions.push(condition),
        Some(old) => {
            if old.status == condition.status {
                condition
                    .last_transition_time
                    .clone_from(&old.last_transition_time);
            }
            *old = condition;
        }
    }
}
