//! The rules of each kind (`pkg/apis/*/validation`), with upstream's words.
//!
//! Objects have their defaults when they come here. Every rule that is broken is listed, in upstream's order.

mod affinity;
mod container;
mod field;
mod meta;
pub mod names;
mod node;
mod pod;
mod probe;
mod service;
mod small;
mod workload;

use self::field::Errors;
use super::{Object, error::FieldError};

/// What is wrong with an object; for an update, with the change from `old`.
#[must_use]
pub fn check(object: &Object, old: Option<&Object>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    match object {
        Object::Namespace(it) => small::namespace(it, &mut errors),
        Object::Node(it) => node::node(it, &mut errors),
        Object::PriorityClass(it) => {
            let old = old.and_then(crate::api::object::unwrap);
            small::priority_class(it, old, &mut errors);
        }
        Object::ConfigMap(it) => {
            let old = old.and_then(crate::api::object::unwrap);
            small::config_map(it, old, &mut errors);
        }
        Object::Service(it) => {
            let old = old.and_then(crate::api::object::unwrap);
            service::service(it, old, &mut errors);
        }
        Object::Deployment(it) => {
            let old = old.and_then(crate::api::object::unwrap);
            workload::deployment(it, old, &mut errors);
        }
        Object::ReplicaSet(it) => {
            let old = old.and_then(crate::api::object::unwrap);
            workload::replica_set(it, old, &mut errors);
        }
        Object::Pod(it) => {
            let old = old.and_then(crate::api::object::unwrap);
            pod::pod(it, old, &mut errors);
        }
        Object::EndpointSlice(it) => {
            let old = old.and_then(crate::api::object::unwrap);
            small::endpoint_slice(it, old, &mut errors);
        }
        Object::Lease(it) => small::lease(it, &mut errors),
        Object::Event(_) => {}
    }
    errors.into_list()
}
