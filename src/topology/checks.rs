//! What must hold between the objects of a topology, and what the API would say to each.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1::{Container, PodSpec},
    apimachinery::pkg::{api::resource::Quantity as Text, util::intstr::IntOrString},
};

use super::{
    deployments::MOST_PODS,
    made::{Fields, Made},
    source::Report,
    suggest::did_you_mean,
};
use crate::{
    api::{
        Kind, Object, ObjectRef, Quantity, Service, defaults, meta::Labels, selector::Selector,
        support, validation,
    },
    store::bootstrap,
};

/// Notes all that is wrong with the objects together and one by one.
pub(super) fn check(made: &[Made], report: &Report) {
    twice(made, report);
    for one in made {
        each(one, report);
    }
    if report.failed() {
        // What refers to something broken would only be reported twice.
        return;
    }
    let all = All::of(made);
    for one in made {
        if let Object::Service(service) = &one.object {
            service_finds_pods(one, service, &all, report);
        }
    }
    for template in &all.templates {
        references(template, &all, report);
        room(template, &all, report);
    }
    let pods: usize = all.templates.iter().map(|template| template.replicas).sum();
    if pods > MOST_PODS
        && let Some(most) = all.templates.iter().max_by_key(|t| t.replicas)
    {
        let message = format!("{pods} pods in all; kubeplay takes at most {MOST_PODS}");
        most.made.origin.problem(report, "spec.replicas", message);
    }
}

fn twice(made: &[Made], report: &Report) {
    let mut seen: BTreeMap<ObjectRef, &Made> = BTreeMap::new();
    for one in made.iter().filter(|one| !one.implied) {
        let reference = one.object.reference();
        if let Some(first) = seen.get(&reference) {
            let place = first.origin.place("metadata.name");
            let message = format!("{} is there twice; the first is at {place}", one.title());
            one.origin.problem(report, "metadata.name", message);
        } else {
            seen.insert(reference, one);
        }
    }
}

/// Says what the API would say to the object alone.
fn each(made: &Made, report: &Report) {
    if let Some(error) = defaults::malformed_quantity(&made.object) {
        return made.refused(report, &error);
    }
    let mut object = made.object.clone();
    defaults::apply(&mut object);
    for error in validation::check(&object, None) {
        made.refused(report, &error);
    }
    for warning in support::warnings(&made.object) {
        made.origin
            .warning(report, &warning.field, warning.to_string());
    }
}

/// A pod template with what it belongs to.
struct Template<'m> {
    made: &'m Made,
    namespace: String,
    labels: Labels,
    spec: PodSpec,
    /// Path of the spec in its object.
    path: &'static str,
    replicas: usize,
}

/// Everything, sorted for looking up.
struct All<'m> {
    templates: Vec<Template<'m>>,
    nodes: Vec<(Labels, BTreeMap<String, Text>)>,
    config_maps: BTreeMap<(String, String), BTreeSet<String>>,
    priority_classes: BTreeSet<String>,
}

impl<'m> All<'m> {
    fn of(made: &'m [Made]) -> Self {
        let mut all = Self {
            templates: made.iter().filter_map(template).collect(),
            nodes: Vec::new(),
            config_maps: BTreeMap::new(),
            priority_classes: bootstrap::PRIORITY_CLASSES
                .map(|(name, ..)| name.to_owned())
                .into(),
        };
        for one in made {
            let key = one.object.key();
            match &one.object {
                Object::Node(node) => {
                    let status = node.status.clone().unwrap_or_default();
                    let amounts = status.allocatable.or(status.capacity).unwrap_or_default();
                    all.nodes.push((one.object.labels().clone(), amounts));
                }
                Object::ConfigMap(map) => {
                    let text = map.data.iter().flat_map(BTreeMap::keys);
                    let binary = map.binary_data.iter().flat_map(BTreeMap::keys);
                    let keys = text.chain(binary).cloned().collect();
                    all.config_maps
                        .insert((key.namespace.to_string(), key.name.to_string()), keys);
                }
                Object::PriorityClass(_) => {
                    all.priority_classes.insert(key.name.to_string());
                }
                _ => {}
            }
        }
        all
    }
}

fn template(made: &Made) -> Option<Template<'_>> {
    let namespace = made.object.key().namespace.to_string();
    let of = |template: Option<k8s_openapi::api::core::v1::PodTemplateSpec>, replicas| {
        let template = template?;
        Some(Template {
            made,
            namespace: namespace.clone(),
            labels: template.metadata.and_then(|m| m.labels).unwrap_or_default(),
            spec: template.spec?,
            path: "spec.template.spec",
            replicas: usize::try_from(replicas).unwrap_or(0),
        })
    };
    match &made.object {
        Object::Deployment(it) => {
            let spec = it.spec.clone()?;
            of(Some(spec.template), spec.replicas.unwrap_or(1))
        }
        Object::ReplicaSet(it) => {
            let spec = it.spec.clone()?;
            of(spec.template, spec.replicas.unwrap_or(1))
        }
        Object::Pod(pod) => Some(Template {
            made,
            namespace,
            labels: Labels::clone(&pod.meta.labels),
            spec: PodSpec::clone(&pod.spec),
            path: "spec",
            replicas: 1,
        }),
        _ => None,
    }
}

impl Template<'_> {
    /// A name that nothing has: an error in a topology; in a manifest, which may be meant for something else too, a
    /// warning.
    fn missing(&self, report: &Report, path: &str, message: String) {
        missing(self.made, report, path, message);
    }

    /// Its containers with their paths.
    fn containers(&self) -> impl Iterator<Item = (String, &Container)> {
        let path = self.path;
        let of = move |kind: &'static str, list: &'_ [Container]| {
            (0..list.len())
                .map(move |index| format!("{path}.{kind}[{index}]"))
                .collect::<Vec<_>>()
        };
        let init = self.spec.init_containers.as_deref().unwrap_or_default();
        let main = &self.spec.containers;
        let paths = of("initContainers", init)
            .into_iter()
            .chain(of("containers", main));
        paths.zip(init.iter().chain(main))
    }
}

fn missing(made: &Made, report: &Report, path: &str, message: String) {
    match made.origin.fields {
        Fields::Known(_) => made.origin.problem(report, path, message),
        Fields::Tree(_) => made.origin.warning(report, path, message),
    }
}

fn service_finds_pods(made: &Made, service: &Service, all: &All<'_>, report: &Report) {
    let Some(spec) = &service.spec else { return };
    let Some(labels) = spec.selector.as_ref().filter(|labels| !labels.is_empty()) else {
        return; // endpoints made by hand
    };
    let selector = Selector::of_map(labels);
    let namespace = made.object.key().namespace;
    let near = all.templates.iter().filter(|t| *t.namespace == *namespace);
    let found: Vec<_> = near
        .clone()
        .filter(|t| selector.matches(&t.labels))
        .collect();
    if found.is_empty() {
        let meant: String = labels
            .iter()
            .map(|(key, value)| {
                let values = near.clone().filter_map(|t| t.labels.get(key));
                did_you_mean(value, values.map(String::as_str))
            })
            .find(|meant| !meant.is_empty())
            .unwrap_or_default();
        let title = made.title();
        let list = listed(labels);
        let message = format!("{title} selects {list}, which no pod has{meant}");
        return missing(made, report, "spec.selector", message);
    }
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        if let Some(IntOrString::String(name)) = &port.target_port {
            let names: Vec<&str> = found.iter().flat_map(|t| port_names(&t.spec)).collect();
            if !names.contains(&name.as_str()) {
                let title = made.title();
                let meant = did_you_mean(name, names);
                let message = format!("{title}: no container has a port named `{name}`{meant}");
                missing(
                    made,
                    report,
                    &format!("spec.ports[{index}].targetPort"),
                    message,
                );
            }
        }
    }
}

fn port_names(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let ports = spec
        .containers
        .iter()
        .flat_map(|c| c.ports.iter().flatten());
    ports.filter_map(|port| port.name.as_deref())
}

fn listed(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

/// Notes names that nothing has.
fn references(template: &Template<'_>, all: &All<'_>, report: &Report) {
    let title = template.made.title();
    let path = template.path;
    if let Some(class) = &template.spec.priority_class_name
        && !all.priority_classes.contains(class)
    {
        let meant = did_you_mean(class, all.priority_classes.iter().map(String::as_str));
        let message = format!("{title}: there is no PriorityClass \"{class}\"{meant}");
        template.missing(report, &format!("{path}.priorityClassName"), message);
    }
    for (path, container) in template.containers() {
        for (index, source) in container.env_from.iter().flatten().enumerate() {
            if let Some(reference) = &source.config_map_ref
                && reference.optional != Some(true)
            {
                let path = format!("{path}.envFrom[{index}].configMapRef.name");
                config_map(template, all, report, &path, &reference.name, None);
            }
        }
        for (index, variable) in container.env.iter().flatten().enumerate() {
            let from = variable.value_from.as_ref();
            if let Some(reference) = from.and_then(|from| from.config_map_key_ref.as_ref())
                && reference.optional != Some(true)
            {
                let path = format!("{path}.env[{index}].valueFrom.configMapKeyRef");
                let key = Some(reference.key.as_str());
                config_map(template, all, report, &path, &reference.name, key);
            }
        }
    }
    if let Some(labels) = &template.spec.node_selector {
        let selector = Selector::of_map(labels);
        if !all.nodes.is_empty() && !all.nodes.iter().any(|(node, _)| selector.matches(node)) {
            let meant: String = labels
                .iter()
                .map(|(key, value)| {
                    let values = all.nodes.iter().filter_map(|(node, _)| node.get(key));
                    did_you_mean(value, values.map(String::as_str).collect::<BTreeSet<_>>())
                })
                .find(|meant| !meant.is_empty())
                .unwrap_or_default();
            let list = listed(labels);
            let message = format!("{title}: no node has {list}: its pods will stay Pending{meant}");
            let path = format!("{path}.nodeSelector");
            template.made.origin.warning(report, &path, message);
        }
    }
}

fn config_map(
    template: &Template<'_>,
    all: &All<'_>,
    report: &Report,
    path: &str,
    name: &str,
    key: Option<&str>,
) {
    let title = template.made.title();
    let namespace = &template.namespace;
    let Some(keys) = all.config_maps.get(&(namespace.clone(), name.to_owned())) else {
        let names = all.config_maps.keys().filter(|(ns, _)| ns == namespace);
        let meant = did_you_mean(name, names.map(|(_, name)| name.as_str()));
        let message = format!("{title}: there is no ConfigMap \"{name}\" in {namespace}{meant}");
        return template.missing(report, path, message);
    };
    if let Some(key) = key
        && !keys.contains(key)
    {
        let meant = did_you_mean(key, keys.iter().map(String::as_str));
        let message = format!("{title}: ConfigMap \"{name}\" has no key \"{key}\"{meant}");
        template.missing(report, path, message);
    }
}

/// Notes pods that fit on no node, even an empty one.
fn room(template: &Template<'_>, all: &All<'_>, report: &Report) {
    if all.nodes.is_empty() {
        return;
    }
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        let asked = asked(&template.spec, resource);
        let given = |(_, amounts): &(Labels, BTreeMap<String, Text>)| {
            amounts.get(resource).map_or(Quantity::ZERO, Quantity::of)
        };
        let most = all.nodes.iter().map(given).max().unwrap_or_default();
        if asked > most {
            let show = |amount: Quantity| match resource {
                "cpu" => amount.as_cpu(),
                _ => amount.as_bytes(),
            };
            let message = format!(
                "{}: a pod asks for {resource} {}, and the largest node has {}: it will stay Pending",
                template.made.title(),
                show(asked),
                show(most)
            );
            let path = format!("{}.containers[0].resources.requests", template.path);
            template.made.origin.warning(report, &path, message);
        }
    }
}

/// What a pod asks of a node (without sidecars' finer points: an init container runs before the others).
fn asked(spec: &PodSpec, resource: &str) -> Quantity {
    let of = |container: &Container| {
        let resources = container.resources.as_ref();
        let request = resources.and_then(|r| r.requests.as_ref()?.get(resource));
        let limit = resources.and_then(|r| r.limits.as_ref()?.get(resource));
        request.or(limit).map_or(Quantity::ZERO, Quantity::of)
    };
    let main = spec
        .containers
        .iter()
        .map(of)
        .fold(Quantity::ZERO, Quantity::plus);
    let init = spec.init_containers.iter().flatten().map(of).max();
    main.max(init.unwrap_or_default())
}

/// Whether the API server makes the object itself.
pub(super) fn is_systems_own(object: &Object) -> bool {
    object.kind() == Kind::Namespace && bootstrap::NAMESPACES.contains(&&*object.key().name)
}
