//! From a call to its answer: each call is a task, and only kills are done in the order in which they come.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::{index::Ticket, labels::Part, shared::Shared};
use crate::store::runtime::{Answer, Call, Report, RuntimeError, Verb};

/// What a kill is aimed at: containers with the engine's ids.
pub type Targets = Vec<(Part, String)>;

/// Takes calls until there are no more, or the runtime closes.
pub async fn dispatch(shared: Arc<Shared>, mut calls: UnboundedReceiver<Call>) {
    loop {
        let call = tokio::select! {
            () = shared.closing.cancelled() => return,
            call = calls.recv() => match call {
                Some(call) => call,
                None => return,
            },
        };
        let (ticket, targets) = take(&shared, &call);
        let worker = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            worker.answer(call, ticket, targets).await;
        });
    }
}

/// Gives a call its place in the order. A kill takes effect on the index here, before any later call is looked at.
fn take(shared: &Shared, call: &Call) -> (Ticket, Targets) {
    let mut index = shared.index();
    let targets = match &call.verb {
        Verb::KillNode => index.kill_node(&call.node),
        Verb::KillPod { pod } => index.kill_pod(*pod),
        _ => Targets::new(),
    };
    (index.ticket(), targets)
}

impl Shared {
    async fn answer(&self, call: Call, ticket: Ticket, targets: Targets) {
        let result = self.perform(&call, ticket, targets).await;
        if let Err(error) = &result {
            tracing::debug!(verb = call.verb.name(), node = %call.node, %error, "call failed");
        }
        let well = result.is_ok();
        self.report(Report::Answer {
            call: call.id,
            node: call.node,
            result,
        });
        // What was started may have ended since; its start is told first.
        let started = match call.verb {
            Verb::RunPodSandbox { sandbox, .. } => Part::Sandbox(sandbox),
            Verb::StartContainer { container } => Part::Container(container),
            _ => return,
        };
        let held = self.index().started(&started, well);
        if let Some(report) = held {
            self.report(report);
        }
    }

    async fn perform(
        &self,
        call: &Call,
        ticket: Ticket,
        targets: Targets,
    ) -> Result<Answer, RuntimeError> {
        let node = &call.node;
        match &call.verb {
            Verb::PullImage { image } => self.pull_image(image).await,
            Verb::ImageStatus { image } => self.image_status(image).await,
            Verb::RunPodSandbox { sandbox, config } => {
                self.run_sandbox(*sandbox, config, node, ticket).await
            }
            Verb::CreateContainer {
                sandbox,
                container,
                config,
            } => {
                self.check_alive(ticket, node, sandbox.pod)?;
                self.create_container(*sandbox, container, config, node)
                    .await
            }
            Verb::StartContainer { container } => {
                self.start_container(container, node, ticket).await
            }
            Verb::StopContainer {
                container,
                grace_ms,
            } => self.stop_container(container, *grace_ms).await,
            Verb::RemoveContainer { container } => self.remove_container(container).await,
            Verb::StopPodSandbox { sandbox } => self.stop_sandbox(*sandbox).await,
            Verb::RemovePodSandbox { sandbox } => self.remove_sandbox(*sandbox).await,
            Verb::List => self.list_node(node).await,
            Verb::KillNode | Verb::KillPod { .. } => Ok(self.kill(targets).await),
        }
    }
}
