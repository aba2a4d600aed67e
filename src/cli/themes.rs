//! `kubeplay themes`: the themes that can be chosen, and what is wrong with those that cannot.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use crate::tui::theme::{Theme, ThemeError};

/// Where a user's own themes are: `themes` in kubeplay's configuration directory.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    Some(super::config_dir()?.join("themes"))
}

/// Every theme, and the mistakes in those that cannot be read.
#[must_use]
pub fn all() -> (Vec<Theme>, Vec<ThemeError>) {
    Theme::all(folder().as_deref())
}

/// Lists the themes; answers the exit status.
///
/// # Errors
/// The output cannot be written.
pub fn run() -> anyhow::Result<u8> {
    let (themes, errors) = all();
    let mut out = io::stdout().lock();
    for theme in &themes {
        writeln!(out, "{:<16} {}", theme.name(), theme.appearance())?;
    }
    if let Some(folder) = folder() {
        writeln!(out, "\nyour own: {}/NAME.toml", folder.display())?;
    }
    for error in &errors {
        super::say_error(&error.to_string());
    }
    Ok(if errors.is_empty() {
        super::OK
    } else {
        super::USAGE
    })
}
