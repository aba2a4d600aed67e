//! Names of kinds and objects.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A shared string: an object's name, a namespace, a reason.
pub type Name = Arc<str>;

/// A kind of object that the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    Namespace,
    Node,
    PriorityClass,
    ConfigMap,
    Service,
    Deployment,
    ReplicaSet,
    Pod,
    EndpointSlice,
    Lease,
    Event,
}

impl Kind {
    /// Every kind, in the order in which a cluster's objects can be created.
    pub const ALL: [Self; 11] = [
        Self::Namespace,
        Self::Node,
        Self::PriorityClass,
        Self::ConfigMap,
        Self::Service,
        Self::Deployment,
        Self::ReplicaSet,
        Self::Pod,
        Self::EndpointSlice,
        Self::Lease,
        Self::Event,
    ];

    /// The kind's name as manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::PriorityClass => "PriorityClass",
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::Pod => "Pod",
            Self::EndpointSlice => "EndpointSlice",
            Self::Lease => "Lease",
            Self::Event => "Event",
        }
    }

    /// The `apiVersion` that kubeplay stores and serves.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Namespace
            | Self::Node
            | Self::ConfigMap
            | Self::Service
            | Self::Pod
            | Self::Event => "v1",
            Self::PriorityClass => "scheduling.k8s.io/v1",
            Self::Deployment | Self::ReplicaSet => "apps/v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::Lease => "coordination.k8s.io/v1",
        }
    }

    /// The API group (`""` for the core group).
    #[must_use]
    pub fn group(self) -> &'static str {
        self.api_version()
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// The resource's name in paths and messages (`pods`).
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Node => "nodes",
            Self::PriorityClass => "priorityclasses",
            Self::ConfigMap => "configmaps",
            Self::Service => "services",
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::Pod => "pods",
            Self::EndpointSlice => "endpointslices",
            Self::Lease => "leases",
            Self::Event => "events",
        }
    }

    /// Plural with its group, as API errors write it (`deployments.apps`).
    #[must_use]
    pub fn qualified(self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }

    /// Whether objects of this kind live in a namespace.
    #[must_use]
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node | Self::PriorityClass)
    }

    /// The kind that a manifest names by `apiVersion` and `kind`.
    #[must_use]
    pub fn find(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|k| k.as_str() == kind && k.api_version() == api_version)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Namespace and name of an object; the namespace is empty for kinds that live in none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub namespace: Name,
    pub name: Name,
}

impl Key {
    /// A key in a namespace.
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// A key of a kind that lives in no namespace.
    pub fn cluster(name: impl Into<Name>) -> Self {
        Self {
            namespace: Name::from(""),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Kind and key: one object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    pub kind: Kind,
    pub key: Key,
}

impl ObjectRef {
    /// A reference to one object.
    #[must_use]
    pub const fn new(kind: Kind, key: Key) -> Self {
        Self { kind, key }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An object's unique id: 128 bits, written as a UUID.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub u128);

impl Uid {
    /// The id before the store has given one.
    pub const NONE: Self = Self(0);

    /// Whether the store has given an id.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            (v >> 80) & 0xffff,
            (v >> 64) & 0xffff,
            (v >> 48) & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no UUID.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a UUID")]
pub struct BadUid(String);

impl FromStr for Uid {
    type Err = BadUid;

    fn from_str(text: &str) -> Result<Self, BadUid> {
        // Asked of every object again and again: nothing is allocated.
        let bad = || BadUid(text.to_owned());
        let (mut number, mut digits) = (0_u128, 0);
        for byte in text.bytes().filter(|byte| *byte != b'-') {
            let digit = char::from(byte).to_digit(16).ok_or_else(bad)?;
            number = (number << 4) | u128::from(digit);
            digits += 1;
        }
        (digits == 32).then_some(Self(number)).ok_or_else(bad)
    }
}

impl Serialize for Uid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
