//! Waits that double (`client-go/util/flowcontrol/backoff.go`).

use std::time::Duration;

use crate::api::Time;

/// The wait of one container or image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    wait: Duration,
    updated: Time,
}

/// First and longest wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub first: Duration,
    pub cap: Duration,
}

impl Bounds {
    pub const fn millis(first: u64, cap: u64) -> Self {
        Self {
            first: Duration::from_millis(first),
            cap: Duration::from_millis(cap),
        }
    }
}

impl Backoff {
    /// How long the next try waits.
    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// Until when the wait that was noted last lasts.
    pub fn until(&self) -> Time {
        self.updated + self.wait
    }

    /// When the wait for something that failed at `failed` is over.
    pub fn over(&self, failed: Time, bounds: Bounds) -> Time {
        if self.wait.is_zero() || self.forgotten(failed, bounds) {
            failed
        } else {
            failed + self.wait
        }
    }

    /// Notes a try at `now` of something that failed at `failed` before.
    pub fn next(&mut self, failed: Time, now: Time, bounds: Bounds) {
        self.wait = if self.wait.is_zero() || self.forgotten(failed, bounds) {
            bounds.first
        } else {
            (self.wait * 2).min(bounds.cap)
        };
        self.updated = now;
    }

    /// What ran well for twice the longest wait begins anew.
    fn forgotten(&self, failed: Time, bounds: Bounds) -> bool {
        failed.since(self.updated) > bounds.cap * 2
    }
}

/// A duration as Go prints it: `312ms`, `1.21s`, `2m40s`, `1h0m3s`. Milliseconds at the finest.
pub(super) fn go_duration(span: Duration) -> String {
    let millis = span.as_millis();
    if millis < 1000 {
        return if millis == 0 {
            "0s".to_owned()
        } else {
            format!("{millis}ms")
        };
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let mut seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    let kept = seconds.trim_end_matches('0').trim_end_matches('.').len();
    seconds.truncate(kept);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds::millis(10_000, 300_000);

    #[test]
    fn waits_double_up_to_the_cap() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        let mut now = Time::ZERO;
        for _ in 0..8 {
            let over = backoff.over(now, BOUNDS);
            waits.push(over.since(now).as_secs());
            backoff.next(now, over, BOUNDS);
            now = over;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_container_that_ran_twice_the_cap_begins_anew() {
        let mut backoff = Backoff::default();
        backoff.next(Time::ZERO, Time::ZERO, BOUNDS);
        backoff.next(Time::ZERO, Time::ZERO, BOUNDS);
        let long_after = Time::from_secs(601);
        assert_eq!(backoff.over(long_after, BOUNDS), long_after);
        backoff.next(long_after, long_after, BOUNDS);
        assert_eq!(backoff.wait(), BOUNDS.first);
    }

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (millis, text) in [
            (0, "0s"),
            (312, "312ms"),
            (1210, "1.21s"),
            (10_000, "10s"),
            (80_000, "1m20s"),
            (300_000, "5m0s"),
            (3_603_004, "1h0m3.004s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }
}
