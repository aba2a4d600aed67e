//! However a run ends, nothing of it stays, and nothing of another run goes.

use std::time::Duration;

use kubeplay::runtime::docker;
use rustix::process::{Pid, Signal, kill_process};

use super::lab::{Lab, TestPod, Victim, get, processes, with_lab};

/// Long, because the machine may have other things to do. The benchmark prints the figures.
const PATIENCE: Duration = Duration::from_secs(60);
/// One node, and how many pods.
const TOPOLOGY: &str = "demo/tiny.toml";
const PODS: usize = 3;

#[test]
fn a_killed_process_leaves_nothing_and_its_neighbour_is_untouched() {
    with_lab(async |mut neighbour| {
        let ip = neighbour.run(&TestPod::new(1), &[]).await;
        let state = tempfile::tempdir().unwrap();
        for moment in ["running", "starting", "beginning"] {
            let mut victim = Victim::start(&neighbour.engine, state.path(), TOPOLOGY).await;
            match moment {
                "running" => victim.wait_until_started(PODS),
                "starting" => {
                    while victim.guard.containers().await.len() < 2 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                _ => {}
            }
            victim.kill();
            let took = victim.guard.until_nothing_is_left(PATIENCE).await;
            println!("killed while {moment}: gone after {took:?}");
        }
        let text = get(&format!("{ip}:8080"), "/healthz").await;
        assert!(text.ends_with("ok\n"), "{text}");
        assert_eq!(neighbour.guard.containers().await.len(), 2);
        neighbour
    });
}

#[test]
fn what_even_the_watchdog_missed_is_removed_at_the_next_start_or_on_request() {
    with_lab(async |first| {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("kubeplay");
        let clean = async || {
            let state = Some(state.clone());
            docker::clean(&first.engine, state, &|_, _| {})
                .await
                .unwrap()
        };
        for on_request in [true, false] {
            let mut victim = Victim::start(&first.engine, home.path(), TOPOLOGY).await;
            victim.wait_until_started(PODS);
            assert_eq!(clean().await.alive, [victim.guard.run.as_str()]);
            assert_eq!(victim.guard.containers().await.len(), 2 * PODS);
            // Both die at once, as when the machine is switched off.
            for process in processes(&victim.guard.run) {
                kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
            }
            victim.kill();
            assert_eq!(victim.guard.containers().await.len(), 2 * PODS);
            if on_request {
                let text = clean().await.to_string();
                let expected = format!(
                    "run {}: removed {} containers, 1 network, 0 volumes",
                    victim.guard.run,
                    2 * PODS
                );
                assert!(text.contains(&expected), "{text}");
                assert_eq!(victim.guard.left().await, Vec::<String>::new());
            } else {
                let next = Lab::new(first.engine.clone(), &state);
                victim.guard.until_nothing_is_left(PATIENCE).await;
                next.end().await;
            }
        }
        first
    });
}

#[test]
fn a_quit_while_pods_start_leaves_nothing() {
    with_lab(async |mut lab| {
        for number in 0..4 {
            lab.call(TestPod::new(number).run_sandbox());
        }
        lab
    });
}

#[test]
fn a_runtime_that_is_dropped_leaves_it_to_the_watchdog() {
    with_lab(async |first| {
        let state = tempfile::tempdir().unwrap();
        let mut lab = Lab::new(first.engine.clone(), state.path());
        lab.run(&TestPod::new(1), &[]).await;
        let Lab { runtime, guard, .. } = lab;
        drop(runtime);
        guard.until_nothing_is_left(PATIENCE).await;
        first
    });
}

#[test]
fn a_stranger_on_the_runs_network_is_detached_and_left_alone() {
    with_lab(async |mut lab| {
        lab.run(&TestPod::new(1), &[]).await;
        let stranger = lab.stranger().await;
        let Lab {
            runtime,
            guard,
            engine,
            ..
        } = lab;
        runtime.shutdown(|_, _| {}).await.unwrap();
        assert_eq!(guard.left().await, Vec::<String>::new());
        assert!(stranger.is_running().await);
        drop(stranger);
        let state = tempfile::tempdir().unwrap();
        Lab::new(engine, state.path())
    });
}
