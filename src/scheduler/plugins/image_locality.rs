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
