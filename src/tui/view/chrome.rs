//! What stands around every view: header, tabs, legend or toast, footer.

use std::borrow::Cow;

use ratatui::layout::Rect;

use crate::{
    store::{Incident, RuntimeKind},
    tui::{
        action::{self, Action, Hint, Scope},
        layout::{Class, take_left},
        model::{Model, View},
        text::{age, count_down, width},
        theme::Meaning,
        update::verb,
        widget::{
            Pen,
            pen::{Span, span, spans_width},
        },
    },
};

/// The cluster in one line. What is least important goes first where there is no room.
pub fn header(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let snapshot = &model.snapshot;
    let pods = snapshot.store.objects.all_pods();
    let nodes = model.census.nodes.len();
    let wide = model.class() >= Class::Full;
    let mut parts: Vec<(u8, Vec<Span<'_>>)> = Vec::new();
    if wide {
        parts.push((6, vec![span("kubeplay", Meaning::Brand)]));
    }
    parts.push((1, vec![span(&*snapshot.config.name, Meaning::Strong)]));
    let (glyph, word, meaning) = match (model.frozen, snapshot.paused) {
        (Some(_), _) => (pen.glyphs.paused, "frozen", Meaning::Paused),
        (None, true) => (pen.glyphs.paused, "paused", Meaning::Paused),
        (None, false) => (
            pen.glyphs.playing,
            snapshot.config.preset.as_str(),
            Meaning::PodReady,
        ),
    };
    let rank = if meaning == Meaning::Paused { 1 } else { 3 };
    parts.push((rank, vec![span(format!("{glyph} {word}"), meaning)]));
    parts.push((2, vec![span(clock(model), Meaning::Strong)]));
    let health = |ready, all| {
        if ready < all {
            Meaning::Incident
        } else {
            Meaning::Text
        }
    };
    parts.push((
        1,
        vec![
            span("nodes ", Meaning::Dim),
            span(
                format!("{}/{nodes}", model.census.ready),
                health(model.census.ready, nodes),
            ),
        ],
    ));
    let mut pod_part = vec![
        span("pods ", Meaning::Dim),
        span(format!("{}/{}", pods.ready, pods.active), Meaning::Text),
    ];
    let unbound = snapshot.store.objects.unbound_count();
    if unbound > 0 {
        pod_part.push(span(format!(" · {unbound} pending"), Meaning::PodPending));
    }
    if pods.terminating > 0 && wide {
        pod_part.push(span(
            format!(" · {} leaving", pods.terminating),
            Meaning::PodTerminating,
        ));
    }
    parts.push((2, pod_part));
    let runtime = runtime(model);
    parts.push((4, vec![runtime]));
    let help = [
        span(Action::Help.key(), Meaning::Key),
        span(" help ", Meaning::Dim),
    ];
    let room = area.width.saturating_sub(spans_width(&help) + 1);
    let shown = fitting(&parts, room);
    let mut x = area.x + 1;
    for part in shown {
        x += pen.spans(x, area.y, (area.x + room).saturating_sub(x), part) + 2;
    }
    let wide = spans_width(&help);
    pen.spans(area.right().saturating_sub(wide), area.y, wide, &help);
}

/// What makes the pods: what the engine says of itself, or why it cannot be reached.
fn runtime(model: &Model) -> Span<'_> {
    let engines = &model.snapshot.store.world.engines;
    let docker = engines.get(&RuntimeKind::Docker);
    match (
        docker,
        engines.get(&RuntimeKind::Simulated),
        model.census.real,
    ) {
        (Some((false, why)), _, true) => span(format!("docker away: {why}"), Meaning::Incident),
        (Some((true, what)), _, true) | (_, Some((_, what)), false) => span(&**what, Meaning::Dim),
        (Some((false, why)), None, false) => span(format!("simulated: {why}"), Meaning::Dim),
        (None, _, true) => span("docker", Meaning::Dim),
        _ => span(model.about.runtime.as_str(), Meaning::Dim),
    }
}

/// The cluster's time in whole seconds.
pub fn clock(model: &Model) -> String {
    let seconds = model.now().floor_to_second().as_micros() / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("T+{minutes:02}:{seconds:02}"),
        _ => format!("T+{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The parts that fit, in their order; those with the highest number are left out first.
fn fitting<'p, 's>(parts: &'p [(u8, Vec<Span<'s>>)], room: u16) -> Vec<&'p [Span<'s>]> {
    let most = parts.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
    for limit in (1..=most).rev() {
        let kept: Vec<_> = parts.iter().filter(|(rank, _)| *rank <= limit).collect();
        let wide: u16 = kept.iter().map(|(_, spans)| spans_width(spans) + 2).sum();
        if wide <= room || limit == 1 {
            return kept
                .into_iter()
                .map(|(_, spans)| spans.as_slice())
                .collect();
        }
    }
    Vec::new()
}

/// Where each view's tab is.
pub fn tab_places(area: Rect) -> Vec<(View, Rect)> {
    let mut rest = area;
    take_left(&mut rest, 1);
    View::ALL
        .into_iter()
        .map(|view| {
            let (key, name) = (view.action().key(), view.action().info().label);
            let place = take_left(&mut rest, width(key) + width(name) + 3);
            take_left(&mut rest, 1);
            (view, place)
        })
        .collect()
}

/// The views, and on the right what is wrong.
pub fn tabs(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let mut x = area.x + 1;
    for (view, place) in tab_places(area) {
        let (key, name) = (view.action().key(), view.action().info().label);
        let (label, meaning) = match view == model.view {
            true => (format!("[{key} {name}]"), Meaning::TabActive),
            false => (format!(" {key} {name} "), Meaning::Tab),
        };
        pen.text(place.x, place.y, place.width, &label, meaning);
        x = place.right() + 1;
    }
    let room = area.right().saturating_sub(x + 2);
    let (text, meaning) = news(model, pen);
    pen.right(x + 1, area.y, room, &text, meaning);
}

/// What matters most now: an incident, or something that is being prepared.
pub fn news(model: &Model, pen: &Pen<'_>) -> (String, Meaning) {
    let store = &model.snapshot.store;
    let open = |incident: &&std::sync::Arc<Incident>| incident.recovered.is_none();
    if let Some(incident) = store.incidents.iter().rev().take(50).find(open) {
        return (
            incident_line(model, incident, pen.glyphs.fault),
            Meaning::Incident,
        );
    }
    if let Some((what, (done, total))) = store.world.progress.iter().next() {
        return (progress_line(what, *done, *total), Meaning::Progress);
    }
    (String::new(), Meaning::Text)
}

/// How far something slow has come.
pub fn progress_line(what: &str, done: u64, total: u64) -> String {
    match done.saturating_mul(100).checked_div(total) {
        Some(percent) => format!("preparing {what} {}%", percent.min(100)),
        None => format!("preparing {what}"),
    }
}

fn incident_line(model: &Model, incident: &Incident, glyph: &str) -> String {
    let ago = age(model.now().since(incident.at));
    let target = match &incident.target {
        crate::store::input::Target::Node(name) => name.to_string(),
        crate::store::input::Target::Pod(key) => key.name.to_string(),
    };
    let mut line = format!(
        "{glyph} #{} {target} {} {ago} ago",
        incident.id,
        verb(incident.fault)
    );
    if !incident.waiting_for.is_empty() {
        line.push_str(": waiting for ");
        line.push_str(&incident.waiting_for);
        if let Some(until) = incident.waiting_until {
            line = format!("{line}, {}", count_down(until.since(model.now())));
        }
    }
    line
}

/// A toast if there is one, else what the glyphs mean.
pub fn legend(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let room = area.width.saturating_sub(2);
    if let Some(toast) = &model.toast {
        let meaning = if toast.error {
            Meaning::ToastError
        } else {
            Meaning::Toast
        };
        pen.text(area.x + 1, area.y, room, &toast.text, meaning);
        return;
    }
    if model.view != View::Cluster {
        return;
    }
    let g = *pen.glyphs;
    let legend = [
        (g.ready, "ready", Meaning::PodReady),
        (g.starting, "starting", Meaning::PodStarting),
        (g.pending, "pending", Meaning::PodPending),
        (g.terminating, "terminating", Meaning::PodTerminating),
        (g.failed, "failed or dead", Meaning::PodFailed),
        (g.cordoned, "cordoned", Meaning::NodeCordoned),
    ];
    let mut x = area.x + 1;
    let range = node_range(model);
    let end = area.right().saturating_sub(1 + width(&range));
    for (glyph, word, meaning) in legend {
        if x + width(glyph) + width(word) + 3 > end {
            break;
        }
        x += pen.text(x, area.y, 2, glyph, meaning) + 1;
        x += pen.text(x, area.y, room, word, Meaning::Dim) + 2;
    }
    pen.right(area.x + 1, area.y, room, &range, Meaning::Dim);
}

/// Which nodes are on the screen, when not all of them are.
fn node_range(model: &Model) -> String {
    let grid = model.grid();
    let nodes = model.census.nodes.len();
    if grid.all_rows <= grid.rows || model.class() <= Class::List {
        return String::new();
    }
    let first = model.cluster.first_row * grid.columns;
    let last = (first + grid.rows * grid.columns).min(nodes);
    format!("nodes {} to {last} of {nodes}", first + 1)
}

/// The keys that work here.
pub fn footer(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let scope = model.scope();
    let mut x = area.x + 1;
    if scope == Scope::Text {
        let typed = format!("{}{}_", Action::Filter.key(), model.text());
        x += pen.text(x, area.y, area.width / 2, &typed, Meaning::Strong) + 2;
    }
    for hint in action::hints(scope) {
        let keys = hint_keys(hint, pen.glyphs.enter);
        if x + width(&keys) + width(hint.label) + 1 > area.right() {
            break;
        }
        x += pen.text(x, area.y, area.width, &keys, Meaning::Key) + 1;
        x += pen.text(x, area.y, area.width, hint.label, Meaning::Dim) + 2;
    }
}

/// A hint's keys as the footer writes them: letters together, words apart.
#[must_use]
pub fn hint_keys(hint: &Hint, enter: &str) -> String {
    let keys: Vec<Cow<'_, str>> = hint
        .actions
        .iter()
        .map(|action| match action.key() {
            "enter" => Cow::Owned(enter.to_owned()),
            key => Cow::Borrowed(key),
        })
        .collect();
    if keys.iter().all(|key| key.chars().count() == 1) {
        keys.concat()
    } else {
        keys.join(" ")
    }
}
