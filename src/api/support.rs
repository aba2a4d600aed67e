//! What kubeplay does not act on yet. Such fields are kept, and whoever writes them is told.

use super::Object;

/// A warning for each field of the object that is kept but has no effect.
#[must_use]
pub const fn warnings(_object: &Object) -> Vec<String> {
    Vec::new()
}
