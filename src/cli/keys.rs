//! `kubeplay keys`: every key of the screen, from the table of actions and a person's own file.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use crate::tui::{
    action::{ACTIONS, Scope},
    keymap::{self, OwnKeys},
};

/// The file of a person's own keys: `keys.toml` in kubeplay's configuration directory.
fn file() -> Option<PathBuf> {
    Some(super::config_dir()?.join("keys.toml"))
}

/// Puts a person's own keys in force, if there are any. Where the file has a mistake, none of it counts.
///
/// # Errors
/// What is wrong with the file.
pub fn load() -> Result<(), String> {
    let Some(path) = file() else { return Ok(()) };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            OwnKeys::parse(&path.display().to_string(), &text)?.install();
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Prints the keys, by where they work; answers the exit status.
///
/// # Errors
/// The output cannot be written.
pub fn run() -> anyhow::Result<u8> {
    let loaded = load();
    let mut out = io::stdout().lock();
    for (index, scope) in Scope::ALL.iter().enumerate() {
        let space = if index == 0 { "" } else { "\n" };
        writeln!(out, "{space}{}", scope.title())?;
        for info in ACTIONS.iter().filter(|info| info.scope == *scope) {
            let keys = keymap::keys(info.action).join(" ");
            writeln!(out, "  {keys:<18} {:<18} {}", info.name, info.description)?;
        }
    }
    if let Some(file) = file() {
        writeln!(out, "\nyour own, as NAME = \"KEY\": {}", file.display())?;
    }
    if let Err(mistake) = loaded {
        super::say_error(&mistake);
        return Ok(super::USAGE);
    }
    Ok(super::OK)
}
