//! golden_scheduler
