//! The API's answers, against what a real Kubernetes 1.36 answered (`tests/golden/api`).

use std::{fs, path::PathBuf};

use kubeplay::{
    api::{ApiError, Key, Kind, Object, ObjectRef, Time, codec},
    store::{Config, Preset, Store, Subresource, Timing, WriteVerb, input::Written, write::Author},
    with_object,
};
use serde_json::{Value, json};

/// Cases whose feature is not built yet: part, name, what is missing.
const NOT_BUILT: &[(&str, &str, &str)] = &[
    ("created", "Pod limited", "LimitRange"),
    (
        "refused",
        "wrong type",
        "Go's names of types in decoding errors",
    ),
    ("refused", "quota exceeded", "ResourceQuota"),
    ("updated", "pod resize", "the resize subresource"),
];

/// The folder of the recorded answers.
fn golden(file: &str) -> Vec<Value> {
    let folder = std::env::var_os("KUBEPLAY_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    );
    let path = folder.join("api").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// How many cases there were, and which were wrong.
#[derive(Default)]
struct Tally {
    cases: usize,
    not_built: Vec<String>,
    differences: Vec<String>,
}

impl Tally {
    /// Whether a case is to be tried; if not, it is listed.
    fn tries(&mut self, part: &str, name: &str, kind: &str, version: &str) -> bool {
        let missing = NOT_BUILT.iter().find(|(p, n, _)| (*p, *n) == (part, name));
        let reason = match missing {
            Some((_, _, what)) => (*what).to_owned(),
            None if Kind::find(version, kind).is_none() => format!("kind {kind}"),
            None => {
                self.cases += 1;
                return true;
            }
        };
        self.not_built.push(format!("{part}: {name} ({reason})"));
        false
    }

    fn compare(&mut self, name: &str, found: &Value, expected: &Value) {
        if found != expected {
            let difference = first_difference("", found, expected).unwrap_or_default();
            self.differences.push(format!("{name}: {difference}"));
        }
    }

    fn finish(self, least: usize) {
        println!(
            "{} cases, {} differ, {} of features not built yet:",
            self.cases,
            self.differences.len(),
            self.not_built.len()
        );
        for line in &self.not_built {
            println!("  {line}");
        }
        assert!(
            self.differences.is_empty(),
            "\n{}",
            self.differences.join("\n")
        );
        assert!(self.cases >= least, "only {} cases", self.cases);
    }
}

fn first_difference(path: &str, found: &Value, expected: &Value) -> Option<String> {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let null = Value::Null;
                let (a, b) = (a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null));
                first_difference(&format!("{path}.{key}"), a, b)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (a, b))| first_difference(&format!("{path}[{index}]"), a, b))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{path}: {a} instead of {b}")),
    }
}

/// An object without what differs by nature: ids, times, versions, suffixes, addresses, who manages what.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
        ] {
            meta.remove(field);
        }
        if meta.contains_key("generateName") {
            meta.remove("name");
        }
    }
    if object["kind"] == "Service" && object["spec"]["clusterIP"] != "None" {
        let spec = object["spec"].as_object_mut().unwrap();
        let list = spec.remove("clusterIPs").unwrap_or_default();
        if let Some(one) = spec.remove("clusterIP") {
            assert_eq!(list, json!([one]));
        }
    }
    without_times(&mut object);
    object
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !value.is_null() && key != "lastTransitionTime");
            map.values_mut().for_each(without_times);
        }
        Value::Array(list) => list.iter_mut().for_each(without_times),
        _ => {}
    }
}

struct Api {
    store: Store,
}

impl Api {
    fn new() -> Self {
        let mut store = Store::new(&Config::new("golden", 1, Preset::Kubernetes));
        store.bootstrap();
        let mut api = Self { store };
        for name in ["team-a", "team-b"] {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            api.create(&object).unwrap();
        }
        api
    }

    fn write(&mut self, verb: &WriteVerb) -> Result<Written, ApiError> {
        let timing = Timing::preset(Preset::Kubernetes);
        self.store.write(verb, &timing, author())
    }

    fn create(&mut self, request: &Value) -> Result<Written, ApiError> {
        let object = codec::from_any(request.clone())?;
        self.write(&WriteVerb::Create(object))
    }

    /// Puts an object there as it is.
    fn put(&mut self, object: Object) {
        fn create<T: kubeplay::store::tables::Stored>(store: &mut Store, object: &T) {
            store.create(object.clone(), author()).unwrap();
        }
        with_object!(&object, it => create(&mut self.store, &**it));
    }
}

const fn author() -> Author {
    Author {
        by: "test",
        at: Time::ZERO,
        cause: 0,
    }
}

#[test]
fn golden_api_created() {
    let mut tally = Tally::default();
    let mut api = Api {
        store: Store::new(&Config::new("golden", 1, Preset::Kubernetes)),
    };
    api.store.bootstrap();
    for case in golden("created.json") {
        let request = &case["request"];
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        let (kind, version) = (text("kind"), text("apiVersion"));
        let meta = &request["metadata"];
        let name = meta["name"]
            .as_str()
            .or(meta["generateName"].as_str())
            .unwrap();
        let name = format!("{kind} {name}");
        if !tally.tries("created", &name, &kind, &version) {
            continue;
        }
        match api.create(request) {
            Ok(written) => {
                let found = codec::to_value(&written.object).unwrap();
                tally.compare(&name, &comparable(&found), &comparable(&case["stored"]));
                if let Some(warning) = case["warning"].as_str() {
                    let text: String = serde_json::from_str(&warning["299 - ".len()..]).unwrap();
                    let told = written.warnings.contains(&text);
                    tally.compare(&format!("{name}: warning"), &told.into(), &true.into());
                }
            }
            Err(error) => tally.differences.push(format!("{name}: refused: {error}")),
        }
    }
    tally.finish(30);
}

#[test]
fn golden_api_refused() {
    let mut tally = Tally::default();
    for case in golden("refused.json") {
        let request = &case["request"];
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        let (name, kind, version) = (
            case["why"].as_str().unwrap(),
            text("kind"),
            text("apiVersion"),
        );
        if !tally.tries("refused", name, &kind, &version) {
            continue;
        }
        match Api::new().create(request) {
            Ok(_) => tally.differences.push(format!("{name}: not refused")),
            Err(error) => {
                let status = &case["status"];
                let found = json!({"code": error.reason.code(), "message": error.message,
                    "reason": format!("{:?}", error.reason), "causes": causes(&error)});
                let expected = json!({"code": case["code"], "message": status["message"],
                    "reason": status["reason"], "causes": status["details"]["causes"]});
                tally.compare(name, &found, &expected);
            }
        }
    }
    tally.finish(20);
}

fn causes(error: &ApiError) -> Value {
    if error.causes.is_empty() {
        return Value::Null;
    }
    serde_json::to_value(&error.causes).unwrap()
}

/// The object that a path names, and its subresource.
fn target(path: &str) -> Option<(ObjectRef, Subresource)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let rest = match parts.as_slice() {
        ["api", _, rest @ ..] => rest,
        ["apis", _, _, rest @ ..] => rest,
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] => (*namespace, rest),
        rest => ("", rest),
    };
    let [plural, name, sub @ ..] = rest else {
        return None;
    };
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| kind.plural() == *plural)?;
    let subresource = match sub {
        [] => Subresource::Main,
        ["status"] => Subresource::Status,
        _ => return None,
    };
    Some((
        ObjectRef::new(kind, Key::new(namespace, *name)),
        subresource,
    ))
}

#[test]
fn golden_api_updated() {
    let mut tally = Tally::default();
    for case in golden("updated.json") {
        let name = case["why"].as_str().unwrap();
        let content = case["contentType"].as_str().unwrap();
        let before = &case["before"];
        let text = |field: &str| before[field].as_str().unwrap_or_default().to_owned();
        if content != "application/merge-patch+json" {
            let line = format!("updated: {name} ({content})");
            tally.not_built.push(line);
            continue;
        }
        if !tally.tries("updated", name, &text("kind"), &text("apiVersion")) {
            continue;
        }
        let (target, subresource) = target(case["path"].as_str().unwrap()).unwrap();
        let mut api = Api::new();
        api.put(codec::from_any(before.clone()).unwrap());
        let patch = WriteVerb::MergePatch {
            target,
            subresource,
            patch: case["patch"].clone(),
        };
        let first_generation = |object: &Value, first: i64| {
            let mut object = comparable(object);
            if let Some(generation) = object["metadata"]["generation"].as_i64() {
                object["metadata"]["generation"] = (generation - first).into();
            }
            object
        };
        match api.write(&patch) {
            Ok(written) => {
                let found = codec::to_value(&written.object).unwrap();
                let first = before["metadata"]["generation"].as_i64().unwrap_or(0);
                tally.compare(
                    name,
                    &first_generation(&found, 1),
                    &first_generation(&case["after"], first),
                );
            }
            Err(error) => {
                let found = json!({"code": error.reason.code(), "message": error.message});
                let expected =
                    json!({"code": case["code"], "message": case["response"]["message"]});
                tally.compare(name, &found, &expected);
            }
        }
    }
    tally.finish(7);
}
