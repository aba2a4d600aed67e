//! What a listing says of one pod: it stands in for answers that were lost and for ends that nobody reported, and shows
//! what should not be there (`pkg/kubelet/pleg/generic.go`, `pkg/kubelet/kuberuntime/kuberuntime_gc.go`).

use super::{
    agent::Agent,
    news::{Ask, PodListing},
    worker::{Report, SandboxStep, Stage, Step, Worker},
};
use crate::store::{
    Context,
    runtime::{ContainerId, ContainerState, SandboxState, Verb},
};

impl Worker {
    /// Takes a listing.
    pub(super) fn listed(&mut self, listing: &PodListing, agent: &mut Agent, cx: &mut Context<'_>) {
        let lost = |ask: &Ask| match &listing.lost {
            None => true,
            Some(lost) => lost.contains(ask),
        };
        let id = self.sandbox_id();
        let found = listing.sandboxes.iter().find(|state| state.sandbox == id);
        self.listed_sandbox(listing, found, &lost);
        if self.stage == Stage::Removing && lost(&Ask::RemoveSandbox(id)) {
            self.stage = match found {
                None => Stage::Removed,
                Some(_) => Stage::Stopped,
            };
        }
        for index in 0..self.containers.len() {
            self.listed_container(index, listing, &lost);
        }
        self.remove_stale(listing, agent, cx);
    }

    fn listed_sandbox(
        &mut self,
        listing: &PodListing,
        found: Option<&SandboxState>,
        lost: &dyn Fn(&Ask) -> bool,
    ) {
        let id = self.sandbox_id();
        let running = found.filter(|state| state.running);
        let settled = match self.sandbox.step {
            SandboxStep::Starting => lost(&Ask::RunSandbox(id)),
            // It was asked for, and the answer left open what came of it.
            SandboxStep::Absent(_) => found.is_some(),
            _ => false,
        };
        match (&self.sandbox.step, running) {
            (_, Some(state)) if settled => {
                self.sandbox.ip.clone_from(&state.ip);
                self.sandbox.step = SandboxStep::Ready;
            }
            (_, None) if settled && found.is_some() => self.sandbox.step = SandboxStep::Dead,
            (_, None) if settled => self.sandbox.step = SandboxStep::Absent(listing.at),
            (SandboxStep::Ready, None) => self.sandbox.step = SandboxStep::Dead,
            (SandboxStep::Stopping, _) if lost(&Ask::StopSandbox(id)) => {
                self.sandbox.step = SandboxStep::Dead;
            }
            // Started by a call that was given up.
            (SandboxStep::Stopped, Some(_)) if self.stage == Stage::Stopped => {
                self.sandbox.step = SandboxStep::Dead;
                self.stage = Stage::Stopping;
            }
            _ => {}
        }
    }

    fn listed_container(
        &mut self,
        index: usize,
        listing: &PodListing,
        lost: &dyn Fn(&Ask) -> bool,
    ) {
        let id = self.id(index);
        let of_id = |state: &&ContainerState| state.container == id;
        let found = listing.containers.iter().find(of_id);
        let run = found.and_then(|state| state.run);
        let Some(container) = self.containers.get_mut(index) else {
            return;
        };
        if let Some(state) = found {
            container.id.clone_from(&state.id);
        }
        match (&container.step, run) {
            (Step::Ended(_), _) => {}
            (_, Some(Some(exit))) => self.ended(index, exit, listing.at),
            (Step::Running(_) | Step::Stopping(..), None) => {
                self.vanished(index, listing.at);
            }
            (Step::Stopping(since, _), _) if lost(&Ask::Stop(id.clone())) => {
                container.step = Step::Running(*since);
            }
            (Step::Running(_) | Step::Stopping(..), _) => {}
            // It was asked for, and the answer left open what came of it, or was lost.
            (_, Some(None)) => {
                container.step = Step::Running(listing.at);
                self.initialized |= index >= self.inits;
                self.due(Report::Due);
            }
            (Step::Checking, _) if lost(&Ask::ImageStatus(id.clone())) => {
                container.step = Step::Idle;
            }
            (Step::Pulling(_), _) if lost(&Ask::Pull(id.clone())) => container.step = Step::Idle,
            (Step::Creating, _) if lost(&Ask::Create(id.clone())) => {
                container.step = match found {
                    Some(_) => Step::Created,
                    None => Step::Idle,
                };
            }
            (Step::Starting, _) if lost(&Ask::Start(id)) => {
                container.step = match found {
                    Some(_) => Step::Created,
                    None => Step::Idle,
                };
            }
            _ => {}
        }
    }

    /// Asks for what should not be there to be removed: sandboxes and containers before the last ones, and those that
    /// run although others have taken their place. A call that was given up may have been done all the same.
    fn remove_stale(&self, listing: &PodListing, agent: &mut Agent, cx: &mut Context<'_>) {
        let current = self.sandbox.attempt;
        for state in &listing.sandboxes {
            let sandbox = state.sandbox;
            let of_old = sandbox.attempt != current;
            if of_old && (state.running || sandbox.attempt + 1 < current) {
                let verb = Verb::RemovePodSandbox { sandbox };
                agent.ask_once(Ask::RemoveSandbox(sandbox), verb, cx);
            }
        }
        let attempt_of = |id: &ContainerId| {
            let mut containers = self.containers.iter();
            containers.find(|c| c.name == id.name).map(|c| c.attempt)
        };
        for state in &listing.containers {
            let container = state.container.clone();
            let Some(current) = attempt_of(&container) else {
                continue;
            };
            if container.attempt + 1 < current && state.run != Some(None) {
                let ask = Ask::RemoveContainer(container.clone());
                agent.ask_once(ask, Verb::RemoveContainer { container }, cx);
            }
        }
    }
}
