//! The loop around the step in a live run: one thread owns the cluster, everybody else reads snapshots.
//!
//! This is shell: it reads the clock and waits.
#![expect(
    clippy::disallowed_methods,
    reason = "the live loop turns wall time into virtual time"
)]

use std::{
    io::Write,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{Cluster, Snapshot, journal::Journal};
use crate::{
    api::Time,
    store::{
        Input, Reply, WriteRequest,
        config::RuntimeKind,
        runtime::{Call, Report},
    },
};

/// How many inputs may wait. Beyond it senders wait, and runtimes' reports with them.
const INPUT_LIMIT: usize = 4096;
/// A longer gap in wall time (the program was stopped, the laptop asleep) counts as a pause.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// The longest sleep: short enough to notice a gap.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// A runtime that lives in virtual time: calls in, reports out, no I/O of its own.
pub trait VirtualRuntime: Send {
    /// Takes a call.
    fn handle(&mut self, now: Time, call: Call);
    /// What has happened by `now`.
    fn poll(&mut self, now: Time) -> Vec<Report>;
    /// When something will have happened next.
    fn next_deadline(&self) -> Option<Time>;
}

/// Where the calls to real runtimes go.
pub type CallSink = Box<dyn FnMut(Call) + Send>;

enum Message {
    Input(Input, Option<SyncSender<Reply>>),
    Stop,
}

/// The way to a running cluster. Cloning it is cheap.
#[derive(Clone)]
pub struct Handle {
    messages: SyncSender<Message>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    published: watch::Receiver<u64>,
    clock: Arc<ArcSwap<Clock>>,
}

impl Handle {
    /// Virtual time now. A snapshot's own time is that of the last step.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.load().now()
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Changes whenever a snapshot is published.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<u64> {
        self.published.clone()
    }

    /// Sends an input. Waits while too many are under way.
    pub fn send(&self, input: Input) {
        // Refused only when the cluster's thread has ended: then nobody is left to tell.
        let _ = self.messages.send(Message::Input(input, None));
    }

    /// Sends an input unless too many are under way; says whether it was taken.
    #[must_use]
    pub fn try_send(&self, input: Input) -> bool {
        match self.messages.try_send(Message::Input(input, None)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Writes to the API and waits for the answer; none if the cluster's thread has ended.
    #[must_use]
    pub fn write(&self, request: WriteRequest) -> Option<Reply> {
        let (sender, receiver) = sync_channel(1);
        self.messages
            .send(Message::Input(Input::Write(request), Some(sender)))
            .ok()?;
        receiver.recv().ok()
    }

    /// Ends the cluster's thread.
    pub fn stop(&self) {
        let _ = self.messages.send(Message::Stop);
    }
}

/// Virtual time as it follows wall time.
#[derive(Clone, Copy)]
struct Clock {
    /// Virtual time at `since`.
    base: Time,
    since: Instant,
    stopped: bool,
}

impl Clock {
    fn now(&self) -> Time {
        let passed = self.since.elapsed();
        if self.stopped || passed > LONGEST_GAP {
            self.base
        } else {
            self.base + passed
        }
    }

    /// Counts from now on.
    fn advance(&mut self) -> Time {
        self.base = self.now();
        self.since = Instant::now();
        self.base
    }
}

struct Loop {
    cluster: Cluster,
    clock: Clock,
    shared_clock: Arc<ArcSwap<Clock>>,
    simulated: Box<dyn VirtualRuntime>,
    real: CallSink,
    journal: Option<Journal<Box<dyn Write + Send>>>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    published: watch::Sender<u64>,
    deadline: Option<Time>,
}

/// Starts a cluster's thread.
///
/// # Errors
/// The system refuses a thread.
pub fn spawn(
    cluster: Cluster,
    simulated: Box<dyn VirtualRuntime>,
    real: CallSink,
    journal: Option<Journal<Box<dyn Write + Send>>>,
) -> std::io::Result<(Handle, JoinHandle<Cluster>)> {
    let (messages, inbox) = sync_channel(INPUT_LIMIT);
    let snapshot = Arc::new(ArcSwap::from_pointee(cluster.snapshot()));
    let (published, subscription) = watch::channel(0);
    let clock = Clock {
        base: cluster.now(),
        since: Instant::now(),
        stopped: false,
    };
    let shared_clock = Arc::new(ArcSwap::from_pointee(clock));
    let handle = Handle {
        messages,
        snapshot: Arc::clone(&snapshot),
        published: subscription,
        clock: Arc::clone(&shared_clock),
    };
    let main = Loop {
        cluster,
        clock,
        shared_clock,
        simulated,
        real,
        journal,
        snapshot,
        published,
        deadline: Some(Time::ZERO),
    };
    let thread = std::thread::Builder::new()
        .name("cluster".to_owned())
        .spawn(move || main.run(&inbox))?;
    Ok((handle, thread))
}

impl Loop {
    fn run(mut self, inbox: &Receiver<Message>) -> Cluster {
        loop {
            let now = self.tick();
            let reports = self.simulated.poll(now);
            if !reports.is_empty() {
                self.step(Input::Runtime(reports), None);
            } else if self.deadline.is_some_and(|deadline| deadline <= now) {
                self.step(Input::Continue, None);
            }
            match inbox.recv_timeout(self.wait()) {
                Ok(Message::Input(input, reply)) => self.step(input, reply),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return self.cluster,
            }
        }
    }

    fn tick(&mut self) -> Time {
        let now = self.clock.advance();
        self.shared_clock.store(Arc::new(self.clock));
        now
    }

    /// How long nothing is due.
    fn wait(&self) -> Duration {
        let now = self.clock.now();
        let due = [self.deadline, self.simulated.next_deadline()]
            .into_iter()
            .flatten()
            .min();
        due.map_or(LONGEST_WAIT, |due| due.since(now))
            .min(LONGEST_WAIT)
    }

    fn step(&mut self, input: Input, reply: Option<SyncSender<Reply>>) {
        let now = self.tick();
        if let Input::Pause(paused) = input {
            self.clock.stopped = paused;
            self.tick();
        }
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.push(now, &input)
        {
            tracing::error!(%error, "the journal cannot be written and ends here");
            self.journal = None;
        }
        let output = self.cluster.step(now, &input);
        self.deadline = output.next_deadline;
        // Published before the reply is sent, so that who wrote can read it.
        self.snapshot.store(Arc::new(self.cluster.snapshot()));
        self.published.send_modify(|count| *count += 1);
        for call in output.effects {
            match call.runtime {
                RuntimeKind::Simulated => self.simulated.handle(now, call),
                RuntimeKind::Docker => (self.real)(call),
            }
        }
        if let (Some(sender), Some(answer)) = (reply, output.replies.into_iter().next()) {
            let _ = sender.send(answer);
        }
    }
}
