//! What all calls share: the engine, what is known to run, what is prepared once, and where reports go.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use bollard::{
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::ListContainersOptionsBuilder,
};
use tokio::sync::{OnceCell, OwnedMutexGuard, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Options,
    addresses::Addresses,
    caps::Caps,
    engine::{Engine, Failure, within},
    image,
    index::{Index, Seen, SeenState, Ticket},
    labels::{self, Part},
    network::{self, Network},
    pool::Pool,
    run::Run,
    spec::Surroundings,
};
use crate::{
    api::{Name, Uid},
    store::{
        config::RuntimeKind,
        runtime::{Exit, NodeLimits, Report, RuntimeError, RuntimeErrorKind},
    },
};

/// How many containers are started at once; more only makes the queue longer.
pub const STARTS_AT_ONCE: usize = 4;
const LIST_LIMIT: Duration = Duration::from_secs(5);
const INSPECT_LIMIT: Duration = Duration::from_secs(5);

/// What all calls share.
pub struct Shared {
    pub engine: Engine,
    pub options: Options,
    pub machine: String,
    pub run: Run,
    pub starts: Semaphore,
    /// Calls under way.
    pub tasks: TaskTracker,
    /// Cancelled when no call is taken any more.
    pub closing: CancellationToken,
    index: Mutex<Index>,
    /// Sandboxes that were made ahead.
    pub pool: Pool,
    pub caps: Caps,
    /// Who is making a container just now.
    turns: Mutex<BTreeMap<Part, Arc<tokio::sync::Mutex<()>>>>,
    network: OnceCell<(Network, Mutex<Addresses>)>,
    image: tokio::sync::Mutex<Option<String>>,
    reports: mpsc::Sender<Report>,
}

impl Shared {
    /// Nothing prepared, nothing running.
    pub fn new(
        engine: Engine,
        options: Options,
        machine: String,
        run: Run,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            engine,
            options,
            machine,
            run,
            starts: Semaphore::new(STARTS_AT_ONCE),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            index: Mutex::default(),
            pool: Pool::default(),
            caps: Caps::default(),
            turns: Mutex::default(),
            network: OnceCell::new(),
            image: tokio::sync::Mutex::default(),
            reports,
        }
    }

    /// What is known to run.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else makes the same container: the same call may come twice at a time.
    pub async fn turn(&self, part: &Part) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody waits for are of no use any more.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(part.clone()).or_default())
        };
        turn.lock_owned().await
    }

    /// Caps what a node's containers may use together, where that is possible.
    pub fn cap(&self, node: &Name, limits: NodeLimits) {
        let Some(why) = self.caps.set(self, node, limits) else {
            return;
        };
        let engine = &self.engine;
        let message = format!(
            "Docker {} at {}; nodes are not capped: {why}",
            engine.version(),
            engine.host()
        );
        self.report(Report::Engine {
            runtime: RuntimeKind::Docker,
            up: true,
            message,
        });
    }

    /// Tells the core.
    pub fn report(&self, report: Report) {
        // Nobody listens any more only at the very end.
        let _ = self.reports.send(report);
    }

    /// The cluster's network, made when it is first needed, and its addresses.
    pub async fn network(&self) -> Result<(&Network, &Mutex<Addresses>), Failure> {
        let make = async || {
            let network = network::ensure(&self.engine, self.run.id(), &self.machine).await?;
            let addresses = Mutex::new(Addresses::new(network.subnet));
            Ok::<_, Failure>((network, addresses))
        };
        let (network, addresses) = self.network.get_or_try_init(make).await?;
        Ok((network, addresses))
    }

    /// The addresses of the network, once there is one.
    pub fn known_addresses(&self) -> Option<&Mutex<Addresses>> {
        self.network.get().map(|(_, addresses)| addresses)
    }

    /// The built-in image, packed when it is first needed.
    pub async fn built_in(&self) -> Result<String, Failure> {
        let mut known = self.image.lock().await;
        if let Some(reference) = &*known {
            return Ok(reference.clone());
        }
        let reports = self.reports.clone();
        let progress = move |done, total| {
            let what = Name::from("built-in image");
            let _ = reports.send(Report::Progress { what, done, total });
        };
        let program: &Path = &self.options.program;
        let reference = image::ensure(&self.engine, program, progress).await?;
        *known = Some(reference.clone());
        Ok(reference)
    }

    /// The built-in image is not there any more.
    pub async fn forget_built_in(&self) {
        *self.image.lock().await = None;
    }

    /// The control group above those of a node's containers, where the engine takes one.
    pub fn cgroup_parent(&self, node: &str) -> Option<String> {
        let parent = || format!("/kubeplay/{}/{node}", self.run.id());
        self.engine.takes_cgroup_parent().then(parent)
    }

    /// What is the same for all containers of a node.
    pub fn surroundings<'a>(&self, node: &'a str) -> Surroundings<'a> {
        Surroundings {
            node,
            cgroup_parent: self.cgroup_parent(node),
            cpu_share: self.options.cpu_share,
            limits: self.caps.of(node),
        }
    }

    /// Refuses what was asked before node or pod were killed.
    pub fn check_alive(&self, ticket: Ticket, node: &str, pod: Uid) -> Result<(), RuntimeError> {
        if self.index().was_killed(ticket, node, pod) {
            return Err(RuntimeError {
                kind: RuntimeErrorKind::Unavailable,
                message: format!("node {node} or the pod on it was killed meanwhile"),
            });
        }
        Ok(())
    }

    /// The containers of this run that have these labels too.
    pub async fn list(&self, with: &[(&str, &str)]) -> Result<Vec<Seen>, Failure> {
        let mut wanted = vec![format!("{}={}", labels::RUN, self.run.id())];
        // Without a value: whatever it is.
        wanted.extend(with.iter().map(|(name, value)| match *value {
            "" => (*name).to_owned(),
            value => format!("{name}={value}"),
        }));
        let filters = [("label", wanted)].into_iter().collect();
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let listing = self.engine.docker().list_containers(Some(options.build()));
        let listing = within(LIST_LIMIT, "list containers", listing).await?;
        let index = self.index();
        let seen = |summary| seen(summary, &index);
        Ok(listing.into_iter().filter_map(seen).collect())
    }

    /// The engine's id of a container; none if it does not exist.
    pub async fn find(&self, part: &Part) -> Result<Option<String>, Failure> {
        if let Some(entry) = self.index().get(part) {
            return Ok(Some(entry.id.clone()));
        }
        let pod = part.pod().to_string();
        let attempt = part.attempt().to_string();
        let with = [
            (labels::POD_UID, pod.as_str()),
            (labels::CONTAINER, part.container()),
            (labels::ATTEMPT, attempt.as_str()),
        ];
        let Some(found) = self.list(&with).await?.into_iter().next() else {
            return Ok(None);
        };
        self.index().created(found.clone());
        if found.state == SeenState::Ended {
            self.ended(part, &found.id).await?;
        }
        Ok(Some(found.id))
    }

    /// Asks how a container ended, and reports it if that is news.
    pub async fn ended(&self, part: &Part, id: &str) -> Result<Exit, Failure> {
        let exit = self.exit_of(id).await?;
        let news = self.index().ended(part, id, exit);
        if let Some(report) = news {
            self.report(report);
        }
        Ok(exit)
    }

    /// How a container ended.
    pub async fn exit_of(&self, id: &str) -> Result<Exit, Failure> {
        let inspect = self.engine.docker().inspect_container(id, None);
        let state = within(INSPECT_LIMIT, "inspect container", inspect)
            .await?
            .state
            .unwrap_or_default();
        let code = state.exit_code.unwrap_or_default();
        Ok(Exit {
            code: i32::try_from(code).unwrap_or(i32::MAX),
            oom_killed: state.oom_killed.unwrap_or_default(),
        })
    }
}

/// A listed container, if it is a pod's.
fn seen(summary: ContainerSummary, index: &Index) -> Option<Seen> {
    use ContainerSummaryStateEnum::{CREATED, DEAD, EXITED, REMOVING};
    let labels = summary.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let (part, node) = Part::of_labels(label).or_else(|| index.adopted(summary.id.as_deref()?))?;
    let networks = summary.network_settings.and_then(|s| s.networks);
    Some(Seen {
        part,
        node,
        id: summary.id?,
        state: match summary.state {
            Some(CREATED) => SeenState::Created,
            Some(EXITED | DEAD | REMOVING) => SeenState::Ended,
            _ => SeenState::Running,
        },
        ip: networks
            .into_iter()
            .flatten()
            .find_map(|(_, endpoint)| endpoint.ip_address.filter(|ip| !ip.is_empty())),
        joined: label(labels::SANDBOX).and_then(|attempt| attempt.parse().ok()),
    })
}
