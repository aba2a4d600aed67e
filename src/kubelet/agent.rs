//! One node's kubelet: registration, lease, status, and what it asked of the runtime
//! (`pkg/kubelet/kubelet_node_status.go`, `component-helpers/apimachinery/lease`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::OwnerReference,
};

use super::{admit::Requests, condition, news::Ask};
use crate::{
    api::{EventType, Key, Kind, Lease, Name, Node, ObjectRef, Resource, Time, Uid},
    store::{
        Context, EventReport, Store, bootstrap::LEASE_NAMESPACE, config::RuntimeKind, runtime::Verb,
    },
};

/// How long an image may take to be pulled.
const PULL_WITHIN: Duration = Duration::from_secs(600);
/// How often the runtime is asked what it has although nothing is the matter: reports may be lost, and calls done that
/// were given up long ago. Upstream lists once a second (`plegRelistPeriod`), as its runtimes report nothing.
const RELIST_EVERY: Duration = Duration::from_secs(30);
/// How often the status is reported although nothing changed (`nodeStatusReportFrequency`).
const REPORT_EVERY: Duration = Duration::from_secs(300);

/// A call whose answer has not come.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub ask: Ask,
    pub at: Time,
    /// The machine's start in which it was asked.
    pub boot: u32,
    deadline: Time,
}

/// One node's kubelet.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub name: Name,
    /// The node as the kubelet last saw it; none if there is no such object.
    pub object: Option<Arc<Node>>,
    pub runtime: RuntimeKind,
    /// Since when the runtime has not answered what it has, if it was asked or cannot be reached.
    silent: Option<Time>,
    /// The truth: power, the way to the control plane, how often the machine was started.
    pub on: bool,
    pub connected: bool,
    pub boot: u32,
    /// The start in which this kubelet runs.
    pub booted: u32,
    /// Whether it waits to hear what the runtime still has after a start.
    pub recovering: bool,
    pub pods: BTreeSet<Uid>,
    /// What the pods that it admitted ask for.
    pub used: Requests,
    pub asked: BTreeMap<u64, Asked>,
    /// Images that the node has, and their ids.
    pub images: BTreeMap<String, String>,
    /// When the runtime is to be asked what it has.
    relist_due: Time,
    /// It is not asked before that time.
    relist_from: Time,
    /// While a listing is asked for: the pods of which something was heard since. It says nothing of them.
    heard: Option<BTreeSet<Uid>>,
    /// Pods of which the runtime had something and the kubelet knew nothing.
    pub orphans: BTreeSet<Uid>,
    /// The node's address.
    pub ip: String,
    lease_due: Time,
    leases: u64,
    reported: Option<Time>,
}

impl Agent {
    /// The kubelet of a cluster's n-th node.
    pub fn new(name: &Name, index: usize) -> Self {
        Self {
            name: name.clone(),
            object: None,
            runtime: RuntimeKind::Simulated,
            silent: None,
            on: false,
            connected: true,
            boot: 0,
            booted: 0,
            recovering: false,
            pods: BTreeSet::new(),
            used: Requests::default(),
            asked: BTreeMap::new(),
            images: BTreeMap::new(),
            relist_due: Time::MAX,
            relist_from: Time::ZERO,
            heard: None,
            orphans: BTreeSet::new(),
            ip: format!(
                "172.{}.{}.{}",
                18 + index / 62_500,
                index / 250 % 250,
                index % 250 + 2
            ),
            lease_due: Time::ZERO,
            leases: 0,
            reported: None,
        }
    }

    /// Whether it hears of changes in the API.
    pub const fn hears(&self) -> bool {
        self.on && self.connected
    }

    /// Takes over the truth about its machine.
    pub fn sees_truth(&mut self, store: &Store) {
        if let Some(truth) = store.world.nodes.get(&self.name) {
            self.on = truth.is_on();
            self.connected = truth.connected;
            self.boot = truth.boot;
        }
    }

    /// Takes over the node object.
    pub fn sees(&mut self, node: &Arc<Node>) {
        self.runtime = RuntimeKind::of(node);
        if let Some(ip) = condition::internal_ip(node) {
            ip.clone_into(&mut self.ip);
        }
        self.object = Some(Arc::clone(node));
    }

    /// Whether the kubelet works with its runtime: upstream's does nothing for its pods while it is down.
    pub fn has_runtime(&self, cx: &Context<'_>) -> bool {
        self.silent
            .is_none_or(|since| cx.now.since(since) < silence(cx))
    }

    /// The engine can, or cannot, be reached: so it is said.
    pub fn engine_is(&mut self, up: bool, now: Time) {
        if up {
            self.relist_from = now;
            self.relist(now);
        } else {
            self.silent.get_or_insert(now);
        }
    }

    /// Wants to hear what the runtime has.
    pub fn relist(&mut self, now: Time) {
        self.relist_due = self.relist_due.min(now);
    }

    /// Notes that something was heard of a pod.
    pub fn hears_of(&mut self, pod: Uid) {
        if let Some(heard) = &mut self.heard {
            heard.insert(pod);
        }
    }

    /// Asks something of the runtime.
    pub fn ask(&mut self, ask: Ask, verb: Verb, cx: &mut Context<'_>) {
        let timeout = Duration::from_millis(cx.config.timing.runtime_timeout_ms);
        let within = match &verb {
            Verb::PullImage { .. } => PULL_WITHIN,
            // One that is lost does not make the node unready: the next is asked for before that.
            Verb::List => silence(cx) * 2 / 3,
            Verb::StopContainer { grace_ms, .. } => timeout + Duration::from_millis(*grace_ms),
            _ => timeout,
        };
        let asked = Asked {
            ask,
            at: cx.now,
            boot: self.boot,
            deadline: cx.now + within,
        };
        let call = cx.call(&self.name, self.runtime, verb);
        self.asked.insert(call, asked);
    }

    /// Asks something of the runtime, unless that is asked already.
    pub fn ask_once(&mut self, ask: Ask, verb: Verb, cx: &mut Context<'_>) {
        if self.asked.values().all(|asked| asked.ask != ask) {
            self.ask(ask, verb, cx);
        }
    }

    /// Notes that it is open whether a call that failed was done: a listing is to say.
    pub fn doubt(&mut self, call: u64, asked: Asked, now: Time) {
        let deadline = now;
        self.asked.insert(call, Asked { deadline, ..asked });
        self.relist(now);
    }

    /// Starts the kubelet after its machine was started.
    pub fn boot_up(&mut self, cx: &mut Context<'_>) {
        let first = self.booted == 0;
        self.booted = self.boot;
        self.asked.clear();
        self.images.clear();
        self.heard = None;
        self.silent = None;
        // Each node at its own offset.
        let offset = RELIST_EVERY.as_millis() as u64;
        let offset = cx.random().below(offset, "relist", &self.name, 0);
        self.relist_due = cx.now + Duration::from_millis(offset);
        self.reported = None;
        self.lease_due = cx.now;
        self.event(EventType::Normal, "Starting", "Starting kubelet.", cx);
        if !first {
            let boot_id = condition::boot_id(&self.name, self.boot, cx);
            let message = format!("Node {} has been rebooted, boot id: {boot_id}", self.name);
            self.event(EventType::Warning, "Rebooted", message.as_str(), cx);
            self.recovering = true;
            self.relist(cx.now);
        }
    }

    /// Reports an event about the node.
    pub fn event(
        &self,
        event_type: EventType,
        reason: &str,
        message: impl Into<Name>,
        cx: &mut Context<'_>,
    ) {
        if let Some(node) = self.object.as_ref().filter(|_| self.connected) {
            cx.report(EventReport {
                regarding: ObjectRef::new(Kind::Node, node.key()),
                uid: node.uid(),
                field_path: None,
                event_type,
                reason,
                message: message.into(),
                host: Some(&self.name),
            });
        }
    }

    /// Does what is due: status, lease, unanswered calls. Returns when it is to be called again.
    pub fn beat(&mut self, cx: &mut Context<'_>) -> Time {
        if self.connected {
            self.report_status(cx);
        }
        self.look_for_lost_calls(cx);
        if self.relist_due.max(self.relist_from) <= cx.now && self.heard.is_none() {
            self.silent.get_or_insert(cx.now);
            self.relist_due = cx.now + RELIST_EVERY;
            self.heard = Some(BTreeSet::new());
            self.ask(Ask::List, Verb::List, cx);
        }
        if self.lease_due <= cx.now {
            if self.connected {
                self.renew_lease(cx);
            }
            self.lease_due = self.next_lease(cx);
        }
        let silent = self.silent.map(|since| since + silence(cx));
        let silent = silent.filter(|at| *at > cx.now);
        let relist = self.relist_due.max(self.relist_from);
        let relist = self.heard.is_none().then_some(relist);
        let all = [silent, relist].into_iter().flatten();
        all.fold(self.lease_due, Time::min)
    }

    /// When the lease is renewed next: each node at its own offset, then up to 4 % later than the period
    /// (`wait.JitterUntil` with the lease controller's factor).
    fn next_lease(&mut self, cx: &Context<'_>) -> Time {
        let period = cx.config.timing.lease_renew_ms;
        let drawn = cx.random().below(10_000, "lease", &self.name, self.leases);
        self.leases += 1;
        let micros = match self.leases {
            1 => period * 1000 / 10_000 * (drawn + 1),
            _ => period * 1000 + period * 40 * drawn / 10_000,
        };
        cx.now + Duration::from_micros(micros)
    }

    fn renew_lease(&mut self, cx: &mut Context<'_>) {
        let Some(node) = &self.object else { return };
        let key = Key::new(LEASE_NAMESPACE, self.name.clone());
        let now = Some(cx.now.to_k8s_micro());
        if let Some(lease) = cx.get::<Lease>(&key) {
            let mut lease = Lease::clone(&lease);
            lease.spec.get_or_insert_default().renew_time = now;
            // A conflict cannot happen within a step, and a lease that is gone is made anew next time.
            let _ = cx.update(lease);
            return;
        }
        let mut lease = Lease::default();
        lease.metadata.name = Some(self.name.to_string());
        lease.metadata.namespace = Some(LEASE_NAMESPACE.to_owned());
        lease.metadata.owner_references = Some(vec![OwnerReference {
            api_version: Kind::Node.api_version().to_owned(),
            kind: Kind::Node.to_string(),
            name: self.name.to_string(),
            uid: node.uid().to_string(),
            ..OwnerReference::default()
        }]);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.name.to_string()),
            lease_duration_seconds: i32::try_from(cx.config.timing.lease_duration_ms / 1000).ok(),
            renew_time: now,
            ..LeaseSpec::default()
        });
        // Refused only where the leases' namespace is gone.
        let _ = cx.create(lease);
    }

    /// Writes the node's status if it is not as it should be, or was not reported for long.
    fn report_status(&mut self, cx: &mut Context<'_>) {
        let Some(node) = self.object.clone() else {
            return;
        };
        let due = self
            .reported
            .is_none_or(|last| last + REPORT_EVERY <= cx.now);
        if !due && condition::is_current(&node, self.has_runtime(cx)) {
            return;
        }
        let (node, turned) = condition::report(&node, self, cx);
        let Ok(node) = cx.update_status(node) else {
            return;
        };
        self.object = Some(node);
        self.reported = Some(cx.now);
        for status in turned {
            let message = format!("Node {} status is now: {status}", self.name);
            self.event(EventType::Normal, status, message.as_str(), cx);
        }
    }

    /// Calls whose answer is overdue are taken as lost: a listing is to say what became of them.
    fn look_for_lost_calls(&mut self, cx: &Context<'_>) {
        let overdue = |asked: &Asked| asked.deadline <= cx.now;
        if !self.asked.values().any(overdue) {
            return;
        }
        let listings = self.asked.len();
        self.asked
            .retain(|_, asked| asked.ask != Ask::List || !overdue(asked));
        if self.asked.len() < listings {
            self.heard = None;
        }
        self.relist(cx.now);
    }

    /// The runtime has answered, in whatever way, that it was asked what it has. Returns the pods of which the answer
    /// says nothing, if it is one.
    pub fn listed(&mut self, well: bool, cx: &Context<'_>) -> BTreeSet<Uid> {
        if well {
            self.silent = None;
        } else {
            let again = Duration::from_millis(cx.config.timing.runtime_check_ms);
            self.relist_from = cx.now + again;
            self.relist(cx.now);
        }
        self.heard.take().unwrap_or_default()
    }

    /// Takes the calls for which a listing stands in: those that were overdue when it was asked for.
    pub fn take_lost(&mut self, listing_asked: Time, unclear: &BTreeSet<Uid>) -> Vec<Ask> {
        let lost = |asked: &Asked| {
            let clear = asked.ask.pod().is_none_or(|pod| !unclear.contains(&pod));
            asked.deadline <= listing_asked && clear
        };
        let asks = self.asked.values().filter(|asked| lost(asked));
        let asks: Vec<Ask> = asks.map(|asked| asked.ask.clone()).collect();
        self.asked.retain(|_, asked| !lost(asked));
        asks
    }
}

/// How long the runtime may be silent until the node is not ready (`maxWaitForContainerRuntime`).
fn silence(cx: &Context<'_>) -> Duration {
    Duration::from_millis(cx.config.timing.runtime_silence_ms)
}
