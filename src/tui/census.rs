//! What the screen counts and orders, kept from frame to frame so that no frame looks at every node.

use std::cmp::Ordering;

use imbl::{OrdMap, Vector};

use super::{
    feed::Seen,
    node_state::{NodeLook, look},
    view::cluster::Allocated,
};
use crate::{
    api::{Name, Node},
    cluster::Snapshot,
    store::RuntimeKind,
};

/// What is known of a node without looking at it and its pods again.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub look: NodeLook,
    pub allocated: Allocated,
}

/// The nodes in the order in which they are shown, and how many are ready.
#[derive(Clone, Debug, Default)]
pub struct Census {
    pub nodes: Vector<Name>,
    /// Of each node, in the same order.
    pub marks: Vector<Mark>,
    known: OrdMap<Name, Mark>,
    pub ready: usize,
    /// Whether pods of some node are real containers: quitting then asks.
    pub real: bool,
}

impl Census {
    /// Counts again what has changed.
    pub fn update(&mut self, snapshot: &Snapshot, seen: &Seen) {
        let nodes = &snapshot.store.objects.nodes;
        let other_set = seen.node_set || self.nodes.len() != nodes.len();
        if other_set {
            let mut names: Vec<Name> = nodes.keys().map(|key| key.name.clone()).collect();
            names.sort_by(|a, b| natural(a, b));
            self.nodes = names.into();
            let there = |(name, _): &(Name, Mark)| snapshot.store.objects.node(name).is_some();
            self.known = std::mem::take(&mut self.known)
                .into_iter()
                .filter(there)
                .collect();
        }
        if seen.nodes || seen.node_set {
            self.ready = nodes.values().filter(|node| is_ready(node)).count();
            self.real = nodes
                .values()
                .any(|node| RuntimeKind::of(node) == RuntimeKind::Docker);
        }
        self.mark(snapshot, seen, other_set);
    }

    /// Looks again at the nodes of which something changed.
    fn mark(&mut self, snapshot: &Snapshot, seen: &Seen, other_set: bool) {
        let read = |name: &Name| {
            let node = snapshot.store.objects.node(name)?;
            Some(Mark {
                look: look(node, snapshot),
                allocated: Allocated::read(&snapshot.store.objects, node),
            })
        };
        for name in &seen.touched {
            let Some(mark) = read(name) else { continue };
            self.known.insert(name.clone(), mark);
            if let Some(slot) = self.place(name).and_then(|place| self.marks.get_mut(place)) {
                *slot = mark;
            }
        }
        if !other_set {
            return;
        }
        let mut marks = Vector::new();
        for name in &self.nodes {
            let known = self.known.get(name).copied().or_else(|| read(name));
            if let Some(mark) = known {
                self.known.insert(name.clone(), mark);
                marks.push_back(mark);
            }
        }
        self.marks = marks;
    }

    /// A node's place.
    #[must_use]
    pub fn place(&self, node: &str) -> Option<usize> {
        self.nodes.binary_search_by(|name| natural(name, node)).ok()
    }
}

/// Whether the control plane believes that a node is ready.
#[must_use]
pub fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Compares names as people do: `node-2` before `node-10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (text_a, text_b) = (non_digits(a), non_digits(b));
        match text_a.cmp(text_b) {
            Ordering::Equal => {}
            other => return other,
        }
        (a, b) = (&a[text_a.len()..], &b[text_b.len()..]);
        let (number_a, number_b) = (digits(a), digits(b));
        let (value_a, value_b) = (
            number_a.trim_start_matches('0'),
            number_b.trim_start_matches('0'),
        );
        let order = value_a
            .len()
            .cmp(&value_b.len())
            .then_with(|| value_a.cmp(value_b))
            .then_with(|| number_a.len().cmp(&number_b.len()));
        if order != Ordering::Equal || (number_a.is_empty() && number_b.is_empty()) {
            return order;
        }
        (a, b) = (&a[number_a.len()..], &b[number_b.len()..]);
    }
}

fn non_digits(text: &str) -> &str {
    &text[..text
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(text.len())]
}

fn digits(text: &str) -> &str {
    &text[..text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["node-10", "node-2", "a", "node-1", "node-02", "node"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["a", "node", "node-1", "node-2", "node-02", "node-10"]
        );
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[ab0-2]{0,5}", b in "[ab0-2]{0,5}", c in "[ab0-2]{0,5}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                prop_assert!(natural(&a, &c).is_le());
            }
        }
    }
}
