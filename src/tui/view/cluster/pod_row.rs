//! A pod as one row: glyph, name, restarts, state; and what is so where that differs.

use ratatui::layout::Rect;

use super::load;

use crate::{
    api::Pod,
    tui::{
        model::Model,
        pod_state::{PodLook, PodState, PodTruth, short_name},
        text::{choose, width},
        theme::Meaning,
        widget::Pen,
    },
};

/// Draws a pod in a row.
pub fn draw(model: &Model, pen: &mut Pen<'_>, row: Rect, pod: &Pod, selected: bool) {
    let state = PodState::read(pod, &model.snapshot);
    let (glyph, meaning) = state.mark(pen.glyphs);
    let columns = row.width;
    if columns < 4 {
        return;
    }
    if selected {
        pen.text(row.x, row.y, 1, pen.glyphs.cursor, Meaning::Focus);
    }
    pen.text(row.x + 1, row.y, 1, glyph, meaning);
    let start = row.x + 3;
    let room = columns - 4;
    let restarts = match state.restarts {
        0 => String::new(),
        count => format!("{}{count}", pen.glyphs.restarts),
    };
    // The name keeps 14 columns; the state gets what is left.
    let for_state = room.saturating_sub(15.min(room / 2) + width(&restarts) + 1);
    let mut wordings = wordings(&state);
    if state.truth == PodTruth::AsBelieved && state.look == PodLook::Ready {
        let mut figures = load::wordings(model, pen.glyphs, pod);
        figures.append(&mut wordings);
        wordings = figures;
    }
    let word = choose(for_state, &wordings);
    let word_meaning = match state.truth {
        PodTruth::AsBelieved => state.look.meaning(),
        PodTruth::DeadUnnoticed | PodTruth::StillRuns => Meaning::Truth,
        PodTruth::Dead => Meaning::PodFailed,
    };
    let used = pen.right(
        start + room - for_state.min(room),
        row.y,
        for_state,
        word,
        word_meaning,
    );
    let mut name_room = room.saturating_sub(used + 1);
    if !restarts.is_empty() {
        let wide = width(&restarts);
        let x = start + name_room.saturating_sub(wide);
        pen.text(x, row.y, wide, &restarts, Meaning::EventWarning);
        name_room = name_room.saturating_sub(wide + 1);
    }
    let name = short_name(pod, usize::from(name_room));
    pen.text(
        start,
        row.y,
        name_room,
        &name,
        if selected {
            Meaning::Strong
        } else {
            Meaning::Text
        },
    );
    if selected {
        pen.restyle(
            Rect {
                x: start,
                width: name_room.min(width(&name)),
                ..row
            },
            Meaning::Selection,
        );
    }
}

/// The state in words, from the longest to the shortest.
pub fn wordings(state: &PodState) -> Vec<String> {
    match state.truth.words() {
        None => vec![state.word.clone(), short_word(&state.word)],
        Some((long, short)) => vec![
            format!("{} ({long})", state.word),
            format!("{} ({short})", state.word),
            short.to_owned(),
            short.split(',').next().unwrap_or(short).to_owned(),
        ],
    }
}

/// Well-known long words as people abbreviate them.
fn short_word(word: &str) -> String {
    match word {
        "ContainerCreating" => "Creating",
        "PodInitializing" => "Init",
        "CrashLoopBackOff" => "CrashLoop",
        "ImagePullBackOff" => "ImageBackOff",
        "CreateContainerConfigError" => "ConfigError",
        "Terminating" => "Term",
        other => other,
    }
    .to_owned()
}
