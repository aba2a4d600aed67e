//! Virtual time: microseconds since a run began.
//!
//! Runs begin at a fixed instant ([`EPOCH_SECONDS`]), so that the same inputs give the same objects.

use std::{fmt, ops, time::Duration};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1 as metav1, jiff::Timestamp};
use serde::{Deserialize, Serialize};

/// 2026-01-01T00:00:00Z, the instant at which every run begins.
pub const EPOCH_SECONDS: i64 = 1_767_225_600;

/// An instant of virtual time, in microseconds since the run began. Negative before it (recorded data has such).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// The beginning of the run.
    pub const ZERO: Self = Self(0);
    /// Later than anything.
    pub const MAX: Self = Self(i64::MAX);

    /// So many whole seconds after the beginning.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000_000)
    }

    /// So many milliseconds after the beginning.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1000)
    }

    /// Microseconds since the beginning.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Seconds since the beginning.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run is far shorter than 2^52 µs"
    )]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The whole second in which this instant lies: what object times can express.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000_000))
    }

    /// How long ago `earlier` was; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant as object metadata writes it (whole seconds).
    #[must_use]
    pub fn to_k8s(self) -> metav1::Time {
        metav1::Time(self.floor_to_second().timestamp())
    }

    /// The instant as leases write it (microseconds).
    #[must_use]
    pub fn to_k8s_micro(self) -> metav1::MicroTime {
        metav1::MicroTime(self.timestamp())
    }

    /// The calendar instant.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(EPOCH_SECONDS * 1_000_000 + self.0).unwrap_or(Timestamp::MAX)
    }

    /// The virtual time of a calendar instant.
    #[must_use]
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond() - EPOCH_SECONDS * 1_000_000)
    }
}

impl From<&metav1::Time> for Time {
    fn from(time: &metav1::Time) -> Self {
        Self::from_timestamp(time.0)
    }
}

impl From<&metav1::MicroTime> for Time {
    fn from(time: &metav1::MicroTime) -> Self {
        Self::from_timestamp(time.0)
    }
}

impl ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl ops::Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Time {
    /// `mm:ss.s`, or `h:mm:ss.s` after an hour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.div_euclid(100_000);
        let (secs, tenth) = (tenths.div_euclid(10), tenths.rem_euclid(10));
        let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
        if hours > 0 {
            write!(f, "{hours}:{minutes:02}:{seconds:02}.{tenth}")
        } else {
            write!(f, "{minutes:02}:{seconds:02}.{tenth}")
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.as_secs_f64())
    }
}
