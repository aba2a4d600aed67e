//! What the API answers when it refuses: Kubernetes' `Status`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::{Key, Kind};

/// Why a request was refused (`metav1.StatusReason`), each with its HTTP code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    BadRequest,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Invalid,
    TooManyRequests,
    InternalError,
}

impl Reason {
    /// The HTTP status code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError => 500,
        }
    }
}

/// One field that was refused (`metav1.StatusCause`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The cause, as upstream names it: `FieldValueRequired`, `FieldValueInvalid`, ...
    pub reason: String,
    /// Path of the field: `spec.template.spec.containers[0].image`.
    pub field: String,
    /// What is wrong, beginning with upstream's words: `Required value`, `Invalid value: ...`.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    pub reason: Reason,
    pub message: String,
    /// The fields at fault, when the reason is [`Reason::Invalid`].
    pub causes: Vec<FieldError>,
}

impl ApiError {
    /// A refusal without a list of fields.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            causes: Vec::new(),
        }
    }

    /// Nothing has this name.
    #[must_use]
    pub fn not_found(kind: Kind, key: &Key) -> Self {
        Self::new(
            Reason::NotFound,
            format!("{} \"{}\" not found", kind.qualified(), key.name),
        )
    }

    /// The name is taken.
    #[must_use]
    pub fn already_exists(kind: Kind, key: &Key) -> Self {
        Self::new(
            Reason::AlreadyExists,
            format!("{} \"{}\" already exists", kind.qualified(), key.name),
        )
    }

    /// The object has changed since it was read.
    #[must_use]
    pub fn conflict(kind: Kind, key: &Key) -> Self {
        Self::new(
            Reason::Conflict,
            format!(
                "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the latest version and try again",
                kind.qualified(),
                key.name
            ),
        )
    }

    /// The object breaks rules of its kind.
    #[must_use]
    pub fn invalid(kind: Kind, name: &str, causes: Vec<FieldError>) -> Self {
        let list = match causes.as_slice() {
            [one] => one.to_string(),
            many => {
                let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
                format!("[{}]", texts.join(", "))
            }
        };
        let kind_name = match kind.group() {
            "" => kind.as_str().to_owned(),
            group => format!("{kind}.{group}"),
        };
        Self {
            reason: Reason::Invalid,
            message: format!("{kind_name} \"{name}\" is invalid: {list}"),
            causes,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}
