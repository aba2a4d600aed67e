//! `kubeplay run --headless`: events as JSON lines, and a summary last.
//!
//! On the simulated runtime a run goes in virtual time, as fast as it can, and prints the same bytes for the same seed
//! (the summary's `wall` excepted). Where a node is real, it goes in real time.
#![expect(
    clippy::disallowed_methods,
    reason = "real runs take real time, and summaries tell of it"
)]

use std::{
    io::{BufWriter, StdoutLock, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    RunOptions, ScheduledFault,
    figures::Figures,
    live::Live,
    start::{self, Start},
};
use crate::{
    api::{Event, Time},
    cluster::{Cluster, drive::Drive},
    runtime::simulated::SimulatedRuntime,
    store::{Input, Record, Store},
};

/// How often a real run looks for news.
const POLL: Duration = Duration::from_millis(20);

/// Where the lines go.
type Out = BufWriter<StdoutLock<'static>>;

/// Runs a topology without a screen.
///
/// # Errors
/// Standard output, the log or the journal cannot be written, or the engine fails to start.
pub fn run(
    path: Option<&Path>,
    options: &RunOptions,
    duration: Duration,
    faults: &[ScheduledFault],
) -> anyhow::Result<u8> {
    let begun = Instant::now();
    start::log(options)?;
    let start = start::load(path, options).and_then(|topology| {
        super::say_warnings(&topology.warnings);
        Start::new(topology, options.runtime)
    });
    let start = match start {
        Ok(start) => start,
        Err(refusal) => return Ok(refusal.report()),
    };
    let mut faults = faults.to_vec();
    faults.sort_by_key(|fault| fault.after);
    let run = Run {
        begun,
        duration,
        faults,
        out: BufWriter::new(std::io::stdout().lock()),
    };
    if start.engine.is_some() {
        run.real(start, options)
    } else {
        run.simulated(start, options)
    }
}

struct Run {
    begun: Instant,
    duration: Duration,
    faults: Vec<ScheduledFault>,
    out: Out,
}

impl Run {
    /// Virtual time.
    fn simulated(mut self, mut start: Start, options: &RunOptions) -> anyhow::Result<u8> {
        let runtime = SimulatedRuntime::new(start.config.seed).measured();
        let mut drive = Drive::new(Cluster::new(start.config.clone()), runtime);
        if let Some(journal) = start::journal(&start.config, options)? {
            drive.record(journal);
        }
        let mut figures = Figures::default();
        let mut steps = StepTimes::default();
        for request in start.requests() {
            for reply in steps.measure(|| drive.input(&Input::Write(request))) {
                if let Err(error) = reply.result {
                    super::say_error(&format!("kubeplay: {error}"));
                    return Ok(super::USAGE);
                }
            }
        }
        if let Some(problem) = self.unknown_target(&drive.cluster.store().objects) {
            super::say_error(&problem);
            return Ok(super::USAGE);
        }
        let end = Time::ZERO + self.duration;
        let faults = std::mem::take(&mut self.faults);
        for fault in faults
            .iter()
            .filter(|fault| Time::ZERO + fault.after <= end)
        {
            self.advance(
                &mut drive,
                Time::ZERO + fault.after,
                &mut figures,
                &mut steps,
            )?;
            steps.measure(|| drive.input(&fault.input()));
        }
        self.advance(&mut drive, end, &mut figures, &mut steps)?;
        let store = drive.cluster.store();
        self.summary(&figures, store, end, &start.runtime_reason, steps.report())?;
        Ok(super::OK)
    }

    fn advance(
        &mut self,
        drive: &mut Drive<SimulatedRuntime>,
        end: Time,
        figures: &mut Figures,
        steps: &mut StepTimes,
    ) -> anyhow::Result<()> {
        loop {
            self.news(figures, drive.cluster.store())?;
            if !steps.measure(|| drive.advance(end)) {
                return self.news(figures, drive.cluster.store());
            }
        }
    }

    /// Real time.
    fn real(mut self, start: Start, options: &RunOptions) -> anyhow::Result<u8> {
        let reason = start.runtime_reason.clone();
        let live = Live::start(&start.config, options)?;
        live.catch_signals()?;
        if let Err(refusal) = live.launcher().launch(start) {
            live.end()?;
            return Ok(refusal.report());
        }
        if let Some(problem) = self.unknown_target(&live.handle.snapshot().store.objects) {
            super::say_error(&problem);
            live.end()?;
            return Ok(super::USAGE);
        }
        let mut figures = Figures::default();
        let end = Time::ZERO + self.duration;
        let mut faults = std::mem::take(&mut self.faults).into_iter().peekable();
        loop {
            let snapshot = live.handle.snapshot();
            self.news(&mut figures, &snapshot.store)?;
            let now = live.handle.now();
            while let Some(fault) = faults.next_if(|fault| Time::ZERO + fault.after <= now) {
                live.handle.send(fault.input());
            }
            if now >= end || live.interrupted() {
                break;
            }
            self.out.flush()?;
            std::thread::sleep(POLL);
        }
        let snapshot = live.handle.snapshot();
        self.news(&mut figures, &snapshot.store)?;
        let interrupted = live.interrupted();
        live.end()?;
        self.summary(&figures, &snapshot.store, snapshot.at, &reason, json!({}))?;
        Ok(if interrupted {
            super::INTERRUPTED
        } else {
            super::OK
        })
    }

    fn unknown_target(&self, objects: &crate::store::Objects) -> Option<String> {
        self.faults
            .iter()
            .find_map(|fault| fault.check(objects).err())
    }

    /// Prints what is new.
    fn news(&mut self, figures: &mut Figures, store: &Store) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        let missed = figures.follow(store, |record, event| lines.push(event_line(record, event)));
        if missed > 0 {
            lines.insert(0, json!({"kind": "skipped", "records": missed}));
        }
        lines.iter().try_for_each(|line| self.line(line))
    }

    fn line(&mut self, value: &Value) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, value).context("write to standard output")?;
        self.out
            .write_all(b"\n")
            .context("write to standard output")
    }

    fn summary(
        &mut self,
        figures: &Figures,
        store: &Store,
        end: Time,
        runtime: &str,
        steps: Value,
    ) -> anyhow::Result<()> {
        let mut summary = figures.summary(store);
        if let Value::Object(fields) = &mut summary {
            fields.insert("kind".to_owned(), json!("summary"));
            fields.insert("at".to_owned(), json!(end.as_secs_f64()));
            fields.insert("runtime".to_owned(), json!(runtime));
            let seconds = self.begun.elapsed().as_secs_f64();
            fields.insert(
                "wall".to_owned(),
                json!({"seconds": seconds, "steps": steps}),
            );
        }
        self.line(&summary)?;
        self.out.flush().context("write to standard output")
    }
}

fn event_line(record: &Record, event: &Event) -> Value {
    json!({
        "kind": "event",
        "at": record.at.as_secs_f64(),
        "type": event.event_type.as_str(),
        "reason": &*event.reason,
        "object": event.regarding.to_string(),
        "message": &*event.message,
        "count": event.count,
        "source": &*event.source,
    })
}

/// How long the control plane took over each of its steps, in wall time.
#[derive(Default)]
struct StepTimes {
    micros: Vec<u64>,
}

impl StepTimes {
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.micros
            .push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        result
    }

    fn report(&mut self) -> Value {
        self.micros.sort_unstable();
        let at = |percent: usize| {
            let last = self.micros.len().saturating_sub(1);
            self.micros.get(last * percent / 100).copied()
        };
        json!({"count": self.micros.len(), "p50Micros": at(50), "p99Micros": at(99), "maxMicros": at(100)})
    }
}
