//! What every run begins with: the topology, the options that change it, and what its pods are made of.

use std::{fs::File, io::BufWriter, path::Path};

use anyhow::Context as _;

use super::{RunOptions, RuntimeChoice};
use crate::{
    api::{Name, Object, Quantity},
    cluster::journal::Journal,
    runtime::docker::{self, Engine},
    store::{
        Config, RuntimeKind, WriteRequest, WriteVerb, config::RUNTIME_ANNOTATION, runtime::Report,
    },
    topology::{self, Topology},
};

/// A journal to a file.
pub type FileJournal = Journal<Box<dyn std::io::Write + Send>>;

/// A topology that is ready to run.
pub struct Start {
    pub config: Config,
    pub objects: Vec<Object>,
    /// The engine, where pods need one.
    pub engine: Option<Engine>,
    /// What runs, and why: for the screen and the summary.
    pub runtime_reason: String,
}

/// Why a run cannot start.
pub enum Refusal {
    /// The topology is wrong; the text says where.
    Topology(String),
    /// Docker was asked for, and this is why it cannot be had.
    NoEngine(String),
    /// The engine's machine has not enough memory.
    Memory(String),
}

impl Refusal {
    /// Says why and gives the exit status.
    pub fn report(&self) -> u8 {
        match self {
            Self::Topology(text) => {
                super::say_error(text.trim_end());
                super::USAGE
            }
            Self::Memory(why) => {
                super::say_error(&format!("kubeplay: {why}"));
                super::USAGE
            }
            Self::NoEngine(reason) => {
                super::say_error(&format!("kubeplay: Docker cannot be used: {reason}"));
                super::NO_ENGINE
            }
        }
    }
}

/// Reads the topology and applies the options.
///
/// # Errors
/// The topology is wrong.
pub fn load(path: Option<&Path>, options: &RunOptions) -> Result<Topology, Refusal> {
    let mut topology = path
        .map_or_else(topology::demo, topology::load)
        .map_err(|problems| Refusal::Topology(problems.to_string()))?;
    if let Some(seed) = options.seed {
        topology.config.seed = seed;
    }
    if let Some(timing) = options.timing {
        topology.set_preset(timing.into());
    }
    Ok(topology)
}

impl Start {
    /// Chooses what each node's pods are made of.
    ///
    /// # Errors
    /// Docker is needed and cannot be reached.
    pub fn new(topology: Topology, choice: RuntimeChoice) -> Result<Self, Refusal> {
        let Topology {
            config,
            mut objects,
            ..
        } = topology;
        let asked = objects.iter().filter_map(asked_runtime).collect::<Vec<_>>();
        let open = objects.iter().filter(|object| is_open(object)).count();
        let needs_docker = match choice {
            RuntimeChoice::Docker => true,
            RuntimeChoice::Simulated => false,
            RuntimeChoice::Auto => asked.contains(&RuntimeKind::Docker),
        };
        let wants_docker = needs_docker || (choice == RuntimeChoice::Auto && open > 0);
        let (engine, why) = match wants_docker.then(probe) {
            Some(Ok(engine)) => (Some(engine), String::new()),
            Some(Err(reason)) if needs_docker => return Err(Refusal::NoEngine(reason)),
            Some(Err(reason)) => (None, reason),
            None => (None, "as asked".to_owned()),
        };
        let all = match choice {
            RuntimeChoice::Simulated => Some(RuntimeKind::Simulated),
            RuntimeChoice::Docker => Some(RuntimeKind::Docker),
            RuntimeChoice::Auto => None,
        };
        let open_kind = match engine {
            Some(_) => RuntimeKind::Docker,
            None => RuntimeKind::Simulated,
        };
        for object in &mut objects {
            set_runtime(object, all, open_kind);
        }
        if let Some(engine) = &engine
            && let Some(why) = memory_lacks(&objects, engine.memory_bytes())
        {
            return Err(Refusal::Memory(why));
        }
        let runtime_reason = match (&engine, open_kind) {
            (Some(engine), _) => format!("docker {} at {}", engine.version(), engine.host()),
            (None, _) => format!("simulated ({why})"),
        };
        Ok(Self {
            config,
            objects,
            engine,
            runtime_reason,
        })
    }

    /// The writes that create the topology's objects, in order.
    pub fn requests(&mut self) -> impl Iterator<Item = WriteRequest> + use<> {
        let objects = std::mem::take(&mut self.objects);
        objects.into_iter().zip(1..).map(|(object, id)| {
            let verb = WriteVerb::Create(object);
            WriteRequest {
                id,
                user: Name::from("topology"),
                verb,
            }
        })
    }

    /// Processors of the host per processor of the cluster: what its Docker nodes promise together must fit.
    pub fn cpu_share(&self, engine: &Engine) -> f64 {
        let allocatable = |object: &Object| match object {
            Object::Node(node) if asked_runtime(object) == Some(RuntimeKind::Docker) => node
                .status
                .as_ref()?
                .allocatable
                .as_ref()?
                .get("cpu")
                .map(Quantity::of),
            _ => None,
        };
        let sum = self
            .objects
            .iter()
            .filter_map(allocatable)
            .fold(Quantity::ZERO, Quantity::plus);
        engine.cpu_share(u64::try_from(sum.milli_value()).unwrap_or(0))
    }

    /// What the cluster is told of what its pods are made of.
    pub fn engine_report(&self) -> Report {
        let runtime = match self.engine {
            Some(_) => RuntimeKind::Docker,
            None => RuntimeKind::Simulated,
        };
        Report::Engine {
            runtime,
            up: true,
            message: self.runtime_reason.clone(),
        }
    }
}

/// Looks for an engine.
pub fn probe() -> Result<Engine, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the system refuses a thread: {error}"))?
        .block_on(docker::probe())
}

/// Begins the journal, if one was asked for.
///
/// # Errors
/// The file cannot be written.
pub fn journal(config: &Config, options: &RunOptions) -> anyhow::Result<Option<FileJournal>> {
    let Some(path) = &options.journal else {
        return Ok(None);
    };
    let context = || format!("write the journal {}", path.display());
    let file = private_file(path).with_context(context)?;
    let out: Box<dyn std::io::Write + Send> = Box::new(BufWriter::new(file));
    Ok(Some(Journal::begin(out, config).with_context(context)?))
}

/// Creates a file that only its owner can read: journals hold Secrets.
fn private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// How much of the memory of the engine's machine pods may be promised, in percent: it has other things to do too.
const MEMORY_PERCENT: u64 = 80;

/// Why the pods of a topology do not fit into the memory of the engine's machine; none if they do, or if some of them
/// may be simulated.
fn memory_lacks(objects: &[Object], memory_bytes: u64) -> Option<String> {
    let simulated = |object: &Object| asked_runtime(object) == Some(RuntimeKind::Simulated);
    if memory_bytes == 0 || objects.iter().any(simulated) {
        return None;
    }
    let needs: u64 = objects.iter().map(memory_of).sum();
    let may = memory_bytes / 100 * MEMORY_PERCENT;
    let mebibytes = |bytes: u64| bytes >> 20;
    (needs > may).then(|| {
        format!(
            "the topology's pods may use {} MiB of memory, and the Docker engine's machine has {} MiB, of which pods get {MEMORY_PERCENT} %: lower their limits or replicas, or use --runtime simulated",
            mebibytes(needs),
            mebibytes(memory_bytes),
        )
    })
}

/// The memory that an object's pods may use: their limits, or where they have none, their requests.
fn memory_of(object: &Object) -> u64 {
    let (spec, replicas) = match object {
        Object::Pod(pod) => (Some(&*pod.spec), 1),
        Object::Deployment(it) => {
            let spec = it.spec.as_ref();
            let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
            (spec.and_then(|spec| spec.template.spec.as_ref()), replicas)
        }
        Object::ReplicaSet(it) => {
            let spec = it.spec.as_ref();
            let template = spec.and_then(|spec| spec.template.as_ref());
            let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
            (
                template.and_then(|template| template.spec.as_ref()),
                replicas,
            )
        }
        _ => return 0,
    };
    let of_container = |container: &k8s_openapi::api::core::v1::Container| {
        let resources = container.resources.as_ref()?;
        let lists = [resources.limits.as_ref(), resources.requests.as_ref()];
        let amount = lists
            .into_iter()
            .flatten()
            .find_map(|list| list.get("memory"))?;
        u64::try_from(Quantity::of(amount).value()).ok()
    };
    let containers = spec.iter().flat_map(|spec| &spec.containers);
    let pod: u64 = containers.filter_map(of_container).sum();
    pod.saturating_mul(u64::try_from(replicas).unwrap_or(0))
}

fn asked_runtime(object: &Object) -> Option<RuntimeKind> {
    let Object::Node(_) = object else { return None };
    match object.annotations().get(RUNTIME_ANNOTATION)?.as_str() {
        "docker" => Some(RuntimeKind::Docker),
        _ => Some(RuntimeKind::Simulated),
    }
}

fn is_open(object: &Object) -> bool {
    matches!(object, Object::Node(_)) && asked_runtime(object).is_none()
}

fn set_runtime(object: &mut Object, all: Option<RuntimeKind>, open: RuntimeKind) {
    let kind = all.or_else(|| asked_runtime(object)).unwrap_or(open);
    if let Object::Node(node) = object {
        std::sync::Arc::make_mut(node)
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(RUNTIME_ANNOTATION.to_owned(), kind.as_str().to_owned());
    }
}

/// Starts the log, if a file was named.
///
/// # Errors
/// The file cannot be written.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read here, by the command line"
)]
pub fn log(options: &RunOptions) -> anyhow::Result<()> {
    let Some(path) = &options.log_file else {
        return Ok(());
    };
    let file = private_file(path).with_context(|| format!("write the log {}", path.display()))?;
    let filter = std::env::var("KUBEPLAY_LOG").unwrap_or_else(|_| "kubeplay=info".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(&filter)
        .with_context(|| format!("KUBEPLAY_LOG={filter}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(file)
        .init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_do_not_fit_into_the_machine_are_refused_before_anything_starts() {
        let text = r#"
[cluster]
name = "large"
[[nodes]]
name = "node"
count = 2
cpu = "4"
memory = "64Gi"
[[deployments]]
name = "web"
replicas = 10
requests = { memory = "1Gi" }
limits = { memory = "2Gi" }
[[deployments]]
name = "other"
replicas = 5
requests = { memory = "1Gi" }
"#;
        let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut objects = topology::load(file.path()).unwrap().objects;
        let gibibytes = |n: u64| n << 30;
        assert_eq!(memory_lacks(&objects, gibibytes(32)), None);
        assert_eq!(memory_lacks(&objects, 0), None);
        let why = memory_lacks(&objects, gibibytes(31)).unwrap();
        assert!(
            why.contains("25600 MiB") && why.contains("31744 MiB"),
            "{why}"
        );
        for object in &mut objects {
            set_runtime(object, Some(RuntimeKind::Simulated), RuntimeKind::Simulated);
        }
        assert_eq!(memory_lacks(&objects, gibibytes(1)), None);
    }
}
