//! The characters that the screen is drawn with: one set for terminals that know Unicode, one of ASCII alone.
//!
//! No emoji, no double width, nothing that needs a special font.

/// Corners and lines of a box.
#[derive(Clone, Copy, Debug)]
pub struct BoxGlyphs {
    pub top_left: &'static str,
    pub top_right: &'static str,
    pub bottom_left: &'static str,
    pub bottom_right: &'static str,
    pub horizontal: &'static str,
    pub vertical: &'static str,
}

const fn lines(
    corners: [&'static str; 4],
    horizontal: &'static str,
    vertical: &'static str,
) -> BoxGlyphs {
    let [top_left, top_right, bottom_left, bottom_right] = corners;
    BoxGlyphs {
        top_left,
        top_right,
        bottom_left,
        bottom_right,
        horizontal,
        vertical,
    }
}

/// A set of characters.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    pub ready: &'static str,
    pub starting: &'static str,
    pub pending: &'static str,
    pub terminating: &'static str,
    pub failed: &'static str,
    pub completed: &'static str,
    pub cordoned: &'static str,
    pub recovered: &'static str,
    pub fault: &'static str,
    pub cursor: &'static str,
    pub chosen: &'static str,
    pub restarts: &'static str,
    pub playing: &'static str,
    pub paused: &'static str,
    pub follow: &'static str,
    pub full: &'static str,
    pub empty: &'static str,
    /// Between empty and full.
    pub half: &'static str,
    /// From nothing to all.
    pub levels: [&'static str; 9],
    pub ellipsis: &'static str,
    pub dot: &'static str,
    pub dash: &'static str,
    pub times: &'static str,
    pub arrow: &'static str,
    pub enter: &'static str,
    pub plain: BoxGlyphs,
    pub heavy: BoxGlyphs,
    pub dashed: BoxGlyphs,
}

impl Glyphs {
    /// For terminals that know Unicode.
    pub const UNICODE: Self = Self {
        ready: "●",
        starting: "◐",
        pending: "○",
        terminating: "◌",
        failed: "✖",
        completed: "✓",
        cordoned: "⊘",
        recovered: "✓",
        fault: "▼",
        cursor: "›",
        chosen: "▶",
        restarts: "↻",
        playing: "▶",
        paused: "‖",
        follow: "▼",
        full: "█",
        empty: "░",
        half: "▒",
        levels: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        ellipsis: "…",
        dot: "·",
        dash: "—",
        times: "×",
        arrow: "→",
        enter: "⏎",
        plain: lines(["╭", "╮", "╰", "╯"], "─", "│"),
        heavy: lines(["┏", "┓", "┗", "┛"], "━", "┃"),
        dashed: lines(["┌", "┐", "└", "┘"], "╌", "╎"),
    };

    /// For all others.
    pub const ASCII: Self = Self {
        ready: "*",
        starting: "o",
        pending: ".",
        terminating: "~",
        failed: "x",
        completed: "+",
        cordoned: "/",
        recovered: "+",
        fault: "!",
        cursor: ">",
        chosen: ">",
        restarts: "r",
        playing: ">",
        paused: "||",
        follow: "v",
        full: "=",
        empty: ".",
        half: "%",
        levels: [" ", ".", ":", "-", "=", "+", "*", "#", "@"],
        ellipsis: "~",
        dot: "-",
        dash: "-",
        times: "x",
        arrow: "->",
        enter: "enter",
        plain: lines(["+", "+", "+", "+"], "-", "|"),
        heavy: lines(["#", "#", "#", "#"], "#", "#"),
        dashed: lines(["+", "+", "+", "+"], ".", ":"),
    };

    /// The set for a terminal.
    #[must_use]
    pub const fn new(ascii: bool) -> Self {
        if ascii { Self::ASCII } else { Self::UNICODE }
    }

    /// Rewrites the few characters beyond ASCII that our own texts use, where only ASCII is to be drawn.
    #[must_use]
    pub fn adapt(&self, c: char) -> Option<&'static str> {
        Some(match c {
            '…' if self.is_ascii() => "...",
            '·' => self.dot,
            '—' | '–' => self.dash,
            '→' => self.arrow,
            '×' => self.times,
            '−' if self.is_ascii() => "-",
            '≤' if self.is_ascii() => "<=",
            '≥' if self.is_ascii() => ">=",
            _ => return None,
        })
    }

    /// Whether this is the ASCII set.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.ready.is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn every_glyph_of_the_unicode_set_is_one_cell_wide() {
        let g = Glyphs::UNICODE;
        let mut all = vec![
            g.ready,
            g.starting,
            g.pending,
            g.terminating,
            g.failed,
            g.completed,
            g.cordoned,
            g.recovered,
            g.fault,
            g.cursor,
            g.chosen,
            g.restarts,
            g.playing,
            g.paused,
            g.follow,
            g.full,
            g.empty,
            g.half,
            g.ellipsis,
            g.dot,
            g.dash,
            g.times,
            g.arrow,
            g.enter,
        ];
        all.extend(g.levels);
        for b in [g.plain, g.heavy, g.dashed] {
            all.extend([b.top_left, b.top_right, b.bottom_left, b.bottom_right]);
            all.extend([b.horizontal, b.vertical]);
        }
        for glyph in all {
            assert_eq!(glyph.width(), 1, "{glyph}");
        }
    }

    #[test]
    fn the_ascii_set_is_ascii() {
        assert!(format!("{:?}", Glyphs::ASCII).is_ascii());
        for c in "…·—→×−≤≥".chars() {
            assert!(Glyphs::ASCII.adapt(c).is_some_and(str::is_ascii), "{c}");
        }
    }
}
