//! A Deployment's status and conditions (`pkg/controller/deployment/progress.go`, `sync.go`).

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus};

use super::{
    Rollout,
    sets::{available, size},
};
use crate::{
    api::{ApiError, Deployment, ReplicaSet, Resource, Time},
    controller::common::unless_zero,
    store::Outcome,
};

const PROGRESSING: &str = "Progressing";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const NEW_SET_AVAILABLE: &str = "NewReplicaSetAvailable";

/// A condition by its type.
fn find<'a>(status: &'a DeploymentStatus, condition: &str) -> Option<&'a DeploymentCondition> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == condition)
}

fn remove(status: &mut DeploymentStatus, condition: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|c| c.type_ != condition);
        if conditions.is_empty() {
            status.conditions = None;
        }
    }
}

/// Sets a condition. One that says the same already keeps its times (`SetDeploymentCondition`).
fn set(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    if let Some(old) = find(status, &condition.type_) {
        if old.status == condition.status && old.reason == condition.reason {
            return;
        }
        if old.status == condition.status {
            condition
                .last_transition_time
                .clone_from(&old.last_transition_time);
        }
    }
    remove(status, &condition.type_);
    status.conditions.get_or_insert_default().push(condition);
}

fn condition(
    now: Time,
    condition_type: &str,
    status: &str,
    reason: &str,
    message: String,
) -> DeploymentCondition {
    DeploymentCondition {
        type_: condition_type.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(now.to_k8s()),
        last_transition_time: Some(now.to_k8s()),
    }
}

fn count(slot: Option<i32>) -> i32 {
    slot.unwrap_or(0)
}

impl Rollout<'_, '_> {
    /// `progressDeadlineSeconds`, if there is a deadline.
    pub fn progress_deadline(&self) -> Option<Duration> {
        let spec = self.deployment.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.progress_deadline_seconds)?;
        let seconds = u64::try_from(seconds).ok()?;
        (seconds != u64::from(i32::MAX.unsigned_abs())).then(|| Duration::from_secs(seconds))
    }

    /// A condition of the Deployment.
    pub fn condition(&self, condition: &str) -> Option<&DeploymentCondition> {
        find(&self.status, condition)
    }

    /// Sets a condition, to be written.
    pub fn set_condition(
        &mut self,
        condition_type: &str,
        status: &str,
        reason: &str,
        message: String,
    ) {
        let condition = condition(self.cx.now, condition_type, status, reason, message);
        set(&mut self.status, condition);
    }

    /// Writes the status, if it differs.
    pub fn write_status(&mut self) -> Result<(), ApiError> {
        if self.deployment.status.as_ref() == Some(&self.status) {
            return Ok(());
        }
        let mut deployment = Deployment::clone(&self.deployment);
        deployment.status = Some(self.status.clone());
        self.deployment = self.cx.update_status(deployment)?;
        Ok(())
    }

    /// Says that a Deployment is paused or goes on (`checkPausedConditions`).
    pub fn sync_paused_condition(&mut self) -> Result<(), ApiError> {
        if self.progress_deadline().is_none() {
            return Ok(());
        }
        let reason = self.condition(PROGRESSING).and_then(|c| c.reason.clone());
        let reason = reason.as_deref();
        if reason == Some(TIMED_OUT) {
            return Ok(());
        }
        let was = reason == Some("DeploymentPaused");
        let (reason, message) = match (self.paused(), was) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return Ok(()),
        };
        self.set_condition(PROGRESSING, "Unknown", reason, message.to_owned());
        self.write_status()
    }

    /// The status by what the ReplicaSets say (`calculateStatus`).
    fn calculated(&self) -> DeploymentStatus {
        let sets = &self.sets;
        let sum = |part: fn(&ReplicaSet) -> i32| sets.iter().map(|set| part(set)).sum::<i32>();
        let of = |part: fn(&k8s_openapi::api::apps::v1::ReplicaSetStatus) -> i32| {
            sets.iter()
                .filter_map(|set| set.status.as_ref())
                .map(part)
                .sum::<i32>()
        };
        let available = sum(available);
        let updated = self.new_set_ref().and_then(|set| set.status.as_ref());
        let mut status = DeploymentStatus {
            observed_generation: Some(self.deployment.generation()),
            replicas: unless_zero(of(|status| status.replicas)),
            updated_replicas: unless_zero(updated.map_or(0, |status| status.replicas)),
            ready_replicas: unless_zero(of(|status| count(status.ready_replicas))),
            available_replicas: unless_zero(available),
            unavailable_replicas: unless_zero((sum(size) - available).max(0)),
            terminating_replicas: Some(of(|status| count(status.terminating_replicas))),
            collision_count: self.status.collision_count,
            conditions: self.status.conditions.clone(),
        };
        let (value, reason, message) =
            if available >= self.strategy.replicas - self.strategy.max_unavailable() {
                (
                    "True",
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability.",
                )
            } else {
                (
                    "False",
                    "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability.",
                )
            };
        let message = message.to_owned();
        set(
            &mut status,
            condition(self.cx.now, "Available", value, reason, message),
        );
        status
    }

    /// Writes the status without a look at the progress (`syncDeploymentStatus`).
    pub fn sync_status(&mut self) -> Result<Outcome, ApiError> {
        self.status = self.calculated();
        self.write_status()?;
        Ok(Outcome::Done)
    }

    /// Writes the status with the progress of the rollout (`syncRolloutStatus`).
    pub fn sync_rollout_status(&mut self) -> Result<Outcome, ApiError> {
        let mut status = self.calculated();
        self.judge_progress(&mut status);
        let failures = |set: &&Arc<ReplicaSet>| {
            let conditions = set.status.as_ref()?.conditions.as_ref()?;
            conditions
                .iter()
                .find(|c| c.type_ == "ReplicaFailure")
                .cloned()
        };
        let new = self.new.and_then(|index| self.sets.get(index));
        let failure = new
            .and_then(|set| failures(&set))
            .or_else(|| self.sets.iter().find_map(|set| failures(&set)));
        match failure {
            None => remove(&mut status, "ReplicaFailure"),
            Some(failure) => set(
                &mut status,
                DeploymentCondition {
                    type_: failure.type_,
                    status: failure.status,
                    reason: failure.reason,
                    message: failure.message,
                    last_update_time: failure.last_transition_time.clone(),
                    last_transition_time: failure.last_transition_time,
                },
            ),
        }
        let unchanged = self.deployment.status.as_ref() == Some(&status);
        self.status = status;
        if unchanged {
            return Ok(self.check_again());
        }
        self.write_status()?;
        // The write wakes the Deployment again.
        Ok(Outcome::Done)
    }

    /// Whether all pods are new and available (`DeploymentComplete`).
    pub fn complete(&self, status: &DeploymentStatus) -> bool {
        let replicas = self.strategy.replicas;
        count(status.updated_replicas) == replicas
            && count(status.replicas) == replicas
            && count(status.available_replicas) == replicas
            && status.observed_generation.unwrap_or(0) >= self.deployment.generation()
    }

    fn judge_progress(&self, status: &mut DeploymentStatus) {
        let Some(deadline) = self.progress_deadline() else {
            remove(status, PROGRESSING);
            return;
        };
        let old = self.deployment.status.clone().unwrap_or_default();
        let current = find(&old, PROGRESSING).cloned();
        let reason = current.as_ref().and_then(|c| c.reason.as_deref());
        if status.replicas == status.updated_replicas && reason == Some(NEW_SET_AVAILABLE) {
            return;
        }
        let what = match self.new_set_ref() {
            Some(set) => format!("ReplicaSet \"{}\"", set.key().name),
            None => format!("Deployment \"{}\"", self.deployment.key().name),
        };
        let now = self.cx.now;
        let say = |value, reason, text| {
            condition(now, PROGRESSING, value, reason, format!("{what} {text}"))
        };
        if self.complete(status) {
            let done = say("True", NEW_SET_AVAILABLE, "has successfully progressed.");
            set(status, done);
        } else if progressing(&old, status) {
            let mut moving = say("True", "ReplicaSetUpdated", "is progressing.");
            if let Some(current) = current {
                if current.status == "True" {
                    moving.last_transition_time = current.last_transition_time;
                }
                remove(status, PROGRESSING);
            }
            set(status, moving);
        } else if timed_out(status, deadline, now) {
            set(
                status,
                say("False", TIMED_OUT, "has timed out progressing."),
            );
        }
    }

    /// When the progress deadline has to be looked at (`requeueStuckDeployment`).
    fn check_again(&self) -> Outcome {
        let (Some(deadline), Some(current)) =
            (self.progress_deadline(), self.condition(PROGRESSING))
        else {
            return Outcome::Done;
        };
        if self.complete(&self.status) || current.reason.as_deref() == Some(TIMED_OUT) {
            return Outcome::Done;
        }
        let updated = current
            .last_update_time
            .as_ref()
            .map_or(Time::ZERO, Time::from);
        // Times are whole seconds: one more, so that the deadline has surely passed.
        let at = updated + deadline + Duration::from_secs(1);
        if at <= self.cx.now {
            return Outcome::Done;
        }
        Outcome::At(at)
    }
}

/// Whether something moved since the last status (`DeploymentProgressing`).
fn progressing(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let outdated =
        |status: &DeploymentStatus| count(status.replicas) - count(status.updated_replicas);
    count(new.updated_replicas) > count(old.updated_replicas)
        || outdated(new) < outdated(old)
        || count(new.ready_replicas) > count(old.ready_replicas)
        || count(new.available_replicas) > count(old.available_replicas)
}

/// Whether nothing has moved for as long as the deadline (`DeploymentTimedOut`).
fn timed_out(status: &DeploymentStatus, deadline: Duration, now: Time) -> bool {
    let Some(current) = find(status, PROGRESSING) else {
        return false;
    };
    match current.reason.as_deref() {
        Some(NEW_SET_AVAILABLE) => false,
        Some(TIMED_OUT) => true,
        _ => {
            let updated = current.last_update_time.as_ref();
            updated.map_or(Time::ZERO, Time::from) + deadline < now
        }
    }
}
