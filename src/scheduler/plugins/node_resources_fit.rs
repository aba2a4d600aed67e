//! NodeResourcesFit: a pod goes where what it requests is left, best where most is left (LeastAllocated).

use std::sync::Arc;

use crate::{
    api::Quantity,
    scheduler::{
        framework::{Filter, MAX_NODE_SCORE, Plugin, PreFilter, Refusal, Score},
        node_cache::{NodeCache, NodeInfo},
        resources::PodInfo,
    },
};

/// The plugin.
#[derive(Debug)]
pub struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn pre_filter(&self, pod: &Arc<PodInfo>) -> PreFilter {
        PreFilter::Filter(Arc::new(Fit(Arc::clone(pod))))
    }

    fn pre_score(&self, pod: &Arc<PodInfo>, _: &NodeCache) -> Option<Arc<dyn Score>> {
        Some(Arc::new(LeastAllocated(Arc::clone(pod))))
    }
}

/// One thing that a pod needs of a node.
struct Need<'a> {
    bit: u32,
    name: &'a str,
    needs: i64,
    used: i64,
    capacity: i64,
}

impl Need<'_> {
    const fn is_met(&self) -> bool {
        self.needs <= self.capacity - self.used
    }
}

#[derive(Debug)]
struct Fit(Arc<PodInfo>);

impl Fit {
    /// What the pod asks for, in the order of the bits. The number of pods comes first, then what is not zero.
    fn needs<'a>(&'a self, node: &'a NodeInfo) -> impl Iterator<Item = Need<'a>> {
        let (pod, has, used) = (&self.0.requests, &node.allocatable, &node.requested);
        let need = |bit, name, needs, used, capacity| Need {
            bit,
            name,
            needs,
            used,
            capacity,
        };
        let fixed = [
            need(1, "cpu", pod.milli_cpu, used.milli_cpu, has.milli_cpu),
            need(2, "memory", pod.memory, used.memory, has.memory),
            need(
                3,
                "ephemeral-storage",
                pod.ephemeral_storage,
                used.ephemeral_storage,
                has.ephemeral_storage,
            ),
        ];
        let scalars = (4..u32::BITS)
            .zip(&pod.scalars)
            .map(move |(bit, (name, needs))| {
                need(bit, name, *needs, used.scalar(name), has.scalar(name))
            });
        let pods = need(0, "pods", 1, node.pods, node.allowed_pods);
        std::iter::once(pods).chain(
            fixed
                .into_iter()
                .chain(scalars)
                .filter(|need| need.needs > 0),
        )
    }
}

impl Filter for Fit {
    fn filter(&self, node: &NodeInfo) -> Result<(), Refusal> {
        let mut refusal = Refusal {
            reasons: 0,
            resolvable: true,
        };
        for need in self.needs(node).filter(|need| !need.is_met()) {
            refusal.reasons |= 1 << need.bit;
            // More than the whole node has: no removal of pods can help.
            refusal.resolvable &= need.bit == 0 || need.needs <= need.capacity;
        }
        if refusal.reasons == 0 {
            Ok(())
        } else {
            Err(refusal)
        }
    }

    fn reason(&self, bit: u32) -> String {
        let scalar = || self.0.requests.scalars.keys().nth(bit as usize - 4);
        match bit {
            0 => "Too many pods".to_owned(),
            1 => "Insufficient cpu".to_owned(),
            2 => "Insufficient memory".to_owned(),
            3 => "Insufficient ephemeral-storage".to_owned(),
            _ => format!(
                "Insufficient {}",
                scalar().map_or("resources", |name| &**name)
            ),
        }
    }

    fn detail(&self, node: &NodeInfo) -> String {
        let unmet = self.needs(node).filter(|need| !need.is_met());
        let texts: Vec<_> = unmet.map(|need| describe(&need)).collect();
        texts.join("; ")
    }
}

fn describe(need: &Need<'_>) -> String {
    let amount = |amount: i64| match need.name {
        "cpu" => Quantity::milli(amount).as_cpu(),
        "memory" | "ephemeral-storage" => Quantity::units(amount).as_bytes(),
        _ => amount.to_string(),
    };
    let (name, capacity, free) = (need.name, need.capacity, need.capacity - need.used);
    match need.bit {
        0 => format!("has {} pods of {capacity}", need.used),
        _ => format!(
            "{name}: needs {}, has {} free of {}",
            amount(need.needs),
            amount(free),
            amount(capacity)
        ),
    }
}

/// The mean over CPU and memory of what is left, in percent.
#[derive(Debug)]
struct LeastAllocated(Arc<PodInfo>);

impl Score for LeastAllocated {
    fn score(&self, node: &NodeInfo) -> i64 {
        let (pod, used, has) = (self.0.scored, node.non_zero, &node.allocatable);
        let pairs = [
            (used.milli_cpu + pod.milli_cpu, has.milli_cpu),
            (used.memory + pod.memory, has.memory),
        ];
        let mut sum = 0;
        let mut count = 0;
        for (requested, capacity) in pairs {
            if capacity > 0 {
                sum += (capacity - requested).max(0) * MAX_NODE_SCORE / capacity;
                count += 1;
            }
        }
        if count == 0 { 0 } else { sum / count }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scheduler::testing::{cache, detail, filter, node, pod, scores, with};

    fn check(name: &str, node: Value, on_it: &[Value], pod: Value, expected: &str) {
        let cache = cache(&[node], on_it);
        assert_eq!(
            filter(&NodeResourcesFit, &pod, &cache.slots()[0]),
            expected,
            "{name}"
        );
    }

    fn extended(object: Value, pointer: &str, name: &str, amount: &str) -> Value {
        let mut object = object;
        object.pointer_mut(pointer).unwrap()[name] = json!(amount);
        object
    }

    #[test]
    fn a_pod_goes_where_what_it_requests_is_left() {
        let n = || node("n1", "2", "2Gi");
        let half = [pod("a", "1", "1Gi")];
        check(
            "it fits an empty node exactly",
            n(),
            &[],
            pod("p", "2", "2Gi"),
            "ok",
        );
        check(
            "it fits what is left exactly",
            n(),
            &half,
            pod("p", "1", "1Gi"),
            "ok",
        );
        check(
            "no CPU is left",
            n(),
            &half,
            pod("p", "1001m", "1Gi"),
            "Insufficient cpu",
        );
        let both = "Insufficient cpu, Insufficient memory";
        check("neither is left", n(), &half, pod("p", "2", "2Gi"), both);
        check(
            "the node is too small",
            n(),
            &[],
            pod("p", "3", "1Gi"),
            "!Insufficient cpu",
        );
        let small = "!Insufficient cpu, Insufficient memory";
        check(
            "one more than the node has is enough",
            n(),
            &half,
            pod("p", "3", "2Gi"),
            small,
        );
        let full = [pod("a", "3", "3Gi")];
        check(
            "who asks for nothing fits an overfull node",
            n(),
            &full,
            pod("p", "0", "0"),
            "ok",
        );
        let one = with(n(), "/status/allocatable/pods", json!("1"));
        check(
            "pods are counted",
            one,
            &half,
            pod("p", "0", "0"),
            "Too many pods",
        );
        let storage = |pod, amount| {
            extended(
                pod,
                "/spec/containers/0/resources/requests",
                "ephemeral-storage",
                amount,
            )
        };
        let disk = extended(n(), "/status/allocatable", "ephemeral-storage", "10Gi");
        let (used, asks) = (
            storage(pod("a", "1", "1Gi"), "6Gi"),
            storage(pod("p", "1", "1Gi"), "5Gi"),
        );
        check(
            "storage counts",
            disk,
            &[used],
            asks,
            "Insufficient ephemeral-storage",
        );
    }

    #[test]
    fn extended_resources_are_counted_too() {
        let gpus = |pod, amount| {
            extended(
                pod,
                "/spec/containers/0/resources/requests",
                "example.com/gpu",
                amount,
            )
        };
        let n = || {
            extended(
                node("n1", "4", "4Gi"),
                "/status/allocatable",
                "example.com/gpu",
                "2",
            )
        };
        let on_it = [gpus(pod("a", "1", "1Gi"), "1")];
        check(
            "one is left",
            n(),
            &on_it,
            gpus(pod("p", "1", "1Gi"), "1"),
            "ok",
        );
        let refused = "Insufficient example.com/gpu";
        check(
            "two are not",
            n(),
            &on_it,
            gpus(pod("p", "1", "1Gi"), "2"),
            refused,
        );
        let none = node("n1", "4", "4Gi");
        let final_ = "!Insufficient example.com/gpu";
        check(
            "a node without any",
            none,
            &[],
            gpus(pod("p", "1", "1Gi"), "1"),
            final_,
        );
        check(
            "none is asked for",
            n(),
            &on_it,
            gpus(pod("p", "1", "1Gi"), "0"),
            "ok",
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let cache = cache(&[node("n1", "400m", "2Gi")], &[pod("a", "260m", "1536Mi")]);
        let said = detail(
            &NodeResourcesFit,
            &pod("p", "250m", "1Gi"),
            &cache.slots()[0],
        );
        let expected =
            "cpu: needs 250m, has 140m free of 400m; memory: needs 1Gi, has 512Mi free of 2Gi";
        assert_eq!(said, expected);
    }

    #[test]
    fn the_more_is_left_the_better() {
        let least = |n: Value, on_it: &[Value]| {
            scores(
                &NodeResourcesFit,
                &pod("p", "500m", "1Gi"),
                &cache(&[n], on_it),
            )
            .unwrap()[0]
        };
        assert_eq!(least(node("n1", "4", "8Gi"), &[pod("a", "1", "2Gi")]), 62);
        assert_eq!(least(node("n1", "4", "16Gi"), &[pod("a", "3", "2Gi")]), 46);
        assert_eq!(least(node("n1", "2", "8Gi"), &[]), 81);
        assert_eq!(
            least(node("n1", "4", "8Gi"), &[pod("a", "4", "2Gi")]),
            31,
            "no CPU left: 0"
        );
        assert_eq!(
            least(node("n1", "0", "8Gi"), &[]),
            87,
            "what a node does not have is left out"
        );
    }

    #[test]
    fn a_container_that_asks_for_nothing_counts_as_100m_and_200mi() {
        let silent = with(
            pod("p", "0", "0"),
            "/spec/containers/0/resources",
            json!({}),
        );
        let nodes = cache(&[node("n1", "1", "1000Mi")], &[]);
        assert_eq!(scores(&NodeResourcesFit, &silent, &nodes), Some(vec![85]));
        let nodes = cache(&[node("n1", "1", "1000Mi")], &[silent]);
        assert_eq!(
            scores(&NodeResourcesFit, &pod("p", "0", "0"), &nodes),
            Some(vec![85])
        );
    }
}
