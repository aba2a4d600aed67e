//! What kubeplay does not act on yet. Such fields are kept, and whoever writes them is told.

use std::fmt;

use serde_json::Value;

use super::{Kind, Object, codec};

/// A field about which whoever writes it is told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Path of the field.
    pub field: String,
    text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.text)
    }
}

/// Fields of a pod's spec without effect. `[]` stands for every element of a list.
const POD: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity.podAffinity",
    "affinity.podAntiAffinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "hostnameOverride",
    "imagePullSecrets",
    "os",
    "readinessGates",
    "resourceClaims",
    "resources",
    "runtimeClassName",
    "schedulingGroup",
    "securityContext.appArmorProfile",
    "securityContext.fsGroup",
    "securityContext.fsGroupChangePolicy",
    "securityContext.runAsGroup",
    "securityContext.runAsNonRoot",
    "securityContext.seLinuxChangePolicy",
    "securityContext.seLinuxOptions",
    "securityContext.seccompProfile",
    "securityContext.supplementalGroups",
    "securityContext.supplementalGroupsPolicy",
    "securityContext.sysctls",
    "securityContext.windowsOptions",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "topologySpreadConstraints",
    "volumes",
];

/// Fields of a container without effect.
const CONTAINER: &[&str] = &[
    "env[].valueFrom.fileKeyRef",
    "env[].valueFrom.secretKeyRef",
    "envFrom[].secretRef",
    "lifecycle",
    "livenessProbe",
    "ports[].hostIP",
    "ports[].hostPort",
    "readinessProbe",
    "resizePolicy",
    "resources.claims",
    "restartPolicyRules",
    "securityContext.allowPrivilegeEscalation",
    "securityContext.appArmorProfile",
    "securityContext.capabilities",
    "securityContext.privileged",
    "securityContext.procMount",
    "securityContext.runAsGroup",
    "securityContext.runAsNonRoot",
    "securityContext.seLinuxOptions",
    "securityContext.seccompProfile",
    "securityContext.windowsOptions",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "tty",
    "volumeDevices",
    "volumeMounts",
];

/// Fields of a service without effect.
const SERVICE: &[&str] = &[
    "spec.externalIPs",
    "spec.externalName",
    "spec.loadBalancerClass",
    "spec.loadBalancerIP",
    "spec.loadBalancerSourceRanges",
    "spec.ports[].nodePort",
    "spec.trafficDistribution",
];

/// Values of a service's fields that have an effect; another has none.
const SERVICE_VALUES: &[(&str, &str)] = &[
    ("spec.externalTrafficPolicy", "Cluster"),
    ("spec.internalTrafficPolicy", "Cluster"),
    ("spec.sessionAffinity", "None"),
    ("spec.type", "ClusterIP"),
];

/// A warning for each field of the object that is kept but has no effect, or is deprecated.
#[must_use]
pub fn warnings(object: &Object) -> Vec<Warning> {
    let Ok(value) = codec::to_value(object) else {
        return Vec::new();
    };
    let mut fields = Vec::new();
    let mut deprecated = None;
    match object.kind() {
        Kind::Pod => pod_fields("spec", &value["spec"], &mut fields),
        Kind::Deployment | Kind::ReplicaSet => {
            let spec = &value["spec"]["template"]["spec"];
            pod_fields("spec.template.spec", spec, &mut fields);
        }
        Kind::Service => {
            for pattern in SERVICE {
                find("", &value, pattern, &mut fields);
            }
            for (pattern, effective) in SERVICE_VALUES {
                let pointer = format!("/{}", pattern.replace('.', "/"));
                let given = value.pointer(&pointer).and_then(Value::as_str);
                if given.is_some_and(|given| given != *effective) {
                    fields.push((*pattern).to_owned());
                }
            }
            if value["spec"]["trafficDistribution"] == "PreferClose" {
                deprecated = Some(Warning {
                    field: "spec.trafficDistribution".to_owned(),
                    text: "\"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned(),
                });
            }
        }
        _ => {}
    }
    let no_effect = fields.into_iter().map(|field| Warning {
        field,
        text: "kept, but has no effect in this version".to_owned(),
    });
    deprecated.into_iter().chain(no_effect).collect()
}

fn pod_fields(path: &str, spec: &Value, fields: &mut Vec<String>) {
    for pattern in POD {
        find(path, spec, pattern, fields);
    }
    for list in ["initContainers", "containers"] {
        for pattern in CONTAINER {
            find(path, spec, &format!("{list}[].{pattern}"), fields);
        }
    }
}

/// Adds the path of every value that a pattern finds and that says something.
fn find(path: &str, value: &Value, pattern: &str, fields: &mut Vec<String>) {
    let (step, rest) = pattern.split_once('.').unwrap_or((pattern, ""));
    let dot = if path.is_empty() { "" } else { "." };
    let (key, every) = step
        .strip_suffix("[]")
        .map_or((step, false), |key| (key, true));
    let Some(found) = value.get(key) else { return };
    let path = format!("{path}{dot}{key}");
    if every {
        for (index, item) in found.as_array().into_iter().flatten().enumerate() {
            find(&format!("{path}[{index}]"), item, rest, fields);
        }
    } else if !rest.is_empty() {
        find(&path, found, rest, fields);
    } else if !is_nothing(found) {
        fields.push(path);
    }
}

/// Paths of what was written and is no field of Kubernetes' type: what the object, read from `written`, did not keep.
#[must_use]
pub fn unknown_fields(object: &Object, written: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Ok(kept) = codec::to_value(object) {
        compare("", written, &kept, &mut unknown);
    }
    unknown
}

fn compare(path: &str, written: &Value, kept: &Value, unknown: &mut Vec<String>) {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            for (key, value) in written {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                match kept.get(key) {
                    Some(kept) => compare(&path, value, kept, unknown),
                    // What says nothing need not be kept; the server keeps the rest by itself.
                    None if is_nothing(value) || path == "metadata.managedFields" => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(written), Value::Array(kept)) => {
            for (index, (written, kept)) in written.iter().zip(kept).enumerate() {
                compare(&format!("{path}[{index}]"), written, kept, unknown);
            }
        }
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(yes) => !yes,
        Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value, expected: &[&str]) {
        let object = codec::from_any(value).unwrap();
        let found: Vec<String> = warnings(&object).into_iter().map(|w| w.field).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_has_no_effect_is_named_and_what_has_is_not() {
        check(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
                "spec": {"selector": {}, "template": {"spec": {
                    "nodeSelector": {"a": "b"}, "securityContext": {}, "hostNetwork": false,
                    "affinity": {"nodeAffinity": {}, "podAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "x"}]}},
                    "containers": [{"name": "c", "env": [{"name": "A", "value": "b"}], "ports": [
                        {"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]}]}}}}),
            &[
                "spec.template.spec.affinity.podAffinity",
                "spec.template.spec.containers[0].ports[1].hostPort",
            ],
        );
        check(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
                "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}}),
            &["spec.ports[0].nodePort", "spec.type"],
        );
    }

    #[test]
    fn a_field_that_kubernetes_does_not_know_is_found() {
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "lables": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "imagePullPolicy": "Always", "comand": ["x"]}], "foo": 1}});
        let object = codec::from_any(value.clone()).unwrap();
        let mut found = unknown_fields(&object, &value);
        found.sort();
        assert_eq!(
            found,
            ["metadata.lables", "spec.containers[0].comand", "spec.foo"]
        );
    }
}
