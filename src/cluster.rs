//! The step: inputs in, the components in turn, effects out.
//!
//! A [`Cluster`] is a state machine. It reads no clock, no random source, no socket and no environment, and has no
//! `async`: the same configuration and the same inputs at the same times give the same bytes. [`journal`] writes the
//! inputs down and replays them; [`thread`] is the loop around the step in a live run.

#[cfg(test)]
pub(crate) mod bench;
pub mod drive;
pub mod journal;
pub mod thread;

use std::{sync::Arc, time::Duration};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    api::{Kind, Time, codec},
    chaos::Chaos,
    controller,
    kubelet::Kubelet,
    metrics::ResourceMetrics,
    scheduler::Scheduler,
    store::{
        Component, Config, Context, Input, Reply, Runner, Store, What,
        input::InputSummary,
        runtime::{Call, Report},
        write::Author,
    },
};

/// Everything that can be seen of a cluster at one moment. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub at: Time,
    pub config: Arc<Config>,
    pub store: Store,
    /// What containers use.
    pub metrics: ResourceMetrics,
    /// Whether nothing is reconciled until someone says so.
    pub paused: bool,
}

/// What a step leads to.
#[derive(Debug, Default)]
pub struct Output {
    /// What is asked of the runtimes, in order.
    pub effects: Vec<Call>,
    /// Answers to writes.
    pub replies: Vec<Reply>,
    /// When the next step is due at the latest.
    pub next_deadline: Option<Time>,
    /// Whether work is ready that this step did not do.
    pub more: bool,
}

/// A whole control plane.
#[derive(Debug)]
pub struct Cluster {
    config: Arc<Config>,
    store: Store,
    metrics: ResourceMetrics,
    components: Vec<Box<dyn Component>>,
    now: Time,
    /// The first log record that the components have not seen.
    unseen: u64,
    /// The component whose turn it is.
    turn: usize,
    paused: bool,
}

impl Clone for Cluster {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            components: self
                .components
                .iter()
                .map(|component| component.boxed())
                .collect(),
            now: self.now,
            unseen: self.unseen,
            turn: self.turn,
            paused: self.paused,
        }
    }
}

impl Cluster {
    /// An empty cluster.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut components: Vec<Box<dyn Component>> = vec![
            Box::new(Runner::new(Chaos::default())),
            Box::new(Scheduler::default()),
            Box::new(Runner::new(Kubelet::default())),
        ];
        components.extend(controller::all());
        Self::with(config, components)
    }

    /// An empty cluster in which only these components work: for a test or a measurement of one of them.
    #[must_use]
    pub fn with(config: Config, mut components: Vec<Box<dyn Component>>) -> Self {
        for component in &mut components {
            component.start(&config);
        }
        let mut store = Store::new(&config);
        store.bootstrap();
        Self {
            store,
            metrics: ResourceMetrics::default(),
            config: Arc::new(config),
            components,
            now: Time::ZERO,
            unseen: 1,
            turn: 0,
            paused: false,
        }
    }

    /// Takes one input and does what follows from it. Time never runs backwards: an earlier `now` counts as the last.
    pub fn step(&mut self, now: Time, input: &Input) -> Output {
        self.now = self.now.max(now);
        let mut output = Output::default();
        let cause = match input {
            Input::Continue | Input::StepOne => 0,
            other => self
                .store
                .record(0, self.now, What::Input(InputSummary::from(other))),
        };
        match input {
            Input::Write(request) => {
                let author = Author {
                    by: "apiserver",
                    at: self.now,
                    cause,
                };
                let result = self.store.write(&request.verb, &self.config.timing, author);
                output.replies.push(Reply {
                    id: request.id,
                    result,
                });
            }
            Input::Pause(paused) => self.paused = *paused,
            Input::Continue | Input::StepOne => {}
            Input::Runtime(_) | Input::Fault(_) => {
                if let Input::Runtime(reports) = input {
                    self.note(reports);
                }
                for index in 0..self.components.len() {
                    self.with_context(index, cause, &mut output.effects, |component, cx| {
                        component.input(input, cx);
                        true
                    });
                }
            }
        }
        self.deliver();
        match input {
            Input::StepOne => {
                self.run_one(&mut output.effects);
            }
            _ if self.paused => {}
            _ => while self.run_one(&mut output.effects) {},
        }
        output.more = self.ready() > 0;
        output.next_deadline = match self.paused {
            true => None,
            false => self
                .components
                .iter()
                .filter_map(|c| c.next_deadline())
                .min(),
        };
        output
    }

    /// What reports say of the runtimes themselves, and of what containers use.
    fn note(&mut self, reports: &[Report]) {
        for report in reports {
            self.store.world.note(report);
            if let Report::Usage {
                samples,
                took_micros,
            } = report
            {
                let took = Duration::from_micros(*took_micros);
                self.metrics
                    .note(self.now, samples, took, &self.store.world);
            }
        }
    }

    /// Handles one key of the component whose turn it is. A component keeps its turn until its queue is empty: so
    /// changes that come together are reconciled together.
    fn run_one(&mut self, effects: &mut Vec<Call>) -> bool {
        for _ in 0..self.components.len() {
            let index = self.turn;
            let now = self.now;
            let ready = self.components.get_mut(index).map_or(0, |c| c.advance(now));
            if ready > 0
                && self.with_context(index, 0, effects, |component, cx| component.run_one(cx))
            {
                self.deliver();
                return true;
            }
            self.turn = (self.turn + 1) % self.components.len();
        }
        false
    }

    fn with_context(
        &mut self,
        index: usize,
        cause: u64,
        effects: &mut Vec<Call>,
        work: impl FnOnce(&mut dyn Component, &mut Context<'_>) -> bool,
    ) -> bool {
        let Some(component) = self.components.get_mut(index) else {
            return false;
        };
        let mut cx = Context {
            store: &mut self.store,
            now: self.now,
            config: &self.config,
            cause,
            by: component.name(),
            effects,
        };
        work(component.as_mut(), &mut cx)
    }

    /// Shows the components what was logged since they last looked.
    fn deliver(&mut self) {
        while self.unseen < self.store.log.next_seq() {
            if let Some(record) = self.store.log.get(self.unseen).cloned() {
                for component in &mut self.components {
                    component.observe(&record, &self.store);
                }
            }
            self.unseen += 1;
        }
    }

    fn ready(&mut self) -> usize {
        let now = self.now;
        self.components
            .iter_mut()
            .map(|component| component.advance(now))
            .sum()
    }

    /// What can be seen of the cluster now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: self.now,
            config: Arc::clone(&self.config),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            paused: self.paused,
        }
    }

    /// The time of the last step.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Objects, truth and log.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// A hash of everything that the cluster holds: equal for equal runs.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        for kind in Kind::ALL {
            for key in self.store.objects.keys(kind, None) {
                let object = self
                    .store
                    .objects
                    .object(&crate::api::ObjectRef::new(kind, key));
                if let Some(value) = object.and_then(|object| codec::to_value(&object).ok()) {
                    hash.update(value.to_string().as_bytes());
                }
            }
        }
        hash.update(format!("{:?}", self.store.world).as_bytes());
        // The components' own state: queues, back-offs, caches.
        hash.update(format!("{:?}", self.components).as_bytes());
        hash.update(&self.store.log.next_seq().to_le_bytes());
        hash.digest()
    }
}
