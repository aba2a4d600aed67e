//! The Recovery view: incidents, and for one of them what became of every pod on a time axis, step by step.

use std::time::Duration;

use ratatui::layout::{Position, Rect};

use crate::{
    api::Time,
    store::{
        Incident, Timing,
        input::{Fault, Target},
    },
    tui::{
        action::Action,
        layout::{Class, inside, take_bottom, take_left, take_top},
        lines::{Line, Lines},
        model::Model,
        recovery::{Hit, Replacement, Step, Track, median},
        text::{count_down, width},
        theme::Meaning,
        update::verb,
        widget::{Pen, pen::span},
    },
};

/// Columns of the names beside the time axis.
const NAMES: u16 = 24;
/// Incidents that medians are made of.
const RECENT: usize = 100;

/// The parts of the view. A part for which there is no room is empty.
struct Parts {
    list: Rect,
    head: Rect,
    axis: Rect,
    steps: Rect,
}

fn parts(model: &Model, area: Rect) -> Parts {
    let mut rest = area;
    let empty = Rect {
        width: 0,
        height: 0,
        ..area
    };
    let mut parts = Parts {
        list: empty,
        head: empty,
        axis: empty,
        steps: empty,
    };
    match model.class() {
        Class::Tiny | Class::Line | Class::List => {
            parts.head = take_bottom(&mut rest, area.height * 2 / 3);
            parts.list = rest;
        }
        Class::Compact => {
            parts.head = take_top(&mut rest, 3);
            parts.steps = take_bottom(&mut rest, 10);
            parts.axis = rest;
        }
        class => {
            parts.list = take_left(&mut rest, if class == Class::Wide { 44 } else { 36 });
            parts.head = take_top(&mut rest, 6);
            parts.steps = take_bottom(&mut rest, 12);
            parts.axis = rest;
        }
    }
    parts
}

/// How many incidents the list shows: each has two rows.
#[must_use]
pub fn rows(model: &Model) -> usize {
    let list = parts(model, model.areas().body).list;
    match model.class() {
        Class::Tiny | Class::Line | Class::List => usize::from(list.height).max(1),
        Class::Compact => 1,
        _ => usize::from(list_and_figures(inside(list)).0.height / 2).max(1),
    }
}

/// The incident whose row is at a place of the screen.
#[must_use]
pub fn at(model: &Model, place: Position) -> Option<u64> {
    let list = parts(model, model.areas().body).list;
    let (rows, each) = match model.class() {
        Class::Tiny | Class::Line | Class::List => (list, 1),
        _ => (list_and_figures(inside(list)).0, 2),
    };
    model
        .recovery
        .list
        .at(model.tracks.rows(), rows, each, place)
}

/// How far the time axis can be scrolled.
#[must_use]
pub fn most_scroll(model: &Model) -> usize {
    let Some((_, track)) = model.incident() else {
        return 0;
    };
    let height = parts(model, model.areas().body).axis.height;
    let rows = track.hit.len() + track.replacements.len() + 4;
    rows.saturating_sub(usize::from(height.saturating_sub(3)))
}

/// The list's rows, and the figures below them if there is room.
fn list_and_figures(inner: Rect) -> (Rect, Rect) {
    let mut rest = inner;
    let figures = if inner.height >= 24 { 17 } else { 0 };
    let figures = take_bottom(&mut rest, figures);
    (rest, figures)
}

/// An area without its first and last column.
const fn narrow(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        width: area.width.saturating_sub(2),
        ..area
    }
}

/// A time that something took: milliseconds where it was short, tenths of a second else.
#[must_use]
pub fn took(time: Duration) -> String {
    match time.as_millis() {
        0 => "0ms".to_owned(),
        millis @ 1..1000 => format!("{millis}ms"),
        _ if time.as_secs() < 600 => format!("{:.1}s", time.as_secs_f64()),
        _ => crate::tui::text::age(time),
    }
}

/// A target without its namespace.
fn target(incident: &Incident) -> String {
    match &incident.target {
        Target::Node(name) => name.to_string(),
        Target::Pod(key) => format!("pod {}", key.name),
    }
}

/// How long an incident has lasted, or did last.
fn lasted(model: &Model, incident: &Incident) -> Duration {
    incident
        .recovered
        .unwrap_or_else(|| model.now())
        .since(incident.at)
}

/// Draws the view.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    if model.snapshot.store.incidents.is_empty() {
        quiet(pen, area);
        return;
    }
    let parts = parts(model, area);
    let boxed = model.class() >= Class::Full;
    match boxed {
        true => list(model, pen, parts.list),
        false => list_rows(model, pen, parts.list, 1),
    }
    let Some((incident, track)) = model.incident() else {
        return;
    };
    let mut inner = parts.head;
    if boxed {
        let glyphs = pen.glyphs.plain;
        pen.frame(parts.head, glyphs, Meaning::Border);
        let title = format!(
            "#{} {} {}",
            incident.id,
            target(incident),
            verb(incident.fault)
        );
        let at = vec![span(incident.at.to_string(), Meaning::Dim)];
        pen.title(parts.head, &[span(title, Meaning::Title)], &[at]);
        inner = inside(parts.head);
    }
    let inner = narrow(inner);
    let lines = summary(model, incident, track, inner.width);
    let skip = usize::from(boxed);
    super::draw_lines(pen, inner, lines.get(skip..).unwrap_or_default());
    axis(model, pen, parts.axis, incident, track);
    steps(model, pen, parts.steps, incident, track);
}

fn quiet(pen: &mut Pen<'_>, area: Rect) {
    let key = Action::Faults.key();
    let lines = [
        "nothing has been broken yet".to_owned(),
        format!("{key} breaks the selected node or pod; here is then told, step by step,"),
        "when it is noticed, when its pods are evicted and replaced, and what that waits for"
            .to_owned(),
    ];
    for (line, y) in lines
        .iter()
        .zip((area.y + 1).min(area.bottom())..area.bottom())
    {
        pen.text(
            area.x + 2,
            y,
            area.width.saturating_sub(3),
            line,
            Meaning::Dim,
        );
    }
}

fn list(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let glyphs = pen.glyphs.plain;
    let focus = if model.recovery.inside {
        Meaning::Border
    } else {
        Meaning::Focus
    };
    pen.frame(area, glyphs, focus);
    let right = match model.recovery.list.text.as_str() {
        "" => "newest first".to_owned(),
        text => {
            let all = model.snapshot.store.incidents.len();
            format!("/{text}: {} of {all}", model.tracks.rows().len())
        }
    };
    pen.title(
        area,
        &[span("Incidents", Meaning::Title)],
        &[vec![span(right, Meaning::Dim)]],
    );
    let (rows, figures) = list_and_figures(inside(area));
    list_rows(model, pen, rows, 2);
    if !figures.is_empty() {
        figures_of(model, pen, narrow(figures));
    }
}

fn list_rows(model: &Model, pen: &mut Pen<'_>, area: Rect, each: u16) {
    let list = &model.recovery.list;
    let height = usize::from(area.height / each);
    let mut y = area.y;
    for id in list.window(model.tracks.rows(), height) {
        let store = &model.snapshot.store;
        let Some(incident) = crate::tui::recovery::incident(store, id) else {
            continue;
        };
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        let here = id == list.cursor;
        if here {
            pen.text(row.x, y, 1, pen.glyphs.cursor, Meaning::Focus);
        }
        let line = narrow(row);
        let (text, tone) = state(model, pen, incident);
        let outcome = width(&text).min(line.width / 2);
        pen.right(
            line.right().saturating_sub(outcome),
            y,
            outcome,
            &text,
            tone,
        );
        let name = format!("#{id} {} {}", target(incident), verb(incident.fault));
        let room = line.width.saturating_sub(outcome + 1);
        pen.text(line.x, y, room, &name, Meaning::Text);
        if here {
            pen.restyle(line, Meaning::Selection);
        }
        if each > 1 {
            let pods = match incident.pods.len() {
                1 => "1 pod".to_owned(),
                many => format!("{many} pods"),
            };
            let more = format!("   {}  {pods}", incident.at);
            pen.text(line.x, y + 1, line.width, &more, Meaning::Dim);
        }
        y += each;
    }
}

/// Whether an incident is over, and how long it took.
fn state(model: &Model, pen: &Pen<'_>, incident: &Incident) -> (String, Meaning) {
    let time = took(lasted(model, incident));
    match incident.recovered {
        Some(_) => (
            format!("{} {time}", pen.glyphs.recovered),
            Meaning::Recovered,
        ),
        None => (format!("{} {time}", pen.glyphs.starting), Meaning::Incident),
    }
}

/// The story in a few lines: what happened when, the two outages, and what recovery waits for.
#[must_use]
pub fn summary(model: &Model, incident: &Incident, track: &Track, columns: u16) -> Vec<Line> {
    let mut lines = Lines::new(columns);
    lines.raw(
        format!(
            "#{} {} {} at {}",
            incident.id,
            target(incident),
            verb(incident.fault),
            incident.at
        ),
        Meaning::Title,
    );
    let capacity = took(lasted(model, incident));
    let so_far = if incident.recovered.is_some() {
        ""
    } else {
        " so far"
    };
    let listed = track.hit.iter().filter(|hit| hit.listed).count();
    let endpoints = match (listed, track.endpoints_out(), track.dead_listed()) {
        (0, ..) => "no Service listed its pods".to_owned(),
        (_, Some(out), _) => format!("dead endpoints listed for {}", took(out.since(incident.at))),
        (_, None, 0) => "no endpoint had to be taken out".to_owned(),
        (_, None, dead) => {
            let so_far = took(model.now().since(incident.at));
            format!("{dead} dead endpoints still listed, {so_far} so far")
        }
    };
    lines.raw(
        format!("capacity missing for {capacity}{so_far} · {endpoints}"),
        Meaning::Strong,
    );
    let tone = if incident.recovered.is_some() {
        Meaning::Recovered
    } else {
        Meaning::Incident
    };
    lines.raw(waits(model, incident), tone);
    if columns < 78 {
        return lines.done();
    }
    lines.wide(&chain(incident, track), Meaning::Dim);
    lines.done()
}

/// What recovery waits for now, or that it is over.
fn waits(model: &Model, incident: &Incident) -> String {
    if let Some(at) = incident.recovered {
        let healed = match (incident.healed, incident.fault) {
            (Some(_), _) | (None, Fault::Reboot) => String::new(),
            (None, _) => match incident.target {
                Target::Node(_) => " · the node is not healed".to_owned(),
                Target::Pod(_) => String::new(),
            },
        };
        return format!(
            "recovered at {at}, after {}{healed}",
            took(at.since(incident.at))
        );
    }
    let mut text = format!("waiting for {}", incident.waiting_for);
    if incident.waiting_for.is_empty() {
        "just happened".clone_into(&mut text);
    }
    match incident.waiting_until {
        Some(until) if until > model.now() => {
            format!("{text}, {} left", count_down(until.since(model.now())))
        }
        _ => text,
    }
}

/// The steps that were taken, with their times after the fault.
fn chain(incident: &Incident, track: &Track) -> String {
    let mut text = format!("fault {}", incident.at);
    for step in Step::ALL {
        if let Some(at) = step.at(incident, track) {
            let word = step.name().rsplit("→ ").next().unwrap_or_default();
            text.push_str(&format!(" → {word} +{}", took(at.since(incident.at))));
        }
    }
    text
}

/// The axis of an incident: from the fault to its end, or to where it is expected to end.
struct Axis {
    from: Time,
    span: Duration,
    columns: u16,
}

impl Axis {
    fn new(model: &Model, incident: &Incident, columns: u16) -> Self {
        let lasted = lasted(model, incident);
        let timing = &model.snapshot.config.timing;
        let expected = Step::ALL
            .iter()
            .filter_map(|step| step.expected(incident, timing))
            .map(|(_, most)| most)
            .sum::<Duration>();
        let wanted = match incident.recovered {
            Some(_) => lasted.mul_f64(1.06),
            None => lasted.mul_f64(1.1).max(expected.mul_f64(1.1)),
        };
        Self {
            from: incident.at,
            span: wanted.max(Duration::from_secs(1)),
            columns,
        }
    }

    /// The column of a time.
    fn column(&self, at: Time) -> u16 {
        let part = at.since(self.from).as_secs_f64() / self.span.as_secs_f64();
        let column = (part * f64::from(self.columns)).clamp(0.0, f64::from(self.columns));
        // In range: it was clamped to the columns.
        column as u16
    }

    /// Seconds between two marks: so that a mark has at least nine columns.
    fn tick(&self) -> u64 {
        let seconds = self.span.as_secs_f64();
        let marks = f64::from(self.columns / 9).max(1.0);
        let steps: [u32; 13] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200];
        let found = steps
            .into_iter()
            .find(|step| seconds / f64::from(*step) <= marks);
        found.map_or(36_000, u64::from)
    }
}

fn axis(model: &Model, pen: &mut Pen<'_>, area: Rect, incident: &Incident, track: &Track) {
    if area.height < 4 || area.width < NAMES + 20 {
        return;
    }
    let glyphs = pen.glyphs.plain;
    let focus = if model.recovery.inside {
        Meaning::Focus
    } else {
        Meaning::Border
    };
    pen.frame(area, glyphs, focus);
    let g = *pen.glyphs;
    let legend = format!(
        "{} not noticed {} noticed {} asked to go {} made {} starting {} ready",
        g.empty, g.half, g.terminating, g.pending, g.starting, g.full
    );
    let short = format!(
        "{} unnoticed {} noticed {} starting {} ready",
        g.empty, g.half, g.starting, g.full
    );
    pen.title(
        area,
        &[span("Timeline", Meaning::Title)],
        &[
            vec![span(legend, Meaning::Dim)],
            vec![span(short, Meaning::Dim)],
        ],
    );
    let mut rest = narrow(inside(area));
    let line = take_top(&mut rest, 1);
    let axis = Axis::new(model, incident, rest.width.saturating_sub(NAMES));
    ticks(pen, line, &axis);
    let now = incident.recovered.unwrap_or_else(|| model.now());
    let mut rows: Vec<Row<'_>> = vec![Row::Node, Row::Endpoints, Row::Capacity];
    rows.extend(track.hit.iter().map(Row::Hit));
    rows.extend(track.replacements.iter().map(Row::Replacement));
    let height = usize::from(rest.height);
    let first = model.recovery.scroll.min(rows.len().saturating_sub(height));
    for (row, y) in rows.iter().skip(first).zip(rest.y..rest.bottom()) {
        let place = Rect {
            y,
            height: 1,
            ..rest
        };
        row.draw(pen, place, &axis, incident, track, now);
    }
    if rows.len() > height {
        let text = format!(
            " {} to {} of {} ",
            first + 1,
            (first + height).min(rows.len()),
            rows.len()
        );
        pen.right(
            area.x,
            area.bottom() - 1,
            area.width.saturating_sub(2),
            &text,
            Meaning::Dim,
        );
    }
}

fn ticks(pen: &mut Pen<'_>, line: Rect, axis: &Axis) {
    let tick = axis.tick();
    let mut seconds = 0;
    loop {
        let column = axis.column(axis.from + Duration::from_secs(seconds));
        let label = match seconds {
            0 => "fault".to_owned(),
            _ if tick >= 60 => format!("+{}m", seconds / 60),
            _ => format!("+{seconds}s"),
        };
        if column + width(&label) > axis.columns {
            return;
        }
        pen.text(line.x + NAMES + column, line.y, 8, &label, Meaning::Dim);
        seconds += tick;
    }
}

/// A row beside the axis.
enum Row<'t> {
    /// The target itself.
    Node,
    /// Dead endpoints that are still listed.
    Endpoints,
    /// How many of the pods that were hit have a ready successor.
    Capacity,
    Hit(&'t Hit),
    Replacement(&'t Replacement),
}

impl Row<'_> {
    fn draw(
        &self,
        pen: &mut Pen<'_>,
        row: Rect,
        axis: &Axis,
        incident: &Incident,
        track: &Track,
        now: Time,
    ) {
        let (empty, half, full) = (pen.glyphs.empty, pen.glyphs.half, pen.glyphs.full);
        let (leaving, waiting, starting) = (
            pen.glyphs.terminating,
            pen.glyphs.pending,
            pen.glyphs.starting,
        );
        let name = match self {
            Self::Node => target(incident),
            Self::Endpoints => "dead endpoints".to_owned(),
            Self::Capacity => "ready again".to_owned(),
            Self::Hit(hit) => hit.key.name.to_string(),
            Self::Replacement(pod) => format!("+ {}", pod.key.name),
        };
        let tone = match self {
            Self::Hit(_) | Self::Replacement(_) => Meaning::Text,
            _ => Meaning::Strong,
        };
        pen.text(row.x, row.y, NAMES - 2, &short_pod(&name, NAMES - 2), tone);
        let mut pieces = Pieces {
            pen,
            row,
            axis,
            from: incident.at,
        };
        let at = |step: Step| step.at(incident, track);
        match self {
            Self::Node => {
                let noticed = at(Step::Noticed);
                pieces.until(noticed, now, empty, Meaning::Truth);
                pieces.until(
                    at(Step::Evicted).or(incident.recovered),
                    now,
                    half,
                    Meaning::NodeNotReady,
                );
            }
            Self::Endpoints => {
                if track.hit.iter().any(|hit| hit.listed) {
                    pieces.until(track.endpoints_out(), now, full, Meaning::Incident);
                }
            }
            Self::Capacity => pieces.levels(track, now),
            Self::Hit(hit) => {
                pieces.until(hit.noticed.or(hit.evicted), now, empty, Meaning::Truth);
                let back = hit
                    .ready
                    .filter(|ready| hit.evicted.is_none_or(|evicted| *ready < evicted));
                pieces.until(back.or(hit.evicted), now, half, Meaning::NodeNotReady);
                match back {
                    Some(_) => pieces.until(None, now, full, Meaning::PodReady),
                    None => pieces.until(hit.gone, now, leaving, Meaning::PodTerminating),
                }
            }
            Self::Replacement(pod) => {
                pieces.from = pod.made;
                let scheduled = pod.scheduled.as_ref().map(|(at, _)| *at);
                pieces.until(scheduled, now, waiting, Meaning::PodPending);
                pieces.until(pod.ready, now, starting, Meaning::PodStarting);
                pieces.until(None, now, full, Meaning::PodReady);
            }
        }
    }
}

/// A pod's name without the template's hash, where there is no room for it.
fn short_pod(name: &str, columns: u16) -> String {
    if width(name) <= columns {
        return name.to_owned();
    }
    let mut parts: Vec<&str> = name.split('-').collect();
    if parts.len() > 2 {
        parts.remove(parts.len() - 2);
    }
    parts.join("-")
}

/// Draws one piece after the other along the axis.
struct Pieces<'p, 'a, 'x> {
    pen: &'p mut Pen<'a>,
    row: Rect,
    axis: &'x Axis,
    /// Where the next piece begins.
    from: Time,
}

impl Pieces<'_, '_, '_> {
    /// A piece up to a time, or up to now if that has not come; at least one cell, so that what was short is seen.
    fn until(&mut self, end: Option<Time>, now: Time, glyph: &str, meaning: Meaning) {
        if self.from > now {
            return;
        }
        let end_time = end.unwrap_or(now).min(now).max(self.from);
        let start = self.axis.column(self.from);
        let cells = self.axis.column(end_time).saturating_sub(start).max(1);
        let cells = cells.min(self.axis.columns.saturating_sub(start));
        let text = glyph.repeat(usize::from(cells));
        let x = self.row.x + NAMES + start;
        self.pen.text(x, self.row.y, cells, &text, meaning);
        // Past now nothing follows.
        self.from = match end {
            Some(end) => end.max(self.from),
            None => Time::MAX,
        };
    }

    /// For each column the share of the pods that were hit which is ready again.
    fn levels(&mut self, track: &Track, now: Time) {
        let hit = track.hit.len();
        if hit == 0 {
            return;
        }
        let mut back: Vec<Time> = track
            .replacements
            .iter()
            .filter_map(|pod| pod.ready)
            .collect();
        back.extend(track.hit.iter().filter_map(|hit| hit.ready));
        let levels = self.pen.glyphs.levels;
        let end = self.axis.column(now);
        for column in 0..=end.min(self.axis.columns.saturating_sub(1)) {
            let until = self
                .axis
                .span
                .mul_f64(f64::from(column + 1) / f64::from(self.axis.columns.max(1)));
            let at = (self.axis.from + until).min(now);
            let ready = back.iter().filter(|time| **time <= at).count().min(hit);
            let level = ready * (levels.len() - 1) / hit;
            let meaning = if ready == hit {
                Meaning::PodReady
            } else {
                Meaning::PodStarting
            };
            let x = self.row.x + NAMES + column;
            let glyph = levels.get(level).copied().unwrap_or(" ");
            self.pen.text(x, self.row.y, 1, glyph, meaning);
        }
    }
}

/// The columns of the table of steps: name, this, median, expected.
fn steps(model: &Model, pen: &mut Pen<'_>, area: Rect, incident: &Incident, track: &Track) {
    if area.height < 4 {
        return;
    }
    let mut rest = narrow(area);
    if model.class() >= Class::Full {
        let glyphs = pen.glyphs.plain;
        pen.frame(area, glyphs, Meaning::Border);
        let preset = model.snapshot.config.preset.as_str();
        let note = vec![
            span(Action::TimingTable.key(), Meaning::Key),
            span(format!(" timing: {preset}"), Meaning::Dim),
        ];
        pen.title(area, &[span("Steps", Meaning::Title)], &[note]);
        rest = narrow(inside(area));
    }
    let heading = take_top(&mut rest, 1);
    columns(
        pen,
        heading,
        ["STEP", "THIS", "MEDIAN", "EXPECTED", "DIFFERENCE"],
        [Meaning::Dim; 5],
    );
    let mut y = rest.y;
    for step in Step::ALL {
        if y >= rest.bottom() {
            return;
        }
        let line = Rect {
            y,
            height: 1,
            ..rest
        };
        step_row(model, pen, line, step, incident, track);
        y += 1;
    }
    if y < rest.bottom() {
        let total = took(lasted(model, incident));
        let more = if incident.recovered.is_some() {
            ""
        } else {
            "…"
        };
        let known = median(recovered(model)).map_or("—".to_owned(), took);
        columns(
            pen,
            Rect {
                y,
                height: 1,
                ..rest
            },
            [
                "fault → recovered",
                &format!("{total}{more}"),
                &known,
                "",
                "",
            ],
            [Meaning::Strong; 5],
        );
    }
}

fn step_row(
    model: &Model,
    pen: &mut Pen<'_>,
    line: Rect,
    step: Step,
    incident: &Incident,
    track: &Track,
) {
    let dash = || "—".to_owned();
    let measured = step.took(incident, track);
    let expected = step.expected(incident, &model.snapshot.config.timing);
    let this = measured.map_or_else(dash, took);
    let middle = median(measurements(model, step)).map_or_else(dash, took);
    let should = expected.map_or_else(dash, |(least, most)| {
        format!("{} to {}", took(least), took(most))
    });
    let (difference, tone) = match (measured, expected) {
        (Some(measured), Some((least, most))) => match () {
            () if measured < least => (
                format!("−{}", took(least - measured)),
                Meaning::EventWarning,
            ),
            () if measured > most => (format!("+{}", took(measured - most)), Meaning::EventWarning),
            () => ("as expected".to_owned(), Meaning::Recovered),
        },
        _ => (String::new(), Meaning::Dim),
    };
    columns(
        pen,
        line,
        [step.name(), &this, &middle, &should, &difference],
        [
            Meaning::Text,
            Meaning::Strong,
            Meaning::Text,
            Meaning::Text,
            tone,
        ],
    );
}

fn columns(pen: &mut Pen<'_>, line: Rect, texts: [&str; 5], tones: [Meaning; 5]) {
    let [name, this, median, expected, difference] = texts;
    pen.text(line.x, line.y, 24.min(line.width), name, tones[0]);
    let mut x = line.x + 24;
    for (text, columns, tone) in [
        (this, 9, tones[1]),
        (median, 9, tones[2]),
        (expected, 18, tones[3]),
        (difference, 14, tones[4]),
    ] {
        if x + columns <= line.right() {
            pen.right(x, line.y, columns, text, tone);
        }
        x += columns;
    }
}

/// What a step took in the last incidents like the selected one.
fn measurements(model: &Model, step: Step) -> Vec<Duration> {
    let incidents = model.snapshot.store.incidents.iter().rev().take(RECENT);
    incidents
        .filter_map(|incident| step.took(incident, model.tracks.get(incident.id)?))
        .collect()
}

/// How long the last incidents took that are over.
fn recovered(model: &Model) -> Vec<Duration> {
    let incidents = model.snapshot.store.incidents.iter().rev().take(RECENT);
    incidents
        .filter_map(|incident| Some(incident.recovered?.since(incident.at)))
        .collect()
}

/// Below the list: medians, and the constants that matter most.
fn figures_of(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let over = recovered(model);
    let title = format!("Medians, {} recovered", over.len());
    let mut y = area.y + 1;
    pen.text(area.x, y, area.width, &title, Meaning::Title);
    for step in Step::ALL {
        y += 1;
        let text = median(measurements(model, step)).map_or("—".to_owned(), took);
        pen.text(area.x + 1, y, area.width, step.name(), Meaning::Text);
        pen.right(area.x, y, area.width, &text, Meaning::Strong);
    }
    y += 2;
    let timing = &model.snapshot.config.timing;
    let title = format!("Timing: {}", model.snapshot.config.preset.as_str());
    pen.text(area.x, y, area.width, &title, Meaning::Title);
    for (name, value) in [
        ("lease renewal", timing.lease_renew_ms),
        ("grace period", timing.node_monitor_grace_ms),
        ("toleration", timing.default_toleration_ms),
    ] {
        y += 1;
        pen.text(area.x + 1, y, area.width, name, Meaning::Text);
        pen.right(
            area.x,
            y,
            area.width,
            &took(Timing::ms(value)),
            Meaning::Strong,
        );
    }
}

/// The table of timing constants, as a page.
#[must_use]
pub fn timing(model: &Model, columns: u16) -> Vec<Line> {
    let mut lines = Lines::new(columns);
    let config = &model.snapshot.config;
    let text = format!(
        "This run uses the preset {:?}. The rules are the same in both; only the times differ.",
        config.preset.as_str()
    );
    lines.wide(&text, Meaning::Text);
    lines.raw("", Meaning::Text);
    let room = usize::from(columns.saturating_sub(31)).clamp(16, 46);
    let row = |name: &str, this: &str, kubernetes: &str, fast: &str| {
        let columns = u16::try_from(room).unwrap_or(u16::MAX);
        let name = crate::tui::text::fit(name, columns, "…");
        format!("{name:<room$} {this:>9} {kubernetes:>11} {fast:>8}")
    };
    lines.raw(row("", "this run", "kubernetes", "fast"), Meaning::Dim);
    for (key, kubernetes, fast, what) in Timing::TABLE {
        let this = config.timing.get(key).unwrap_or_default();
        let show = |value: u64| match key.ends_with("_ms") {
            true => took(Timing::ms(value)),
            false => value.to_string(),
        };
        let tone = if this == *kubernetes || this == *fast {
            Meaning::Text
        } else {
            Meaning::EventWarning
        };
        lines.raw(
            row(what, &show(this), &show(*kubernetes), &show(*fast)),
            tone,
        );
    }
    lines.raw("", Meaning::Text);
    let text = "A topology can set each of them by its key: timing_overrides = { node_monitor_grace_ms = \"20s\" }.";
    lines.wide(text, Meaning::Dim);
    lines.done()
}
