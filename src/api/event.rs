//! The event object, in a compact form.

use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};

use super::{
    meta::Meta,
    names::{Key, Kind, Name, ObjectRef, Uid},
    time::Time,
};

/// Whether an event tells of something expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventType {
    Normal,
    Warning,
}

impl EventType {
    /// The type's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Something that a component did or saw (`v1.Event`).
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub meta: Meta,
    /// `involvedObject`.
    pub regarding: ObjectRef,
    pub regarding_uid: Uid,
    /// `involvedObject.fieldPath`: the part of the object that it is about (`spec.containers{app}`).
    pub field_path: Option<Name>,
    pub event_type: EventType,
    pub reason: Name,
    pub message: Name,
    pub count: u32,
    pub first: Time,
    pub last: Time,
    /// The component that reported it: `default-scheduler`, `kubelet`, ...
    pub source: Name,
    /// The node whose kubelet reported it.
    pub host: Option<Name>,
}

impl Event {
    /// The event as Kubernetes writes it.
    #[must_use]
    pub fn to_k8s(&self) -> core::Event {
        let namespace = &self.regarding.key.namespace;
        core::Event {
            metadata: (&self.meta).into(),
            involved_object: core::ObjectReference {
                api_version: Some(self.regarding.kind.api_version().to_owned()),
                kind: Some(self.regarding.kind.to_string()),
                name: Some(self.regarding.key.name.to_string()),
                namespace: (!namespace.is_empty()).then(|| namespace.to_string()),
                uid: Some(self.regarding_uid.to_string()),
                field_path: self.field_path.as_deref().map(str::to_owned),
                ..Default::default()
            },
            type_: Some(self.event_type.as_str().to_owned()),
            reason: Some(self.reason.to_string()),
            message: Some(self.message.to_string()),
            count: i32::try_from(self.count).ok(),
            first_timestamp: Some(self.first.to_k8s()),
            last_timestamp: Some(self.last.to_k8s()),
            source: Some(core::EventSource {
                component: Some(self.source.to_string()),
                host: self.host.as_deref().map(str::to_owned),
            }),
            reporting_component: Some(self.source.to_string()),
            reporting_instance: self.host.as_deref().map(str::to_owned),
            ..Default::default()
        }
    }
}

impl From<core::Event> for Event {
    fn from(event: core::Event) -> Self {
        let text = |text: Option<String>| Name::from(text.unwrap_or_default());
        let involved = event.involved_object;
        let kind = Kind::find(
            involved.api_version.as_deref().unwrap_or("v1"),
            involved.kind.as_deref().unwrap_or_default(),
        );
        let source = event.source.unwrap_or_default();
        let seen = |time: &Option<_>| time.as_ref().map_or(Time::ZERO, Time::from);
        Self {
            meta: (&event.metadata).into(),
            regarding: ObjectRef::new(
                kind.unwrap_or(Kind::Pod),
                Key::new(
                    involved.namespace.unwrap_or_default(),
                    involved.name.unwrap_or_default(),
                ),
            ),
            regarding_uid: involved
                .uid
                .and_then(|uid| uid.parse().ok())
                .unwrap_or(Uid::NONE),
            field_path: involved.field_path.map(Name::from),
            event_type: match event.type_.as_deref() {
                Some("Warning") => EventType::Warning,
                _ => EventType::Normal,
            },
            reason: text(event.reason),
            message: text(event.message),
            count: event.count.and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            first: seen(&event.first_timestamp),
            last: seen(&event.last_timestamp),
            source: text(source.component),
            host: source.host.map(Name::from),
        }
    }
}
