//! An engine that stops answering: it is said, calls fail, and once it answers again all goes on.

use std::{path::Path, sync::Arc};

use kubeplay::{
    runtime::docker::{self, Engine},
    store::runtime::{Report, RuntimeErrorKind, Verb},
};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    sync::watch,
};

use super::lab::{Lab, TestPod, engine, with_lab};

/// A socket that leads to the engine while it is let.
struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    fn new(at: &Path, engine: &str) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let (open, state) = watch::channel(true);
        let engine = engine.strip_prefix("unix://").unwrap().to_owned();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (mut state, engine) = (state.clone(), engine.clone());
                tokio::spawn(async move {
                    if !*state.borrow_and_update() {
                        return;
                    }
                    let mut server = UnixStream::connect(engine).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = state.changed() => {}
                    }
                });
            }
        });
        Self {
            open: Arc::new(open),
        }
    }

    fn set(&self, open: bool) {
        self.open.send_replace(open);
    }
}

async fn engine_is(lab: &mut Lab, wanted: bool) {
    lab.wait(|report| match report {
        Report::Engine { up, .. } if *up == wanted => Some(()),
        _ => None,
    })
    .await;
}

#[test]
fn an_engine_that_goes_away_is_noticed_and_what_happened_meanwhile_is_learnt() {
    with_lab(async |first| {
        if !first.engine.host().starts_with("unix://") {
            return first;
        }
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("engine.sock");
        let gate = Gate::new(&socket, first.engine.host());
        let engine = Engine::connect(&format!("unix://{}", socket.display())).await;
        let mut lab = Lab::new(engine.unwrap(), dir.path());
        engine_is(&mut lab, true).await;
        let pod = TestPod::new(1);
        lab.run(&pod, &[]).await;
        let ids = lab.guard.containers().await;

        gate.set(false);
        engine_is(&mut lab, false).await;
        let error = lab.ask(Verb::List).await.unwrap_err();
        assert_eq!(error.kind, RuntimeErrorKind::Unavailable, "{error}");
        let docker = bollard::Docker::connect_with_host(first.engine.host()).unwrap();
        for id in ids {
            docker.kill_container(&id, None).await.unwrap();
        }

        gate.set(true);
        engine_is(&mut lab, true).await;
        assert_eq!(lab.exit(&pod.container).await.code, 137);
        assert_eq!(lab.sandbox_exit().await, pod.sandbox);
        lab.end().await;
        first
    });
}

#[test]
fn older_built_in_images_go_and_the_one_in_use_stays() {
    with_lab(async |mut lab| {
        let runs = lab.run(&TestPod::new(1), &[]).await;
        let docker = bollard::Docker::connect_with_host(lab.engine.host()).unwrap();
        let mut current = None;
        for id in lab.guard.containers().await {
            current = docker.inspect_container(&id, None).await.unwrap().image;
        }
        let state = tempfile::tempdir().unwrap();
        let state = Some(state.path().to_owned());
        docker::clean(&lab.engine, state, &|_, _| {}).await.unwrap();
        assert!(
            docker.inspect_image(&current.unwrap()).await.is_ok(),
            "{runs}"
        );
        lab
    });
}

#[tokio::test]
async fn the_share_of_a_cluster_is_what_the_host_can_give() {
    let Some(engine) = engine().await else { return };
    let cpus = engine.cpus() as f64;
    assert_eq!(engine.cpu_share(0), 1.0);
    assert_eq!(engine.cpu_share(100), 1.0);
    assert_eq!(engine.cpu_share(100_000), (cpus - 0.5) / 100.0);
}
