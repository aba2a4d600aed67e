//! A runtime that fails: faults at the boundary between the core and a virtual runtime, calls in and reports out.
//!
//! It stands around another runtime and lets calls through, or lets something happen to them: what is listed in
//! [`Mishap`]. Mishaps come by a script or by chance, drawn by key; everything happens in virtual time and without I/O,
//! so that a run with faults is as repeatable as one without. Without faults it changes nothing.
//!
//! It keeps what real engines keep: a kill ends what was asked before it and has not been done. It does not keep an
//! order of calls, as each is a task of its own there.

mod mishap;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub use mishap::{Mishap, Odds, Trouble};

use crate::{
    api::Time,
    cluster::thread::VirtualRuntime,
    store::{
        Random,
        config::RuntimeKind,
        runtime::{Call, Report, RuntimeError, Verb},
    },
};

/// How an engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Up,
    /// It cannot be reached: all calls fail, what is under way is answered with an error though it may be done, ends
    /// are not heard of. It is said that it is down.
    Down,
    /// It takes calls and says nothing any more.
    Hung,
}

/// A runtime with faults before it.
#[derive(Clone, Debug)]
pub struct FaultyRuntime<R> {
    pub inner: R,
    kind: RuntimeKind,
    random: Random,
    odds: BTreeMap<&'static str, Odds>,
    script: BTreeMap<&'static str, VecDeque<Mishap>>,
    /// How likely it is that an end is reported a second time.
    echoes: f64,
    engine: Engine,
    /// Calls on their way, by when they arrive.
    slow: BTreeMap<(Time, u64), Call>,
    /// What is to become of the answers of calls that were let through.
    answers: BTreeMap<u64, Mishap>,
    /// Reports on their way, by when they arrive.
    late: BTreeMap<(Time, u64), Report>,
    /// Numbers what is on its way.
    sent: u64,
    mishaps: u64,
}

impl<R> FaultyRuntime<R> {
    /// A runtime before which nothing goes wrong yet.
    pub const fn new(inner: R, kind: RuntimeKind, seed: u64) -> Self {
        Self {
            inner,
            kind,
            random: Random::new(seed),
            odds: BTreeMap::new(),
            script: BTreeMap::new(),
            echoes: 0.0,
            engine: Engine::Up,
            slow: BTreeMap::new(),
            answers: BTreeMap::new(),
            late: BTreeMap::new(),
            sent: 0,
            mishaps: 0,
        }
    }

    /// Lets a verb's calls go wrong by chance.
    pub fn set(&mut self, verb: &'static str, odds: Odds) {
        self.odds.insert(verb, odds);
    }

    /// Lets a verb's next calls go wrong, one after the other, as said.
    pub fn script(&mut self, verb: &'static str, mishaps: impl IntoIterator<Item = Mishap>) {
        self.script.entry(verb).or_default().extend(mishaps);
    }

    /// Lets ends be reported a second time, later, with this probability.
    pub const fn echo(&mut self, probability: f64) {
        self.echoes = probability;
    }

    /// No call goes wrong from here on. What is on its way stays late, and the engine is as it is.
    pub fn clear(&mut self) {
        self.odds.clear();
        self.script.clear();
        self.echoes = 0.0;
    }

    /// Lets the engine be reached, or not.
    pub fn set_engine(&mut self, now: Time, engine: Engine) {
        let told = |engine| engine == Engine::Down;
        let before = std::mem::replace(&mut self.engine, engine);
        if told(before) != told(engine) {
            self.mishaps += u64::from(told(engine));
            let message = if told(engine) {
                Trouble::Unreachable.message()
            } else {
                "the engine answers again"
            };
            let report = Report::Engine {
                runtime: self.kind,
                up: !told(engine),
                message: message.to_owned(),
            };
            self.send(now, report);
        } else {
            self.mishaps += u64::from(engine == Engine::Hung && before != Engine::Hung);
        }
    }

    /// How much has gone wrong.
    pub const fn mishaps(&self) -> u64 {
        self.mishaps
    }

    /// How many scripted mishaps have not been met.
    pub fn scripted(&self) -> usize {
        self.script.values().map(VecDeque::len).sum()
    }

    fn send(&mut self, at: Time, report: Report) {
        self.sent += 1;
        self.late.insert((at, self.sent), report);
    }

    fn refuse(&mut self, at: Time, call: &Call, error: RuntimeError) {
        let report = Report::Answer {
            call: call.id,
            node: call.node.clone(),
            result: Err(error),
        };
        self.send(at, report);
    }

    /// What happens to a call: by the script if it has the verb, else by chance.
    fn draw(&mut self, call: &Call) -> Option<Mishap> {
        let verb = call.verb.name();
        let scripted = self.script.get_mut(verb).and_then(VecDeque::pop_front);
        scripted.or_else(|| self.odds.get(verb)?.draw(self.random, call))
    }

    /// A kill ends what was asked before and has not arrived.
    fn overtake(&mut self, now: Time, kill: &Call) {
        let ended = |call: &Call| match &kill.verb {
            Verb::KillNode => call.node == kill.node,
            Verb::KillPod { pod } => call.verb.pod() == Some(*pod),
            _ => false,
        };
        let calls: Vec<_> = self
            .slow
            .iter()
            .filter(|(_, call)| ended(call))
            .map(|(at, _)| *at)
            .collect();
        for at in calls {
            if let Some(call) = self.slow.remove(&at) {
                self.refuse(now, &call, Trouble::Killed.error());
            }
        }
    }

    /// What becomes of a report of the runtime.
    fn pass(&mut self, now: Time, report: Report, out: &mut Vec<Report>) {
        let Report::Answer { call, node, .. } = &report else {
            match self.engine {
                Engine::Up => self.pass_news(now, report, out),
                Engine::Down | Engine::Hung => self.mishaps += 1,
            }
            return;
        };
        let failed = |error: RuntimeError| Report::Answer {
            call: *call,
            node: node.clone(),
            result: Err(error),
        };
        match (self.answers.remove(call), self.engine) {
            (_, Engine::Hung) | (Some(Mishap::AnswerLost), _) => {}
            (_, Engine::Down) => out.push(failed(Trouble::Unreachable.error())),
            (Some(Mishap::DoneButFails(error)), _) => out.push(failed(error)),
            (Some(Mishap::AnswerLate(by)), _) => self.send(now + by, report),
            _ => out.push(report),
        }
    }

    /// Passes on what happened without having been asked for: now, and by chance a second time later.
    fn pass_news(&mut self, now: Time, report: Report, out: &mut Vec<Report>) {
        if self.echoes > 0.0 {
            self.sent += 1;
            if self.random.unit("echo", "", self.sent) < self.echoes {
                self.mishaps += 1;
                let after = mishap::late(self.random, "echo", self.sent);
                self.send(now + after, report.clone());
            }
        }
        out.push(report);
    }
}

impl<R: VirtualRuntime> VirtualRuntime for FaultyRuntime<R> {
    fn handle(&mut self, now: Time, call: Call) {
        match self.engine {
            Engine::Up => {}
            Engine::Down => {
                self.mishaps += 1;
                return self.refuse(now, &call, Trouble::Unreachable.error());
            }
            Engine::Hung => {
                self.mishaps += 1;
                return;
            }
        }
        let mishap = self.draw(&call);
        self.mishaps += u64::from(mishap.is_some());
        match mishap {
            Some(Mishap::Hangs) => return,
            Some(Mishap::Fails(error)) => return self.refuse(now, &call, error),
            Some(Mishap::Slow(by)) => {
                self.sent += 1;
                self.slow.insert((now + by, self.sent), call);
                return;
            }
            Some(mishap) => {
                self.answers.insert(call.id, mishap);
            }
            None => {}
        }
        self.overtake(now, &call);
        self.inner.handle(now, call);
    }

    fn poll(&mut self, now: Time) -> Vec<Report> {
        while let Some(entry) = self.slow.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let call = entry.remove();
            self.inner.handle(now, call);
        }
        let mut out = Vec::new();
        for report in self.inner.poll(now) {
            self.pass(now, report, &mut out);
        }
        while let Some(entry) = self.late.first_entry() {
            if entry.key().0 > now {
                break;
            }
            out.push(entry.remove());
        }
        out
    }

    fn next_deadline(&self) -> Option<Time> {
        let slow = self.slow.keys().next().map(|(at, _)| *at);
        let late = self.late.keys().next().map(|(at, _)| *at);
        [self.inner.next_deadline(), slow, late]
            .into_iter()
            .flatten()
            .min()
    }
}

/// The longest that anything chosen by chance is late.
pub const LATEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
