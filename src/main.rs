//! Arguments in, exit status out.
#![expect(clippy::disallowed_methods, reason = "the environment is read here")]

use kubeplay::{
    api::{Key, Meta, Name, Node, Object, Pod},
    cluster::{Cluster, thread},
    runtime::simulated::SimulatedRuntime,
    store::{Config, Preset, WriteRequest, WriteVerb},
    tui,
};

fn main() -> anyhow::Result<()> {
    let config = Config::new("hello", 1, Preset::Fast);
    let simulated = Box::new(SimulatedRuntime::new(config.seed));
    let (handle, cluster) = thread::spawn(Cluster::new(config), simulated, Box::new(|_| {}), None)?;
    let mut node = Node::default();
    node.metadata.name = Some("node-1".to_owned());
    let pod = Pod {
        meta: Meta::new(Key::new("default", "web")),
        spec: Default::default(),
        node: None,
        status: Default::default(),
    };
    for (id, object) in (0..).zip([Object::of(node), Object::of(pod)]) {
        let verb = WriteVerb::Create(object);
        let user = Name::from("topology");
        if let Some(reply) = handle.write(WriteRequest { id, user, verb }) {
            reply.result?;
        }
    }
    let surroundings = tui::Surroundings::read(|name| std::env::var(name).ok());
    let about = tui::About {
        runtime: "simulated".to_owned(),
        real: false,
    };
    let options = tui::TuiOptions::new(&surroundings, None, false, about)?;
    tokio::runtime::Runtime::new()?.block_on(tui::run(options, handle.clone()))?;
    handle.stop();
    let _ = cluster.join();
    Ok(())
}
