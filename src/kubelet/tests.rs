//! Pods and nodes through whole lives, on the simulated runtime.

use std::time::Duration;

use serde_json::json;

use crate::{
    api::{Key, Lease, Node, Pod, Time},
    cluster::bench::Bench,
    runtime::faulty::{Engine, Mishap, Odds, Trouble},
    store::{
        Input, Preset, Subresource, WriteVerb,
        input::{Fault, Target},
        runtime::{ContainerId, Exit, Report, Verb},
    },
};

const WORKLOAD: &str = "kubeplay.dev/workload:1";

fn node(name: &str) -> Target {
    Target::Node(name.into())
}

fn ready(bench: &Bench, name: &str) -> String {
    let node = bench.drive.cluster.store().objects.node(name).unwrap();
    let conditions = node.status.as_ref().unwrap().conditions.as_ref();
    let ready = conditions.and_then(|all| all.iter().find(|c| c.type_ == "Ready"));
    ready.map_or("none".to_owned(), |c| c.status.clone())
}

fn renewed(bench: &Bench, name: &str) -> Time {
    let objects = &bench.drive.cluster.store().objects;
    let lease = objects
        .get::<Lease>(&Key::new("kube-node-lease", name))
        .unwrap();
    lease
        .spec
        .as_ref()
        .unwrap()
        .renew_time
        .as_ref()
        .unwrap()
        .into()
}

#[test]
fn a_node_registers_and_says_so() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.run(1);
    assert_eq!(ready(&bench, "node-1"), "True");
    let events = bench.events().into_iter();
    let ours = events.filter(|event| &*event.source == "kubelet");
    let reasons: Vec<String> = ours.map(|event| event.reason.to_string()).collect();
    assert_eq!(
        reasons,
        [
            "Starting",
            "NodeHasSufficientMemory",
            "NodeHasNoDiskPressure",
            "NodeHasSufficientPID",
            "NodeReady"
        ]
    );
    let messages = bench.messages("node-1", "NodeReady");
    assert_eq!(&*messages[0], "Node node-1 status is now: NodeReady");
}

#[test]
fn leases_are_renewed_at_each_node_s_own_time() {
    let mut bench = Bench::new(Preset::Kubernetes, 3);
    bench.run(60_000);
    let times: Vec<Time> = (1..=3)
        .map(|n| renewed(&bench, &format!("node-{n}")))
        .collect();
    assert!(times[0] != times[1] && times[1] != times[2], "{times:?}");
    assert!(
        times
            .iter()
            .all(|at| bench.now().since(*at) <= Duration::from_millis(10_400))
    );
}

#[test]
fn a_pod_starts_with_two_status_writes_and_upstream_s_events() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    assert!(bench.now() < Time::from_millis(600), "{}", bench.now());
    assert_eq!(bench.reasons("web"), ["Pulled", "Created", "Started"]);
    assert_eq!(bench.status_writes("web"), 2);
    let pod = bench.get("web");
    assert_eq!(pod.ip(), Some("10.244.0.2"));
    let conditions: Vec<_> = pod.status.conditions.iter().flatten().collect();
    assert_eq!(conditions.len(), 5);
    assert!(
        conditions.iter().all(|c| c.status == "True"),
        "{conditions:?}"
    );
    assert_eq!(bench.state("web", 0), "running");
    let events = bench.events();
    let started = events
        .iter()
        .find(|event| &*event.reason == "Started")
        .unwrap();
    assert_eq!(started.field_path.as_deref(), Some("spec.containers{app}"));
    assert_eq!(started.host.as_deref(), Some("node-1"));
}

#[test]
fn init_containers_run_one_after_the_other_before_the_app() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    let init =
        |name: &str| json!({"name": name, "image": WORKLOAD, "args": ["exit", "--after", "2s"]});
    bench.pod(
        "web",
        json!({"initContainers": [init("first"), init("second"),
            {"name": "helper", "image": WORKLOAD, "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": WORKLOAD}]}),
    );
    bench.run(1500);
    assert_eq!(bench.alive(), 1);
    assert_eq!(bench.state("web", 0), "PodInitializing");
    let message = bench
        .get("web")
        .condition("Initialized")
        .unwrap()
        .message
        .clone();
    assert_eq!(
        message.as_deref(),
        Some("containers with incomplete status: [first second helper]")
    );
    bench.run(2500);
    assert_eq!(bench.alive(), 1);
    bench.until_running("web");
    assert_eq!(bench.alive(), 2);
    assert!(bench.now() > Time::from_millis(4200), "{}", bench.now());
}

#[test]
fn an_init_container_that_fails_is_tried_again_unless_the_pod_says_never() {
    for (policy, phase) in [("Always", "Pending"), ("Never", "Failed")] {
        let mut bench = Bench::new(Preset::Kubernetes, 1);
        bench.pod(
            "web",
            json!({"restartPolicy": policy,
                "initContainers": [{"name": "first", "image": WORKLOAD,
                    "args": ["exit", "--after", "1s", "--code", "1"]}],
                "containers": [{"name": "app", "image": WORKLOAD}]}),
        );
        bench.run(8_000);
        assert_eq!(bench.get("web").phase(), phase, "{policy}");
        let statuses = bench
            .get("web")
            .status
            .init_container_statuses
            .clone()
            .unwrap();
        assert_eq!(statuses[0].restart_count > 0, policy == "Always");
    }
}

#[test]
fn a_container_that_crashes_waits_longer_each_time() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod(
        "web",
        json!({"containers": [{"name": "app", "image": WORKLOAD,
            "args": ["exit", "--after", "1s", "--code", "1"]}]}),
    );
    let mut starts = Vec::new();
    for restarts in 0..8 {
        bench.until("restart", |cluster| {
            let pod = cluster.store().objects.pods.values().next().unwrap();
            let status = pod
                .status
                .container_statuses
                .as_ref()
                .map(|all| all[0].clone());
            status.is_some_and(|s| s.restart_count == restarts && s.ready)
        });
        starts.push(bench.now());
        if restarts == 3 {
            bench.run(5_000);
            assert_eq!(bench.state("web", 0), "CrashLoopBackOff");
            let pod = bench.get("web");
            let status = &pod.status.container_statuses.as_ref().unwrap()[0];
            let message = status
                .state
                .as_ref()
                .unwrap()
                .waiting
                .as_ref()
                .unwrap()
                .message
                .clone();
            let uid = pod.meta.uid;
            let text =
                format!("back-off 40s restarting failed container=app pod=web_default({uid})");
            assert_eq!(message, Some(text));
            let last = status
                .last_state
                .as_ref()
                .unwrap()
                .terminated
                .as_ref()
                .unwrap();
            assert_eq!((last.exit_code, last.reason.as_deref()), (1, Some("Error")));
            assert_eq!(pod.phase(), "Running");
        }
    }
    let waits: Vec<u64> = starts
        .windows(2)
        .map(|w| w[1].since(w[0]).as_secs())
        .collect();
    assert_eq!(waits, [1, 11, 21, 41, 81, 161, 301]);
    assert!(bench.reasons("web").contains(&"BackOff".to_owned()));
}

#[test]
fn a_pod_ends_as_its_restart_policy_says() {
    for (policy, code, phase) in [
        ("Never", "0", "Succeeded"),
        ("Never", "3", "Failed"),
        ("OnFailure", "0", "Succeeded"),
        ("OnFailure", "1", "Running"),
        ("Always", "0", "Running"),
    ] {
        let mut bench = Bench::new(Preset::Kubernetes, 1);
        bench.pod(
            "job",
            json!({"restartPolicy": policy, "containers": [{"name": "app", "image": WORKLOAD,
                "args": ["exit", "--after", "1s", "--code", code]}]}),
        );
        bench.run(5_000);
        assert_eq!(bench.get("job").phase(), phase, "{policy} {code}");
        let reason = bench.get("job").condition("Ready").unwrap().reason.clone();
        match phase {
            "Succeeded" => assert_eq!(reason.as_deref(), Some("PodCompleted")),
            "Failed" => assert_eq!(reason.as_deref(), Some("PodFailed")),
            _ => assert_eq!(reason.as_deref(), Some("ContainersNotReady")),
        }
    }
}

#[test]
fn a_pod_that_is_deleted_stops_gracefully_and_leaves_nothing() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod(
        "web",
        json!({"containers": [
            {"name": "app", "image": WORKLOAD, "args": ["serve", "--stop-after", "3s"]},
            {"name": "stubborn", "image": WORKLOAD, "args": ["serve", "--stop-after", "1h"]}],
            "initContainers": [{"name": "helper", "image": WORKLOAD, "restartPolicy": "Always"}],
            "terminationGracePeriodSeconds": 5}),
    );
    bench.until_running("web");
    let asked = bench.now();
    bench.delete("web", None);
    bench.run(4_000);
    assert_eq!(bench.alive(), 2);
    assert!(bench.get("web").is_ready() || bench.state("web", 0) == "Completed");
    bench.until("gone", |cluster| cluster.store().objects.pods.is_empty());
    let took = bench.now().since(asked).as_millis();
    assert!((5_000..6_000).contains(&took), "{took}");
    let killing = bench.messages("web", "Killing");
    assert_eq!(killing.len(), 3);
    assert!(
        killing
            .iter()
            .any(|text| &**text == "Stopping container helper")
    );
    bench.run(1_000);
    let world = &bench.drive.cluster.store().world;
    assert!(world.containers.is_empty() && world.sandboxes.is_empty());
}

#[test]
fn a_pod_that_is_deleted_at_once_is_cleaned_up_all_the_same() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    bench.delete("web", Some(0));
    assert!(bench.find("web").is_none());
    assert_eq!(bench.alive(), 1);
    bench.run(2_500);
    let world = &bench.drive.cluster.store().world;
    assert!(world.containers.is_empty() && world.sandboxes.is_empty());
}

#[test]
fn a_pod_that_is_deleted_while_it_starts_goes_without_having_run() {
    for after in [0, 100, 240, 260, 300, 350] {
        let mut bench = Bench::new(Preset::Kubernetes, 1);
        bench.pod("web", json!({}));
        bench.run(after);
        bench.delete("web", None);
        bench.run(3_000);
        assert!(bench.find("web").is_none(), "after {after} ms");
        let world = &bench.drive.cluster.store().world;
        assert!(world.containers.is_empty() && world.sandboxes.is_empty());
    }
}

#[test]
fn a_killed_node_s_pods_run_again_when_it_is_back() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    let before = bench.get("web");
    bench.inject(Fault::Kill, node("node-1"));
    bench.run(100);
    assert_eq!(bench.alive(), 0);
    let silent = renewed(&bench, "node-1");
    bench.run(30_000);
    assert_eq!(renewed(&bench, "node-1"), silent);
    assert_eq!(bench.get("web"), before, "a dark node tells nothing");
    bench.heal("node-1");
    bench.run(30_100);
    bench.until_running("web");
    assert_eq!(bench.restarts("web"), 1);
    assert_ne!(bench.get("web").ip(), before.ip());
    let reasons = bench.reasons("web");
    assert!(
        reasons.contains(&"SandboxChanged".to_owned()),
        "{reasons:?}"
    );
    assert!(bench.reasons("node-1").contains(&"Rebooted".to_owned()));
    let pod = bench.get("web");
    let status = &pod.status.container_statuses.as_ref().unwrap()[0];
    let last = status
        .last_state
        .as_ref()
        .unwrap()
        .terminated
        .as_ref()
        .unwrap();
    assert_eq!(last.exit_code, 137);
}

#[test]
fn pods_that_were_deleted_while_their_node_was_dark_go_when_it_is_back() {
    for grace in [None, Some(0)] {
        let mut bench = Bench::new(Preset::Fast, 1);
        bench.pod("web", json!({}));
        bench.until_running("web");
        bench.inject(Fault::Kill, node("node-1"));
        bench.run(1_000);
        bench.delete("web", grace);
        bench.run(60_000);
        assert_eq!(bench.find("web").is_some(), grace.is_none());
        bench.heal("node-1");
        bench.run(8_000);
        assert!(bench.find("web").is_none());
        let world = &bench.drive.cluster.store().world;
        assert!(world.containers.is_empty() && world.sandboxes.is_empty());
    }
}

#[test]
fn a_rebooted_node_comes_back_by_itself() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    bench.inject(Fault::Reboot, node("node-1"));
    bench.run(4_900);
    assert_eq!(bench.alive(), 0);
    bench.run(1_500);
    bench.until_running("web");
    assert_eq!(bench.restarts("web"), 1);
}

#[test]
fn a_node_that_is_cut_off_runs_its_containers_by_what_it_knew() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.pod(
        "web",
        json!({"containers": [{"name": "app", "image": WORKLOAD, "args": ["exit", "--after", "3s"]}]}),
    );
    bench.pod("old", json!({}));
    bench.until_running("web");
    bench.inject(Fault::CutHeartbeats, node("node-1"));
    let silent = renewed(&bench, "node-1");
    let before = bench.get("web");
    bench.pod("new", json!({}));
    bench.delete("old", None);
    bench.run(4_000);
    assert_eq!(
        bench.alive(),
        2,
        "web was restarted, old goes on, new is not known"
    );
    assert_eq!(renewed(&bench, "node-1"), silent);
    let statuses = |pod: crate::api::Pod| pod.status.container_statuses.clone();
    assert_eq!(statuses(bench.get("web")), statuses(before));
    let started = |bench: &Bench| {
        let events = bench.events().into_iter();
        let about = events.filter(|e| &*e.regarding.key.name == "web" && &*e.reason == "Started");
        about.map(|event| event.count).sum::<u32>()
    };
    assert_eq!(
        started(&bench),
        1,
        "events of a kubelet that is cut off are lost"
    );
    bench.heal("node-1");
    bench.run(2_000);
    assert!(bench.find("old").is_none());
    assert!(bench.restarts("web") >= 1);
    assert!(bench.get("new").is_ready());
    assert!(renewed(&bench, "node-1") > silent);
}

#[test]
fn an_image_that_cannot_be_pulled_is_tried_again_with_a_back_off() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod(
        "web",
        json!({"containers": [{"name": "app", "image": "shop/does-not-exist:1"}]}),
    );
    bench.run(1_000);
    assert_eq!(bench.state("web", 0), "ErrImagePull");
    bench.run(4_000);
    assert_eq!(bench.state("web", 0), "ImagePullBackOff");
    bench.run(595_000);
    let events = bench.events();
    let pulling = events
        .iter()
        .find(|event| &*event.reason == "Pulling")
        .unwrap();
    // At 0, 10, 30, 70, 150 and 310 s.
    assert_eq!(pulling.count, 6);
    assert_eq!(bench.get("web").phase(), "Pending");
    let failed = bench.messages("web", "Failed");
    assert!(failed.contains(&"Error: ErrImagePull".into()), "{failed:?}");
    assert!(
        failed.contains(&"Error: ImagePullBackOff".into()),
        "{failed:?}"
    );
}

#[test]
fn an_image_that_must_not_be_pulled_and_one_without_a_proper_name_are_refused() {
    for (image, policy, reason) in [
        ("nginx:1", "Never", "ErrImageNeverPull"),
        ("Nginx:1:2", "IfNotPresent", "InvalidImageName"),
    ] {
        let mut bench = Bench::new(Preset::Kubernetes, 1);
        bench.pod(
            "web",
            json!({"containers": [{"name": "app", "image": image, "imagePullPolicy": policy}]}),
        );
        bench.run(1_000);
        assert_eq!(bench.state("web", 0), reason);
    }
}

#[test]
fn a_config_map_that_is_missing_holds_the_container_until_it_is_there() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod(
        "web",
        json!({"containers": [{"name": "app", "image": WORKLOAD, "env": [{"name": "COLOUR",
            "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "colour"}}}]}]}),
    );
    bench.run(1_000);
    assert_eq!(bench.state("web", 0), "CreateContainerConfigError");
    let failed = bench.messages("web", "Failed");
    assert_eq!(&*failed[0], "Error: configmap \"shop\" not found");
    let map = |data: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "shop", "namespace": "default"}, "data": data})
    };
    bench.create(map(json!({"size": "9"})));
    bench.run(10_000);
    let failed = bench.messages("web", "Failed");
    assert!(
        failed.contains(&"Error: couldn't find key colour in ConfigMap default/shop".into()),
        "{failed:?}"
    );
    let object = crate::api::codec::from_any(map(json!({"colour": "blue"}))).unwrap();
    let subresource = Subresource::Main;
    bench
        .drive
        .write(WriteVerb::Update {
            object,
            subresource,
        })
        .unwrap();
    bench.until_running("web");
}

#[test]
fn a_program_that_cannot_be_started_counts_as_a_crash() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod(
        "web",
        json!({"containers": [{"name": "app", "image": WORKLOAD, "command": ["/no-such-program"]}]}),
    );
    bench.run(5_000);
    assert_eq!(bench.state("web", 0), "CrashLoopBackOff");
    let pod = bench.get("web");
    let status = &pod.status.container_statuses.as_ref().unwrap()[0];
    let last = status
        .last_state
        .as_ref()
        .unwrap()
        .terminated
        .as_ref()
        .unwrap();
    assert_eq!(
        (last.exit_code, last.reason.as_deref()),
        (128, Some("StartError"))
    );
}

#[test]
fn a_pod_that_was_killed_gets_a_new_sandbox_and_counts_a_restart() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    let address = bench.get("web").ip().map(str::to_owned);
    bench.inject(Fault::Kill, Target::Pod(Key::new("default", "web")));
    bench.run(70);
    assert_eq!(bench.alive(), 0);
    assert!(!bench.get("web").is_ready());
    bench.until_running("web");
    assert_eq!(bench.restarts("web"), 1);
    assert_ne!(bench.get("web").ip().map(str::to_owned), address);
    assert!(bench.reasons("web").contains(&"SandboxChanged".to_owned()));
}

#[test]
fn a_pod_that_does_not_fit_or_match_is_refused_by_the_node() {
    let cpu = |cpu: &str| {
        json!({"containers": [{"name": "app", "image": WORKLOAD,
            "resources": {"requests": {"cpu": cpu}}}]})
    };
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    bench.pod("first", cpu("3"));
    bench.pod("second", cpu("2"));
    let mut choosy = cpu("1");
    choosy["nodeSelector"] = json!({"disk": "ssd"});
    bench.pod("choosy", choosy);
    bench.run(1_000);
    assert!(bench.get("first").is_ready());
    let refused = bench.get("second");
    assert_eq!(refused.phase(), "Failed");
    assert_eq!(refused.status.reason.as_deref(), Some("OutOfcpu"));
    assert_eq!(
        refused.status.message.as_deref(),
        Some(
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000"
        )
    );
    let choosy = bench.get("choosy");
    assert_eq!(choosy.status.reason.as_deref(), Some("NodeAffinity"));
    bench.delete("second", None);
    bench.delete("first", None);
    bench.run(2_000);
    assert!(bench.find("second").is_none());
    bench.pod("third", cpu("4"));
    bench.until_running("third");
}

#[test]
fn lost_answers_are_made_good_by_a_listing() {
    for verb in [
        "RunPodSandbox",
        "CreateContainer",
        "StartContainer",
        "StopContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
        "ImageStatus",
    ] {
        let mut bench = Bench::new(Preset::Fast, 1);
        let lost = Odds {
            hangs: 0.5,
            answer_lost: 0.5,
            ..Odds::default()
        };
        bench.drive.runtime.set(verb, lost);
        bench.pod("web", json!({}));
        bench.run(2_000);
        if !verb.starts_with("Stop") && !verb.starts_with("Remove") {
            assert!(!bench.get("web").is_ready(), "{verb}");
            bench.drive.runtime.clear();
        }
        bench.until_running("web");
        assert_eq!(bench.alive(), 1, "{verb}");
        bench.delete("web", None);
        bench.run(2_000);
        bench.drive.runtime.clear();
        bench.run(70_000);
        assert!(bench.find("web").is_none(), "{verb}");
        let world = &bench.drive.cluster.store().world;
        assert!(world.containers.is_empty(), "{verb}");
    }
}

#[test]
fn an_engine_that_fails_half_of_the_time_still_gets_there() {
    let mut bench = Bench::new(Preset::Fast, 2);
    for verb in [
        "RunPodSandbox",
        "CreateContainer",
        "StartContainer",
        "StopContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
        "ImageStatus",
        "PullImage",
    ] {
        let odds = Odds {
            fails: 0.25,
            hangs: 0.125,
            answer_lost: 0.125,
            ..Odds::default()
        };
        bench.drive.runtime.set(verb, odds);
    }
    for number in 0..10 {
        let image = json!([{"name": "app", "image": format!("shop/web:{}", number % 3)}]);
        bench.pod_on(
            ["node-1", "node-2"][number % 2],
            &format!("web-{number}"),
            json!({"containers": image}),
        );
    }
    for number in 0..10 {
        bench.until_running(&format!("web-{number}"));
    }
    assert_eq!(bench.alive(), 10);
    for number in 0..10 {
        bench.delete(&format!("web-{number}"), None);
    }
    bench.until("all gone", |cluster| {
        cluster.store().objects.pods.is_empty() && cluster.store().world.containers.is_empty()
    });
}

#[test]
fn a_node_without_an_object_goes_on_and_is_taken_back() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.pod("web", json!({}));
    bench.until_running("web");
    let target = crate::api::ObjectRef::new(crate::api::Kind::Node, Key::cluster("node-1"));
    let options = crate::store::DeleteOptions::default();
    bench
        .drive
        .write(WriteVerb::Delete { target, options })
        .unwrap();
    bench.run(3_000);
    assert_eq!(bench.alive(), 1);
    bench.node("node-1");
    bench.run(2_000);
    assert_eq!(ready(&bench, "node-1"), "True");
    let object = bench
        .drive
        .cluster
        .store()
        .objects
        .get::<Node>(&Key::cluster("node-1"));
    assert!(object.is_some());
}

#[test]
fn a_container_is_ready_while_it_runs_whatever_its_probes() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.pod(
        "web",
        json!({"containers": [{"name": "app", "image": WORKLOAD,
            "resources": {"requests": {"cpu": "100m"}},
            "readinessProbe": {"httpGet": {"path": "/", "port": 9}, "initialDelaySeconds": 60}}]}),
    );
    bench.until_running("web");
    assert!(bench.now() < Time::from_secs(1));
    let pod = bench.get("web");
    let status = &pod.status.container_statuses.as_ref().unwrap()[0];
    assert!(status.ready && status.resources.is_none());
}

#[test]
fn a_killed_node_s_pods_are_made_again_elsewhere_and_the_old_ones_go_when_it_is_back() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.create(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "app", "image": WORKLOAD}]}}}}));
    bench.run(3_000);
    assert_eq!(bench.alive(), 3);
    bench.node("node-2");
    bench.inject(Fault::Kill, node("node-1"));
    bench.run(20_000);
    assert_eq!(bench.alive(), 3);
    let pods = bench.drive.cluster.store().objects.pods.len();
    assert_eq!(pods, 6, "the old ones wait for their node");
    bench.heal("node-1");
    bench.run(10_000);
    assert_eq!(bench.alive(), 3);
    assert_eq!(bench.drive.cluster.store().objects.pods.len(), 3);
}

#[test]
fn sandboxes_that_died_again_and_again_leave_nothing() {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.pod("web", json!({}));
    for _ in 0..4 {
        bench.until_running("web");
        bench.inject(Fault::Kill, Target::Pod(Key::new("default", "web")));
        bench.run(100);
    }
    bench.until_running("web");
    bench.delete("web", None);
    bench.run(3_000);
    assert!(bench.find("web").is_none());
    assert!(
        bench.drive.runtime.inner.is_empty(),
        "something is left on the node"
    );
}

/// Everything that can happen to a call: refused with each kind of trouble, done or not; hung, lost, late.
fn mishaps() -> Vec<Mishap> {
    let long = Duration::from_secs(45);
    let mut all = vec![
        Mishap::Hangs,
        Mishap::AnswerLost,
        Mishap::AnswerLate(Duration::from_millis(700)),
        Mishap::AnswerLate(long),
        Mishap::Slow(Duration::from_millis(700)),
        Mishap::Slow(long),
    ];
    for trouble in Trouble::ALL {
        all.push(Mishap::Fails(trouble.error()));
        all.push(Mishap::DoneButFails(trouble.error()));
    }
    all
}

/// A pod that runs, is killed, whose node is killed and healed, and one that crashes: then all goes.
fn a_life_with(verb: &'static str, mishap: &Mishap) {
    let mut bench = Bench::new(Preset::Fast, 1);
    bench.drive.runtime.script(verb, [mishap.clone()]);
    let what = format!("{verb} {mishap:?}");
    let stays = json!([{"operator": "Exists"}]);
    let of = |args: serde_json::Value| {
        json!({"tolerations": stays, "containers": [{"name": "app", "image": "shop/web:1",
            "args": args, "imagePullPolicy": "IfNotPresent"}]})
    };
    bench.pod("web", of(json!(["serve"])));
    bench.until_running("web");
    bench.pod(
        "crasher",
        of(json!(["exit", "--after", "500ms", "--code", "1"])),
    );
    bench.until("three crashes", |cluster| {
        let pod = cluster
            .store()
            .objects
            .get::<Pod>(&Key::new("default", "crasher"));
        let statuses = pod.and_then(|pod| pod.status.container_statuses.as_ref());
        statuses.is_some_and(|all| all[0].restart_count >= 3)
    });
    bench.inject(Fault::Kill, Target::Pod(Key::new("default", "web")));
    bench.run(2_000);
    bench.until_running("web");
    bench.inject(Fault::Kill, node("node-1"));
    bench.run(2_000);
    bench.heal("node-1");
    bench.run(10_000);
    bench.until_running("web");
    bench.until("the node is ready", |cluster| {
        let node = cluster.store().objects.node("node-1").unwrap();
        let conditions = node.status.as_ref().unwrap().conditions.as_ref();
        conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
    });
    bench.delete("web", None);
    bench.delete("crasher", None);
    let end = bench.now() + Duration::from_secs(300);
    bench.drive.run_until(end);
    assert_eq!(bench.drive.runtime.scripted(), 0, "{what}: never met");
    assert!(
        bench.find("web").is_none() && bench.find("crasher").is_none(),
        "{what}: pods are left"
    );
    let world = &bench.drive.cluster.store().world;
    assert!(
        world.containers.is_empty(),
        "{what}: {:?}",
        world.containers
    );
    assert!(world.sandboxes.is_empty(), "{what}: {:?}", world.sandboxes);
    assert!(
        bench.drive.runtime.inner.is_empty(),
        "{what}: something is left on the node"
    );
}

#[test]
fn whatever_happens_to_whatever_call_pods_run_in_the_end_and_leave_nothing() {
    for verb in Verb::NAMES {
        for mishap in mishaps() {
            a_life_with(verb, &mishap);
        }
    }
}

fn ready_condition(bench: &Bench) -> (String, String, String) {
    let node = bench.drive.cluster.store().objects.node("node-1").unwrap();
    let conditions = node.status.as_ref().unwrap().conditions.as_ref().unwrap();
    let ready = conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (
        ready.status.clone(),
        text(&ready.reason),
        text(&ready.message),
    )
}

#[test]
fn a_node_whose_runtime_is_silent_is_not_ready_until_it_answers() {
    for state in [Engine::Down, Engine::Hung] {
        let mut bench = Bench::new(Preset::Kubernetes, 1);
        bench.pod("web", json!({}));
        bench.pod(
            "job",
            json!({"restartPolicy": "Never", "containers": [{"name": "app", "image": WORKLOAD,
                "args": ["exit", "--after", "20s"]}]}),
        );
        bench.until_running("web");
        let now = bench.now();
        bench.drive.runtime.set_engine(now, state);
        // A hung engine says nothing: it is noticed when it is next asked what it has.
        let noticed = if state == Engine::Hung { 30_000 } else { 0 };
        bench.run(29_000);
        assert_eq!(ready(&bench, "node-1"), "True", "{state:?}");
        bench.run(2_000 + noticed);
        let (status, reason, message) = ready_condition(&bench);
        assert_eq!(
            (status.as_str(), reason.as_str(), message.as_str()),
            ("False", "KubeletNotReady", "container runtime is down"),
            "{state:?}"
        );
        assert_eq!(bench.messages("node-1", "NodeNotReady").len(), 1);
        assert_eq!(bench.get("job").phase(), "Running", "its end was not seen");
        bench.pod("late", json!({"tolerations": [{"operator": "Exists"}]}));
        bench.run(60_000);
        assert_eq!(bench.get("late").phase(), "Pending");
        let now = bench.now();
        bench.drive.runtime.set_engine(now, Engine::Up);
        bench.run(30_000);
        assert_eq!(ready(&bench, "node-1"), "True", "{state:?}");
        assert_eq!(bench.get("job").phase(), "Succeeded");
        bench.until_running("late");
        assert!(bench.get("web").is_ready());
        assert_eq!(bench.restarts("web"), 0);
    }
}

#[test]
fn an_end_that_is_reported_twice_or_late_counts_once() {
    let restarts = |echo: f64| {
        let mut bench = Bench::new(Preset::Fast, 1);
        bench.drive.runtime.echo(echo);
        bench.pod(
            "web",
            json!({"containers": [{"name": "app", "image": WORKLOAD,
                "args": ["exit", "--after", "1s", "--code", "1"]}]}),
        );
        bench.run(120_000);
        let restarts = bench.restarts("web");
        bench.delete("web", None);
        bench.run(90_000);
        let world = &bench.drive.cluster.store().world;
        assert!(world.containers.is_empty(), "{:?}", world.containers);
        restarts
    };
    assert!(restarts(0.0) > 5);
    assert_eq!(restarts(1.0), restarts(0.0));
}

#[test]
fn what_a_call_makes_that_was_given_up_is_removed() {
    let mut bench = Bench::new(Preset::Fast, 1);
    let slow = Mishap::Slow(Duration::from_secs(50));
    bench.drive.runtime.script("RunPodSandbox", [slow]);
    bench.pod("web", json!({}));
    bench.run(1_000);
    bench.delete("web", None);
    bench.run(45_000);
    assert!(bench.find("web").is_none());
    let mut made = false;
    for _ in 0..120 {
        bench.run(50);
        made |= !bench.drive.runtime.inner.is_empty();
    }
    assert!(made, "the call was done after all");
    assert!(bench.drive.runtime.inner.is_empty(), "and undone");
    assert!(bench.drive.cluster.store().world.sandboxes.is_empty());
}

/// A trouble at a verb, and what is seen of it: the container's state, its message, and an event.
fn check_trouble(verb: &'static str, trouble: Trouble, state: [&str; 2], event: [&str; 2]) {
    let what = format!("{verb} {trouble:?}");
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    let fails = Mishap::Fails(trouble.error());
    bench.drive.runtime.script(verb, [fails]);
    bench.pod(
        "web",
        json!({"containers": [{"name": "app", "image": "shop/web:1", "args": ["serve"]}]}),
    );
    bench.until("the trouble is told", |cluster| {
        let events = cluster.store().objects.events.values();
        let about = |e: &crate::api::Event| &*e.reason == event[0] && &*e.message == event[1];
        events.into_iter().any(|event| about(event))
    });
    let pod = bench.get("web");
    let status = &pod.status.container_statuses.as_ref().unwrap()[0];
    let waiting = status.state.as_ref().unwrap().waiting.as_ref().unwrap();
    let message = waiting.message.clone().unwrap_or_default();
    let seen = [waiting.reason.as_deref().unwrap_or_default(), &message];
    assert_eq!(seen, state, "{what}");
    let last = status.last_state.as_ref().unwrap().terminated.as_ref();
    let last = last.map(|last| (last.exit_code, last.reason.clone().unwrap_or_default()));
    let start_error = (128, "StartError".to_owned());
    let counts = verb == "StartContainer" && trouble == Trouble::BadRequest;
    assert_eq!(last, counts.then_some(start_error), "{what}");
    bench.until_running("web");
    assert_eq!(bench.restarts("web"), i32::from(counts), "{what}");
}

#[test]
fn what_keeps_a_container_from_starting_is_told_in_upstream_s_words() {
    let full = Trouble::DiskFull.message();
    let hung = Trouble::TimedOut.message();
    let wrong = Trouble::BadRequest.message();
    let gone = Trouble::NoSuchContainer.message();
    let error = |message: &str| format!("Error: {message}");
    let inspect = format!("Failed to inspect image \"shop/web:1\": {hung}");
    let sandbox = Trouble::OutOfAddresses.message();
    for (verb, trouble, state, event) in [
        (
            "ImageStatus",
            Trouble::TimedOut,
            ["ImageInspectError", &inspect],
            ["InspectFailed", &inspect],
        ),
        (
            "PullImage",
            Trouble::NoSuchImage,
            ["ErrImagePull", "No such image"],
            [
                "Failed",
                "Failed to pull image \"shop/web:1\": No such image",
            ],
        ),
        (
            "PullImage",
            Trouble::DiskFull,
            ["ErrImagePull", full],
            ["Failed", "Error: ErrImagePull"],
        ),
        (
            "RunPodSandbox",
            Trouble::OutOfAddresses,
            ["ContainerCreating", ""],
            [
                "FailedCreatePodSandBox",
                &format!("Failed to create pod sandbox: {sandbox}"),
            ],
        ),
        (
            "CreateContainer",
            Trouble::DiskFull,
            ["CreateContainerError", full],
            ["Failed", &error(full)],
        ),
        (
            "StartContainer",
            Trouble::NoSuchContainer,
            ["RunContainerError", gone],
            ["Failed", &error(gone)],
        ),
        (
            "StartContainer",
            Trouble::BadRequest,
            ["RunContainerError", wrong],
            ["Failed", &error(wrong)],
        ),
    ] {
        check_trouble(verb, trouble, state, event);
    }
}

#[test]
fn what_cannot_be_stopped_is_told_and_tried_again() {
    for (verb, expected) in [
        (
            "StopContainer",
            "failed to \"KillContainer\" for \"app\" with KillContainerError".to_owned(),
        ),
        (
            "StopPodSandbox",
            "failed to \"KillPodSandbox\" for \"UID\" with KillPodSandboxError".to_owned(),
        ),
    ] {
        let mut bench = Bench::new(Preset::Kubernetes, 1);
        let fails = Mishap::Fails(Trouble::TimedOut.error());
        bench.drive.runtime.script(verb, [fails]);
        bench.pod("web", json!({}));
        bench.until_running("web");
        let uid = bench.get("web").meta.uid.to_string();
        bench.delete("web", None);
        bench.run(2_000);
        let expected = expected.replace("UID", &uid);
        let expected = format!("error killing pod: {expected}: \"context deadline exceeded\"");
        assert_eq!(bench.messages("web", "FailedKillPod"), [expected.into()]);
        bench.run(10_000);
        assert!(bench.find("web").is_none() && bench.drive.runtime.inner.is_empty());
    }
}

#[test]
fn how_a_container_ended_is_told_by_code_and_reason() {
    for (code, oom_killed, reason) in [
        (0, false, "Completed"),
        (1, false, "Error"),
        (139, false, "Error"),
        (143, false, "Error"),
        (137, false, "Error"),
        (137, true, "OOMKilled"),
    ] {
        let mut bench = Bench::new(Preset::Kubernetes, 1);
        bench.pod("web", json!({}));
        bench.until_running("web");
        let container = ContainerId {
            pod: bench.get("web").meta.uid,
            name: "app".into(),
            attempt: 0,
        };
        bench
            .drive
            .input(&Input::Runtime(vec![Report::ContainerExited {
                node: "node-1".into(),
                container,
                exit: Exit { code, oom_killed },
            }]));
        let pod = bench.get("web");
        let status = &pod.status.container_statuses.as_ref().unwrap()[0];
        let ended = status.state.as_ref().unwrap().terminated.clone().unwrap();
        assert_eq!(
            (ended.exit_code, ended.reason.as_deref()),
            (code, Some(reason))
        );
        assert_eq!((ended.signal, ended.message), (None, None));
        bench.until_running("web");
        assert_eq!(bench.restarts("web"), 1);
    }
}

#[test]
fn containers_of_one_image_wait_for_it_together_and_another_image_does_not_wait() {
    let mut bench = Bench::new(Preset::Kubernetes, 1);
    let of = |name: &str| json!({"name": name, "image": "shop/does-not-exist:1"});
    bench.pod("web", json!({"containers": [of("app"), of("helper")]}));
    bench.run(5_000);
    assert_eq!(bench.state("web", 0), "ImagePullBackOff");
    assert_eq!(bench.state("web", 1), "ImagePullBackOff");
    let pulls = |bench: &Bench| {
        let pulling = bench
            .events()
            .into_iter()
            .filter(|e| &*e.reason == "Pulling");
        pulling.map(|event| event.count).sum::<u32>()
    };
    assert_eq!(pulls(&bench), 1);
    let target = crate::api::ObjectRef::new(crate::api::Kind::Pod, Key::new("default", "web"));
    let patch = json!({"spec": {"containers": [
        {"name": "app", "image": "shop/web:2"}, {"name": "helper", "image": "shop/web:2"}]}});
    let subresource = Subresource::Main;
    bench
        .drive
        .write(WriteVerb::MergePatch {
            target,
            subresource,
            patch,
        })
        .unwrap();
    bench.run(9_000);
    assert!(
        bench.get("web").is_ready(),
        "the new image does not wait for the old one's back-off"
    );
}

#[test]
fn an_engine_that_refuses_everything_is_asked_in_measure() {
    for verb in [
        "RunPodSandbox",
        "StartContainer",
        "RemovePodSandbox",
        "List",
    ] {
        let mut bench = Bench::new(Preset::Fast, 1);
        let odds = Odds {
            done_but_fails: 1.0,
            ..Odds::default()
        };
        bench.pod("web", json!({"tolerations": [{"operator": "Exists"}]}));
        bench.run(100);
        bench.drive.runtime.set(verb, odds);
        bench.run(2_000);
        bench.inject(Fault::Kill, Target::Pod(Key::new("default", "web")));
        bench.run(10_000);
        bench.delete("web", None);
        bench.run(60_000);
        let now = bench.now();
        bench.drive.runtime.set_engine(now, Engine::Down);
        bench.run(60_000);
        let calls = |record: &crate::store::Record| {
            matches!(&record.what, crate::store::What::Effect { .. })
        };
        let log = &bench.drive.cluster.store().log;
        let calls = log.since(0).filter(|record| calls(record)).count();
        assert!(calls < 400, "{verb}: {calls} calls");
        bench.drive.runtime.clear();
        let now = bench.now();
        bench.drive.runtime.set_engine(now, Engine::Up);
        bench.run(60_000);
        assert!(
            bench.find("web").is_none() && bench.drive.runtime.inner.is_empty(),
            "{verb}"
        );
    }
}
