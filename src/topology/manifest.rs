//! Kubernetes' own manifests: YAML (and so JSON), several objects to a file.

use std::sync::Arc;

use serde_json::Value;

use super::{
    made::{Fields, Made, Origin},
    source::{Problem, Report, Source},
    suggest::did_you_mean,
    yaml::{Branch, Tree},
};
use crate::api::{Kind, Object, codec, defaults, support};

/// The objects of a manifest file.
pub(super) fn read(source: &Arc<Source>, report: &Report) -> Vec<Made> {
    match Tree::read(source) {
        Ok(trees) => {
            let mut made = Vec::new();
            for tree in trees {
                object(source, report, tree, &mut made);
            }
            made
        }
        Err(problem) => {
            report.problem(problem);
            Vec::new()
        }
    }
}

fn object(source: &Arc<Source>, report: &Report, tree: Tree, made: &mut Vec<Made>) {
    let problem = |path: &str, message: String| {
        report.problem(Problem::at(source, tree.find(path), message));
    };
    if !matches!(tree.branch, Branch::Map(_)) {
        return problem(
            "",
            "a manifest is a map with `apiVersion` and `kind`".to_owned(),
        );
    }
    let Some(name) = tree.text("kind").map(str::to_owned) else {
        return problem("kind", "the manifest has no `kind`".to_owned());
    };
    if name == "List" {
        if let Branch::Map(fields) = tree.branch {
            let items = fields.into_iter().find(|(key, _)| key.value == "items");
            if let Some(Branch::List(items)) = items.map(|(_, items)| items.branch) {
                for item in items {
                    object(source, report, item, made);
                }
            }
        }
        return;
    }
    let kind = match find_kind(&name, tree.text("apiVersion")) {
        Ok(kind) => kind,
        Err((path, message)) => return problem(path, message),
    };
    let value = tree.to_value();
    match codec::from_value(kind, value.clone()) {
        Ok(object) => {
            let tree = Arc::new(tree);
            made.extend(accept(source, report, &tree, object, &value));
        }
        Err(error) => {
            let same = |value: Value| {
                codec::from_value(kind, value).err().map(|e| e.to_string())
                    == Some(error.to_string())
            };
            let path = culprit(&value, &same);
            problem(&path, format!("{kind}: `{path}`: {error}"));
        }
    }
}

/// The kind that a manifest names; else the field at fault and what is wrong with it.
fn find_kind(name: &str, api_version: Option<&str>) -> Result<Kind, (&'static str, String)> {
    let named = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
    let Some(kind) = named else {
        let meant = did_you_mean(name, Kind::ALL.map(Kind::as_str));
        let message = if meant.is_empty() {
            let known = Kind::ALL.map(Kind::as_str).join(", ");
            format!("kubeplay does not know the kind \"{name}\" yet; it knows {known}")
        } else {
            format!("unknown kind \"{name}\"{meant}")
        };
        return Err(("kind", message));
    };
    match api_version {
        Some(version) if version == kind.api_version() => Ok(kind),
        Some(version) => Err((
            "apiVersion",
            format!(
                "{kind} is in \"{}\", not in \"{version}\"",
                kind.api_version()
            ),
        )),
        None => Err((
            "kind",
            format!(
                "the manifest has no `apiVersion`; {kind} is in \"{}\"",
                kind.api_version()
            ),
        )),
    }
}

fn accept(
    source: &Arc<Source>,
    report: &Report,
    tree: &Arc<Tree>,
    mut object: Object,
    value: &Value,
) -> Option<Made> {
    if object.kind() == Kind::Event {
        let at = Problem::at(source, tree.find("kind"), "events are made by the cluster");
        report.problem(at);
        return None;
    }
    defaults::namespace(&mut object);
    let origin = Origin {
        source: Arc::clone(source),
        span: tree.find("metadata.name"),
        fields: Fields::Tree(Arc::clone(tree)),
    };
    for path in support::unknown_fields(&object, value) {
        origin.warning(report, &path, format!("unknown field \"{path}\""));
    }
    Some(Made::new(object, origin))
}

/// The path of the value that cannot be read: where, if it is taken away, the error is another one or none.
fn culprit(value: &Value, same_error: &dyn Fn(Value) -> bool) -> String {
    let mut path = String::new();
    let mut pointer = String::new();
    loop {
        let Some(here) = value.pointer(&pointer) else {
            return path;
        };
        let children: Vec<(String, String)> = match here {
            Value::Object(map) => map
                .keys()
                .map(|key| {
                    let escaped = key.replace('~', "~0").replace('/', "~1");
                    let dot = if path.is_empty() { "" } else { "." };
                    (format!("{pointer}/{escaped}"), format!("{path}{dot}{key}"))
                })
                .collect(),
            Value::Array(list) => (0..list.len())
                .map(|index| (format!("{pointer}/{index}"), format!("{path}[{index}]")))
                .collect(),
            _ => return path,
        };
        let guilty = children.into_iter().find(|(child, _)| {
            let mut without = value.clone();
            remove(&mut without, &pointer, child);
            !same_error(without)
        });
        match guilty {
            Some((child, name)) => (pointer, path) = (child, name),
            None => return path,
        }
    }
}

fn remove(value: &mut Value, parent: &str, child: &str) {
    let last = child[parent.len() + 1..]
        .replace("~1", "/")
        .replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&last);
        }
        Some(Value::Array(list)) => {
            if let Ok(index) = last.parse::<usize>() {
                list.remove(index);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_that_cannot_be_read_is_found() {
        let value = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
            "spec": {"containers": [{"name": "a"}, {"name": "b", "ports": [{"containerPort": "http"}]}]}});
        let error = codec::from_value(Kind::Pod, value.clone())
            .unwrap_err()
            .to_string();
        let same = |value| {
            codec::from_value(Kind::Pod, value)
                .err()
                .map(|e| e.to_string())
                .as_deref()
                == Some(&error)
        };
        let path = culprit(&value, &same);
        assert_eq!(path, "spec.containers[1].ports[0].containerPort");
    }
}
