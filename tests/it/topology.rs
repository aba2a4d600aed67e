//! Topologies: good ones, bad ones with their messages, the demos, and anything at all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kubeplay::{
    api::{Kind, Object, Quantity, Time, codec},
    cli::check,
    store::{Store, WriteVerb, write::Author},
    topology::{self, Problems, Topology},
};
use proptest::prelude::*;

fn folder(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/topologies");
    tests.join(name)
}

/// Names of a folder's files and of those directories that are called like files.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains('.')).collect();
    names.sort();
    names
}

/// A message without the folder in which the tests happen to be.
fn here(text: &str, folder: &Path) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

fn parse(text: &str) -> Result<Topology, Problems> {
    topology::parse("test.toml", text, &|_| Err("no files here".to_owned()))
}

/// Creates the objects in the order given, as a run does; the first that is refused.
fn refused(topology: &Topology) -> Option<String> {
    let mut store = Store::new(&topology.config);
    store.bootstrap();
    let author = Author {
        by: "test",
        at: Time::ZERO,
        cause: 0,
    };
    topology.objects.iter().find_map(|object| {
        let create = WriteVerb::Create(object.clone());
        let written = store.write(&create, &topology.config.timing, author);
        written.err().map(|error| error.message)
    })
}

#[test]
fn every_demo_loads_without_a_warning_and_is_accepted() {
    for (name, text) in topology::DEMOS {
        let read = topology::parse(name, text, &|_| Err("no files here".to_owned()));
        let demo = read.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(demo.warnings, Vec::<String>::new(), "{name}");
        assert_eq!(refused(&demo), None, "{name}");
        let count = |kind| demo.objects.iter().filter(|o| o.kind() == kind).count();
        assert!(
            count(Kind::Node) > 0 && count(Kind::Deployment) > 0,
            "{name}"
        );
    }
}

#[test]
fn the_shop_is_small_and_has_room_for_the_loss_of_a_node() {
    let shop = topology::demo().unwrap();
    let mut nodes = 0;
    let mut pods = 0;
    let mut asked = 0;
    for object in &shop.objects {
        match object {
            Object::Node(_) => nodes += 1,
            Object::Deployment(it) => {
                let spec = it.spec.as_ref().unwrap();
                let replicas = i64::from(spec.replicas.unwrap());
                let container = &spec.template.spec.as_ref().unwrap().containers[0];
                let requests = container.resources.as_ref().unwrap().requests.as_ref();
                let cpu = Quantity::of(&requests.unwrap()["cpu"]).milli_value();
                pods += replicas;
                asked += replicas * cpu;
            }
            _ => {}
        }
    }
    assert!(nodes <= 6 && pods <= 16, "{nodes} nodes, {pods} pods");
    // Even if every node but one left up to the largest pod unused.
    assert!(asked <= (nodes - 1) * (2000 - 500), "{asked}m");
}

#[test]
fn bad_topologies_get_messages_that_help() {
    let folder = folder("bad");
    let mut names = names(&folder);
    // There is no such file; its name is nearly that of another.
    names.push("timming.toml".to_owned());
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        let mut out = Vec::new();
        let mut err = Vec::new();
        let status = check::report(&folder.join(&name), &mut out, &mut err).unwrap();
        assert_eq!((status, out.len()), (check::BAD_TOPOLOGY, 0), "{name}");
        let text = here(&String::from_utf8(err).unwrap(), &folder);
        let name = name.trim_end_matches(".toml");
        insta::with_settings!({ snapshot_path => "../topologies/snapshots", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("bad-{name}"), text);
        });
    }
}

#[test]
fn good_topologies_are_summed_up_and_accepted() {
    let folder = folder("good");
    for name in names(&folder) {
        let path = folder.join(&name);
        let mut out = Vec::new();
        let mut err = Vec::new();
        let status = check::report(&path, &mut out, &mut err).unwrap();
        let (out, err) = (
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        );
        assert_eq!(status, 0, "{name}: {err}");
        let topology = topology::load(&path).unwrap();
        assert_eq!(refused(&topology), None, "{name}");
        let text = here(&format!("{out}{err}"), &folder);
        insta::with_settings!({ snapshot_path => "../topologies/snapshots", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("good-{name}"), text);
        });
    }
}

#[test]
fn every_field_arrives_where_kubernetes_has_it() {
    let topology = topology::load(&folder("good").join("everything.toml")).unwrap();
    let objects: Vec<_> = topology
        .objects
        .iter()
        // The processor is the machine's.
        .map(|object| {
            let mut value = codec::to_value(object).unwrap();
            if let Some(arch) = value.pointer_mut("/metadata/labels/kubernetes.io~1arch") {
                *arch = "amd64".into();
            }
            value
        })
        .collect();
    insta::with_settings!({ snapshot_path => "../topologies/snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("everything", objects);
    });
    let timing = &topology.config.timing;
    assert_eq!(
        (timing.node_monitor_grace_ms, timing.eviction_per_1000s),
        (20_000, 500)
    );
}

#[test]
fn what_a_topology_says_of_timing_outlasts_another_preset() {
    let text = "[cluster]\ntiming_overrides = { lease_renew_ms = \"3s\" }";
    let mut topology = parse(text).unwrap();
    topology.set_preset(kubeplay::store::Preset::Kubernetes);
    let timing = &topology.config.timing;
    assert_eq!(
        (timing.lease_renew_ms, timing.node_monitor_grace_ms),
        (3000, 50_000)
    );
}

#[test]
fn a_topology_that_says_nothing_of_nodes_has_three() {
    for text in ["", "[cluster]\nname = \"x\""] {
        let topology = parse(text).unwrap();
        let kinds: Vec<Kind> = topology.objects.iter().map(Object::kind).collect();
        assert_eq!(kinds, [Kind::Node; 3]);
    }
    assert_eq!(
        parse("[[nodes]]\nname = \"x\"\ncount = 0")
            .unwrap()
            .objects
            .len(),
        0
    );
}

/// A text that is nearly a topology: a demo with a piece replaced.
fn nearly(demo: &str, at: usize, len: usize, piece: &str) -> String {
    let boundary = |mut at: usize| {
        while !demo.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(at % (demo.len() + 1));
    let end = boundary((start + len).min(demo.len()));
    format!("{}{piece}{}", &demo[..start], &demo[end..])
}

fn holds(read: Result<Topology, Problems>) {
    match read {
        Ok(topology) => assert_eq!(refused(&topology), None),
        Err(problems) => assert!(problems.count() > 0 && !problems.to_string().is_empty()),
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
        let _ = topology::parse("test.yaml", &text, &|_| Err(String::new()));
    }

    #[test]
    fn what_is_nearly_a_topology_is_refused_or_accepted_by_the_api_too(
        at in any::<usize>(),
        len in 0usize..40,
        piece in "([a-z]{1,8}|[0-9]{1,4}|-1|\"|\\]|\\}|\n| = |\\[\\[nodes\\]\\]\n|\"x\"|\\PC{1,3})?",
        demo in 0usize..3,
    ) {
        let (_, text) = topology::DEMOS[demo];
        holds(parse(&nearly(text, at, len, &piece)));
    }

    #[test]
    fn what_is_nearly_a_manifest_is_refused_or_accepted_by_the_api_too(
        at in any::<usize>(),
        len in 0usize..20,
        piece in "([a-z]{1,8}|[0-9]{1,4}|-1|\"|\\]|\\}|\n  |: |- |\\PC{1,3})?",
    ) {
        let text = include_str!("../topologies/good/plain.yaml");
        let text = nearly(text, at, len, &piece);
        holds(topology::parse("test.yaml", &text, &|_| Err(String::new())));
    }

    #[test]
    fn any_bytes_in_a_file_are_read_or_refused_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["test.toml", "test.yaml"] {
            let path = folder.path().join(name);
            fs::write(&path, &bytes).unwrap();
            let _ = topology::load(&path);
        }
    }
}
