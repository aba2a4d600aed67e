//! Topologies: good ones, bad ones with their messages, the demos, and anything at all.

use kubeplay::{
    api::{Kind, Object},
    topology::{self, Topology},
};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Topology, String> {
    topology::parse("test.toml", text, &|_| Err("no files here".to_owned()))
        .map_err(|problems| problems.to_string())
}

#[test]
fn every_demo_loads_without_a_warning() {
    for (name, text) in topology::DEMOS {
        let read = topology::parse(name, text, &|_| Err("no files here".to_owned()));
        let demo = read.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(demo.warnings, Vec::<String>::new(), "{name}");
        let count = |kind| demo.objects.iter().filter(|o| o.kind() == kind).count();
        assert!(
            count(Kind::Node) > 0 && count(Kind::Deployment) > 0,
            "{name}"
        );
    }
}

#[test]
fn the_shop_is_small_and_has_room_for_the_loss_of_a_node() {
    let shop = topology::demo().unwrap();
    let mut nodes = 0;
    let mut pods = 0;
    let mut asked = 0;
    for object in &shop.objects {
        match object {
            Object::Node(_) => nodes += 1,
            Object::Deployment(it) => {
                let spec = it.spec.as_ref().unwrap();
                let replicas = i64::from(spec.replicas.unwrap());
                let container = &spec.template.spec.as_ref().unwrap().containers[0];
                let requests = container.resources.as_ref().unwrap().requests.as_ref();
                let cpu = kubeplay::api::Quantity::of(&requests.unwrap()["cpu"]).milli_value();
                pods += replicas;
                asked += replicas * cpu;
            }
            _ => {}
        }
    }
    assert!(nodes <= 6 && pods <= 16, "{nodes} nodes, {pods} pods");
    // Even if every node but one left up to the largest pod unused.
    assert!(asked <= (nodes - 1) * (2000 - 500), "{asked}m");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
        let _ = topology::parse("test.yaml", &text, &|_| Err(String::new()));
    }
}
