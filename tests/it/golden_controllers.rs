//! golden_controllers
