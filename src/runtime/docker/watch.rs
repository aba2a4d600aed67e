//! What happens to containers without having been asked for: the engine's events, and a listing now and then for what
//! the events missed.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell waits between listings"
)]

use std::{sync::Arc, time::Duration};

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures_util::StreamExt;
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    engine::{Engine, Failure, within},
    labels::{self, Part},
    shared::Shared,
};
use crate::store::{
    config::RuntimeKind,
    runtime::{Exit, Report},
};

/// Between two listings.
const LIST_EVERY: Duration = Duration::from_secs(5);
/// Between two questions whether the engine still answers, and how long it may take: a hung one is told within 2 s.
const PING_EVERY: Duration = Duration::from_millis(500);
const PING_LIMIT: Duration = Duration::from_millis(1400);
/// Before an engine that failed is tried again: first and longest.
const RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// The exit code of what was killed by SIGKILL, be it for want of memory.
const KILLED: i32 = 137;

/// Watches until the runtime closes.
pub async fn watch(shared: Arc<Shared>) {
    let closing = shared.closing.clone();
    let watch = Watch {
        shared,
        up: None,
        // All that the engine remembers of this run.
        since: "1".to_owned(),
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = watch.run() => {}
    }
}

struct Watch {
    shared: Arc<Shared>,
    /// Whether the engine answers; not known at first.
    up: Option<bool>,
    /// The time of the last event, as the engine writes it.
    since: String,
}

impl Watch {
    async fn run(mut self) {
        let mut wait = RETRY;
        loop {
            let Err(failure) = self.follow().await;
            if self.up != Some(false) {
                wait = RETRY;
            }
            self.set_up(false, &failure.to_string());
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }

    fn set_up(&mut self, up: bool, message: &str) {
        if self.up.replace(up) != Some(up) {
            self.shared.report(Report::Engine {
                runtime: RuntimeKind::Docker,
                up,
                message: message.to_owned(),
            });
        }
    }

    /// Follows the engine's events until it fails.
    async fn follow(&mut self) -> Result<std::convert::Infallible, Failure> {
        let engine = self.shared.engine.clone();
        // A hung engine takes connections and says nothing.
        within(PING_LIMIT, "ping", engine.docker().ping()).await?;
        self.compare().await?;
        if self.up == Some(false) {
            // What was made ahead may have died with it, and its agents are not heard any more.
            self.shared.empty_pool().await;
        }
        self.set_up(
            true,
            &format!("Docker {} at {}", engine.version(), engine.host()),
        );
        let run = format!("{}={}", labels::RUN, self.shared.run.id());
        let filters = [
            ("type", vec!["container".to_owned()]),
            ("event", vec!["die".to_owned()]),
            ("label", vec![run]),
        ];
        let options = EventsOptionsBuilder::new()
            .since(&self.since)
            .filters(&filters.into_iter().collect())
            .build();
        let mut events = engine.docker().events(Some(options));
        let mut ticks = tokio::time::interval_at(Instant::now() + LIST_EVERY, LIST_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = std::pin::pin!(silence(&engine));
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => self.take(event).await,
                    Some(Err(error)) => return Err(Failure::of("events", error)),
                    None => return Err(Failure::Other("the Docker engine ended its events".to_owned())),
                },
                _ = ticks.tick() => tokio::select! {
                    compared = self.compare() => compared?,
                    failure = &mut silence => return Err(failure),
                },
                failure = &mut silence => return Err(failure),
            }
        }
    }

    /// A container ended.
    async fn take(&mut self, event: EventMessage) {
        if let Some(nanos) = event.time_nano {
            self.since = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        }
        let actor = event.actor.unwrap_or_default();
        let attributes = actor.attributes.unwrap_or_default();
        let label = |name: &str| attributes.get(name).map(String::as_str);
        let Some(id) = actor.id else {
            return;
        };
        let adopted = || self.shared.index().adopted(&id);
        let Some((part, _)) = Part::of_labels(label).or_else(adopted) else {
            self.shared.lost_warm(&id).await;
            return;
        };
        let code = label("exitCode").and_then(|code| code.parse().ok());
        let mut exit = Exit {
            code: code.unwrap_or_default(),
            oom_killed: false,
        };
        let asked_for = self
            .shared
            .index()
            .get(&part)
            .is_some_and(|entry| entry.ending);
        if exit.code == KILLED && !asked_for && matches!(part, Part::Container(_)) {
            // Gone already: then nobody can know.
            exit = self.shared.exit_of(&id).await.unwrap_or(exit);
        }
        let news = self.shared.index().ended(&part, &id, exit);
        if let Some(report) = news {
            self.shared.report(report);
        }
    }

    /// Compares what the engine has with what is known.
    async fn compare(&self) -> Result<(), Failure> {
        let since = self.shared.index().ticket();
        let seen = self.shared.list(&[]).await?;
        let (gone, ended) = self.shared.index().compare(since, seen);
        for report in gone {
            self.shared.report(report);
        }
        for container in ended {
            match self.shared.ended(&container.part, &container.id).await {
                Err(failure) if failure.status() == Some(404) => {
                    self.shared.removed(&container.part);
                }
                result => drop(result?),
            }
        }
        Ok(())
    }
}

/// Comes back when the engine does not answer any more.
async fn silence(engine: &Engine) -> Failure {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        if let Err(failure) = within(PING_LIMIT, "ping", engine.docker().ping()).await {
            return failure;
        }
    }
}
