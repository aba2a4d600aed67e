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

/// How long an answer may take, beyond what the call itself asks for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long an image may take to be pulled.
const PULL_WITHIN: Duration = Duration::from_secs(600);
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
    pub engine_up: bool,
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
    /// Whether a listing is wanted.
    pub relist: bool,
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
            engine_up: true,
            on: false,
            connected: true,
            boot: 0,
            booted: 0,
            recovering: false,
            pods: BTreeSet::new(),
            used: Requests::default(),
            asked: BTreeMap::new(),
            images: BTreeMap::new(),
            relist: false,
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

    /// Asks something of the runtime.
    pub fn ask(&mut self, ask: Ask, verb: Verb, cx: &mut Context<'_>) {
        let within = match &verb {
            Verb::PullImage { .. } => PULL_WITHIN,
            Verb::StopContainer { grace_ms, .. } => {
                ANSWER_WITHIN + Duration::from_millis(*grace_ms)
            }
            _ => ANSWER_WITHIN,
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

    /// Starts the kubelet after its machine was started.
    pub fn boot_up(&mut self, cx: &mut Context<'_>) {
        let first = self.booted == 0;
        self.booted = self.boot;
        self.asked.clear();
        self.images.clear();
        self.reported = None;
        self.lease_due = cx.now;
        self.event(EventType::Normal, "Starting", "Starting kubelet.", cx);
        if !first {
            let boot_id = condition::boot_id(&self.name, self.boot, cx);
            let message = format!("Node {} has been rebooted, boot id: {boot_id}", self.name);
            self.event(EventType::Warning, "Rebooted", message.as_str(), cx);
            self.recovering = true;
            self.relist = true;
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
        if self.relist {
            self.relist = false;
            self.ask(Ask::List, Verb::List, cx);
        }
        if self.lease_due <= cx.now {
            if self.connected {
                self.renew_lease(cx);
            }
            self.lease_due = self.next_lease(cx);
        }
        self.lease_due
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
        if !due && condition::is_current(&node, self.engine_up) {
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
        if self.asked.values().any(overdue) {
            self.asked
                .retain(|_, asked| asked.ask != Ask::List || !overdue(asked));
            self.relist |= self.asked.values().all(|asked| asked.ask != Ask::List);
        }
    }

    /// Takes the calls that were overdue when a listing was asked for: it stands in for their answers.
    pub fn take_lost(&mut self, listing_asked: Time) -> Vec<Ask> {
        let lost = |asked: &Asked| asked.deadline <= listing_asked;
        let asks = self.asked.values().filter(|asked| lost(asked));
        let asks: Vec<Ask> = asks.map(|asked| asked.ask.clone()).collect();
        self.asked.retain(|_, asked| !lost(asked));
        asks
    }
}
