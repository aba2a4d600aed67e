//! From the core's configuration of a sandbox or container to what the engine is asked to create. Pure.
//!
//! Mirrors what kubelet's `kuberuntime_container_linux.go` and dockershim's helpers do with resources and arguments.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig,
    NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};

use crate::{
    api::{Key, Name},
    store::runtime::{ContainerConfig, NodeLimits, SandboxConfig},
};

/// The shortest quota that the kernel takes, in µs.
const LEAST_QUOTA_US: f64 = 1_000.0;
/// The usual and the longest period, in µs.
const PERIOD_US: f64 = 100_000.0;
const LONGEST_PERIOD_US: f64 = 1_000_000.0;
/// How many processes and threads a pod's container may have.
const PIDS_LIMIT: i64 = 1024;

/// What is the same for all containers of a node.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    pub node: &'a str,
    /// Parent of its control groups, where the engine takes one.
    pub cgroup_parent: Option<String>,
    /// Processors of the host per processor of the cluster.
    pub cpu_share: f64,
    /// What the node's containers may use together.
    pub limits: NodeLimits,
}

/// The container that owns a pod's network.
pub fn sandbox(
    config: &SandboxConfig,
    image: &str,
    around: &Surroundings<'_>,
    network: &str,
    ip: &str,
    labels: BTreeMap<&'static str, String>,
) -> ContainerCreateBody {
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(ip.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: Some(config.hostname.to_string()),
        entrypoint: Some(super::image::command("pause")),
        labels: Some(owned(labels)),
        host_config: Some(HostConfig {
            network_mode: Some(network.to_owned()),
            log_config: Some(log("none", &[])),
            cpu_shares: Some(cpu_shares(0)),
            readonly_rootfs: Some(true),
            ..host_config(true, around)
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some([(network.to_owned(), endpoint)].into_iter().collect()),
        }),
        ..Default::default()
    }
}

/// A sandbox that is nobody's yet: its agent, which writes into `/etc`, is told later whose it is.
pub fn warm_sandbox(
    image: &str,
    around: &Surroundings<'_>,
    network: &str,
    ip: &str,
    labels: BTreeMap<&'static str, String>,
) -> ContainerCreateBody {
    let config = SandboxConfig {
        pod: Key::new("", ""),
        hostname: Name::from("sandbox"),
        labels: BTreeMap::new(),
        generic: true,
        node: NodeLimits::default(),
    };
    let body = sandbox(&config, image, around, network, ip, labels);
    ContainerCreateBody {
        entrypoint: Some(super::image::command("agent")),
        // The owner of /etc/hosts. It has no capability.
        user: Some("0:0".to_owned()),
        attach_stdin: Some(true),
        open_stdin: Some(true),
        // Who attaches later hears what is said later.
        attach_stdout: Some(true),
        host_config: body.host_config.map(|host| HostConfig {
            // Docker mounts /etc/hosts read-only into a read-only root.
            readonly_rootfs: Some(false),
            ..host
        }),
        ..body
    }
}

/// A pod's container, joined to its sandbox.
pub fn container(
    config: &ContainerConfig,
    image: &str,
    built_in: bool,
    around: &Surroundings<'_>,
    sandbox: &str,
    labels: BTreeMap<&'static str, String>,
) -> ContainerCreateBody {
    let some = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let mut env: Vec<String> = config
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    // As runtimes do; a sandbox that was made ahead would give its own.
    if !config.env.iter().any(|(name, _)| name == "HOSTNAME") {
        env.push(format!("HOSTNAME={}", config.hostname));
    }
    if built_in {
        env.push(format!("KUBEPLAY_POD={}", config.pod));
        env.push(format!("KUBEPLAY_NODE={}", around.node));
        env.push(format!("KUBEPLAY_CPU_SHARE={}", around.cpu_share));
    }
    // The kernel refuses a group that may use more than the one above it.
    let within = |limit: u64, of_node: u64| match of_node {
        0 => limit,
        _ => limit.min(of_node),
    };
    let memory = within(config.memory_limit_bytes, around.limits.memory_bytes);
    let memory = i64::try_from(memory).unwrap_or(i64::MAX);
    let milli = within(config.cpu_limit_milli, around.limits.cpu_milli);
    let (period, quota) = cpu_quota(milli, around.cpu_share).unzip();
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: some(&config.command),
        cmd: some(&config.args),
        env: Some(env),
        working_dir: config.working_dir.clone(),
        user: config.run_as_user.map(|user| user.to_string()),
        labels: Some(owned(labels)),
        host_config: Some(HostConfig {
            network_mode: Some(format!("container:{sandbox}")),
            log_config: Some(log("local", &[("max-size", "10m"), ("max-file", "3")])),
            cpu_shares: Some(cpu_shares(config.cpu_request_milli)),
            cpu_period: period,
            cpu_quota: quota,
            memory: (memory > 0).then_some(memory),
            // Equal to the memory limit: no swap, as in Kubernetes.
            memory_swap: (memory > 0).then_some(memory),
            readonly_rootfs: Some(config.read_only_root),
            ..host_config(built_in, around)
        }),
        ..Default::default()
    }
}

/// What holds for every container: never privileged, nothing of the host, never restarted by the engine.
fn host_config(built_in: bool, around: &Surroundings<'_>) -> HostConfig {
    let drop: &[&str] = if built_in {
        &["ALL"]
    } else {
        &["NET_RAW", "MKNOD"]
    };
    HostConfig {
        cgroup_parent: around.cgroup_parent.clone(),
        cap_drop: Some(drop.iter().map(|&cap| cap.to_owned()).collect()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        pids_limit: Some(PIDS_LIMIT),
        privileged: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..Default::default()
    }
}

fn log(driver: &str, options: &[(&str, &str)]) -> HostConfigLogConfig {
    HostConfigLogConfig {
        typ: Some(driver.to_owned()),
        config: Some(
            options
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        ),
    }
}

fn owned<C: FromIterator<(String, String)>>(labels: BTreeMap<&'static str, String>) -> C {
    labels
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Weight of a container when CPU is short: 1024 a processor, at least 2, as kubelet's `MilliCPUToShares`.
fn cpu_shares(milli: u64) -> i64 {
    i64::try_from(milli.saturating_mul(1024) / 1000)
        .unwrap_or(i64::MAX)
        .clamp(2, 262_144)
}

/// Period and quota, in µs, of a limit in the cluster's millicores; none without a limit. Where the quota would be less
/// than the kernel takes, the period grows instead.
pub fn cpu_quota(limit_milli: u64, share: f64) -> Option<(i64, i64)> {
    if limit_milli == 0 {
        return None;
    }
    // A limit is far below 2^52 millicores.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let processors = limit_milli as f64 / 1000.0 * share;
    let quota = (processors * PERIOD_US).max(LEAST_QUOTA_US);
    let period = (quota / processors).clamp(PERIOD_US, LONGEST_PERIOD_US);
    #[expect(clippy::cast_possible_truncation, reason = "both are small")]
    Some((period.round() as i64, quota.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ContainerConfig {
        ContainerConfig {
            pod: Key::new("default", "web"),
            hostname: Name::from("web"),
            image: "nginx".to_owned(),
            command: vec![],
            args: vec![],
            env: vec![("A".to_owned(), "b".to_owned())],
            working_dir: None,
            cpu_request_milli: 500,
            cpu_limit_milli: 1000,
            memory_limit_bytes: 64 << 20,
            read_only_root: false,
            run_as_user: None,
        }
    }

    const AROUND: Surroundings<'_> = Surroundings {
        node: "node-1",
        cgroup_parent: None,
        cpu_share: 0.5,
        limits: NodeLimits {
            cpu_milli: 0,
            memory_bytes: 0,
        },
    };

    #[test]
    fn a_limit_becomes_a_quota_of_at_least_a_millisecond() {
        let rows = [
            (0, 1.0, None),
            (1000, 1.0, Some((100_000, 100_000))),
            (2500, 1.0, Some((100_000, 250_000))),
            (1000, 0.25, Some((100_000, 25_000))),
            (10, 1.0, Some((100_000, 1_000))),
            (10, 0.2, Some((500_000, 1_000))),
            (1, 0.1, Some((1_000_000, 1_000))),
        ];
        for (milli, share, expected) in rows {
            assert_eq!(cpu_quota(milli, share), expected, "{milli}m at {share}");
        }
    }

    #[test]
    fn a_request_becomes_shares() {
        for (milli, expected) in [(0, 2), (1, 2), (100, 102), (1000, 1024), (1 << 50, 262_144)] {
            assert_eq!(cpu_shares(milli), expected, "{milli}m");
        }
    }

    #[test]
    fn a_users_container_keeps_dockers_capabilities_but_two_and_is_never_privileged() {
        let body = container(&config(), "nginx", false, &AROUND, "abc", BTreeMap::new());
        let host = body.host_config.unwrap();
        assert_eq!(host.cap_drop.unwrap(), ["NET_RAW", "MKNOD"]);
        assert_eq!(host.privileged, Some(false));
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!(host.network_mode.unwrap(), "container:abc");
        assert_eq!(
            (host.memory, host.memory_swap),
            (Some(64 << 20), Some(64 << 20))
        );
        assert_eq!(
            (host.cpu_period, host.cpu_quota),
            (Some(100_000), Some(50_000))
        );
        assert_eq!(body.env.unwrap(), ["A=b", "HOSTNAME=web"]);
        assert_eq!((body.entrypoint, body.cmd), (None, None));
    }

    #[test]
    fn the_built_in_image_has_no_capability_and_knows_its_pod() {
        let mut config = config();
        config.args = vec!["serve".to_owned()];
        let body = container(&config, "x", true, &AROUND, "abc", BTreeMap::new());
        assert_eq!(body.host_config.unwrap().cap_drop.unwrap(), ["ALL"]);
        assert_eq!(body.cmd.unwrap(), ["serve"]);
        assert_eq!(
            body.env.unwrap(),
            [
                "A=b",
                "HOSTNAME=web",
                "KUBEPLAY_POD=default/web",
                "KUBEPLAY_NODE=node-1",
                "KUBEPLAY_CPU_SHARE=0.5"
            ]
        );
    }
}
