//! A cluster and a virtual runtime in virtual time: as fast as it can, and the same every time.
//!
//! Headless runs, simulation tests and what-ifs use it; a live run uses [`thread`](super::thread).

use std::io::Write;

use super::{Cluster, Output, journal::Journal, thread::VirtualRuntime};
use crate::{
    api::{Key, Name, Object, Time},
    store::{Input, Reply, WriteRequest, WriteVerb, input::Written},
};

/// A cluster that is driven through virtual time.
pub struct Drive<R> {
    pub cluster: Cluster,
    pub runtime: R,
    now: Time,
    deadline: Option<Time>,
    journal: Option<Journal<Box<dyn Write + Send>>>,
    writes: u64,
}

impl<R: VirtualRuntime> Drive<R> {
    /// A cluster at the beginning of its time.
    pub fn new(cluster: Cluster, runtime: R) -> Self {
        Self {
            now: cluster.now(),
            cluster,
            runtime,
            deadline: Some(Time::ZERO),
            journal: None,
            writes: 0,
        }
    }

    /// Writes every step down from here on.
    pub fn record(&mut self, journal: Journal<Box<dyn Write + Send>>) {
        self.journal = Some(journal);
    }

    /// The time that it has come to.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Takes an input now.
    pub fn input(&mut self, input: &Input) -> Vec<Reply> {
        if let Some(journal) = &mut self.journal
            && journal.push(self.now, input).is_err()
        {
            self.journal = None;
        }
        let Output {
            effects,
            replies,
            next_deadline,
            ..
        } = self.cluster.step(self.now, input);
        self.deadline = next_deadline;
        for call in effects {
            self.runtime.handle(self.now, call);
        }
        replies
    }

    /// Writes to the API.
    ///
    /// # Errors
    /// As the API refuses.
    pub fn write(&mut self, verb: WriteVerb) -> Result<Written, crate::api::ApiError> {
        self.writes += 1;
        let request = WriteRequest {
            id: self.writes,
            user: Name::from("user"),
            verb,
        };
        let reply = self.input(&Input::Write(request)).pop();
        reply.map_or_else(
            || {
                Err(crate::api::ApiError::new(
                    crate::api::Reason::InternalError,
                    "no reply",
                ))
            },
            |reply| reply.result,
        )
    }

    /// Creates an object.
    ///
    /// # Errors
    /// As the API refuses.
    pub fn create(&mut self, object: Object) -> Result<Written, crate::api::ApiError> {
        self.write(WriteVerb::Create(object))
    }

    /// When something happens next, if ever.
    pub fn next_event(&self) -> Option<Time> {
        [self.deadline, self.runtime.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Goes to the next moment at which something happens, not beyond `end`. False if nothing happens until then; then
    /// it is `end`.
    pub fn advance(&mut self, end: Time) -> bool {
        let Some(next) = self.next_event().filter(|next| *next <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        let reports = self.runtime.poll(self.now);
        if reports.is_empty() {
            self.input(&Input::Continue);
        } else {
            self.input(&Input::Runtime(reports));
        }
        true
    }

    /// Goes on until `end`.
    pub fn run_until(&mut self, end: Time) {
        while self.advance(end) {}
    }

    /// Goes on until a condition holds; false if it does not by `end`.
    pub fn run_until_true(&mut self, end: Time, condition: impl Fn(&Cluster) -> bool) -> bool {
        loop {
            if condition(&self.cluster) {
                return true;
            }
            if !self.advance(end) {
                return condition(&self.cluster);
            }
        }
    }

    /// A pod by namespace and name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&crate::api::Pod> {
        self.cluster
            .store()
            .objects
            .get(&Key::new(namespace, name))
            .map(|pod| &**pod)
    }
}
