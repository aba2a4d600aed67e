//! NodeResourcesBalancedAllocation: a node is liked better the closer its CPU and memory usage are, as shares of what it
//! has, with the pod than without it (the formula of 1.36, kubernetes#135573).

use std::sync::Arc;

use crate::scheduler::{
    framework::{MAX_NODE_SCORE, Plugin, Score},
    node_cache::{NodeCache, NodeInfo},
    resources::PodInfo,
};

/// The plugin.
#[derive(Debug)]
pub struct NodeResourcesBalancedAllocation;

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn pre_score(&self, pod: &Arc<PodInfo>, _: &NodeCache) -> Option<Arc<dyn Score>> {
        let requests = &pod.requests;
        if requests.milli_cpu == 0 && requests.memory == 0 {
            return None;
        }
        Some(Arc::new(Balance(Arc::clone(pod))))
    }
}

#[derive(Debug)]
struct Balance(Arc<PodInfo>);

impl Score for Balance {
    fn score(&self, node: &NodeInfo) -> i64 {
        let (pod, used, has) = (&self.0.requests, &node.requested, &node.allocatable);
        let with = balance(
            (used.milli_cpu + pod.milli_cpu, has.milli_cpu),
            (used.memory + pod.memory, has.memory),
        );
        let without = balance((used.milli_cpu, has.milli_cpu), (used.memory, has.memory));
        let half = MAX_NODE_SCORE / 2;
        half + (half + with - without) / 2
    }
}

/// 100 less the standard deviation of both shares, in percent.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "upstream computes in doubles; amounts are below 2^53 and the result is at most 100"
)]
fn balance(cpu: (i64, i64), memory: (i64, i64)) -> i64 {
    let share = |(requested, capacity): (i64, i64)| {
        (capacity > 0).then(|| (requested as f64 / capacity as f64).min(1.0))
    };
    let deviation = match (share(cpu), share(memory)) {
        (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::scheduler::testing::{cache, node, pod, scores};

    fn check(node: Value, on_it: &[Value], pod: &Value, expected: Option<i64>) {
        let given = scores(
            &NodeResourcesBalancedAllocation,
            pod,
            &cache(&[node], on_it),
        );
        assert_eq!(given.map(|scores| scores[0]), expected);
    }

    #[test]
    fn a_node_is_better_the_more_the_pod_balances_it() {
        let p = pod("p", "500m", "1Gi");
        check(
            node("n1", "4", "8Gi"),
            &[pod("a", "1", "2Gi")],
            &p,
            Some(75),
        );
        check(
            node("n1", "4", "16Gi"),
            &[pod("a", "3", "2Gi")],
            &p,
            Some(73),
        );
        check(node("n1", "2", "8Gi"), &[], &p, Some(71));
        // Recorded: 3920m and 8Gi, empty; 1 CPU and 100Mi.
        check(
            node("n1", "3920m", "8Gi"),
            &[],
            &pod("p", "1", "100Mi"),
            Some(68),
        );
    }

    #[test]
    fn a_pod_that_asks_for_neither_is_skipped() {
        check(node("n1", "4", "8Gi"), &[], &pod("p", "0", "0"), None);
    }

    #[test]
    fn more_than_everything_counts_as_everything_and_what_is_missing_not_at_all() {
        check(
            node("n1", "1", "1Gi"),
            &[pod("a", "2", "2Gi")],
            &pod("p", "1", "1Gi"),
            Some(75),
        );
        check(node("n1", "0", "1Gi"), &[], &pod("p", "1", "1Gi"), Some(75));
    }
}
