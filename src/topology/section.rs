//! Reading a TOML table field by field. Every mistake is noted at its place and reading goes on; what a table may hold
//! is known from what was asked of it, so an unknown field is found, and what it was meant to be, without a second list.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    source::{Problem, Report, Source, Span},
    suggest::{did_you_mean, nearest},
    units,
};
use crate::api::Quantity;

/// Names with their texts, in the order in which they are written.
pub(super) type Texts = Vec<(String, Placed<String>)>;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Placed<T> {
    /// The value made into another, at the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed {
            value: change(self.value),
            span: self.span,
        }
    }
}

/// A field's value as the parser gives it.
pub(super) type Raw<'t> = &'t Spanned<DeValue<'t>>;

/// The document that is being read.
#[derive(Clone, Copy)]
pub(super) struct Document<'t> {
    pub source: &'t Arc<Source>,
    pub report: &'t Report,
}

impl Document<'_> {
    /// Notes a mistake.
    pub fn problem(&self, span: Span, message: impl Into<String>) {
        self.report.problem(Problem::at(self.source, span, message));
    }
}

/// A table that is being read.
pub(super) struct Section<'t> {
    pub doc: Document<'t>,
    /// How to call it: `[[nodes]]`, `requests`.
    pub name: &'static str,
    /// Where it begins.
    pub span: Span,
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// A table to be read.
    pub fn new(doc: Document<'t>, name: &'static str, table: &'t DeTable<'t>, span: Span) -> Self {
        Self {
            doc,
            name,
            span,
            table,
            known: Vec::new(),
        }
    }

    /// A field as it stands.
    pub fn raw(&mut self, key: &'static str) -> Option<Raw<'t>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn wrong_type<T>(&self, key: &str, expected: &str, found: Raw<'_>) -> Option<T> {
        let what = type_name(found.get_ref());
        self.doc.problem(
            found.span(),
            format!("`{key}` must be {expected}, not {what}"),
        );
        None
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &'static str) -> Option<Placed<&'t str>> {
        let found = self.raw(key)?;
        match found.get_ref() {
            DeValue::String(text) if text.is_empty() => {
                self.doc
                    .problem(found.span(), format!("`{key}` must not be empty"));
                None
            }
            DeValue::String(text) => Some(Placed {
                value: text,
                span: found.span(),
            }),
            _ => self.wrong_type(key, "a text in quotes", found),
        }
    }

    /// A text that must be there.
    pub fn required_text(&mut self, key: &'static str) -> Option<Placed<&'t str>> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            let name = self.name;
            self.doc
                .problem(self.span.clone(), format!("{name} needs a `{key}`"));
            return None;
        }
        self.text(key)
    }

    /// One of several words.
    pub fn word(
        &mut self,
        key: &'static str,
        words: &[&'static str],
    ) -> Option<Placed<&'static str>> {
        let text = self.text(key)?;
        let word = words.iter().find(|word| **word == text.value);
        if word.is_none() {
            let list = words.join("`, `");
            let meant = nearest(text.value, words.iter().copied())
                .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
            self.doc.problem(
                text.span.clone(),
                format!("`{key}` is \"{}\"; it can be `{list}`{meant}", text.value),
            );
        }
        word.map(|word| Placed {
            value: *word,
            span: text.span,
        })
    }

    /// A whole number.
    pub fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Placed<i64>> {
        let found = self.raw(key)?;
        let DeValue::Integer(number) = found.get_ref() else {
            return self.wrong_type(key, "a whole number", found);
        };
        let value = i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX);
        match i64::try_from(value)
            .ok()
            .filter(|value| range.contains(value))
        {
            Some(value) => Some(Placed {
                value,
                span: found.span(),
            }),
            None => {
                let (from, to) = (range.start(), range.end());
                let message = match (*from, *to) {
                    (0, _) if value < 0 => format!("`{key}` cannot be negative"),
                    (from, i64::MAX) => format!("`{key}` must be at least {from}"),
                    (from, to) => format!("`{key}` must be between {from} and {to}"),
                };
                self.doc.problem(found.span(), message);
                None
            }
        }
    }

    /// Yes or no.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let found = self.raw(key)?;
        match found.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type(key, "true or false", found),
        }
    }

    /// A duration.
    pub fn duration(&mut self, key: &'static str) -> Option<Placed<Duration>> {
        let text = self.text(key)?;
        match units::duration(text.value) {
            Ok(value) => Some(Placed {
                value,
                span: text.span,
            }),
            Err(error) => {
                self.doc.problem(text.span, format!("`{key}` = {error}"));
                None
            }
        }
    }

    /// A duration of whole seconds.
    pub fn seconds(&mut self, key: &'static str) -> Option<Placed<i64>> {
        let duration = self.duration(key)?;
        let seconds = i64::try_from(duration.value.as_secs()).unwrap_or(i64::MAX);
        if duration.value.subsec_nanos() > 0 {
            self.doc.problem(
                duration.span,
                format!("`{key}` must be whole seconds, as Kubernetes stores it"),
            );
            return None;
        }
        Some(Placed {
            value: seconds,
            span: duration.span,
        })
    }

    /// An amount of something; `bytes` if it is counted in bytes.
    pub fn quantity(&mut self, key: &'static str, bytes: bool) -> Option<Placed<Text>> {
        let found = self.raw(key)?;
        let text = match found.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if !bytes => number.to_string(),
            DeValue::Float(number) if !bytes => number.to_string(),
            DeValue::Integer(number) => {
                self.doc.problem(
                    found.span(),
                    format!("`{key}` needs a unit; did you mean \"{number}Mi\"?"),
                );
                return None;
            }
            _ => return self.wrong_type(key, "a quantity like \"250m\" or \"64Mi\"", found),
        };
        match text.parse::<Quantity>() {
            Err(_) => self.bad_quantity(key, &text, found.span()),
            Ok(quantity) if quantity.is_negative() => {
                self.doc
                    .problem(found.span(), format!("`{key}` cannot be negative"));
                None
            }
            Ok(quantity) if bytes && !quantity.is_zero() && quantity.value() < 1024 => {
                let number = text.trim_end_matches('m');
                self.doc.problem(
                    found.span(),
                    format!("`{key}` = \"{text}\" is less than 1Ki; did you mean \"{number}Mi\"?"),
                );
                None
            }
            Ok(_) => Some(Placed {
                value: Text(text),
                span: found.span(),
            }),
        }
    }

    fn bad_quantity<T>(&self, key: &str, text: &str, span: Span) -> Option<T> {
        let help = units::quantity_meant(text).map_or_else(
            || "write it like \"250m\", \"2\" or \"64Mi\"".to_owned(),
            |meant| format!("did you mean \"{meant}\"?"),
        );
        self.doc
            .problem(span, format!("`{key}` = \"{text}\" is no quantity; {help}"));
        None
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str) -> Option<Placed<Vec<Placed<&'t str>>>> {
        let list = self.list(key)?;
        let mut texts = Vec::new();
        for found in list.value {
            match found.get_ref() {
                DeValue::String(text) => texts.push(Placed {
                    value: &**text,
                    span: found.span(),
                }),
                _ => {
                    let _: Option<()> = self.wrong_type(key, "a list of texts in quotes", found);
                }
            }
        }
        Some(Placed {
            value: texts,
            span: list.span,
        })
    }

    /// A list.
    pub fn list(&mut self, key: &'static str) -> Option<Placed<Vec<Raw<'t>>>> {
        let found = self.raw(key)?;
        match found.get_ref() {
            DeValue::Array(list) => Some(Placed {
                value: list.iter().collect(),
                span: found.span(),
            }),
            _ => self.wrong_type(key, "a list: [...]", found),
        }
    }

    /// A table whose keys are free and whose values are texts, in the order in which it is written.
    pub fn map(&mut self, key: &'static str) -> Option<Placed<Texts>> {
        let found = self.raw(key)?;
        let DeValue::Table(table) = found.get_ref() else {
            return self.wrong_type(key, "a table: { name = \"value\" }", found);
        };
        let mut entries = Vec::new();
        for (name, value) in table {
            let DeValue::String(text) = value.get_ref() else {
                let what = type_name(value.get_ref());
                self.doc.problem(
                    value.span(),
                    format!(
                        "`{key}.{}` must be a text in quotes, not {what}",
                        name.get_ref()
                    ),
                );
                continue;
            };
            let placed = Placed {
                value: text.to_string(),
                span: value.span(),
            };
            entries.push((name.get_ref().to_string(), placed));
        }
        entries.sort_by_key(|(_, value)| value.span.start);
        Some(Placed {
            value: entries,
            span: found.span(),
        })
    }

    /// A table whose keys are known.
    pub fn section(&mut self, key: &'static str, name: &'static str) -> Option<Self> {
        let found = self.raw(key)?;
        match found.get_ref() {
            DeValue::Table(table) => {
                let span = self.key_span(key).unwrap_or_else(|| found.span());
                Some(Section::new(self.doc, name, table, span))
            }
            _ => self.wrong_type(key, "a table", found),
        }
    }

    /// A list of tables: `[[nodes]]`.
    pub fn sections(&mut self, key: &'static str, name: &'static str) -> Vec<Self> {
        let Some(found) = self.raw(key) else {
            return Vec::new();
        };
        let DeValue::Array(list) = found.get_ref() else {
            let _: Option<()> =
                self.wrong_type(key, &format!("a list of tables, each headed {name}"), found);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in list {
            match item.get_ref() {
                DeValue::Table(table) => {
                    sections.push(Section::new(self.doc, name, table, item.span()));
                }
                _ => {
                    let _: Option<()> = self.wrong_type(key, "a list of tables", item);
                }
            }
        }
        sections
    }

    fn key_span(&self, key: &str) -> Option<Span> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// Where a field stands; the section's head if it does not.
    pub fn place(&self, key: &str) -> Span {
        self.table
            .get(key)
            .map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Notes what nobody asked for.
    pub fn finish(self) {
        for key in self.table.keys() {
            let word = key.get_ref();
            if !self.known.contains(&&**word) {
                let name = self.name;
                let meant = did_you_mean(word, self.known.iter().copied());
                self.doc.problem(
                    key.span(),
                    format!("unknown field `{word}` in {name}{meant}"),
                );
            }
        }
    }
}

/// A value's type in words.
pub(super) const fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
