//! DefaultBinder: writes a pod's node, as the API's `pods/binding` does.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PodCondition;

use crate::{
    api::{ApiError, EventType, Name, Pod},
    scheduler::conditions::set_condition,
    store::Context,
};

/// Binds a pod to a node and says so.
///
/// # Errors
/// The pod has gone or changed.
pub fn bind(pod: &Arc<Pod>, node: &Name, cx: &mut Context<'_>) -> Result<(), ApiError> {
    let mut bound = Pod::clone(pod);
    bound.node = Some(node.clone());
    let scheduled = PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "True".to_owned(),
        observed_generation: Some(pod.meta.generation),
        ..PodCondition::default()
    };
    set_condition(Arc::make_mut(&mut bound.status), scheduled, cx.now);
    let bound = cx.bind(bound)?;
    let key = &pod.meta.key;
    let message = format!(
        "Successfully assigned {}/{} to {node}",
        key.namespace, key.name
    );
    cx.event(&*bound, EventType::Normal, "Scheduled", message);
    Ok(())
}
