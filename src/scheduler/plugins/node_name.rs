//! NodeName: a pod that names its node goes there or nowhere.
//!
//! Such a pod counts as bound and never comes into the queue; the plugin is here for what-ifs, and because upstream has it.

use std::sync::Arc;

use crate::scheduler::{
    framework::{Filter, Plugin, PreFilter, Refusal},
    node_cache::NodeInfo,
    resources::PodInfo,
};

/// The plugin.
#[derive(Debug)]
pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn pre_filter(&self, pod: &Arc<PodInfo>) -> PreFilter {
        match pod.spec.node_name.as_deref() {
            None | Some("") => PreFilter::Skip,
            Some(name) => PreFilter::Filter(Arc::new(Named(name.to_owned()))),
        }
    }
}

#[derive(Debug)]
struct Named(String);

impl Filter for Named {
    fn filter(&self, node: &NodeInfo) -> Result<(), Refusal> {
        if *node.name == *self.0 {
            return Ok(());
        }
        Err(Refusal::FINAL)
    }

    fn reason(&self, _: u32) -> String {
        "node(s) didn't match the requested node name".to_owned()
    }

    fn detail(&self, _: &NodeInfo) -> String {
        format!("asks for node {}", self.0)
    }
}
