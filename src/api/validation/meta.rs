//! Rules of metadata, labels and selectors (`apimachinery/pkg/api/validation`, `.../apis/meta/v1/validation`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{
    field::Errors,
    names::{dns_label, label_value, qualified_name},
};
use crate::api::{Owner, meta::Labels};

/// A rule for names: lists what is wrong with one.
pub(super) type NameRule = fn(&str) -> Vec<String>;

/// How much all annotations together may say.
const MOST_ANNOTATIONS: usize = 256 << 10;

/// Metadata of any object; `namespaced` if it lives in a namespace.
pub(super) fn metadata(meta: &ObjectMeta, namespaced: bool, rule: NameRule, errors: &mut Errors) {
    names(
        meta.name.as_deref().unwrap_or_default(),
        meta.generate_name.as_deref().unwrap_or_default(),
        rule,
        errors,
    );
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    match (namespaced, namespace) {
        (true, "") => errors.required("metadata.namespace", ""),
        (true, text) => errors.invalid_each("metadata.namespace", text, dns_label(text)),
        (false, "") => {}
        (false, _) => errors.forbidden("metadata.namespace", "not allowed on this type"),
    }
    let empty = Labels::new();
    labels(
        "metadata.labels",
        meta.labels.as_ref().unwrap_or(&empty),
        errors,
    );
    annotations(meta.annotations.as_ref().unwrap_or(&empty), errors);
    let owner_references = meta.owner_references.iter().flatten();
    owners(
        &owner_references.map(Owner::from).collect::<Vec<_>>(),
        errors,
    );
    finalizers(meta.finalizers.as_deref().unwrap_or_default(), errors);
}

/// Name and prefix of a name.
pub(super) fn names(name: &str, prefix: &str, rule: NameRule, errors: &mut Errors) {
    if !prefix.is_empty() {
        // What follows makes a hyphen or point at its end good.
        let text = prefix.trim_end_matches(['-', '.']);
        errors.invalid_each("metadata.generateName", prefix, rule(text));
    }
    if name.is_empty() {
        errors.required("metadata.name", "name or generateName is required");
    } else {
        errors.invalid_each("metadata.name", name, rule(name));
    }
}

/// A map of labels. The path is the map's, as upstream has it.
pub(super) fn labels(path: &str, labels: &Labels, errors: &mut Errors) {
    for (key, value) in labels {
        errors.invalid_each(path, key, qualified_name(key));
        errors.invalid_each(path, value, label_value(value));
    }
}

pub(super) fn annotations(annotations: &Labels, errors: &mut Errors) {
    let path = "metadata.annotations";
    for key in annotations.keys() {
        errors.invalid_each(path, key, qualified_name(&key.to_lowercase()));
    }
    let size: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > MOST_ANNOTATIONS {
        errors.too_long(path, MOST_ANNOTATIONS);
    }
}

pub(super) fn owners(owners: &[Owner], errors: &mut Errors) {
    let path = "metadata.ownerReferences";
    for (index, owner) in owners.iter().enumerate() {
        for (field, text) in [("kind", &owner.kind), ("name", &owner.name)] {
            if text.is_empty() {
                let path = format!("{path}[{index}].{field}");
                errors.invalid(&path, "", "must not be empty");
            }
        }
    }
    let controllers: Vec<&Owner> = owners.iter().filter(|owner| owner.controller).collect();
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
            first.name, second.name
        );
        errors.invalid(path, serde_json::Value::Null, &detail);
    }
}

pub(super) fn finalizers(finalizers: &[String], errors: &mut Errors) {
    for (index, finalizer) in finalizers.iter().enumerate() {
        let path = format!("metadata.finalizers[{index}]");
        errors.invalid_each("metadata.finalizers", finalizer, qualified_name(finalizer));
        let standard = ["orphan", "foregroundDeletion", "kubernetes"];
        if !finalizer.contains('/') && !standard.contains(&finalizer.as_str()) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&path, finalizer.as_str(), detail);
        }
    }
}

/// A label selector.
pub(super) fn selector(path: &str, selector: &LabelSelector, errors: &mut Errors) {
    if let Some(map) = &selector.match_labels {
        labels(&format!("{path}.matchLabels"), map, errors);
    }
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = expression.values.as_deref().unwrap_or_default();
        match expression.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => errors.required(
                &format!("{path}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            ),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.forbidden(
                &format!("{path}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(
                &format!("{path}.operator"),
                other,
                "not a valid selector operator",
            ),
        }
        let key = &expression.key;
        errors.invalid_each(&format!("{path}.key"), key, qualified_name(key));
        for (index, value) in values.iter().enumerate() {
            errors.invalid_each(
                &format!("{path}.values[{index}]"),
                value,
                label_value(value),
            );
        }
    }
}
