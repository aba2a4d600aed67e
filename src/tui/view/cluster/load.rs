//! What pods and nodes use, as short texts.

use crate::{
    api::Pod,
    metrics::Usage,
    tui::{glyphs::Glyphs, model::Model},
};

use super::node_box::requests;

/// How many of the last measurements a row shows.
const SHOWN: usize = 6;
const MEBIBYTE: u64 = 1 << 20;

/// What a node's pods use together; none if that is known of none.
pub fn of_node(model: &Model, node: &str) -> Option<Usage> {
    let snapshot = &model.snapshot;
    let pods = snapshot.store.objects.pods_on(node);
    let uids = pods.map(|pod| pod.meta.uid);
    snapshot.metrics.pods(uids, &snapshot.store.world)
}

/// A pod's load from the longest wording to the shortest; none at all if it is not known.
pub fn wordings(model: &Model, glyphs: &Glyphs, pod: &Pod) -> Vec<String> {
    let snapshot = &model.snapshot;
    let used = snapshot.metrics.pod(pod.meta.uid, &snapshot.store.world);
    let Some((used, milli)) = used.and_then(|used| Some((used, used.cpu_milli?))) else {
        return Vec::new();
    };
    let (cpu, _) = requests(pod);
    let asked = u64::try_from(cpu.milli_value()).unwrap_or(0);
    let figure = match (milli * 100).checked_div(asked) {
        Some(percent) => format!("{percent}%"),
        None => format!("{milli}m"),
    };
    let lately = lately(model, glyphs, pod, asked);
    let memory = format!("{}Mi", used.memory_bytes / MEBIBYTE);
    vec![
        format!("{lately} {figure:>5} {memory:>5}"),
        format!("{lately} {figure:>4}"),
        figure,
    ]
}

/// The last measurements of CPU, against what was requested, or else against the highest of them.
fn lately(model: &Model, glyphs: &Glyphs, pod: &Pod, asked: u64) -> String {
    let metrics = &model.snapshot.metrics;
    let mut sums = [None::<u64>; SHOWN];
    let running = metrics
        .containers_of(pod.meta.uid)
        .filter(|(id, _)| model.snapshot.store.world.is_running(id));
    for (_, series) in running {
        for (sum, point) in sums.iter_mut().rev().zip(series.points().rev()) {
            if let Some(milli) = point.cpu_milli {
                *sum = Some(sum.unwrap_or(0) + u64::from(milli));
            }
        }
    }
    let highest = sums.iter().flatten().copied().max().unwrap_or(0);
    let all = if asked > 0 { asked } else { highest.max(1) };
    let level = |milli: u64| {
        // The first is for what is not known.
        let steps = glyphs.levels.len() - 2;
        let step = usize::try_from(milli * steps as u64 / all).unwrap_or(steps);
        glyphs.levels[1 + step.min(steps)]
    };
    let cell = |sum: &Option<u64>| sum.map_or(" ", level);
    sums.iter().map(cell).collect()
}
