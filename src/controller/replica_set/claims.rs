//! Adoption and release: a set owns the pods that its selector selects (`PodControllerRefManager`).

use std::sync::Arc;

use super::{super::common::controller_ref, known::Known};
use crate::{
    api::{ApiError, Pod, ReplicaSet, Resource, selector::Selector},
    store::Context,
};

fn selector(set: &ReplicaSet) -> Selector {
    Selector::of(set.spec.as_ref().map(|spec| &spec.selector))
}

/// Notes the pods of nobody that the set selects. Returns whether there is one.
pub fn adoptable<'a>(
    known: &mut Known,
    set: &ReplicaSet,
    pods: impl Iterator<Item = &'a Pod>,
) -> bool {
    let selector = selector(set);
    let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
    let before = known.claims.len();
    for pod in pods {
        let meta = &pod.meta;
        if *meta.key.namespace == *namespace && selector.matches(&meta.labels) {
            known.claims.insert(meta.key.clone());
        }
    }
    known.claims.len() > before
}

/// Adopts and releases the pods that were noted.
pub fn settle(known: &mut Known, set: &ReplicaSet, cx: &mut Context<'_>) -> Result<(), ApiError> {
    if known.claims.is_empty() || set.deletion().is_some() {
        return Ok(());
    }
    let selector = selector(set);
    let uid = set.uid();
    while let Some(key) = known.claims.first().cloned() {
        if let Some(pod) = cx.get::<Pod>(&key) {
            let owners = &pod.meta.owners;
            let matches = selector.matches(&pod.meta.labels);
            let new_owners: Option<Vec<_>> = match pod.meta.controller() {
                None if matches && pod.is_active() => Some(
                    owners
                        .iter()
                        .cloned()
                        .chain([controller_ref(set)])
                        .collect(),
                ),
                Some(owner) if owner.uid == uid && !matches => {
                    Some(owners.iter().filter(|o| o.uid != uid).cloned().collect())
                }
                _ => None,
            };
            if let Some(new_owners) = new_owners {
                let mut pod = Pod::clone(&pod);
                pod.meta.owners = Arc::from(new_owners);
                cx.update(pod)?;
            }
        }
        known.claims.remove(&key);
    }
    Ok(())
}
