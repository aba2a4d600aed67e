//! What must hold everywhere in the source and no compiler sees.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every Rust file under a folder, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
        &mut found,
    );
    assert!(!found.is_empty(), "no source under {folder}");
    found
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = ["src", "tests/it"]
        .iter()
        .flat_map(|folder| sources(folder))
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "modules without a head: {silent:?}");
}

#[test]
fn rooms_know_only_the_rooms_below_them() {
    // Which rooms each room must not name. Arrows point one way: see ARCHITECTURE.md.
    const CORE: [&str; 6] = ["runtime", "tui", "cli", "topology", "workload", "cluster"];
    let forbidden = |room: &str| -> Vec<&str> {
        let peers = ["scheduler", "controller", "kubelet", "chaos"];
        match room {
            "api" => [&CORE[..], &peers[..], &["store", "metrics"]].concat(),
            "store" => [&CORE[..], &peers[..], &["metrics"]].concat(),
            "metrics" => [&CORE[..], &peers[..]].concat(),
            "scheduler" | "controller" | "kubelet" | "chaos" => {
                let others = peers.into_iter().filter(|peer| *peer != room);
                CORE.into_iter().chain(others).collect()
            }
            "cluster" => vec!["runtime", "tui", "cli", "topology", "workload"],
            "runtime" | "workload" => vec!["tui", "cli", "topology"],
            "topology" => vec!["runtime", "tui", "cli", "cluster", "workload"],
            "tui" => vec!["cli", "topology", "workload"],
            _ => Vec::new(),
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let room = path
            .strip_prefix(&root)
            .unwrap()
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap();
        let room = room.trim_end_matches(".rs");
        // Tests may use what they need to build a scene.
        let code = text.split("#[cfg(test)]").next().unwrap();
        let is_test = path.ends_with("cluster/bench.rs")
            || path.components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().is_some_and(|stem| stem == "tests");
        for other in forbidden(room).into_iter().filter(|_| !is_test) {
            if code.contains(&format!("crate::{other}::")) || grouped(code, other) {
                wrong.push(format!("{} names {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `use crate::{ ... }` names a room: the first word of one of its paths.
fn grouped(code: &str, room: &str) -> bool {
    code.split("use crate::{").skip(1).any(|rest| {
        let group = rest.split("};").next().unwrap_or_default();
        let (mut depth, mut first, mut word) = (0, true, String::new());
        for c in group.chars().chain([',']) {
            if depth == 0 && first && (c.is_alphanumeric() || c == '_') {
                word.push(c);
                continue;
            }
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' | ':' if depth == 0 => {
                    if word == room {
                        return true;
                    }
                    word.clear();
                    first = c == ',';
                }
                _ => {}
            }
        }
        false
    })
}

#[test]
fn the_core_does_not_wait_and_does_not_print() {
    let banned = [
        "async fn",
        ".await;",
        ".await?",
        "println!",
        "eprintln!",
        "tokio::",
        "std::net",
        "std::fs",
        "HashMap",
        "thread_rng",
    ];
    let mut wrong = Vec::new();
    for room in [
        "api",
        "store",
        "metrics",
        "scheduler",
        "controller",
        "kubelet",
        "chaos",
    ] {
        let files = sources("src").into_iter().filter(|(path, _)| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            path.starts_with(root.join(room)) || *path == root.join(format!("{room}.rs"))
        });
        for (path, text) in files {
            let text = text.replace(".awaiting", "");
            for word in banned.iter().filter(|word| text.contains(**word)) {
                wrong.push(format!("{} has `{word}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_to_do() {
    // Put together here, so that this file does not find itself.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
        ["unimplemented", "!"].concat(),
    ];
    let mut wrong = Vec::new();
    for (path, text) in ["src", "tests/it"]
        .iter()
        .flat_map(|folder| sources(folder))
    {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                wrong.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_timing_constant_differs_from_upstream_only_where_the_table_says() {
    use kubeplay::store::{Preset, Timing};
    for (key, kubernetes, fast, what) in Timing::TABLE {
        let of = |preset| Timing::preset(preset).get(key);
        assert_eq!(of(Preset::Kubernetes), Some(*kubernetes), "{what}");
        assert_eq!(of(Preset::Fast), Some(*fast), "{what}");
    }
}
