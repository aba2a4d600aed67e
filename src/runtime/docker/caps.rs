//! What a node's containers may use together: a control group of the node's own, above theirs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{shared::Shared, spec, usage::Hierarchy};
use crate::{api::Name, store::runtime::NodeLimits};

/// The nodes that are capped.
#[derive(Debug, Default)]
pub struct Caps(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<Name, NodeLimits>,
    /// Said once, and not tried again.
    impossible: bool,
}

impl Caps {
    /// What holds for a node.
    pub fn of(&self, node: &str) -> NodeLimits {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.nodes.get(node).copied().unwrap_or_default()
    }

    /// Caps a node, if it is not. The first time that this fails, it returns why.
    pub fn set(&self, shared: &Shared, node: &Name, limits: NodeLimits) -> Option<String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.impossible || state.nodes.get(node) == Some(&limits) {
            return None;
        }
        match cap(shared, node, limits) {
            Ok(()) => {
                state.nodes.insert(node.clone(), limits);
                None
            }
            Err(why) => {
                state.impossible = true;
                Some(why)
            }
        }
    }
}

fn cap(shared: &Shared, node: &str, limits: NodeLimits) -> Result<(), String> {
    if !shared.engine.is_local() {
        return Err("the engine is on another machine".to_owned());
    }
    let path = shared.cgroup_parent(node);
    let path = path.ok_or("the engine leaves control groups to systemd")?;
    let hierarchy = Hierarchy::here().ok_or("no control groups are mounted here")?;
    let cpu = spec::cpu_quota(limits.cpu_milli, shared.options.cpu_share);
    let amount = |number: i64| u64::try_from(number).unwrap_or(0);
    let cpu = cpu.map_or((0, 0), |(period, quota)| (amount(period), amount(quota)));
    hierarchy
        .cap(path.trim_start_matches('/'), cpu, limits.memory_bytes)
        .map_err(|error| format!("its control groups cannot be written: {error}"))
}
