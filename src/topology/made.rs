//! An object that was read, and where each of its fields came from.

use std::sync::Arc;

use super::{
    section::Document,
    source::{Problem, Report, Source, Span},
    yaml::Tree,
};
use crate::api::{Object, error::FieldError};

/// An object and its origin.
pub(super) struct Made {
    pub object: Object,
    pub origin: Origin,
    /// Whether kubeplay made it because something else named it: a namespace.
    pub implied: bool,
}

/// Where an object came from.
#[derive(Clone)]
pub(super) struct Origin {
    pub source: Arc<Source>,
    /// The object's head.
    pub span: Span,
    pub fields: Fields,
}

/// Where an object's fields came from.
#[derive(Clone)]
pub(super) enum Fields {
    /// Sugar: some paths are known, the longest that fits counts.
    Known(Vec<(String, Span)>),
    /// A manifest: each field stands where its path says.
    Tree(Arc<Tree>),
}

impl Origin {
    /// The origin of an object that a section expands to.
    pub fn of(doc: &Document<'_>, span: Span) -> Self {
        Self {
            source: Arc::clone(doc.source),
            span,
            fields: Fields::Known(Vec::new()),
        }
    }

    /// Notes where a field comes from.
    pub fn field(&mut self, path: impl Into<String>, span: Span) {
        if let Fields::Known(known) = &mut self.fields {
            known.push((path.into(), span));
        }
    }

    /// Where a field came from, as near as is known.
    pub fn find(&self, path: &str) -> Span {
        let found = match &self.fields {
            Fields::Known(known) => known
                .iter()
                .filter(|(prefix, _)| path.starts_with(prefix.as_str()))
                .max_by_key(|(prefix, _)| prefix.len())
                .map(|(_, span)| span.clone()),
            Fields::Tree(tree) => Some(tree.find(path)),
        };
        found.unwrap_or_else(|| self.span.clone())
    }

    /// File and line of a field.
    pub fn place(&self, path: &str) -> String {
        let (line, _) = self.source.place(self.find(path).start);
        format!("{}:{line}", self.source.name())
    }

    /// A mistake at a field.
    pub fn problem(&self, report: &Report, path: &str, message: impl Into<String>) {
        report.problem(Problem::at(&self.source, self.find(path), message));
    }

    /// A remark on a field.
    pub fn warning(&self, report: &Report, path: &str, message: impl Into<String>) {
        report.warning(Problem::at(&self.source, self.find(path), message));
    }
}

impl Made {
    /// An object from a section.
    pub const fn new(object: Object, origin: Origin) -> Self {
        Self {
            object,
            origin,
            implied: false,
        }
    }

    /// How messages call it: `Deployment "web"`.
    pub fn title(&self) -> String {
        format!("{} \"{}\"", self.object.kind(), self.object.key().name)
    }

    /// Notes a field that the API would refuse.
    pub fn refused(&self, report: &Report, error: &FieldError) {
        let title = self.title();
        self.origin
            .problem(report, &error.field, format!("{title}: {error}"));
    }
}
