//! `[[services]]`, `[[config_maps]]`, `[[priority_classes]]`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use toml::de::DeValue;

use super::{
    made::{Made, Origin},
    section::Section,
};
use crate::api::{ConfigMap, Object, PriorityClass, Service};

/// Reads a service.
pub(super) fn service(mut section: Section<'_>) -> Option<Made> {
    let name = section.required_text("name");
    let namespace = section.text("namespace");
    let kinds = ["ClusterIP", "NodePort", "LoadBalancer"];
    let kind = section.word("type", &kinds);
    let headless = section.boolean("headless") == Some(true);
    let not_ready = section.boolean("publish_not_ready");
    let selector = section.map("selector");
    let ports = ports(&mut section);
    let mut origin = Origin::of(&section.doc, section.span.clone());
    for (field, key) in [
        ("metadata.name", "name"),
        ("metadata.namespace", "namespace"),
        ("spec.ports", "port"),
        ("spec.ports", "ports"),
        ("spec.ports[0].targetPort", "target_port"),
        ("spec.ports[0].nodePort", "node_port"),
        ("spec.type", "type"),
        ("spec.clusterIP", "headless"),
    ] {
        if section.raw(key).is_some() {
            origin.field(field, section.place(key));
        }
    }
    let selector_place = if selector.is_some() {
        "selector"
    } else {
        "name"
    };
    origin.field("spec.selector", section.place(selector_place));
    section.finish();
    let name = name?;
    let app = || BTreeMap::from([("app".to_owned(), name.value.to_owned())]);
    let selector = selector.map_or_else(app, |map| {
        map.value.into_iter().map(|(k, v)| (k, v.value)).collect()
    });
    let service = Service {
        metadata: meta(name.value, Some(namespace.map_or("default", |n| n.value))),
        spec: Some(ServiceSpec {
            selector: Some(selector),
            ports: Some(ports),
            type_: kind.map(|kind| kind.value.to_owned()),
            cluster_ip: headless.then(|| "None".to_owned()),
            publish_not_ready_addresses: not_ready,
            ..ServiceSpec::default()
        }),
        status: None,
    };
    Some(Made::new(Object::of(service), origin))
}

/// `port = 80`, `target_port = 8080`; or `ports = [{ name = "http", port = 80, target_port = "http" }]`.
fn ports(section: &mut Section<'_>) -> Vec<ServicePort> {
    let several = section.list("ports");
    let one = port(section);
    let Some(several) = several else {
        if one.is_none() && section.raw("port").is_none() && section.raw("ports").is_none() {
            section
                .doc
                .problem(section.span.clone(), "[[services]] needs a `port`");
        }
        return one.into_iter().collect();
    };
    if section.raw("port").is_some() {
        let place = section.place("port");
        section
            .doc
            .problem(place, "write either `port` or `ports`, not both");
    }
    let mut ports = Vec::new();
    for found in several.value {
        let DeValue::Table(table) = found.get_ref() else {
            section.doc.problem(
                found.span(),
                "a port of a service is a table: { name = \"http\", port = 80 }",
            );
            continue;
        };
        let mut fields = Section::new(section.doc, "a port", table, found.span());
        let name = fields.text("name").map(|name| name.value.to_owned());
        let port = port(&mut fields);
        if port.is_none() && fields.raw("port").is_none() {
            section.doc.problem(found.span(), "a port needs a `port`");
        }
        fields.finish();
        ports.extend(port.map(|port| ServicePort { name, ..port }));
    }
    ports
}

fn port(fields: &mut Section<'_>) -> Option<ServicePort> {
    let number = fields.integer("port", 1..=65_535);
    let node_port = fields.integer("node_port", 1..=65_535);
    let protocol = fields.word("protocol", &["TCP", "UDP", "SCTP"]);
    let target = match fields.raw("target_port").map(toml::Spanned::get_ref) {
        Some(DeValue::String(_)) => fields
            .text("target_port")
            .map(|name| IntOrString::String(name.value.to_owned())),
        _ => fields
            .integer("target_port", 1..=65_535)
            .and_then(|number| i32::try_from(number.value).ok())
            .map(IntOrString::Int),
    };
    Some(ServicePort {
        port: i32::try_from(number?.value).ok()?,
        target_port: target,
        node_port: node_port.and_then(|n| i32::try_from(n.value).ok()),
        protocol: protocol.map(|p| p.value.to_owned()),
        ..ServicePort::default()
    })
}

/// Reads a config map.
pub(super) fn config_map(mut section: Section<'_>) -> Option<Made> {
    let name = section.required_text("name");
    let namespace = section.text("namespace");
    let data = section.map("data").map_or_else(Vec::new, |map| map.value);
    let mut origin = Origin::of(&section.doc, section.span.clone());
    for (field, key) in [
        ("metadata.name", "name"),
        ("metadata.namespace", "namespace"),
        ("data", "data"),
    ] {
        origin.field(field, section.place(key));
    }
    section.finish();
    let data: BTreeMap<_, _> = data.into_iter().map(|(k, v)| (k, v.value)).collect();
    let config_map = ConfigMap {
        metadata: meta(name?.value, Some(namespace.map_or("default", |n| n.value))),
        data: (!data.is_empty()).then_some(data),
        ..ConfigMap::default()
    };
    Some(Made::new(Object::of(config_map), origin))
}

/// Reads a priority class.
pub(super) fn priority_class(mut section: Section<'_>) -> Option<Made> {
    let name = section.required_text("name");
    let range = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let value = section.integer("value", range);
    if value.is_none() && section.raw("value").is_none() {
        section
            .doc
            .problem(section.span.clone(), "[[priority_classes]] needs a `value`");
    }
    let preemption = section.word("preemption", &["PreemptLowerPriority", "Never"]);
    let default = section.boolean("global_default");
    let mut origin = Origin::of(&section.doc, section.span.clone());
    origin.field("metadata.name", section.place("name"));
    origin.field("value", section.place("value"));
    section.finish();
    let class = PriorityClass {
        metadata: meta(name?.value, None),
        value: i32::try_from(value?.value).ok(),
        preemption_policy: preemption.map(|p| p.value.to_owned()),
        global_default: default,
        ..PriorityClass::default()
    };
    Some(Made::new(Object::of(class), origin))
}

fn meta(name: &str, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..ObjectMeta::default()
    }
}
