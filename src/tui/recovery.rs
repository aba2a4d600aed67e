//! What became of every pod that a fault hit: read from the log a piece at a time, while the incident is open.
//!
//! An [`Incident`] says when each phase was complete for all pods. Here is what lies between: when each pod was seen to
//! be dead, when its address was taken out of the endpoint slices, when its replacement was made, bound, started and
//! ready.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use imbl::OrdMap;
use k8s_openapi::api::discovery::v1::Endpoint;

use super::list::Rows;
use crate::{
    api::{EndpointSlice, Key, Name, Object, Pod, Time, Uid},
    store::{
        Change, Incident, Op, Store, Timing, What,
        incident::Phase,
        input::{Fault, Target},
    },
};

/// Replacements that are followed, at most, of one incident.
const LIMIT: usize = 500;

/// A pod that was hit.
#[derive(Clone, Debug)]
pub struct Hit {
    pub key: Key,
    uid: Uid,
    /// When the control plane first saw that it is not ready.
    pub noticed: Option<Time>,
    /// Whether it was listed as a ready endpoint of a Service when it was hit.
    pub listed: bool,
    /// When no endpoint slice listed it as ready any more.
    pub out: Option<Time>,
    /// When it was asked to go.
    pub evicted: Option<Time>,
    pub gone: Option<Time>,
    /// When it was ready again itself.
    pub ready: Option<Time>,
}

/// A pod that was made after the fault in place of one that was hit.
#[derive(Clone, Debug)]
pub struct Replacement {
    pub key: Key,
    uid: Uid,
    pub made: Time,
    pub scheduled: Option<(Time, Name)>,
    /// When its first container was seen to run.
    pub started: Option<Time>,
    pub ready: Option<Time>,
}

/// What became of the pods of one incident.
#[derive(Clone, Debug, Default)]
pub struct Track {
    pub hit: Vec<Hit>,
    pub replacements: Vec<Replacement>,
    owners: BTreeSet<Uid>,
    next: u64,
    over: bool,
}

impl Track {
    /// Begins to follow an incident.
    fn begin(incident: &Incident, store: &Store) -> Self {
        let mut track = Self {
            next: incident.record,
            ..Self::default()
        };
        for key in &incident.pods {
            let Some(pod) = find(store, key, incident.record) else {
                continue;
            };
            track
                .owners
                .extend(pod.meta.controller().map(|owner| owner.uid));
            track.hit.push(Hit {
                key: key.clone(),
                uid: pod.meta.uid,
                noticed: None,
                listed: false,
                out: None,
                evicted: None,
                gone: None,
                ready: None,
            });
        }
        track.listed_now(store);
        track
    }

    /// Notes which pods are listed as ready endpoints.
    fn listed_now(&mut self, store: &Store) {
        let spaces: BTreeSet<&str> = self.hit.iter().map(|hit| &*hit.key.namespace).collect();
        let mut listed = BTreeSet::new();
        for (key, slice) in &store.objects.endpoint_slices {
            if spaces.contains(&*key.namespace) {
                listed.extend(ready_uids(slice));
            }
        }
        for hit in &mut self.hit {
            hit.listed = listed.contains(&hit.uid);
        }
    }

    /// Whether it is still followed.
    const fn is_open(&self) -> bool {
        !self.over
    }

    fn sees(&mut self, change: &Change, at: Time) {
        match &change.object {
            Object::Pod(pod) => self.sees_pod(pod, change.op, at),
            Object::EndpointSlice(slice) => {
                let old = match &change.old {
                    Some(Object::EndpointSlice(old)) => Some(&**old),
                    _ => None,
                };
                let new = (change.op != Op::Deleted).then_some(&**slice);
                self.sees_slice(old, new, at);
            }
            _ => {}
        }
    }

    fn sees_pod(&mut self, pod: &Arc<Pod>, op: Op, at: Time) {
        let gone = op == Op::Deleted;
        if let Some(hit) = self.hit.iter_mut().find(|hit| hit.uid == pod.meta.uid) {
            if !pod.is_ready() {
                hit.noticed.get_or_insert(at);
                // What fell back is not ready again.
                hit.ready = None;
            }
            if pod.is_terminating() || gone {
                hit.evicted.get_or_insert(at);
            } else if pod.is_ready() && hit.noticed.is_some() {
                hit.ready.get_or_insert(at);
            }
            if gone {
                hit.gone.get_or_insert(at);
            }
            return;
        }
        let uid = pod.meta.uid;
        let owner = pod.meta.controller().map(|owner| owner.uid);
        let ours = owner.is_some_and(|owner| self.owners.contains(&owner));
        if op == Op::Added && ours && self.replacements.len() < LIMIT {
            self.replacements.push(Replacement {
                key: pod.meta.key.clone(),
                uid,
                made: at,
                scheduled: None,
                started: None,
                ready: None,
            });
        }
        let Some(fresh) = self.replacements.iter_mut().find(|pod| pod.uid == uid) else {
            return;
        };
        if let (None, Some(node)) = (&fresh.scheduled, &pod.node) {
            fresh.scheduled = Some((at, node.clone()));
        }
        if is_started(pod) {
            fresh.started.get_or_insert(at);
        }
        if pod.is_ready() {
            fresh.ready.get_or_insert(at);
        }
    }

    fn sees_slice(&mut self, old: Option<&EndpointSlice>, new: Option<&EndpointSlice>, at: Time) {
        let before: BTreeSet<Uid> = old.into_iter().flat_map(ready_uids).collect();
        let after: BTreeSet<Uid> = new.into_iter().flat_map(ready_uids).collect();
        for hit in &mut self.hit {
            match (before.contains(&hit.uid), after.contains(&hit.uid)) {
                (true, false) => {
                    hit.listed = true;
                    hit.out.get_or_insert(at);
                }
                (false, true) => {
                    hit.listed = true;
                    // It came back: only what leaves for good counts.
                    if hit.ready.is_none() {
                        hit.out = None;
                    }
                }
                _ => {}
            }
        }
    }

    /// When the last dead endpoint was taken out; none if there was none, or if one is still listed.
    #[must_use]
    pub fn endpoints_out(&self) -> Option<Time> {
        let listed: Vec<&Hit> = self.hit.iter().filter(|hit| hit.listed).collect();
        let all = listed.iter().map(|hit| hit.out);
        all.collect::<Option<Vec<Time>>>()?.into_iter().max()
    }

    /// Whether a Service lists a pod that was hit and has not come back.
    #[must_use]
    pub fn dead_listed(&self) -> usize {
        let dead = |hit: &&Hit| hit.listed && hit.out.is_none() && hit.ready.is_none();
        self.hit.iter().filter(dead).count()
    }

    /// When as many replacements were started as pods were asked to go.
    #[must_use]
    pub fn started(&self) -> Option<Time> {
        let wanted = self.hit.iter().filter(|hit| hit.evicted.is_some()).count();
        let mut times: Vec<Time> = self.replacements.iter().filter_map(|r| r.started).collect();
        times.sort_unstable();
        times.get(wanted.checked_sub(1)?).copied()
    }
}

/// A pod as it was when a fault hit it, or as near to that as can be known.
fn find<'s>(store: &'s Store, key: &Key, record: u64) -> Option<&'s Arc<Pod>> {
    // The log first: by now another pod may have the name.
    let logged = store
        .log
        .since(record)
        .find_map(|record| match &record.what {
            What::Change(change) => match (&change.object, &change.old) {
                (Object::Pod(_), Some(Object::Pod(old))) if old.meta.key == *key => Some(old),
                (Object::Pod(pod), None) if pod.meta.key == *key && change.op == Op::Deleted => {
                    Some(pod)
                }
                _ => None,
            },
            _ => None,
        });
    logged.or_else(|| store.objects.pods.get(key))
}

fn is_started(pod: &Pod) -> bool {
    let statuses = pod.status.container_statuses.iter().flatten();
    statuses
        .filter_map(|status| status.state.as_ref())
        .any(|state| state.running.is_some())
}

/// The pods that a slice lists as ready.
fn ready_uids(slice: &EndpointSlice) -> impl Iterator<Item = Uid> + '_ {
    let ready = |endpoint: &&Endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions.and_then(|c| c.ready) != Some(false)
    };
    let endpoints = slice.endpoints.iter().flatten().filter(ready);
    endpoints.filter_map(|endpoint| endpoint.target_ref.as_ref()?.uid.as_ref()?.parse().ok())
}

/// All incidents' tracks.
#[derive(Clone, Debug, Default)]
pub struct Tracks {
    tracks: OrdMap<u64, Arc<Track>>,
    shown: Rows,
    text: String,
    /// The newest incident that is known.
    last: u64,
}

impl Tracks {
    /// Reads what was logged since the last time.
    pub fn read(&mut self, store: &Store) {
        for incident in store.incidents.iter().rev() {
            if incident.id <= self.last {
                break;
            }
            let track = Track::begin(incident, store);
            self.tracks.insert(incident.id, Arc::new(track));
            if contains(incident, &self.text) {
                self.shown.insert(incident.id);
            }
        }
        self.last = store.incidents.last().map_or(0, |incident| incident.id);
        let open: Vec<u64> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.is_open())
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            let over = incident(store, id).is_none_or(|incident| incident.recovered.is_some());
            let Some(track) = self.tracks.get_mut(&id) else {
                continue;
            };
            let track = Arc::make_mut(track);
            for record in store.log.since(track.next) {
                if let What::Change(change) = &record.what {
                    track.sees(change, record.at);
                }
            }
            track.next = store.log.next_seq();
            track.over = over;
        }
    }

    /// Shows only incidents that contain a text.
    pub fn set_text(&mut self, text: &str, store: &Store) {
        self.text = text.to_lowercase();
        let found = store.incidents.iter();
        self.shown = found
            .filter(|incident| contains(incident, &self.text))
            .map(|incident| incident.id)
            .collect();
    }

    /// The numbers of the shown incidents.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.shown
    }

    /// What became of an incident's pods.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Arc<Track>> {
        self.tracks.get(&id)
    }
}

fn contains(incident: &Incident, text: &str) -> bool {
    let has = |part: &str| part.to_lowercase().contains(text);
    text.is_empty() || has(&incident.target.to_string()) || has(incident.fault.as_str())
}

/// An incident by its number: numbers follow one another.
#[must_use]
pub fn incident(store: &Store, id: u64) -> Option<&Arc<Incident>> {
    let first = store.incidents.front()?.id;
    let index = usize::try_from(id.checked_sub(first)?).ok()?;
    store.incidents.get(index).filter(|found| found.id == id)
}

/// A step of a recovery as it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Noticed,
    EndpointsOut,
    Tainted,
    Evicted,
    Replaced,
    Scheduled,
    Started,
    Ready,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 8] = [
        Self::Noticed,
        Self::EndpointsOut,
        Self::Tainted,
        Self::Evicted,
        Self::Replaced,
        Self::Scheduled,
        Self::Started,
        Self::Ready,
    ];

    /// From what to what it is measured.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Noticed => "fault → noticed",
            Self::EndpointsOut => "noticed → endpoints out",
            Self::Tainted => "noticed → tainted",
            Self::Evicted => "tainted → evicted",
            Self::Replaced => "evicted → replaced",
            Self::Scheduled => "replaced → scheduled",
            Self::Started => "scheduled → started",
            Self::Ready => "started → ready",
        }
    }

    /// The step that it is measured from; none for the fault.
    const fn from(self) -> Option<Self> {
        match self {
            Self::Noticed => None,
            Self::EndpointsOut | Self::Tainted => Some(Self::Noticed),
            Self::Evicted => Some(Self::Tainted),
            Self::Replaced => Some(Self::Evicted),
            Self::Scheduled => Some(Self::Replaced),
            Self::Started => Some(Self::Scheduled),
            Self::Ready => Some(Self::Started),
        }
    }

    /// When it was complete.
    #[must_use]
    pub fn at(self, incident: &Incident, track: &Track) -> Option<Time> {
        let phase = |wanted: Phase| {
            let found = incident.phases.iter().find(|(phase, ..)| *phase == wanted);
            found.map(|(_, at, _)| *at)
        };
        match self {
            Self::Noticed => phase(Phase::Noticed),
            Self::EndpointsOut => track.endpoints_out(),
            Self::Tainted => phase(Phase::Tainted),
            Self::Evicted => phase(Phase::Evicted),
            Self::Replaced => phase(Phase::Replaced),
            Self::Scheduled => phase(Phase::Scheduled),
            Self::Started => track.started(),
            Self::Ready => phase(Phase::Ready),
        }
    }

    /// How long it took, from the step before it that is known.
    #[must_use]
    pub fn took(self, incident: &Incident, track: &Track) -> Option<Duration> {
        let end = self.at(incident, track)?;
        let mut before = self.from();
        while let Some(step) = before {
            if let Some(start) = step.at(incident, track) {
                return Some(end.since(start));
            }
            before = step.from();
        }
        Some(end.since(incident.at))
    }

    /// How long it should take, by the run's timing constants: at least and at most. None where no constant says so.
    #[must_use]
    pub fn expected(self, incident: &Incident, timing: &Timing) -> Option<(Duration, Duration)> {
        let node = matches!(incident.target, Target::Node(_));
        let silent = matches!(incident.fault, Fault::Kill | Fault::CutHeartbeats);
        match self {
            Self::Noticed if node && silent => {
                let grace = timing.node_monitor_grace_ms;
                // The last renewal may be as old as renewals are apart; the controller looks now and then.
                let least = Timing::ms(grace.saturating_sub(timing.lease_renew_ms));
                Some((least, Timing::ms(grace + timing.node_monitor_period_ms)))
            }
            Self::Evicted if node && silent => {
                let toleration = Timing::ms(timing.default_toleration_ms);
                Some((toleration, toleration + Duration::from_secs(1)))
            }
            _ => None,
        }
    }
}

/// The middle of some durations.
#[must_use]
pub fn median(mut all: Vec<Duration>) -> Option<Duration> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}
