//! What a [`Decision`](crate::store::Decision) says of single nodes: all of them if they are few, else the best and the
//! first refused.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    framework::Refusal,
    node_cache::{NodeCache, NodeInfo, Slot},
    shape::{Shape, Verdict},
};
use crate::store::decision::{NodeScore, PluginScore, Rejection};

/// Up to this many nodes are all kept.
const FEW: usize = 64;
/// Of more nodes, this many.
const SOME: usize = 16;

const fn kept(nodes: usize) -> usize {
    if nodes <= FEW { nodes } else { SOME }
}

/// The scores of the best feasible nodes, best first, by name among equals; none if only one node was feasible. `top` are
/// those that share the highest total, by name.
pub fn scores(shape: &Shape, top: &[Slot], nodes: &mut NodeCache) -> Vec<NodeScore> {
    if shape.feasible() < 2 {
        return Vec::new();
    }
    let limit = kept(nodes.len());
    let best = match top.len() >= limit {
        true => top[..limit].to_vec(),
        false => best(shape, limit, nodes.ranks()),
    };
    let score = |slot: Slot| {
        let plugins = shape.scorers.iter().map(|scorer| PluginScore {
            plugin: scorer.plugin,
            raw: scorer.raw(slot),
            normalized: scorer.normalized(slot),
            weight: scorer.weight,
        });
        NodeScore {
            node: nodes.slots()[slot].name.clone(),
            total: shape.total(slot),
            plugins: plugins.collect(),
        }
    };
    best.into_iter().map(score).collect()
}

/// The feasible nodes with the highest totals, best first, by name among equals.
fn best(shape: &Shape, limit: usize, ranks: &[u32]) -> Vec<Slot> {
    let mut best: Vec<(Reverse<i64>, u32, Slot)> = Vec::with_capacity(limit + 1);
    let mut least = i64::MIN;
    for (slot, total) in shape.totals() {
        if total < least {
            continue;
        }
        let entry = (Reverse(total), ranks[slot], slot);
        best.insert(best.partition_point(|better| *better < entry), entry);
        if best.len() > limit {
            best.pop();
            least = best.last().map_or(least, |(Reverse(total), ..)| *total);
        }
    }
    best.into_iter().map(|(.., slot)| slot).collect()
}

/// The nodes that were refused, with the reasons.
pub fn rejections(shape: &Shape, nodes: &NodeCache) -> Vec<Rejection> {
    let count = nodes.len() - shape.feasible();
    let all = nodes.slots().iter().zip(shape.verdicts());
    let rejections = all.filter_map(|(node, verdict)| match verdict {
        Verdict::Refused(filter, refusal) => Some(refused(shape, node, *filter, *refusal)),
        Verdict::Excluded => Some(excluded(shape, node)),
        Verdict::Absent | Verdict::Feasible => None,
    });
    rejections.take(count.min(kept(nodes.len()))).collect()
}

fn refused(shape: &Shape, node: &NodeInfo, filter: u8, refusal: Refusal) -> Rejection {
    let filterer = &shape.filters[usize::from(filter)];
    Rejection {
        node: node.name.clone(),
        plugin: filterer.plugin,
        reasons: refusal
            .bits()
            .map(|bit| filterer.filter.reason(bit))
            .collect(),
        detail: filterer.filter.detail(node),
        resolvable: refusal.resolvable,
    }
}

fn excluded(shape: &Shape, node: &NodeInfo) -> Rejection {
    let by = shape
        .only
        .as_ref()
        .and_then(|(_, plugins)| plugins.first().copied());
    let (plugin, reason) = match &shape.rejected {
        Some((plugin, reason)) => (*plugin, reason.clone()),
        None => (by.unwrap_or_default(), exclusion(shape)),
    };
    Rejection {
        node: node.name.clone(),
        plugin,
        reasons: vec![reason],
        detail: String::new(),
        resolvable: false,
    }
}

/// Upstream's reason for nodes that PreFilter left out.
fn exclusion(shape: &Shape) -> String {
    let plugins = shape.only.as_ref().map(|(_, plugins)| plugins.join(" "));
    format!(
        "node(s) didn't satisfy plugin(s) [{}]",
        plugins.unwrap_or_default()
    )
}

/// How many nodes were refused for each reason, the most frequent first.
pub fn histogram(shape: &Shape) -> Vec<(String, usize)> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (verdict, count) in shape.tally() {
        match verdict {
            Verdict::Refused(filter, refusal) => {
                let filter = &shape.filters[usize::from(filter)].filter;
                for bit in refusal.bits() {
                    *reasons.entry(filter.reason(bit)).or_default() += count;
                }
            }
            Verdict::Excluded => {
                let rejected = shape.rejected.as_ref().map(|(_, reason)| reason.clone());
                let reason = rejected.unwrap_or_else(|| exclusion(shape));
                *reasons.entry(reason).or_default() += count;
            }
            Verdict::Absent | Verdict::Feasible => {}
        }
    }
    let mut histogram: Vec<_> = reasons.into_iter().collect();
    histogram.sort_by_key(|(_, count)| Reverse(*count));
    histogram
}
