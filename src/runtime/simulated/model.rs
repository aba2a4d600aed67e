//! How long things take and what they use: the figures of the model, all drawn by key.
//!
//! The times are those of a real engine as measured: a sandbox 240 ms, a container 85 ms, 30 to 60 ms from SIGKILL to
//! the end.

use std::time::Duration;

use super::node::SimContainer;
use crate::{
    api::Time,
    store::{
        Random,
        runtime::{Answer, ContainerId},
    },
};

const SANDBOX_START_MS: u64 = 240;
const SANDBOX_STOP_MS: u64 = 60;
const CONTAINER_START_MS: u64 = 85;
const REGISTRY_ANSWER_MS: u64 = 300;
const FASTEST_KILL_MS: u64 = 30;
/// No container outlives its SIGKILL by more.
pub(super) const SLOWEST_KILL: Duration = Duration::from_millis(60);
/// What a node's link to the registry carries, bytes per millisecond.
const PULL_BYTES_PER_MS: u64 = 100_000;
/// Images are this large, and up to eight times as large.
const SMALLEST_IMAGE_BYTES: u64 = 12_000_000;
const MEBIBYTE: u64 = 1 << 20;
/// How often a container's load changes its course.
const USAGE_STEP_MICROS: i64 = 10_000_000;

/// What a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Millicores.
    pub cpu_milli: u64,
    pub memory_bytes: u64,
}

/// The model of one cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    pub random: Random,
}

impl Model {
    pub const fn new(random: Random) -> Self {
        Self { random }
    }

    /// A time around `ms`: from four fifths to six fifths of it.
    fn around(self, ms: u64, what: &str, number: u64) -> Duration {
        let spread = self.random.below(ms * 2 / 5 + 1, "simulated", what, number);
        Duration::from_millis(ms * 4 / 5 + spread)
    }

    pub fn sandbox_start(self, call: u64) -> Duration {
        self.around(SANDBOX_START_MS, "sandbox start", call)
    }

    pub fn sandbox_stop(self, call: u64) -> Duration {
        self.around(SANDBOX_STOP_MS, "sandbox stop", call)
    }

    pub fn container_start(self, call: u64) -> Duration {
        self.around(CONTAINER_START_MS, "container start", call)
    }

    pub fn registry_answer(self, call: u64) -> Duration {
        self.around(REGISTRY_ANSWER_MS, "registry", call)
    }

    /// How long a container lives on after SIGKILL.
    pub fn kill(self, id: &ContainerId) -> Duration {
        let spread = SLOWEST_KILL.as_millis() as u64 - FASTEST_KILL_MS;
        let key = id.to_string();
        let ms = FASTEST_KILL_MS + self.random.below(spread, "simulated kill", &key, 0);
        // The tick in which it is reported must not be later than the slowest.
        Duration::from_millis(ms.saturating_sub(10))
    }

    /// An image's size; the same on every node.
    fn size(self, image: &str) -> u64 {
        let doublings = self.random.unit("simulated image", image, 0) * 3.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a size of at most 100 MB, rounded"
        )]
        let bytes = (SMALLEST_IMAGE_BYTES as f64 * doublings.exp2()) as u64;
        bytes
    }

    pub fn pull(self, image: &str) -> Duration {
        let transfer = self.size(image) / PULL_BYTES_PER_MS;
        Duration::from_millis(REGISTRY_ANSWER_MS + transfer)
    }

    /// Why an image cannot be pulled, if so: by its name, so that a manifest can ask for it.
    pub fn pull_fails(image: &str) -> Option<String> {
        image
            .contains("does-not-exist")
            .then(|| format!("failed to resolve reference \"{image}\": {image}: not found"))
    }

    pub fn image(self, image: &str, present: bool) -> Answer {
        let id = match present {
            true => format!(
                "sha256:{:032x}",
                self.random.bits128("simulated image", image, 1)
            ),
            false => String::new(),
        };
        let size_bytes = if present { self.size(image) } else { 0 };
        Answer::Image {
            present,
            id,
            size_bytes,
        }
    }

    pub fn runtime_id(self, container: &ContainerId) -> String {
        let bits = self
            .random
            .bits128("container", &container.name, u64::from(container.attempt));
        format!("{:032x}{bits:032x}", container.pod.0)
    }

    /// What a running container uses: around 45 % of its CPU request, more or less from one ten seconds to the next,
    /// and memory that grows to three fifths of its limit within a minute.
    pub fn usage(self, container: &SimContainer, now: Time) -> Usage {
        let config = &container.config;
        let step = now.as_micros().div_euclid(USAGE_STEP_MICROS);
        let key = config.pod.to_string();
        let share = |step: i64| {
            let drawn = self.random.below(600, "usage", &key, step.unsigned_abs());
            150 + drawn
        };
        let into = now.as_micros().rem_euclid(USAGE_STEP_MICROS).unsigned_abs();
        let whole = USAGE_STEP_MICROS.unsigned_abs();
        let permille = (share(step) * (whole - into) + share(step + 1) * into) / whole;
        let cpu = config.cpu_request_milli.max(20) * permille / 1000;
        let cpu_milli = match config.cpu_limit_milli {
            0 => cpu,
            limit => cpu.min(limit),
        };
        let full = match config.memory_limit_bytes {
            0 => 48 * MEBIBYTE,
            limit => limit / 5 * 3,
        };
        let age = now.since(container.started).as_secs().min(60);
        let memory_bytes = full / 3 + full / 3 * 2 * age / 60;
        Usage {
            cpu_milli,
            memory_bytes,
        }
    }
}
