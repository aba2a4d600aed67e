//! What a sandbox and a container are made from (`pkg/kubelet/kuberuntime/kuberuntime_container.go`
//! `generateContainerConfig`).

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Volume},
    apimachinery::pkg::api::resource::Quantity as Text,
};

use super::{agent::Agent, env, worker::Worker};
use crate::{
    api::{Name, Pod, Quantity},
    store::{
        Context,
        runtime::{ContainerConfig, NodeLimits, SandboxConfig},
    },
};

/// What a pod's sandbox is made from.
pub(super) fn sandbox(pod: &Pod, cx: &Context<'_>) -> SandboxConfig {
    SandboxConfig {
        pod: pod.meta.key.clone(),
        hostname: hostname(pod),
        labels: BTreeMap::clone(&pod.meta.labels),
        generic: generic(pod),
        node: limits(pod, cx),
    }
}

/// The host name of a pod.
fn hostname(pod: &Pod) -> Name {
    let asked = pod.spec.hostname.as_deref();
    asked.map_or_else(|| pod.meta.key.name.clone(), Name::from)
}

/// Whether any sandbox will do for a pod. A host name that its program may rely on, files in memory, and settings of the
/// kernel or of name resolution are fixed when a sandbox is made.
fn generic(pod: &Pod) -> bool {
    let spec = &pod.spec;
    let stateful = |kind: &str| kind == "StatefulSet";
    let in_memory = |volume: &Volume| {
        let empty = volume.empty_dir.as_ref();
        empty.and_then(|empty| empty.medium.as_deref()) == Some("Memory")
    };
    let sysctls = spec.security_context.as_ref();
    spec.hostname.is_none()
        && spec.subdomain.is_none()
        && spec.host_aliases.is_none()
        && spec.dns_config.is_none()
        && sysctls.is_none_or(|context| context.sysctls.is_none())
        && !pod.meta.owners.iter().any(|owner| stateful(&owner.kind))
        && !spec.volumes.iter().flatten().any(in_memory)
}

/// What the pods of a pod's node may use together: what the node has.
fn limits(pod: &Pod, cx: &Context<'_>) -> NodeLimits {
    let node = pod.node.as_ref();
    let node = node.and_then(|name| cx.store.objects.node(name));
    let status = node.and_then(|node| node.status.as_ref());
    let has = |name: &str| {
        let amounts = status?.allocatable.as_ref().or(status?.capacity.as_ref())?;
        Some(Quantity::of(amounts.get(name)?))
    };
    let amount = |number: i128| u64::try_from(number).unwrap_or(0);
    NodeLimits {
        cpu_milli: has("cpu").map_or(0, |cpu| amount(cpu.milli_value().into())),
        memory_bytes: has("memory").map_or(0, |memory| amount(memory.value().into())),
    }
}

/// What a container is made from.
///
/// # Errors
/// Something that it refers to is not there; the text is the waiting message of `CreateContainerConfigError`.
pub(super) fn container(
    worker: &Worker,
    spec: &Container,
    agent: &Agent,
    cx: &Context<'_>,
) -> Result<ContainerConfig, String> {
    let env = env::variables(worker, spec, agent, cx)?;
    let expanded = |words: &Option<Vec<String>>| {
        let words = words.iter().flatten();
        words
            .map(|word| {
                env::expand(word, |name| {
                    env.iter()
                        .rev()
                        .find(|(n, _)| n == name)
                        .map(|(_, v)| v.as_str())
                })
            })
            .collect()
    };
    let amount = |limits: bool, name: &str| {
        let resources = spec.resources.as_ref()?;
        let list = if limits {
            &resources.limits
        } else {
            &resources.requests
        };
        list.as_ref()?.get(name)
    };
    let milli = |amount: Option<&Text>| {
        amount.map_or(0, |amount| {
            u64::try_from(Quantity::of(amount).milli_value()).unwrap_or(0)
        })
    };
    let memory = amount(true, "memory").map_or(0, |amount| Quantity::of(amount).value());
    let security = spec.security_context.as_ref();
    let of_pod = worker.pod.spec.security_context.as_ref();
    Ok(ContainerConfig {
        pod: worker.pod.meta.key.clone(),
        hostname: hostname(&worker.pod),
        image: spec.image.clone().unwrap_or_default(),
        command: expanded(&spec.command),
        args: expanded(&spec.args),
        env,
        working_dir: spec.working_dir.clone().filter(|dir| !dir.is_empty()),
        cpu_request_milli: milli(amount(false, "cpu").or_else(|| amount(true, "cpu"))),
        cpu_limit_milli: milli(amount(true, "cpu")),
        memory_limit_bytes: u64::try_from(memory).unwrap_or(0),
        read_only_root: security.and_then(|s| s.read_only_root_filesystem) == Some(true),
        run_as_user: security
            .and_then(|s| s.run_as_user)
            .or_else(|| of_pod.and_then(|s| s.run_as_user)),
    })
}
