//! `kubeplay keys`: every key of the screen, from the table of actions.

use std::io::{self, Write};

use crate::tui::action::{ACTIONS, Scope};

/// Prints the keys, by where they work; answers the exit status.
///
/// # Errors
/// The output cannot be written.
pub fn run() -> anyhow::Result<u8> {
    let mut out = io::stdout().lock();
    for (index, scope) in Scope::ALL.iter().enumerate() {
        let space = if index == 0 { "" } else { "\n" };
        writeln!(out, "{space}{}", scope.title())?;
        for info in ACTIONS.iter().filter(|info| info.scope == *scope) {
            let keys = info.keys.join(" ");
            writeln!(out, "  {keys:<18} {:<18} {}", info.name, info.description)?;
        }
    }
    Ok(super::OK)
}
