//! What is on the screen, as a file: text as it looks, JSON of what it shows, or a picture in the theme's colours.

use std::fmt::Write as _;

use ratatui::{buffer::Buffer, layout::Rect, style::Modifier};
use serde_json::{Value, json};

use super::{
    book,
    glyphs::Glyphs,
    model::{Model, Overlay, Page, View},
    node_state::NodeState,
    overlay,
    pod_state::PodState,
    recovery::Step,
    text::clean,
    theme::{self, Theme},
    view,
    widget::Pen,
};
use crate::{
    api::{Name, codec},
    store::{Decision, Incident, decision::Verdict},
};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
    Svg,
}

impl Format {
    /// The ending of the file's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Svg => "svg",
        }
    }
}

/// The file's name without its ending: what is shown, and when.
#[must_use]
pub fn stem(model: &Model) -> String {
    let what = match (&model.overlay, model.view) {
        (Some(Overlay::Page { page, .. }), _) => match page {
            Page::Help => "keys".to_owned(),
            Page::Timing => "timing".to_owned(),
            Page::Describe(object) | Page::Yaml(object) => {
                format!(
                    "{}-{}",
                    object.kind.as_str().to_lowercase(),
                    object.key.name
                )
            }
            Page::Causes(_) => "causes".to_owned(),
            Page::Decision(number) => format!("decision-{number}"),
        },
        (_, view) => view.action().info().label.to_lowercase(),
    };
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let what: String = clean(&what).chars().filter(|c| safe(*c)).collect();
    let seconds = model.now().as_micros() / 1_000_000;
    format!("kubeplay-{what}-{seconds}s")
}

/// The file's content.
#[must_use]
pub fn content(model: &Model, theme: &Theme, glyphs: &Glyphs, format: Format) -> String {
    match format {
        Format::Text => match overlay::page_text(model) {
            Some(page) => format!("{page}\n"),
            None => text(&buffer(model, theme, glyphs)),
        },
        Format::Svg => svg(&buffer(model, theme, glyphs), theme),
        Format::Json => {
            let value = json(model);
            // Numbers, texts and lists of them can always be written.
            let text = serde_json::to_string_pretty(&value).unwrap_or_default();
            format!("{text}\n")
        }
    }
}

fn buffer(model: &Model, theme: &Theme, glyphs: &Glyphs) -> Buffer {
    let area = Rect::new(0, 0, model.size.width, model.size.height);
    let mut buffer = Buffer::empty(area);
    view::draw(model, &mut Pen::new(&mut buffer, theme, glyphs), area);
    buffer
}

fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width)
            .filter_map(|x| buffer.cell((x, y)))
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Pixels of a cell.
const CELL: (u16, u16) = (9, 18);

fn svg(buffer: &Buffer, theme: &Theme) -> String {
    let (wide, high) = CELL;
    let (width, height) = (buffer.area.width * wide, buffer.area.height * high);
    let (front, back) = theme.paper();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"monospace\" font-size=\"15\">\n<rect width=\"100%\" height=\"100%\" fill=\"{back}\"/>\n"
    );
    for y in 0..buffer.area.height {
        for run in runs(buffer, y) {
            let style = run.style;
            let mut fill = theme::css(style.fg).unwrap_or_else(|| front.clone());
            let mut paper = theme::css(style.bg);
            if style.add_modifier.contains(Modifier::REVERSED) {
                let under = paper.unwrap_or_else(|| back.clone());
                paper = Some(std::mem::replace(&mut fill, under));
            }
            let (x, top) = (run.x * wide, y * high);
            let length = run.cells * wide;
            if let Some(paper) = paper.filter(|paper| *paper != back) {
                let _ = writeln!(
                    out,
                    "<rect x=\"{x}\" y=\"{top}\" width=\"{length}\" height=\"{high}\" fill=\"{paper}\"/>"
                );
            }
            if run.text.trim().is_empty() {
                continue;
            }
            let bold = if style.add_modifier.contains(Modifier::BOLD) {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let dim = if style.add_modifier.contains(Modifier::DIM) {
                " opacity=\"0.6\""
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{}\" textLength=\"{length}\" xml:space=\"preserve\" fill=\"{fill}\"{bold}{dim}>{}</text>",
                top + high - 4,
                escaped(&run.text)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Cells of a row that look alike.
struct Run {
    x: u16,
    cells: u16,
    text: String,
    style: ratatui::style::Style,
}

fn runs(buffer: &Buffer, y: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for x in 0..buffer.area.width {
        let Some(cell) = buffer.cell((x, y)) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.style == cell.style() => {
                run.cells += 1;
                run.text.push_str(cell.symbol());
            }
            _ => runs.push(Run {
                x,
                cells: 1,
                text: cell.symbol().to_owned(),
                style: cell.style(),
            }),
        }
    }
    runs
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What the page or the view shows.
fn json(model: &Model) -> Value {
    let what = match (&model.overlay, model.view) {
        (Some(Overlay::Page { page, .. }), _) => page_json(model, page),
        (_, View::Cluster) => cluster(model),
        (_, View::Decisions) => decisions(model),
        (_, View::Recovery) => incidents(model),
        (_, View::Events) => events(model),
    };
    json!({
        "cluster": &*model.snapshot.config.name,
        "seed": model.snapshot.config.seed,
        "timing": model.snapshot.config.preset.as_str(),
        "at": model.now().as_secs_f64(),
        "shows": what,
    })
}

fn page_json(model: &Model, page: &Page) -> Value {
    match page {
        Page::Describe(object) | Page::Yaml(object) => {
            let found = model.snapshot.store.objects.object(object);
            let value = found.and_then(|object| codec::to_value(&object).ok());
            value.unwrap_or(Value::Null)
        }
        Page::Decision(number) => book::decision(&model.snapshot.store, *number)
            .map_or(Value::Null, |found| decision(found)),
        Page::Help | Page::Timing | Page::Causes(_) => {
            let text = overlay::page_text(model).unwrap_or_default();
            text.lines().map(str::trim_end).collect()
        }
    }
}

fn cluster(model: &Model) -> Value {
    let objects = &model.snapshot.store.objects;
    let pod = |pod: &crate::api::Pod| {
        let state = PodState::read(pod, &model.snapshot);
        json!({
            "namespace": &*pod.meta.key.namespace,
            "name": &*pod.meta.key.name,
            "state": state.word,
            "truth": state.truth.words().map(|(long, _)| long),
            "restarts": state.restarts,
        })
    };
    let node = |name: &Name| {
        let node = objects.node(name)?;
        let state = NodeState::read(node, &model.snapshot, model.now());
        let pods: Vec<Value> = objects.pods_on(name).map(|p| pod(p)).collect();
        Some(json!({
            "name": &**name,
            "state": state.word,
            "truth": state.story.first(),
            "zone": state.zone,
            "cordoned": state.cordoned,
            "pods": pods,
        }))
    };
    let nodes: Vec<Value> = model.census.nodes.iter().filter_map(node).collect();
    let pending: Vec<Value> = objects.unbound_pods().map(|p| pod(p)).collect();
    json!({ "nodes": nodes, "pending": pending })
}

fn decision(decision: &Decision) -> Value {
    let (chosen, error) = match &decision.verdict {
        Verdict::Bound { node } => (Some(&**node), None),
        Verdict::Unschedulable => (None, None),
        Verdict::Error { message } => (None, Some(message)),
    };
    let scores: Vec<Value> = decision
        .scores
        .iter()
        .map(|score| {
            let plugins: Vec<Value> = score
                .plugins
                .iter()
                .map(|part| {
                    json!({
                        "plugin": part.plugin, "raw": part.raw, "normalized": part.normalized,
                        "weight": part.weight, "weighted": part.weighted(),
                    })
                })
                .collect();
            json!({ "node": &*score.node, "total": score.total, "plugins": plugins })
        })
        .collect();
    let rejections: Vec<Value> = decision
        .rejections
        .iter()
        .map(|rejection| {
            json!({
                "node": &*rejection.node, "plugin": rejection.plugin,
                "reasons": rejection.reasons, "detail": rejection.detail,
            })
        })
        .collect();
    json!({
        "number": decision.number,
        "pod": decision.pod.to_string(),
        "at": decision.at.as_secs_f64(),
        "attempt": decision.attempt,
        "node": chosen,
        "error": error,
        "message": decision.message,
        "nodes": decision.nodes,
        "feasible": decision.feasible,
        "tied": decision.tied,
        "scores": scores,
        "rejections": rejections,
    })
}

/// The shown decisions, newest first.
fn decisions(model: &Model) -> Value {
    let store = &model.snapshot.store;
    let numbers = model.book.rows().iter().rev();
    numbers
        .filter_map(|number| book::decision(store, *number))
        .map(|found| decision(found))
        .collect()
}

fn incidents(model: &Model) -> Value {
    let incidents = model.snapshot.store.incidents.iter().rev();
    incidents
        .filter(|incident| model.tracks.rows().contains(&incident.id))
        .map(|found| incident(model, found))
        .collect()
}

fn incident(model: &Model, incident: &Incident) -> Value {
    let track = model.tracks.get(incident.id);
    let after = |at: crate::api::Time| at.since(incident.at).as_secs_f64();
    let steps: Vec<Value> = track
        .into_iter()
        .flat_map(|track| {
            Step::ALL.into_iter().filter_map(|step| {
                let at = step.at(incident, track)?;
                let took = step.took(incident, track)?;
                Some(json!({ "step": step.name(), "after": after(at), "took": took.as_secs_f64() }))
            })
        })
        .collect();
    let replaced: Vec<Value> = track
        .into_iter()
        .flat_map(|track| &track.replacements)
        .map(|pod| {
            json!({
                "pod": pod.key.to_string(),
                "made": after(pod.made),
                "scheduled": pod.scheduled.as_ref().map(|(at, _)| after(*at)),
                "node": pod.scheduled.as_ref().map(|(_, node)| &**node),
                "started": pod.started.map(after),
                "ready": pod.ready.map(after),
            })
        })
        .collect();
    let pods: Vec<String> = incident.pods.iter().map(ToString::to_string).collect();
    json!({
        "id": incident.id,
        "fault": incident.fault.as_str(),
        "target": incident.target.to_string(),
        "at": incident.at.as_secs_f64(),
        "pods": pods,
        "steps": steps,
        "replacements": replaced,
        "healedAfter": incident.healed.map(after),
        "recoveredAfter": incident.recovered.map(after),
        "waitingFor": &*incident.waiting_for,
    })
}

/// The shown events, oldest first.
fn events(model: &Model) -> Value {
    let rows = model
        .feed
        .rows()
        .iter()
        .filter_map(|seq| model.feed.get(*seq));
    rows.map(|entry| {
        json!({
            "at": entry.at.as_secs_f64(),
            "type": entry.kind.as_str(),
            "reason": &*entry.reason,
            "object": entry.object_text(),
            "namespace": &*entry.object.key.namespace,
            "message": &*entry.message,
            "count": entry.count,
            "source": &*entry.source,
        })
    })
    .collect()
}
