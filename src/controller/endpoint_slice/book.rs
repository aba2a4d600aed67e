//! Which slice each pod of a Service is in, and how the slices are brought up to date.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::discovery::v1::{Endpoint, EndpointPort},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

use super::{
    MANAGED_BY, MANAGER, SERVICE_NAME,
    endpoint::{endpoint, ports},
};
use crate::{
    api::{
        ApiError, EndpointSlice, Key, Kind, Name, Pod, Resource, Service, meta::Labels,
        selector::Selector,
    },
    controller::common::controller_ref,
    store::{Context, DeleteOptions},
};

/// `--max-endpoints-per-slice`.
const MOST: usize = 100;
const HEADLESS: &str = "service.kubernetes.io/headless";

/// What is known of a Service's slices.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The labels that the Service selects.
    pub selector: Labels,
    /// Whether the book is right.
    settled: bool,
    /// Pods that changed.
    touched: BTreeSet<Key>,
    /// The slice that each pod is in.
    placed: BTreeMap<Key, Name>,
    /// How full each slice is, and for which ports it is.
    slices: BTreeMap<Name, Shape>,
}

#[derive(Clone, Debug, Default)]
struct Shape {
    endpoints: usize,
    ports: Arc<Vec<EndpointPort>>,
}

impl Book {
    /// Everything has to be looked at.
    pub fn start_over(&mut self) {
        self.settled = false;
    }

    /// A pod has to be looked at.
    pub fn touch(&mut self, pod: Key) {
        self.touched.insert(pod);
    }

    /// Brings the Service's slices up to date.
    pub fn sync(&mut self, service: &Service, cx: &mut Context<'_>) -> Result<(), ApiError> {
        let mut edit = Edit::new(service);
        if !self.settled {
            self.read(service, &mut edit, cx);
        }
        let mut arrived = Vec::new();
        for key in std::mem::take(&mut self.touched) {
            let wanted = self.wanted(service, &key, cx);
            self.place(key, wanted, &mut arrived, &mut edit, cx);
        }
        for (key, ports, endpoint) in arrived {
            self.add(key, ports, endpoint, &mut edit, cx);
        }
        if self.slices.is_empty() {
            // A Service always has a slice, if only an empty one.
            self.open(Arc::default(), &mut edit, cx);
        }
        self.settled = true;
        self.write(edit, cx)
    }

    /// Reads the slices that there are; every pod that is in one or should be is to be looked at.
    fn read(&mut self, service: &Service, edit: &mut Edit<'_>, cx: &Context<'_>) {
        self.placed.clear();
        self.slices.clear();
        let objects = &cx.store.objects;
        let namespace = service.key().namespace;
        for reference in objects.owned_by(service.uid()) {
            let slice = objects
                .get::<EndpointSlice>(&reference.key)
                .filter(|_| reference.kind == Kind::EndpointSlice);
            let Some(slice) = slice.filter(|slice| {
                Resource::labels(&***slice)
                    .get(MANAGED_BY)
                    .map(String::as_str)
                    == Some(MANAGER)
            }) else {
                continue;
            };
            let name = slice.key().name;
            let mut draft = EndpointSlice::clone(slice);
            edit.describe(&mut draft);
            let endpoints = draft.endpoints.get_or_insert_default();
            endpoints.retain(|endpoint| {
                let Some(key) = pod_key(endpoint, &namespace) else {
                    return false;
                };
                self.placed.insert(key, name.clone()).is_none()
            });
            let shape = Shape {
                endpoints: endpoints.len(),
                ports: Arc::new(draft.ports.clone().unwrap_or_default()),
            };
            self.slices.insert(name.clone(), shape);
            edit.drafts.insert(name, draft);
        }
        self.touched.extend(self.placed.keys().cloned());
        let selector = Selector::of_map(&self.selector);
        let pods = objects.pods_in(&namespace);
        let selected = pods.filter(|pod| pod.ip().is_some() && selector.matches(&pod.meta.labels));
        self.touched
            .extend(selected.map(|pod| pod.meta.key.clone()));
    }

    /// The endpoint that a pod should be, and its ports.
    fn wanted(
        &self,
        service: &Service,
        key: &Key,
        cx: &Context<'_>,
    ) -> Option<(Vec<EndpointPort>, Endpoint)> {
        let pod = cx.store.objects.get::<Pod>(key)?;
        if !Selector::of_map(&self.selector).matches(&pod.meta.labels) {
            return None;
        }
        Some((ports(service, pod), endpoint(service, pod, cx)?))
    }

    /// Changes or removes a pod's endpoint where it is; one that has to go elsewhere is put on the list.
    fn place(
        &mut self,
        key: Key,
        wanted: Option<(Vec<EndpointPort>, Endpoint)>,
        arrived: &mut Vec<(Key, Vec<EndpointPort>, Endpoint)>,
        edit: &mut Edit<'_>,
        cx: &Context<'_>,
    ) {
        if let Some(name) = self.placed.get(&key).cloned() {
            let endpoints = edit.endpoints(&name, cx);
            let at = endpoints.iter().position(|e| is_of(e, &key));
            let shape = self.slices.entry(name).or_default();
            match (&wanted, at) {
                (Some((ports, endpoint)), Some(at)) if *ports == *shape.ports => {
                    if let Some(slot) = endpoints.get_mut(at) {
                        *slot = endpoint.clone();
                    }
                    return;
                }
                (_, Some(at)) => {
                    endpoints.remove(at);
                    shape.endpoints -= 1;
                }
                (_, None) => {}
            }
            self.placed.remove(&key);
        }
        arrived.extend(wanted.map(|(ports, endpoint)| (key, ports, endpoint)));
    }

    /// Puts an endpoint into a slice that has room: one that is written anyway, else the fullest, else a new one.
    fn add(
        &mut self,
        key: Key,
        ports: Vec<EndpointPort>,
        endpoint: Endpoint,
        edit: &mut Edit<'_>,
        cx: &Context<'_>,
    ) {
        let room = self
            .slices
            .iter()
            .filter(|(_, shape)| shape.endpoints < MOST && *shape.ports == ports);
        let best =
            room.max_by_key(|(name, shape)| (edit.drafts.contains_key(*name), shape.endpoints));
        let name = match best.map(|(name, _)| name.clone()) {
            Some(name) => name,
            None => self.open(Arc::new(ports), edit, cx),
        };
        edit.endpoints(&name, cx).push(endpoint);
        if let Some(shape) = self.slices.get_mut(&name) {
            shape.endpoints += 1;
        }
        self.placed.insert(key, name);
    }

    /// Opens a slice for ports: one that has become empty, else a new one.
    fn open(
        &mut self,
        ports: Arc<Vec<EndpointPort>>,
        edit: &mut Edit<'_>,
        cx: &Context<'_>,
    ) -> Name {
        let empty = self.slices.iter().find(|(_, shape)| shape.endpoints == 0);
        let name = match empty.map(|(name, _)| name.clone()) {
            Some(name) => name,
            None => edit.create(cx),
        };
        edit.draft(&name, cx).ports = Some(Vec::clone(&ports));
        let shape = Shape {
            endpoints: 0,
            ports,
        };
        self.slices.insert(name.clone(), shape);
        name
    }

    /// Writes what changed. Empty slices go, all but the last.
    fn write(&mut self, edit: Edit<'_>, cx: &mut Context<'_>) -> Result<(), ApiError> {
        for (name, mut draft) in edit.drafts {
            let key = draft.key();
            let stored = edit.created.contains(&name);
            let empty = draft.endpoints.as_ref().is_none_or(Vec::is_empty);
            if empty && self.slices.len() > 1 {
                self.slices.remove(&name);
                if !stored {
                    cx.delete::<EndpointSlice>(&key, &DeleteOptions::default())?;
                }
                continue;
            }
            if empty {
                draft.ports = Some(Vec::new());
                self.slices.insert(name.clone(), Shape::default());
            }
            if stored {
                cx.create(draft)?;
            } else {
                cx.update(draft)?;
            }
        }
        Ok(())
    }
}

fn pod_key(endpoint: &Endpoint, namespace: &Name) -> Option<Key> {
    let target = endpoint.target_ref.as_ref()?;
    Some(Key::new(namespace.clone(), target.name.as_deref()?))
}

fn is_of(endpoint: &Endpoint, pod: &Key) -> bool {
    let target = endpoint.target_ref.as_ref();
    target.and_then(|target| target.name.as_deref()) == Some(&*pod.name)
}

/// The slices of a Service as they are to be written.
struct Edit<'a> {
    service: &'a Service,
    drafts: BTreeMap<Name, EndpointSlice>,
    created: BTreeSet<Name>,
}

impl<'a> Edit<'a> {
    const fn new(service: &'a Service) -> Self {
        Self {
            service,
            drafts: BTreeMap::new(),
            created: BTreeSet::new(),
        }
    }

    /// A slice to be changed.
    fn draft(&mut self, name: &Name, cx: &Context<'_>) -> &mut EndpointSlice {
        let service = self.service;
        self.drafts.entry(name.clone()).or_insert_with(|| {
            let key = Key::new(service.key().namespace, name.clone());
            let stored = cx.store.objects.get::<EndpointSlice>(&key);
            stored
                .map(|slice| EndpointSlice::clone(slice))
                .unwrap_or_default()
        })
    }

    fn endpoints(&mut self, name: &Name, cx: &Context<'_>) -> &mut Vec<Endpoint> {
        self.draft(name, cx).endpoints.get_or_insert_default()
    }

    /// A new slice under a name that is free.
    fn create(&mut self, cx: &Context<'_>) -> Name {
        let key = self.service.key();
        let prefix = format!("{}-", key.name);
        let taken = |name: &Name| {
            let key = Key::new(key.namespace.clone(), name.clone());
            self.drafts.contains_key(name) || cx.store.objects.endpoint_slices.contains_key(&key)
        };
        let mut draw = cx.store.log.next_seq();
        let mut name = Name::from(format!("{prefix}{}", cx.random().suffix(&prefix, draw)));
        while taken(&name) {
            draw += 1;
            name = Name::from(format!("{prefix}{}", cx.random().suffix(&prefix, draw)));
        }
        let mut slice = EndpointSlice {
            address_type: "IPv4".to_owned(),
            endpoints: Some(Vec::new()),
            ports: Some(Vec::new()),
            metadata: ObjectMeta {
                name: Some(name.to_string()),
                generate_name: Some(prefix),
                namespace: Some(key.namespace.to_string()),
                owner_references: Some(vec![OwnerReference::from(&controller_ref(self.service))]),
                ..ObjectMeta::default()
            },
        };
        self.describe(&mut slice);
        self.created.insert(name.clone());
        self.drafts.insert(name.clone(), slice);
        name
    }

    /// Gives a slice the labels that it should have: the Service's, and those by which it is found.
    fn describe(&self, slice: &mut EndpointSlice) {
        let mut labels = Resource::labels(self.service).clone();
        labels.remove(HEADLESS);
        let spec = self.service.spec.as_ref();
        if spec.and_then(|spec| spec.cluster_ip.as_deref()) == Some("None") {
            labels.insert(HEADLESS.to_owned(), String::new());
        }
        let name = self.service.metadata.name.clone().unwrap_or_default();
        labels.insert(SERVICE_NAME.to_owned(), name);
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        slice.metadata.labels = Some(labels);
    }
}
