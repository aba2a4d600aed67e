//! One scheduling cycle (`pkg/scheduler/schedule_one.go`): filter, score, choose, record, bind; or say why not.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PodCondition;

use super::{
    Scheduler,
    conditions::set_condition,
    explain,
    framework::{Profile, Unfit},
    message::{self, NO_NODES},
    node_cache::Slot,
    plugins,
    queue::QueuedPod,
    shape::{Shape, Verdict},
};
use crate::{
    api::{EventType, Pod},
    store::{
        Context,
        decision::{Decision, Verdict as Outcome},
    },
};

impl Scheduler {
    /// Tries to find a node for a pod.
    pub(super) fn schedule(&mut self, pod: &Arc<Pod>, queued: QueuedPod, cx: &mut Context<'_>) {
        let shape = self
            .shapes
            .of(&pod.spec, &self.profile, || self.infos.of(&pod.spec));
        shape.update(&self.profile, &self.nodes);
        let feasible = shape.feasible();
        self.decisions += 1;
        let mut decision = Decision {
            number: self.decisions,
            pod: pod.meta.key.clone(),
            uid: pod.meta.uid,
            at: cx.now,
            attempt: queued.attempts,
            verdict: Outcome::Unschedulable,
            nodes: self.nodes.len(),
            feasible,
            scores: Vec::new(),
            rejections: explain::rejections(shape, &self.nodes),
            histogram: explain::histogram(shape),
            tied: 0,
            tie_break: 0,
            message: String::new(),
        };
        if feasible == 0 {
            decision.message = failure(pod, shape, &decision, &self.profile);
            let (id, message) = (shape.id, decision.message.clone());
            cx.cause = cx.store.decided(decision, cx.now, cx.cause);
            self.queue.wait(queued, id, cx.now);
            return fail(pod, &message, cx);
        }
        let mut top = shape.top();
        let ranks = self.nodes.ranks();
        top.sort_unstable_by_key(|slot| ranks[*slot]);
        decision.scores = explain::scores(shape, &top, &mut self.nodes);
        let host = self.nodes.slots()[choose(&top, &mut decision, cx)]
            .name
            .clone();
        decision.verdict = Outcome::Bound { node: host.clone() };
        cx.cause = cx.store.decided(decision, cx.now, cx.cause);
        if plugins::bind(pod, &host, cx).is_err() {
            // The pod went or changed while it was looked at; the change has put it back or taken it out.
            self.queue.retry(queued, cx.now);
        }
    }
}

/// One of the nodes with the highest total; between several, a random number that is the pod's own decides.
fn choose(top: &[Slot], decision: &mut Decision, cx: &Context<'_>) -> Slot {
    decision.tied = top.len();
    if top.len() > 1 {
        let (tied, uid) = (top.len() as u64, decision.uid.to_string());
        let attempt = u64::from(decision.attempt);
        decision.tie_break = cx.random().below(tied, "tie-break", &uid, attempt);
    }
    top[usize::try_from(decision.tie_break).unwrap_or(0)]
}

/// Upstream's text for a pod that fits nowhere, with what PostFilter has to say.
fn failure(pod: &Pod, shape: &Shape, decision: &Decision, profile: &Profile) -> String {
    if decision.nodes == 0 {
        return NO_NODES.to_owned();
    }
    let resolvable = |(verdict, count)| match verdict {
        Verdict::Refused(_, refusal) if refusal.resolvable => count,
        _ => 0,
    };
    let unfit = Unfit {
        pod,
        nodes: decision.nodes,
        resolvable: shape.tally().map(resolvable).sum(),
    };
    let mut text = match &shape.rejected {
        Some((_, reason)) => format!("0/{} nodes are available: {reason}.", decision.nodes),
        None => {
            let reasons = decision.histogram.iter();
            message::no_node_available(
                decision.nodes,
                reasons.map(|(reason, count)| (reason, *count)),
            )
        }
    };
    let plugins = profile.plugins.iter();
    let said: Vec<_> = plugins
        .filter_map(|enabled| enabled.plugin.post_filter(&unfit))
        .collect();
    if !said.is_empty() {
        text.push(' ');
        text.push_str(&said.join(", "));
    }
    text
}

/// Says that a pod fits nowhere: an event, and a condition, which is written only if it says something new.
fn fail(pod: &Arc<Pod>, message: &str, cx: &mut Context<'_>) {
    cx.event(
        &**pod,
        EventType::Warning,
        "FailedScheduling",
        message::truncated(message),
    );
    let mut failed = Pod::clone(pod);
    let unschedulable = PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(message.to_owned()),
        observed_generation: Some(pod.meta.generation),
        ..PodCondition::default()
    };
    set_condition(Arc::make_mut(&mut failed.status), unschedulable, cx.now);
    // Refused only if the pod went meanwhile: then there is nobody to tell.
    let _ = cx.update_status(failed);
}
