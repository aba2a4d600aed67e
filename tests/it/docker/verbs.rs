//! The verbs, end to end.

use std::time::Duration;

use bollard::{Docker, query_parameters::RemoveContainerOptionsBuilder};
use kubeplay::{
    api::image::BUILT_IN_IMAGE,
    store::runtime::{
        Answer, ContainerId, Exit, NodeLimits, Report, RuntimeErrorKind, SandboxId, Verb,
    },
};

use super::lab::{Lab, TestPod, get, with_lab};

const fn exit(code: i32) -> Exit {
    Exit {
        code,
        oom_killed: false,
    }
}

/// Sandboxes and containers that a node has, with whether they run.
async fn list(lab: &mut Lab, node: &str) -> (Vec<bool>, Vec<Option<Option<Exit>>>) {
    let call = lab.call_on(node, Verb::List);
    let Ok(Answer::Listing {
        sandboxes,
        mut containers,
    }) = lab.answer(call).await
    else {
        panic!("no listing");
    };
    containers.sort_by(|a, b| a.container.cmp(&b.container));
    (
        sandboxes.into_iter().map(|state| state.running).collect(),
        containers.into_iter().map(|state| state.run).collect(),
    )
}

#[test]
fn a_pod_is_started_answers_is_stopped_restarted_and_removed() {
    with_lab(async |mut lab| {
        let mut pod = TestPod::new(1);
        let ip = lab.run(&pod, &[]).await;
        let text = get(&format!("{ip}:8080"), "/").await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.ends_with("default/pod-1 on node-1\n"), "{text}");

        let stop = Verb::StopContainer {
            container: pod.container.clone(),
            grace_ms: 30_000,
        };
        // It heeds SIGTERM: so it ends well.
        assert_eq!(lab.ask(stop).await, Ok(Answer::Stopped { exit: exit(0) }));
        assert_eq!(lab.exit(&pod.container).await, exit(0));

        let first = pod.container.clone();
        pod.container.attempt = 1;
        let config = pod.config(&["serve", "--port", "81"]);
        lab.ask(pod.create(config)).await.unwrap();
        lab.ask(pod.start()).await.unwrap();
        let text = get(&format!("{ip}:81"), "/healthz").await;
        assert!(text.ends_with("ok\n"), "{text}");
        let expected = (vec![true], vec![Some(Some(exit(0))), Some(None)]);
        assert_eq!(list(&mut lab, "node-1").await, expected);

        let remove = Verb::RemoveContainer { container: first };
        assert_eq!(lab.ask(remove).await, Ok(Answer::Removed));
        assert_eq!(lab.guard.containers().await.len(), 2);
        let sandbox = pod.sandbox;
        lab.ask(Verb::StopPodSandbox { sandbox }).await.unwrap();
        assert_eq!(lab.exit(&pod.container).await, exit(137));
        let remove = Verb::RemovePodSandbox { sandbox };
        assert_eq!(lab.ask(remove).await, Ok(Answer::Removed));
        assert_eq!(lab.guard.containers().await, Vec::<String>::new());
        lab
    });
}

#[test]
fn asking_twice_is_asking_once() {
    with_lab(async |mut lab| {
        let pod = TestPod::new(1);
        // At the same time, as well as one after the other.
        let twice = [lab.call(pod.run_sandbox()), lab.call(pod.run_sandbox())];
        let one = lab.answer(twice[0]).await.unwrap();
        assert_eq!(lab.answer(twice[1]).await.unwrap(), one);
        assert_eq!(lab.ask(pod.run_sandbox()).await.unwrap(), one);
        let create = || pod.create(pod.config(&["exit", "--after", "100ms", "--code", "3"]));
        let created = lab.ask(create()).await.unwrap();
        assert_eq!(lab.ask(create()).await.unwrap(), created);
        let twice = [lab.call(pod.start()), lab.call(pod.start())];
        assert_eq!(lab.answer(twice[0]).await, Ok(Answer::Started));
        assert_eq!(lab.answer(twice[1]).await, Ok(Answer::Started));
        assert_eq!(lab.exit(&pod.container).await, exit(3));
        // It ran, and does not run again.
        assert_eq!(lab.ask(pod.start()).await, Ok(Answer::Started));
        let container = || pod.container.clone();
        let stop = Verb::StopContainer {
            container: container(),
            grace_ms: 0,
        };
        assert_eq!(lab.ask(stop).await, Ok(Answer::Stopped { exit: exit(3) }));
        for _ in 0..2 {
            let container = container();
            let remove = Verb::RemoveContainer { container };
            assert_eq!(lab.ask(remove).await, Ok(Answer::Removed));
        }
        let sandbox = pod.sandbox;
        for _ in 0..2 {
            let remove = Verb::RemovePodSandbox { sandbox };
            assert_eq!(lab.ask(remove).await, Ok(Answer::Removed));
            lab.ask(Verb::StopPodSandbox { sandbox }).await.unwrap();
        }
        let ends = |report: &&Report| matches!(report, Report::ContainerExited { .. });
        assert_eq!(lab.unread().iter().filter(ends).count(), 0);
        lab
    });
}

#[test]
fn the_start_of_a_container_is_told_before_its_end() {
    with_lab(async |mut lab| {
        let pod = TestPod::new(1);
        lab.ask(pod.run_sandbox()).await.unwrap();
        let config = pod.config(&["exit", "--code", "7"]);
        lab.ask(pod.create(config)).await.unwrap();
        let start = lab.call(pod.start());
        let first = lab
            .wait(|report| match report {
                Report::Answer { call, .. } if *call == start => Some("its start"),
                Report::ContainerExited { .. } => Some("its end"),
                _ => None,
            })
            .await;
        assert_eq!(first, "its start");
        assert_eq!(lab.exit(&pod.container).await, exit(7));
        lab
    });
}

#[test]
fn a_killed_node_is_dead_and_what_was_asked_of_it_before_comes_to_nothing() {
    with_lab(async |mut lab| {
        let pods: Vec<TestPod> = (0..3).map(TestPod::new).collect();
        lab.run_all(&pods).await;
        let elsewhere = lab.call_on("node-2", TestPod::new(10).run_sandbox());
        lab.answer(elsewhere).await.unwrap();
        let before = lab.call(TestPod::new(11).run_sandbox());
        let kill = lab.call(Verb::KillNode);
        for pod in &pods {
            assert_eq!(lab.exit(&pod.container).await, exit(137));
        }
        lab.answer(kill).await.unwrap();
        let mut dead: Vec<SandboxId> = Vec::new();
        for _ in &pods {
            dead.push(lab.sandbox_exit().await);
        }
        dead.sort();
        assert_eq!(dead, pods.iter().map(|pod| pod.sandbox).collect::<Vec<_>>());
        let error = lab.answer(before).await.unwrap_err();
        assert_eq!(error.kind, RuntimeErrorKind::Unavailable);
        let (sandboxes, containers) = list(&mut lab, "node-1").await;
        assert_eq!(sandboxes, [false; 3]);
        assert_eq!(containers, [Some(Some(exit(137))); 3]);
        assert_eq!(list(&mut lab, "node-2").await.0, [true]);
        // The node starts again: what is asked of it from now on is done.
        lab.run(&TestPod::new(12), &[]).await;
        lab
    });
}

#[test]
fn a_killed_pod_is_dead_and_others_live() {
    with_lab(async |mut lab| {
        let pods = [TestPod::new(1), TestPod::new(2)];
        lab.run_all(&pods).await;
        let pod = pods[0].sandbox.pod;
        lab.ask(Verb::KillPod { pod }).await.unwrap();
        assert_eq!(lab.exit(&pods[0].container).await, exit(137));
        assert_eq!(lab.sandbox_exit().await, pods[0].sandbox);
        let (_, containers) = list(&mut lab, "node-1").await;
        assert_eq!(containers, [Some(Some(exit(137))), Some(None)]);
        lab
    });
}

#[test]
fn what_cannot_be_done_is_said_with_its_kind() {
    with_lab(async |mut lab| {
        const NOTHING: &str = "kubeplay.invalid/nothing:1";
        let pod = TestPod::new(1);
        let error = lab.ask(pod.create(pod.config(&[]))).await.unwrap_err();
        assert_eq!(error.kind, RuntimeErrorKind::NotFound, "{error}");
        lab.ask(pod.run_sandbox()).await.unwrap();
        let error = lab.ask(pod.start()).await.unwrap_err();
        assert_eq!(error.kind, RuntimeErrorKind::NotFound, "{error}");

        let mut config = pod.config(&[]);
        config.image = NOTHING.to_owned();
        let error = lab.ask(pod.create(config)).await.unwrap_err();
        assert_eq!(error.kind, RuntimeErrorKind::NotFound, "{error}");

        let mut config = pod.config(&[]);
        config.command = vec!["/no/such/program".to_owned()];
        lab.ask(pod.create(config)).await.unwrap();
        let error = lab.ask(pod.start()).await.unwrap_err();
        assert_eq!(error.kind, RuntimeErrorKind::Invalid, "{error}");
        assert!(error.message.contains("/no/such/program"), "{error}");

        for (image, expected) in [(NOTHING, false), (BUILT_IN_IMAGE, true)] {
            let image = image.to_owned();
            let status = lab.ask(Verb::ImageStatus { image }).await;
            let Ok(Answer::Image { present, .. }) = status else {
                panic!("{status:?}");
            };
            assert_eq!(present, expected);
        }
        for (image, expected) in [(NOTHING, false), (BUILT_IN_IMAGE, true)] {
            let image = image.to_owned();
            let pulled = lab.ask(Verb::PullImage { image }).await;
            assert_eq!(pulled.is_ok(), expected, "{pulled:?}");
        }
        lab
    });
}

#[test]
fn a_container_beyond_its_memory_limit_is_killed_for_it() {
    with_lab(async |mut lab| {
        let pod = TestPod::new(1);
        lab.ask(pod.run_sandbox()).await.unwrap();
        let mut config = pod.config(&["serve", "--memory", "100Mi"]);
        config.memory_limit_bytes = 32 << 20;
        lab.ask(pod.create(config)).await.unwrap();
        lab.ask(pod.start()).await.unwrap();
        let expected = Exit {
            code: 137,
            oom_killed: true,
        };
        assert_eq!(lab.exit(&pod.container).await, expected);
        lab
    });
}

#[test]
fn what_ends_by_another_hand_is_noticed() {
    with_lab(async |mut lab| {
        let pods = [TestPod::new(1), TestPod::new(2)];
        lab.run_all(&pods).await;
        let docker = Docker::connect_with_host(lab.engine.host()).unwrap();
        let Ok(Answer::Listing { containers, .. }) = lab.ask(Verb::List).await else {
            panic!("no listing");
        };
        for state in containers {
            if state.container.pod == pods[0].sandbox.pod {
                docker.kill_container(&state.id, None).await.unwrap();
            } else {
                let force = RemoveContainerOptionsBuilder::new().force(true).build();
                docker
                    .remove_container(&state.id, Some(force))
                    .await
                    .unwrap();
            }
        }
        for pod in &pods {
            assert_eq!(lab.exit(&pod.container).await, exit(137));
        }
        lab
    });
}

#[test]
fn an_address_is_not_given_to_somebody_else_at_once() {
    with_lab(async |mut lab| {
        let mut addresses = Vec::new();
        for number in 0..3 {
            let pod = TestPod::new(number);
            let Ok(Answer::Sandbox { ip }) = lab.ask(pod.run_sandbox()).await else {
                panic!("no sandbox");
            };
            addresses.push(ip);
            let sandbox = pod.sandbox;
            lab.ask(Verb::RemovePodSandbox { sandbox }).await.unwrap();
        }
        addresses.dedup();
        assert_eq!(addresses.len(), 3, "{addresses:?}");
        lab
    });
}

#[test]
fn that_the_engine_answers_is_reported() {
    with_lab(async |mut lab| {
        let (up, message) = lab
            .wait(|report| match report {
                Report::Engine { up, message, .. } => Some((*up, message.clone())),
                _ => None,
            })
            .await;
        assert!(up);
        assert!(message.starts_with("Docker "), "{message}");
        lab
    });
}

#[test]
fn a_container_has_only_what_it_needs_and_says_whose_it_is() {
    with_lab(async |mut lab| {
        let pod = TestPod::new(1);
        lab.run(&pod, &[]).await;
        let docker = Docker::connect_with_host(lab.engine.host()).unwrap();
        for id in lab.guard.containers().await {
            let found = docker.inspect_container(&id, None).await.unwrap();
            let host = found.host_config.unwrap();
            assert_eq!(host.privileged, Some(false));
            assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
            assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
            let name = found.name.unwrap();
            assert!(name.starts_with("/kp-lab-default-pod-1-abcd0-"), "{name}");
            let labels = found.config.unwrap().labels.unwrap();
            assert_eq!(labels["kubeplay"], "1");
            assert_eq!(labels["kubeplay.node"], "node-1");
            assert_eq!(labels["kubeplay.pod.name"], "default/pod-1");
        }
        let network = format!("kubeplay-{}", lab.guard.run);
        let network = docker.inspect_network(&network, None).await.unwrap();
        assert_eq!(network.internal, Some(true));
        lab
    });
}

#[test]
fn load_is_measured_each_second() {
    with_lab(async |mut lab| {
        let pod = TestPod::new(1);
        let ip = lab.run(&pod, &["serve", "--cpu-ms", "5"]).await;
        let mut counters = Vec::new();
        for _ in 0..3 {
            get(&format!("{ip}:8080"), "/").await;
            let (sample, took) = lab.usage(&pod.container).await;
            assert!(took < Duration::from_millis(500), "{took:?}");
            assert!(sample.memory_bytes > 100_000, "{sample:?}");
            counters.push(sample.cpu_micros);
        }
        // Each of the requests costs 5 ms.
        assert!(counters[2] >= counters[0] + 9_000, "{counters:?}");
        lab
    });
}

#[test]
fn a_sandbox_that_was_made_ahead_is_as_good_as_any() {
    with_lab(async |mut lab| {
        // The first comes before any could be made; it shows that more may be needed.
        let first = TestPod::new(1);
        lab.ask(first.run_generic()).await.unwrap();
        lab.wait_until_warm(2).await;
        let made = lab.guard.containers().await;
        let pod = TestPod::new(2);
        let Answer::Sandbox { ip } = lab.ask(pod.run_generic()).await.unwrap() else {
            panic!("no sandbox");
        };
        let text = format!("\n{ip}\tpod-2\n");
        assert_eq!(lab.hosts_files(&made, &text).await, 1);
        lab.ask(pod.create(pod.config(&[]))).await.unwrap();
        lab.ask(pod.start()).await.unwrap();
        assert!(
            get(&format!("{ip}:8080"), "/healthz")
                .await
                .ends_with("ok\n")
        );
        let (sandboxes, containers) = list(&mut lab, "node-1").await;
        assert_eq!((sandboxes.len(), containers.len()), (2, 1));
        // It dies with its node as any other, and is told of.
        lab.ask(Verb::KillNode).await.unwrap();
        let mut ended = [lab.sandbox_exit().await, lab.sandbox_exit().await];
        ended.sort();
        assert_eq!(ended, [first.sandbox, pod.sandbox]);
        let sandbox = pod.sandbox;
        lab.ask(Verb::RemovePodSandbox { sandbox }).await.unwrap();
        let (sandboxes, containers) = list(&mut lab, "node-1").await;
        assert_eq!((sandboxes, containers), (vec![false], vec![]));
        // One that died before anybody took it is not handed out.
        lab.wait_until_warm(2).await;
        for id in lab.warm().await {
            lab.kill(&id).await;
        }
        let pod = TestPod::new(3);
        let Answer::Sandbox { ip } = lab.ask(pod.run_generic()).await.unwrap() else {
            panic!("no sandbox");
        };
        lab.ask(pod.create(pod.config(&[]))).await.unwrap();
        lab.ask(pod.start()).await.unwrap();
        get(&format!("{ip}:8080"), "/healthz").await;
        lab
    });
}

/// Three containers that would use all they can get, on a node that has a quarter of a processor.
#[test]
fn a_node_may_use_no_more_than_it_has_and_a_pod_no_more_than_its_limit() {
    with_lab(async |mut lab| {
        let limits = NodeLimits {
            cpu_milli: 250,
            memory_bytes: 256 << 20,
        };
        let pods: Vec<TestPod> = (0..3).map(TestPod::new).collect();
        for pod in &pods {
            lab.hog(pod, pod.run_on(limits), 0).await;
        }
        let all: Vec<ContainerId> = pods.iter().map(|pod| pod.container.clone()).collect();
        let used = lab.cpu_milli(&all, Duration::from_secs(4)).await;
        // A busy machine gives less; the benchmark says how exactly the cap is met.
        assert!((20..=270).contains(&used), "the node uses {used}m of 250m");
        for pod in &pods {
            let container = pod.container.clone();
            lab.ask(Verb::RemoveContainer { container }).await.unwrap();
        }
        let pod = TestPod::new(9);
        lab.hog(&pod, pod.run_sandbox(), 200).await;
        let used = lab
            .cpu_milli(std::slice::from_ref(&pod.container), Duration::from_secs(4))
            .await;
        assert!((20..=216).contains(&used), "the pod uses {used}m of 200m");
        lab
    });
}
