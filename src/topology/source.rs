//! Text with places in it, and what is wrong at a place.

use std::{fmt, ops::Range, sync::Arc};

use unicode_width::UnicodeWidthStr;

/// A range of bytes in a source.
pub type Span = Range<usize>;

/// A file's text.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// A text and the name to call it by.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
        })
    }

    /// The name to call it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of an offset, both from 1, the column in characters.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.boundary(offset)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before[start..].chars().count() + 1)
    }

    /// The line around an offset, as a range without its line break.
    pub(super) fn line(&self, offset: usize) -> Span {
        let offset = self.boundary(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[offset..]
            .find('\n')
            .map_or(self.text.len(), |at| offset + at);
        let end = if self.text[start..end].ends_with('\r') {
            end - 1
        } else {
            end
        };
        start..end
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// One mistake.
#[derive(Clone, Debug)]
pub struct Problem {
    source: Arc<Source>,
    /// Where; none: the file as a whole.
    span: Option<Span>,
    message: String,
}

impl Problem {
    /// A mistake at a place of a text.
    pub fn at(source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self {
            source: Arc::clone(source),
            span: Some(span),
            message: message.into(),
        }
    }

    /// A mistake of a file as a whole.
    pub fn of_file(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            source: Source::new(name, ""),
            span: None,
            message: message.into(),
        }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The mistake in one line: `file:line:column: message`.
    #[must_use]
    pub fn headline(&self) -> String {
        let name = printable(&self.source.name);
        let message = &self.message;
        match &self.span {
            None => format!("{name}: {message}"),
            Some(span) => {
                let (line, column) = self.source.place(span.start);
                format!("{name}:{line}:{column}: {message}")
            }
        }
    }
}

/// How many characters of a line are shown.
const EXCERPT: usize = 100;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        let Some(span) = &self.span else {
            return Ok(());
        };
        let line = self.source.line(span.start);
        let start = self.source.boundary(span.start).clamp(line.start, line.end);
        let end = self.source.boundary(span.end).clamp(start, line.end);
        let text = &self.source.text;
        let (before, marked) = (&text[line.start..start], &text[start..end]);
        // Of a very long line, the part around the place.
        let skipped = before.chars().count().saturating_sub(EXCERPT / 2);
        let shown: String = text[line].chars().skip(skipped).take(EXCERPT).collect();
        let before: String = before.chars().skip(skipped).collect();
        let room = EXCERPT.saturating_sub(before.chars().count());
        let marked: String = marked.trim_end().chars().take(room).collect();
        let number = self.source.place(span.start).0.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "\n{gutter} |")?;
        writeln!(f, "{number} | {}", printable(&shown).trim_end())?;
        let indent = " ".repeat(printable(&before).width());
        let carets = "^".repeat(printable(&marked).width().max(1));
        write!(f, "{gutter} | {indent}{carets}")
    }
}

/// The text without anything that could steer a terminal; tabs become blanks.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Everything that is wrong, in the order in which it stands in the files.
#[derive(Clone, Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where mistakes and remarks are collected while files are read.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: std::cell::RefCell<Vec<Problem>>,
    warnings: std::cell::RefCell<Vec<Problem>>,
}

impl Report {
    /// Notes a mistake.
    pub fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Notes something worth a remark.
    pub fn warning(&self, warning: Problem) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Whether a mistake was noted.
    pub fn failed(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// The remarks, if nothing is wrong.
    ///
    /// # Errors
    /// What is wrong.
    pub fn finish(self) -> Result<Vec<String>, Problems> {
        let mut problems = self.problems.into_inner();
        // By file in the order of their first mistake, then by place.
        let mut files: Vec<*const Source> = Vec::new();
        for problem in &problems {
            let file = Arc::as_ptr(&problem.source);
            if !files.contains(&file) {
                files.push(file);
            }
        }
        problems.sort_by_key(|problem| {
            let file = Arc::as_ptr(&problem.source);
            let index = files.iter().position(|f| *f == file);
            (index, problem.span.as_ref().map(|span| span.start))
        });
        problems.dedup_by(|a, b| a.headline() == b.headline());
        if problems.is_empty() {
            let warnings = self.warnings.into_inner();
            Ok(warnings.iter().map(Problem::headline).collect())
        } else {
            Err(Problems(problems))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, marked: &str, expected: &str) {
        let start = text.find(marked).unwrap();
        let source = Source::new("f.toml", text);
        let problem = Problem::at(&source, start..start + marked.len(), "is wrong");
        assert_eq!(problem.to_string(), expected);
    }

    #[test]
    fn a_problem_shows_its_place_and_its_line() {
        check(
            "a = 1\nbb = 22\n",
            "22",
            "f.toml:2:6: is wrong\n  |\n2 | bb = 22\n  |      ^^",
        );
    }

    #[test]
    fn wide_characters_tabs_and_escapes_do_not_move_the_caret() {
        check(
            "\t\"日\" = \u{1b}7",
            "7",
            "f.toml:1:9: is wrong\n  |\n1 |  \"日\" = \u{fffd}7\n  |          ^",
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("x = \"{}!{}\"", "a".repeat(500), "b".repeat(500));
        let source = Source::new("f.toml", text.as_str());
        let at = text.find('!').unwrap();
        let shown = Problem::at(&source, at..at + 1, "is wrong").to_string();
        assert!(shown.contains('!') && shown.lines().all(|line| line.len() < 120));
    }
}
