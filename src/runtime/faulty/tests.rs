//! What stands before a runtime does what it says.

use std::collections::BTreeMap;

use super::*;
use crate::{
    api::{Key, Uid},
    runtime::simulated::SimulatedRuntime,
    store::runtime::{Answer, RuntimeErrorKind, SandboxConfig, SandboxId},
};

struct Bench {
    runtime: FaultyRuntime<SimulatedRuntime>,
    now: Time,
}

impl Bench {
    fn new() -> Self {
        let inner = SimulatedRuntime::new(7);
        Self {
            runtime: FaultyRuntime::new(inner, RuntimeKind::Simulated, 7),
            now: Time::ZERO,
        }
    }

    fn ask(&mut self, id: u64, verb: Verb) {
        let call = Call {
            id,
            node: "node-1".into(),
            runtime: RuntimeKind::Simulated,
            verb,
        };
        self.runtime.handle(self.now, call);
    }

    /// What comes until nothing is on its way, in milliseconds from the beginning.
    fn all(&mut self) -> Vec<(i64, Report)> {
        let mut all = Vec::new();
        while let Some(next) = self.runtime.next_deadline() {
            self.now = self.now.max(next);
            let at = self.now.as_micros() / 1000;
            let reports = self.runtime.poll(self.now);
            all.extend(reports.into_iter().map(|report| (at, report)));
        }
        all
    }

    /// How many sandboxes the runtime behind the faults has.
    fn sandboxes(&self) -> usize {
        self.runtime.inner.running().0.len()
    }
}

fn sandbox(pod: u128) -> Verb {
    Verb::RunPodSandbox {
        sandbox: SandboxId {
            pod: Uid(pod),
            attempt: 0,
        },
        config: std::sync::Arc::new(SandboxConfig {
            pod: Key::new("default", "web"),
            hostname: "web".into(),
            labels: BTreeMap::new(),
            generic: false,
            node: crate::store::runtime::NodeLimits::default(),
        }),
    }
}

/// What comes of a sandbox that meets a mishap: the answer, when it comes, and whether the sandbox is there.
fn check(mishap: Mishap, answer: Option<Result<(), RuntimeErrorKind>>, late_ms: i64, done: bool) {
    let mut bench = Bench::new();
    bench.runtime.script("RunPodSandbox", [mishap.clone()]);
    bench.ask(1, sandbox(1));
    let all = bench.all();
    let heard = all.first().map(|(at, report)| match report {
        Report::Answer {
            call: 1, result, ..
        } => (*at, result.as_ref().map(drop).map_err(|error| error.kind)),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        heard.as_ref().map(|(_, result)| *result),
        answer,
        "{mishap:?}"
    );
    assert!(all.len() <= 1, "{mishap:?}");
    assert!(
        heard.is_none_or(|(at, _)| at >= late_ms && at < late_ms + 500),
        "{mishap:?}: {heard:?}"
    );
    assert_eq!(bench.sandboxes(), usize::from(done), "{mishap:?}");
    assert_eq!(bench.runtime.mishaps(), 1);
}

#[test]
fn a_call_meets_what_the_script_says() {
    let minute = Duration::from_secs(60);
    check(Mishap::Hangs, None, 0, false);
    check(Mishap::AnswerLost, None, 0, true);
    check(Mishap::AnswerLate(minute), Some(Ok(())), 60_000, true);
    check(Mishap::Slow(minute), Some(Ok(())), 60_000, true);
    for trouble in Trouble::ALL {
        let answer = Some(Err(trouble.kind()));
        check(Mishap::Fails(trouble.error()), answer, 0, false);
        check(Mishap::DoneButFails(trouble.error()), answer, 0, true);
    }
}

#[test]
fn without_faults_it_changes_nothing() {
    let mut bare = SimulatedRuntime::new(7);
    let mut bench = Bench::new();
    for pod in 1..=9 {
        bare.handle(
            Time::ZERO,
            Call {
                id: pod,
                node: "node-1".into(),
                runtime: RuntimeKind::Simulated,
                verb: sandbox(pod.into()),
            },
        );
        bench.ask(pod, sandbox(pod.into()));
    }
    let mut expected = Vec::new();
    while let Some(next) = bare.next_deadline() {
        let reports = bare.poll(next).into_iter();
        expected.extend(reports.map(|report| (next.as_micros() / 1000, report)));
    }
    assert_eq!(expected.len(), 9);
    assert_eq!(bench.all(), expected);
    assert_eq!(bench.runtime.mishaps(), 0);
}

#[test]
fn an_engine_that_is_down_says_so_and_does_nothing_until_it_is_up() {
    let mut bench = Bench::new();
    bench.ask(1, sandbox(1));
    bench.runtime.set_engine(bench.now, Engine::Down);
    bench.ask(2, sandbox(2));
    let all = bench.all();
    let ups = |all: &[(i64, Report)]| -> Vec<bool> {
        let engine = all.iter().filter_map(|(_, report)| match report {
            Report::Engine { up, .. } => Some(*up),
            _ => None,
        });
        engine.collect()
    };
    assert_eq!(ups(&all), [false]);
    let failed = all.iter().filter(|(_, report)| {
        matches!(report, Report::Answer { result: Err(error), .. }
            if error.kind == RuntimeErrorKind::Unavailable)
    });
    assert_eq!(failed.count(), 2, "{all:?}");
    assert_eq!(bench.sandboxes(), 1, "what was under way was done");
    bench.runtime.set_engine(bench.now, Engine::Up);
    bench.ask(3, sandbox(3));
    let all = bench.all();
    assert_eq!(ups(&all), [true]);
    assert!(matches!(
        all.last(),
        Some((
            _,
            Report::Answer {
                call: 3,
                result: Ok(Answer::Sandbox { .. }),
                ..
            }
        ))
    ));
}

#[test]
fn a_hung_engine_says_nothing_and_a_kill_ends_what_was_asked_before() {
    let mut bench = Bench::new();
    bench.runtime.set_engine(bench.now, Engine::Hung);
    bench.ask(1, sandbox(1));
    assert!(bench.all().is_empty());
    bench.runtime.set_engine(bench.now, Engine::Up);
    assert!(bench.all().is_empty());
    let slow = Mishap::Slow(Duration::from_secs(9));
    bench.runtime.script("RunPodSandbox", [slow]);
    bench.ask(2, sandbox(2));
    bench.ask(3, Verb::KillNode);
    let all = bench.all();
    let killed = |(_, report): &(i64, Report)| {
        matches!(
            report,
            Report::Answer {
                call: 2,
                result: Err(_),
                ..
            }
        )
    };
    assert!(all.iter().any(killed), "{all:?}");
    assert_eq!(bench.sandboxes(), 0);
}

#[test]
fn chance_is_drawn_by_key() {
    let run = |seed| {
        let inner = SimulatedRuntime::new(7);
        let runtime = FaultyRuntime::new(inner, RuntimeKind::Simulated, seed);
        let mut bench = Bench {
            runtime,
            now: Time::ZERO,
        };
        bench.runtime.set("RunPodSandbox", Odds::even(0.15));
        for pod in 1..=60 {
            bench.ask(pod, sandbox(pod.into()));
        }
        let all = bench.all();
        assert!(
            (30..60).contains(&bench.runtime.mishaps()),
            "{}",
            bench.runtime.mishaps()
        );
        assert!(all.iter().all(|(at, _)| *at <= 61_000));
        all
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
