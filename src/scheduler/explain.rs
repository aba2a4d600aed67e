//! What a [`Decision`](crate::store::Decision) says of single nodes: all of them if they are few, else the best and the
//! first refused.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    framework::Refusal,
    node_cache::{NodeCache, NodeInfo},
    shape::{Ranking, Shape, Verdict},
};
use crate::store::decision::{NodeScore, PluginScore, Rejection};

/// Up to this many nodes are all kept.
const FEW: usize = 64;
/// Of more nodes, this many.
const SOME: usize = 16;

const fn kept(nodes: usize) -> usize {
    if nodes <= FEW { nodes } else { SOME }
}

/// The scores of the best feasible nodes, best first, by name among equals; none if only one node was feasible.
pub fn scores(shape: &Shape, ranking: &Ranking, nodes: &mut NodeCache) -> Vec<NodeScore> {
    if ranking.feasible.len() < 2 {
        return Vec::new();
    }
    let limit = kept(nodes.len());
    let ranks = nodes.ranks();
    let mut best: Vec<(Reverse<i64>, u32, usize)> = Vec::with_capacity(limit + 1);
    for (index, (slot, total)) in ranking.feasible.iter().zip(&ranking.totals).enumerate() {
        let entry = (Reverse(*total), ranks[*slot], index);
        if best.len() == limit && best.last().is_some_and(|worst| entry > *worst) {
            continue;
        }
        best.insert(best.partition_point(|better| *better < entry), entry);
        best.truncate(limit);
    }
    let score = |(Reverse(total), _, index): (Reverse<i64>, u32, usize)| {
        let slot = ranking.feasible[index];
        let scorers = shape.scorers.iter().enumerate();
        let plugins = scorers.map(|(number, scorer)| PluginScore {
            plugin: scorer.plugin,
            raw: scorer.raw(slot),
            normalized: ranking.normalized(number, index, scorer.raw(slot)),
            weight: scorer.weight,
        });
        NodeScore {
            node: nodes.slots()[slot].name.clone(),
            total,
            plugins: plugins.collect(),
        }
    };
    best.into_iter().map(score).collect()
}

/// The nodes that were refused, with the reasons.
pub fn rejections(shape: &Shape, nodes: &NodeCache) -> Vec<Rejection> {
    let refused = nodes
        .slots()
        .iter()
        .zip(shape.verdicts())
        .filter_map(|(node, verdict)| match verdict {
            Verdict::Refused(filter, refusal) => Some(refused(shape, node, *filter, *refusal)),
            Verdict::Excluded => Some(excluded(shape, node)),
            Verdict::Absent | Verdict::Feasible => None,
        });
    refused.take(kept(nodes.len())).collect()
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
    let mut refusals: Vec<((u8, u32), usize)> = Vec::new();
    let mut excluded = 0;
    for verdict in shape.verdicts() {
        match verdict {
            Verdict::Refused(filter, refusal) => {
                let what = (*filter, refusal.reasons);
                match refusals.iter_mut().find(|(known, _)| *known == what) {
                    Some((_, count)) => *count += 1,
                    None => refusals.push((what, 1)),
                }
            }
            Verdict::Excluded => excluded += 1,
            Verdict::Absent | Verdict::Feasible => {}
        }
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for ((filter, bits), count) in refusals {
        let filter = &shape.filters[usize::from(filter)].filter;
        let refusal = Refusal {
            reasons: bits,
            resolvable: false,
        };
        for bit in refusal.bits() {
            *reasons.entry(filter.reason(bit)).or_default() += count;
        }
    }
    if excluded > 0 {
        let rejected = shape.rejected.as_ref().map(|(_, reason)| reason.clone());
        let reason = rejected.unwrap_or_else(|| exclusion(shape));
        *reasons.entry(reason).or_default() += excluded;
    }
    let mut histogram: Vec<_> = reasons.into_iter().collect();
    histogram.sort_by_key(|(_, count)| Reverse(*count));
    histogram
}
