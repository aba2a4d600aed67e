//! Scenarios recorded from the real kube-scheduler 1.36.2, run through a cluster in which only the scheduler works.
//!
//! Of every step the verdict, the feasible nodes, each plugin's weighted scores, totals, the nodes on top and the message
//! are compared. Where several nodes are on top the recorded one is followed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use kubeplay::{
    api::{ApiError, Kind, Object, ObjectRef, Pod, Reason, Time, codec},
    cluster::Cluster,
    scheduler::Scheduler,
    store::{
        Config, Decision, DeleteOptions, Input, Preset, WriteRequest, WriteVerb, decision::Verdict,
        input::Written,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Families of scenarios whose plugins or kinds are not built yet.
const NOT_BUILT: [&str; 11] = [
    "hostports",
    "mix",
    "podaff",
    "podanti",
    "preempt",
    "pv",
    "rwop",
    "spread-default",
    "spread-hard",
    "spread-soft",
    "tightmix",
];

#[derive(Deserialize)]
struct Case {
    nodes: Vec<Value>,
    objects: Vec<Value>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Place(Box<Place>),
    Action(Action),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    pod: Value,
    result: Recorded,
    #[serde(default)]
    removed_after: bool,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
enum Action {
    DeletePod { namespace: String, name: String },
    PatchNode { name: String, patch: Value },
}

type Scores = BTreeMap<String, i64>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    verdict: String,
    node: Option<String>,
    feasible_nodes: Option<usize>,
    totals: Option<Scores>,
    plugin_scores: Option<BTreeMap<String, Scores>>,
    top: Option<BTreeSet<String>>,
    top_score: Option<i64>,
    attempts: Option<u32>,
    reason: Option<String>,
    unschedulable_reason: Option<String>,
    message: Option<String>,
}

/// A cluster with nothing but its scheduler at work.
struct Run {
    cluster: Cluster,
    now: Time,
}

impl Run {
    fn new() -> Self {
        let config = Config::new("golden", 1, Preset::Kubernetes);
        Self {
            cluster: Cluster::with(config, vec![Box::new(Scheduler::default())]),
            now: Time::ZERO,
        }
    }

    fn write(&mut self, verb: WriteVerb) -> Result<Written, ApiError> {
        self.now = Time(self.now.0 + 1_000_000);
        let request = WriteRequest {
            id: 1,
            user: "recorded".into(),
            verb,
        };
        let mut output = self.cluster.step(self.now, &Input::Write(request));
        output.replies.pop().expect("a write is answered").result
    }

    fn create(&mut self, value: &Value) -> Object {
        let object = codec::from_any(value.clone()).unwrap();
        let reference = object.reference();
        match self.write(WriteVerb::Create(object)) {
            // Recorded without the admission that taints a new node, and without the controller that clears it.
            Ok(written) if reference.kind == Kind::Node => {
                let mut node = value.clone();
                node["metadata"]["resourceVersion"] = Value::Null;
                node["metadata"]["uid"] = Value::Null;
                let object = codec::from_any(node).unwrap();
                let subresource = Default::default();
                drop(written);
                self.write(WriteVerb::Update {
                    object,
                    subresource,
                })
                .unwrap()
                .object
            }
            Ok(written) => written.object,
            // The system's own objects are there already.
            Err(error) if error.reason == Reason::AlreadyExists => {
                self.cluster.store().objects.object(&reference).unwrap()
            }
            Err(error) => panic!("{reference}: {error:?}"),
        }
    }

    fn delete(&mut self, target: ObjectRef) {
        let options = DeleteOptions {
            grace_seconds: Some(0),
            ..DeleteOptions::default()
        };
        self.write(WriteVerb::Delete { target, options }).unwrap();
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::DeletePod { namespace, name } => {
                self.delete(reference(Kind::Pod, namespace, name));
            }
            Action::PatchNode { name, patch } => {
                let verb = WriteVerb::MergePatch {
                    target: reference(Kind::Node, "", name),
                    subresource: Default::default(),
                    patch: patch.clone(),
                };
                self.write(verb).unwrap();
            }
        }
    }

    /// Creates a pod, compares what became of it with the record, and leaves what the record left. Returns what differs.
    fn place(&mut self, place: &Place) -> Vec<String> {
        let before = self.cluster.store().decisions.len();
        let created = self.create(&place.pod);
        let target = created.reference();
        let store = self.cluster.store();
        let decision = store.decisions.iter().nth(before).cloned();
        let pod = Arc::clone(store.objects.get::<Pod>(&target.key).unwrap());
        let mut differences = compare(&place.result, &pod, decision.as_deref());
        differences.extend(self.event_differs(&place.result, &pod));
        let bound = pod.node.as_deref().map(str::to_owned);
        if place.removed_after {
            self.delete(target);
        } else if bound != place.result.node {
            // Another of the nodes on top: follow the record.
            self.delete(target);
            let mut pod = place.pod.clone();
            pod["spec"]["nodeName"] = json!(place.result.node);
            self.create(&pod);
        }
        differences
    }

    fn event_differs(&self, recorded: &Recorded, pod: &Pod) -> Option<String> {
        let (reason, message) = match recorded.verdict.as_str() {
            "Bound" => {
                let (key, node) = (&pod.meta.key, pod.node.as_deref().unwrap_or_default());
                let message = format!(
                    "Successfully assigned {}/{} to {node}",
                    key.namespace, key.name
                );
                ("Scheduled", Some(message))
            }
            "Unschedulable" => ("FailedScheduling", recorded.message.clone()),
            _ => return None,
        };
        let events = self.cluster.store().objects.events.values();
        let mut about = events.filter(|event| event.regarding_uid == pod.meta.uid);
        let found = about.any(|event| {
            *event.reason == *reason
                && *event.source == *"default-scheduler"
                && Some(&*event.message) == message.as_deref()
        });
        (!found).then(|| format!("no event {reason} {message:?}"))
    }
}

fn reference(kind: Kind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(kind, kubeplay::api::Key::new(namespace, name))
}

fn compare(recorded: &Recorded, pod: &Pod, decision: Option<&Decision>) -> Vec<String> {
    let mut differences = Vec::new();
    let condition = pod.condition("PodScheduled");
    let verdict = match (decision.map(|it| &it.verdict), condition) {
        (Some(Verdict::Bound { .. }), _) => "Bound",
        (Some(Verdict::Unschedulable), _) => "Unschedulable",
        (Some(Verdict::Error { .. }), _) => "Error",
        (None, Some(it)) if it.reason.as_deref() == Some("SchedulingGated") => "SchedulingGated",
        (None, _) => "Ignored",
    };
    let mut same = |what: &str, ours: String, recorded: String| {
        if ours != recorded {
            differences.push(format!("{what}: ours {ours}, recorded {recorded}"));
        }
    };
    same("verdict", verdict.to_owned(), recorded.verdict.clone());
    if let Some(decision) = decision.filter(|_| recorded.verdict == "Bound") {
        compare_scores(recorded, decision, &mut same);
        same(
            "decision's message",
            decision.message.clone(),
            String::new(),
        );
        let scheduled = condition.map(|it| it.status.as_str());
        same(
            "PodScheduled",
            format!("{scheduled:?}"),
            format!("{:?}", Some("True")),
        );
        let ours = pod.node.as_deref();
        let chosen = matches!(&decision.verdict, Verdict::Bound { node } if Some(&**node) == ours);
        same("bound as decided", chosen.to_string(), true.to_string());
    } else {
        let reason = recorded
            .unschedulable_reason
            .clone()
            .or(recorded.reason.clone());
        let ours = condition.and_then(|it| it.reason.clone());
        same("reason", format!("{ours:?}"), format!("{reason:?}"));
        let ours = condition.and_then(|it| it.message.clone());
        same(
            "message",
            format!("{ours:?}"),
            format!("{:?}", recorded.message),
        );
    }
    differences
}

fn compare_scores(
    recorded: &Recorded,
    decision: &Decision,
    same: &mut impl FnMut(&str, String, String),
) {
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    same(
        "feasible",
        text(&Some(decision.feasible)),
        text(&recorded.feasible_nodes),
    );
    same(
        "attempts",
        text(&Some(decision.attempt)),
        text(&recorded.attempts),
    );
    let scores = &decision.scores;
    let totals: Scores = scores
        .iter()
        .map(|it| (it.node.to_string(), it.total))
        .collect();
    let totals = (!totals.is_empty()).then_some(totals);
    same("totals", text(&totals), text(&recorded.totals));
    let highest = scores.iter().map(|it| it.total).max();
    same("top score", text(&highest), text(&recorded.top_score));
    let top = scores.iter().filter(|it| Some(it.total) == highest);
    let mut top: BTreeSet<String> = top.map(|it| it.node.to_string()).collect();
    if let (true, Verdict::Bound { node }) = (scores.is_empty(), &decision.verdict) {
        top.insert(node.to_string());
    }
    same("tied", text(&decision.tied), text(&top.len()));
    same("top", text(&Some(top)), text(&recorded.top));
    let mut plugins: BTreeMap<String, Scores> = BTreeMap::new();
    for node in scores {
        for plugin in &node.plugins {
            let column = plugins.entry(plugin.plugin.to_owned()).or_default();
            column.insert(node.node.to_string(), plugin.weighted());
        }
    }
    let mut expected = recorded.plugin_scores.clone();
    if let Some(expected) = &mut expected {
        // There are no resource claims: upstream's plugin gives every node 0.
        let claims = expected.remove("DynamicResources").unwrap_or_default();
        assert!(claims.values().all(|score| *score == 0));
    }
    let plugins = (!plugins.is_empty()).then_some(plugins);
    same("plugin scores", text(&plugins), text(&expected));
}

/// Runs a scenario; how many steps it has, and what differs.
fn run(name: &str, case: &Case) -> (usize, Vec<String>) {
    let mut run = Run::new();
    for object in case.objects.iter().chain(&case.nodes) {
        run.create(object);
    }
    let mut steps = 0;
    let mut differing = Vec::new();
    for (number, step) in case.steps.iter().enumerate() {
        match step {
            Step::Action(action) => run.act(action),
            Step::Place(place) => {
                steps += 1;
                let differences = run.place(place);
                if !differences.is_empty() {
                    let list = differences.join("\n      ");
                    differing.push(format!("{name}, step {number}:\n      {list}"));
                }
            }
        }
    }
    (steps, differing)
}

fn folder() -> PathBuf {
    let golden = std::env::var("KUBEPLAY_GOLDEN").map(PathBuf::from);
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    golden.unwrap_or_else(|_| own()).join("scheduler")
}

#[test]
fn recorded_scheduling_scenarios_come_out_as_recorded() {
    let folder = folder();
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "json"));
    files.sort();
    let (mut cases, mut steps) = (0, 0);
    let (mut differing, mut not_built) = (Vec::new(), Vec::new());
    for path in files {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let case: Case = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if NOT_BUILT.iter().any(|family| name.starts_with(family)) {
            not_built.push(name);
            continue;
        }
        let (number, differs) = run(&name, &case);
        cases += 1;
        steps += number;
        differing.extend(differs);
    }
    println!("{cases} cases, {steps} steps, {} differ", differing.len());
    println!(
        "{} not built yet: {}",
        not_built.len(),
        not_built.join(", ")
    );
    for difference in &differing {
        println!("  {difference}");
    }
    assert!(cases > 0, "no scenario in {}", folder.display());
    assert!(differing.is_empty(), "{} steps differ", differing.len());
}
