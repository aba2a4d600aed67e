//! Quantities in their canonical form, as the API server stores them.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::api::resource::Quantity as Text};

use crate::api::{
    Object,
    error::FieldError,
    quantity::{self, BadQuantity},
};

type Amounts = BTreeMap<String, Text>;

/// Writes every quantity of an object in its canonical form; what is none stays.
pub(super) fn canonicalize(object: &mut Object) {
    visit(object, &mut |_, text| {
        if let Some(canonical) = quantity::canonical(&text.0) {
            text.0 = canonical;
        }
    });
}

/// The same in a pod's spec.
pub(super) fn canonicalize_spec(spec: &mut PodSpec) {
    visit_spec("", spec, &mut |_, text| {
        if let Some(canonical) = quantity::canonical(&text.0) {
            text.0 = canonical;
        }
    });
}

/// The first text that should be a quantity and is none.
pub fn malformed_quantity(object: &Object) -> Option<FieldError> {
    let mut found = None;
    visit(&mut object.clone(), &mut |path, text| {
        if found.is_none() && quantity::canonical(&text.0).is_none() {
            let value = serde_json::Value::from(text.0.as_str());
            found = Some(FieldError {
                reason: "FieldValueInvalid".to_owned(),
                field: path.to_owned(),
                message: format!("Invalid value: {value}: {BadQuantity}"),
            });
        }
    });
    found
}

/// Shows each quantity of an object, with its path.
fn visit(object: &mut Object, see: &mut dyn FnMut(&str, &mut Text)) {
    match object {
        Object::Pod(pod) => {
            visit_spec("spec", Arc::make_mut(&mut Arc::make_mut(pod).spec), see);
        }
        Object::Deployment(it) => {
            let spec = Arc::make_mut(it).spec.as_mut();
            if let Some(spec) = spec.and_then(|spec| spec.template.spec.as_mut()) {
                visit_spec("spec.template.spec", spec, see);
            }
        }
        Object::ReplicaSet(it) => {
            let spec = Arc::make_mut(it).spec.as_mut();
            let template = spec.and_then(|spec| spec.template.as_mut());
            if let Some(spec) = template.and_then(|template| template.spec.as_mut()) {
                visit_spec("spec.template.spec", spec, see);
            }
        }
        Object::Node(it) => {
            if let Some(status) = &mut Arc::make_mut(it).status {
                visit_amounts("status.capacity", &mut status.capacity, see);
                visit_amounts("status.allocatable", &mut status.allocatable, see);
            }
        }
        _ => {}
    }
}

fn visit_spec(path: &str, spec: &mut PodSpec, see: &mut dyn FnMut(&str, &mut Text)) {
    visit_amounts(&format!("{path}.overhead"), &mut spec.overhead, see);
    if let Some(resources) = &mut spec.resources {
        visit_amounts(
            &format!("{path}.resources.limits"),
            &mut resources.limits,
            see,
        );
        visit_amounts(
            &format!("{path}.resources.requests"),
            &mut resources.requests,
            see,
        );
    }
    let init = spec.init_containers.as_deref_mut().unwrap_or_default();
    for (list, containers) in [
        ("initContainers", init),
        ("containers", &mut spec.containers),
    ] {
        for (index, container) in containers.iter_mut().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            if let Some(resources) = &mut container.resources {
                let path = format!("{path}.resources");
                visit_amounts(&format!("{path}.limits"), &mut resources.limits, see);
                visit_amounts(&format!("{path}.requests"), &mut resources.requests, see);
            }
            for (index, variable) in container.env.iter_mut().flatten().enumerate() {
                let from = variable.value_from.as_mut();
                let resource = from.and_then(|from| from.resource_field_ref.as_mut());
                if let Some(divisor) = resource.and_then(|resource| resource.divisor.as_mut()) {
                    let path = format!("{path}.env[{index}].valueFrom.resourceFieldRef.divisor");
                    see(&path, divisor);
                }
            }
        }
    }
    for (index, volume) in spec.volumes.iter_mut().flatten().enumerate() {
        let limit = volume
            .empty_dir
            .as_mut()
            .and_then(|dir| dir.size_limit.as_mut());
        if let Some(limit) = limit {
            see(
                &format!("{path}.volumes[{index}].emptyDir.sizeLimit"),
                limit,
            );
        }
    }
}

fn visit_amounts(path: &str, amounts: &mut Option<Amounts>, see: &mut dyn FnMut(&str, &mut Text)) {
    for (resource, text) in amounts.iter_mut().flatten() {
        see(&format!("{path}[{resource}]"), text);
    }
}
