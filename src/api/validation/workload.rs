//! Rules of Deployments and ReplicaSets (`pkg/apis/apps/validation`).

use k8s_openapi::{
    api::{
        apps::v1::DeploymentStrategy,
        core::v1::{PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use serde_json::json;

use super::{field::Errors, meta, names, pod};
use crate::api::{Deployment, ReplicaSet, selector::Selector};

pub(super) fn deployment(it: &Deployment, old: Option<&Deployment>, errors: &mut Errors) {
    meta::metadata(&it.metadata, true, names::dns_subdomain, errors);
    let Some(spec) = &it.spec else { return };
    errors.not_negative("spec.replicas", spec.replicas.map(i64::from));
    selector(&spec.selector, errors);
    template(&spec.template, &spec.selector, errors);
    if let Some(how) = &spec.strategy {
        strategy(how, errors);
    }
    errors.not_negative(
        "spec.minReadySeconds",
        spec.min_ready_seconds.map(i64::from),
    );
    let history = spec.revision_history_limit.map(i64::from);
    errors.not_negative("spec.revisionHistoryLimit", history);
    if let Some(deadline) = spec.progress_deadline_seconds {
        let path = "spec.progressDeadlineSeconds";
        errors.not_negative(path, Some(i64::from(deadline)));
        if deadline <= spec.min_ready_seconds.unwrap_or(0) {
            errors.invalid(path, deadline, "must be greater than minReadySeconds");
        }
    }
    if let Some(old) = old.and_then(|old| old.spec.as_ref()) {
        errors.immutable("spec.selector", &spec.selector, &old.selector);
    }
}

pub(super) fn replica_set(it: &ReplicaSet, old: Option<&ReplicaSet>, errors: &mut Errors) {
    meta::metadata(&it.metadata, true, names::dns_subdomain, errors);
    let Some(spec) = &it.spec else { return };
    errors.not_negative("spec.replicas", spec.replicas.map(i64::from));
    errors.not_negative(
        "spec.minReadySeconds",
        spec.min_ready_seconds.map(i64::from),
    );
    selector(&spec.selector, errors);
    match &spec.template {
        Some(found) => template(found, &spec.selector, errors),
        None => errors.required("spec.template", ""),
    }
    if let Some(old) = old.and_then(|old| old.spec.as_ref()) {
        errors.immutable("spec.selector", &spec.selector, &old.selector);
    }
}

fn selector(selector: &LabelSelector, errors: &mut Errors) {
    let path = "spec.selector";
    if Selector::of(Some(selector)).is_everything() {
        errors.invalid(path, json!({}), "empty selector is invalid for deployment");
    }
    meta::selector(path, selector, errors);
}

fn template(template: &PodTemplateSpec, selector: &LabelSelector, errors: &mut Errors) {
    let path = "spec.template";
    let metadata = template.metadata.clone().unwrap_or_default();
    let labels = metadata.labels.unwrap_or_default();
    let selector = Selector::of(Some(selector));
    if !selector.is_everything() && !selector.matches(&labels) {
        errors.invalid(
            &format!("{path}.metadata.labels"),
            json!(labels),
            "`selector` does not match template `labels`",
        );
    }
    meta::labels(&format!("{path}.labels"), &labels, errors);
    let empty = PodSpec::default();
    let spec = template.spec.as_ref().unwrap_or(&empty);
    pod::spec(&format!("{path}.spec"), spec, errors);
    let policy = spec.restart_policy.as_deref().unwrap_or_default();
    if policy != "Always" {
        errors.not_supported(&format!("{path}.spec.restartPolicy"), policy, &["Always"]);
    }
    if spec.active_deadline_seconds.is_some() {
        errors.forbidden(
            &format!("{path}.spec.activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        );
    }
}

fn strategy(strategy: &DeploymentStrategy, errors: &mut Errors) {
    let path = "spec.strategy";
    match strategy.type_.as_deref().unwrap_or_default() {
        "Recreate" => {
            if strategy.rolling_update.is_some() {
                errors.forbidden(
                    &format!("{path}.rollingUpdate"),
                    "may not be specified when strategy `type` is 'Recreate'",
                );
            }
        }
        "RollingUpdate" => {
            let Some(rolling) = &strategy.rolling_update else {
                let detail = "this should be defaulted and never be nil";
                return errors.required(&format!("{path}.rollingUpdate"), detail);
            };
            let unavailable_path = format!("{path}.rollingUpdate.maxUnavailable");
            let surge = rolling.max_surge.clone().unwrap_or_default();
            let unavailable = rolling.max_unavailable.clone().unwrap_or_default();
            share(&unavailable_path, &unavailable, errors);
            share(&format!("{path}.rollingUpdate.maxSurge"), &surge, errors);
            if amount(&unavailable) == 0 && amount(&surge) == 0 {
                let detail = "may not be 0 when `maxSurge` is 0";
                errors.invalid(&unavailable_path, value(&unavailable), detail);
            }
            if percent(&unavailable).is_some_and(|percent| percent > 100) {
                let detail = "must not be greater than 100%";
                errors.invalid(&unavailable_path, value(&unavailable), detail);
            }
        }
        other => {
            let known = ["Recreate", "RollingUpdate"];
            errors.not_supported(&format!("{path}.type"), other, &known);
        }
    }
}

/// A number of pods, or a share in percent.
fn share(path: &str, share: &IntOrString, errors: &mut Errors) {
    match share {
        IntOrString::Int(number) => errors.not_negative(path, Some(i64::from(*number))),
        IntOrString::String(text) => {
            if percent(share).is_none() {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                errors.invalid(path, text.as_str(), detail);
            }
        }
    }
}

fn percent(share: &IntOrString) -> Option<u32> {
    match share {
        IntOrString::Int(_) => None,
        IntOrString::String(text) => text.strip_suffix('%')?.parse().ok(),
    }
}

/// The number, of a share the percent.
fn amount(share: &IntOrString) -> i64 {
    match share {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(_) => percent(share).map_or(-1, i64::from),
    }
}

fn value(share: &IntOrString) -> serde_json::Value {
    match share {
        IntOrString::Int(number) => json!(number),
        IntOrString::String(text) => json!(text),
    }
}
