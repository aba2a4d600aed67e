//! The Decisions view: what the scheduler decided, and for one decision every node and plugin.

use ratatui::layout::{Position, Rect};

use crate::{
    store::{
        Decision,
        decision::{NodeScore, Verdict},
    },
    tui::{
        explain::{self, Filters},
        layout::{Class, inside, take_bottom, take_left, take_top},
        lines::Line,
        model::{Model, Scores},
        pod_state::short_name,
        text::width,
        theme::Meaning,
        widget::{
            Pen,
            pen::{Span, span},
        },
    },
};

/// Of so many decisions the list's figures are made.
const RECENT: usize = 100;

/// The parts of the view. A part for which there is no room is empty.
struct Parts {
    list: Rect,
    head: Rect,
    why: Rect,
    filter: Rect,
    score: Rect,
}

fn parts(model: &Model, area: Rect) -> Parts {
    let mut rest = area;
    let empty = Rect {
        width: 0,
        height: 0,
        ..area
    };
    let mut parts = Parts {
        list: area,
        head: empty,
        why: empty,
        filter: empty,
        score: empty,
    };
    match model.class() {
        Class::Tiny | Class::Line | Class::List => {
            parts.why = take_bottom(&mut rest, area.height / 2);
            parts.list = rest;
            return parts;
        }
        Class::Compact => {
            parts.list = empty;
            parts.head = take_top(&mut rest, 1);
        }
        Class::Full => parts.list = take_left(&mut rest, 40),
        Class::Wide => parts.list = take_left(&mut rest, 52),
    }
    let Some(decision) = model.decision() else {
        parts.why = rest;
        return parts;
    };
    let boxed = model.class() >= Class::Full;
    let columns = rest.width.saturating_sub(if boxed { 4 } else { 2 });
    let lines = explain::why(decision, columns).len() + if boxed { 3 } else { 0 };
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let table = decision
        .nodes
        .min(decision.rejections.len() + decision.scores.len() + 1);
    let filter = rows(table + 3);
    let score = match decision.scores.len() {
        0 => 0,
        nodes => rows(nodes * 2 + 4),
    };
    // The words first, then both tables, each at least a few rows.
    let least = if score > 0 { 12 } else { 6 };
    let most = rest.height.saturating_sub(least).max(rest.height / 4);
    parts.why = take_top(&mut rest, rows(lines).min(most));
    let wanted_score = score.min(rest.height.saturating_sub(filter).max(rest.height / 2));
    parts.score = take_bottom(&mut rest, wanted_score);
    parts.filter = rest;
    parts
}

/// How many decisions the list shows.
#[must_use]
pub fn rows(model: &Model) -> usize {
    let list = parts(model, model.areas().body).list;
    if model.class() <= Class::List {
        return usize::from(list.height).max(1);
    }
    usize::from(list_and_figures(inside(list)).0.height).max(1)
}

/// The decision whose row is at a place of the screen.
#[must_use]
pub fn at(model: &Model, place: Position) -> Option<u64> {
    let list = parts(model, model.areas().body).list;
    let rows = match model.class() {
        Class::Tiny | Class::Line | Class::List => list,
        _ => list_and_figures(inside(list)).0,
    };
    model.decisions.list.at(model.book.rows(), rows, 1, place)
}

/// How far the tables can be scrolled.
#[must_use]
pub fn most_scroll(model: &Model) -> usize {
    let Some(decision) = model.decision() else {
        return 0;
    };
    let parts = parts(model, model.areas().body);
    let filter = usize::from(parts.filter.height).saturating_sub(3);
    let table = decision.rejections.len() + decision.scores.len().max(1);
    let score = usize::from(parts.score.height).saturating_sub(3);
    let over = table.saturating_sub(filter);
    over.max(decision.scores.len().saturating_sub(score))
}

/// Draws the view.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let parts = parts(model, area);
    if model.snapshot.store.decisions.is_empty() {
        let text = "the scheduler has decided nothing yet";
        pen.text(
            area.x + 2,
            area.y + 1,
            area.width.saturating_sub(3),
            text,
            Meaning::Dim,
        );
        return;
    }
    if model.class() <= Class::List {
        list_rows(model, pen, parts.list);
    } else {
        list(model, pen, parts.list);
    }
    let Some(decision) = model.decision() else {
        return;
    };
    match model.class() {
        Class::Tiny | Class::Line | Class::List => {
            let lines = explain::why(decision, parts.why.width.saturating_sub(2));
            super::draw_lines(pen, narrow(parts.why), &lines);
        }
        Class::Compact => {
            head(model, pen, parts.head, decision);
            let lines = explain::why(decision, parts.why.width.saturating_sub(2));
            super::draw_lines(pen, narrow(parts.why), &lines);
        }
        Class::Full | Class::Wide => why(model, pen, parts.why, decision),
    }
    filter(model, pen, parts.filter, decision);
    score(model, pen, parts.score, decision);
}

/// An area without its first and last column.
const fn narrow(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        width: area.width.saturating_sub(2),
        ..area
    }
}

fn border(model: &Model, inside: bool) -> Meaning {
    if model.decisions.inside == inside && model.class() >= Class::Compact {
        Meaning::Focus
    } else {
        Meaning::Border
    }
}

/// The list's rows, and the figures below them if there is room.
fn list_and_figures(inner: Rect) -> (Rect, Rect) {
    let mut rest = inner;
    let figures = if inner.height >= 24 { 14 } else { 0 };
    let figures = take_bottom(&mut rest, figures);
    (rest, figures)
}

fn list(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let glyphs = pen.glyphs.plain;
    pen.frame(area, glyphs, border(model, false));
    let shown = model.book.rows().len();
    let all = model.snapshot.store.decisions.len();
    let right = match model.decisions.list.text.as_str() {
        "" => format!("{all}, newest first"),
        text => format!("/{text}: {shown} of {all}"),
    };
    pen.title(
        area,
        &[span("Decisions", Meaning::Title)],
        &[vec![span(right, Meaning::Dim)]],
    );
    let (rows, figures) = list_and_figures(inside(area));
    list_rows(model, pen, rows);
    if !figures.is_empty() {
        recent(model, pen, narrow(figures));
    }
}

fn list_rows(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let list = &model.decisions.list;
    let window = list.window(model.book.rows(), usize::from(area.height));
    let mut y = area.y;
    for number in window {
        let Some(decision) = crate::tui::book::decision(&model.snapshot.store, number) else {
            continue;
        };
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        list_row(model, pen, row, decision, number == list.cursor);
        y += 1;
    }
    if y == area.y && area.height > 0 {
        let text = "no decision contains that";
        pen.text(
            area.x + 1,
            area.y,
            area.width.saturating_sub(2),
            text,
            Meaning::Dim,
        );
    }
}

/// The glyph and the words of a decision's outcome.
fn mark<'d>(pen: &Pen<'_>, decision: &'d Decision) -> (&'static str, std::borrow::Cow<'d, str>) {
    match &decision.verdict {
        Verdict::Bound { node } => (pen.glyphs.completed, (&**node).into()),
        Verdict::Unschedulable => (
            pen.glyphs.failed,
            format!("try {}", decision.attempt).into(),
        ),
        Verdict::Error { .. } => (pen.glyphs.failed, "error".into()),
    }
}

fn list_row(model: &Model, pen: &mut Pen<'_>, row: Rect, decision: &Decision, here: bool) {
    if here {
        pen.text(row.x, row.y, 1, pen.glyphs.cursor, Meaning::Focus);
    }
    let line = narrow(row);
    let (glyph, node) = mark(pen, decision);
    let tone = explain::meaning(decision);
    let at = decision.at.to_string();
    let mut x = line.x;
    x += pen.text(x, line.y, line.width, &at, Meaning::Dim).max(7) + 1;
    x += pen.text(x, line.y, 2, glyph, tone) + 1;
    let room = line.right().saturating_sub(x);
    let outcome = width(&node).min(room / 2);
    pen.right(x + room - outcome, line.y, outcome, &node, tone);
    let left = room.saturating_sub(outcome + 1);
    let name = pod_name(model, decision, left);
    pen.text(x, line.y, left, &name, Meaning::Text);
    if here {
        pen.restyle(line, Meaning::Selection);
    }
}

fn pod_name(model: &Model, decision: &Decision, room: u16) -> String {
    match model.pod(&decision.pod) {
        Some(pod) => short_name(pod, usize::from(room)),
        None => decision.pod.name.to_string(),
    }
}

/// What refused nodes and where pods went, of the last decisions.
fn recent(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let decisions = &model.snapshot.store.decisions;
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    let mut nodes: Vec<(&str, usize)> = Vec::new();
    for decision in decisions.iter().rev().take(RECENT) {
        for (reason, count) in &decision.histogram {
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, sum)) => *sum += count,
                None => reasons.push((reason, *count)),
            }
        }
        if let Verdict::Bound { node } = &decision.verdict {
            match nodes.iter_mut().find(|(known, _)| **known == **node) {
                Some((_, sum)) => *sum += 1,
                None => nodes.push((node, 1)),
            }
        }
    }
    let of = decisions.len().min(RECENT);
    let mut y = area.y + 1;
    for (title, mut rows) in [
        (format!("Refused nodes, last {of} decisions"), reasons),
        (format!("Placed, last {of} decisions"), nodes),
    ] {
        rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        pen.text(area.x, y, area.width, &title, Meaning::Title);
        y += 1;
        let most = rows.first().map_or(1, |(_, count)| *count).max(1);
        for (what, count) in rows.iter().take(5) {
            bar(
                pen,
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                what,
                *count,
                most,
            );
            y += 1;
        }
        if rows.is_empty() {
            pen.text(area.x, y, area.width, "none", Meaning::Dim);
            y += 1;
        }
        y += 1;
    }
}

/// A name, a bar and a number.
fn bar(pen: &mut Pen<'_>, row: Rect, what: &str, count: usize, most: usize) {
    let label = row.width * 3 / 5;
    pen.text(row.x, row.y, label, what, Meaning::Text);
    let room = usize::from(row.width.saturating_sub(label + 6));
    let cells = (count * room).div_ceil(most).min(room);
    let full = pen.glyphs.full.repeat(cells);
    pen.text(row.x + label + 1, row.y, row.width, &full, Meaning::Gauge);
    pen.right(row.x, row.y, row.width, &count.to_string(), Meaning::Dim);
}

/// The decision in one line, where there is no list beside it.
fn head(model: &Model, pen: &mut Pen<'_>, area: Rect, decision: &Decision) {
    let rows = model.book.rows();
    let place = rows.range(decision.number..).count();
    let text = model.decisions.list.text.as_str();
    let filter = if text.is_empty() {
        String::new()
    } else {
        format!("/{text}  ")
    };
    let right = format!("{filter}{place} of {}", rows.len());
    let used = pen.right(
        area.x + 1,
        area.y,
        area.width.saturating_sub(2),
        &right,
        Meaning::Dim,
    );
    let room = area.width.saturating_sub(used + 4);
    pen.spans(area.x + 1, area.y, room, &title(pen, decision));
}

/// Number, pod and outcome.
fn title<'d>(pen: &Pen<'_>, decision: &'d Decision) -> Vec<Span<'d>> {
    let tone = explain::meaning(decision);
    let arrow = pen.glyphs.arrow;
    let outcome = match &decision.verdict {
        Verdict::Bound { node } => format!(" {arrow} {node}"),
        Verdict::Unschedulable => format!(" {arrow} nowhere"),
        Verdict::Error { .. } => " failed".to_owned(),
    };
    vec![
        span(format!("{} ", decision.number), Meaning::Dim),
        span(&*decision.pod.name, Meaning::Title),
        span(outcome, tone),
    ]
}

fn why(model: &Model, pen: &mut Pen<'_>, area: Rect, decision: &Decision) {
    let glyphs = pen.glyphs.plain;
    pen.frame(area, glyphs, Meaning::Border);
    let at = format!("{} · try {}", decision.at, decision.attempt);
    let left = title(pen, decision);
    pen.title(area, &left, &[vec![span(at, Meaning::Dim)]]);
    let mut inner = narrow(inside(area));
    let first = take_top(&mut inner, 1);
    pen.text(
        first.x,
        first.y,
        first.width,
        &asks(model, decision),
        Meaning::Dim,
    );
    let lines: Vec<Line> = explain::why(decision, inner.width);
    super::draw_lines(pen, inner, &lines);
}

/// What the pod asks for, and how many nodes were left after each step.
fn asks(model: &Model, decision: &Decision) -> String {
    let pod = model
        .pod(&decision.pod)
        .filter(|pod| pod.meta.uid == decision.uid);
    let requests = pod.map_or_else(
        || "the pod is gone".to_owned(),
        |pod| {
            let (cpu, memory) = super::cluster::requests(pod);
            let priority = pod.spec.priority.unwrap_or(0);
            format!(
                "requests cpu {} mem {} · priority {priority}",
                cpu.as_cpu(),
                memory.as_bytes()
            )
        },
    );
    let scored = match decision.scores.len() {
        0 => "not scored".to_owned(),
        _ => format!("score {}", decision.feasible),
    };
    format!(
        "{requests} · filter {} → {} · {scored}",
        decision.nodes, decision.feasible
    )
}

fn filter(model: &Model, pen: &mut Pen<'_>, area: Rect, decision: &Decision) {
    if area.height < 4 {
        return;
    }
    let glyphs = pen.glyphs.plain;
    pen.frame(area, glyphs, border(model, true));
    let table = Filters::read(decision, model.pod(&decision.pod));
    let note = format!("the first {} ends it for a node", pen.glyphs.failed);
    pen.title(
        area,
        &[span("Filter", Meaning::Title)],
        &[vec![span(note, Meaning::Dim)]],
    );
    let mut rest = narrow(inside(area));
    let heading = take_top(&mut rest, 1);
    let name = node_column(table.rows.iter().map(|row| &*row.node));
    let cell: u16 = if rest.width > 90 { 10 } else { 9 };
    pen.text(heading.x, heading.y, name, "NODE", Meaning::Dim);
    let mut x = heading.x + name + 1;
    // At least so much is left for the reasons.
    let most = rest.right().saturating_sub(24);
    let columns: Vec<_> = table
        .plugins
        .iter()
        .map(|plugin| {
            let here = x;
            let fits = x + cell <= most;
            x += if fits { cell } else { 0 };
            fits.then_some((here, *plugin))
        })
        .collect();
    for (at, plugin) in columns.iter().flatten() {
        pen.text(
            *at,
            heading.y,
            cell - 1,
            explain::short(plugin),
            Meaning::Dim,
        );
    }
    pen.text(
        x,
        heading.y,
        heading.right().saturating_sub(x),
        "RESULT",
        Meaning::Dim,
    );
    let height = usize::from(rest.height);
    let all = table.rows.len() + usize::from(table.missing > 0);
    let first = model.decisions.scroll.min(all.saturating_sub(height));
    let (passed, failed, skipped) = (pen.glyphs.completed, pen.glyphs.failed, pen.glyphs.dot);
    for (row, y) in table.rows.iter().skip(first).zip(rest.y..rest.bottom()) {
        let tone = match row.refused {
            Some(_) => Meaning::Reject,
            None => Meaning::ScoreWin,
        };
        pen.text(rest.x, y, name, &row.node, Meaning::Text);
        for (index, column) in columns.iter().enumerate() {
            let Some((at, _)) = column else { continue };
            let (glyph, tone) = match row.refused {
                Some(refused) if index == refused => (failed, Meaning::Reject),
                Some(refused) if index > refused => (skipped, Meaning::Dim),
                _ => (passed, Meaning::ScoreWin),
            };
            pen.text(*at, y, 1, glyph, tone);
        }
        pen.text(x, y, rest.right().saturating_sub(x), &row.result, tone);
    }
    let shown = table.rows.len().saturating_sub(first).min(height);
    if table.missing > 0 && shown < height {
        let y = rest.y + u16::try_from(shown).unwrap_or(0);
        let text = format!("and {} more nodes, not kept one by one", table.missing);
        pen.text(rest.x, y, rest.width, &text, Meaning::Dim);
    }
    more(pen, area, first, height, all);
}

/// Says in the lower border which rows are shown, when not all are.
fn more(pen: &mut Pen<'_>, area: Rect, first: usize, height: usize, all: usize) {
    if all <= height || area.height < 3 {
        return;
    }
    let text = format!(" {} to {} of {all} ", first + 1, (first + height).min(all));
    let y = area.bottom() - 1;
    pen.right(area.x, y, area.width.saturating_sub(2), &text, Meaning::Dim);
}

/// Columns for the names of nodes.
fn node_column<'n>(names: impl Iterator<Item = &'n str>) -> u16 {
    names.map(width).max().unwrap_or(0).clamp(6, 20)
}

const PARTS: [Meaning; 6] = [
    Meaning::Chart1,
    Meaning::Chart2,
    Meaning::Chart3,
    Meaning::Chart4,
    Meaning::Chart5,
    Meaning::Chart6,
];

fn score(model: &Model, pen: &mut Pen<'_>, area: Rect, decision: &Decision) {
    let Some(best) = decision.scores.first().filter(|_| area.height >= 4) else {
        return;
    };
    let glyphs = pen.glyphs.plain;
    pen.frame(area, glyphs, border(model, true));
    let (title, note) = match model.decisions.scores {
        Scores::Weighted => ("Score × weight", "t: raw, 0 to 100, weighted"),
        Scores::Normalized => ("Score, 0 to 100", "normalised, before the weight"),
        Scores::Raw => ("Score, raw", "as each plugin gave it"),
    };
    pen.title(
        area,
        &[span(title, Meaning::Title)],
        &[vec![span(note, Meaning::Dim)]],
    );
    let mut rest = narrow(inside(area));
    let heading = take_top(&mut rest, 1);
    let name = node_column(decision.scores.iter().map(|score| &*score.node)) + 3;
    let plugins = u16::try_from(best.plugins.len()).unwrap_or(1).max(1);
    let cell = (rest.width.saturating_sub(name + 8) / plugins).clamp(4, 12);
    pen.text(heading.x + 2, heading.y, name, "NODE", Meaning::Dim);
    let mut x = heading.x + name;
    for part in &best.plugins {
        let long = format!("{}×{}", explain::short(part.plugin), part.weight);
        let text = if width(&long) < cell {
            long
        } else {
            format!("{:.2}×{}", explain::short(part.plugin), part.weight)
        };
        pen.right(x, heading.y, cell, &text, Meaning::Dim);
        x += cell;
    }
    pen.right(x, heading.y, 8, "TOTAL", Meaning::Dim);
    let height = usize::from(rest.height);
    let nodes = decision.scores.len();
    let with_bars = height > nodes * 2;
    let table = if with_bars { nodes } else { height };
    let first = model.decisions.scroll.min(nodes.saturating_sub(table));
    for (score, y) in decision
        .scores
        .iter()
        .skip(first)
        .take(table)
        .zip(rest.y..rest.bottom())
    {
        let won = matches!(&decision.verdict, Verdict::Bound { node } if *node == score.node);
        let tone = if won {
            Meaning::ScoreWin
        } else {
            Meaning::Text
        };
        if won {
            pen.text(rest.x, y, 1, pen.glyphs.chosen, Meaning::ScoreWin);
        }
        pen.text(rest.x + 2, y, name.saturating_sub(3), &score.node, tone);
        let mut x = rest.x + name;
        for part in &score.plugins {
            let value = explain::shown(part, model.decisions.scores).to_string();
            pen.right(x, y, cell, &value, tone);
            x += cell;
        }
        pen.right(x, y, 8, &score.total.to_string(), tone);
    }
    if with_bars {
        let mut below = rest;
        take_top(&mut below, u16::try_from(nodes).unwrap_or(0) + 1);
        bars(pen, below, decision, name, best.total.max(1));
    }
    more(pen, area, first, table, nodes);
}

/// A stacked bar for each node: a letter and a length for each plugin.
fn bars(pen: &mut Pen<'_>, area: Rect, decision: &Decision, name: u16, best: i64) {
    let room = i64::from(area.width.saturating_sub(name + 6));
    for (score, y) in decision.scores.iter().zip(area.y..area.bottom()) {
        pen.text(
            area.x + 2,
            y,
            name.saturating_sub(3),
            &score.node,
            Meaning::Text,
        );
        let x = stacked(pen, (area.x + name, y), score, room, best);
        pen.text(x + 1, y, 6, &score.total.to_string(), Meaning::Strong);
    }
}

fn stacked(pen: &mut Pen<'_>, (x, y): (u16, u16), score: &NodeScore, room: i64, best: i64) -> u16 {
    let full = pen.glyphs.full;
    let (mut at, mut sum) = (x, 0);
    for (part, meaning) in score.plugins.iter().zip(PARTS.into_iter().cycle()) {
        sum += part.weighted().max(0);
        // Ends are rounded, not lengths: the whole bar is as long as the total says.
        let end = x + u16::try_from((sum * room / best).clamp(0, room)).unwrap_or(0);
        let cells = usize::from(end.saturating_sub(at));
        if cells > 0 {
            let letter: String = explain::short(part.plugin).chars().take(1).collect();
            let text = format!("{letter}{}", full.repeat(cells - 1));
            pen.text(at, y, end - at, &text, meaning);
        }
        at = end.max(at);
    }
    at
}
