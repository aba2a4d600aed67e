//! Rules of containers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1::{Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, PodSpec},
    apimachinery::pkg::api::resource::Quantity as Text,
};

use super::{field::Errors, names, probe};
use crate::api::Quantity;

/// The containers of a pod, init containers after the others as upstream has it.
pub(super) fn containers(path: &str, spec: &PodSpec, errors: &mut Errors) {
    let volumes: BTreeSet<&str> = spec
        .volumes
        .iter()
        .flatten()
        .map(|volume| volume.name.as_str())
        .collect();
    if spec.containers.is_empty() {
        errors.required(&format!("{path}.containers"), "");
    }
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (list, containers) in [("containers", &*spec.containers), ("initContainers", init)] {
        for (index, container) in containers.iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            if container.name.is_empty() {
                errors.required(&format!("{path}.name"), "");
            } else {
                let wrong = names::dns_label(&container.name);
                errors.invalid_each(&format!("{path}.name"), &container.name, wrong);
            }
            if !seen.insert(&container.name) {
                errors.duplicate(&format!("{path}.name"), container.name.as_str());
            }
            one(&path, container, &volumes, errors);
        }
    }
    host_ports(path, &spec.containers, errors);
}

fn one(path: &str, container: &Container, volumes: &BTreeSet<&str>, errors: &mut Errors) {
    if container.image.as_deref().unwrap_or_default().is_empty() {
        errors.required(&format!("{path}.image"), "");
    }
    let policy = container.image_pull_policy.as_deref().unwrap_or_default();
    let policies = ["Always", "IfNotPresent", "Never"];
    if !policies.contains(&policy) {
        errors.not_supported(&format!("{path}.imagePullPolicy"), policy, &policies);
    }
    ports(path, container.ports.as_deref().unwrap_or_default(), errors);
    env(path, container.env.as_deref().unwrap_or_default(), errors);
    env_from(
        path,
        container.env_from.as_deref().unwrap_or_default(),
        errors,
    );
    mounts(path, container, volumes, errors);
    resources(path, container, errors);
    if let Some(lifecycle) = &container.lifecycle {
        probe::lifecycle(&format!("{path}.lifecycle"), lifecycle, errors);
    }
    for (field, probe, once) in [
        ("livenessProbe", &container.liveness_probe, true),
        ("readinessProbe", &container.readiness_probe, false),
        ("startupProbe", &container.startup_probe, true),
    ] {
        if let Some(probe) = probe {
            probe::probe(&format!("{path}.{field}"), probe, once, errors);
        }
    }
}

fn ports(path: &str, ports: &[ContainerPort], errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            let wrong = names::port(name);
            if !wrong.is_empty() {
                errors.invalid_each(&format!("{path}.name"), name, wrong);
            } else if !seen.insert(name) {
                errors.duplicate(&format!("{path}.name"), name);
            }
        }
        if port.container_port == 0 {
            errors.required(&format!("{path}.containerPort"), "");
        } else {
            number(
                &format!("{path}.containerPort"),
                port.container_port,
                errors,
            );
        }
        if let Some(host) = port.host_port.filter(|number| *number != 0) {
            number(&format!("{path}.hostPort"), host, errors);
        }
        let protocol = port.protocol.as_deref().unwrap_or_default();
        protocol_of(&format!("{path}.protocol"), protocol, errors);
    }
}

/// A port's number.
pub(super) fn number(path: &str, number: i32, errors: &mut Errors) {
    if !(1..=65_535).contains(&number) {
        errors.invalid(path, number, "must be between 1 and 65535, inclusive");
    }
}

/// A transport protocol.
pub(super) fn protocol_of(path: &str, protocol: &str, errors: &mut Errors) {
    let known = ["SCTP", "TCP", "UDP"];
    if protocol.is_empty() {
        errors.required(path, "");
    } else if !known.contains(&protocol) {
        errors.not_supported(path, protocol, &known);
    }
}

fn host_ports(path: &str, containers: &[Container], errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        for (j, port) in container.ports.iter().flatten().enumerate() {
            let Some(number) = port.host_port.filter(|number| *number != 0) else {
                continue;
            };
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            let address = port.host_ip.as_deref().unwrap_or_default();
            let key = format!("{protocol}/{address}/{number}");
            if !seen.insert(key.clone()) {
                let path = format!("{path}.containers[{i}].ports[{j}].hostPort");
                errors.duplicate(&path, key);
            }
        }
    }
}

fn env(path: &str, variables: &[EnvVar], errors: &mut Errors) {
    for (index, variable) in variables.iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        if variable.name.is_empty() {
            errors.required(&format!("{path}.name"), "");
        } else {
            let wrong = names::variable(&variable.name);
            errors.invalid_each(&format!("{path}.name"), &variable.name, wrong);
        }
        if let Some(from) = &variable.value_from {
            let has_value = variable.value.as_deref().is_some_and(|v| !v.is_empty());
            env_source(&format!("{path}.valueFrom"), from, has_value, errors);
        }
    }
}

/// Paths of a pod's fields that a variable can take.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

fn env_source(path: &str, from: &EnvVarSource, has_value: bool, errors: &mut Errors) {
    let given = [
        from.field_ref.is_some(),
        from.resource_field_ref.is_some(),
        from.config_map_key_ref.is_some(),
        from.secret_key_ref.is_some(),
        from.file_key_ref.is_some(),
    ];
    match given.iter().filter(|given| **given).count() {
        0 => errors.invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
        1 if has_value => {
            errors.invalid(path, "", "may not be specified when `value` is not empty");
        }
        1 => {}
        _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
    }
    if let Some(field) = &from.field_ref {
        let of_map = ["metadata.labels['", "metadata.annotations['"];
        let of_map = of_map
            .iter()
            .any(|prefix| field.field_path.starts_with(prefix));
        if field.field_path.is_empty() {
            errors.required(&format!("{path}.fieldRef.fieldPath"), "");
        } else if !FIELDS.contains(&field.field_path.as_str()) && !of_map {
            let path = format!("{path}.fieldRef.fieldPath");
            errors.not_supported(&path, &field.field_path, &FIELDS);
        }
    }
    if let Some(reference) = &from.config_map_key_ref {
        key_of(
            &format!("{path}.configMapKeyRef"),
            &reference.name,
            &reference.key,
            errors,
        );
    }
    if let Some(reference) = &from.secret_key_ref {
        key_of(
            &format!("{path}.secretKeyRef"),
            &reference.name,
            &reference.key,
            errors,
        );
    }
}

fn key_of(path: &str, name: &str, key: &str, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(&format!("{path}.name"), "");
    }
    if key.is_empty() {
        errors.required(&format!("{path}.key"), "");
    } else {
        errors.invalid_each(&format!("{path}.key"), key, names::config_key(key));
    }
}

fn env_from(path: &str, sources: &[EnvFromSource], errors: &mut Errors) {
    for (index, source) in sources.iter().enumerate() {
        let path = format!("{path}.envFrom[{index}]");
        if let Some(prefix) = source.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            errors.invalid_each(&format!("{path}.prefix"), prefix, names::variable(prefix));
        }
        let config_map = source
            .config_map_ref
            .as_ref()
            .map(|it| ("configMapRef", &it.name));
        let secret = source.secret_ref.as_ref().map(|it| ("secretRef", &it.name));
        for (field, name) in [config_map, secret].into_iter().flatten() {
            if name.is_empty() {
                errors.required(&format!("{path}.{field}.name"), "");
            }
        }
        match (config_map, secret) {
            (None, None) => errors.invalid(
                &path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            ),
            (Some(_), Some(_)) => {
                errors.invalid(
                    &path,
                    "",
                    "may not have more than one field specified at a time",
                );
            }
            _ => {}
        }
    }
}

fn mounts(path: &str, container: &Container, volumes: &BTreeSet<&str>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        if mount.name.is_empty() {
            errors.required(&format!("{path}.name"), "");
        }
        if !volumes.contains(mount.name.as_str()) {
            errors.not_found(&format!("{path}.name"), &mount.name);
        }
        if mount.mount_path.is_empty() {
            errors.required(&format!("{path}.mountPath"), "");
        }
        if !seen.insert(&mount.mount_path) {
            let path = format!("{path}.mountPath");
            errors.invalid(&path, mount.mount_path.as_str(), "must be unique");
        }
    }
}

fn resources(path: &str, container: &Container, errors: &mut Errors) {
    let Some(resources) = &container.resources else {
        return;
    };
    let path = format!("{path}.resources");
    let empty = BTreeMap::new();
    let limits = resources.limits.as_ref().unwrap_or(&empty);
    let requests = resources.requests.as_ref().unwrap_or(&empty);
    for (field, amounts) in [("limits", limits), ("requests", requests)] {
        for (resource, amount) in amounts {
            let path = format!("{path}.{field}[{resource}]");
            resource_name(&path, resource, errors);
            quantity(&path, amount, errors);
        }
    }
    for (resource, request) in requests {
        let path = format!("{path}.requests");
        match limits.get(resource) {
            Some(limit) if Quantity::of(request) > Quantity::of(limit) => {
                let detail = format!(
                    "must be less than or equal to {resource} limit of {}",
                    limit.0
                );
                errors.invalid(&path, request.0.as_str(), &detail);
            }
            // What cannot be overcommitted.
            Some(limit) if resource.contains('/') && limit != request => {
                let detail = format!("must be equal to {resource} limit of {}", limit.0);
                errors.invalid(&path, request.0.as_str(), &detail);
            }
            None if resource.contains('/') || resource.starts_with("hugepages-") => {
                errors.required(
                    &format!("{}.limits", path.trim_end_matches(".requests")),
                    "Limit must be set for non overcommitable resources",
                );
            }
            _ => {}
        }
    }
}

fn resource_name(path: &str, resource: &str, errors: &mut Errors) {
    errors.invalid_each(path, resource, names::qualified_name(resource));
    let standard = ["cpu", "memory", "ephemeral-storage"];
    if !resource.contains('/')
        && !standard.contains(&resource)
        && !resource.starts_with("hugepages-")
    {
        errors.invalid(path, resource, "must be a standard resource for containers");
    }
}

/// An amount of a resource.
pub(super) fn quantity(path: &str, amount: &Text, errors: &mut Errors) {
    if Quantity::of(amount).is_negative() {
        let value = amount.0.as_str();
        errors.invalid(path, value, "must be greater than or equal to 0");
    }
}
