//! Pod garbage collection: pods that nobody else will ever remove (`pkg/controller/podgc`).
//!
//! Upstream lists all pods every 20 s. Here candidates are noted as they come to be, and the period's tick runs only while
//! there are some.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::common::{disruption, set_pod_condition};
use crate::{
    api::{ApiError, Key, Name, Node, Object, Pod, Time},
    store::{Context, DeleteOptions, Op, Outcome, Reconciler, Record, Store, Timing, WakeUp, What},
};

/// `--terminated-pod-gc-threshold`.
const TERMINATED_LIMIT: usize = 12_500;
/// The taint by which a person says that a node is down for good.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The pod garbage collector.
#[derive(Clone, Debug, Default)]
pub struct PodGc {
    /// Nodes that do not exist though pods are bound to them, and since when that is known.
    missing: BTreeMap<Name, Option<Time>>,
    /// Nodes that are out of service.
    out_of_service: BTreeSet<Name>,
    /// Pods that have ended: evicted ones first, then the oldest.
    terminated: BTreeSet<(bool, Time, Key)>,
    /// Terminating pods that are bound to no node.
    unbound: BTreeSet<Key>,
}

impl Reconciler for PodGc {
    type Key = ();
    const NAME: &'static str = "pod-garbage-collector-controller";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, ()>) {
        let What::Change(change) = &record.what else {
            return;
        };
        match &change.object {
            Object::Node(node) => self.observe_node(node, change.op, store),
            Object::Pod(pod) => {
                if let Some(Object::Pod(old)) = &change.old {
                    self.terminated.remove(&place(old));
                }
                self.observe_pod(pod, change.op, store);
            }
            _ => return,
        }
        if self.has_work() {
            wake.at((), record.at);
        }
    }

    fn reconcile(&mut self, (): &(), cx: &mut Context<'_>) -> Outcome {
        let period = cx.config.timing.pod_gc_period_ms * 1000;
        let period = i64::try_from(period).unwrap_or(i64::MAX).max(1);
        if cx.now.as_micros() % period == 0 && self.collect(cx).is_err() {
            return Outcome::Retry;
        }
        if !self.has_work() {
            return Outcome::Done;
        }
        Outcome::At(Time((cx.now.as_micros() / period + 1) * period))
    }
}

impl PodGc {
    fn has_work(&self) -> bool {
        !self.missing.is_empty()
            || !self.out_of_service.is_empty()
            || !self.unbound.is_empty()
            || self.terminated.len() > TERMINATED_LIMIT
    }

    fn observe_node(&mut self, node: &Node, op: Op, store: &Store) {
        let name = Name::from(node.metadata.name.as_deref().unwrap_or_default());
        if op == Op::Deleted {
            self.out_of_service.remove(&name);
            if store.objects.pods_on(&name).next().is_some() {
                self.missing.insert(name, None);
            }
            return;
        }
        self.missing.remove(&name);
        let mut taints = node.spec.iter().flat_map(|s| s.taints.iter().flatten());
        if taints.any(|taint| taint.key == OUT_OF_SERVICE) {
            self.out_of_service.insert(name);
        } else {
            self.out_of_service.remove(&name);
        }
    }

    fn observe_pod(&mut self, pod: &Pod, op: Op, store: &Store) {
        let key = &pod.meta.key;
        self.unbound.remove(key);
        if op == Op::Deleted {
            return;
        }
        if pod.is_terminal() {
            self.terminated.insert(place(pod));
        }
        match &pod.node {
            None if pod.is_terminating() => {
                self.unbound.insert(key.clone());
            }
            Some(node) if store.objects.node(node).is_none() => {
                self.missing.entry(node.clone()).or_insert(None);
            }
            _ => {}
        }
    }

    /// One period's collection (`gc`).
    fn collect(&mut self, cx: &mut Context<'_>) -> Result<(), ApiError> {
        let surplus = self.terminated.len().saturating_sub(TERMINATED_LIMIT);
        let oldest: Vec<_> = self.terminated.iter().take(surplus).cloned().collect();
        for (_, _, key) in oldest {
            remove(&key, None, cx)?;
        }
        self.collect_out_of_service(cx)?;
        self.collect_orphans(cx)?;
        for key in self.unbound.clone() {
            remove(&key, None, cx)?;
        }
        Ok(())
    }

    /// Terminating pods of nodes that are down for good.
    fn collect_out_of_service(&self, cx: &mut Context<'_>) -> Result<(), ApiError> {
        for name in &self.out_of_service {
            let ready = cx.store.objects.node(name).is_some_and(|node| {
                super::node_lifecycle::taints::condition(node, "Ready") == Some("True")
            });
            if ready {
                continue;
            }
            let pods = cx.store.objects.pods_on(name);
            let going: Vec<Key> = pods
                .filter(|pod| pod.is_terminating())
                .map(|pod| pod.meta.key.clone())
                .collect();
            for key in going {
                remove(&key, None, cx)?;
            }
        }
        Ok(())
    }

    /// Pods of nodes that have been missing for the quarantine.
    fn collect_orphans(&mut self, cx: &mut Context<'_>) -> Result<(), ApiError> {
        let quarantine = Timing::ms(cx.config.timing.pod_gc_quarantine_ms);
        let now = cx.now;
        let mut over = Vec::new();
        for (name, since) in &mut self.missing {
            if *since.get_or_insert(now) + quarantine <= now {
                over.push(name.clone());
            }
        }
        for name in over {
            let pods = cx.store.objects.pods_on(&name);
            let pods: Vec<Key> = pods.map(|pod| pod.meta.key.clone()).collect();
            for key in pods {
                remove(&key, Some("PodGC: node no longer exists"), cx)?;
            }
            self.missing.remove(&name);
        }
        Ok(())
    }
}

/// Where a pod that has ended stands in the order of removal.
fn place(pod: &Pod) -> (bool, Time, Key) {
    let evicted = pod.status.reason.as_deref() == Some("Evicted");
    (!evicted, pod.meta.created, pod.meta.key.clone())
}

/// Marks a pod as failed and deletes it at once (`markFailedAndDeletePodWithCondition`).
fn remove(key: &Key, message: Option<&str>, cx: &mut Context<'_>) -> Result<(), ApiError> {
    let Some(pod) = cx.get::<Pod>(key) else {
        return Ok(());
    };
    if !pod.is_terminal() {
        let mut pod = Pod::clone(&pod);
        let status = Arc::make_mut(&mut pod.status);
        status.phase = Some("Failed".to_owned());
        if let Some(message) = message {
            set_pod_condition(status, disruption("DeletionByPodGC", message), cx.now);
        }
        cx.update_status(pod)?;
    }
    let options = DeleteOptions {
        grace_seconds: Some(0),
        ..DeleteOptions::default()
    };
    cx.delete::<Pod>(key, &options).map(drop)
}
