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
    normalize: Option<Normalize>,
    score: Arc<dyn Score>,
    raw: Vec<i64>,
    /// The raw scores that feasible nodes have, in order, if they are to be normalised.
    values: Vec<Value>,
    /// Whether a value came or went since they were normalised.
    stale: bool,
}

/// A raw score, how many feasible nodes have it, and what it is normalised.
#[derive(Clone, Debug)]
struct Value {
    raw: i64,
    nodes: usize,
    score: i64,
}

impl Scorer {
    /// The raw score of a feasible node.
    #[must_use]
    pub fn raw(&self, slot: Slot) -> i64 {
        self.raw[slot]
    }

    /// The score of a feasible node after normalisation.
    #[must_use]
    pub fn normalized(&self, slot: Slot) -> i64 {
        let raw = self.raw[slot];
        if self.normalize.is_none() {
            return raw;
        }
        self.find(raw).map_or(0, |index| self.values[index].score)
    }

    fn find(&self, raw: i64) -> Result<usize, usize> {
        self.values.binary_search_by_key(&raw, |value| value.raw)
    }

    /// Scores a node that is feasible now.
    fn enter(&mut self, slot: Slot, node: &NodeInfo) {
        let raw = self.score.score(node);
        self.raw[slot] = raw;
        if self.normalize.is_none() {
            return;
        }
        match self.find(raw) {
            Ok(index) => self.values[index].nodes += 1,
            Err(index) => {
                let value = Value {
                    raw,
                    nodes: 1,
                    score: 0,
                };
                self.values.insert(index, value);
                self.stale = true;
            }
        }
    }

    /// Forgets a node that was feasible.
    fn leave(&mut self, slot: Slot) {
        if let Ok(index) = self.find(self.raw[slot]) {
            self.values[index].nodes -= 1;
            if self.values[index].nodes == 0 {
                self.values.remove(index);
                self.stale = true;
            }
        }
    }

    /// Normalises the values anew if one came or went. Whether it did.
    fn refresh(&mut self) -> bool {
        let stale = std::mem::take(&mut self.stale);
        if let (true, Some(normalize)) = (stale, self.normalize) {
            let mut scores: Vec<i64> = self.values.iter().map(|value| value.raw).collect();
            normalize(&mut scores);
            for (value, score) in self.values.iter_mut().zip(scores) {
                value.score = score;
            }
        }
        stale
    }
}

/// The total of a slot that holds no feasible node.
const NONE: i64 = i64::MIN;

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
    /// How many slots have each verdict.
    tally: Vec<(Verdict, usize)>,
    totals: Vec<i64>,
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
            tally: Vec::new(),
            totals: Vec::new(),
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

    /// Brings the columns up to date.
    pub fn update(&mut self, profile: &Profile, nodes: &NodeCache) {
        let known = self.epoch == Some(nodes.epoch());
        let changed = nodes.changed_since(self.seen).filter(|_| known);
        if !known {
            self.prepare_scores(profile, nodes);
        }
        let slots = nodes.slots();
        self.resize(slots.len());
        let changed: Vec<Slot> = match changed {
            Some(changed) => changed.collect(),
            None => (0..slots.len()).collect(),
        };
        for slot in &changed {
            self.evaluate(*slot, &slots[*slot]);
        }
        let stale = self
            .scorers
            .iter_mut()
            .fold(false, |stale, scorer| scorer.refresh() | stale);
        if stale {
            (0..slots.len()).for_each(|slot| self.sum_up(slot));
        } else {
            changed.into_iter().for_each(|slot| self.sum_up(slot));
        }
        self.seen = nodes.version();
    }

    /// Looks at a node that changed. Whether it is better for these pods now than when they were last tried.
    pub fn improves(&mut self, slot: Slot, nodes: &NodeCache) -> bool {
        self.resize(nodes.slots().len());
        let old = self.verdicts[slot];
        self.evaluate(slot, &nodes.slots()[slot]);
        old.is_worse_than(self.verdicts[slot])
    }

    fn prepare_scores(&mut self, profile: &Profile, nodes: &NodeCache) {
        self.epoch = Some(nodes.epoch());
        self.verdicts.clear();
        self.tally.clear();
        self.totals.clear();
        self.scorers.clear();
        for enabled in &profile.plugins {
            if let Some(score) = enabled.plugin.pre_score(&self.info, nodes) {
                self.scorers.push(Scorer {
                    plugin: enabled.plugin.name(),
                    weight: enabled.weight,
                    normalize: score.normalize(),
                    score,
                    raw: Vec::new(),
                    values: Vec::new(),
                    stale: false,
                });
            }
        }
    }

    fn resize(&mut self, slots: usize) {
        let new = slots - self.verdicts.len();
        if new == 0 {
            return;
        }
        self.count(Verdict::Absent, new);
        self.verdicts.resize(slots, Verdict::Absent);
        self.totals.resize(slots, NONE);
        for scorer in &mut self.scorers {
            scorer.raw.resize(slots, 0);
        }
    }

    fn count(&mut self, verdict: Verdict, more: usize) {
        match self.tally.iter_mut().find(|(known, _)| *known == verdict) {
            Some((_, count)) => *count += more,
            None => self.tally.push((verdict, more)),
        }
    }

    fn evaluate(&mut self, slot: Slot, node: &NodeInfo) {
        let new = self.verdict(node);
        let old = std::mem::replace(&mut self.verdicts[slot], new);
        if old != new {
            if let Some((_, count)) = self.tally.iter_mut().find(|(known, _)| *known == old) {
                *count -= 1;
            }
            self.count(new, 1);
        }
        for scorer in &mut self.scorers {
            if old == Verdict::Feasible {
                scorer.leave(slot);
            }
            if new == Verdict::Feasible {
                scorer.enter(slot, node);
            }
        }
    }

    fn sum_up(&mut self, slot: Slot) {
        self.totals[slot] = match self.verdicts[slot] {
            Verdict::Feasible => self
                .scorers
                .iter()
                .map(|it| it.normalized(slot) * it.weight)
                .sum(),
            _ => NONE,
        };
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

    /// The verdicts of all slots, as of the last [`update`](Self::update), which all that follows is of.
    #[must_use]
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The verdicts that there are, and how many slots have each.
    pub fn tally(&self) -> impl Iterator<Item = (Verdict, usize)> {
        self.tally.iter().copied().filter(|(_, count)| *count > 0)
    }

    /// How many nodes are feasible.
    #[must_use]
    pub fn feasible(&self) -> usize {
        let mut counts = self.tally();
        counts
            .find(|(it, _)| *it == Verdict::Feasible)
            .map_or(0, |(_, count)| count)
    }

    /// The feasible nodes' slots and totals.
    pub fn totals(&self) -> impl Iterator<Item = (Slot, i64)> {
        let all = self.totals.iter().copied().enumerate();
        all.filter(|(_, total)| *total != NONE)
    }

    /// The total of a feasible node.
    #[must_use]
    pub fn total(&self, slot: Slot) -> i64 {
        self.totals[slot]
    }

    /// The slots that share the highest total, if a node is feasible.
    #[must_use]
    pub fn top(&self) -> Vec<Slot> {
        let highest = self.totals.iter().copied().max().unwrap_or(NONE);
        let mut top = Vec::new();
        for (slot, total) in self.totals.iter().enumerate() {
            if *total == highest && highest != NONE {
                top.push(slot);
            }
        }
        top
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
