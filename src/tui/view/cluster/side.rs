//! Beside the nodes: details of the selection, and the pods that wait for a node.

use ratatui::layout::Rect;

use crate::{
    api::Pod,
    tui::{
        layout::{inside, take_bottom},
        lines::{LABEL, Line},
        model::{Model, Pane, Selection},
        text::{age, wrap},
        theme::Meaning,
        view::details,
        widget::{
            Pen,
            pen::{span, spans_width},
        },
    },
};

/// Draws the panels.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let mut rest = area;
    let unbound = model.snapshot.store.objects.unbound_count();
    let wanted = if unbound == 0 {
        3
    } else {
        (area.height * 2 / 5).max(8)
    };
    let pending = take_bottom(&mut rest, wanted.min(area.height / 2));
    selection(model, pen, rest);
    waiting(model, pen, pending);
}

fn selection(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let glyphs = pen.glyphs.plain;
    pen.frame(area, glyphs, Meaning::Border);
    let name = match model.selection() {
        Selection::Nothing => "nothing selected".to_owned(),
        Selection::Node(node) => node.to_string(),
        Selection::Pod(key) => key.name.to_string(),
    };
    pen.title(area, &[span(name, Meaning::Title)], &[]);
    let inner = inside(area);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let lines = details::short(model, inner.width);
    draw_lines(pen, inner, &lines);
}

/// Draws lines of details: a label and a value.
pub fn draw_lines(pen: &mut Pen<'_>, area: Rect, lines: &[Line]) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        if !line.label.is_empty() {
            pen.text(area.x, y, area.width, line.label, Meaning::Dim);
        }
        let indent = if line.wide { 0 } else { LABEL };
        pen.text(
            area.x + indent,
            y,
            area.width.saturating_sub(indent),
            &line.text,
            line.meaning,
        );
    }
}

fn waiting(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let focus = model.cluster.pane == Pane::Pending;
    let glyphs = pen.glyphs.plain;
    pen.frame(
        area,
        glyphs,
        if focus {
            Meaning::Focus
        } else {
            Meaning::Border
        },
    );
    let unbound = model.snapshot.store.objects.unbound_count();
    let count = vec![span(unbound.to_string(), Meaning::PodPending)];
    let right = if unbound > 0 { vec![count] } else { Vec::new() };
    pen.title(area, &[span("Pending", Meaning::Title)], &right);
    let inner = inside(area);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    if unbound == 0 {
        pen.text(
            inner.x,
            inner.y,
            inner.width,
            "no pod waits for a node",
            Meaning::Dim,
        );
        return;
    }
    let chosen = model.cluster.pending.as_ref().filter(|_| focus);
    let rows = usize::from(inner.height);
    // The list begins at the chosen pod, so that its reason is seen.
    let pods = model
        .pending(500)
        .skip_while(|pod| chosen.is_some_and(|key| pod.meta.key != *key))
        .take(rows);
    let mut y = inner.y;
    for pod in pods {
        if y >= inner.bottom() {
            break;
        }
        let here = chosen == Some(&pod.meta.key);
        let row = Rect {
            y,
            height: 1,
            ..inner
        };
        head(model, pen, row, pod, here);
        y += 1;
        for line in wrap(&reason(pod), inner.width.saturating_sub(2)) {
            if y < inner.bottom() {
                pen.text(
                    inner.x + 2,
                    y,
                    inner.width.saturating_sub(2),
                    &line,
                    Meaning::Dim,
                );
                y += 1;
            }
        }
    }
}

fn head(model: &Model, pen: &mut Pen<'_>, row: Rect, pod: &Pod, here: bool) {
    let waits = age(model.now().since(pod.meta.created));
    let glyph = pen.glyphs.pending;
    pen.text(row.x, row.y, 1, glyph, Meaning::PodPending);
    let used = pen.right(row.x, row.y, row.width, &waits, Meaning::Dim);
    let room = row.width.saturating_sub(used + 3);
    let wide = pen.text(row.x + 2, row.y, room, &pod.meta.key.name, Meaning::Text);
    if here {
        pen.restyle(
            Rect {
                x: row.x + 2,
                width: wide,
                ..row
            },
            Meaning::Selection,
        );
    }
}

/// Why a pod is on no node: what the scheduler said last.
pub fn reason(pod: &Pod) -> String {
    let condition = pod
        .condition("PodScheduled")
        .filter(|condition| condition.status != "True");
    condition
        .and_then(|condition| condition.message.clone())
        .unwrap_or_else(|| "waits for the scheduler".to_owned())
}

/// In place of the panels, where there is no room for them: a line about what waits, a line about the selection.
pub fn lines(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let room = area.width.saturating_sub(2);
    let unbound = model.snapshot.store.objects.unbound_count();
    if let Some(pod) = model.pending(1).next() {
        let glyph = pen.glyphs.pending;
        let text = format!(
            "{glyph} {unbound} pending: {} — {}",
            pod.meta.key.name,
            reason(pod)
        );
        pen.text(area.x + 1, area.y, room, &text, Meaning::PodPending);
    } else if let Some(entry) = model.feed.newest().next() {
        let text = format!(
            "{} {} {} — {}",
            entry.at,
            entry.reason,
            entry.object_text(),
            entry.message
        );
        pen.text(area.x + 1, area.y, room, &text, Meaning::Dim);
    }
    let selection = details::one_line(model);
    let cursor = [span(format!("{} ", pen.glyphs.cursor), Meaning::Focus)];
    let x = area.x + 1 + pen.spans(area.x + 1, area.y + 1, spans_width(&cursor), &cursor);
    pen.text(
        x,
        area.y + 1,
        area.right().saturating_sub(x + 1),
        &selection,
        Meaning::Text,
    );
}
