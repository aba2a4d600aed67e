//! The one place where Kubernetes' types are read and written.
//!
//! Their serialisation is large; instantiated wherever it is used it would dominate the build. So it is instantiated
//! here once, behind functions that are not generic.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Value;

use super::{
    error::{ApiError, Reason},
    names::Kind,
    object::Object,
};

/// The object as a JSON value, as Kubernetes writes it.
///
/// # Errors
/// Only if a map of the object has a key that is no string, which none has.
pub fn to_value(object: &Object) -> Result<Value, serde_json::Error> {
    match object {
        Object::Namespace(it) => serde_json::to_value(&**it),
        Object::Node(it) => serde_json::to_value(&**it),
        Object::PriorityClass(it) => serde_json::to_value(&**it),
        Object::ConfigMap(it) => serde_json::to_value(&**it),
        Object::Service(it) => serde_json::to_value(&**it),
        Object::Deployment(it) => serde_json::to_value(&**it),
        Object::ReplicaSet(it) => serde_json::to_value(&**it),
        Object::Pod(it) => serde_json::to_value(it.to_k8s()),
        Object::EndpointSlice(it) => serde_json::to_value(&**it),
        Object::Lease(it) => serde_json::to_value(&**it),
        Object::Event(it) => serde_json::to_value(it.to_k8s()),
    }
}

/// Reads an object of a known kind.
///
/// # Errors
/// A field of the wrong type.
pub fn from_value(kind: Kind, value: Value) -> Result<Object, serde_json::Error> {
    Ok(match kind {
        Kind::Namespace => Object::Namespace(Arc::new(serde_json::from_value(value)?)),
        Kind::Node => Object::Node(Arc::new(serde_json::from_value(value)?)),
        Kind::PriorityClass => Object::PriorityClass(Arc::new(serde_json::from_value(value)?)),
        Kind::ConfigMap => Object::ConfigMap(Arc::new(serde_json::from_value(value)?)),
        Kind::Service => Object::Service(Arc::new(serde_json::from_value(value)?)),
        Kind::Deployment => Object::Deployment(Arc::new(serde_json::from_value(value)?)),
        Kind::ReplicaSet => Object::ReplicaSet(Arc::new(serde_json::from_value(value)?)),
        Kind::Pod => Object::Pod(Arc::new(serde_json::from_value::<core::Pod>(value)?.into())),
        Kind::EndpointSlice => Object::EndpointSlice(Arc::new(serde_json::from_value(value)?)),
        Kind::Lease => Object::Lease(Arc::new(serde_json::from_value(value)?)),
        Kind::Event => Object::Event(Arc::new(
            serde_json::from_value::<core::Event>(value)?.into(),
        )),
    })
}

/// Reads an object whose kind it names itself.
///
/// # Errors
/// A kind that is not known, or a field of the wrong type.
pub fn from_any(value: Value) -> Result<Object, ApiError> {
    let text = |field: &str| {
        value
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(found) = Kind::find(&api_version, &kind) else {
        return Err(ApiError::new(
            Reason::BadRequest,
            format!("no matches for kind \"{kind}\" in version \"{api_version}\""),
        ));
    };
    from_value(found, value).map_err(|error| {
        let version = api_version.rsplit('/').next().unwrap_or_default();
        ApiError::new(
            Reason::BadRequest,
            format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"),
        )
    })
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_value(self)
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
