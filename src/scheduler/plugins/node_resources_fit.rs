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
