//! A bar that says how much of something is taken.

use super::Pen;
use crate::tui::theme::Meaning;

/// From this share on a bar is drawn as high.
const HIGH: i64 = 85;

/// Draws `label`, a bar and the percentage in exactly so many columns. Nothing is drawn where that is too narrow.
pub fn gauge(pen: &mut Pen<'_>, (x, y): (u16, u16), columns: u16, label: &str, used: i64, of: i64) {
    let number = match of {
        0 => "—".to_owned(),
        _ => format!("{}%", used.saturating_mul(100) / of),
    };
    let fixed = crate::tui::text::width(label) + 1 + 1 + 4;
    let Some(bar) = columns.checked_sub(fixed).filter(|bar| *bar >= 3) else {
        return;
    };
    let percent = if of > 0 {
        (used.saturating_mul(100) / of).clamp(0, 100)
    } else {
        0
    };
    // Anything at all shows as at least one cell, and only what is full shows as full.
    let filled = (percent * i64::from(bar) + 99) / 100;
    let filled =
        u16::try_from(filled)
            .unwrap_or(bar)
            .min(if percent < 100 { bar - 1 } else { bar });
    let meaning = if percent >= HIGH {
        Meaning::GaugeHigh
    } else {
        Meaning::Gauge
    };
    let mut at = x + pen.text(x, y, columns, label, Meaning::Dim) + 1;
    let (full, empty) = (pen.glyphs.full, pen.glyphs.empty);
    at += pen.text(at, y, filled, &full.repeat(usize::from(filled)), meaning);
    at += pen.text(
        at,
        y,
        bar - filled,
        &empty.repeat(usize::from(bar - filled)),
        Meaning::GaugeEmpty,
    );
    pen.right(at, y, 5, &number, Meaning::Text);
}
