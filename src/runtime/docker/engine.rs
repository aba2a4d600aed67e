//! The connection to an engine: which, whether it answers, and why not, in words.

use std::{future::Future, io, time::Duration};

use bollard::{
    Docker,
    errors::Error,
    models::{SystemInfo, SystemInfoCgroupDriverEnum},
};

use super::context::Environment;
use crate::store::runtime::{RuntimeError, RuntimeErrorKind};

/// How long an engine may take to answer before it is said not to.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The client's own limit; each call has a shorter one of its own ([`within`]).
const CLIENT_LIMIT_SECONDS: u64 = 3600;

/// An engine that answered.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    host: String,
    version: String,
    cpus: u64,
    memory_bytes: u64,
    architecture: String,
    takes_cgroup_parent: bool,
}

/// Finds the engine that Docker's own command would use, and asks whether it answers.
///
/// # Errors
/// Why no engine can be used, as a sentence for people.
pub async fn probe() -> Result<Engine, String> {
    let host = Environment::read().host()?;
    Engine::connect(&host).await
}

impl Engine {
    /// Connects to the engine at an address (`unix:///...`, `tcp://...`).
    ///
    /// # Errors
    /// Why it cannot be used, as a sentence for people.
    pub async fn connect(host: &str) -> Result<Self, String> {
        reach(host).await?;
        let docker = connect(host)?;
        let info = tokio::time::timeout(PROBE_LIMIT, docker.info())
            .await
            .map_err(|_| format!("the Docker engine at {host} does not answer"))?
            .map_err(|error| format!("the Docker engine at {host} answers wrongly: {error}"))?;
        if info.os_type.as_deref().is_some_and(|os| os != "linux") {
            return Err(format!(
                "the Docker engine at {host} does not run Linux containers"
            ));
        }
        let docker = docker
            .negotiate_version()
            .await
            .map_err(|error| format!("the Docker engine at {host} answers wrongly: {error}"))?;
        Ok(Self::new(docker, host, info))
    }

    fn new(docker: Docker, host: &str, info: SystemInfo) -> Self {
        Self {
            docker,
            host: host.to_owned(),
            cpus: info
                .ncpu
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or(1)
                .max(1),
            memory_bytes: info
                .mem_total
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or(0),
            version: info.server_version.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            takes_cgroup_parent: info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS),
        }
    }

    /// The engine's API.
    pub(super) const fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Where it listens.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its version, as it says.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many processors it has.
    #[must_use]
    pub const fn cpus(&self) -> u64 {
        self.cpus
    }

    /// How much memory its machine has, in bytes; 0 if it does not say.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Processors of the host per processor of a cluster whose nodes have so many millicores in all:
    /// `min(1, (host - 0.5) / sum)`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn cpu_share(&self, allocatable_milli: u64) -> f64 {
        if allocatable_milli == 0 {
            return 1.0;
        }
        let host = self.cpus as f64 - 0.5;
        (host * 1000.0 / allocatable_milli as f64).min(1.0)
    }

    /// Whether its files can be seen from here.
    pub(super) fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }

    /// Whether containers can be put below a control group of ours: not where systemd manages them.
    pub(super) const fn takes_cgroup_parent(&self) -> bool {
        self.takes_cgroup_parent
    }

    /// Whether it runs programs of this machine's kind.
    pub(super) fn runs_our_programs(&self) -> bool {
        self.architecture.is_empty()
            || self.architecture == std::env::consts::ARCH
            || matches!(
                (self.architecture.as_str(), std::env::consts::ARCH),
                ("amd64", "x86_64") | ("arm64", "aarch64")
            )
    }

    /// Its architecture, as it says.
    pub(super) fn architecture(&self) -> &str {
        &self.architecture
    }
}

fn connect(host: &str) -> Result<Docker, String> {
    let version = bollard::API_DEFAULT_VERSION;
    let docker = if host.starts_with("unix://") {
        Docker::connect_with_unix(host, CLIENT_LIMIT_SECONDS, version)
    } else if tcp_address(host).is_some() {
        Docker::connect_with_http(host, CLIENT_LIMIT_SECONDS, version)
    } else {
        return Err(format!(
            "kubeplay reaches Docker engines at unix:// and tcp:// addresses, not at {host}"
        ));
    };
    docker.map_err(|error| format!("the Docker engine at {host} cannot be used: {error}"))
}

fn tcp_address(host: &str) -> Option<&str> {
    host.strip_prefix("tcp://")
        .or_else(|| host.strip_prefix("http://"))
}

/// Opens a connection only to say why it fails: the client's own errors do not tell.
async fn reach(host: &str) -> Result<(), String> {
    let attempt = async {
        if let Some(path) = host.strip_prefix("unix://") {
            tokio::net::UnixStream::connect(path).await.map(drop)
        } else if let Some(address) = tcp_address(host) {
            tokio::net::TcpStream::connect(address).await.map(drop)
        } else {
            Ok(())
        }
    };
    match tokio::time::timeout(PROBE_LIMIT, attempt).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(why(host, &error)),
        Err(_) => Err(format!("nothing answers at {host}")),
    }
}

fn why(host: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no Docker engine at {host} (no such socket)")
        }
        io::ErrorKind::PermissionDenied => format!(
            "permission to use the Docker engine at {host} is denied (is this user in the group docker?)"
        ),
        io::ErrorKind::ConnectionRefused => {
            format!("no Docker engine listens at {host} (connection refused)")
        }
        _ => format!("the Docker engine at {host} cannot be reached: {error}"),
    }
}

/// Why a call to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("Error response from daemon: {message}")]
    Refused { status: u16, message: String },
    #[error("{what}: no answer from the Docker engine within {seconds} s")]
    Silent { what: &'static str, seconds: u64 },
    #[error("{what}: {error}")]
    Broken { what: &'static str, error: Error },
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// The engine's status, if it answered.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub fn of(what: &'static str, error: Error) -> Self {
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => Self::Refused {
                status: status_code,
                message,
            },
            Error::DockerStreamError { error } => Self::Refused {
                status: 500,
                message: error,
            },
            error => Self::Broken { what, error },
        }
    }

    /// Whether the same request would fail again: the container's own program or setting is at fault.
    fn is_invalid(&self) -> bool {
        const SIGNS: [&str; 4] = [
            "OCI runtime create failed",
            "executable file not found",
            "no such file or directory",
            "no command specified",
        ];
        match self {
            Self::Refused { status: 400, .. } => true,
            Self::Refused { message, .. } => SIGNS.iter().any(|sign| message.contains(sign)),
            _ => false,
        }
    }
}

impl From<Failure> for RuntimeError {
    fn from(failure: Failure) -> Self {
        let kind = match failure.status() {
            Some(404) => RuntimeErrorKind::NotFound,
            _ if failure.is_invalid() => RuntimeErrorKind::Invalid,
            _ => RuntimeErrorKind::Unavailable,
        };
        Self {
            kind,
            message: failure.to_string(),
        }
    }
}

/// Makes a call that must end in time.
pub async fn within<T>(
    limit: Duration,
    what: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(|error| Failure::of(what, error)),
        Err(_) => Err(Failure::Silent {
            what,
            seconds: limit.as_secs(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_says_whether_it_is_worth_trying_again() {
        let refused = |status, message: &str| Failure::Refused {
            status,
            message: message.to_owned(),
        };
        let rows = [
            (refused(404, "No such image: x"), RuntimeErrorKind::NotFound),
            (
                refused(400, "OCI runtime create failed: exec: \"x\": not found"),
                RuntimeErrorKind::Invalid,
            ),
            (
                refused(500, "exec: \"x\": executable file not found in $PATH"),
                RuntimeErrorKind::Invalid,
            ),
            (refused(500, "driver failed"), RuntimeErrorKind::Unavailable),
            (
                Failure::Silent {
                    what: "start",
                    seconds: 60,
                },
                RuntimeErrorKind::Unavailable,
            ),
        ];
        for (failure, kind) in rows {
            let text = failure.to_string();
            assert_eq!(RuntimeError::from(failure).kind, kind, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_an_engine_is_said_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("unix://{}", dir.path().join(name).display());
        let missing = at("missing.sock");
        assert_eq!(
            Engine::connect(&missing).await.unwrap_err(),
            format!("there is no Docker engine at {missing} (no such socket)")
        );
        let left = at("left.sock");
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("left.sock")).unwrap());
        assert_eq!(
            Engine::connect(&left).await.unwrap_err(),
            format!("no Docker engine listens at {left} (connection refused)")
        );
        let mute = at("mute.sock");
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("mute.sock"));
        assert_eq!(
            Engine::connect(&mute).await.unwrap_err(),
            format!("the Docker engine at {mute} does not answer")
        );
        assert_eq!(
            Engine::connect("ssh://far").await.unwrap_err(),
            "kubeplay reaches Docker engines at unix:// and tcp:// addresses, not at ssh://far"
        );
    }
}
