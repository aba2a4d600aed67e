//! What a pod asks of a node and what a node has (`pkg/scheduler/framework/types.go`,
//! `component-helpers/resource/helpers.go`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use k8s_openapi::{
    api::core::v1::{Container, PodSpec},
    apimachinery::pkg::api::resource::Quantity as Text,
};

use crate::api::{Name, Quantity};

/// What a container that does not say is taken to ask for, in scores only: 100m and 200Mi
/// (`pkg/scheduler/util/pod_resources.go`).
const DEFAULT_REQUESTS: [(&str, Quantity); 2] = [
    ("cpu", Quantity::milli(100)),
    ("memory", Quantity::units(200 << 20)),
];

/// Amounts of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a core.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// Extended resources, huge pages, attachable volumes.
    pub scalars: BTreeMap<Name, i64>,
}

impl Resources {
    /// The amounts of a list as objects write it; `pods` is left out.
    #[must_use]
    pub fn of(list: Option<&BTreeMap<String, Text>>) -> Self {
        let list = list.into_iter().flatten();
        Self::sum(
            &list
                .map(|(name, text)| (name.as_str(), Quantity::of(text)))
                .collect(),
        )
    }

    fn sum(list: &List<'_>) -> Self {
        let mut resources = Self::default();
        for (&name, &quantity) in list {
            match name {
                "cpu" => resources.milli_cpu = bounded(quantity.milli_value()),
                "memory" => resources.memory = bounded(quantity.value()),
                "ephemeral-storage" => resources.ephemeral_storage = bounded(quantity.value()),
                name if is_scalar(name) => {
                    resources
                        .scalars
                        .insert(name.into(), bounded(quantity.value()));
                }
                _ => {}
            }
        }
        resources
    }

    /// Adds what a pod asks for.
    pub fn add(&mut self, pod: &Self) {
        self.milli_cpu += pod.milli_cpu;
        self.memory += pod.memory;
        self.ephemeral_storage += pod.ephemeral_storage;
        for (name, amount) in &pod.scalars {
            *self.scalars.entry(name.clone()).or_default() += amount;
        }
    }

    /// Takes away what a pod asked for: the exact inverse of [`Self::add`].
    pub fn subtract(&mut self, pod: &Self) {
        self.milli_cpu -= pod.milli_cpu;
        self.memory -= pod.memory;
        self.ephemeral_storage -= pod.ephemeral_storage;
        for (name, amount) in &pod.scalars {
            let left = self.scalar(name) - amount;
            if left == 0 {
                self.scalars.remove(name);
            } else {
                self.scalars.insert(name.clone(), left);
            }
        }
    }

    /// The amount of a scalar resource.
    #[must_use]
    pub fn scalar(&self, name: &str) -> i64 {
        self.scalars.get(name).copied().unwrap_or(0)
    }
}

/// No amount is larger than 2^53 (8 PiB), so that no sum or product of scores can overflow.
fn bounded(amount: i64) -> i64 {
    amount.clamp(0, 1 << 53)
}

fn is_scalar(name: &str) -> bool {
    name.contains('/') || name.starts_with("hugepages-") || name.starts_with("attachable-volumes-")
}

/// CPU and memory with the defaults for containers that do not ask: what scores count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NonZero {
    pub milli_cpu: i64,
    pub memory: i64,
}

impl NonZero {
    fn of(list: &List<'_>) -> Self {
        let resources = Resources::sum(list);
        Self {
            milli_cpu: resources.milli_cpu,
            memory: resources.memory,
        }
    }

    /// Adds a pod's.
    pub const fn add(&mut self, pod: Self) {
        self.milli_cpu += pod.milli_cpu;
        self.memory += pod.memory;
    }

    /// Takes a pod's away.
    pub const fn subtract(&mut self, pod: Self) {
        self.milli_cpu -= pod.milli_cpu;
        self.memory -= pod.memory;
    }
}

/// What is computed once of a pod's spec (`framework.PodInfo`).
#[derive(Clone, Debug, PartialEq)]
pub struct PodInfo {
    pub spec: Arc<PodSpec>,
    /// What it must have: filters and BalancedAllocation count this.
    pub requests: Resources,
    /// What it counts for in LeastAllocated once it is on a node.
    pub non_zero: NonZero,
    /// What it counts for in LeastAllocated while it is being placed: upstream leaves pod-level requests out here.
    pub scored: NonZero,
}

impl PodInfo {
    /// Computes it.
    #[must_use]
    pub fn new(spec: &Arc<PodSpec>) -> Self {
        let requests = pod_requests(spec, &[], true);
        let missing: Vec<_> = DEFAULT_REQUESTS
            .into_iter()
            .filter(|(name, _)| pod_level(spec).is_none() || !requests.contains_key(name))
            .collect();
        Self {
            non_zero: NonZero::of(&pod_requests(spec, &missing, true)),
            scored: NonZero::of(&pod_requests(spec, &DEFAULT_REQUESTS, false)),
            requests: Resources::sum(&requests),
            spec: Arc::clone(spec),
        }
    }
}

/// The last specs that were looked at: pods share theirs, so that few are computed.
#[derive(Clone, Debug, Default)]
pub struct PodInfos(VecDeque<Arc<PodInfo>>);

impl PodInfos {
    const LIMIT: usize = 64;

    /// What is computed of a spec.
    pub fn of(&mut self, spec: &Arc<PodSpec>) -> Arc<PodInfo> {
        if let Some(known) = self
            .0
            .iter()
            .rev()
            .find(|info| Arc::ptr_eq(&info.spec, spec))
        {
            return Arc::clone(known);
        }
        let info = Arc::new(PodInfo::new(spec));
        if self.0.len() == Self::LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(Arc::clone(&info));
        info
    }
}

type List<'a> = BTreeMap<&'a str, Quantity>;

/// `spec.resources.requests`, if it says anything that counts for a whole pod.
fn pod_level(spec: &PodSpec) -> Option<impl Iterator<Item = (&str, Quantity)>> {
    let requests = spec.resources.as_ref()?.requests.as_ref()?;
    let supported = |name: &str| matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
    let mut all = requests
        .iter()
        .map(|(name, text)| (name.as_str(), Quantity::of(text)))
        .filter(move |(name, _)| supported(name))
        .peekable();
    all.peek().is_some().then_some(all)
}

/// A pod's requests: its containers' sum or its init containers' peak, whichever is larger, or the pod-level request;
/// and its overhead. `missing` stands in for what a container does not ask for.
fn pod_requests<'a>(
    spec: &'a PodSpec,
    missing: &[(&'a str, Quantity)],
    with_pod_level: bool,
) -> List<'a> {
    let mut all = List::new();
    for container in &spec.containers {
        add(&mut all, &container_requests(container, missing));
    }
    // An init container runs beside the sidecars that were started before it.
    let mut sidecars = List::new();
    let mut peak = List::new();
    for container in spec.init_containers.iter().flatten() {
        let mut running = container_requests(container, missing);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut all, &running);
            add(&mut sidecars, &running);
            running.clone_from(&sidecars);
        } else {
            add(&mut running, &sidecars);
        }
        raise(&mut peak, &running);
    }
    raise(&mut all, &peak);
    if with_pod_level {
        all.extend(pod_level(spec).into_iter().flatten());
    }
    let overhead = spec.overhead.iter().flatten();
    add(
        &mut all,
        &overhead
            .map(|(name, text)| (name.as_str(), Quantity::of(text)))
            .collect(),
    );
    all
}

fn container_requests<'a>(container: &'a Container, missing: &[(&'a str, Quantity)]) -> List<'a> {
    let requests = container
        .resources
        .as_ref()
        .and_then(|it| it.requests.as_ref());
    let mut list: List<'a> = missing.iter().copied().collect();
    list.extend(
        requests
            .into_iter()
            .flatten()
            .map(|(name, text)| (name.as_str(), Quantity::of(text))),
    );
    list
}

fn add<'a>(list: &mut List<'a>, more: &List<'a>) {
    for (name, quantity) in more {
        let sum = list.entry(name).or_insert(Quantity::ZERO);
        *sum = sum.plus(*quantity);
    }
}

fn raise<'a>(list: &mut List<'a>, other: &List<'a>) {
    for (name, quantity) in other {
        let most = list.entry(name).or_insert(Quantity::ZERO);
        *most = (*most).max(*quantity);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn info(spec: serde_json::Value) -> PodInfo {
        PodInfo::new(&Arc::new(serde_json::from_value(spec).unwrap()))
    }

    fn container(cpu: &str, memory: &str) -> serde_json::Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    fn sidecar(cpu: &str, memory: &str) -> serde_json::Value {
        let mut sidecar = container(cpu, memory);
        sidecar["restartPolicy"] = json!("Always");
        sidecar
    }

    fn check(spec: serde_json::Value, milli_cpu: i64, mebibytes: i64) {
        let info = info(spec.clone());
        assert_eq!(
            (info.requests.milli_cpu, info.requests.memory >> 20),
            (milli_cpu, mebibytes),
            "{spec}"
        );
    }

    #[test]
    fn containers_are_summed_up() {
        let two = [container("100m", "64Mi"), container("1", "1Gi")];
        check(json!({ "containers": two }), 1100, 1088);
    }

    #[test]
    fn init_containers_count_by_their_peak_resource_by_resource() {
        let spec = json!({
            "containers": [container("500m", "64Mi"), container("500m", "64Mi")],
            "initContainers": [container("200m", "1Gi"), container("700m", "32Mi")]});
        check(spec, 1000, 1024);
    }

    #[test]
    fn a_sidecar_counts_beside_the_containers_and_beside_later_init_containers() {
        let spec = json!({
            "containers": [container("100m", "64Mi")],
            "initContainers": [container("300m", "64Mi"), sidecar("200m", "64Mi"), container("500m", "32Mi")]});
        // Containers and sidecar: 300m, 128Mi. The last init container beside the sidecar: 700m, 96Mi.
        check(spec, 700, 128);
    }

    #[test]
    fn overhead_comes_on_top() {
        let spec = json!({"containers": [container("100m", "64Mi")], "overhead": {"cpu": "250m", "memory": "120Mi"}});
        check(spec, 350, 184);
    }

    #[test]
    fn a_request_for_the_whole_pod_replaces_its_containers_sum() {
        let spec = json!({"containers": [container("100m", "64Mi")], "resources": {"requests": {"cpu": "2"}}});
        check(spec.clone(), 2000, 64);
        let info = info(spec);
        assert_eq!(info.non_zero.milli_cpu, 2000, "once it is placed");
        assert_eq!(info.scored.milli_cpu, 100, "while it is being placed");
    }

    #[test]
    fn what_is_not_asked_for_counts_in_scores_but_zero_is_zero() {
        let silent = info(json!({"containers": [{"name": "a"}, {"name": "b"}]}));
        assert_eq!(silent.requests, Resources::default());
        assert_eq!(
            (silent.non_zero.milli_cpu, silent.non_zero.memory),
            (200, 400 << 20)
        );
        let zero = info(json!({"containers": [container("0", "0")]}));
        assert_eq!(zero.non_zero, NonZero::default());
    }

    #[test]
    fn what_was_added_can_be_taken_away_again() {
        let list = serde_json::from_value(json!({"cpu": "1", "example.com/gpu": "2", "pods": "9"}));
        let pod = Resources::of(Some(&list.unwrap()));
        assert_eq!(pod.scalar("example.com/gpu"), 2);
        let mut node = Resources::default();
        node.add(&pod);
        assert_eq!(node, pod);
        node.subtract(&pod);
        assert_eq!(node, Resources::default());
    }
}
