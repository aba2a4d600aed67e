//! Which engine is meant: `DOCKER_HOST`, `DOCKER_CONTEXT`, and the contexts in Docker's own configuration.
//!
//! The order is that of Docker's command line (`cli/command/cli.go`, `resolveContextName`).
#![expect(
    clippy::disallowed_methods,
    reason = "Docker is configured by the environment"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Where the engine listens when nothing is said.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// What decides which engine is meant.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// Whether `DOCKER_TLS_VERIFY` is set.
    pub tls: bool,
    /// `DOCKER_CONFIG`, or `~/.docker`.
    pub config_dir: Option<PathBuf>,
}

impl Environment {
    /// What the process was started with.
    pub fn read() -> Self {
        let var = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            host: var("DOCKER_HOST"),
            context: var("DOCKER_CONTEXT"),
            tls: var("DOCKER_TLS_VERIFY").is_some(),
            config_dir: var("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| Some(etcetera::home_dir().ok()?.join(".docker"))),
        }
    }

    /// The address of the engine that is meant.
    ///
    /// # Errors
    /// In words: a context that does not exist, or one that needs TLS.
    pub fn host(&self) -> Result<String, String> {
        if let Some(host) = &self.host {
            if self.tls && !host.starts_with("unix://") {
                return Err(format!(
                    "DOCKER_TLS_VERIFY is set, and kubeplay does not speak TLS to {host}"
                ));
            }
            return Ok(host.clone());
        }
        let config_dir = self.config_dir.as_deref();
        let name = self
            .context
            .clone()
            .or_else(|| current_context(config_dir?));
        match name.as_deref() {
            None | Some("" | "default") => Ok(DEFAULT_HOST.to_owned()),
            Some(name) => config_dir
                .and_then(|dir| find(dir, name))
                .ok_or_else(|| format!("there is no Docker context called {name:?}"))?,
        }
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

fn current_context(dir: &Path) -> Option<String> {
    let text = fs::read(dir.join("config.json")).ok()?;
    serde_json::from_slice::<ConfigFile>(&text)
        .ok()?
        .current_context
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaFile {
    name: String,
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host")]
    host: Option<String>,
}

/// The host of a context; none if no context has that name. Contexts lie in folders that are named by a hash: all are
/// looked at, so that the hash need not be computed.
fn find(dir: &Path, name: &str) -> Option<Result<String, String>> {
    for entry in fs::read_dir(dir.join("contexts/meta")).ok()?.flatten() {
        let Ok(text) = fs::read(entry.path().join("meta.json")) else {
            continue;
        };
        let Ok(meta) = serde_json::from_slice::<MetaFile>(&text) else {
            continue;
        };
        if meta.name != name {
            continue;
        }
        let tls = dir.join("contexts/tls").join(entry.file_name());
        if tls.join("docker").is_dir() {
            return Some(Err(format!(
                "the Docker context {name:?} needs TLS, which kubeplay does not speak"
            )));
        }
        let host = meta.endpoints.docker.and_then(|endpoint| endpoint.host);
        return Some(Ok(host.unwrap_or_else(|| DEFAULT_HOST.to_owned())));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "config.json",
            r#"{"currentContext": "rootless", "auths": {}}"#,
        );
        write(
            "contexts/meta/aa/meta.json",
            r#"{"Name": "rootless", "Metadata": {}, "Endpoints": {"docker": {"Host": "unix:///run/user/7/docker.sock"}}}"#,
        );
        write(
            "contexts/meta/bb/meta.json",
            r#"{"Name": "far", "Endpoints": {"docker": {"Host": "tcp://far:2376"}}}"#,
        );
        write("contexts/tls/bb/docker/ca.pem", "");
        write("contexts/meta/cc/meta.json", "not JSON");
        dir
    }

    #[test]
    fn the_engine_is_the_one_that_dockers_own_command_would_use() {
        let dir = folder();
        let (host, default) = (Some("tcp://10.0.0.1:2375"), Some("default"));
        let rows = [
            (None, None, Ok("unix:///run/user/7/docker.sock")),
            (host, None, Ok("tcp://10.0.0.1:2375")),
            (host, Some("rootless"), Ok("tcp://10.0.0.1:2375")),
            (None, default, Ok(DEFAULT_HOST)),
            (
                None,
                Some("nope"),
                Err("there is no Docker context called \"nope\""),
            ),
            (
                None,
                Some("far"),
                Err("the Docker context \"far\" needs TLS, which kubeplay does not speak"),
            ),
        ];
        for (host, context, expected) in rows {
            let environment = Environment {
                host: host.map(str::to_owned),
                context: context.map(str::to_owned),
                tls: false,
                config_dir: Some(dir.path().to_owned()),
            };
            let found = environment.host();
            assert_eq!(
                found.as_deref().map_err(String::as_str),
                expected,
                "{host:?} {context:?}"
            );
        }
    }

    #[test]
    fn without_any_configuration_it_is_the_usual_socket() {
        assert_eq!(Environment::default().host().as_deref(), Ok(DEFAULT_HOST));
    }
}
