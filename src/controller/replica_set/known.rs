//! What the controller keeps of a set beside the store's counts, so that no reconcile looks at all pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::PodStatus;

use super::super::common::{controller_ref, ready_since};
use crate::{
    api::{ApiError, Key, Meta, Pod, ReplicaSet, Resource, Time, defaults, meta::Labels},
    store::{Context, tables::Objects},
};

/// What is known of one set.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The pod that others are copied from, defaulted and admitted, with the generation it was made from.
    pub template: Option<(i64, Pod)>,
    /// Pods to adopt or release.
    pub claims: BTreeSet<Key>,
    /// Pods that lack a label of the template.
    unlabeled: BTreeSet<Key>,
    /// The template's labels that `unlabeled` was found with.
    labels: Labels,
    /// `minReadySeconds` that `ripening` was found with.
    min_ready: i32,
    /// Ready pods that are not available yet, with the time at which they will be.
    ripening: BTreeMap<Key, Time>,
    ripe: BTreeSet<(Time, Key)>,
}

fn min_ready(set: &ReplicaSet) -> i32 {
    let spec = set.spec.as_ref();
    spec.and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
}

fn template_labels(set: &ReplicaSet) -> Option<&Labels> {
    let template = set.spec.as_ref()?.template.as_ref()?;
    template.metadata.as_ref()?.labels.as_ref()
}

impl Known {
    /// A pod of the set is new or has changed.
    pub fn see(&mut self, pod: &Pod, set: &ReplicaSet, relabelled: bool) {
        let key = &pod.meta.key;
        if relabelled {
            self.claims.insert(key.clone());
        }
        let shared = self
            .template
            .as_ref()
            .is_some_and(|(_, template)| Arc::ptr_eq(&template.meta.labels, &pod.meta.labels));
        let full = shared
            || template_labels(set)
                .into_iter()
                .flatten()
                .all(|(name, value)| pod.meta.labels.get(name) == Some(value));
        if full {
            self.unlabeled.remove(key);
        } else {
            self.unlabeled.insert(key.clone());
        }
        self.ripen(pod);
    }

    /// A pod is not the set's any more.
    pub fn forget(&mut self, pod: &Pod) {
        let key = &pod.meta.key;
        self.claims.remove(key);
        self.unlabeled.remove(key);
        if let Some(at) = self.ripening.remove(key) {
            self.ripe.remove(&(at, key.clone()));
        }
    }

    fn ripen(&mut self, pod: &Pod) {
        let key = &pod.meta.key;
        if let Some(at) = self.ripening.remove(key) {
            self.ripe.remove(&(at, key.clone()));
        }
        let Ok(wait @ 1..) = u64::try_from(self.min_ready) else {
            return;
        };
        if let Some(since) = ready_since(pod).filter(|_| pod.is_active()) {
            let at = since + Duration::from_secs(wait);
            self.ripening.insert(key.clone(), at);
            self.ripe.insert((at, key.clone()));
        }
    }

    /// Brings up to date what depends on the set itself and on the time.
    pub fn follow(&mut self, set: &ReplicaSet, cx: &Context<'_>) {
        let labels = template_labels(set);
        let relabel = labels.is_some_and(|labels| *labels != self.labels);
        if relabel || min_ready(set) != self.min_ready {
            // The template changed: the one time that all pods are looked at.
            self.labels = labels.cloned().unwrap_or_default();
            self.min_ready = min_ready(set);
            for pod in cx.store.objects.pods_of(set.uid()) {
                self.see(pod, set, false);
            }
        }
        while let Some((at, key)) = self.ripe.first().cloned() {
            if at > cx.now {
                break;
            }
            self.ripe.pop_first();
            self.ripening.remove(&key);
        }
    }

    /// When the next ready pod becomes available.
    pub fn next_available(&self) -> Option<Time> {
        self.ripe.first().map(|(at, _)| *at)
    }

    /// How many ready pods are not available yet.
    pub fn ripening(&self) -> usize {
        self.ripening.len()
    }

    /// How many active pods lack a label of the template.
    pub fn unlabeled(&self, objects: &Objects) -> usize {
        let pods = self.unlabeled.iter().filter_map(|key| objects.get(key));
        pods.filter(|pod: &&Arc<Pod>| pod.is_active()).count()
    }

    /// The pod that a new one is a copy of, but for its name.
    ///
    /// # Errors
    /// A pod from this template is not admitted.
    pub fn template(&mut self, set: &ReplicaSet, cx: &Context<'_>) -> Result<Pod, ApiError> {
        let generation = set.generation();
        if let Some((made, pod)) = &self.template
            && *made == generation
        {
            return Ok(pod.clone());
        }
        let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
        let metadata = template.and_then(|template| template.metadata.clone());
        let metadata = metadata.unwrap_or_default();
        let mut spec = template
            .and_then(|template| template.spec.clone())
            .unwrap_or_default();
        defaults::pod_spec(&mut spec);
        let mut meta = Meta::new(set.key());
        meta.generate_name = Some(format!("{}-", meta.key.name).into());
        meta.labels = Arc::new(metadata.labels.unwrap_or_default());
        meta.annotations = Arc::new(metadata.annotations.unwrap_or_default());
        meta.finalizers = metadata.finalizers.unwrap_or_default().into();
        meta.owners = Arc::from([controller_ref(set)]);
        let mut pod = Pod {
            meta,
            spec: Arc::new(spec),
            node: None,
            status: Arc::new(PodStatus {
                phase: Some("Pending".to_owned()),
                ..PodStatus::default()
            }),
        };
        cx.store.admit_pod(&mut pod, &cx.config.timing)?;
        if let Some((_, old)) = &self.template {
            // Scaling is a new generation too, and changes nothing here: go on sharing.
            if old.spec == pod.spec {
                pod.spec = Arc::clone(&old.spec);
            }
            if old.meta.labels == pod.meta.labels {
                pod.meta.labels = Arc::clone(&old.meta.labels);
            }
        }
        self.template = Some((generation, pod.clone()));
        Ok(pod)
    }
}
