//! The screen on a running cluster.

use std::io::{IsTerminal, Write as _};

use anyhow::Context as _;

use super::{ColorChoice, RunOptions, ScreenOptions, live::Live, start::Start};
use crate::{
    topology::Topology,
    tui::{self, About, QuitReason, Surroundings, TuiOptions, theme::Depth},
};

/// Shows a topology until it is left. The first frame is drawn before an engine is looked for.
///
/// # Errors
/// The terminal or the journal cannot be used, the cluster ended in a panic, or the engine would not remove something.
pub fn run(topology: Topology, options: &RunOptions, screen: &ScreenOptions) -> anyhow::Result<u8> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        super::say_error(
            "kubeplay: the screen needs a terminal; `kubeplay run FILE --for 30s --headless` needs none",
        );
        return Ok(super::USAGE);
    }
    let live = Live::start(&topology.config, options)?;
    let tui_options = tui_options(screen)?;
    let (launcher, handle, choice) = (live.launcher(), live.handle.clone(), options.runtime);
    let launch = std::thread::spawn(move || {
        let launched = Start::new(topology, choice).and_then(|start| launcher.launch(start));
        if launched.is_err() {
            // Ends the screen, which has nothing to show.
            handle.stop();
        }
        launched
    });
    let left = live
        .runtime()
        .block_on(tui::run(tui_options, live.handle.clone()));
    let refusal = match left {
        // Only then is the launch known to be over.
        Ok(QuitReason::ClusterEnded) => launch.join().ok().and_then(Result::err),
        _ => None,
    };
    let summary = tui::summary(&live.handle.snapshot());
    let ended = live.end();
    if let Some(refusal) = refusal {
        return Ok(refusal.report());
    }
    let left = left.context("the terminal")?;
    // After the screen is gone: what happened in it stays to be read. If nobody reads it, there is nobody to tell.
    let _ = std::io::stdout().write_all(summary.as_bytes());
    ended?;
    Ok(match left {
        QuitReason::Asked | QuitReason::ClusterEnded => super::OK,
        QuitReason::Signal(_) => super::INTERRUPTED,
    })
}

/// The screen's options, from the arguments and the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read here, by the command line"
)]
fn tui_options(screen: &ScreenOptions) -> anyhow::Result<TuiOptions> {
    let mut surroundings = Surroundings::read(|name| std::env::var(name).ok());
    match screen.color {
        ColorChoice::Auto => {}
        ColorChoice::Always => surroundings.no_color = false,
        ColorChoice::Indexed => surroundings.depth = Depth::Indexed,
        ColorChoice::Basic => surroundings.depth = Depth::Basic,
        ColorChoice::Never => surroundings.no_color = true,
    }
    if let Err(mistake) = super::keys::load() {
        super::say_error(&format!("warning: {mistake}"));
    }
    let (themes, errors) = super::themes::all();
    for error in errors {
        super::say_error(&format!("warning: {error}"));
    }
    Ok(TuiOptions::new(
        &surroundings,
        screen.theme.as_deref(),
        themes,
        screen.ascii,
        About::default(),
    )?)
}
