//! The timing constants: one table, two presets.
//!
//! Every constant has its TOML key, its value in Kubernetes (1.36) and its value in the `fast` preset, in which a lesson
//! is over in seconds. What is on the screen and in the documentation is read from this table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which set of timing constants is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Upstream's defaults.
    Kubernetes,
    /// The same rules with shorter times.
    #[default]
    Fast,
}

impl Preset {
    /// The preset's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Fast => "fast",
        }
    }
}

macro_rules! timing_table {
    ($($(#[$doc:meta])* $field:ident: $kubernetes:expr, $fast:expr, $what:literal;)*) => {
        /// The timing constants of a run, in milliseconds (rates: per 1000 seconds).
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Timing {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Timing {
            /// The constants of a preset.
            #[must_use]
            pub const fn preset(preset: Preset) -> Self {
                match preset {
                    Preset::Kubernetes => Self { $($field: $kubernetes,)* },
                    Preset::Fast => Self { $($field: $fast,)* },
                }
            }

            /// Every constant: TOML key, value in `kubernetes`, value in `fast`, what it is.
            pub const TABLE: &'static [(&'static str, u64, u64, &'static str)] =
                &[$((stringify!($field), $kubernetes, $fast, $what),)*];

            /// Sets a constant by its TOML key; false if there is none of that name.
            pub fn set(&mut self, key: &str, value: u64) -> bool {
                match key {
                    $(stringify!($field) => self.$field = value,)*
                    _ => return false,
                }
                true
            }

            /// A constant by its TOML key.
            #[must_use]
            pub fn get(&self, key: &str) -> Option<u64> {
                match key {
                    $(stringify!($field) => Some(self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

timing_table! {
    /// How often a kubelet renews its node's lease.
    lease_renew_ms: 10_000, 1_000, "lease renewal";
    /// `leaseDurationSeconds` of a node's lease.
    lease_duration_ms: 40_000, 4_000, "lease duration";
    /// How often the node lifecycle controller looks at the nodes.
    node_monitor_period_ms: 5_000, 1_000, "node monitor period";
    /// How long a silent node is believed to be well.
    node_monitor_grace_ms: 50_000, 4_000, "node monitor grace period";
    /// The same for a node that has never reported.
    node_startup_grace_ms: 60_000, 10_000, "node start-up grace period";
    /// How long pods tolerate a node that is not ready or unreachable, unless they say otherwise.
    default_toleration_ms: 300_000, 5_000, "not-ready and unreachable toleration";
    /// Nodes tainted NoExecute per 1000 s and zone while the zone is well.
    eviction_per_1000s: 100, 1_000, "node eviction rate per zone (per 1000 s)";
    /// The same in a large zone that is partly disrupted.
    secondary_eviction_per_1000s: 10, 100, "node eviction rate in a partly disrupted zone (per 1000 s)";
    /// First wait of a container that crashed.
    crash_backoff_first_ms: 10_000, 1_000, "crash back-off, first";
    /// Longest wait of a container that crashes.
    crash_backoff_cap_ms: 300_000, 10_000, "crash back-off, cap";
    /// First wait after a failed image pull.
    image_backoff_first_ms: 10_000, 1_000, "image pull back-off, first";
    /// Longest wait after a failed image pull.
    image_backoff_cap_ms: 300_000, 10_000, "image pull back-off, cap";
    /// How long a runtime may take for a call, beyond what the call itself asks for.
    runtime_timeout_ms: 120_000, 30_000, "runtime request timeout";
    /// How often a runtime that does not answer is asked again what it has.
    runtime_check_ms: 5_000, 1_000, "check of a runtime that does not answer";
    /// How long a runtime may not answer until its node is not ready.
    runtime_silence_ms: 30_000, 6_000, "silence of the runtime until the node is not ready";
    /// How long a node takes to come back when it is rebooted.
    node_boot_ms: 30_000, 5_000, "node reboot";
    /// How often pod garbage collection runs.
    pod_gc_period_ms: 20_000, 2_000, "pod garbage collection period";
    /// How long a missing node stays in quarantine before its pods are collected.
    pod_gc_quarantine_ms: 40_000, 4_000, "pod garbage collection quarantine";
    /// First wait of a pod that could not be scheduled.
    scheduler_backoff_first_ms: 1_000, 1_000, "scheduler back-off, first";
    /// Longest such wait.
    scheduler_backoff_cap_ms: 10_000, 10_000, "scheduler back-off, cap";
}

impl Timing {
    /// A constant given in milliseconds, as a duration.
    #[must_use]
    pub const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }
}
