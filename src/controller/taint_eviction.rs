//! Taint eviction: pods leave a node that has a NoExecute taint, each when its toleration ends
//! (`pkg/controller/tainteviction`).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{Taint, Toleration};

use super::common::{disruption, set_pod_condition};
use crate::{
    api::{ApiError, EventType, Key, Kind, Node, Object, ObjectRef, Pod, Time, Uid},
    store::{Context, Defect, DeleteOptions, Op, Outcome, Reconciler, Record, Store, WakeUp, What},
};

/// The taint eviction controller.
#[derive(Clone, Debug, Default)]
pub struct TaintEviction {
    /// Pods that are to go.
    due: BTreeMap<Key, Eviction>,
}

/// When a pod is to go.
#[derive(Clone, Copy, Debug)]
struct Eviction {
    pod: Uid,
    at: Time,
}

impl Reconciler for TaintEviction {
    type Key = Key;
    const NAME: &'static str = "taint-eviction-controller";

    fn observe(&mut self, record: &Record, store: &Store, wake: &mut WakeUp<'_, Key>) {
        let What::Change(change) = &record.what else {
            return;
        };
        match (&change.object, &change.old) {
            (Object::Node(node), old) if change.op != Op::Deleted => {
                let before = match old {
                    Some(Object::Node(old)) => no_execute(old),
                    _ => Vec::new(),
                };
                if before != no_execute(node) {
                    let name = node.metadata.name.as_deref().unwrap_or_default();
                    for pod in store.objects.pods_on(name) {
                        wake.now(pod.meta.key.clone());
                    }
                }
            }
            (Object::Pod(pod), old) => {
                let same = match old {
                    Some(Object::Pod(old)) if change.op == Op::Modified => {
                        old.node == pod.node && old.spec.tolerations == pod.spec.tolerations
                    }
                    _ => false,
                };
                let key = &pod.meta.key;
                let tainted = || {
                    let node = pod.node.as_ref();
                    let node = node.and_then(|name| store.objects.node(name));
                    node.is_some_and(|node| !no_execute(node).is_empty())
                };
                if !same && (self.due.contains_key(key) || tainted()) {
                    wake.now(key.clone());
                }
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut Context<'_>) -> Outcome {
        let Some(pod) = cx.get::<Pod>(key) else {
            self.cancel(key, cx);
            return Outcome::Done;
        };
        if self.due.get(key).is_some_and(|e| e.pod != pod.meta.uid) {
            self.due.remove(key);
        }
        let node = pod.node.as_ref();
        let node = node.and_then(|name| cx.store.objects.node(name));
        let tolerated = tolerated(
            &node.map(|node| no_execute(node)).unwrap_or_default(),
            pod.spec.tolerations.as_deref().unwrap_or_default(),
        );
        let at = match tolerated {
            Tolerated::Forever => {
                self.cancel(key, cx);
                return Outcome::Done;
            }
            Tolerated::No => {
                if self.due.get(key).is_some_and(|planned| planned.at > cx.now) {
                    self.cancel(key, cx);
                }
                cx.now
            }
            // What is planned stays as it was planned, as upstream.
            Tolerated::For(span) => self.due.get(key).map_or(cx.now + span, |e| e.at),
        };
        let pod_uid = pod.meta.uid;
        self.due.insert(key.clone(), Eviction { pod: pod_uid, at });
        if at > cx.now {
            return Outcome::At(at);
        }
        if evict(&pod, cx).is_err() {
            return Outcome::Retry;
        }
        self.due.remove(key);
        Outcome::Done
    }
}

impl TaintEviction {
    /// Calls off an eviction that was planned.
    fn cancel(&mut self, key: &Key, cx: &mut Context<'_>) {
        if let Some(eviction) = self.due.remove(key) {
            let message = format!("Cancelling deletion of Pod {key}");
            report(cx, key, eviction.pod, message);
        }
    }
}

fn report(cx: &mut Context<'_>, pod: &Key, uid: Uid, message: String) {
    let regarding = ObjectRef::new(Kind::Pod, pod.clone());
    let reason = "TaintManagerEviction";
    cx.event_from(
        regarding,
        uid,
        EventType::Normal,
        reason,
        message.into(),
        None,
    );
}

/// Deletes a pod and says why (`addConditionAndDeletePod`).
fn evict(pod: &Pod, cx: &mut Context<'_>) -> Result<(), ApiError> {
    if pod.is_terminating() || cx.config.defect == Some(Defect::NobodyEvicted) {
        return Ok(());
    }
    let key = &pod.meta.key;
    report(
        cx,
        key,
        pod.meta.uid,
        format!("Marking for deletion Pod {key}"),
    );
    let condition = disruption(
        "DeletionByTaintManager",
        "Taint manager: deleting due to NoExecute taint",
    );
    let mut marked = pod.clone();
    if set_pod_condition(Arc::make_mut(&mut marked.status), condition, cx.now) {
        cx.update_status(marked)?;
    }
    cx.delete::<Pod>(key, &DeleteOptions::default()).map(drop)
}

/// A node's NoExecute taints: key and value.
fn no_execute(node: &Node) -> Vec<&Taint> {
    let taints = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten());
    taints.filter(|taint| taint.effect == "NoExecute").collect()
}

/// For how long a pod stays on a node with certain taints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tolerated {
    No,
    For(Duration),
    Forever,
}

/// How long tolerations bear taints: all taints have to be borne, and the shortest toleration counts.
fn tolerated(taints: &[&Taint], tolerations: &[Toleration]) -> Tolerated {
    let mut shortest: Option<i64> = None;
    for taint in taints {
        let mut matching = tolerations.iter().filter(|t| bears(t, taint)).peekable();
        if matching.peek().is_none() {
            return Tolerated::No;
        }
        // Of several tolerations of one taint upstream uses the first.
        if let Some(seconds) = matching.next().and_then(|t| t.toleration_seconds) {
            shortest = Some(shortest.map_or(seconds, |shortest| shortest.min(seconds)));
        }
    }
    shortest.map_or(Tolerated::Forever, |seconds| {
        Tolerated::For(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    })
}

/// Whether a toleration bears a taint (`Toleration.ToleratesTaint`).
fn bears(toleration: &Toleration, taint: &Taint) -> bool {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if given(&toleration.effect).is_some_and(|effect| effect != taint.effect)
        || given(&toleration.key).is_some_and(|key| key != taint.key)
    {
        return false;
    }
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => {
            toleration.value.as_deref().unwrap_or_default()
                == taint.value.as_deref().unwrap_or_default()
        }
        "Exists" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str) -> Taint {
        Taint {
            key: key.to_owned(),
            effect: "NoExecute".to_owned(),
            ..Taint::default()
        }
    }

    fn toleration(key: &str, seconds: Option<i64>) -> Toleration {
        Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some("NoExecute".to_owned()),
            toleration_seconds: seconds,
            ..Toleration::default()
        }
    }

    #[test]
    fn the_shortest_toleration_counts_and_all_taints_must_be_tolerated() {
        let check = |taints: &[&str], tolerations: &[(&str, Option<i64>)], expected| {
            let taints: Vec<_> = taints.iter().map(|key| taint(key)).collect();
            let refs: Vec<_> = taints.iter().collect();
            let tolerations: Vec<_> = tolerations
                .iter()
                .map(|(key, seconds)| toleration(key, *seconds))
                .collect();
            assert_eq!(
                tolerated(&refs, &tolerations),
                expected,
                "{taints:?} {tolerations:?}"
            );
        };
        let secs = |n| Tolerated::For(Duration::from_secs(n));
        check(&[], &[], Tolerated::Forever);
        check(&["a"], &[], Tolerated::No);
        check(&["a"], &[("a", None)], Tolerated::Forever);
        check(&["a"], &[("a", Some(300))], secs(300));
        check(&["a", "b"], &[("a", Some(300)), ("b", Some(5))], secs(5));
        check(&["a", "b"], &[("a", Some(300)), ("b", None)], secs(300));
        check(&["a", "b"], &[("a", Some(300))], Tolerated::No);
        check(&["a"], &[("a", Some(-3))], secs(0));
    }
}
