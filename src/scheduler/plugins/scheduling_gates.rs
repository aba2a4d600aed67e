//! SchedulingGates: a pod with gates waits outside the queue until the last one is removed.

use crate::{api::Pod, scheduler::framework::Plugin};

/// The plugin.
#[derive(Debug)]
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> &'static str {
        "SchedulingGates"
    }

    fn may_enqueue(&self, pod: &Pod) -> bool {
        pod.spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
    }
}
