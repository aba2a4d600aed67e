//! The watchdog: a process that outlives a killed kubeplay and removes what it left.
//!
//! It holds the reading end of a pipe whose other end only kubeplay has. When kubeplay ends, however it ends, the pipe
//! ends; unless kubeplay said before that nothing is left, the watchdog reaps the run.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use super::{
    engine::Engine,
    reap::{Thoroughness, reap},
    run::{Holder, Machine, is_run_id},
};

/// The first argument of a watchdog.
pub const ARGUMENT: &str = "__watchdog";
/// What kubeplay says when it has removed everything itself.
const ALL_GONE: &[u8] = b"gone";
/// Between attempts to reach an engine that does not answer, and how many there are.
const RETRY: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 600;

/// A watchdog that watches this process.
#[derive(Debug)]
pub struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Starts one for a run.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(program: &Path, run: &str, engine: &Engine, state: &Path) -> io::Result<Self> {
        let child = Command::new(program)
            .arg(ARGUMENT)
            .arg(run)
            .arg(engine.host())
            .arg(state)
            // Where kubeplay was started may be unmounted later.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child })
    }

    /// Tells it that nothing is left, and waits until it is gone.
    pub fn dismiss(mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            // If it is dead already there is nobody to tell.
            let _ = pipe.write_all(ALL_GONE);
        }
        let _ = self.child.wait();
    }
}

/// What a watchdog does, from its arguments (run, engine's address, state directory) to its end.
#[must_use]
pub fn watchdog_main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    // A session of its own: what ends the terminal or kubeplay's process group does not end the watchdog.
    let _ = rustix::process::setsid();
    let arguments: Vec<String> = arguments
        .filter_map(|argument| argument.into_string().ok())
        .collect();
    let [run, host, state] = arguments.as_slice() else {
        return ExitCode::from(2);
    };
    let mut word = Vec::new();
    // A pipe that cannot be read is one that ended.
    let _ = io::stdin().read_to_end(&mut word);
    if word == ALL_GONE {
        return ExitCode::SUCCESS;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::FAILURE;
    };
    match is_run_id(run) && runtime.block_on(clear(run, host)) {
        true => {
            forget(run, Path::new(state));
            ExitCode::SUCCESS
        }
        false => ExitCode::FAILURE,
    }
}

/// Removes everything of a run, however long the engine takes to answer.
#[expect(clippy::disallowed_methods, reason = "a watchdog waits for its engine")]
async fn clear(run: &str, host: &str) -> bool {
    for _ in 0..ATTEMPTS {
        if let Ok(engine) = Engine::connect(host).await
            && reap(&engine, run, Thoroughness::AFTER_A_CRASH, &|_, _| {})
                .await
                .is_ok()
        {
            return true;
        }
        tokio::time::sleep(RETRY).await;
    }
    false
}

/// Removes the lock file, unless somebody else looks after the run now.
fn forget(run: &str, state: &Path) {
    if let Ok(machine) = Machine::open(Some(state.to_owned()))
        && let Ok(Holder::Us(lock)) = machine.take(run)
    {
        lock.forget();
    }
}
