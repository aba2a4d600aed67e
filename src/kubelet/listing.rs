//! What a runtime listed, passed on to the pods' workers; and what nobody owns.
//!
//! A listing says nothing of pods of which something was heard since it was asked for: it may be older than that.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Kubelet, Work,
    news::{Ask, News, PodListing},
};
use crate::{
    api::{Name, Time, Uid},
    store::{
        Context, Defect, WorkQueue,
        runtime::{Answer, ContainerId, ContainerState, SandboxId, SandboxState, Verb},
        world::{ContainerTruth, WorldChange},
    },
};

impl Kubelet {
    /// Takes a listing that was asked for at `asked_at`.
    pub(super) fn listed(
        &mut self,
        node: &Name,
        asked_at: Time,
        answer: &Answer,
        unclear: &BTreeSet<Uid>,
        cx: &mut Context<'_>,
        queue: &mut WorkQueue<Work>,
    ) {
        let Answer::Listing {
            sandboxes,
            containers,
        } = answer
        else {
            return;
        };
        let Some(agent) = self.agents.get_mut(node) else {
            return;
        };
        let all = std::mem::take(&mut agent.recovering);
        // A kubelet that has just started has heard nothing that it could rely on.
        let none = BTreeSet::new();
        let unclear = if all { &none } else { unclear };
        let mut lost = agent.take_lost(asked_at, unclear);
        if cx.config.defect == Some(Defect::AnswersMissed) {
            lost.clear();
        }
        let strays = std::mem::take(&mut agent.orphans);
        let known: Vec<Uid> = agent.pods.iter().chain(&strays).copied().collect();
        let mut pods: BTreeMap<Uid, PodListing> = known
            .into_iter()
            .filter(|uid| !unclear.contains(uid))
            .map(|uid| {
                let of_pod = |ask: &&Ask| ask.pod() == Some(uid);
                let lost = (!all).then(|| lost.iter().filter(of_pod).cloned().collect());
                let listing = PodListing {
                    at: cx.now,
                    lost,
                    ..PodListing::default()
                };
                (uid, listing)
            })
            .collect();
        for state in sandboxes {
            let pod = state.sandbox.pod;
            if !unclear.contains(&pod) {
                pods.entry(pod).or_default().sandboxes.push(state.clone());
            }
        }
        for state in containers {
            if let Some(listing) = pods.get_mut(&state.container.pod) {
                listing.containers.push(state.clone());
            }
        }
        for uid in unclear {
            // Of a runtime that was down they waited all the same.
            queue.add(Work::Pod(*uid), cx.cause);
        }
        for (uid, listing) in pods {
            record_sandboxes(node, uid, &listing.sandboxes, cx);
            record_containers(node, uid, &listing.containers, cx);
            if let Some(worker) = self.workers.get_mut(&uid) {
                worker.news.push(News::Listed(Box::new(listing)));
                queue.add(Work::Pod(uid), cx.cause);
            } else if cx.config.defect != Some(Defect::StraysKept) {
                for state in &listing.sandboxes {
                    let sandbox = state.sandbox;
                    let ask = Ask::RemoveSandbox(sandbox);
                    agent.orphans.insert(uid);
                    agent.ask_once(ask, Verb::RemovePodSandbox { sandbox }, cx);
                }
            }
        }
    }
}

/// Records what a listing says about the truth of a pod's sandboxes.
fn record_sandboxes(node: &Name, pod: Uid, listed: &[SandboxState], cx: &mut Context<'_>) {
    let runs = |id: &SandboxId| listed.iter().any(|s| s.sandbox == *id && s.running);
    let first = SandboxId { pod, attempt: 0 };
    let known = cx.store.world.sandboxes.range(first..);
    let of_pod = known.take_while(|(id, _)| id.pod == pod);
    let ended: Vec<SandboxId> = of_pod
        .filter(|(id, on)| *on == node && !runs(id))
        .map(|(id, _)| *id)
        .collect();
    for sandbox in ended {
        let node = node.clone();
        cx.change_world(WorldChange::SandboxExited { node, sandbox });
    }
    for state in listed.iter().filter(|state| state.running) {
        let sandbox = state.sandbox;
        if !cx.store.world.sandboxes.contains_key(&sandbox) {
            let node = node.clone();
            cx.change_world(WorldChange::SandboxStarted { node, sandbox });
        }
    }
}

/// Records what a listing says about the truth of a pod's containers.
fn record_containers(node: &Name, pod: Uid, listed: &[ContainerState], cx: &mut Context<'_>) {
    let known = cx.store.world.containers_of(pod);
    let exists = |id: &ContainerId| listed.iter().any(|state| state.container == *id);
    let removed: Vec<_> = known
        .filter(|(id, (on, _))| on == node && !exists(id))
        .map(|(id, _)| id.clone())
        .collect();
    for container in removed {
        let node = node.clone();
        cx.change_world(WorldChange::ContainerRemoved { node, container });
    }
    for state in listed {
        let (node, container) = (node.clone(), state.container.clone());
        let known = cx.store.world.containers.get(&container);
        let running =
            known.is_some_and(|(_, truth)| matches!(truth, ContainerTruth::Running { .. }));
        match state.run {
            Some(None) if known.is_none() => {
                cx.change_world(WorldChange::ContainerStarted { node, container });
            }
            Some(Some(exit)) if running => {
                cx.change_world(WorldChange::ContainerExited {
                    node,
                    container,
                    exit,
                });
            }
            _ => {}
        }
    }
}
