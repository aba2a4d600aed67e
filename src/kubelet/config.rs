//! What a sandbox and a container are made from (`pkg/kubelet/kuberuntime/kuberuntime_container.go`
//! `generateContainerConfig`).

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Container, apimachinery::pkg::api::resource::Quantity as Text};

use super::{agent::Agent, env, worker::Worker};
use crate::{
    api::{Name, Pod, Quantity},
    store::{
        Context,
        runtime::{ContainerConfig, SandboxConfig},
    },
};

/// What a pod's sandbox is made from.
pub(super) fn sandbox(pod: &Pod) -> SandboxConfig {
    let hostname = match pod.spec.hostname.as_deref() {
        Some(hostname) => Name::from(hostname),
        None => pod.meta.key.name.clone(),
    };
    SandboxConfig {
        pod: pod.meta.key.clone(),
        hostname,
        labels: BTreeMap::clone(&pod.meta.labels),
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
