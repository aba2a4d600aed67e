//! The journal: a run's inputs, written down, and their exact replay.
//!
//! One JSON object a line: first the [`Header`], then an [`Entry`] for every step.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::Cluster;
use crate::{
    api::Time,
    store::{Config, Input},
};

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of kubeplay that wrote the journal; another one may decide differently.
    pub kubeplay: String,
    pub config: Config,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub at: Time,
    pub input: Input,
}

/// Writes a journal.
#[derive(Debug)]
pub struct Journal<W: Write> {
    out: W,
}

impl<W: Write> Journal<W> {
    /// Begins a journal with its header.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin(mut out: W, config: &Config) -> io::Result<Self> {
        let kubeplay = env!("CARGO_PKG_VERSION").to_owned();
        line(
            &mut out,
            &Header {
                kubeplay,
                config: config.clone(),
            },
        )?;
        Ok(Self { out })
    }

    /// Writes a step down.
    ///
    /// # Errors
    /// The writer's.
    pub fn push(&mut self, at: Time, input: &Input) -> io::Result<()> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            at: Time,
            input: &'a Input,
        }
        line(&mut self.out, &Borrowed { at, input })
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Why a journal could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("read the journal: {0}")]
    Io(#[from] io::Error),
    #[error("line {line} of the journal: {source}")]
    Line {
        line: usize,
        source: serde_json::Error,
    },
    #[error("the journal is empty")]
    Empty,
}

/// Takes a journal's steps again, from nothing.
///
/// # Errors
/// The journal cannot be read.
pub fn replay(journal: impl BufRead) -> Result<Cluster, ReplayError> {
    let mut lines = journal.lines().enumerate();
    let (_, header) = lines.next().ok_or(ReplayError::Empty)?;
    let header: Header =
        serde_json::from_str(&header?).map_err(|source| ReplayError::Line { line: 1, source })?;
    let mut cluster = Cluster::new(header.config);
    for (index, text) in lines {
        let entry: Entry = serde_json::from_str(&text?).map_err(|source| ReplayError::Line {
            line: index + 1,
            source,
        })?;
        cluster.step(entry.at, &entry.input);
    }
    Ok(cluster)
}
