//! Lines of text about something: a label and a value, headings, paragraphs. Pages and panels are made of them.

use super::{text::wrap, theme::Meaning};

/// Columns of a label.
pub const LABEL: u16 = 10;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub label: &'static str,
    pub text: String,
    pub meaning: Meaning,
    /// Whether the text takes the label's columns too.
    pub wide: bool,
}

impl Line {
    /// The line as plain text.
    #[must_use]
    pub fn plain(&self) -> String {
        let label = usize::from(LABEL);
        match self.wide {
            true => self.text.clone(),
            false => format!("{:<label$}{}", self.label, self.text),
        }
    }
}

/// Collects lines of at most so many columns.
#[derive(Clone, Debug)]
pub struct Lines {
    lines: Vec<Line>,
    columns: u16,
}

impl Lines {
    /// No lines yet.
    #[must_use]
    pub const fn new(columns: u16) -> Self {
        Self {
            lines: Vec::new(),
            columns,
        }
    }

    /// What was collected.
    #[must_use]
    pub fn done(self) -> Vec<Line> {
        self.lines
    }

    /// Columns that there are.
    #[must_use]
    pub const fn columns(&self) -> u16 {
        self.columns
    }

    /// A value beside its label.
    pub fn put(&mut self, label: &'static str, text: impl Into<String>, meaning: Meaning) {
        self.lines.push(Line {
            label,
            text: text.into(),
            meaning,
            wide: false,
        });
    }

    /// The same, of no particular meaning.
    pub fn say(&mut self, label: &'static str, text: impl Into<String>) {
        self.put(label, text, Meaning::Text);
    }

    /// A text of several lines beside its label.
    pub fn wrapped(&mut self, label: &'static str, text: &str, meaning: Meaning) {
        let room = self.columns.saturating_sub(LABEL);
        for (index, line) in wrap(text, room).into_iter().enumerate() {
            self.put(if index == 0 { label } else { "" }, line, meaning);
        }
    }

    /// A heading, with a blank line before it unless it is the first.
    pub fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.raw("", Meaning::Text);
        }
        self.raw(text, Meaning::Title);
    }

    /// A paragraph.
    pub fn wide(&mut self, text: &str, meaning: Meaning) {
        for text in wrap(text, self.columns) {
            self.raw(text, meaning);
        }
    }

    /// A paragraph whose later lines are indented.
    pub fn item(&mut self, indent: &str, text: &str, meaning: Meaning) {
        let room = self
            .columns
            .saturating_sub(super::text::width(indent).saturating_add(2));
        for (index, line) in wrap(text, room).into_iter().enumerate() {
            let more = if index == 0 { "" } else { "  " };
            self.raw(format!("{indent}{more}{line}"), meaning);
        }
    }

    /// Other lines after these.
    pub fn extend(&mut self, lines: Vec<Line>) {
        self.lines.extend(lines);
    }

    /// A line as it is.
    pub fn raw(&mut self, text: impl Into<String>, meaning: Meaning) {
        self.lines.push(Line {
            label: "",
            text: text.into(),
            meaning,
            wide: true,
        });
    }
}
