//! What can happen to a call, and how likely it is.

use std::time::Duration;

use super::LATEST;
use crate::store::{
    Random,
    runtime::{Call, RuntimeError, RuntimeErrorKind, Verb},
};

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It is not done, and fails.
    Fails(RuntimeError),
    /// It is done, and fails all the same.
    DoneButFails(RuntimeError),
    /// It is never done and never answered.
    Hangs,
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// It is done, and its answer comes so much later.
    AnswerLate(Duration),
    /// It is done so much later.
    Slow(Duration),
}

/// What engines complain of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The engine cannot be reached.
    Unreachable,
    /// The engine did not answer in time.
    TimedOut,
    /// The engine's disk is full.
    DiskFull,
    /// The network has no address left.
    OutOfAddresses,
    NoSuchImage,
    NoSuchContainer,
    /// The request itself is wrong.
    BadRequest,
    /// What was asked for was killed meanwhile.
    Killed,
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Self; 8] = [
        Self::Unreachable,
        Self::TimedOut,
        Self::DiskFull,
        Self::OutOfAddresses,
        Self::NoSuchImage,
        Self::NoSuchContainer,
        Self::BadRequest,
        Self::Killed,
    ];

    /// What a verb's calls can meet. No engine says of something that exists that it does not, when it is to go.
    #[must_use]
    pub const fn of(verb: &Verb) -> &'static [Self] {
        match verb {
            Verb::PullImage { .. } => &[
                Self::Unreachable,
                Self::TimedOut,
                Self::DiskFull,
                Self::NoSuchImage,
            ],
            Verb::RunPodSandbox { .. } => &[
                Self::Unreachable,
                Self::TimedOut,
                Self::DiskFull,
                Self::OutOfAddresses,
            ],
            Verb::CreateContainer { .. } => &[
                Self::Unreachable,
                Self::TimedOut,
                Self::DiskFull,
                Self::NoSuchImage,
                Self::BadRequest,
            ],
            Verb::StartContainer { .. } => &[
                Self::Unreachable,
                Self::TimedOut,
                Self::NoSuchContainer,
                Self::BadRequest,
            ],
            _ => &[Self::Unreachable, Self::TimedOut],
        }
    }

    /// What is to be done about it.
    #[must_use]
    pub const fn kind(self) -> RuntimeErrorKind {
        match self {
            Self::Unreachable
            | Self::TimedOut
            | Self::DiskFull
            | Self::OutOfAddresses
            | Self::Killed => RuntimeErrorKind::Unavailable,
            Self::NoSuchImage | Self::NoSuchContainer => RuntimeErrorKind::NotFound,
            Self::BadRequest => RuntimeErrorKind::Invalid,
        }
    }

    /// The complaint in an engine's words.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
            }
            Self::TimedOut => "context deadline exceeded",
            Self::DiskFull => "write /var/lib/docker/overlay2: no space left on device",
            Self::OutOfAddresses => "no available IPv4 addresses on this network's address pools",
            Self::NoSuchImage => "No such image",
            Self::NoSuchContainer => "No such container",
            Self::BadRequest => "invalid mount config: bind source path does not exist",
            Self::Killed => "the pod was killed meanwhile",
        }
    }

    /// The error that a call fails with.
    #[must_use]
    pub fn error(self) -> RuntimeError {
        RuntimeError {
            kind: self.kind(),
            message: self.message().to_owned(),
        }
    }
}

/// How likely each mishap is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Odds {
    pub fails: f64,
    pub done_but_fails: f64,
    pub hangs: f64,
    pub answer_lost: f64,
    pub answer_late: f64,
    pub slow: f64,
}

impl Odds {
    /// Every mishap with the same probability.
    #[must_use]
    pub const fn even(each: f64) -> Self {
        Self {
            fails: each,
            done_but_fails: each,
            hangs: each,
            answer_lost: each,
            answer_late: each,
            slow: each,
        }
    }

    /// What happens to a call, if anything.
    pub(super) fn draw(&self, random: Random, call: &Call) -> Option<Mishap> {
        let verb = call.verb.name();
        let mut drawn = random.unit("mishap", verb, call.id);
        let mut falls = |odds: f64| {
            drawn -= odds;
            drawn < 0.0
        };
        let by = || late(random, verb, call.id);
        let error = || {
            let known = Trouble::of(&call.verb);
            let index = random.below(known.len() as u64, "trouble", verb, call.id);
            known[usize::try_from(index).unwrap_or(0)].error()
        };
        // Only an error that leaves open what was done can stand for a call that was done.
        let open = || Trouble::TimedOut.error();
        if falls(self.fails) {
            Some(Mishap::Fails(error()))
        } else if falls(self.done_but_fails) {
            Some(Mishap::DoneButFails(open()))
        } else if falls(self.hangs) {
            Some(Mishap::Hangs)
        } else if falls(self.answer_lost) {
            Some(Mishap::AnswerLost)
        } else if falls(self.answer_late) {
            Some(Mishap::AnswerLate(by()))
        } else if falls(self.slow) {
            Some(Mishap::Slow(by()))
        } else {
            None
        }
    }
}

/// How late something is: mostly a little, sometimes very much.
pub(super) fn late(random: Random, what: &str, number: u64) -> Duration {
    let drawn = random.unit("late", what, number);
    LATEST.mul_f64(drawn * drawn * drawn * drawn)
}
