//! `kubeplay check FILE`: says what a topology would make, or all that is wrong with it.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::topology;

/// Exit status of a topology that has mistakes.
pub const BAD_TOPOLOGY: u8 = 2;

/// Checks a topology: what it makes on standard output, warnings and mistakes on standard error; answers the exit status.
///
/// # Errors
/// The output cannot be written.
pub fn check(path: &Path) -> io::Result<u8> {
    report(path, &mut io::stdout().lock(), &mut io::stderr().lock())
}

/// As [`check`], to given writers; answers the exit status.
///
/// # Errors
/// As [`check`].
pub fn report(path: &Path, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match topology::load(path) {
        Ok(topology) => {
            for warning in &topology.warnings {
                writeln!(err, "warning: {warning}")?;
            }
            write!(out, "{}", topology.summary())?;
            Ok(0)
        }
        Err(problems) => {
            let count = match problems.count() {
                1 => "1 mistake".to_owned(),
                many => format!("{many} mistakes"),
            };
            writeln!(err, "{problems}\n\n{count}; nothing was started")?;
            Ok(BAD_TOPOLOGY)
        }
    }
}
