//! What containers use, each second, from the files of their control groups: for 200 containers a hundredth of a core,
//! where the engine's own figures would take nearly half of one.
//!
//! Where the files cannot be read (the engine runs elsewhere, or in a machine of its own), the engine is asked, as
//! far as that is affordable.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell measures each second of the wall's time"
)]

mod group;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptionsBuilder};
use futures_util::{StreamExt, future::join_all};
use tokio::time::MissedTickBehavior;

pub(super) use group::{Counters, Group, Hierarchy};

use super::{engine::within, shared::Shared};
use crate::{
    api::Name,
    store::runtime::{ContainerId, ContainerUsage, Report},
};

/// Between two measurements.
const EVERY: Duration = Duration::from_secs(1);
/// A container whose files were not found is looked for again after so many measurements.
const LOOK_AGAIN: u32 = 10;
/// How many containers the engine is asked about: each costs it a hundred times what the files do.
const ASKED_AT_MOST: usize = 20;
/// The engine answers after its collector's next two ticks.
const STATS_LIMIT: Duration = Duration::from_secs(5);

/// A container that runs.
#[derive(Clone, Debug)]
pub struct Running {
    pub container: ContainerId,
    pub node: Name,
    /// The engine's id.
    pub id: String,
}

/// Where a container's figures come from.
#[derive(Clone, Debug)]
enum Source {
    Files(Group),
    /// Not found; measurements until it is looked for again.
    Unknown(u32),
}

/// Measures until the runtime closes.
pub async fn measure(shared: Arc<Shared>) {
    let closing = shared.closing.clone();
    tokio::select! {
        () = closing.cancelled() => {}
        () = Meter::new(shared).run() => {}
    }
}

struct Meter {
    shared: Arc<Shared>,
    /// The control groups of this machine, if the engine's containers are in them.
    hierarchy: Option<Hierarchy>,
    sources: BTreeMap<ContainerId, (String, Source)>,
}

impl Meter {
    fn new(shared: Arc<Shared>) -> Self {
        let local = shared.engine.is_local();
        Self {
            hierarchy: local.then(Hierarchy::here).flatten(),
            sources: BTreeMap::new(),
            shared,
        }
    }

    async fn run(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let running = self.shared.index().running();
            if running.is_empty() && self.sources.is_empty() {
                continue;
            }
            let begun = Instant::now();
            let mut samples = self.read(&running).await;
            let mut took = begun.elapsed();
            if self.hierarchy.is_none() {
                samples = self.ask(&running).await;
                // What it costs here; what it costs the engine cannot be known.
                took = begun.elapsed().min(took);
            }
            self.shared.report(Report::Usage {
                samples,
                took_micros: took.as_micros().try_into().unwrap_or(u64::MAX),
            });
        }
    }

    /// Reads the files of all containers.
    async fn read(&mut self, running: &[Running]) -> Vec<ContainerUsage> {
        let Some(hierarchy) = self.hierarchy.clone() else {
            return Vec::new();
        };
        let mut known = std::mem::take(&mut self.sources);
        let run = self.shared.run.id();
        for one in running {
            let source = match known.remove(&one.container) {
                Some((id, Source::Unknown(waits @ 1..))) if id == one.id => {
                    Source::Unknown(waits - 1)
                }
                Some((id, source @ Source::Files(_))) if id == one.id => source,
                _ => {
                    let group = match hierarchy.find(run, &one.node, &one.id) {
                        Some(group) => Some(group),
                        None => self.by_process(&hierarchy, &one.id).await,
                    };
                    group.map_or(Source::Unknown(LOOK_AGAIN), Source::Files)
                }
            };
            self.sources
                .insert(one.container.clone(), (one.id.clone(), source));
        }
        let groups: Vec<(ContainerId, Group)> = self
            .sources
            .iter()
            .filter_map(|(container, (_, source))| match source {
                Source::Files(group) => Some((container.clone(), group.clone())),
                Source::Unknown(_) => None,
            })
            .collect();
        let share = self.shared.options.cpu_share;
        let read = move || {
            let samples = groups.into_iter().filter_map(|(container, group)| {
                // Gone meanwhile.
                let counters = group.read()?;
                Some(usage(container, counters, share))
            });
            samples.collect()
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    /// The control group of a container's first process, wherever the engine put it.
    async fn by_process(&self, hierarchy: &Hierarchy, id: &str) -> Option<Group> {
        let inspect = self.shared.engine.docker().inspect_container(id, None);
        let inspected = within(STATS_LIMIT, "inspect container", inspect).await;
        let process = inspected.ok()?.state?.pid.filter(|pid| *pid > 0)?;
        let text = std::fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
        // Another machine's process of that number would not be in a group of this container.
        text.contains(id)
            .then(|| hierarchy.of_process(&text))
            .flatten()
    }

    /// Asks the engine.
    async fn ask(&self, running: &[Running]) -> Vec<ContainerUsage> {
        let questions = running.iter().take(ASKED_AT_MOST).map(async |one| {
            let options = StatsOptionsBuilder::new().stream(false).build();
            let mut stats = self.shared.engine.docker().stats(&one.id, Some(options));
            let answer = tokio::time::timeout(STATS_LIMIT, stats.next())
                .await
                .ok()??;
            let counters = of_stats(&answer.ok()?)?;
            Some(usage(
                one.container.clone(),
                counters,
                self.shared.options.cpu_share,
            ))
        });
        join_all(questions).await.into_iter().flatten().collect()
    }
}

/// The engine's figures as the kernel's: its memory includes what can be reclaimed.
fn of_stats(stats: &ContainerStatsResponse) -> Option<Counters> {
    let memory = stats.memory_stats.as_ref()?;
    let detail = memory.stats.as_ref();
    let inactive = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|name| detail?.get(*name).copied())
        .unwrap_or(0);
    Some(Counters {
        cpu_nanos: stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?,
        memory_bytes: memory.usage?.saturating_sub(inactive),
        oom_kills: 0,
    })
}

/// The host's figures as the cluster's: a share of a host's processor is a whole one of the cluster.
fn usage(container: ContainerId, counters: Counters, share: f64) -> ContainerUsage {
    // Centuries of CPU time fit.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "see above"
    )]
    let cpu_micros = (counters.cpu_nanos as f64 / 1000.0 / share) as u64;
    ContainerUsage {
        container,
        cpu_micros,
        memory_bytes: counters.memory_bytes,
        oom_kills: counters.oom_kills,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_own_figures_are_read_where_files_cannot_be() {
        let v1 = serde_json::json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 5_000_000}},
            "memory_stats": {"usage": 5000, "stats": {"total_inactive_file": 1000, "inactive_file": 1}},
        });
        let counters = of_stats(&serde_json::from_value(v1).unwrap()).unwrap();
        assert_eq!(
            (counters.cpu_nanos, counters.memory_bytes),
            (5_000_000, 4000)
        );
        let v2 = serde_json::json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 7}},
            "memory_stats": {"usage": 5000, "stats": {"inactive_file": 500}},
        });
        let counters = of_stats(&serde_json::from_value(v2).unwrap()).unwrap();
        assert_eq!((counters.cpu_nanos, counters.memory_bytes), (7, 4500));
        // Of a container that has ended it says nothing.
        let ended =
            serde_json::json!({"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}});
        assert!(of_stats(&serde_json::from_value(ended).unwrap()).is_none());
    }

    #[test]
    fn a_share_of_the_hosts_processor_is_a_whole_one_of_the_cluster() {
        let container = ContainerId {
            pod: crate::api::Uid(1),
            name: Name::from("web"),
            attempt: 0,
        };
        let counters = Counters {
            cpu_nanos: 250_000_000,
            memory_bytes: 1,
            oom_kills: 2,
        };
        let used = usage(container, counters, 0.25);
        assert_eq!((used.cpu_micros, used.oom_kills), (1_000_000, 2));
    }
}
