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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        api::{Object, codec},
        scheduler::testing::{cache, node, pod, with},
    };

    fn check(name: &str, expected: &str) {
        let pod = with(pod("p", "1", "1Gi"), "/spec/nodeName", json!(name));
        let Object::Pod(pod) = codec::from_any(pod).unwrap() else {
            panic!("not a pod");
        };
        // A pod keeps its node beside its spec; here it is put where a what-if would ask.
        let mut spec = pod.spec.as_ref().clone();
        spec.node_name = Some(name.to_owned());
        let info = Arc::new(PodInfo::new(&Arc::new(spec)));
        let cache = cache(&[node("n1", "1", "1Gi")], &[]);
        let said = match NodeName.pre_filter(&info) {
            PreFilter::Filter(filter) => match filter.filter(&cache.slots()[0]) {
                Ok(()) => "ok".to_owned(),
                Err(_) => filter.reason(0),
            },
            _ => "skip".to_owned(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn only_the_node_that_is_named_will_do() {
        check("", "skip");
        check("n1", "ok");
        check("n2", "node(s) didn't match the requested node name");
    }
}
