//! What kubeplay does not act on yet. Such fields are kept, and whoever writes them is told.

use std::fmt;

use serde_json::Value;

use super::{Object, codec};

/// A field that has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Path of the field.
    pub field: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: kept, but has no effect in this version", self.field)
    }
}

/// A warning for each field of the object that is kept but has no effect.
#[must_use]
pub const fn warnings(_object: &Object) -> Vec<Unsupported> {
    Vec::new()
}

/// Paths of what was written and is no field of Kubernetes' type: what the object, read from `written`, did not keep.
#[must_use]
pub fn unknown_fields(object: &Object, written: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Ok(kept) = codec::to_value(object) {
        compare("", written, &kept, &mut unknown);
    }
    unknown
}

fn compare(path: &str, written: &Value, kept: &Value, unknown: &mut Vec<String>) {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            for (key, value) in written {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                match kept.get(key) {
                    Some(kept) => compare(&path, value, kept, unknown),
                    // What says nothing need not be kept; the server keeps the rest by itself.
                    None if is_nothing(value) || path == "metadata.managedFields" => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(written), Value::Array(kept)) => {
            for (index, (written, kept)) in written.iter().zip(kept).enumerate() {
                compare(&format!("{path}[{index}]"), written, kept, unknown);
            }
        }
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
