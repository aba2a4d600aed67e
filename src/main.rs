//! Arguments in, exit status out.

use std::{ffi::OsStr, process::ExitCode};

use kubeplay::{cli, runtime::docker, workload};

fn main() -> ExitCode {
    // The lives of this program in containers and beside a run: before anything that they do not need.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(OsStr::to_str) {
        Some(workload::ARGUMENT) => workload::main(arguments),
        Some(docker::WATCHDOG_ARGUMENT) => docker::watchdog_main(arguments),
        _ => cli::main(),
    }
}
