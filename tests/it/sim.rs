//! Deterministic simulation: whole clusters under random faults, by seed, with invariants checked whenever the queues
//! are empty, and convergence at the end.
//!
//! `KUBEPLAY_SEEDS=1000` runs more seeds, `KUBEPLAY_SEED=17` one. A failure prints its seed and writes the journal of
//! its inputs, which `kubeplay replay` takes again.

mod actions;
mod invariants;
mod scenario;

use std::{
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use kubeplay::{
    cluster::journal,
    store::{Defect, Input},
};

use scenario::{Run, Scenario};

/// What went wrong in a run.
#[derive(Debug)]
pub struct Violation {
    pub seed: u64,
    pub at: String,
    pub what: String,
    pub journal: Vec<u8>,
}

impl Violation {
    /// Writes the journal and says what is needed to see the failure again.
    fn describe(&self) -> String {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sim");
        let path = folder.join(format!("seed-{}.journal", self.seed));
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&path, &self.journal))
            .map_or_else(
                |error| format!("not written: {error}"),
                |()| path.display().to_string(),
            );
        format!(
            "seed {} at {}: {}\n  journal: {written}",
            self.seed, self.at, self.what
        )
    }
}

/// A journal that is kept in memory until it is needed.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
}

/// What so many runs came to.
struct Totals {
    steps: u64,
    faults: u64,
    mishaps: u64,
}

/// Runs the seeds from 1 to `count`, or those that the environment names, on all processors.
fn run_seeds(count: u64, run: fn(u64, Option<Defect>) -> Result<Run, Violation>) -> Totals {
    let seeds = match number("KUBEPLAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("KUBEPLAY_SEEDS").unwrap_or(count) + 1,
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let failures = Mutex::new(Vec::new());
    let totals = Mutex::new(Totals {
        steps: 0,
        faults: 0,
        mishaps: 0,
    });
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (failures, totals, seeds) = (&failures, &totals, seeds.clone());
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % threads == thread) {
                    match run(seed, None) {
                        Ok(run) => {
                            let mut totals = totals.lock().unwrap();
                            totals.steps += run.steps;
                            totals.faults += run.faults;
                            totals.mishaps += run.mishaps;
                        }
                        Err(violation) => failures.lock().unwrap().push(violation),
                    }
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap();
    println!(
        "{} seeds, {} steps, {} faults and changes, {} mishaps of the runtime",
        seeds.end - seeds.start,
        totals.steps,
        totals.faults,
        totals.mishaps
    );
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|violation| violation.seed);
    let texts: Vec<_> = failures.iter().take(5).map(Violation::describe).collect();
    assert!(
        failures.is_empty(),
        "{} seeds fail\n{}",
        failures.len(),
        texts.join("\n")
    );
    totals
}

#[test]
fn clusters_keep_their_invariants_under_random_faults() {
    let totals = run_seeds(300, Scenario::run);
    assert!(
        totals.faults > 0,
        "the runs had no faults: they prove nothing"
    );
    assert_eq!(totals.mishaps, 0);
}

#[test]
fn clusters_converge_after_their_runtime_has_failed_at_random() {
    let totals = run_seeds(100, Scenario::run_on_a_failing_runtime);
    assert!(
        totals.mishaps > 0,
        "the runtimes did not fail: the runs prove nothing"
    );
}

#[test]
fn every_planted_defect_is_caught() {
    type Runner = fn(u64, Option<Defect>) -> Result<Run, Violation>;
    const DEFECTS: [Defect; 11] = [
        Defect::FitIgnored,
        Defect::BindsTwice,
        Defect::WakeLost,
        Defect::UnreadyEndpoints,
        Defect::ReplicaTooMany,
        Defect::UnavailableIgnored,
        Defect::SilenceUnnoticed,
        Defect::NobodyEvicted,
        Defect::ContainersTwice,
        Defect::ExitUnheard,
        Defect::OrphansKept,
    ];
    const OF_A_FAILING_RUNTIME: [Defect; 2] = [Defect::AnswersMissed, Defect::StraysKept];
    let well = DEFECTS.map(|defect| (defect, Scenario::run as Runner));
    let failing =
        OF_A_FAILING_RUNTIME.map(|defect| (defect, Scenario::run_on_a_failing_runtime as Runner));
    let mut escaped = Vec::new();
    for (defect, run) in well.into_iter().chain(failing) {
        match (1..=60).find_map(|seed| run(seed, Some(defect)).err()) {
            Some(violation) => {
                println!(
                    "{defect:?}: caught by seed {} at {}: {}",
                    violation.seed, violation.at, violation.what
                );
            }
            None => escaped.push(defect),
        }
    }
    assert!(escaped.is_empty(), "not caught in 60 seeds: {escaped:?}");
}

#[test]
fn a_journal_replays_to_the_same_state() {
    for seed in [3, 14, 159] {
        let run = Scenario::run(seed, None)
            .unwrap_or_else(|violation| panic!("{}", violation.describe()));
        let replayed = journal::replay(run.journal.as_slice()).unwrap();
        assert_eq!(replayed.state_hash(), run.state_hash, "seed {seed}");
        assert_eq!(replayed.now(), run.end, "seed {seed}");
    }
}

#[test]
fn two_runs_of_a_seed_are_the_same_and_of_two_seeds_are_not() {
    let hash = |seed| {
        Scenario::run(seed, None)
            .map(|run| run.state_hash)
            .map_err(|violation| violation.describe())
    };
    assert_eq!(hash(21), hash(21));
    assert_ne!(hash(21), hash(22));
}

#[test]
fn a_clone_of_a_cluster_goes_its_own_way_and_the_same_way() {
    let mut drive = Scenario::settled(5);
    let mut twin = drive.cluster.clone();
    let at = drive.now();
    let input = Input::Continue;
    twin.step(at, &input);
    drive.cluster.step(at, &input);
    assert_eq!(twin.state_hash(), drive.cluster.state_hash());
}
