//! Zones: how disrupted each is, and how fast its nodes may be emptied (`ComputeZoneState`, `handleDisruption`,
//! `scheduler/rate_limited_queue.go`).

use std::{collections::VecDeque, time::Duration};

use crate::{
    api::{Name, Node, Resource, Time},
    store::Timing,
};

/// A zone counts as partly disrupted from this share of nodes that are not ready on (`--unhealthy-zone-threshold`).
const UNHEALTHY_PERCENT: usize = 55;
/// A zone with more nodes than this is large (`--large-cluster-size-threshold`).
const LARGE: usize = 50;

/// How much of a zone is disrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not looked at yet.
    #[default]
    Initial,
    Normal,
    /// More than two nodes, and more than a little over half of them, are not ready.
    Partial,
    /// No node is ready.
    Full,
}

/// The state of a zone by how many of its nodes are ready.
#[must_use]
pub const fn state(ready: usize, not_ready: usize) -> State {
    if ready == 0 && not_ready > 0 {
        State::Full
    } else if not_ready > 2 && not_ready * 100 >= (ready + not_ready) * UNHEALTHY_PERCENT {
        State::Partial
    } else {
        State::Normal
    }
}

/// Nodes emptied per 1000 s in a zone of so many nodes; 0 for none.
#[must_use]
pub const fn rate(state: State, nodes: usize, timing: &Timing) -> u64 {
    match state {
        State::Initial | State::Normal | State::Full => timing.eviction_per_1000s,
        State::Partial if nodes > LARGE => timing.secondary_eviction_per_1000s,
        State::Partial => 0,
    }
}

/// The zone that a node is in: region and zone, either of which may be empty.
#[must_use]
pub fn of(node: &Node) -> String {
    let label = |name: &str| Resource::labels(node).get(name).map_or("", String::as_str);
    let region = label("topology.kubernetes.io/region");
    format!("{region}:{}", label("topology.kubernetes.io/zone"))
}

/// A zone: its state and the nodes that wait for their NoExecute taint, at most one at a time and so many per second.
#[derive(Clone, Debug)]
pub struct Zone {
    pub state: State,
    waiting: VecDeque<Name>,
    /// Nodes per 1000 s; 0 for none.
    rate: u64,
    /// When the next node may go.
    next: Time,
}

impl Zone {
    /// A zone in which nothing is wrong yet.
    #[must_use]
    pub const fn new(timing: &Timing) -> Self {
        Self {
            state: State::Initial,
            waiting: VecDeque::new(),
            rate: timing.eviction_per_1000s,
            next: Time(i64::MIN),
        }
    }

    /// Puts a node at the end of the queue, if it is not in it.
    pub fn add(&mut self, node: &Name) {
        if !self.waiting.contains(node) {
            self.waiting.push_back(node.clone());
        }
    }

    /// Takes a node out of the queue.
    pub fn remove(&mut self, node: &str) {
        self.waiting.retain(|name| **name != *node);
    }

    /// Whether a node waits that may go one day.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.rate > 0 && !self.waiting.is_empty()
    }

    /// When the next node may go, if one waits.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.waits().then_some(self.next)
    }

    /// The next node, if it may go now. The limiter's burst is 1.
    pub fn pop(&mut self, now: Time) -> Option<Name> {
        if self.rate == 0 || now < self.next || self.waiting.is_empty() {
            return None;
        }
        self.next = now + interval(self.rate);
        self.waiting.pop_front()
    }

    /// Changes the rate. Who had to wait still has to (`SwapLimiter`).
    pub fn set_rate(&mut self, rate: u64, now: Time) {
        if rate == self.rate {
            return;
        }
        let ready = self.rate > 0 && now >= self.next;
        self.rate = rate;
        if rate > 0 && !ready {
            self.next = now + interval(rate);
        }
    }
}

const fn interval(per_1000s: u64) -> Duration {
    Duration::from_micros(1_000_000_000 / per_1000s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Preset;

    #[test]
    fn a_zone_is_as_disrupted_as_upstream_says() {
        let check = |ready, not_ready, expected| {
            assert_eq!(state(ready, not_ready), expected, "{ready} + {not_ready}");
        };
        check(0, 0, State::Normal);
        check(0, 1, State::Full);
        check(1, 2, State::Normal); // two are too few to tell
        check(2, 3, State::Partial);
        check(3, 3, State::Normal);
        check(9, 11, State::Partial); // exactly 55 %
        check(46, 54, State::Normal);
    }

    #[test]
    fn a_small_zone_that_is_partly_disrupted_is_left_alone() {
        let timing = Timing::preset(Preset::Kubernetes);
        assert_eq!(rate(State::Normal, 10, &timing), 100);
        assert_eq!(rate(State::Partial, 50, &timing), 0);
        assert_eq!(rate(State::Partial, 51, &timing), 10);
        assert_eq!(rate(State::Full, 10, &timing), 100);
    }

    #[test]
    fn nodes_go_one_by_one() {
        let mut zone = Zone::new(&Timing::preset(Preset::Kubernetes));
        for name in ["a", "b", "a"] {
            zone.add(&name.into());
        }
        let at = Time::from_secs;
        assert_eq!(zone.pop(at(100)).as_deref(), Some("a"));
        assert_eq!(zone.pop(at(109)), None);
        assert_eq!(zone.pop(at(110)).as_deref(), Some("b"));
        assert_eq!(zone.pop(at(200)), None);
    }

    #[test]
    fn a_zone_that_was_stopped_starts_with_a_wait() {
        let mut zone = Zone::new(&Timing::preset(Preset::Kubernetes));
        zone.add(&"a".into());
        zone.set_rate(0, Time::from_secs(1));
        assert_eq!(zone.next(), None);
        zone.set_rate(100, Time::from_secs(50));
        assert_eq!(zone.next(), Some(Time::from_secs(60)));
    }
}
