//! The scheduler: which node a pod goes to.

use crate::{
    api::{Key, Pod},
    store::{Context, Outcome, Reconciler, Record, Store, WakeUp, What},
};

/// The scheduler.
#[derive(Clone, Debug, Default)]
pub struct Scheduler {}

impl Reconciler for Scheduler {
    type Key = Key;
    const NAME: &'static str = "default-scheduler";

    fn observe(&mut self, record: &Record, _: &Store, wake: &mut WakeUp<'_, Key>) {
        if let What::Change(change) = &record.what
            && let crate::api::Object::Pod(pod) = &change.object
            && pod.node.is_none()
            && pod.is_active()
        {
            wake.now(pod.meta.key.clone());
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut Context<'_>) -> Outcome {
        let Some(pod) = cx.get::<Pod>(key) else {
            return Outcome::Done;
        };
        let node = cx
            .store
            .objects
            .nodes
            .values()
            .find(|node| node.spec.as_ref().and_then(|spec| spec.unschedulable) != Some(true));
        let (Some(node), None) = (node, &pod.node) else {
            return Outcome::Done;
        };
        let mut pod = Pod::clone(&pod);
        pod.node = node.metadata.name.as_deref().map(Into::into);
        match cx.update(pod) {
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::Retry,
        }
    }
}
