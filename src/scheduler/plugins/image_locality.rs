//! ImageLocality: a node that has a pod's images already is liked better, the larger they are.

use std::{collections::BTreeMap, sync::Arc};

use crate::scheduler::{
    framework::{MAX_NODE_SCORE, Plugin, Score},
    node_cache::{NodeCache, NodeInfo},
    resources::PodInfo,
};

const MEBIBYTE: i64 = 1 << 20;
/// Fewer bytes than this count as none.
const LEAST: i64 = 23 * MEBIBYTE;
/// More bytes per container than this count as this.
const MOST_PER_CONTAINER: i64 = 1000 * MEBIBYTE;

/// The plugin.
#[derive(Debug)]
pub struct ImageLocality;

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        "ImageLocality"
    }

    fn pre_score(&self, pod: &Arc<PodInfo>, nodes: &NodeCache) -> Option<Arc<dyn Score>> {
        let init = pod.spec.init_containers.iter().flatten();
        let containers = init.chain(&pod.spec.containers);
        let images = containers.map(|it| tagged(it.image.as_deref().unwrap_or_default()));
        let images: Vec<_> = images.collect();
        let mut spread: BTreeMap<String, i64> = images.iter().map(|it| (it.clone(), 0)).collect();
        for node in nodes.iter() {
            for (name, _) in node.images() {
                if let Some(count) = spread.get_mut(name) {
                    *count += 1;
                }
            }
        }
        let containers = i64::try_from(images.len()).unwrap_or(i64::MAX);
        let known = images.into_iter().filter_map(|image| {
            let count = spread.get(&image).copied().filter(|count| *count > 0)?;
            Some((image, count))
        });
        Some(Arc::new(Locality {
            images: known.collect(),
            containers,
            nodes: i64::try_from(nodes.len()).unwrap_or(i64::MAX),
        }))
    }
}

/// An image's name with its tag, `latest` if it has none.
fn tagged(image: &str) -> String {
    if image.rfind(':') <= image.rfind('/') {
        format!("{image}:latest")
    } else {
        image.to_owned()
    }
}

#[derive(Debug)]
struct Locality {
    /// The images of the pod's containers that a node has, and how many have it; one that two containers use counts twice.
    images: Vec<(String, i64)>,
    containers: i64,
    nodes: i64,
}

impl Score for Locality {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "upstream computes in doubles; images are smaller than 2^53 bytes"
    )]
    fn score(&self, node: &NodeInfo) -> i64 {
        // An image counts for less, the fewer nodes have it: or they would all be drawn to one node.
        let scaled = |(image, count): &(String, i64)| {
            let (_, size) = node.images().find(|(name, _)| name == image)?;
            Some((size as f64 * (*count as f64 / self.nodes as f64)) as i64)
        };
        let sum: i64 = self.images.iter().filter_map(scaled).sum();
        let most = MOST_PER_CONTAINER * self.containers;
        MAX_NODE_SCORE * (sum.clamp(LEAST, most) - LEAST) / (most - LEAST)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scheduler::testing::{cache, node, pod, scores, with};

    fn having(name: &str, images: &[(&str, i64)]) -> Value {
        let image = |(name, mebibytes): &(&str, i64)| json!({"names": [name], "sizeBytes": mebibytes * MEBIBYTE});
        let images: Vec<_> = images.iter().map(image).collect();
        with(node(name, "1", "1Gi"), "/status/images", json!(images))
    }

    fn running(images: &[&str]) -> Value {
        let containers: Vec<_> = images
            .iter()
            .map(|image| json!({"name": "c", "image": image}))
            .collect();
        with(pod("p", "1", "1Gi"), "/spec/containers", json!(containers))
    }

    fn check(nodes: &[Value], images: &[&str], expected: &[i64]) {
        let given = scores(&ImageLocality, &running(images), &cache(nodes, &[]));
        assert_eq!(given.as_deref(), Some(expected), "{images:?}");
    }

    #[test]
    fn a_node_with_the_images_is_better_the_larger_and_the_more_spread_they_are() {
        let nodes = [
            having("n1", &[("big:1", 500)]),
            having("n2", &[("small:1", 10)]),
        ];
        // 500 MiB on one of two nodes count as 250.
        check(&nodes, &["big:1"], &[(250 - 23) * 100 / 977, 0]);
        check(&nodes, &["small:1"], &[0, 0]);
        check(
            &nodes,
            &["big:1", "other:1"],
            &[(250 - 23) * 100 / (2000 - 23), 0],
        );
        check(&nodes, &["unknown:1"], &[0, 0]);
        let both = [
            having("n1", &[("big:1", 1500)]),
            having("n2", &[("big:1", 1500)]),
        ];
        check(&both, &["big:1"], &[100, 100]);
    }

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        assert_eq!(tagged("app"), "app:latest");
        assert_eq!(tagged("host:5000/app"), "host:5000/app:latest");
        assert_eq!(tagged("host:5000/app:2"), "host:5000/app:2");
    }
}
