//! `kubeplay replay`: a recorded run once more.

use std::{
    fs::File,
    io::{BufReader, Write},
    path::Path,
};

use anyhow::Context as _;

use crate::cluster::journal;

/// Replays a journal and prints the state it ends in.
///
/// # Errors
/// The journal cannot be read.
pub fn run(path: &Path) -> anyhow::Result<u8> {
    let context = || format!("replay {}", path.display());
    let file = File::open(path).with_context(context)?;
    let cluster = journal::replay(BufReader::new(file)).with_context(context)?;
    let objects = &cluster.store().objects;
    let summary = serde_json::json!({
        "at": cluster.now().as_secs_f64(),
        "stateHash": format!("{:016x}", cluster.state_hash()),
        "nodes": objects.nodes.len(),
        "pods": objects.pods.len(),
        "records": cluster.store().log.next_seq() - 1,
    });
    writeln!(std::io::stdout(), "{summary}")?;
    Ok(super::OK)
}
