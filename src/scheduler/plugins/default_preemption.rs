//! DefaultPreemption, as it is where no pod of lower priority stands in the way: what it says of the nodes.

use crate::scheduler::{
    framework::{Plugin, Unfit},
    message,
};

/// The plugin.
#[derive(Debug)]
pub struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }

    fn post_filter(&self, unfit: &Unfit<'_>) -> Option<String> {
        if unfit.pod.spec.preemption_policy.as_deref() == Some("Never") {
            return Some("preemption: not eligible due to preemptionPolicy=Never.".to_owned());
        }
        let unresolvable = unfit.nodes - unfit.resolvable;
        let reasons = [
            (
                "No preemption victims found for incoming pod",
                unfit.resolvable,
            ),
            ("Preemption is not helpful for scheduling", unresolvable),
        ];
        let message = message::no_node_available(unfit.nodes, reasons);
        Some(format!("preemption: {message}"))
    }
}
