//! Arguments of the built-in workload, in Kubernetes' quantities.

use std::time::Duration;

use crate::api::Quantity;

/// What the workload is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Serve(Serve),
    Exit(Exit),
}

/// `serve`: an HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    pub port: u16,
    /// CPU time of a request, in the cluster's CPU.
    pub cpu: Duration,
    /// Time before it listens.
    pub startup: Duration,
    /// Bytes that it holds.
    pub memory: usize,
    /// How long it goes on serving after it was asked to end.
    pub stop_after: Duration,
}

/// `exit`: a program that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub after: Duration,
    pub code: u8,
}

impl Exit {
    /// How the workload ends when it does not understand its arguments.
    pub const REFUSED: Self = Self {
        after: Duration::ZERO,
        code: 2,
    };
}

/// Reads the arguments; none at all is `serve`.
pub fn parse(words: &[&str]) -> Result<Work, String> {
    let (word, options) = words.split_first().unwrap_or((&"serve", &[]));
    let mut serve = Serve {
        port: 8080,
        cpu: Duration::ZERO,
        startup: Duration::ZERO,
        memory: 0,
        stop_after: Duration::ZERO,
    };
    let mut exit = Exit {
        after: Duration::ZERO,
        code: 0,
    };
    for (name, value) in pairs(options)? {
        let bad = |what: &str| format!("{name} {value}: not {what}");
        match (*word, name) {
            ("serve", "--port") => serve.port = value.parse().map_err(|_| bad("a port"))?,
            ("serve", "--cpu-ms") => {
                serve.cpu = seconds(value, 0.001).ok_or_else(|| bad("a number"))?;
            }
            ("serve", "--startup") => {
                serve.startup = duration(value).ok_or_else(|| bad("a duration"))?;
            }
            ("serve", "--stop-after") => {
                serve.stop_after = duration(value).ok_or_else(|| bad("a duration"))?;
            }
            ("serve", "--memory") => {
                let quantity: Option<Quantity> = value.parse().ok();
                serve.memory = quantity
                    .and_then(|quantity| usize::try_from(quantity.value()).ok())
                    .ok_or_else(|| bad("a quantity"))?;
            }
            ("exit", "--after") => {
                exit.after = duration(value).ok_or_else(|| bad("a duration"))?;
            }
            ("exit", "--code") => exit.code = value.parse().map_err(|_| bad("an exit code"))?,
            _ => return Err(format!("{word} has no option {name}")),
        }
    }
    match *word {
        "serve" => Ok(Work::Serve(serve)),
        "exit" => Ok(Work::Exit(exit)),
        other => Err(format!("the workload can serve and exit, not {other}")),
    }
}

/// Options with their values: `--name value` or `--name=value`.
fn pairs<'a>(words: &[&'a str]) -> Result<Vec<(&'a str, &'a str)>, String> {
    let mut words = words.iter();
    let mut pairs = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word.split_once('=') {
            Some(pair) => pair,
            None => {
                let value = words
                    .next()
                    .ok_or_else(|| format!("{word} needs a value"))?;
                (*word, *value)
            }
        };
        pairs.push(pair);
    }
    Ok(pairs)
}

/// A duration as Go and Kubernetes write it, with one unit: `500ms`, `1.5s`, `2m`.
fn duration(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..)? {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number == "0" => 1.0,
        _ => return None,
    };
    seconds(number, unit)
}

fn seconds(number: &str, unit: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_options_of_the_server() {
        let words = [
            "serve",
            "--port",
            "80",
            "--cpu-ms=2.5",
            "--stop-after=2s",
            "--startup",
            "500ms",
            "--memory",
            "32Mi",
        ];
        let expected = Serve {
            port: 80,
            cpu: Duration::from_micros(2500),
            startup: Duration::from_millis(500),
            memory: 32 << 20,
            stop_after: Duration::from_secs(2),
        };
        assert_eq!(parse(&words), Ok(Work::Serve(expected)));
    }

    #[test]
    fn nothing_at_all_serves_at_port_8080() {
        let Ok(Work::Serve(serve)) = parse(&[]) else {
            panic!("it serves");
        };
        assert_eq!((serve.port, serve.memory), (8080, 0));
    }

    #[test]
    fn a_program_that_ends() {
        let expected = Exit {
            after: Duration::from_millis(1500),
            code: 3,
        };
        let words = ["exit", "--after", "1.5s", "--code", "3"];
        assert_eq!(parse(&words), Ok(Work::Exit(expected)));
    }

    #[test]
    fn mistakes_are_said() {
        let rows: &[(&[&str], &str)] = &[
            (&["dance"], "the workload can serve and exit, not dance"),
            (&["serve", "--port"], "--port needs a value"),
            (&["serve", "--port", "x"], "--port x: not a port"),
            (&["serve", "--startup", "5"], "--startup 5: not a duration"),
            (
                &["serve", "--startup", "-5s"],
                "--startup -5s: not a duration",
            ),
            (&["serve", "--memory", "-1"], "--memory -1: not a quantity"),
            (&["exit", "--port", "1"], "exit has no option --port"),
        ];
        for (words, expected) in rows {
            assert_eq!(parse(words), Err((*expected).to_owned()), "{words:?}");
        }
    }
}
