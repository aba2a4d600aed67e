//! The controllers against what Kubernetes 1.36.2 really did (`tests/golden/controllers`).
//!
//! `KUBEPLAY_GOLDEN` names another folder laid out like `tests/golden`.

pub mod bench;
mod node_death;
mod rollout;
mod tables;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The cases whose feature is not built yet.
const NOT_BUILT: [&str; 3] = ["pdb", "statefulset", "statefulset-lockstep"];

/// What came of a file of cases.
#[derive(Default)]
pub struct Outcome {
    pub cases: usize,
    pub steps: usize,
    /// What is worth saying of it.
    pub notes: Vec<String>,
    /// What differs, in words.
    pub differences: Vec<String>,
}

fn folder() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may be pointed at other recordings"
    )]
    let golden = std::env::var("KUBEPLAY_GOLDEN").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    );
    golden.join("controllers")
}

/// Every recording: its name and what is in it.
fn recordings() -> Vec<(String, Value)> {
    let folder = folder();
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, value)
    };
    paths.iter().map(read).collect()
}

#[test]
fn golden_controllers() {
    let recordings = recordings();
    assert!(!recordings.is_empty(), "nothing recorded");
    let mut sum = Outcome::default();
    for (name, recording) in recordings {
        let outcome = match name.as_str() {
            "deployment-fenceposts" => tables::fenceposts(&recording),
            "deployment-newrs-replicas" => tables::new_set_sizes(&recording),
            "replicaset-deletion-ranking" => tables::deletion_ranking(&recording),
            "deployment-rollout-lockstep" => rollout::lockstep(&recording),
            "deployment-rollout-instant" => rollout::instant(&recording),
            death if death.starts_with("node-death-") => node_death::check(&recording),
            other if NOT_BUILT.contains(&other) => {
                println!("{other}: not built yet");
                continue;
            }
            other => panic!("nothing here knows how to check {other}"),
        };
        let Outcome {
            cases,
            steps,
            notes,
            differences,
        } = outcome;
        for note in notes {
            println!("{name}: {note}");
        }
        println!(
            "{name}: {cases} cases, {steps} steps, {} differ",
            differences.len()
        );
        assert!(cases > 0, "{name}: no cases");
        sum.cases += cases;
        sum.steps += steps;
        let named = differences
            .into_iter()
            .map(|text| format!("{name}: {text}"));
        sum.differences.extend(named);
    }
    println!(
        "{} cases, {} steps, {} differ",
        sum.cases,
        sum.steps,
        sum.differences.len()
    );
    assert!(sum.differences.is_empty(), "{}", sum.differences.join("\n"));
}
