//! What runs inside the built-in image: the same program, called with `__guest` as its first argument.
//!
//! `pause` is a sandbox: it waits. `agent` is one that can be told whose it is. `workload serve` is a small HTTP server that costs a given amount of CPU and memory,
//! `workload exit` is a program that ends. `libraries` is asked outside of containers, when the image is packed.
//! Nothing here may load what the rest of kubeplay needs: there is one of these per container.

pub mod agent;
pub mod arguments;
mod serve;

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use rustix::process::WaitOptions;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Exit, Serve, Work};

/// The first argument of kubeplay inside its image.
pub const ARGUMENT: &str = "__guest";

/// What the guest does, from its arguments (after [`ARGUMENT`]) to its end.
#[must_use]
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["pause"] => pause(),
        ["agent"] => agent(),
        ["libraries"] => libraries(),
        ["workload", rest @ ..] => match arguments::parse(rest) {
            Ok(Work::Serve(how)) => serve(&how),
            Ok(Work::Exit(how)) => exit(how),
            Err(error) => return refuse(&error),
        },
        _ => return refuse("expected pause, agent or workload"),
    };
    result.unwrap_or_else(|error| {
        say(&error.to_string());
        ExitCode::FAILURE
    })
}

fn refuse(error: &str) -> ExitCode {
    say(error);
    ExitCode::from(2)
}

/// A line for whoever reads the container's log.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "kubeplay: {line}");
}

/// Waits for SIGTERM, and for orphans: the first process of a container inherits them.
fn pause() -> io::Result<ExitCode> {
    single_threaded()?.block_on(async {
        let mut end = Ending::new()?;
        let mut children = signal(SignalKind::child())?;
        loop {
            tokio::select! {
                () = end.wait() => return Ok(ExitCode::SUCCESS),
                _ = children.recv() => while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {},
            }
        }
    })
}

/// Waits as [`pause`] does, and does what it is told meanwhile.
fn agent() -> io::Result<ExitCode> {
    std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(|| {
            let etc = Path::new("/etc");
            if let Err(error) = agent::obey(io::stdin().lock(), io::stdout().lock(), etc) {
                say(&error.to_string());
            }
        })?;
    pause()
}

/// Prints the libraries that this program is linked to, a path a line.
fn libraries() -> io::Result<ExitCode> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut paths: Vec<&str> = maps.lines().filter_map(library).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut out = io::stdout().lock();
    for path in paths {
        writeln!(out, "{path}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The library of a line of `/proc/self/maps`: the last of six fields, if its file name says so.
fn library(line: &str) -> Option<&str> {
    let path = line.get(line.find('/')?..)?;
    let name = path.rsplit('/').next()?;
    (name.ends_with(".so") || name.contains(".so.")).then_some(path)
}

fn exit(how: Exit) -> io::Result<ExitCode> {
    single_threaded()?.block_on(async {
        let mut end = Ending::new()?;
        tokio::select! {
            () = end.wait() => Ok(ExitCode::from(143)),
            () = wait(how.after) => Ok(ExitCode::from(how.code)),
        }
    })
}

fn serve(how: &Serve) -> io::Result<ExitCode> {
    // As many threads as the container's limit allows processors.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_stack_size(256 << 10)
        .enable_all()
        .build()?
        .block_on(serve::run(how))?;
    Ok(ExitCode::SUCCESS)
}

fn single_threaded() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

#[expect(clippy::disallowed_methods, reason = "a workload lives in real time")]
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The request to end: SIGTERM, or SIGINT where somebody runs it by hand.
struct Ending {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Ending {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_other_mappings() {
        let rows = [
            (
                "7f1a-7f1b r-xp 0 fe:00 12 /usr/lib/x86_64-linux-gnu/libc.so.6",
                Some("/usr/lib/x86_64-linux-gnu/libc.so.6"),
            ),
            (
                "7f1a-7f1b r-xp 0 fe:00 12 /opt/my libs/libx.so",
                Some("/opt/my libs/libx.so"),
            ),
            ("55aa-55ab r-xp 0 fe:00 12 /usr/bin/kubeplay", None),
            ("55aa-55ab r-xp 0 fe:00 12 /home/a.so/bin/kubeplay", None),
            ("7ffd-7ffe r-xp 0 00:00 0 [vdso]", None),
            ("7ffd-7ffe rw-p 0 00:00 0", None),
        ];
        for (line, expected) in rows {
            assert_eq!(library(line), expected, "{line}");
        }
    }
}
