//! How long a frame takes, view by view: the demo, and 5,000 nodes with 100,000 pods. `cargo bench --bench screen`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kubeplay::{
    api::{Key, Node, Object, Pod, Time, Uid, codec},
    cluster::Snapshot,
    store::{
        Config, Decision, Incident, Preset, Store,
        decision::{NodeScore, PluginScore, Verdict},
        input::{Fault, Target},
        world::WorldChange,
        write::Author,
    },
    tui::{
        About, Message, Model,
        action::Action,
        glyphs::Glyphs,
        model::{View, Zoom},
        theme::Theme,
        update, view,
    },
};
use ratatui::{Terminal, backend::TestBackend, layout::Size};
use serde_json::json;

const AUTHOR: Author = Author {
    by: "bench",
    at: Time::ZERO,
    cause: 0,
};
const FRAMES: u32 = 500;

/// Ready nodes with four running pods each, more or less.
fn cluster(nodes: usize, pods: usize) -> Arc<Snapshot> {
    let config = Config::new("bench", 1, Preset::Fast);
    let mut store = Store::new(&config);
    store.bootstrap();
    let room = json!({ "cpu": "4", "memory": "4Gi", "pods": "110" });
    for index in 0..nodes {
        let name = format!("node-{index}");
        let node = codec::from_any(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": name }, "spec": {},
            "status": { "capacity": room, "allocatable": room,
                        "conditions": [{ "type": "Ready", "status": "True" }] },
        }));
        if let Ok(Object::Node(node)) = node {
            let _ = store.create(Node::clone(&node), AUTHOR);
        }
        store.change_world(WorldChange::NodeOn { node: name.into() }, Time::ZERO, 0);
    }
    let template = codec::from_any(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "default" },
        "spec": { "containers": [{ "name": "app", "image": "shop/web:1",
                                   "resources": { "requests": { "cpu": "500m", "memory": "256Mi" } } }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
                    "containerStatuses": [{ "name": "app", "image": "", "imageID": "", "ready": true,
                                            "restartCount": 0, "state": { "running": {} } }] },
    }));
    if let Ok(Object::Pod(template)) = template {
        for index in 0..pods {
            let mut pod = Pod::clone(&template);
            pod.meta.key = Key::new("default", format!("web-7d9f8c6b54-{index}"));
            pod.node = Some(format!("node-{}", index % nodes).into());
            let _ = store.create(pod, AUTHOR);
        }
    }
    decide(&mut store, nodes);
    Arc::new(Snapshot {
        at: Time::from_secs(100),
        config: Arc::new(config),
        store,
        metrics: kubeplay::metrics::ResourceMetrics::default(),
        paused: false,
    })
}

/// As many decisions as are kept, each with as much said of single nodes as is kept; and a fault that hit many pods.
fn decide(store: &mut Store, nodes: usize) {
    let plugin = |plugin| PluginScore {
        plugin,
        raw: 60,
        normalized: 60,
        weight: 1,
    };
    let scores = (0..nodes.min(16)).map(|index| NodeScore {
        node: format!("node-{index}").into(),
        total: 180,
        plugins: vec![
            plugin("NodeResourcesFit"),
            plugin("TaintToleration"),
            plugin("NodeResourcesBalancedAllocation"),
        ],
    });
    let scores: Vec<_> = scores.collect();
    for number in 1..=2_000 {
        let decision = Decision {
            number,
            pod: Key::new("default", format!("web-7d9f8c6b54-{}", number % 16)),
            uid: Uid::NONE,
            at: Time::from_secs(1),
            attempt: 1,
            verdict: Verdict::Bound {
                node: "node-1".into(),
            },
            nodes,
            feasible: nodes,
            scores: scores.clone(),
            rejections: Vec::new(),
            histogram: vec![("Insufficient cpu".to_owned(), 3)],
            tied: 2,
            tie_break: 0,
            message: String::new(),
        };
        store.decided(decision, Time::from_secs(1), 0);
    }
    for id in 1..=50 {
        store.incidents.push_back(Arc::new(Incident {
            id,
            fault: Fault::Kill,
            target: Target::Node("node-1".into()),
            at: Time::from_secs(90),
            record: 1,
            pods: (0..10)
                .map(|pod| Key::new("default", format!("web-7d9f8c6b54-{pod}")))
                .collect(),
            phases: Vec::new(),
            healed: None,
            recovered: None,
            waiting_for: "node monitor grace period".into(),
            waiting_until: None,
        }));
    }
}

fn measure(what: &str, size: Size, frames: u32, mut frame: impl FnMut()) {
    let mut times: Vec<Duration> = (0..frames)
        .map(|_| {
            let start = Instant::now();
            frame();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what:<44} {:>3}x{:<3} median {:>8.1?}  p99 {:>8.1?}",
        size.width,
        size.height,
        at(50),
        at(99)
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let theme = Theme::named("terminal")?;
    let glyphs = Glyphs::UNICODE;
    for (nodes, pods) in [(6, 16), (5_000, 100_000)] {
        let snapshot = cluster(nodes, pods);
        for size in [Size::new(120, 36), Size::new(200, 60)] {
            let mut model = Model::new(Arc::clone(&snapshot), About::default(), size);
            let mut terminal = Terminal::new(TestBackend::new(size.width, size.height))?;
            update(&mut model, Message::Snapshot(Arc::clone(&snapshot)));
            for shown in View::ALL {
                update::act(&mut model, shown.action());
                let what = shown.action().info().label;
                let name = format!("{what}, {nodes} nodes, {pods} pods");
                measure(&name, size, FRAMES, || {
                    let _ = terminal.draw(|frame| view(&model, &theme, &glyphs, frame));
                });
            }
            update::act(&mut model, Action::ViewCluster);
            for zoom in [Zoom::Tiles, Zoom::Heat] {
                update::act(&mut model, Action::Zoom);
                let name = format!("{zoom:?}, {nodes} nodes, {pods} pods");
                measure(&name, size, FRAMES, || {
                    let _ = terminal.draw(|frame| view(&model, &theme, &glyphs, frame));
                });
            }
            let name = format!("take a snapshot, {nodes} nodes, {pods} pods");
            measure(&name, size, FRAMES, || {
                update(&mut model, Message::Snapshot(Arc::clone(&snapshot)));
            });
        }
    }
    Ok(())
}
