//! What all nodes are to all pods of one spec: columns of verdicts and scores, brought up to date by looking at the nodes
//! that changed.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1::PodSpec;

use super::{
    framework::{Filter, Normalize, PreFilter, Profile, Refusal, Score},
    node_cache::{NodeCache, NodeInfo, Slot},
    resources::PodInfo,
};
use crate::api::Name;

/// What a node is to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no node in this slot.
    Absent,
    Feasible,
    /// PreFilter left it out.
    Excluded,
    /// The first filter that refused it, by its number in [`Shape::filters`], and why.
    Refused(u8, Refusal),
}

impl Verdict {
    /// Whether a pod that waits has reason to try again when a node's verdict changes from this to `new`.
    fn is_worse_than(self, new: Self) -> bool {
        match (self, new) {
            (old, Self::Feasible) => old != Self::Feasible,
            (Self::Refused(old_filter, old), Self::Refused(filter, new)) => {
                let fewer = new.reasons != old.reasons && new.reasons & !old.reasons == 0;
                filter > old_filter || (filter == old_filter && fewer)
            }
            _ => false,
        }
    }
}

/// A plugin that filters.
#[derive(Clone, Debug)]
pub struct Filterer {
    pub plugin: &'static str,
    pub filter: Arc<dyn Filter>,
}

/// A plugin that scores, and its raw score of each slot.
#[derive(Clone, Debug)]
pub struct Scorer {
    pub plugin: &'static str,
    pub weight: i64,
    pub normalize: Option<Normalize>,
    score: Arc<dyn Score>,
    raw: Vec<i64>,
}

impl Scorer {
    /// The raw score of a feasible node.
    #[must_use]
    pub fn raw(&self, slot: Slot) -> i64 {
        self.raw[slot]
    }
}

/// All pods of one spec.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Never given twice.
    pub id: u64,
    pub info: Arc<PodInfo>,
    pub filters: Vec<Filterer>,
    pub scorers: Vec<Scorer>,
    /// PreFilter's reason why no node will do.
    pub rejected: Option<(&'static str, String)>,
    /// The only nodes that PreFilter left, and the plugins that said so.
    pub only: Option<(BTreeSet<Name>, Vec<&'static str>)>,
    verdicts: Vec<Verdict>,
    /// The sum of the weighted scores that need no normalisation.
    fixed: Vec<i64>,
    /// The cache's version and epoch that the columns know.
    seen: u64,
    epoch: Option<u64>,
    used: u64,
}

impl Shape {
    fn new(id: u64, info: Arc<PodInfo>, profile: &Profile) -> Self {
        let mut shape = Self {
            id,
            info,
            filters: Vec::new(),
            scorers: Vec::new(),
            rejected: None,
            only: None,
            verdicts: Vec::new(),
            fixed: Vec::new(),
            seen: 0,
            epoch: None,
            used: 0,
        };
        for enabled in &profile.plugins {
            let plugin = enabled.plugin.name();
            match enabled.plugin.pre_filter(&shape.info) {
                PreFilter::Skip => {}
                PreFilter::Filter(filter) => shape.filters.push(Filterer { plugin, filter }),
                PreFilter::Only(names, filter) => {
                    shape.restrict(plugin, names);
                    shape.filters.push(Filterer { plugin, filter });
                }
                PreFilter::Reject(reason) => {
                    shape.rejected = Some((plugin, reason));
                    break;
                }
            }
        }
        shape
    }

    fn restrict(&mut self, plugin: &'static str, names: BTreeSet<Name>) {
        let (left, plugins) = self.only.get_or_insert_with(|| (names.clone(), Vec::new()));
        left.retain(|name| names.contains(name));
        plugins.push(plugin);
    }

    /// The verdicts of all slots, as of the last [`update`](Self::update).
    #[must_use]
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Brings the columns up to date.
    pub fn update(&mut self, profile: &Profile, nodes: &NodeCache) {
        let changed = match self.epoch == Some(nodes.epoch()) {
            true => nodes.changed_since(self.seen),
            false => {
                self.prepare_scores(profile, nodes);
                None
            }
        };
        self.resize(nodes.slots().len());
        match changed {
            Some(changed) => changed.for_each(|slot| self.evaluate(slot, &nodes.slots()[slot])),
            None => {
                for (slot, node) in nodes.slots().iter().enumerate() {
                    self.evaluate(slot, node);
                }
            }
        }
        self.seen = nodes.version();
    }

    /// Looks at a node that changed. Whether it is better for these pods now than when they were last tried.
    pub fn improves(&mut self, slot: Slot, nodes: &NodeCache) -> bool {
        self.resize(nodes.slots().len());
        let new = self.verdict(&nodes.slots()[slot]);
        let old = std::mem::replace(&mut self.verdicts[slot], new);
        old.is_worse_than(new)
    }

    fn prepare_scores(&mut self, profile: &Profile, nodes: &NodeCache) {
        self.epoch = Some(nodes.epoch());
        self.scorers.clear();
        for enabled in &profile.plugins {
            if let Some(score) = enabled.plugin.pre_score(&self.info, nodes) {
                self.scorers.push(Scorer {
                    plugin: enabled.plugin.name(),
                    weight: enabled.weight,
                    normalize: score.normalize(),
                    score,
                    raw: Vec::new(),
                });
            }
        }
    }

    fn resize(&mut self, slots: usize) {
        self.verdicts.resize(slots, Verdict::Absent);
        self.fixed.resize(slots, 0);
        for scorer in &mut self.scorers {
            scorer.raw.resize(slots, 0);
        }
    }

    fn evaluate(&mut self, slot: Slot, node: &NodeInfo) {
        self.verdicts[slot] = self.verdict(node);
        if self.verdicts[slot] != Verdict::Feasible {
            return;
        }
        let mut fixed = 0;
        for scorer in &mut self.scorers {
            let raw = scorer.score.score(node);
            scorer.raw[slot] = raw;
            if scorer.normalize.is_none() {
                fixed += raw * scorer.weight;
            }
        }
        self.fixed[slot] = fixed;
    }

    fn verdict(&self, node: &NodeInfo) -> Verdict {
        if node.node.is_none() {
            return Verdict::Absent;
        }
        let left_out = |(names, _): &(BTreeSet<Name>, _)| !names.contains(&node.name);
        if self.rejected.is_some() || self.only.as_ref().is_some_and(left_out) {
            return Verdict::Excluded;
        }
        for (number, filterer) in (0..).zip(&self.filters) {
            if let Err(refusal) = filterer.filter.filter(node) {
                return Verdict::Refused(number, refusal);
            }
        }
        Verdict::Feasible
    }

    /// Scores of all feasible nodes.
    #[must_use]
    pub fn rank(&self) -> Ranking {
        let feasible: Vec<Slot> = (0..self.verdicts.len())
            .filter(|slot| self.verdicts[*slot] == Verdict::Feasible)
            .collect();
        let mut totals: Vec<i64> = feasible.iter().map(|slot| self.fixed[*slot]).collect();
        let mut normalized = Vec::with_capacity(self.scorers.len());
        // With one feasible node upstream skips scoring.
        if feasible.len() > 1 {
            for scorer in &self.scorers {
                normalized.push(scorer.add_to(&mut totals, &feasible));
            }
        }
        Ranking {
            feasible,
            totals,
            normalized,
        }
    }
}

/// A plugin's scores after normalisation, in the order of the feasible nodes.
#[derive(Clone, Debug)]
enum Column {
    /// As the raw ones.
    Raw,
    /// The same for all.
    Same(i64),
    Each(Vec<i64>),
}

impl Scorer {
    /// Normalises the raw scores and adds them, weighted, to the totals, unless those hold them already.
    fn add_to(&self, totals: &mut [i64], feasible: &[Slot]) -> Column {
        let Some(normalize) = self.normalize else {
            return Column::Raw;
        };
        let mut column: Vec<i64> = feasible.iter().map(|slot| self.raw[*slot]).collect();
        let first = column[0];
        if column.iter().all(|raw| *raw == first) {
            let mut one = [first];
            normalize(&mut one);
            totals
                .iter_mut()
                .for_each(|total| *total += one[0] * self.weight);
            return Column::Same(one[0]);
        }
        normalize(&mut column);
        for (total, score) in totals.iter_mut().zip(&column) {
            *total += score * self.weight;
        }
        Column::Each(column)
    }
}

/// The feasible nodes with their scores.
#[derive(Clone, Debug)]
pub struct Ranking {
    pub feasible: Vec<Slot>,
    /// In the order of `feasible`.
    pub totals: Vec<i64>,
    normalized: Vec<Column>,
}

impl Ranking {
    /// The normalised score that a plugin, by its number in [`Shape::scorers`], gives a node, by its number in
    /// `feasible`.
    #[must_use]
    pub fn normalized(&self, scorer: usize, index: usize, raw: i64) -> i64 {
        match &self.normalized[scorer] {
            Column::Raw => raw,
            Column::Same(score) => *score,
            Column::Each(scores) => scores[index],
        }
    }

    /// The slots that share the highest total.
    #[must_use]
    pub fn top(&self) -> Vec<Slot> {
        let highest = self.totals.iter().max();
        let pairs = self.feasible.iter().zip(&self.totals);
        pairs
            .filter(|(_, total)| Some(*total) == highest)
            .map(|(slot, _)| *slot)
            .collect()
    }
}

/// The shapes that were used last.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    shapes: Vec<Shape>,
    ids: u64,
    uses: u64,
}

impl Shapes {
    /// How many are kept.
    const LIMIT: usize = 64;

    /// The shape of a spec.
    pub fn of(
        &mut self,
        spec: &Arc<PodSpec>,
        profile: &Profile,
        info: impl FnOnce() -> Arc<PodInfo>,
    ) -> &mut Shape {
        let shared = |shape: &Shape| Arc::ptr_eq(&shape.info.spec, spec);
        let equal = |shape: &Shape| shape.info.spec == *spec;
        let found = self.shapes.iter().position(shared);
        let index = match found.or_else(|| self.shapes.iter().position(equal)) {
            Some(index) => index,
            None => self.add(info(), profile),
        };
        self.uses += 1;
        let shape = &mut self.shapes[index];
        shape.used = self.uses;
        shape
    }

    /// A shape, if it is kept.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Shape> {
        self.shapes.iter_mut().find(|shape| shape.id == id)
    }

    fn add(&mut self, info: Arc<PodInfo>, profile: &Profile) -> usize {
        if self.shapes.len() == Self::LIMIT {
            let used = |index: &usize| self.shapes[*index].used;
            if let Some(oldest) = (0..Self::LIMIT).min_by_key(used) {
                self.shapes.swap_remove(oldest);
            }
        }
        self.ids += 1;
        self.shapes.push(Shape::new(self.ids, info, profile));
        self.shapes.len() - 1
    }
}
