//! What a simulated container does, read from its command line.
//!
//! The built-in workload's arguments are read as the workload itself reads them.
//! For users' images a few shell words are understood: `true`, `false`, `sleep 5`, `exit 1`, alone or as a script of
//! `sh -c`, separated by `;`, `&&` or lines. Everything else runs until it is stopped.

use std::time::Duration;

use crate::{
    store::runtime::{ContainerConfig, Exit},
    workload::arguments::{self, Work},
};

/// What a program needs from SIGTERM to its end, unless it says.
const STOPS_AFTER: Duration = Duration::from_millis(100);

fn words(config: &ContainerConfig) -> impl Iterator<Item = &str> {
    config
        .command
        .iter()
        .chain(&config.args)
        .map(String::as_str)
}

/// What the built-in workload is asked to do, if these are its arguments.
fn work(config: &ContainerConfig) -> Option<Work> {
    let words: Vec<&str> = config.args.iter().map(String::as_str).collect();
    let asked = config.command.is_empty() && matches!(words.first(), Some(&"serve" | &"exit"));
    // Arguments that the workload would refuse end it at once, as they would in a real container.
    asked.then(|| arguments::parse(&words).unwrap_or(Work::Exit(arguments::Exit::REFUSED)))
}

/// A duration such as `500ms`, `5s`, `1m`, or a bare number of seconds.
fn duration(text: &str) -> Option<Duration> {
    let end = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok().filter(|n: &f64| *n >= 0.0)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// When and how a container ends by itself, if it does.
pub(super) fn ends(config: &ContainerConfig) -> Option<(Duration, Exit)> {
    match work(config) {
        Some(Work::Exit(work)) => return Some((work.after, exit(i32::from(work.code)))),
        Some(Work::Serve(_)) => return None,
        None => {}
    }
    let all: Vec<&str> = words(config).collect();
    match all.as_slice() {
        [shell, "-c", script, ..] if shell.ends_with("sh") => script_ends(script),
        ["true" | "false" | "sleep" | "exit" | "echo", ..] => script_ends(&all.join(" ")),
        _ => None,
    }
}

/// When and how a script ends, if every statement of it is understood.
fn script_ends(script: &str) -> Option<(Duration, Exit)> {
    let mut after = Duration::ZERO;
    let mut code = 0;
    for statement in script.replace("&&", ";").split([';', '\n']) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["true" | "echo", ..] => code = 0,
            ["false"] => code = 1,
            ["sleep", time] => after += duration(time)?,
            ["exit"] => return Some((after, exit(code))),
            ["exit", number] => return Some((after, exit(number.parse().ok()?))),
            _ => return None,
        }
    }
    Some((after, exit(code)))
}

const fn exit(code: i32) -> Exit {
    Exit {
        code,
        oom_killed: false,
    }
}

/// How long a container takes from SIGTERM to its end.
pub(super) fn stops_after(config: &ContainerConfig) -> Duration {
    match work(config) {
        Some(Work::Serve(serve)) => STOPS_AFTER + serve.stop_after,
        _ => STOPS_AFTER,
    }
}

/// Why a container's program cannot be started, if so: one named `no-such-program` is not there.
pub(super) fn cannot_start(config: &ContainerConfig) -> Option<String> {
    let program = words(config).next()?;
    program
        .ends_with("no-such-program")
        .then(|| format!("exec: \"{program}\": executable file not found in $PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Key;

    fn config(line: &[&str]) -> ContainerConfig {
        ContainerConfig {
            pod: Key::new("default", "web"),
            hostname: "web".into(),
            image: String::new(),
            command: Vec::new(),
            args: line.iter().map(ToString::to_string).collect(),
            env: Vec::new(),
            working_dir: None,
            cpu_request_milli: 0,
            cpu_limit_milli: 0,
            memory_limit_bytes: 0,
            read_only_root: false,
            run_as_user: None,
        }
    }

    fn check_end(line: &[&str], expected: Option<(u64, i32)>) {
        let found = ends(&config(line)).map(|(after, exit)| (after.as_millis() as u64, exit.code));
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn a_command_line_says_when_and_how_it_ends() {
        check_end(&["exit", "--after", "5s", "--code", "1"], Some((5000, 1)));
        check_end(&["exit", "--after=250ms"], Some((250, 0)));
        check_end(&["serve", "--port", "8080"], None);
        check_end(&["serve", "--port", "x"], Some((0, 2)));
        check_end(&["sleep", "2"], Some((2000, 0)));
        check_end(&["false"], Some((0, 1)));
        check_end(&["sh", "-c", "sleep 1; exit 3"], Some((1000, 3)));
        check_end(
            &["/bin/sh", "-c", "echo hello && sleep 1m"],
            Some((60_000, 0)),
        );
        check_end(&["sh", "-c", "nginx -g daemon"], None);
        check_end(&["sh", "-c", "sleep 1\nfalse"], Some((1000, 1)));
        check_end(&["sleep", "forever"], None);
        check_end(&[], None);
    }

    #[test]
    fn a_command_line_says_how_it_takes_sigterm() {
        let ms = |line: &[&str]| stops_after(&config(line)).as_millis();
        assert_eq!(ms(&[]), 100);
        assert_eq!(ms(&["serve", "--stop-after", "2s"]), 2100);
    }
}
