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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        api::{Object, codec},
        scheduler::testing::{pod, with},
    };

    #[test]
    fn it_says_where_removing_pods_could_have_helped() {
        let said = |policy: &str| {
            let pod = with(
                pod("p", "1", "1Gi"),
                "/spec/preemptionPolicy",
                json!(policy),
            );
            let Object::Pod(pod) = codec::from_any(pod).unwrap() else {
                panic!("not a pod");
            };
            let unfit = Unfit {
                pod: &pod,
                nodes: 12,
                resolvable: 10,
            };
            DefaultPreemption.post_filter(&unfit).unwrap()
        };
        assert_eq!(
            said("PreemptLowerPriority"),
            "preemption: 0/12 nodes are available: 10 No preemption victims found for incoming \
             pod, 2 Preemption is not helpful for scheduling."
        );
        let never = "preemption: not eligible due to preemptionPolicy=Never.";
        assert_eq!(said("Never"), never);
    }
}
