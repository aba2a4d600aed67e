//! `[[deployments]]`: each expands to a Deployment of one container.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            ConfigMapEnvSource, ConfigMapKeySelector, Container, ContainerPort, EnvFromSource,
            EnvVar, EnvVarSource, ObjectFieldSelector, PodSpec, PodTemplateSpec,
            ResourceRequirements,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity as Text,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use toml::de::DeValue;

use super::{
    made::{Made, Origin},
    section::{Placed, Raw, Section},
    source::Span,
    taints,
};
use crate::api::{Deployment, Object, image::BUILT_IN_IMAGE};

/// The most pods that a topology may ask for.
pub const MOST_PODS: usize = 100_000;

/// The port on which the built-in workload listens if a topology does not say.
const WORKLOAD_PORT: i32 = 8080;

/// Path of a deployment's container.
const CONTAINER: &str = "spec.template.spec.containers[0]";

/// Reads a deployment.
pub(super) fn deployment(mut section: Section<'_>) -> Option<Made> {
    let name = section.required_text("name");
    let namespace = section.text("namespace");
    let most = i64::try_from(MOST_PODS).unwrap_or(i64::MAX);
    let replicas = section.integer("replicas", 0..=most);
    let labels = section.map("labels").map_or_else(Vec::new, |map| map.value);
    let min_ready = section.seconds("min_ready");
    let progress_deadline = section.seconds("progress_deadline");
    let history = section.integer("revision_history", 0..=i64::from(i32::MAX));
    let paused = section.boolean("paused");
    let strategy = strategy(&mut section);
    let container = container(&mut section, name.as_ref().map_or("", |name| name.value));
    let pod = pod_spec(&mut section, container);
    let origin = origin(&section);
    section.finish();
    let name = name?.value.to_owned();
    let namespace = namespace.map_or("default", |namespace| namespace.value);
    let app = BTreeMap::from([("app".to_owned(), name.clone())]);
    let mut template_labels = app.clone();
    template_labels.extend(labels.into_iter().map(|(key, value)| (key, value.value)));
    let to_i32 = |n: Placed<i64>| i32::try_from(n.value).unwrap_or(i32::MAX);
    let deployment = Deployment {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            labels: Some(template_labels.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec {
            replicas: Some(replicas.map_or(1, to_i32)),
            selector: LabelSelector {
                match_labels: Some(app),
                match_expressions: None,
            },
            strategy,
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(template_labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod),
            },
            min_ready_seconds: min_ready.map(to_i32),
            progress_deadline_seconds: progress_deadline.map(to_i32),
            revision_history_limit: history.map(to_i32),
            paused,
        }),
        status: None,
    };
    Some(Made::new(Object::of(deployment), origin))
}

/// Where what the API may refuse stands in the topology.
fn origin(section: &Section<'_>) -> Origin {
    let mut origin = Origin::of(&section.doc, section.span.clone());
    let container = |field: &str| format!("{CONTAINER}.{field}");
    for (field, key) in [
        ("metadata.name", "name"),
        ("metadata.namespace", "namespace"),
        ("metadata.labels", "labels"),
        ("spec.replicas", "replicas"),
        ("spec.strategy", "strategy"),
        ("spec.strategy.rollingUpdate.maxSurge", "max_surge"),
        (
            "spec.strategy.rollingUpdate.maxUnavailable",
            "max_unavailable",
        ),
        ("spec.minReadySeconds", "min_ready"),
        ("spec.progressDeadlineSeconds", "progress_deadline"),
        ("spec.template.metadata.labels", "labels"),
        ("spec.template.spec.nodeSelector", "node_selector"),
        ("spec.template.spec.tolerations", "tolerations"),
        ("spec.template.spec.priorityClassName", "priority_class"),
        (CONTAINER, "name"),
        (&container("image"), "image"),
        (&container("resources"), "requests"),
        (&container("resources.limits"), "limits"),
        (&container("envFrom"), "env_from"),
        (&container("env"), "env"),
        (&container("ports"), "ports"),
    ] {
        origin.field(field, section.place(key));
    }
    origin
}

fn strategy(section: &mut Section<'_>) -> Option<DeploymentStrategy> {
    let kind = section.word("strategy", &["RollingUpdate", "Recreate"]);
    let surge = share(section, "max_surge");
    let unavailable = share(section, "max_unavailable");
    if kind.as_ref().is_some_and(|kind| kind.value == "Recreate") {
        for key in ["max_surge", "max_unavailable"] {
            if section.raw(key).is_some() {
                section.doc.problem(
                    section.place(key),
                    format!("`{key}` has no meaning with strategy `Recreate`"),
                );
            }
        }
    }
    let rolling = surge.is_some() || unavailable.is_some();
    (kind.is_some() || rolling).then(|| DeploymentStrategy {
        type_: kind.map(|kind| kind.value.to_owned()),
        rolling_update: rolling.then_some(RollingUpdateDeployment {
            max_surge: surge,
            max_unavailable: unavailable,
        }),
    })
}

/// A number of pods, or a share of them in percent.
fn share(section: &mut Section<'_>, key: &'static str) -> Option<IntOrString> {
    let found = section.raw(key)?;
    if let DeValue::String(text) = found.get_ref() {
        let percent = text.strip_suffix('%').and_then(|n| n.parse::<u32>().ok());
        if percent.is_none() {
            section.doc.problem(
                found.span(),
                format!("`{key}` is \"{text}\"; write a number of pods, or a share like \"25%\""),
            );
            return None;
        }
        return Some(IntOrString::String(text.to_string()));
    }
    let number = section.integer(key, 0..=i64::from(i32::MAX))?;
    i32::try_from(number.value).ok().map(IntOrString::Int)
}

fn pod_spec(section: &mut Section<'_>, container: Container) -> PodSpec {
    let selector = section.map("node_selector").map(|map| {
        map.value
            .into_iter()
            .map(|(key, value)| (key, value.value))
            .collect()
    });
    PodSpec {
        containers: vec![container],
        node_selector: selector,
        tolerations: taints::tolerations(section),
        termination_grace_period_seconds: section.seconds("grace").map(|grace| grace.value),
        priority_class_name: section.text("priority_class").map(|c| c.value.to_owned()),
        ..PodSpec::default()
    }
}

fn container(section: &mut Section<'_>, name: &str) -> Container {
    let image = section.text("image");
    let built_in = image
        .as_ref()
        .is_none_or(|image| image.value == BUILT_IN_IMAGE);
    let policy = section.word("image_pull_policy", &["Always", "IfNotPresent", "Never"]);
    let strings = |texts: Placed<Vec<Placed<&str>>>| -> Vec<String> {
        let texts = texts.value.into_iter();
        texts.map(|text| text.value.to_owned()).collect()
    };
    let command = section.texts("command").map(strings);
    let args = section.texts("args").map(strings);
    let mut ports = ports(section);
    if built_in && ports.is_empty() {
        ports.push(port(None, WORKLOAD_PORT));
    }
    let workload = workload(section, built_in, ports.first().map(|p| p.container_port));
    // The built-in image is there without a registry.
    let policy = policy
        .map(|p| p.value)
        .or(built_in.then_some("IfNotPresent"));
    let requests = amounts(section, "requests");
    let limits = amounts(section, "limits");
    Container {
        name: name.to_owned(),
        image: Some(image.map_or(BUILT_IN_IMAGE, |image| image.value).to_owned()),
        image_pull_policy: policy.map(str::to_owned),
        args: args.or_else(|| command.is_none().then_some(workload).flatten()),
        command,
        ports: (!ports.is_empty()).then_some(ports),
        env: env(section),
        env_from: env_from(section),
        resources: (requests.is_some() || limits.is_some()).then_some(ResourceRequirements {
            requests,
            limits,
            claims: None,
        }),
        ..Container::default()
    }
}

fn port(name: Option<String>, number: i32) -> ContainerPort {
    ContainerPort {
        name,
        container_port: number,
        ..ContainerPort::default()
    }
}

/// `ports = [8080, { name = "metrics", port = 9090 }]`
fn ports(section: &mut Section<'_>) -> Vec<ContainerPort> {
    let list = section
        .list("ports")
        .map_or_else(Vec::new, |list| list.value);
    let mut ports = Vec::new();
    for found in list {
        match found.get_ref() {
            DeValue::Table(table) => {
                let mut fields = Section::new(section.doc, "a port", table, found.span());
                let name = fields.text("name").map(|name| name.value.to_owned());
                let number = fields.integer("port", 1..=65_535);
                let protocol = fields.word("protocol", &["TCP", "UDP", "SCTP"]);
                if number.is_none() && fields.raw("port").is_none() {
                    section.doc.problem(found.span(), "a port needs a `port`");
                }
                fields.finish();
                if let Some(number) = number {
                    ports.push(ContainerPort {
                        protocol: protocol.map(|p| p.value.to_owned()),
                        ..port(name, i32::try_from(number.value).unwrap_or(0))
                    });
                }
            }
            DeValue::Integer(number) => match number.as_str().parse::<i32>() {
                Ok(number @ 1..=65_535) => ports.push(port(None, number)),
                _ => section
                    .doc
                    .problem(found.span(), "a port is between 1 and 65535"),
            },
            _ => section.doc.problem(
                found.span(),
                "a port is a number, or a table like { name = \"http\", port = 8080 }",
            ),
        }
    }
    ports
}

/// `workload = {...}`: arguments of the built-in workload.
fn workload(section: &mut Section<'_>, built_in: bool, port: Option<i32>) -> Option<Vec<String>> {
    let place = section.place("workload");
    let found = section.section("workload", "workload");
    if !built_in {
        if found.is_some() {
            section.doc.problem(
                place,
                "`workload` is for the built-in image; leave out `image`, or use `args`",
            );
        }
        return None;
    }
    let mut args = vec!["serve".to_owned()];
    let mut flag = |name: &str, value: String| args.extend([format!("--{name}"), value]);
    flag("port", port.unwrap_or(WORKLOAD_PORT).to_string());
    if let Some(mut fields) = found {
        if let Some(cost) = fields.integer("cpu_ms_per_request", 0..=60_000) {
            flag("cpu-ms", cost.value.to_string());
        }
        if let Some(startup) = fields.duration("startup") {
            flag("startup", format!("{}ms", startup.value.as_millis()));
        }
        if let Some(memory) = fields.quantity("memory", true) {
            flag("memory", memory.value.0);
        }
        fields.finish();
    }
    Some(args)
}

fn amounts(section: &mut Section<'_>, key: &'static str) -> Option<BTreeMap<String, Text>> {
    let mut fields = section.section(key, key)?;
    let mut amounts = BTreeMap::new();
    for (field, resource, bytes) in [
        ("cpu", "cpu", false),
        ("memory", "memory", true),
        ("ephemeral_storage", "ephemeral-storage", true),
    ] {
        if let Some(amount) = fields.quantity(field, bytes) {
            amounts.insert(resource.to_owned(), amount.value);
        }
    }
    fields.finish();
    Some(amounts)
}

/// `env = { TIER = "front", COLOUR = { config_map = "looks", key = "colour" }, ME = { field = "metadata.name" } }`, in the
/// order in which it is written.
fn env(section: &mut Section<'_>) -> Option<Vec<EnvVar>> {
    let found = section.raw("env")?;
    let DeValue::Table(table) = found.get_ref() else {
        section
            .doc
            .problem(found.span(), "`env` must be a table: { NAME = \"value\" }");
        return None;
    };
    let mut variables: Vec<(Span, EnvVar)> = Vec::new();
    for (name, value) in table {
        let name = name.get_ref().to_string();
        let (text, from) = match value.get_ref() {
            DeValue::String(text) => (Some(text.to_string()), None),
            DeValue::Table(_) => (None, env_source(section, value)),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
                let written = section.doc.source.text().get(value.span());
                let written = written.unwrap_or_default();
                section.doc.problem(
                    value.span(),
                    format!("`env.{name}` must be a text: write \"{written}\" in quotes"),
                );
                continue;
            }
            _ => {
                section
                    .doc
                    .problem(value.span(), format!("`env.{name}` must be a text"));
                continue;
            }
        };
        let variable = EnvVar {
            name,
            value: text,
            value_from: from,
        };
        variables.push((value.span(), variable));
    }
    variables.sort_by_key(|(span, _)| span.start);
    Some(
        variables
            .into_iter()
            .map(|(_, variable)| variable)
            .collect(),
    )
}

fn env_source(section: &Section<'_>, found: Raw<'_>) -> Option<EnvVarSource> {
    let DeValue::Table(table) = found.get_ref() else {
        return None;
    };
    let mut fields = Section::new(section.doc, "a variable", table, found.span());
    let config_map = fields.text("config_map").map(|c| c.value.to_owned());
    let key = fields.text("key").map(|k| k.value.to_owned());
    let field = fields.text("field").map(|f| f.value.to_owned());
    fields.finish();
    match (config_map, key, field) {
        (Some(name), Some(key), None) => Some(EnvVarSource {
            config_map_key_ref: Some(ConfigMapKeySelector {
                name,
                key,
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
        (None, None, Some(field_path)) => Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: None,
                field_path,
            }),
            ..EnvVarSource::default()
        }),
        _ => {
            section.doc.problem(
                found.span(),
                "a variable is a text, { config_map = \"name\", key = \"key\" } or { field = \"metadata.name\" }",
            );
            None
        }
    }
}

/// `env_from = ["config-map"]`
fn env_from(section: &mut Section<'_>) -> Option<Vec<EnvFromSource>> {
    let names = section.texts("env_from")?;
    let source = |name: Placed<&str>| EnvFromSource {
        config_map_ref: Some(ConfigMapEnvSource {
            name: name.value.to_owned(),
            optional: None,
        }),
        ..EnvFromSource::default()
    };
    Some(names.value.into_iter().map(source).collect())
}
