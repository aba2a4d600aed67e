//! What pods are made of: containers of an engine, or a model of them.

pub mod docker;
pub mod faulty;
pub mod simulated;
