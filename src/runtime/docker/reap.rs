//! Removing everything of a run: containers with their volumes, networks, volumes, control groups.
//!
//! One function for every end: a normal quit, the watchdog, the next start, `kubeplay clean`. It finds things by the
//! run's label only, and what a listing does not show yet (a container whose creation was under way) the next one does.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell waits between listings"
)]

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bollard::{
    models::NetworkDisconnectRequest,
    query_parameters::{
        InspectNetworkOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
        ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};
use futures_util::{StreamExt, stream};

use super::{
    engine::{Engine, Failure, within},
    labels,
    run::is_run_id,
};

const LIST_LIMIT: Duration = Duration::from_secs(10);
const REMOVE_LIMIT: Duration = Duration::from_secs(60);
/// How many containers are removed at once.
const AT_ONCE: usize = 16;
/// Between two empty listings: a creation that was under way shows by then.
const SETTLE: Duration = Duration::from_secs(1);
/// Before the same is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// How long a network to which nothing is attached may be refused. Docker 20.10 can miscount a network's endpoints when
/// containers start and end at once; it finds that out only when it is started again.
const MISCOUNTED: Duration = Duration::from_secs(5);

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    pub containers: usize,
    pub networks: usize,
    pub volumes: usize,
    /// Networks that the engine does not let go of although nothing is attached to them; the first start after the
    /// engine's own removes them.
    pub stuck: usize,
}

impl Reaped {
    /// Whether there was nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.containers + self.networks + self.volumes + self.stuck == 0
    }
}

impl std::ops::AddAssign for Reaped {
    fn add_assign(&mut self, other: Self) {
        self.containers += other.containers;
        self.networks += other.networks;
        self.volumes += other.volumes;
        self.stuck += other.stuck;
    }
}

impl fmt::Display for Reaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        write!(
            f,
            "{} container{}, {} network{}, {} volume{}",
            self.containers,
            plural(self.containers),
            self.networks,
            plural(self.networks),
            self.volumes,
            plural(self.volumes)
        )?;
        if self.stuck > 0 {
            let (n, s) = (self.stuck, plural(self.stuck));
            write!(
                f,
                "; {n} network{s} stayed: the engine says that something is attached, but nothing is; when it was restarted, kubeplay clean removes them"
            )?;
        }
        Ok(())
    }
}

/// How to go about it.
#[derive(Clone, Copy, Debug)]
pub struct Thoroughness {
    /// How many listings in a row must be empty, a second apart.
    pub empty_listings: u32,
    /// When to give up on an engine that fails.
    pub patience: Duration,
}

impl Thoroughness {
    /// Creations may be under way: their author died.
    pub const AFTER_A_CRASH: Self = Self {
        empty_listings: 2,
        patience: Duration::from_secs(600),
    };
    /// No creation can be under way.
    pub const AT_REST: Self = Self {
        empty_listings: 1,
        patience: Duration::from_secs(30),
    };
}

/// How far it has come: removed, and found in all.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

/// Removes everything of a run.
///
/// # Errors
/// The engine failed for longer than the patience lasts.
pub async fn reap(
    engine: &Engine,
    run: &str,
    how: Thoroughness,
    progress: Progress<'_>,
) -> Result<Reaped, Failure> {
    let mut reaped = Reaped::default();
    let mut held = Held::default();
    let mut empty = 0;
    let mut since = Instant::now();
    loop {
        match round(engine, run, &mut reaped, &mut held, progress).await {
            Ok(true) => {
                empty += 1;
                if empty >= how.empty_listings {
                    break;
                }
                tokio::time::sleep(SETTLE).await;
            }
            Ok(false) => {
                empty = 0;
                since = Instant::now();
            }
            Err(error) => {
                empty = 0;
                if since.elapsed() > how.patience {
                    return Err(error);
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
    reaped.stuck = held.stuck();
    if engine.is_local() {
        remove_cgroups(run);
    }
    Ok(reaped)
}

/// Networks that nothing is attached to and that the engine refuses to remove, by id: since when.
#[derive(Debug, Default)]
struct Held(BTreeMap<String, Instant>);

impl Held {
    /// Whether it has been refused for so long that it will be until the engine is restarted.
    fn is_stuck(&self, network: &str) -> bool {
        let since = self.0.get(network);
        since.is_some_and(|since| since.elapsed() > MISCOUNTED)
    }

    fn stuck(&self) -> usize {
        self.0.keys().filter(|id| self.is_stuck(id)).count()
    }
}

/// Lists and removes once; true if there was nothing. An error if something could not be removed.
async fn round(
    engine: &Engine,
    run: &str,
    reaped: &mut Reaped,
    held: &mut Held,
    progress: Progress<'_>,
) -> Result<bool, Failure> {
    let filters = [("label", vec![format!("{}={run}", labels::RUN)])]
        .into_iter()
        .collect();
    let docker = engine.docker();
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters);
    let containers = docker.list_containers(Some(options.build()));
    let containers = within(LIST_LIMIT, "list containers", containers).await?;
    let ids: Vec<String> = containers.into_iter().filter_map(|c| c.id).collect();
    let found = ids.len();
    let (done, failed) = remove_containers(engine, ids, progress).await;
    reaped.containers += done;
    if let Some(failure) = failed {
        return Err(failure);
    }
    let options = ListNetworksOptionsBuilder::new().filters(&filters);
    let networks = docker.list_networks(Some(options.build()));
    let networks = within(LIST_LIMIT, "list networks", networks).await?;
    let networks: Vec<String> = networks
        .into_iter()
        .filter_map(|network| network.id)
        .filter(|id| !held.is_stuck(id))
        .collect();
    for id in &networks {
        reaped.networks += usize::from(remove_network(engine, id, held).await?);
    }
    let options = ListVolumesOptionsBuilder::new().filters(&filters);
    let volumes = docker.list_volumes(Some(options.build()));
    let volumes = within(LIST_LIMIT, "list volumes", volumes).await?;
    let volumes = volumes.volumes.unwrap_or_default();
    for volume in &volumes {
        let removal = docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>);
        let removal = within(REMOVE_LIMIT, "remove volume", removal).await;
        reaped.volumes += usize::from(gone(removal)?);
    }
    Ok(found == 0 && networks.is_empty() && volumes.is_empty())
}

/// Removes a network; true if it was there. Whatever is attached to it is no container of ours (these are gone by now)
/// and is detached.
async fn remove_network(engine: &Engine, id: &str, held: &mut Held) -> Result<bool, Failure> {
    let docker = engine.docker();
    let refusal =
        match gone(within(REMOVE_LIMIT, "remove network", docker.remove_network(id)).await) {
            Err(failure) if failure.to_string().contains("active endpoints") => failure,
            removal => {
                held.0.remove(id);
                return removal;
            }
        };
    let inspect = docker.inspect_network(id, None::<InspectNetworkOptions>);
    let attached = within(LIST_LIMIT, "inspect network", inspect).await?;
    let attached = attached.containers.unwrap_or_default();
    if attached.is_empty() {
        held.0.entry(id.to_owned()).or_insert_with(Instant::now);
    }
    for (container, endpoint) in attached {
        let request = NetworkDisconnectRequest {
            // An endpoint without a container has a name only.
            container: endpoint.name.unwrap_or(container),
            force: Some(true),
        };
        let detach = docker.disconnect_network(id, request);
        gone(within(REMOVE_LIMIT, "disconnect network", detach).await)?;
    }
    Err(refusal)
}

async fn remove_containers(
    engine: &Engine,
    ids: Vec<String>,
    progress: Progress<'_>,
) -> (usize, Option<Failure>) {
    let total = ids.len();
    let mut removals = stream::iter(ids)
        .map(|id| async move { remove_container(engine, &id).await })
        .buffer_unordered(AT_ONCE);
    let (mut done, mut failed) = (0, None);
    while let Some(removal) = removals.next().await {
        match removal {
            Ok(()) => done += 1,
            Err(failure) => failed = Some(failure),
        }
        progress(done, total);
    }
    (done, failed)
}

/// Removes a container, running or not, with its anonymous volumes; one that is gone already is no error.
pub(super) async fn remove_container(engine: &Engine, id: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
    let removal = engine.docker().remove_container(id, Some(options.build()));
    match within(REMOVE_LIMIT, "remove container", removal).await {
        // Somebody else removes it just now: wait until it is gone.
        Err(Failure::Refused { status: 409, .. }) => wait_until_gone(engine, id).await,
        removal => gone(removal).map(drop),
    }
}

async fn wait_until_gone(engine: &Engine, id: &str) -> Result<(), Failure> {
    let since = Instant::now();
    loop {
        let inspect = engine.docker().inspect_container(id, None);
        match within(LIST_LIMIT, "inspect container", inspect).await {
            Err(failure) if failure.status() == Some(404) => return Ok(()),
            Err(failure) => return Err(failure),
            Ok(_) if since.elapsed() > REMOVE_LIMIT => {
                return Err(Failure::Other(format!("container {id} is not removed")));
            }
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Whether it was there before it was removed.
fn gone(removal: Result<(), Failure>) -> Result<bool, Failure> {
    match removal {
        Ok(()) => Ok(true),
        Err(failure) if failure.status() == Some(404) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Where the control groups of a run are: one folder a controller (version 1), or one in all (version 2).
#[must_use]
pub fn cgroups(run: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_dir(root).into_iter().flatten().flatten();
    controllers
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        .map(|entry| entry.path())
        .chain([root.to_owned()])
        .map(|parent| parent.join("kubeplay").join(run))
        .filter(|path| is_run_id(run) && path.is_dir())
        .collect()
}

/// Removes the run's control groups, and their common parent if no other run uses it. Without the right to do so they
/// stay, empty.
fn remove_cgroups(run: &str) {
    for path in cgroups(run) {
        let _ = remove_tree(&path);
        if let Some(parent) = path.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Control groups are removed from the leaves up; their files go with them.
fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// The runs of a machine that something of is left, by the label of containers, networks and volumes.
///
/// # Errors
/// The engine failed.
pub async fn runs_of(engine: &Engine, machine: &str) -> Result<Vec<String>, Failure> {
    let ours = vec![
        format!("{}=1", labels::OURS),
        format!("{}={machine}", labels::MACHINE),
    ];
    let filters = [("label", ours)].into_iter().collect();
    let docker = engine.docker();
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters);
    let containers = docker.list_containers(Some(options.build()));
    let containers = within(LIST_LIMIT, "list containers", containers).await?;
    let options = ListNetworksOptionsBuilder::new().filters(&filters);
    let networks = docker.list_networks(Some(options.build()));
    let networks = within(LIST_LIMIT, "list networks", networks).await?;
    let options = ListVolumesOptionsBuilder::new().filters(&filters);
    let volumes = docker.list_volumes(Some(options.build()));
    let volumes = within(LIST_LIMIT, "list volumes", volumes).await?;
    let of_containers = containers.into_iter().filter_map(|c| c.labels);
    let of_networks = networks.into_iter().filter_map(|n| n.labels);
    let of_volumes = volumes.volumes.unwrap_or_default();
    let of_volumes = of_volumes.into_iter().map(|v| v.labels);
    let mut runs: Vec<String> = of_containers
        .chain(of_networks)
        .chain(of_volumes)
        .filter_map(|mut labels| labels.remove(labels::RUN))
        .collect();
    runs.retain(|run| is_run_id(run));
    runs.sort();
    runs.dedup();
    Ok(runs)
}
