//! The kubelets: a pod's life on its node.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::PodCondition;

use crate::{
    api::{Key, Object, Pod, Uid},
    store::{
        Context, Input, Outcome, Reconciler, Record, Store, WakeUp, What, WorkQueue,
        config::RuntimeKind,
        log::Op,
        runtime::{Answer, ContainerConfig, ContainerId, Report, SandboxConfig, SandboxId, Verb},
        world::WorldChange,
    },
};

/// All nodes' kubelets.
#[derive(Clone, Debug, Default)]
pub struct Kubelet {
    pods: BTreeMap<Uid, Worker>,
    calls: BTreeMap<u64, Uid>,
}

#[derive(Clone, Debug)]
struct Worker {
    key: Key,
    stage: Stage,
    ip: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Sandbox,
    Created,
    Started,
    Running,
}

impl Reconciler for Kubelet {
    type Key = Uid;
    const NAME: &'static str = "kubelet";

    fn observe(&mut self, record: &Record, _: &Store, wake: &mut WakeUp<'_, Uid>) {
        if let What::Change(change) = &record.what
            && let Object::Pod(pod) = &change.object
            && pod.node.is_some()
            && change.op != Op::Deleted
        {
            let worker = Worker {
                key: pod.meta.key.clone(),
                stage: Stage::New,
                ip: String::new(),
            };
            self.pods.entry(pod.meta.uid).or_insert(worker);
            wake.now(pod.meta.uid);
        }
    }

    fn input(&mut self, input: &Input, cx: &mut Context<'_>, queue: &mut WorkQueue<Uid>) {
        let Input::Runtime(reports) = input else {
            return;
        };
        for report in reports {
            let Report::Answer {
                call,
                node,
                result: Ok(answer),
            } = report
            else {
                continue;
            };
            let Some(uid) = self.calls.remove(call) else {
                continue;
            };
            let Some(worker) = self.pods.get_mut(&uid) else {
                continue;
            };
            match answer {
                Answer::Sandbox { ip } => {
                    worker.ip.clone_from(ip);
                    worker.stage = Stage::Sandbox;
                }
                Answer::Created { .. } => worker.stage = Stage::Created,
                Answer::Started => {
                    worker.stage = Stage::Started;
                    let container = ContainerId {
                        pod: uid,
                        name: "app".into(),
                        attempt: 0,
                    };
                    cx.change_world(WorldChange::ContainerStarted {
                        node: node.clone(),
                        container,
                    });
                }
                _ => {}
            }
            queue.add(uid, cx.cause);
        }
    }

    fn reconcile(&mut self, uid: &Uid, cx: &mut Context<'_>) -> Outcome {
        let Some(worker) = self.pods.get_mut(uid) else {
            return Outcome::Done;
        };
        let Some(pod) = cx.get::<Pod>(&worker.key) else {
            return Outcome::Done;
        };
        let Some(node) = pod.node.clone() else {
            return Outcome::Done;
        };
        let sandbox = SandboxId {
            pod: *uid,
            attempt: 0,
        };
        let container = ContainerId {
            pod: *uid,
            name: "app".into(),
            attempt: 0,
        };
        let verb = match worker.stage {
            Stage::New => Verb::RunPodSandbox {
                sandbox,
                config: Arc::new(SandboxConfig {
                    pod: worker.key.clone(),
                    hostname: worker.key.name.clone(),
                    labels: BTreeMap::new(),
                }),
            },
            Stage::Sandbox => Verb::CreateContainer {
                sandbox,
                container,
                config: Arc::new(ContainerConfig {
                    pod: worker.key.clone(),
                    image: String::new(),
                    command: Vec::new(),
                    args: Vec::new(),
                    env: Vec::new(),
                    working_dir: None,
                    cpu_request_milli: 0,
                    cpu_limit_milli: 0,
                    memory_limit_bytes: 0,
                    read_only_root: false,
                    run_as_user: None,
                }),
            },
            Stage::Created => Verb::StartContainer { container },
            Stage::Started => {
                worker.stage = Stage::Running;
                let mut pod = Pod::clone(&pod);
                let status = Arc::make_mut(&mut pod.status);
                status.phase = Some("Running".to_owned());
                status.pod_ip = Some(worker.ip.clone());
                status
                    .conditions
                    .get_or_insert_default()
                    .push(PodCondition {
                        type_: "Ready".to_owned(),
                        status: "True".to_owned(),
                        ..PodCondition::default()
                    });
                return cx
                    .update_status(pod)
                    .map_or(Outcome::Retry, |_| Outcome::Done);
            }
            Stage::Running => return Outcome::Done,
        };
        let call = cx.call(&node, RuntimeKind::Simulated, verb);
        self.calls.insert(call, *uid);
        Outcome::Done
    }
}
