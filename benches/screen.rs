//! How long a frame takes: the demo, and 5,000 nodes with 20,000 pods. `cargo bench --bench screen`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kubeplay::{
    api::{Key, Node, Object, Pod, Time, codec},
    cluster::Snapshot,
    store::{Config, Preset, Store, world::WorldChange, write::Author},
    tui::{About, Message, Model, glyphs::Glyphs, theme::Theme, update, view},
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
    Arc::new(Snapshot {
        at: Time::from_secs(100),
        config: Arc::new(config),
        store,
        metrics: kubeplay::metrics::ResourceMetrics::default(),
        paused: false,
    })
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
    for (nodes, pods) in [(6, 16), (5_000, 20_000)] {
        let snapshot = cluster(nodes, pods);
        for size in [Size::new(120, 36), Size::new(200, 60)] {
            let mut model = Model::new(Arc::clone(&snapshot), About::default(), size);
            let mut terminal = Terminal::new(TestBackend::new(size.width, size.height))?;
            update(&mut model, Message::Snapshot(Arc::clone(&snapshot)));
            let name = format!("draw, {nodes} nodes, {pods} pods");
            measure(&name, size, FRAMES, || {
                let _ = terminal.draw(|frame| view(&model, &theme, &glyphs, frame));
            });
            let name = format!("take a snapshot, {nodes} nodes, {pods} pods");
            measure(&name, size, FRAMES, || {
                update(&mut model, Message::Snapshot(Arc::clone(&snapshot)));
            });
        }
    }
    Ok(())
}
