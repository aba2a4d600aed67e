//! The nodes and what is on them, kept up to date change by change (`pkg/scheduler/backend/cache`).
//!
//! A node has a slot, a number under which [`Shape`](super::shape::Shape)s keep their columns of verdicts and scores.
//! The cache remembers which slots changed, so that a column is brought up to date by looking at those alone.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use k8s_openapi::api::core::v1::{NodeSpec, NodeStatus};

use super::resources::{NonZero, PodInfo, Resources};
use crate::api::{Name, Node, Quantity, Uid};

/// A node's place in the cache.
pub type Slot = usize;

/// How many changes are remembered; a column that is older is computed anew.
const CHANGES: usize = 4096;

/// A node and the sum of its pods (`framework.NodeInfo`).
#[derive(Clone, Debug, PartialEq)]
pub struct NodeInfo {
    pub name: Name,
    /// None while only pods speak of it.
    pub node: Option<Arc<Node>>,
    pub allocatable: Resources,
    pub allowed_pods: i64,
    pub requested: Resources,
    pub non_zero: NonZero,
    pub pods: i64,
}

impl NodeInfo {
    fn new(name: Name) -> Self {
        Self {
            name,
            node: None,
            allocatable: Resources::default(),
            allowed_pods: 0,
            requested: Resources::default(),
            non_zero: NonZero::default(),
            pods: 0,
        }
    }

    fn spec(&self) -> Option<&NodeSpec> {
        self.node.as_ref()?.spec.as_ref()
    }

    fn status(&self) -> Option<&NodeStatus> {
        self.node.as_ref()?.status.as_ref()
    }

    /// The node's taints.
    pub fn taints(&self) -> impl Iterator<Item = &k8s_openapi::api::core::v1::Taint> {
        self.spec()
            .and_then(|spec| spec.taints.as_ref())
            .into_iter()
            .flatten()
    }

    /// Whether the node is cordoned.
    #[must_use]
    pub fn is_unschedulable(&self) -> bool {
        self.spec().and_then(|spec| spec.unschedulable) == Some(true)
    }

    /// The images that the node has: name and size in bytes.
    pub fn images(&self) -> impl Iterator<Item = (&str, i64)> {
        let images = self.status().and_then(|status| status.images.as_ref());
        images.into_iter().flatten().flat_map(|image| {
            let size = image.size_bytes.unwrap_or(0);
            image
                .names
                .iter()
                .flatten()
                .map(move |name| (name.as_str(), size))
        })
    }

    fn set(&mut self, node: &Arc<Node>) {
        self.node = Some(Arc::clone(node));
        let allocatable = self.status().and_then(|status| status.allocatable.as_ref());
        let pods = allocatable.and_then(|list| list.get("pods"));
        let (resources, pods) = (Resources::of(allocatable), pods.map(Quantity::of));
        self.allocatable = resources;
        self.allowed_pods = pods.map_or(0, Quantity::value);
    }

    /// Whether a change of the node changes nothing that a plugin looks at.
    fn means_the_same(&self, node: &Node) -> bool {
        let status = node.status.as_ref();
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
        let unschedulable = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
        self.node
            .as_ref()
            .is_some_and(|old| old.metadata.labels == node.metadata.labels)
            && self.taints().eq(taints.into_iter().flatten())
            && self.is_unschedulable() == unschedulable
            && self.status().map(|it| (&it.allocatable, &it.images))
                == status.map(|it| (&it.allocatable, &it.images))
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Placed {
    slot: Slot,
    info: Arc<PodInfo>,
}

/// All nodes with their pods.
#[derive(Clone, Debug, Default)]
pub struct NodeCache {
    nodes: Vec<NodeInfo>,
    slots: BTreeMap<Name, Slot>,
    free: Vec<Slot>,
    placed: BTreeMap<Uid, Placed>,
    /// How many slots hold a node that exists.
    len: usize,
    /// The slots that changed last, oldest first, and how many changes came before them.
    changes: VecDeque<Slot>,
    forgotten: u64,
    /// Changes when a node comes, goes or has other images.
    epoch: u64,
    /// Each slot's place in the order of names; empty until it is asked for.
    ranks: Vec<u32>,
}

impl NodeCache {
    /// Takes a node's new state. None if it changes nothing that matters.
    pub fn set_node(&mut self, node: &Arc<Node>) -> Option<Slot> {
        let slot = self.slot(node.metadata.name.as_deref().unwrap_or_default());
        let info = &mut self.nodes[slot];
        if info.means_the_same(node) {
            info.node = Some(Arc::clone(node));
            return None;
        }
        let is_new = info.node.is_none();
        let images = |info: &NodeInfo| info.status().and_then(|status| status.images.clone());
        let before = images(info);
        info.set(node);
        if is_new {
            self.len += 1;
        }
        if is_new || before != images(&self.nodes[slot]) {
            self.epoch += 1;
        }
        self.changed(slot);
        Some(slot)
    }

    /// Forgets a node. Pods that are still bound to it are remembered.
    pub fn remove_node(&mut self, name: &str) {
        let Some(&slot) = self.slots.get(name) else {
            return;
        };
        let info = &mut self.nodes[slot];
        if info.node.take().is_some() {
            info.allocatable = Resources::default();
            info.allowed_pods = 0;
            self.len -= 1;
            self.epoch += 1;
            self.changed(slot);
        }
        self.release(slot);
    }

    /// Puts a pod on a node. Nothing happens if it is there already, asking for the same.
    pub fn place(&mut self, uid: Uid, node: &str, info: &Arc<PodInfo>) {
        if let Some(placed) = self.placed.get(&uid) {
            if *self.nodes[placed.slot].name == *node && Arc::ptr_eq(&placed.info, info) {
                return;
            }
            self.remove(uid);
        }
        let slot = self.slot(node);
        let node = &mut self.nodes[slot];
        node.requested.add(&info.requests);
        node.non_zero.add(info.non_zero);
        node.pods += 1;
        let info = Arc::clone(info);
        self.placed.insert(uid, Placed { slot, info });
        self.changed(slot);
    }

    /// Takes a pod off its node, if it is on one; the node's slot.
    pub fn remove(&mut self, uid: Uid) -> Option<Slot> {
        let Placed { slot, info } = self.placed.remove(&uid)?;
        let node = &mut self.nodes[slot];
        node.requested.subtract(&info.requests);
        node.non_zero.subtract(info.non_zero);
        node.pods -= 1;
        self.changed(slot);
        self.release(slot);
        Some(slot)
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no node.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All slots; some may be empty.
    #[must_use]
    pub fn slots(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// The nodes that exist.
    pub fn iter(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.iter().filter(|info| info.node.is_some())
    }

    /// Changes when a node comes, goes or has other images: when scores that compare nodes must be computed anew.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many changes there have been.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.forgotten + self.changes.len() as u64
    }

    /// The slots that changed since a version; none if that is not known any more.
    #[must_use]
    pub fn changed_since(&self, version: u64) -> Option<impl Iterator<Item = Slot>> {
        let skip = usize::try_from(version.checked_sub(self.forgotten)?).ok()?;
        Some(self.changes.iter().skip(skip).copied())
    }

    /// Each slot's place in the order of the nodes' names.
    pub fn ranks(&mut self) -> &[u32] {
        if self.ranks.len() != self.nodes.len() {
            self.ranks = vec![u32::MAX; self.nodes.len()];
            for (rank, slot) in (0..).zip(self.slots.values()) {
                self.ranks[*slot] = rank;
            }
        }
        &self.ranks
    }

    fn slot(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let info = NodeInfo::new(name.into());
        self.ranks.clear();
        let name = info.name.clone();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot] = info;
                slot
            }
            None => {
                self.nodes.push(info);
                self.nodes.len() - 1
            }
        };
        self.slots.insert(name, slot);
        slot
    }

    /// Frees a slot that nothing needs any more.
    fn release(&mut self, slot: Slot) {
        let info = &self.nodes[slot];
        if info.node.is_none() && info.pods == 0 {
            self.slots.remove(&info.name);
            self.free.push(slot);
            self.ranks.clear();
        }
    }

    fn changed(&mut self, slot: Slot) {
        self.changes.push_back(slot);
        if self.changes.len() > CHANGES {
            self.changes.pop_front();
            self.forgotten += 1;
        }
    }
}
