//! DynamicResources, as it is for pods without resource claims: kubeplay has no such claims.

use crate::scheduler::framework::{Plugin, Unfit};

/// The plugin.
#[derive(Debug)]
pub struct DynamicResources;

impl Plugin for DynamicResources {
    fn name(&self) -> &'static str {
        "DynamicResources"
    }

    fn post_filter(&self, _: &Unfit<'_>) -> Option<String> {
        Some("no new claims to deallocate".to_owned())
    }
}
