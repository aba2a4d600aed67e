//! A Kubernetes control plane in one process, whose pods are real containers.

pub mod api;
pub mod chaos;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod kubelet;
pub mod metrics;
pub mod runtime;
pub mod scheduler;
pub mod store;
pub mod topology;
pub mod tui;
pub mod workload;
