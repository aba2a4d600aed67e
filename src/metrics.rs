//! What containers use, as it was measured or modelled: bounded time series, and their sums by pod and node.
//!
//! Runtimes report counters ([`Report::Usage`](crate::store::runtime::Report)), rates are made of them here. Knows the
//! objects and the store's types, and nobody who measures.

mod series;

use std::{sync::Arc, time::Duration};

use imbl::OrdMap;

pub use series::{POINTS, Point, Series};

use crate::{
    api::{Time, Uid},
    store::{
        runtime::{ContainerId, ContainerUsage},
        world::World,
    },
};

/// What something uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU in millicores of the cluster; none until it was measured twice.
    pub cpu_milli: Option<u64>,
    /// Memory in bytes that cannot be reclaimed (the working set).
    pub memory_bytes: u64,
    /// When it was measured; of a sum, the oldest of its parts.
    pub at: Time,
}

impl Usage {
    /// The sum of what parts use; none if no part is known.
    fn sum(parts: impl Iterator<Item = Self>) -> Option<Self> {
        parts.reduce(|sum, part| Self {
            cpu_milli: match (sum.cpu_milli, part.cpu_milli) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            },
            memory_bytes: sum.memory_bytes + part.memory_bytes,
            at: sum.at.min(part.at),
        })
    }
}

/// The time series of all containers. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub struct ResourceMetrics {
    containers: OrdMap<ContainerId, Arc<Series>>,
    /// What the last measurement took.
    cost: Option<Duration>,
}

impl ResourceMetrics {
    /// Takes measurements; forgets containers that do not exist any more.
    pub fn note(&mut self, at: Time, samples: &[ContainerUsage], took: Duration, world: &World) {
        self.cost = Some(took);
        for sample in samples {
            match self.containers.get_mut(&sample.container) {
                Some(series) => Arc::make_mut(series).push(at, sample),
                None => {
                    let mut series = Series::default();
                    series.push(at, sample);
                    self.containers
                        .insert(sample.container.clone(), Arc::new(series));
                }
            }
        }
        if self.containers.len() > samples.len() {
            let gone: Vec<ContainerId> = self
                .containers
                .keys()
                .filter(|id| !world.containers.contains_key(*id))
                .cloned()
                .collect();
            for id in gone {
                self.containers.remove(&id);
            }
        }
    }

    /// A container's series.
    #[must_use]
    pub fn container(&self, id: &ContainerId) -> Option<&Series> {
        self.containers.get(id).map(|series| &**series)
    }

    /// The series of a pod's containers.
    pub fn containers_of(&self, pod: Uid) -> impl Iterator<Item = (&ContainerId, &Series)> {
        self.containers
            .range(ContainerId::before_all_of(pod)..)
            .take_while(move |(id, _)| id.pod == pod)
            .map(|(id, series)| (id, &**series))
    }

    /// What the running containers of a pod use; none if that is not known.
    #[must_use]
    pub fn pod(&self, pod: Uid, world: &World) -> Option<Usage> {
        let running = self
            .containers_of(pod)
            .filter(|(id, _)| world.is_running(id));
        Usage::sum(running.filter_map(|(_, series)| series.last()))
    }

    /// What pods use together; none if that is known of none.
    #[must_use]
    pub fn pods(&self, pods: impl Iterator<Item = Uid>, world: &World) -> Option<Usage> {
        Usage::sum(pods.filter_map(|pod| self.pod(pod, world)))
    }

    /// What the last measurement of everything took; none if nothing was measured yet.
    #[must_use]
    pub const fn cost(&self) -> Option<Duration> {
        self.cost
    }

    /// Whether two are the same, or copies of one another.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        self.containers.ptr_eq(&other.containers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::Name, store::world::ContainerTruth};

    fn id(pod: u128, name: &str) -> ContainerId {
        ContainerId {
            pod: Uid(pod),
            name: Name::from(name),
            attempt: 0,
        }
    }

    fn sample(id: &ContainerId, cpu_micros: u64, memory_bytes: u64) -> ContainerUsage {
        ContainerUsage {
            container: id.clone(),
            cpu_micros,
            memory_bytes,
            oom_kills: 0,
        }
    }

    fn world(ids: &[&ContainerId]) -> World {
        let mut world = World::default();
        for id in ids {
            let truth = ContainerTruth::Running { since: Time::ZERO };
            world
                .containers
                .insert((*id).clone(), (Name::from("node-1"), truth));
        }
        world
    }

    #[test]
    fn a_pod_uses_what_its_running_containers_use() {
        let (web, side, other) = (id(1, "web"), id(1, "side"), id(2, "web"));
        let mut metrics = ResourceMetrics::default();
        let took = Duration::from_millis(3);
        let mut world = world(&[&web, &side, &other]);
        for second in 0..3 {
            let samples = [
                sample(&web, 250_000 * second, 10),
                sample(&side, 50_000 * second, 5),
                sample(&other, 0, 7),
            ];
            let at = Time::from_secs(i64::try_from(second).unwrap());
            metrics.note(at, &samples, took, &world);
        }
        let used = metrics.pod(Uid(1), &world).unwrap();
        assert_eq!((used.cpu_milli, used.memory_bytes), (Some(300), 15));
        assert_eq!(used.at, Time::from_secs(2));
        let all = metrics.pods([Uid(1), Uid(2)].into_iter(), &world).unwrap();
        assert_eq!((all.cpu_milli, all.memory_bytes), (Some(300), 22));
        assert_eq!(metrics.cost(), Some(took));
        assert_eq!(metrics.pod(Uid(3), &world), None);
        // One that ended uses nothing any more, and its figures go with it.
        world.containers.remove(&side);
        assert_eq!(metrics.pod(Uid(1), &world).unwrap().memory_bytes, 10);
        metrics.note(Time::from_secs(3), &[sample(&web, 0, 1)], took, &world);
        assert!(metrics.container(&side).is_none());
        assert!(metrics.container(&other).is_some());
    }
}
