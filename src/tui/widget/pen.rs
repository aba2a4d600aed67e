//! Draws text and boxes, never beyond the buffer: every view writes through it.

use std::borrow::Cow;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::tui::{
    glyphs::{BoxGlyphs, Glyphs},
    text::{clean, fit, width},
    theme::{Meaning, Theme},
};

/// A piece of text and what it means.
pub type Span<'a> = (Cow<'a, str>, Meaning);

/// A span of a text.
pub fn span<'a>(text: impl Into<Cow<'a, str>>, meaning: Meaning) -> Span<'a> {
    (text.into(), meaning)
}

/// Columns that spans take.
#[must_use]
pub fn spans_width(spans: &[Span<'_>]) -> u16 {
    spans
        .iter()
        .map(|(text, _)| width(text))
        .fold(0, u16::saturating_add)
}

/// A buffer with what is needed to draw on it.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    pub theme: &'a Theme,
    pub glyphs: &'a Glyphs,
}

impl<'a> Pen<'a> {
    /// A pen for a buffer.
    pub const fn new(buffer: &'a mut Buffer, theme: &'a Theme, glyphs: &'a Glyphs) -> Self {
        Self {
            buffer,
            theme,
            glyphs,
        }
    }

    /// A text as it will be drawn: harmless, and in ASCII where only that is to be drawn.
    #[must_use]
    pub fn ready<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let text = clean(text);
        if !self.glyphs.is_ascii() || text.is_ascii() {
            return text;
        }
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            match (c.is_ascii(), self.glyphs.adapt(c)) {
                (true, _) => plain.push(c),
                (false, Some(other)) => plain.push_str(other),
                (false, None) => plain.push('?'),
            }
        }
        Cow::Owned(plain)
    }

    fn draw(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return 0;
        }
        let (end, _) = self
            .buffer
            .set_stringn(x, y, text, usize::from(columns), style);
        end - x
    }

    /// Writes a text in at most so many columns, cut with an ellipsis; returns how many it took.
    pub fn text(&mut self, x: u16, y: u16, columns: u16, text: &str, meaning: Meaning) -> u16 {
        let ready = self.ready(text);
        let cut = fit(&ready, columns, self.glyphs.ellipsis);
        self.draw(x, y, columns, &cut, self.theme.get(meaning))
    }

    /// Writes a text that ends at the right edge of so many columns; returns how many it took.
    pub fn right(&mut self, x: u16, y: u16, columns: u16, text: &str, meaning: Meaning) -> u16 {
        let ready = self.ready(text).into_owned();
        let cut = fit(&ready, columns, self.glyphs.ellipsis);
        let used = width(&cut);
        let start = x.saturating_add(columns - used.min(columns));
        self.draw(start, y, used, &cut, self.theme.get(meaning))
    }

    /// Writes spans one after the other; returns how many columns they took.
    pub fn spans(&mut self, x: u16, y: u16, columns: u16, spans: &[Span<'_>]) -> u16 {
        let mut used = 0;
        for (text, meaning) in spans {
            used += self.text(x.saturating_add(used), y, columns - used, text, *meaning);
        }
        used
    }

    /// Gives an area a style over what is drawn on it.
    pub fn restyle(&mut self, area: Rect, meaning: Meaning) {
        let style = self.theme.over(meaning);
        self.buffer
            .set_style(area.intersection(self.buffer.area), style);
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let style = self.theme.get(Meaning::Text);
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    /// Draws a box.
    pub fn frame(&mut self, area: Rect, glyphs: BoxGlyphs, meaning: Meaning) {
        if area.width < 2 || area.height < 2 {
            return;
        }
        let style = self.theme.get(meaning);
        let across = usize::from(area.width - 2);
        let bottom = area.bottom() - 1;
        let line = glyphs.horizontal.repeat(across);
        for (y, left, right) in [
            (area.y, glyphs.top_left, glyphs.top_right),
            (bottom, glyphs.bottom_left, glyphs.bottom_right),
        ] {
            self.draw(area.x, y, 1, left, style);
            self.draw(area.x + 1, y, area.width - 2, &line, style);
            self.draw(area.right() - 1, y, 1, right, style);
        }
        for y in area.y + 1..bottom {
            self.draw(area.x, y, 1, glyphs.vertical, style);
            self.draw(area.right() - 1, y, 1, glyphs.vertical, style);
        }
    }

    /// Writes into the upper border of a box: on the left, and on the right the first wording for which there is room.
    pub fn title(&mut self, area: Rect, left: &[Span<'_>], rights: &[Vec<Span<'_>>]) {
        if area.width < 6 || area.height == 0 {
            return;
        }
        let room = area.width - 4;
        let mut used = 0;
        if !left.is_empty() {
            used = self.spans(area.x + 2, area.y, room, &padded(left));
        }
        let fitting = rights
            .iter()
            .map(|right| padded(right))
            .find(|right| used + spans_width(right) < room);
        if let Some(right) = fitting {
            let wide = spans_width(&right);
            self.spans(area.right() - 2 - wide, area.y, wide, &right);
        }
    }
}

/// Spans with a blank on each side.
fn padded<'a>(spans: &[Span<'a>]) -> Vec<Span<'a>> {
    let blank = || span(" ", Meaning::Border);
    std::iter::once(blank())
        .chain(spans.iter().cloned())
        .chain(std::iter::once(blank()))
        .collect()
}
