//! What the objects mean: kinds, names, times, quantities, selectors, conditions, and the one place where
//! Kubernetes' types are read and written.
//!
//! This room knows no other room of the crate. Most kinds are `k8s-openapi`'s own types. Two are held in a compact
//! form of our own and put together at the edges ([`codec`]), because there are very many of them: [`Pod`] shares its
//! spec, labels and owners with its siblings, [`Event`] is a few words.

pub mod codec;
pub mod defaults;
pub mod error;
pub mod event;
pub mod image;
pub mod meta;
pub mod names;
pub mod node_selector;
pub mod object;
pub mod pod;
pub mod qos;
pub mod quantity;
pub mod selector;
pub mod support;
pub mod taint;
pub mod time;
pub mod validation;

pub use error::{ApiError, Reason};
pub use event::{Event, EventType};
pub use meta::{Meta, Owner};
pub use names::{Key, Kind, Name, ObjectRef, Uid};
pub use object::{Object, Resource};
pub use pod::Pod;
pub use quantity::Quantity;
pub use time::Time;

/// The kinds that are held as `k8s-openapi` declares them.
pub use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace, Node, Service},
    discovery::v1::EndpointSlice,
    scheduling::v1::PriorityClass,
};
