//! What a runtime listed, passed on to the pods' workers; and what nobody owns.

use std::collections::BTreeMap;

use super::{
    Kubelet, Work,
    news::{Ask, News, PodListing},
};
use crate::{
    api::{Name, Time, Uid},
    store::{
        Context, WorkQueue,
        runtime::{Answer, ContainerState, SandboxState, Verb},
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
        record_sandboxes(node, sandboxes, cx);
        record_containers(node, containers, cx);
        let all = std::mem::take(&mut agent.recovering);
        let lost = agent.take_lost(asked_at);
        let empty = |uid: &Uid| PodListing {
            at: cx.now,
            asked_at,
            lost: (!all).then(|| {
                let of_pod = |ask: &&Ask| ask.pod() == Some(*uid);
                lost.iter().filter(of_pod).cloned().collect()
            }),
            ..PodListing::default()
        };
        let mut pods: BTreeMap<Uid, PodListing> =
            agent.pods.iter().map(|uid| (*uid, empty(uid))).collect();
        let mut orphans = Vec::new();
        for state in sandboxes {
            match pods.get_mut(&state.sandbox.pod) {
                Some(listing) => listing.sandboxes.push(state.clone()),
                None => orphans.push(state.sandbox),
            }
        }
        for state in containers {
            if let Some(listing) = pods.get_mut(&state.container.pod) {
                listing.containers.push(state.clone());
            }
        }
        for sandbox in orphans {
            let ask = Ask::RemoveSandbox(sandbox);
            agent.ask(ask, Verb::RemovePodSandbox { sandbox }, cx);
        }
        for (uid, listing) in pods {
            if let Some(worker) = self.workers.get_mut(&uid) {
                worker.news.push(News::Listed(Box::new(listing)));
                queue.add(Work::Pod(uid), cx.cause);
            }
        }
    }
}

/// Records what a listing says about the truth of sandboxes.
fn record_sandboxes(node: &Name, listed: &[SandboxState], cx: &mut Context<'_>) {
    for state in listed {
        let (node, sandbox) = (node.clone(), state.sandbox);
        match (
            state.running,
            cx.store.world.sandboxes.contains_key(&sandbox),
        ) {
            (true, false) => cx.change_world(WorldChange::SandboxStarted { node, sandbox }),
            (false, true) => cx.change_world(WorldChange::SandboxExited { node, sandbox }),
            _ => continue,
        };
    }
}

/// Records what a listing says about the truth of containers.
fn record_containers(node: &Name, listed: &[ContainerState], cx: &mut Context<'_>) {
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
