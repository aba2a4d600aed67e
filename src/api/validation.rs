//! The rules of each kind (`pkg/apis/*/validation`).

use super::{Object, error::FieldError};

/// What is wrong with an object; for an update, with the change from `old`.
#[must_use]
pub fn check(object: &Object, _old: Option<&Object>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if object.key().name.is_empty() {
        errors.push(FieldError {
            reason: "FieldValueRequired".to_owned(),
            field: "metadata.name".to_owned(),
            message: "Required value: name or generateName is required".to_owned(),
        });
    }
    errors
}
