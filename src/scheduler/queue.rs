//! The scheduling queue (`pkg/scheduler/backend/queue`): pods that are to be tried now, pods that back off, pods that wait
//! for something to change, pods that are held back by their gates.
//!
//! As upstream since 1.33, a pod that backs off is tried when nothing else is left to try; only pods whose attempt ended
//! in an error wait out their time. A pod that has waited for over 5 minutes is tried again in any case.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::plugins::{Place, place};
use crate::{
    api::{Key, Pod, Time, Uid},
    store::Timing,
};

/// `backoffQOrderingWindowDuration`: back-offs end on whole seconds.
const WINDOW: Duration = Duration::from_secs(1);
/// `DefaultPodMaxInUnschedulablePodsDuration`.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often the queue looks for pods that have waited too long.
const FLUSH_PERIOD: Duration = Duration::from_secs(30);

/// A pod that wants a node.
#[derive(Clone, Debug)]
pub struct QueuedPod {
    pub key: Key,
    pub uid: Uid,
    /// How often it has been tried.
    pub attempts: u32,
    /// The log record that put it into the queue.
    pub cause: u64,
    priority: i32,
    /// Attempts that found no node, and errors since the last that did not.
    failures: u32,
    errors: u32,
    /// When it was queued or last tried.
    since: Time,
    number: u64,
    at: At,
}

/// Where a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Being tried.
    Nowhere,
    Active,
    /// Until the time.
    Backoff(Time),
    /// After an error; until the time.
    ErrorBackoff(Time),
    /// Found no node, as a pod of a shape.
    Waiting(u64),
    Gated,
}

impl QueuedPod {
    fn place(&self) -> Place {
        place(self.priority, self.since, self.number)
    }
}

/// The pods that want a node.
#[derive(Clone, Debug)]
pub struct SchedulingQueue {
    pods: BTreeMap<Key, QueuedPod>,
    active: BTreeMap<Place, Key>,
    backoff: BTreeMap<(Time, Place), Key>,
    error_backoff: BTreeMap<(Time, Place), Key>,
    waiting: BTreeMap<u64, BTreeSet<Key>>,
    waiting_since: BTreeSet<(Time, Key)>,
    /// Counts what was queued.
    numbers: u64,
    flushed: Time,
    first_backoff: Duration,
    longest_backoff: Duration,
}

impl Default for SchedulingQueue {
    fn default() -> Self {
        Self::new(&Timing::preset(crate::store::Preset::Kubernetes))
    }
}

impl SchedulingQueue {
    /// An empty queue.
    #[must_use]
    pub const fn new(timing: &Timing) -> Self {
        Self {
            pods: BTreeMap::new(),
            active: BTreeMap::new(),
            backoff: BTreeMap::new(),
            error_backoff: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_since: BTreeSet::new(),
            numbers: 0,
            flushed: Time::ZERO,
            first_backoff: Timing::ms(timing.scheduler_backoff_first_ms),
            longest_backoff: Timing::ms(timing.scheduler_backoff_cap_ms),
        }
    }

    /// Takes a pod in.
    pub fn add(&mut self, pod: &Pod, gated: bool, now: Time, cause: u64) {
        self.remove(&pod.meta.key);
        let queued = QueuedPod {
            key: pod.meta.key.clone(),
            uid: pod.meta.uid,
            attempts: 0,
            cause,
            priority: priority(pod),
            failures: 0,
            errors: 0,
            since: now,
            number: self.next_number(),
            at: At::Nowhere,
        };
        self.put(queued, if gated { At::Gated } else { At::Active });
    }

    /// Takes note that a pod's spec or labels changed: what it asks for may be there now.
    pub fn update(&mut self, pod: &Pod, gated: bool, now: Time, cause: u64) {
        let Some(mut queued) = self.take(&pod.meta.key) else {
            return self.add(pod, gated, now, cause);
        };
        queued.priority = priority(pod);
        queued.cause = cause;
        let at = match queued.at {
            _ if gated => At::Gated,
            At::Gated => At::Active,
            At::Waiting(_) | At::Nowhere => self.active_or_backoff(&queued, now),
            as_before => as_before,
        };
        self.put(queued, at);
    }

    /// Whether a pod is here.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.pods.contains_key(key)
    }

    /// Forgets a pod.
    pub fn remove(&mut self, key: &Key) {
        self.take(key);
    }

    /// The pod that is to be tried next: from the active ones, else from those that back off.
    pub fn pop(&mut self) -> Option<QueuedPod> {
        let next = self
            .active
            .values()
            .next()
            .or_else(|| self.backoff.values().next());
        let mut queued = self.take(&next?.clone())?;
        queued.attempts += 1;
        Some(queued)
    }

    /// Puts a pod back that found no node: it waits until something changes for pods of its shape.
    pub fn wait(&mut self, mut queued: QueuedPod, shape: u64, now: Time) {
        queued.failures += 1;
        queued.errors = 0;
        queued.since = now;
        queued.number = self.next_number();
        self.put(queued, At::Waiting(shape));
    }

    /// Puts a pod back whose attempt failed for another reason than the nodes.
    pub fn retry(&mut self, mut queued: QueuedPod, now: Time) {
        queued.errors += 1;
        queued.since = now;
        queued.number = self.next_number();
        let until = window(now + self.backoff_of(queued.errors));
        self.put(queued, At::ErrorBackoff(until));
    }

    /// The shapes of which pods wait.
    #[must_use]
    pub fn waiting_shapes(&self) -> Vec<u64> {
        self.waiting.keys().copied().collect()
    }

    /// Wakes the pods that wait as pods of a shape.
    pub fn wake(&mut self, shape: u64, now: Time, cause: u64) {
        for key in self.waiting.get(&shape).cloned().unwrap_or_default() {
            self.requeue(&key, now, Some(cause));
        }
    }

    /// Lets back-offs end, and pods go that have waited too long.
    pub fn advance(&mut self, now: Time) {
        let ended = |until: Time| until < window(now);
        while let Some(((until, _), key)) = self.error_backoff.first_key_value()
            && ended(*until)
        {
            self.activate(&key.clone());
        }
        while let Some(((until, _), key)) = self.backoff.first_key_value()
            && ended(*until)
        {
            self.activate(&key.clone());
        }
        let tick = floor(now, FLUSH_PERIOD);
        if tick > self.flushed {
            self.flushed = tick;
            while let Some((since, key)) = self.waiting_since.first()
                && *since + LONGEST_WAIT < tick
            {
                self.requeue(&key.clone(), now, None);
            }
        }
    }

    /// How many pods can be tried.
    #[must_use]
    pub fn len(&self) -> usize {
        self.active.len() + self.backoff.len()
    }

    /// Whether no pod can be tried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the next pod can be tried, if none can now.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let error = self
            .error_backoff
            .keys()
            .next()
            .map(|(until, _)| *until + WINDOW);
        let waited = self
            .waiting_since
            .first()
            .map(|(since, _)| floor(*since + LONGEST_WAIT, FLUSH_PERIOD) + FLUSH_PERIOD);
        [error, waited].into_iter().flatten().min()
    }

    fn activate(&mut self, key: &Key) {
        if let Some(queued) = self.take(key) {
            self.put(queued, At::Active);
        }
    }

    fn requeue(&mut self, key: &Key, now: Time, cause: Option<u64>) {
        if let Some(mut queued) = self.take(key) {
            queued.cause = cause.unwrap_or(queued.cause);
            let at = self.active_or_backoff(&queued, now);
            self.put(queued, at);
        }
    }

    fn active_or_backoff(&self, queued: &QueuedPod, now: Time) -> At {
        let until = window(queued.since + self.backoff_of(queued.failures));
        if queued.failures > 0 && until >= window(now) {
            At::Backoff(until)
        } else {
            At::Active
        }
    }

    /// The back-off after so many attempts: doubled each time, up to the longest.
    fn backoff_of(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        self.first_backoff
            .saturating_mul(1 << doublings)
            .min(self.longest_backoff)
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn put(&mut self, mut queued: QueuedPod, at: At) {
        queued.at = at;
        let (key, place) = (queued.key.clone(), queued.place());
        match at {
            At::Nowhere | At::Gated => {}
            At::Active => {
                self.active.insert(place, key);
            }
            At::Backoff(until) => {
                self.backoff.insert((until, place), key);
            }
            At::ErrorBackoff(until) => {
                self.error_backoff.insert((until, place), key);
            }
            At::Waiting(shape) => {
                self.waiting_since.insert((queued.since, key.clone()));
                self.waiting.entry(shape).or_default().insert(key);
            }
        }
        self.pods.insert(queued.key.clone(), queued);
    }

    fn take(&mut self, key: &Key) -> Option<QueuedPod> {
        let queued = self.pods.remove(key)?;
        let place = queued.place();
        match queued.at {
            At::Nowhere | At::Gated => {}
            At::Active => {
                self.active.remove(&place);
            }
            At::Backoff(until) => {
                self.backoff.remove(&(until, place));
            }
            At::ErrorBackoff(until) => {
                self.error_backoff.remove(&(until, place));
            }
            At::Waiting(shape) => {
                self.waiting_since.remove(&(queued.since, key.clone()));
                if let Some(keys) = self.waiting.get_mut(&shape) {
                    keys.remove(key);
                    if keys.is_empty() {
                        self.waiting.remove(&shape);
                    }
                }
            }
        }
        Some(queued)
    }
}

fn priority(pod: &Pod) -> i32 {
    pod.spec.priority.unwrap_or(0)
}

fn window(time: Time) -> Time {
    floor(time, WINDOW)
}

fn floor(time: Time, step: Duration) -> Time {
    let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
    Time(time.0 - time.0.rem_euclid(step))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        api::{Object, codec},
        scheduler::testing,
        store::Preset,
    };

    fn pod(name: &str, priority: i32) -> Pod {
        let pod = testing::with(
            testing::pod(name, "1", "1Gi"),
            "/spec/priority",
            json!(priority),
        );
        match codec::from_any(pod).unwrap() {
            Object::Pod(pod) => Pod::clone(&pod),
            other => panic!("{other:?}"),
        }
    }

    fn queue() -> SchedulingQueue {
        SchedulingQueue::new(&Timing::preset(Preset::Kubernetes))
    }

    fn pop(queue: &mut SchedulingQueue) -> Option<String> {
        queue.pop().map(|queued| queued.key.name.to_string())
    }

    #[test]
    fn back_off_doubles_from_one_second_to_ten() {
        let queue = queue();
        let seconds = [1, 2, 3, 4, 5, 60].map(|attempts| queue.backoff_of(attempts).as_secs());
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn pods_come_by_priority_then_by_time_then_in_order() {
        let mut queue = queue();
        let (early, late) = (Time::from_secs(1), Time::from_secs(2));
        queue.add(&pod("late", 0), false, late, 0);
        queue.add(&pod("b", 0), false, early, 0);
        queue.add(&pod("a", 0), false, early, 0);
        queue.add(&pod("high", 5), false, late, 0);
        queue.add(&pod("gated", 9), true, early, 0);
        let order: Vec<_> = std::iter::from_fn(|| pop(&mut queue)).collect();
        assert_eq!(order, ["high", "b", "a", "late"]);
    }

    #[test]
    fn a_pod_that_backs_off_is_tried_when_nobody_else_is_left() {
        let mut queue = queue();
        let now = Time::from_secs(10);
        queue.add(&pod("tried", 9), false, now, 1);
        let tried = queue.pop().unwrap();
        queue.wait(tried, 7, now);
        assert!(queue.is_empty());
        queue.wake(7, now, 42);
        queue.add(&pod("fresh", 0), false, now, 2);
        assert_eq!(pop(&mut queue).as_deref(), Some("fresh"));
        let again = queue.pop().unwrap();
        assert_eq!((again.attempts, again.cause), (2, 42));
    }

    #[test]
    fn after_its_back_off_a_pod_is_one_of_the_active_ones() {
        let mut queue = queue();
        queue.add(&pod("tried", 9), false, Time::ZERO, 1);
        let tried = queue.pop().unwrap();
        queue.wait(tried, 7, Time::from_millis(10_500));
        queue.add(&pod("fresh", 0), false, Time::from_secs(12), 2);
        queue.wake(7, Time::from_millis(10_700), 3);
        // 10.5 s and a second, to the whole second: it ends with the 11th.
        queue.advance(Time::from_millis(11_900));
        assert_eq!(queue.active.len(), 1);
        queue.advance(Time::from_secs(12));
        assert_eq!(pop(&mut queue).as_deref(), Some("tried"));
    }

    #[test]
    fn after_an_error_a_pod_waits_out_its_time() {
        let mut queue = queue();
        queue.add(&pod("a", 0), false, Time::ZERO, 1);
        let failed = queue.pop().unwrap();
        queue.retry(failed, Time::ZERO);
        assert!(queue.is_empty());
        let due = queue.next_deadline().unwrap();
        assert_eq!(due, Time::from_secs(2));
        queue.advance(due);
        assert_eq!(pop(&mut queue).as_deref(), Some("a"));
    }

    #[test]
    fn who_waits_for_more_than_five_minutes_is_flushed_within_thirty_seconds() {
        let mut queue = queue();
        queue.add(&pod("a", 0), false, Time::ZERO, 1);
        let tried = queue.pop().unwrap();
        queue.wait(tried, 7, Time::from_secs(1));
        assert_eq!(queue.next_deadline(), Some(Time::from_secs(330)));
        queue.advance(Time::from_secs(329));
        assert!(queue.is_empty());
        queue.advance(Time::from_secs(330));
        assert_eq!(pop(&mut queue).as_deref(), Some("a"));
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn a_pod_that_goes_leaves_nothing_behind() {
        let mut queue = queue();
        for name in ["active", "waiting", "failed"] {
            queue.add(&pod(name, 0), false, Time::ZERO, 1);
        }
        let waiting = queue.take(&Key::new("default", "waiting")).unwrap();
        queue.wait(waiting, 7, Time::ZERO);
        let failed = queue.take(&Key::new("default", "failed")).unwrap();
        queue.retry(failed, Time::ZERO);
        for name in ["active", "waiting", "failed"] {
            queue.remove(&Key::new("default", name));
        }
        assert!(queue.is_empty() && queue.pods.is_empty() && queue.waiting_shapes().is_empty());
        assert_eq!(queue.next_deadline(), None);
    }
}
