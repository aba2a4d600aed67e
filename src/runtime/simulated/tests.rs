//! What the simulated runtime promises.

use std::sync::Arc;

use super::*;
use crate::{
    api::Key,
    store::{
        config::RuntimeKind,
        runtime::{ContainerConfig, NodeLimits, SandboxConfig},
    },
};

struct Bench {
    runtime: SimulatedRuntime,
    now: Time,
    calls: u64,
}

impl Bench {
    fn new() -> Self {
        Self {
            runtime: SimulatedRuntime::new(7),
            now: Time::ZERO,
            calls: 0,
        }
    }

    fn ask(&mut self, verb: Verb) -> u64 {
        self.calls += 1;
        let call = Call {
            id: self.calls,
            node: "node-1".into(),
            runtime: RuntimeKind::Simulated,
            verb,
        };
        self.runtime.handle(self.now, call);
        self.calls
    }

    fn all(&mut self) -> Vec<(Time, Report)> {
        let mut all = Vec::new();
        while let Some(next) = self.runtime.next_deadline() {
            self.now = self.now.max(next);
            let reports = self.runtime.poll(self.now);
            all.extend(reports.into_iter().map(|report| (self.now, report)));
        }
        all
    }

    /// Asks and takes the answer.
    fn answer(&mut self, verb: Verb) -> Result<Answer, RuntimeError> {
        let id = self.ask(verb);
        let found = self.all().into_iter().find_map(|(_, report)| match report {
            Report::Answer { call, result, .. } if call == id => Some(result),
            _ => None,
        });
        found.unwrap()
    }

    fn run(&mut self, pod: u128, args: &[&str]) {
        let sandbox = SandboxId {
            pod: Uid(pod),
            attempt: 0,
        };
        let key = Key::new("default", "web");
        self.answer(Verb::RunPodSandbox {
            sandbox,
            config: Arc::new(SandboxConfig {
                pod: key.clone(),
                hostname: "web".into(),
                labels: BTreeMap::new(),
                generic: false,
                node: NodeLimits::default(),
            }),
        })
        .unwrap();
        let container = container(pod);
        let config = Arc::new(ContainerConfig {
            pod: key,
            hostname: Name::from("web"),
            image: String::new(),
            command: Vec::new(),
            args: args.iter().map(ToString::to_string).collect(),
            env: Vec::new(),
            working_dir: None,
            cpu_request_milli: 200,
            cpu_limit_milli: 100,
            memory_limit_bytes: 0,
            read_only_root: false,
            run_as_user: None,
        });
        self.answer(Verb::CreateContainer {
            sandbox,
            container: container.clone(),
            config,
        })
        .unwrap();
        self.ask(Verb::StartContainer { container });
    }
}

fn container(pod: u128) -> ContainerId {
    ContainerId {
        pod: Uid(pod),
        name: "app".into(),
        attempt: 0,
    }
}

fn exits(reports: &[(Time, Report)]) -> Vec<i32> {
    reports
        .iter()
        .filter_map(|(_, report)| match report {
            Report::ContainerExited { exit, .. } => Some(exit.code),
            _ => None,
        })
        .collect()
}

#[test]
fn a_killed_node_s_containers_are_dead_within_sixty_milliseconds_and_stay_listed() {
    let mut bench = Bench::new();
    bench.run(1, &[]);
    bench.run(2, &[]);
    bench.all();
    let killed_at = bench.now;
    bench.ask(Verb::KillNode);
    let reports = bench.all();
    assert_eq!(exits(&reports), [137, 137]);
    let latest = reports
        .iter()
        .filter(|(_, report)| matches!(report, Report::ContainerExited { .. }))
        .map(|(at, _)| *at)
        .max();
    let took = latest.unwrap().since(killed_at);
    assert!(took >= Duration::from_millis(20) && took <= Duration::from_millis(60));
    let Ok(Answer::Listing {
        sandboxes,
        containers,
    }) = bench.answer(Verb::List)
    else {
        panic!("no listing");
    };
    assert!(sandboxes.len() == 2 && sandboxes.iter().all(|s| !s.running));
    let dead = |c: &crate::store::runtime::ContainerState| matches!(c.run, Some(Some(_)));
    assert!(containers.len() == 2 && containers.iter().all(dead));
}

#[test]
fn what_was_under_way_when_a_node_was_killed_is_never_answered() {
    let mut bench = Bench::new();
    bench.run(1, &[]);
    bench.ask(Verb::KillNode);
    let started = |(_, report): &(Time, Report)| {
        matches!(
            report,
            Report::Answer {
                result: Ok(Answer::Started),
                ..
            }
        )
    };
    assert!(!bench.all().iter().any(started));
    assert_eq!(bench.runtime.usage(bench.now).count(), 0);
}

#[test]
fn sigterm_ends_a_container_with_0_and_the_end_of_its_grace_with_137() {
    for (args, grace_ms, code) in [
        (vec![], 30_000, 0),
        (vec!["serve", "--stop-after", "1h"], 2_000, 137),
        (vec!["serve", "--stop-after", "3s"], 2_000, 137),
    ] {
        let mut bench = Bench::new();
        bench.run(1, &args);
        bench.all();
        let stop = Verb::StopContainer {
            container: container(1),
            grace_ms,
        };
        let answer = bench.answer(stop.clone()).unwrap();
        let Answer::Stopped { exit } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(exit.code, code, "{args:?}");
        assert_eq!(bench.answer(stop).unwrap(), Answer::Stopped { exit });
    }
}

#[test]
fn a_call_that_is_repeated_is_done_once() {
    let mut bench = Bench::new();
    bench.run(1, &["exit", "--after", "1s", "--code", "3"]);
    bench.ask(Verb::StartContainer {
        container: container(1),
    });
    assert_eq!(exits(&bench.all()), [3]);
}

#[test]
fn an_image_is_pulled_once_a_node_and_one_that_does_not_exist_never() {
    let mut bench = Bench::new();
    let image = "nginx:1.27".to_owned();
    let status = |bench: &mut Bench| {
        bench.answer(Verb::ImageStatus {
            image: "nginx:1.27".into(),
        })
    };
    assert!(matches!(
        status(&mut bench),
        Ok(Answer::Image { present: false, .. })
    ));
    bench.answer(Verb::PullImage { image }).unwrap();
    assert!(matches!(
        status(&mut bench),
        Ok(Answer::Image { present: true, .. })
    ));
    let error = bench
        .answer(Verb::PullImage {
            image: "shop/does-not-exist:1".to_owned(),
        })
        .unwrap_err();
    assert_eq!(error.kind, RuntimeErrorKind::NotFound);
}

#[test]
fn usage_stays_below_the_limit_and_is_the_same_for_the_same_seed() {
    let mut bench = Bench::new();
    bench.run(1, &[]);
    bench.all();
    for second in 0..120 {
        let at = bench.now + Duration::from_secs(second);
        let usage: Vec<_> = bench.runtime.usage(at).collect();
        assert_eq!(usage, bench.runtime.clone().usage(at).collect::<Vec<_>>());
        assert!(usage.iter().all(|(_, usage)| usage.cpu_milli <= 100));
    }
}

#[test]
fn what_runs_is_measured_each_second_and_nothing_when_nothing_runs() {
    let mut bench = Bench::new();
    bench.runtime = SimulatedRuntime::new(7).measured();
    assert_eq!(bench.runtime.next_deadline(), None);
    bench.run(1, &["serve"]);
    let mut counters = Vec::new();
    let mut measure = |bench: &mut Bench, second| {
        let reports = bench.runtime.poll(Time::from_secs(second));
        let found = reports.into_iter().find_map(|report| match report {
            Report::Usage { samples, .. } => Some(samples),
            _ => None,
        });
        let counted = found.iter().flatten().map(|sample| sample.cpu_micros);
        counters.extend(counted);
        found.map(|samples| samples.len())
    };
    // It comes up, and is measured from a second later on.
    assert_eq!(measure(&mut bench, 2), None);
    for second in 3..6 {
        assert_eq!(measure(&mut bench, second), Some(1));
    }
    bench.now = Time::from_secs(5);
    bench.ask(Verb::KillNode);
    assert_eq!(measure(&mut bench, 6), Some(0));
    assert_eq!(bench.runtime.next_deadline(), None);
    assert!(counters.is_sorted() && counters[2] > 0, "{counters:?}");
}
