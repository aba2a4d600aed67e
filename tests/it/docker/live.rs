//! A whole cluster whose pods are containers of an engine, in this process.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use kubeplay::{
    api::{Name, Object, Pod},
    cluster::{
        Cluster,
        thread::{self, CallSink, Handle},
    },
    runtime::{
        docker::{DockerRuntime, Engine, Options},
        simulated::SimulatedRuntime,
    },
    store::{
        Input, RuntimeKind, WriteRequest, WriteVerb,
        config::RUNTIME_ANNOTATION,
        runtime::{Call, Report, Verb},
    },
    topology::Topology,
};

use super::lab::Guard;

const PATIENCE: Duration = Duration::from_secs(300);

/// A cluster that runs on the engine.
pub struct Live {
    pub handle: Handle,
    cluster: JoinHandle<Cluster>,
    pub docker: DockerRuntime,
    writes: u64,
    pub guard: Guard,
    _state: tempfile::TempDir,
}

impl Live {
    /// An empty cluster. Network and image are there, or nearly so.
    pub async fn start(engine: &Engine, topology: &Topology) -> Self {
        let late: Arc<OnceLock<Mutex<CallSink>>> = Arc::default();
        let real = {
            let late = Arc::clone(&late);
            Box::new(move |call| {
                if let Some(sink) = late.get() {
                    (sink.lock().unwrap())(call);
                }
            })
        };
        let config = topology.config.clone();
        let simulated = Box::new(SimulatedRuntime::new(config.seed));
        let (handle, cluster) = thread::spawn(Cluster::new(config), simulated, real, None).unwrap();
        let state = tempfile::tempdir().unwrap();
        let options = Options {
            program: PathBuf::from(env!("CARGO_BIN_EXE_kubeplay")),
            state_dir: Some(state.path().to_owned()),
            ..Options::new("bench", engine.cpu_share(cpu(topology)))
        };
        let reports = {
            let handle = handle.clone();
            move |reports: Vec<Report>| handle.send(Input::Runtime(reports))
        };
        let docker = DockerRuntime::start(engine.clone(), options, reports).unwrap();
        let sink = late.get_or_init(|| Mutex::new(docker.sink()));
        // Its answer means that the image is there; nobody waits for it.
        let warm_up = Call {
            id: u64::MAX,
            node: Name::from("nobody"),
            runtime: RuntimeKind::Docker,
            verb: Verb::ImageStatus {
                image: kubeplay::api::image::BUILT_IN_IMAGE.to_owned(),
            },
        };
        (sink.lock().unwrap())(warm_up);
        let guard = Guard {
            host: engine.host().to_owned(),
            run: docker.run().to_owned(),
        };
        tokio::time::sleep(Duration::from_secs(2)).await;
        Self {
            handle,
            cluster,
            docker,
            writes: 0,
            guard,
            _state: state,
        }
    }

    /// Writes to the API, which takes it.
    pub fn write(&mut self, verb: WriteVerb) {
        self.writes += 1;
        let request = WriteRequest {
            id: self.writes,
            user: Name::from("bench"),
            verb,
        };
        self.handle.write(request).unwrap().result.unwrap();
    }

    /// Creates the objects of a topology; its nodes are real.
    pub fn create(&mut self, topology: &Topology) {
        for object in &topology.objects {
            let mut object = object.clone();
            if let Object::Node(node) = &mut object {
                Arc::make_mut(node)
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(RUNTIME_ANNOTATION.to_owned(), "docker".to_owned());
            }
            self.write(WriteVerb::Create(object));
        }
    }

    pub fn pods(&self) -> Vec<Arc<Pod>> {
        let snapshot = self.handle.snapshot();
        snapshot.store.objects.pods.values().cloned().collect()
    }

    /// Waits, looking at every snapshot, until a condition holds.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) -> Instant {
        let start = Instant::now();
        let mut published = self.handle.published();
        while !condition(self) {
            assert!(start.elapsed() < PATIENCE, "{what} does not come");
            let _ = tokio::time::timeout(Duration::from_millis(100), published.changed()).await;
        }
        Instant::now()
    }

    /// Ends it, and looks whether anything stayed.
    pub async fn end(self) {
        self.handle.stop();
        let _ = self.cluster.join();
        self.docker.shutdown(|_, _| {}).await.unwrap();
        assert_eq!(self.guard.left().await, Vec::<String>::new());
    }
}

/// Millicores of all nodes of a topology.
fn cpu(topology: &Topology) -> u64 {
    let of = |object: &Object| match object {
        Object::Node(node) => {
            let amounts = node.status.as_ref()?.allocatable.as_ref()?;
            Some(kubeplay::api::Quantity::of(amounts.get("cpu")?).milli_value())
        }
        _ => None,
    };
    let sum: i64 = topology.objects.iter().filter_map(of).sum();
    u64::try_from(sum).unwrap()
}

/// How many pods a topology's deployments have.
pub fn replicas(topology: &Topology) -> usize {
    let of = |object: &Object| match object {
        Object::Deployment(deployment) => deployment.spec.as_ref()?.replicas,
        _ => None,
    };
    let sum: i32 = topology.objects.iter().filter_map(of).sum();
    usize::try_from(sum).unwrap()
}
