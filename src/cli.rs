//! The command line, a file per subcommand.

pub mod check;
mod clean;
mod fault;
mod figures;
mod headless;
mod keys;
mod live;
mod replay;
mod screen;
mod start;
mod themes;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use etcetera::BaseStrategy as _;

use crate::store::Preset;

pub use fault::ScheduledFault;

/// Everything went as asked.
const OK: u8 = 0;
/// Something failed while running.
const FAILED: u8 = 1;
/// The arguments or the topology are wrong.
const USAGE: u8 = 2;
/// Docker was asked for and cannot be reached.
const NO_ENGINE: u8 = 3;
/// A signal ended the run.
const INTERRUPTED: u8 = 130;

/// An interactive terminal sandbox for Kubernetes: an exact, explained control plane in memory, whose pods are real
/// containers.
#[derive(Debug, Parser)]
#[command(name = "kubeplay", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The topology (TOML) or manifests (YAML) to start; the built-in shop, if none is given
    topology: Option<PathBuf>,
    #[command(flatten)]
    options: RunOptions,
    #[command(flatten)]
    screen: ScreenOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a topology, on the screen or headless
    Run(RunCommand),
    /// Read a topology and say what is wrong with it, or what it would start
    Check {
        /// The topology (TOML) or manifests (YAML)
        file: PathBuf,
    },
    /// Remove what runs that were cut short have left on the Docker Engine
    Clean,
    /// Take a recorded run's inputs again and print the state it ends in
    Replay {
        /// A journal that `--journal` or a failed simulation wrote
        journal: PathBuf,
    },
    /// List the themes of the screen, and check those of your own
    Themes,
    /// List the keys of the screen
    Keys,
}

#[derive(Debug, Args)]
struct RunCommand {
    /// The topology (TOML) or manifests (YAML) to start; the built-in shop, if none is given
    topology: Option<PathBuf>,
    #[command(flatten)]
    options: RunOptions,
    #[command(flatten)]
    screen: ScreenOptions,
    /// Without the screen: one JSON object a line for each event, and a summary last
    #[arg(long, requires = "duration")]
    headless: bool,
    /// How long to run headless, in the cluster's time (`30s`, `10m`)
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, requires = "headless")]
    duration: Option<Duration>,
    /// Something to do at a time: `10s kill node-2`, `12s heal node-2`, `1m kill pod/web-…`; can be repeated
    #[arg(long, value_name = "WHEN WHAT WHOM", requires = "headless")]
    fault: Vec<ScheduledFault>,
}

/// What every run can be told.
#[derive(Clone, Debug, Args)]
struct RunOptions {
    /// What pods are made of; `auto` takes Docker where an engine answers
    #[arg(long, value_enum, default_value_t = RuntimeChoice::Auto)]
    runtime: RuntimeChoice,
    /// The seed of all randomness; the topology's, if not given
    #[arg(long)]
    seed: Option<u64>,
    /// The timing constants: upstream's, or short ones; the topology's, if not given
    #[arg(long, value_enum)]
    timing: Option<TimingChoice>,
    /// Where to write the log (nowhere, if not given); `KUBEPLAY_LOG` filters it
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Where to write the run's inputs down, for `kubeplay replay`
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// What the screen can be told.
#[derive(Clone, Debug, Args)]
struct ScreenOptions {
    /// Draw with ASCII characters alone
    #[arg(long)]
    ascii: bool,
    /// Colours; `NO_COLOR` in the environment turns them off too
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
    /// The theme to begin with; `kubeplay themes` lists them
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RuntimeChoice {
    Auto,
    Docker,
    Simulated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TimingChoice {
    Kubernetes,
    Fast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    Auto,
    Always,
    // The 256 that most terminals know.
    #[value(name = "256")]
    Indexed,
    // The sixteen of the terminal itself.
    #[value(name = "16")]
    Basic,
    Never,
}

impl From<TimingChoice> for Preset {
    fn from(choice: TimingChoice) -> Self {
        match choice {
            TimingChoice::Kubernetes => Self::Kubernetes,
            TimingChoice::Fast => Self::Fast,
        }
    }
}

/// Reads the arguments and does what they ask.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let status = match cli.command {
        None => live::run(cli.topology.as_deref(), &cli.options, &cli.screen),
        Some(Command::Run(run)) => match run.duration {
            Some(duration) => {
                headless::run(run.topology.as_deref(), &run.options, duration, &run.fault)
            }
            None => live::run(run.topology.as_deref(), &run.options, &run.screen),
        },
        Some(Command::Check { file }) => check::check(&file).map_err(Into::into),
        Some(Command::Clean) => clean::run(),
        Some(Command::Replay { journal }) => replay::run(&journal),
        Some(Command::Themes) => themes::run(),
        Some(Command::Keys) => keys::run(),
    };
    ExitCode::from(status.unwrap_or_else(|error| {
        say_error(&format!("kubeplay: {error:#}"));
        FAILED
    }))
}

/// Writes a line to standard error. If nobody reads it, there is nobody to tell.
fn say_error(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Where a person's own settings are; none if there is no home directory.
fn config_dir() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("kubeplay"))
}

/// Says on standard error how far something slow has come, if somebody looks.
fn say_progress(what: &str, done: usize, all: usize) {
    use std::io::{IsTerminal, Write};
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let end = if done == all {
            "
"
        } else {
            ""
        };
        let _ = write!(out, "\r{what}: {done} of {all}{end}");
        let _ = out.flush();
    }
}

/// Tells of what a topology says that has no effect.
fn say_warnings(warnings: &[String]) {
    for warning in warnings {
        say_error(&format!("warning: {warning}"));
    }
}

/// Reads a duration as `1m30s`, `10s` or `250ms`.
///
/// # Errors
/// A text that is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no duration: write `30s`, `1m30s` or `250ms`");
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest
            .get(..digits)
            .and_then(|n| n.parse().ok())
            .ok_or_else(bad)?;
        rest = rest.get(digits..).unwrap_or_default();
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let millis = match rest.get(..unit) {
            Some("ms") => 1,
            Some("s") => 1000,
            Some("m") => 60_000,
            Some("h") => 3_600_000,
            _ => return Err(bad()),
        };
        total += Duration::from_millis(number.checked_mul(millis).ok_or_else(bad)?);
        rest = rest.get(unit..).unwrap_or_default();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_kubernetes_writes_them() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in [
            "",
            "s",
            "10",
            "10x",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "10s5",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
