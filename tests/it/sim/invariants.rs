//! What must hold whenever the queues are empty, and in the end.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubeplay::{
    api::{Deployment, Kind, Name, Object, ObjectRef, Pod, Quantity, Uid},
    cluster::drive::Drive,
    store::{
        Op, Store, What,
        world::{ContainerTruth, NodeTruth},
    },
};

use super::scenario::{CRASHER, Runtime};

/// What is remembered between checks.
#[derive(Default)]
pub struct Invariants {
    /// Where each pod was bound first.
    bound: BTreeMap<Uid, Name>,
    /// The objects as a watcher of the log has them.
    watched: BTreeMap<ObjectRef, u64>,
    /// The first log record that the watcher has not seen.
    unseen: u64,
    /// Whether the runtime fails: then what was given up may run beside what took its place, for a while.
    pub runtime_fails: bool,
}

impl Invariants {
    /// Checks everything that must hold now.
    pub fn check(&mut self, drive: &Drive<Runtime>, disturbed: bool) -> Result<(), String> {
        let store = drive.cluster.store();
        self.watch(store)?;
        self.bound_once(store)?;
        admitted_pods_fit(store)?;
        if !self.runtime_fails {
            one_container_set(store)?;
        }
        endpoints_are_ready(store)?;
        replica_sets_are_not_over(store)?;
        deployments_keep_their_bounds(store, disturbed)
    }

    /// Follows the log as a watch does.
    fn watch(&mut self, store: &Store) -> Result<(), String> {
        for record in store.log.since(self.unseen) {
            if record.cause >= record.seq {
                return Err(format!(
                    "record {} has a cause that is not older: {}",
                    record.seq, record.cause
                ));
            }
            if let What::Change(change) = &record.what {
                let reference = change.object.reference();
                let known = self.watched.get(&reference).copied();
                match (change.op, known) {
                    (Op::Added, None) | (Op::Modified | Op::Deleted, Some(_)) => {}
                    (op, known) => {
                        return Err(format!("{op:?} of {reference}, known at {known:?}"));
                    }
                }
                if change.op == Op::Deleted {
                    self.watched.remove(&reference);
                } else {
                    self.watched.insert(reference, record.seq);
                }
            }
        }
        self.unseen = store.log.next_seq();
        Ok(())
    }

    fn bound_once(&mut self, store: &Store) -> Result<(), String> {
        for pod in store.objects.pods.values() {
            let Some(node) = &pod.node else { continue };
            let first = self
                .bound
                .entry(pod.meta.uid)
                .or_insert_with(|| node.clone());
            if first != node {
                return Err(format!(
                    "{} was bound to {first} and then to {node}",
                    pod.meta.key
                ));
            }
        }
        Ok(())
    }

    /// What must hold when everything has come to rest.
    pub fn at_the_end(&self, drive: &Drive<Runtime>) -> Result<(), String> {
        let store = drive.cluster.store();
        for kind in Kind::ALL {
            for key in store.objects.keys(kind, None) {
                let reference = ObjectRef::new(kind, key);
                let version = store
                    .objects
                    .object(&reference)
                    .map(|object| object.resource_version());
                if version != self.watched.get(&reference).copied() {
                    return Err(format!(
                        "a watcher of {reference} is at another version than the store"
                    ));
                }
            }
        }
        truth_is_believed(store)
    }

    /// After the first deployment was deleted.
    pub fn nothing_is_orphaned(&self, drive: &Drive<Runtime>) -> Result<(), String> {
        let store = drive.cluster.store();
        let uids: BTreeSet<Uid> = Kind::ALL
            .into_iter()
            .flat_map(|kind| {
                store
                    .objects
                    .keys(kind, None)
                    .into_iter()
                    .map(move |key| ObjectRef::new(kind, key))
            })
            .filter_map(|reference| store.objects.object(&reference))
            .map(|object| object.uid())
            .collect();
        for kind in [Kind::ReplicaSet, Kind::Pod, Kind::EndpointSlice] {
            for key in store.objects.keys(kind, None) {
                let Some(object) = store.objects.object(&ObjectRef::new(kind, key)) else {
                    continue;
                };
                if let Some(owner) = object
                    .owners()
                    .iter()
                    .find(|owner| !uids.contains(&owner.uid))
                {
                    return Err(format!(
                        "{} is left of {} {}",
                        object.reference(),
                        owner.kind,
                        owner.name
                    ));
                }
            }
        }
        truth_is_believed(store)
    }
}

fn requests(pod: &Pod) -> (i64, i64) {
    let of = |name: &str| -> Quantity {
        pod.spec
            .containers
            .iter()
            .filter_map(|container| container.resources.as_ref()?.requests.as_ref()?.get(name))
            .fold(Quantity::ZERO, |sum, quantity| {
                sum.plus(Quantity::of(quantity))
            })
    };
    (of("cpu").milli_value(), of("memory").value())
}

/// What a kubelet has admitted never exceeds its node.
fn admitted_pods_fit(store: &Store) -> Result<(), String> {
    for node in store.objects.nodes.values() {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let allocatable = node
            .status
            .as_ref()
            .and_then(|status| status.allocatable.as_ref());
        let of = |resource: &str| {
            allocatable
                .and_then(|map| map.get(resource))
                .map_or(Quantity::ZERO, Quantity::of)
        };
        let (mut cpu, mut memory, mut pods) = (0, 0, 0);
        for pod in store.objects.pods_on(name) {
            let admitted = pod.status.start_time.is_some() && !pod.is_terminal();
            if admitted {
                let (c, m) = requests(pod);
                (cpu, memory, pods) = (cpu + c, memory + m, pods + 1);
            }
        }
        if cpu > of("cpu").milli_value()
            || memory > of("memory").value()
            || pods > of("pods").value()
        {
            return Err(format!(
                "{name} admitted {pods} pods, {cpu}m CPU and {memory} bytes: more than it has"
            ));
        }
    }
    Ok(())
}

/// A pod has at most one running sandbox, and at most one running container of each name, all on one node.
fn one_container_set(store: &Store) -> Result<(), String> {
    let mut sandboxes = BTreeMap::new();
    for (sandbox, node) in &store.world.sandboxes {
        if let Some(other) = sandboxes.insert(sandbox.pod, node.clone()) {
            return Err(format!(
                "pod {} has two sandboxes, on {other} and on {node}",
                sandbox.pod
            ));
        }
    }
    let mut running = BTreeSet::new();
    for (container, (node, truth)) in &store.world.containers {
        let lives = matches!(truth, ContainerTruth::Running { .. });
        if lives && !running.insert((container.pod, container.name.clone())) {
            return Err(format!(
                "container {} of pod {} runs twice, on {node} too",
                container.name, container.pod
            ));
        }
    }
    Ok(())
}

/// Endpoint slices list as ready only pods that are ready.
fn endpoints_are_ready(store: &Store) -> Result<(), String> {
    for slice in store.objects.endpoint_slices.values() {
        for endpoint in slice.endpoints.iter().flatten() {
            let listed = endpoint
                .conditions
                .as_ref()
                .and_then(|conditions| conditions.ready)
                == Some(true);
            let Some(target) = endpoint.target_ref.as_ref().filter(|_| listed) else {
                continue;
            };
            let key = kubeplay::api::Key::new(
                target.namespace.as_deref().unwrap_or_default(),
                target.name.as_deref().unwrap_or_default(),
            );
            let ready = store
                .objects
                .get::<Pod>(&key)
                .is_some_and(|pod| pod.is_ready() && pod.is_active());
            if !ready {
                return Err(format!("an endpoint slice lists {key}, which is not ready"));
            }
        }
    }
    Ok(())
}

fn replica_sets_are_not_over(store: &Store) -> Result<(), String> {
    for set in store.objects.replica_sets.values() {
        let uid = Object::ReplicaSet(set.clone()).uid();
        let active = store.objects.pod_counts(uid).active;
        let wanted = set
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1);
        if i32::try_from(active).unwrap() > wanted {
            return Err(format!(
                "{:?} has {active} pods and wants {wanted}",
                set.metadata.name
            ));
        }
    }
    Ok(())
}

fn resolve(value: Option<&IntOrString>, replicas: i32, up: bool) -> i32 {
    match value {
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(text)) => {
            let percent: i32 = text.trim_end_matches('%').parse().unwrap();
            if up {
                (replicas * percent + 99) / 100
            } else {
                replicas * percent / 100
            }
        }
        None => 0,
    }
}

fn bounds(deployment: &Deployment) -> (i32, i32, i32) {
    let spec = deployment.spec.as_ref().unwrap();
    let replicas = spec.replicas.unwrap_or(1);
    let rolling = spec
        .strategy
        .as_ref()
        .and_then(|strategy| strategy.rolling_update.as_ref());
    let surge = resolve(rolling.and_then(|r| r.max_surge.as_ref()), replicas, true);
    let unavailable = resolve(
        rolling.and_then(|r| r.max_unavailable.as_ref()),
        replicas,
        false,
    );
    (
        replicas,
        surge,
        if surge == 0 {
            unavailable.max(1)
        } else {
            unavailable
        },
    )
}

fn pods_of<'a>(store: &'a Store, deployment: &'a Deployment) -> impl Iterator<Item = &'a Pod> {
    let uid = deployment.metadata.uid.as_deref().unwrap().parse().unwrap();
    store
        .objects
        .owned_by(uid)
        .filter_map(|set| store.objects.object(set))
        .flat_map(|set| store.objects.pods_of(set.uid()).collect::<Vec<_>>())
        .map(|pod| &**pod)
}

/// A rollout stays within its surge, and, unless something else is the matter, above its floor.
fn deployments_keep_their_bounds(store: &Store, disturbed: bool) -> Result<(), String> {
    for deployment in store.objects.deployments.values() {
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        let (replicas, surge, unavailable) = bounds(deployment);
        let active = pods_of(store, deployment)
            .filter(|pod| pod.is_active())
            .count();
        if i32::try_from(active).unwrap() > replicas + surge {
            return Err(format!(
                "{name} has {active} pods; at most {replicas} + {surge} are allowed"
            ));
        }
        let ready = pods_of(store, deployment)
            .filter(|pod| pod.is_active() && pod.is_ready())
            .count();
        if !disturbed && name != CRASHER && i32::try_from(ready).unwrap() < replicas - unavailable {
            return Err(format!(
                "{name} has {ready} ready pods; at least {replicas} - {unavailable} are promised"
            ));
        }
    }
    Ok(())
}

/// The deployments that can be available: all but the one that crashes.
fn wanted_deployments(store: &Store) -> impl Iterator<Item = &Deployment> {
    let deployments = store
        .objects
        .deployments
        .values()
        .map(|deployment| &**deployment);
    deployments.filter(|deployment| deployment.metadata.name.as_deref() != Some(CRASHER))
}

/// Whether every deployment has the replicas that it wants, all of them available and up to date.
fn deployments_are_available(store: &Store) -> Result<(), String> {
    for deployment in wanted_deployments(store) {
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        let (replicas, ..) = bounds(deployment);
        let status = deployment.status.clone().unwrap_or_default();
        let updated = status.updated_replicas.unwrap_or(0);
        let total = status.replicas.unwrap_or(0);
        let available = status.available_replicas.unwrap_or(0);
        let seen = status.observed_generation == deployment.metadata.generation;
        if !seen || updated != replicas || total != replicas || available != replicas {
            let pods: Vec<_> = pods_of(store, deployment).map(describe).collect();
            return Err(format!(
                "{name}: {replicas} wanted, {total} there, {updated} up to date, {available} available; pods: {}",
                pods.join("; ")
            ));
        }
    }
    Ok(())
}

/// Whether the cluster is as it is wanted to be.
pub fn is_converged(store: &Store) -> Result<(), String> {
    deployments_are_available(store)?;
    for deployment in wanted_deployments(store) {
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        let (replicas, ..) = bounds(deployment);
        let live = pods_of(store, deployment).count();
        if i32::try_from(live).unwrap() != replicas {
            let pods: Vec<_> = pods_of(store, deployment).map(describe).collect();
            return Err(format!(
                "{name}: {live} pods are left, {replicas} wanted; pods: {}",
                pods.join("; ")
            ));
        }
    }
    for node in store.objects.nodes.values() {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let conditions = node
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        let ready = conditions
            .into_iter()
            .flatten()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        let taints = node
            .spec
            .as_ref()
            .and_then(|spec| spec.taints.as_ref())
            .map_or(0, Vec::len);
        if !ready || taints > 0 {
            return Err(format!("{name}: ready {ready}, {taints} taints"));
        }
    }
    services_are_complete(store)
}

/// Whether a dead node's pods are elsewhere, and are as many as before.
pub fn is_evacuated(store: &Store, node: &str) -> Result<(), String> {
    if let Some(pod) = store.objects.pods_on(node).find(|pod| pod.is_active()) {
        return Err(format!(
            "{node} is dead, and {} was not evicted",
            describe(pod)
        ));
    }
    deployments_are_available(store).map_err(|what| format!("{node} is dead: {what}"))
}

/// Whether, besides, nothing is the matter that the control plane has not noticed.
pub fn is_calm(store: &Store) -> bool {
    let well = |node: &NodeTruth| node.is_on() && node.connected;
    store.world.nodes.values().all(well)
        && is_converged(store).is_ok()
        && truth_is_believed(store).is_ok()
}

fn services_are_complete(store: &Store) -> Result<(), String> {
    for service in store.objects.services.values() {
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let ready: usize = store
            .objects
            .endpoint_slices
            .values()
            .filter(|slice| {
                slice
                    .metadata
                    .labels
                    .as_ref()
                    .and_then(|labels| labels.get("kubernetes.io/service-name"))
                    .map(String::as_str)
                    == Some(name)
            })
            .flat_map(|slice| slice.endpoints.iter().flatten())
            .filter(|endpoint| endpoint.conditions.as_ref().and_then(|c| c.ready) == Some(true))
            .count();
        let pods = store.objects.pods.values().filter(|pod| {
            pod.is_ready()
                && pod.is_active()
                && pod.meta.labels.get("app").map(String::as_str) == Some(name)
        });
        let pods = pods.count();
        if ready != pods {
            return Err(format!(
                "service {name} lists {ready} endpoints; {pods} pods are ready"
            ));
        }
    }
    Ok(())
}

fn describe(pod: &Pod) -> String {
    let waiting = pod
        .status
        .container_statuses
        .iter()
        .flatten()
        .filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.clone())
        .collect::<Vec<_>>()
        .join(",");
    format!(
        "{} {} on {} ready {} terminating {} {waiting} {}",
        pod.meta.key.name,
        pod.phase(),
        pod.node.as_deref().unwrap_or("-"),
        pod.is_ready(),
        pod.is_terminating(),
        pod.condition("PodScheduled")
            .and_then(|c| c.message.clone())
            .unwrap_or_default(),
    )
}

/// What the core takes for the truth is so: the runtime runs what it knows, and nothing else.
pub fn truth_is_real(drive: &Drive<Runtime>) -> Result<(), String> {
    let store = drive.cluster.store();
    let (sandboxes, containers) = drive.runtime.inner.running();
    let known: BTreeSet<_> = store.world.sandboxes.keys().copied().collect();
    if sandboxes != known {
        let odd: Vec<_> = sandboxes.symmetric_difference(&known).collect();
        return Err(format!(
            "sandboxes that the core and the runtime see differently: {odd:?}"
        ));
    }
    let runs = |truth: &ContainerTruth| matches!(truth, ContainerTruth::Running { .. });
    let known = store.world.containers.iter();
    let known: BTreeSet<_> = known
        .filter(|(_, (_, truth))| runs(truth))
        .map(|(id, _)| id.clone())
        .collect();
    if containers != known {
        let odd: Vec<_> = containers.symmetric_difference(&known).collect();
        return Err(format!(
            "containers that the core and the runtime see differently: {odd:?}"
        ));
    }
    one_container_set(store)
}

/// Belief and truth agree: ready pods run, and nothing runs that no pod asks for.
pub fn truth_is_believed(store: &Store) -> Result<(), String> {
    let pods: BTreeMap<Uid, &Pod> = store
        .objects
        .pods
        .values()
        .map(|pod| (pod.meta.uid, &**pod))
        .collect();
    for (container, (node, truth)) in &store.world.containers {
        if matches!(truth, ContainerTruth::Running { .. }) && !pods.contains_key(&container.pod) {
            return Err(format!(
                "container {} runs on {node} and has no pod",
                container.name
            ));
        }
    }
    for sandbox in store.world.sandboxes.keys() {
        if !pods.contains_key(&sandbox.pod) {
            return Err(format!(
                "sandbox of pod {} runs and has no pod",
                sandbox.pod
            ));
        }
    }
    for pod in pods
        .values()
        .filter(|pod| pod.is_ready() && pod.is_active())
    {
        let running = store
            .world
            .containers_of(pod.meta.uid)
            .filter(|(_, (_, truth))| matches!(truth, ContainerTruth::Running { .. }))
            .count();
        if running != pod.spec.containers.len() {
            return Err(format!(
                "{} is believed ready and has {running} running containers",
                pod.meta.key
            ));
        }
    }
    Ok(())
}
