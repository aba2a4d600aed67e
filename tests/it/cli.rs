//! The command line: exit status, headless lines, replay.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

fn kubeplay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubeplay"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::File::create(&path)
        .unwrap()
        .write_all(content.as_bytes())
        .unwrap();
    path
}

/// A headless run of the demo in virtual time.
fn headless(more: &[&str]) -> Output {
    let arguments = [
        "run",
        "demo/shop.toml",
        "--headless",
        "--runtime",
        "simulated",
    ];
    kubeplay(&[&arguments[..], more].concat())
}

fn lines(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The lines of a run without what depends on the machine.
fn repeatable(output: &Output) -> Vec<Value> {
    let mut lines = lines(output);
    let summary = lines.last_mut().unwrap().as_object_mut().unwrap();
    assert!(summary.remove("wall").is_some());
    lines
}

#[test]
fn a_headless_run_prints_an_object_a_line_and_a_summary_last() {
    let lines = lines(&headless(&["--for", "30s"]));
    let (summary, events) = lines.split_last().unwrap();
    assert_eq!(summary["kind"], "summary");
    assert_eq!(summary["podsReady"], summary["pods"]);
    assert_eq!(summary["nodesReady"], summary["nodes"]);
    assert!(summary["pods"].as_u64().unwrap() > 0);
    assert!(events.iter().all(|event| event["kind"] == "event"));
    assert!(events.iter().any(|event| event["reason"] == "Scheduled"));
}

#[test]
fn the_same_seed_prints_the_same_bytes_and_another_one_does_not() {
    let run = |seed: &str| {
        headless(&[
            "--for",
            "60s",
            "--seed",
            seed,
            "--fault",
            "10s kill node-2",
            "--fault",
            "40s heal node-2",
        ])
    };
    let (first, second) = (run("7"), run("7"));
    let events = |output: &Output| {
        let all = text(&output.stdout);
        all.lines()
            .filter(|line| !line.contains("\"kind\":\"summary\""))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(events(&first), events(&second));
    assert_eq!(repeatable(&first), repeatable(&second));
    assert_ne!(events(&first), events(&run("8")));
}

#[test]
fn a_killed_node_loses_its_pods_to_others_and_the_summary_says_when() {
    let lines = lines(&headless(&["--for", "60s", "--fault", "10s kill node-2"]));
    let summary = lines.last().unwrap();
    let incident = &summary["incidents"][0];
    assert_eq!(incident["target"], "node node-2");
    assert!(
        incident["recoveredAfter"].as_f64().unwrap() > 4.0,
        "{incident}"
    );
    let phases = incident["phases"].as_object().unwrap();
    for phase in [
        "noticed",
        "tainted",
        "evicted",
        "replaced",
        "scheduled",
        "ready",
    ] {
        assert!(phases.contains_key(phase), "no {phase} in {phases:?}");
    }
    assert_eq!(
        summary["nodesReady"].as_u64().unwrap() + 1,
        summary["nodes"].as_u64().unwrap()
    );
}

#[test]
fn upstreams_timing_can_be_asked_for() {
    let lines = lines(&headless(&[
        "--for",
        "10m",
        "--timing",
        "kubernetes",
        "--fault",
        "30s kill node-2",
    ]));
    let phases = &lines.last().unwrap()["incidents"][0]["phases"];
    let noticed = phases["noticed"].as_f64().unwrap();
    assert!(
        (40.0..=60.0).contains(&noticed),
        "noticed after {noticed} s"
    );
    let evicted = phases["evicted"].as_f64().unwrap();
    assert!(
        (340.0..=361.0).contains(&evicted),
        "evicted after {evicted} s"
    );
}

#[test]
fn a_journal_replays_to_a_state() {
    let journal = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli.journal");
    let path = journal.to_str().unwrap();
    lines(&headless(&[
        "--for",
        "30s",
        "--fault",
        "10s reboot node-1",
        "--journal",
        path,
    ]));
    let replay = || {
        let output = kubeplay(&["replay", path]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let first = replay();
    assert!(first.contains("stateHash"), "{first}");
    assert_eq!(first, replay());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&journal).unwrap().permissions().mode();
        assert_eq!(
            mode & 0o777,
            0o600,
            "a journal holds what the cluster holds"
        );
    }
}

#[test]
fn what_cannot_run_says_why_and_starts_nothing() {
    let bad = file("bad.toml", "[cluster]\nnam = \"x\"\n");
    let bad = bad.to_str().unwrap();
    for (arguments, expected) in [
        (
            vec!["run", bad, "--headless", "--for", "1s"],
            "did you mean",
        ),
        (
            vec!["run", "no-such-file.toml", "--headless", "--for", "1s"],
            "no-such-file.toml",
        ),
        (vec!["run", "demo/shop.toml", "--headless"], "--for"),
        (
            vec!["run", "demo/shop.toml", "--headless", "--for", "soon"],
            "is no duration",
        ),
        (
            vec![
                "run",
                "demo/shop.toml",
                "--headless",
                "--for",
                "1s",
                "--fault",
                "1s explode node-1",
            ],
            "is no fault",
        ),
        (
            vec![
                "run",
                "demo/shop.toml",
                "--headless",
                "--for",
                "1s",
                "--runtime",
                "simulated",
                "--fault",
                "1s kill node-99",
            ],
            "there is no node `node-99`",
        ),
        (vec!["--runtime", "podman"], "podman"),
    ] {
        let output = kubeplay(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?} says {said:?}");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?} printed {:?}",
            text(&output.stdout)
        );
    }
}

#[test]
fn docker_asked_for_and_not_there_is_exit_status_3() {
    let output = Command::new(env!("CARGO_BIN_EXE_kubeplay"))
        .args([
            "run",
            "demo/tiny.toml",
            "--headless",
            "--for",
            "1s",
            "--runtime",
            "docker",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("/nowhere/docker.sock"), "{said}");
}

#[test]
fn auto_takes_the_simulation_where_no_engine_answers_and_says_why() {
    let output = Command::new(env!("CARGO_BIN_EXE_kubeplay"))
        .args(["run", "demo/tiny.toml", "--headless", "--for", "20s"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    let runtime = lines(&output).last().unwrap()["runtime"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        runtime.starts_with("simulated") && runtime.contains("/nowhere/docker.sock"),
        "{runtime}"
    );
}

#[test]
fn the_screen_needs_a_terminal() {
    let output = kubeplay(&["--runtime", "simulated"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--headless"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn help_and_version_are_what_they_were() {
    insta::assert_snapshot!("help", text(&kubeplay(&["--help"]).stdout));
    insta::assert_snapshot!("help-run", text(&kubeplay(&["run", "--help"]).stdout));
    assert!(text(&kubeplay(&["--version"]).stdout).starts_with("kubeplay "));
}
