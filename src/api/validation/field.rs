//! Collecting errors of fields (`apimachinery/pkg/util/validation/field`).

use serde_json::Value;

use crate::api::error::FieldError;

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, reason: &str, field: &str, message: String) {
        self.0.push(FieldError {
            reason: reason.to_owned(),
            field: field.to_owned(),
            message,
        });
    }

    /// A value must be there.
    pub fn required(&mut self, field: &str, detail: &str) {
        let text = with_detail("Required value".to_owned(), detail);
        self.add("FieldValueRequired", field, text);
    }

    /// A value breaks a rule.
    pub fn invalid(&mut self, field: &str, value: impl Into<Value>, detail: &str) {
        let text = with_detail(format!("Invalid value: {}", value.into()), detail);
        self.add("FieldValueInvalid", field, text);
    }

    /// A value breaks several rules.
    pub fn invalid_each(&mut self, field: &str, value: &str, details: Vec<String>) {
        for detail in details {
            self.invalid(field, value, &detail);
        }
    }

    /// A value must not be there.
    pub fn forbidden(&mut self, field: &str, detail: &str) {
        let text = with_detail("Forbidden".to_owned(), detail);
        self.add("FieldValueForbidden", field, text);
    }

    /// A value is none of those that there are; they are listed as given (upstream: sorted).
    pub fn not_supported(&mut self, field: &str, value: &str, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let list = quoted.join(", ");
        let text = format!("Unsupported value: {value:?}: supported values: {list}");
        self.add("FieldValueNotSupported", field, text);
    }

    /// A value is there twice.
    pub fn duplicate(&mut self, field: &str, value: impl Into<Value>) {
        let text = format!("Duplicate value: {}", value.into());
        self.add("FieldValueDuplicate", field, text);
    }

    /// What a value refers to is not there.
    pub fn not_found(&mut self, field: &str, value: &str) {
        self.add("FieldValueNotFound", field, format!("Not found: {value:?}"));
    }

    /// A text is too long.
    pub fn too_long(&mut self, field: &str, most: usize) {
        let text = format!("Too long: may not be more than {most} bytes");
        self.add("FieldValueTooLong", field, text);
    }

    /// A number must not be negative.
    pub fn not_negative(&mut self, field: &str, value: Option<i64>) {
        if let Some(value) = value.filter(|value| *value < 0) {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    /// A value must not have changed.
    pub fn immutable<T: PartialEq + serde::Serialize>(&mut self, field: &str, new: &T, old: &T) {
        if new != old {
            let value = serde_json::to_value(new).unwrap_or_default();
            self.invalid(field, value, "field is immutable");
        }
    }

    /// The list.
    pub fn into_list(self) -> Vec<FieldError> {
        self.0
    }
}

fn with_detail(text: String, detail: &str) -> String {
    if detail.is_empty() {
        text
    } else {
        format!("{text}: {detail}")
    }
}
