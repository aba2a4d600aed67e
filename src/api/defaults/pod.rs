//! Defaults of pod specs (`pkg/apis/core/v1/defaults.go`).

use k8s_openapi::{
    api::core::v1::{
        Container, DownwardAPIVolumeFile, EnvVar, PodSpec, ResourceRequirements, Volume,
    },
    apimachinery::pkg::api::resource::Quantity as Text,
};

use super::{probe, quantities};
use crate::api::{Pod, image};

/// Defaults of a pod's spec, in a pod or in a template.
pub fn pod_spec(spec: &mut PodSpec) {
    quantities::canonicalize_spec(spec);
    spec.termination_grace_period_seconds
        .get_or_insert(Pod::DEFAULT_GRACE_SECONDS);
    spec.restart_policy
        .get_or_insert_with(|| "Always".to_owned());
    spec.dns_policy
        .get_or_insert_with(|| "ClusterFirst".to_owned());
    spec.security_context.get_or_insert_default();
    spec.scheduler_name
        .get_or_insert_with(|| "default-scheduler".to_owned());
    let host_network = spec.host_network == Some(true);
    for container in containers_mut(spec) {
        of_container(container, host_network);
    }
    for volume in spec.volumes.iter_mut().flatten() {
        of_volume(volume);
    }
    tidy(spec);
}

/// Leaves out empty lists and maps, as Go does.
fn tidy(spec: &mut PodSpec) {
    fn list<T>(list: &mut Option<Vec<T>>) {
        if list.as_ref().is_some_and(Vec::is_empty) {
            *list = None;
        }
    }
    list(&mut spec.volumes);
    list(&mut spec.init_containers);
    list(&mut spec.tolerations);
    list(&mut spec.scheduling_gates);
    list(&mut spec.topology_spread_constraints);
    super::tidy_labels(&mut spec.node_selector);
    for container in containers_mut(spec) {
        list(&mut container.command);
        list(&mut container.args);
        list(&mut container.env);
        list(&mut container.env_from);
        list(&mut container.ports);
        list(&mut container.volume_mounts);
    }
}

fn containers_mut(spec: &mut PodSpec) -> impl Iterator<Item = &mut Container> {
    let init = spec.init_containers.iter_mut().flatten();
    init.chain(&mut spec.containers)
}

fn of_container(container: &mut Container, host_network: bool) {
    let image = container.image.as_deref().unwrap_or_default();
    let policy = match image::tag(image) {
        "latest" => "Always",
        _ => "IfNotPresent",
    };
    container
        .image_pull_policy
        .get_or_insert_with(|| policy.to_owned());
    container
        .termination_message_path
        .get_or_insert_with(|| "/dev/termination-log".to_owned());
    container
        .termination_message_policy
        .get_or_insert_with(|| "File".to_owned());
    container.resources.get_or_insert_default();
    for port in container.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
        if host_network && port.host_port.is_none() {
            port.host_port = Some(port.container_port);
        }
    }
    for variable in container.env.iter_mut().flatten() {
        of_variable(variable);
    }
    for probe in [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ]
    .into_iter()
    .flatten()
    {
        probe::defaults(probe);
    }
    if let Some(lifecycle) = &mut container.lifecycle {
        probe::lifecycle_defaults(lifecycle);
    }
}

fn of_variable(variable: &mut EnvVar) {
    let Some(from) = &mut variable.value_from else {
        return;
    };
    if let Some(field) = &mut from.field_ref {
        field.api_version.get_or_insert_with(|| "v1".to_owned());
    }
    if let Some(resource) = &mut from.resource_field_ref {
        resource.divisor.get_or_insert_with(|| Text("0".to_owned()));
    }
}

fn of_downward_file(file: &mut DownwardAPIVolumeFile) {
    if let Some(field) = &mut file.field_ref {
        field.api_version.get_or_insert_with(|| "v1".to_owned());
    }
    if let Some(resource) = &mut file.resource_field_ref {
        resource.divisor.get_or_insert_with(|| Text("0".to_owned()));
    }
}

/// The mode of files of a volume that does not say: 0644.
const FILE_MODE: i32 = 0o644;

fn of_volume(volume: &mut Volume) {
    let named_only = Volume {
        name: volume.name.clone(),
        ..Volume::default()
    };
    if *volume == named_only {
        volume.empty_dir = Some(Default::default());
    }
    if let Some(source) = &mut volume.config_map {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.secret {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.downward_api {
        source.default_mode.get_or_insert(FILE_MODE);
        source.items.iter_mut().flatten().for_each(of_downward_file);
    }
    if let Some(source) = &mut volume.projected {
        source.default_mode.get_or_insert(FILE_MODE);
        for source in source.sources.iter_mut().flatten() {
            if let Some(source) = &mut source.downward_api {
                source.items.iter_mut().flatten().for_each(of_downward_file);
            }
            if let Some(token) = &mut source.service_account_token {
                token.expiration_seconds.get_or_insert(3600);
            }
        }
    }
    if let Some(source) = &mut volume.host_path {
        source.type_.get_or_insert_default();
    }
}

/// Defaults that a pod has and a template has not: requests from limits, service links.
pub fn in_pod(spec: &mut PodSpec) {
    for container in containers_mut(spec) {
        if let Some(resources) = &mut container.resources {
            requests_from_limits(resources);
        }
    }
    spec.enable_service_links.get_or_insert(true);
}

fn requests_from_limits(resources: &mut ResourceRequirements) {
    let Some(limits) = &resources.limits else {
        return;
    };
    for (resource, limit) in limits {
        resources
            .requests
            .get_or_insert_default()
            .entry(resource.clone())
            .or_insert_with(|| limit.clone());
    }
}

/// Whether [`in_pod`] would change nothing.
#[must_use]
pub fn is_complete_in_pod(spec: &PodSpec) -> bool {
    let complete = |container: &Container| {
        let Some(resources) = &container.resources else {
            return true;
        };
        let requests = resources.requests.as_ref();
        let limits = resources.limits.iter().flatten();
        limits
            .into_iter()
            .all(|(resource, _)| requests.is_some_and(|r| r.contains_key(resource)))
    };
    let init = spec.init_containers.iter().flatten();
    spec.enable_service_links.is_some() && init.chain(&spec.containers).all(complete)
}
