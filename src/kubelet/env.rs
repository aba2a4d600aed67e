//! A container's environment (`pkg/kubelet/kubelet_pods.go` `makeEnvironmentVariables`, `pkg/kubelet/envvars`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapKeySelector, Container, EnvVarSource, ResourceFieldSelector,
};

use super::{agent::Agent, worker::Worker};
use crate::{
    api::{ConfigMap, Key, Quantity, Service},
    store::{Context, Store},
};

type Variables = Vec<(String, String)>;

/// All variables of a container: those of services first, then `envFrom`, then `env`, each overriding what came before.
///
/// # Errors
/// Something that is referred to is not there; the text is upstream's.
pub(super) fn variables(
    worker: &Worker,
    spec: &Container,
    agent: &Agent,
    cx: &Context<'_>,
) -> Result<Variables, String> {
    let mut result = Variables::new();
    let namespace = &worker.pod.meta.key.namespace;
    let links = worker.pod.spec.enable_service_links != Some(false);
    let services = of_services(namespace, links, cx.store);
    for source in spec.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let Some(reference) = &source.config_map_ref else {
            continue;
        };
        let Some(map) = config_map(namespace, &reference.name, reference.optional, cx)? else {
            continue;
        };
        for (key, value) in map.data.iter().flatten() {
            set(&mut result, format!("{prefix}{key}"), value.clone());
        }
    }
    for variable in spec.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), _) if !value.is_empty() => Some(expand(value, |name| {
                look_up(&result, name).or_else(|| services.get(name).map(String::as_str))
            })),
            (_, Some(source)) => from_source(source, worker, spec, agent, cx)?,
            _ => Some(String::new()),
        };
        if let Some(value) = value {
            set(&mut result, variable.name.clone(), value);
        }
    }
    for (name, value) in services {
        if look_up(&result, &name).is_none() {
            result.push((name, value));
        }
    }
    Ok(result)
}

fn look_up<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = variables.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

fn set(variables: &mut Variables, name: String, value: String) {
    match variables.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => variables.push((name, value)),
    }
}

/// A config map that must be there unless it is optional.
fn config_map(
    namespace: &crate::api::Name,
    name: &str,
    optional: Option<bool>,
    cx: &Context<'_>,
) -> Result<Option<std::sync::Arc<ConfigMap>>, String> {
    let found = cx.get::<ConfigMap>(&Key::new(namespace.clone(), name));
    match found {
        None if optional != Some(true) => Err(format!("configmap \"{name}\" not found")),
        found => Ok(found),
    }
}

fn from_source(
    source: &EnvVarSource,
    worker: &Worker,
    spec: &Container,
    agent: &Agent,
    cx: &Context<'_>,
) -> Result<Option<String>, String> {
    if let Some(key) = &source.config_map_key_ref {
        return from_config_map(key, worker, cx);
    }
    if let Some(field) = &source.field_ref {
        return from_field(&field.field_path, worker, agent).map(Some);
    }
    if let Some(resource) = &source.resource_field_ref {
        return from_resource(resource, worker, spec, agent).map(Some);
    }
    if let Some(secret) = &source.secret_key_ref {
        return match secret.optional {
            Some(true) => Ok(None),
            _ => Err(format!("secret \"{}\" not found", secret.name)),
        };
    }
    Ok(None)
}

fn from_config_map(
    selector: &ConfigMapKeySelector,
    worker: &Worker,
    cx: &Context<'_>,
) -> Result<Option<String>, String> {
    let namespace = &worker.pod.meta.key.namespace;
    let Some(map) = config_map(namespace, &selector.name, selector.optional, cx)? else {
        return Ok(None);
    };
    let value = map.data.as_ref().and_then(|data| data.get(&selector.key));
    match value {
        None if selector.optional != Some(true) => Err(format!(
            "couldn't find key {} in ConfigMap {namespace}/{}",
            selector.key, selector.name
        )),
        value => Ok(value.cloned()),
    }
}

/// A field of the pod (`pkg/fieldpath`).
fn from_field(path: &str, worker: &Worker, agent: &Agent) -> Result<String, String> {
    let pod = &worker.pod;
    let subscript = |prefix: &str| {
        let rest = path.strip_prefix(prefix)?.strip_prefix("['")?;
        rest.strip_suffix("']")
    };
    if let Some(key) = subscript("metadata.labels") {
        return Ok(pod.meta.labels.get(key).cloned().unwrap_or_default());
    }
    if let Some(key) = subscript("metadata.annotations") {
        return Ok(pod.meta.annotations.get(key).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => pod.meta.key.name.to_string(),
        "metadata.namespace" => pod.meta.key.namespace.to_string(),
        "metadata.uid" => worker.uid.to_string(),
        "spec.nodeName" => worker.node.to_string(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone().unwrap_or_default(),
        "status.hostIP" | "status.hostIPs" => agent.ip.clone(),
        "status.podIP" | "status.podIPs" => worker.sandbox.ip.clone(),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// A resource of a container: its limit, else the node's; in units of the divisor, rounded up.
fn from_resource(
    selector: &ResourceFieldSelector,
    worker: &Worker,
    own: &Container,
    agent: &Agent,
) -> Result<String, String> {
    let spec = &worker.pod.spec;
    let named = |name: &&str| !name.is_empty();
    let container = match selector.container_name.as_deref().filter(named) {
        None => own,
        Some(name) => spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
            .find(|container| container.name == name)
            .ok_or_else(|| format!("container {name} not found"))?,
    };
    let Some((list, name)) = selector.resource.split_once('.') else {
        return Err(format!(
            "unsupported container resource : {}",
            selector.resource
        ));
    };
    let resources = container.resources.as_ref();
    let amounts = match list {
        "limits" => resources.and_then(|r| r.limits.as_ref()),
        "requests" => resources.and_then(|r| r.requests.as_ref()),
        _ => {
            return Err(format!(
                "unsupported container resource : {}",
                selector.resource
            ));
        }
    };
    let allocatable = agent
        .object
        .as_ref()
        .and_then(|node| node.status.as_ref())
        .and_then(|status| status.allocatable.as_ref());
    let amount = amounts.and_then(|amounts| amounts.get(name)).or_else(|| {
        // Without a limit, the node's is the limit.
        (list == "limits")
            .then_some(allocatable?.get(name))
            .flatten()
    });
    let amount = amount.map_or(Quantity::ZERO, Quantity::of);
    let divisor = selector
        .divisor
        .as_ref()
        .map_or(Quantity::ZERO, Quantity::of);
    let (amount, divisor) = if name == "cpu" {
        (amount.milli_value(), divisor.milli_value())
    } else {
        (amount.value(), divisor.value())
    };
    let unit = if name == "cpu" { 1000 } else { 1 };
    let divisor = if divisor == 0 { unit } else { divisor };
    let rounded = amount / divisor + i64::from(amount % divisor != 0);
    Ok(rounded.to_string())
}

/// Replaces `$(NAME)` by a variable's value; `$$` is a dollar, and a name that nothing has stays as it is
/// (`third_party/forked/golang/expansion`).
pub(super) fn expand<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            match value(name) {
                Some(value) => result.push_str(value),
                None => {
                    result.push_str("$(");
                    result.push_str(name);
                    result.push(')');
                }
            }
            rest = after;
        } else {
            result.push('$');
        }
    }
    result.push_str(rest);
    result
}

/// The variables that tell of services: all of the pod's namespace, and `kubernetes` in any case.
fn of_services(namespace: &str, links: bool, store: &Store) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let master = Key::new("default", "kubernetes");
    if let Some(service) = store.objects.services.get(&master) {
        of_service(service, &mut variables);
    }
    if links {
        let all = store.objects.services.range(Key::new(namespace, "")..);
        for (key, service) in all {
            if &*key.namespace != namespace {
                break;
            }
            of_service(service, &mut variables);
        }
    }
    variables
}

fn of_service(service: &Service, variables: &mut BTreeMap<String, String>) {
    let Some(spec) = &service.spec else { return };
    let Some(ip) = spec
        .cluster_ip
        .as_deref()
        .filter(|ip| !ip.is_empty() && *ip != "None")
    else {
        return;
    };
    let ports = spec.ports.iter().flatten();
    let Some(first) = ports.clone().next() else {
        return;
    };
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let name = name.to_uppercase().replace('-', "_");
    let mut put = |suffix: &str, value: String| {
        variables.insert(format!("{name}_{suffix}"), value);
    };
    put("SERVICE_HOST", ip.to_owned());
    put("SERVICE_PORT", first.port.to_string());
    let url = |port: &k8s_openapi::api::core::v1::ServicePort| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
        format!("{protocol}://{ip}:{}", port.port)
    };
    put("PORT", url(first));
    for port in ports {
        if let Some(named) = port.name.as_deref().filter(|name| !name.is_empty()) {
            let named = named.to_uppercase().replace('-', "_");
            put(&format!("SERVICE_PORT_{named}"), port.port.to_string());
        }
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let prefix = format!("PORT_{}_{protocol}", port.port);
        put(&prefix, url(port));
        put(&format!("{prefix}_PROTO"), protocol.to_lowercase());
        put(&format!("{prefix}_PORT"), port.port.to_string());
        put(&format!("{prefix}_ADDR"), ip.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_as_kubernetes_expands_them() {
        let value = |name: &str| match name {
            "A" => Some("1"),
            "B" => Some("$(A)"),
            _ => None,
        };
        for (text, expected) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(A)"),
            ("$(MISSING)", "$(MISSING)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A", "$A"),
            ("$(A", "$(A"),
            ("cost: 5$", "cost: 5$"),
        ] {
            assert_eq!(expand(text, value), expected, "{text}");
        }
    }

    #[test]
    fn a_service_is_told_of_by_its_variables() {
        let service: Service = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "redis-primary"},
            "spec": {"clusterIP": "10.96.0.11", "ports": [{"name": "main-port", "port": 6379}]},
        }))
        .unwrap();
        let mut variables = BTreeMap::new();
        of_service(&service, &mut variables);
        let lines: Vec<String> = variables.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            lines,
            [
                "REDIS_PRIMARY_PORT=tcp://10.96.0.11:6379",
                "REDIS_PRIMARY_PORT_6379_TCP=tcp://10.96.0.11:6379",
                "REDIS_PRIMARY_PORT_6379_TCP_ADDR=10.96.0.11",
                "REDIS_PRIMARY_PORT_6379_TCP_PORT=6379",
                "REDIS_PRIMARY_PORT_6379_TCP_PROTO=tcp",
                "REDIS_PRIMARY_SERVICE_HOST=10.96.0.11",
                "REDIS_PRIMARY_SERVICE_PORT=6379",
                "REDIS_PRIMARY_SERVICE_PORT_MAIN_PORT=6379",
            ]
        );
    }
}
