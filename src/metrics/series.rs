//! The measurements of one container, newest last.

use std::collections::VecDeque;

use super::Usage;
use crate::{api::Time, store::runtime::ContainerUsage};

/// How many measurements are kept: five minutes of one a second.
pub const POINTS: usize = 300;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub at: Time,
    /// Millicores of the cluster since the measurement before; none for the first.
    pub cpu_milli: Option<u32>,
    /// Bytes that cannot be reclaimed.
    pub memory_bytes: u64,
}

/// The measurements of one container.
#[derive(Clone, Debug, Default)]
pub struct Series {
    points: VecDeque<Point>,
    /// The CPU counter at the last measurement, µs.
    counter: u64,
    oom_kills: u32,
}

impl Series {
    /// Takes a measurement. One that is not later than the last replaces nothing and is dropped.
    pub fn push(&mut self, at: Time, sample: &ContainerUsage) {
        let last = self.points.back().copied();
        if last.is_some_and(|last| last.at >= at) {
            return;
        }
        let cpu_milli = last.map(|last| {
            let used = sample.cpu_micros.saturating_sub(self.counter);
            let passed = u64::try_from(at.since(last.at).as_micros()).unwrap_or(u64::MAX);
            let milli = used.saturating_mul(1000) / passed.max(1);
            u32::try_from(milli).unwrap_or(u32::MAX)
        });
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(Point {
            at,
            cpu_milli,
            memory_bytes: sample.memory_bytes,
        });
        self.counter = sample.cpu_micros;
        self.oom_kills = self.oom_kills.max(sample.oom_kills);
    }

    /// The measurements, oldest first.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = &Point> + ExactSizeIterator {
        self.points.iter()
    }

    /// The newest figures.
    #[must_use]
    pub fn last(&self) -> Option<Usage> {
        self.points.back().map(|point| Usage {
            cpu_milli: point.cpu_milli.map(u64::from),
            memory_bytes: point.memory_bytes,
            at: point.at,
        })
    }

    /// How many of the container's processes the kernel has killed for want of memory.
    #[must_use]
    pub const fn oom_kills(&self) -> u32 {
        self.oom_kills
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Name, Uid},
        store::runtime::ContainerId,
    };

    fn sample(cpu_micros: u64) -> ContainerUsage {
        ContainerUsage {
            container: ContainerId {
                pod: Uid(1),
                name: Name::from("web"),
                attempt: 0,
            },
            cpu_micros,
            memory_bytes: 1 << 20,
            oom_kills: 0,
        }
    }

    #[test]
    fn a_rate_is_made_of_two_counters_and_the_time_between_them() {
        let mut series = Series::default();
        assert_eq!(series.last(), None);
        series.push(Time(1_000_000), &sample(5_000));
        assert_eq!(series.last().unwrap().cpu_milli, None);
        series.push(Time(3_000_000), &sample(505_000));
        assert_eq!(series.last().unwrap().cpu_milli, Some(250));
        // A counter that fell, as that of another container of this name would, counts as no use.
        series.push(Time(4_000_000), &sample(0));
        assert_eq!(series.last().unwrap().cpu_milli, Some(0));
        // The same moment twice.
        series.push(Time(4_000_000), &sample(99_000));
        assert_eq!(series.points().len(), 3);
    }

    #[test]
    fn five_minutes_are_kept() {
        let mut series = Series::default();
        for second in 0..1000 {
            series.push(Time::from_secs(second), &sample(0));
        }
        assert_eq!(series.points().len(), POINTS);
        assert_eq!(series.points().next().unwrap().at, Time::from_secs(700));
    }
}
