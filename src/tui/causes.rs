//! Why something is as it is: a walk up the causes in the log, to the input that began it, and down to what followed.

use std::collections::BTreeMap;

use super::{
    census::is_ready,
    lines::{Line, Lines},
    theme::Meaning,
};
use crate::{
    api::{Event, Node, Object, ObjectRef, Pod},
    store::{
        Change, Op, Record, Store, What,
        input::{FaultRequest, InputSummary},
    },
};

/// How many records that followed are shown.
const LIMIT: usize = 500;
/// How many changes of an object are shown.
const CHANGES: usize = 40;

/// A record, what led to it, and what followed from it.
#[derive(Clone, Debug)]
pub struct Causes {
    /// What it is about.
    pub title: String,
    /// The record whose causes are told; 0 if the log does not have it any more.
    record: u64,
    /// An object's changes, latest last, where it is about an object.
    changes: Vec<u64>,
    /// What followed: each record's distance from the one that it is about.
    followed: BTreeMap<u64, usize>,
    /// How many more followed than are kept.
    more: usize,
    /// The first record that was not looked at yet.
    next: u64,
}

impl Causes {
    /// The causes of a record.
    #[must_use]
    pub fn of(title: String, record: u64, store: &Store) -> Self {
        let mut causes = Self {
            title,
            record,
            changes: Vec::new(),
            followed: BTreeMap::new(),
            more: 0,
            next: record + 1,
        };
        causes.read(store);
        causes
    }

    /// The causes of an object: of its first change that is known, and of each that came after it.
    #[must_use]
    pub fn of_object(object: &ObjectRef, store: &Store) -> Self {
        let about = |record: &&Record| match &record.what {
            What::Change(change) => {
                change.object.kind() == object.kind && change.object.key() == object.key
            }
            _ => false,
        };
        let mut changes: Vec<u64> = store
            .log
            .newest_first()
            .filter(about)
            .map(|record| record.seq)
            .collect();
        changes.reverse();
        let first = changes.first().copied().unwrap_or(0);
        let mut causes = Self::of(object.to_string(), first, store);
        causes.changes = changes;
        causes
    }

    /// Takes in what was logged since the last time.
    pub fn read(&mut self, store: &Store) {
        if self.record == 0 {
            return;
        }
        for record in store.log.since(self.next) {
            let depth = match self.followed.get(&record.cause) {
                _ if record.cause == self.record => 1,
                Some(depth) => depth + 1,
                None => continue,
            };
            if self.followed.len() < LIMIT {
                self.followed.insert(record.seq, depth);
            } else {
                self.more += 1;
            }
        }
        self.next = store.log.next_seq();
    }

    /// The page's lines.
    #[must_use]
    pub fn lines(&self, store: &Store, columns: u16) -> Vec<Line> {
        let mut lines = Lines::new(columns);
        let mut chain: Vec<&Record> = store.log.chain(self.record).collect();
        chain.reverse();
        let Some(this) = chain.pop() else {
            lines.wide(
                "The log does not go back so far: what led to this is not known any more.",
                Meaning::Dim,
            );
            return lines.done();
        };
        lines.heading("What led to it, from the beginning");
        if chain.is_empty() {
            lines.raw("  nothing: it began here", Meaning::Dim);
        }
        for (depth, record) in chain.iter().enumerate() {
            put(&mut lines, record, depth);
        }
        lines.heading("This");
        put(&mut lines, this, 0);
        self.history(&mut lines, store);
        lines.heading(&format!(
            "What followed: {} records",
            self.followed.len() + self.more
        ));
        let mut gone = 0;
        for (seq, depth) in &self.followed {
            match store.log.get(*seq) {
                Some(record) => put(&mut lines, record, depth - 1),
                None => gone += 1,
            }
        }
        if self.more + gone > 0 {
            let text = format!("  and {} more", self.more + gone);
            lines.raw(text, Meaning::Dim);
        }
        lines.done()
    }

    /// An object's other changes, each with what it was caused by.
    fn history(&self, lines: &mut Lines, store: &Store) {
        let later = self.changes.get(1..).unwrap_or_default();
        if later.is_empty() {
            return;
        }
        lines.heading(&format!("Its changes since: {}", later.len()));
        let skip = later.len().saturating_sub(CHANGES);
        if skip > 0 {
            lines.raw(format!("  {skip} earlier ones"), Meaning::Dim);
        }
        for record in later
            .iter()
            .skip(skip)
            .filter_map(|seq| store.log.get(*seq))
        {
            put(lines, record, 0);
            let root = store.log.chain(record.seq).last();
            let direct = store.log.get(record.cause);
            if let Some(cause) = direct {
                lines.item(
                    "             ",
                    &format!("because: {}", tell(cause)),
                    Meaning::Dim,
                );
            }
            if let Some(root) =
                root.filter(|root| root.seq != record.seq && root.seq != record.cause)
            {
                let text = format!("begun by: {} at {}", tell(root), root.at);
                lines.item("             ", &text, Meaning::Dim);
            }
        }
    }
}

fn put(lines: &mut Lines, record: &Record, depth: usize) {
    let indent = "  ".repeat(depth.min(12));
    let time = record.at.to_string();
    let text = format!("{time:<9}{indent}{}", tell(record));
    lines.item("  ", &text, meaning(record));
}

const fn meaning(record: &Record) -> Meaning {
    match &record.what {
        What::Input(InputSummary::Fault(_)) => Meaning::EventFault,
        What::Input(_) => Meaning::Strong,
        What::World(_) => Meaning::Truth,
        What::Decision(_) => Meaning::ScoreWin,
        What::Effect { .. } => Meaning::Dim,
        What::Change(_) => Meaning::Text,
    }
}

/// A record in a few words.
#[must_use]
pub fn tell(record: &Record) -> String {
    match &record.what {
        What::Input(input) => told_input(input),
        What::World(change) => format!("truth: {change}"),
        What::Effect { node, verb } => format!("asked of {node}'s runtime: {verb}"),
        What::Decision(decision) => format!(
            "decision {}: {} {}",
            decision.number,
            decision.pod.name,
            super::explain::outcome(decision)
        ),
        What::Change(change) => told_change(change),
    }
}

fn told_input(input: &InputSummary) -> String {
    match input {
        InputSummary::Continue => "input: a timer is due".to_owned(),
        InputSummary::Write { user, verb, target } => {
            format!("input: {user} asks: {verb} {target}")
        }
        InputSummary::Runtime { reports: 1 } => "input: a runtime reports".to_owned(),
        InputSummary::Runtime { reports } => format!("input: runtimes report, {reports} times"),
        InputSummary::Fault(FaultRequest::Inject { fault, target }) => {
            format!("input: fault {} {target}", fault.as_str())
        }
        InputSummary::Fault(FaultRequest::Heal { target }) => format!("input: heal {target}"),
        InputSummary::Pause(true) => "input: pause".to_owned(),
        InputSummary::Pause(false) => "input: continue".to_owned(),
        InputSummary::StepOne => "input: one step".to_owned(),
    }
}

fn told_change(change: &Change) -> String {
    let by = change.by;
    if let Object::Event(event) = &change.object {
        return told_event(event, change.op, by);
    }
    let what = match change.op {
        Op::Added => "made".to_owned(),
        Op::Deleted => "deleted".to_owned(),
        Op::Modified => modified(change),
    };
    format!("{by}: {} {what}", change.object.reference())
}

fn told_event(event: &Event, op: Op, by: &str) -> String {
    let verb = match op {
        Op::Deleted => "event dropped",
        Op::Added | Op::Modified => "event",
    };
    format!(
        "{by}: {verb} {} {}: {}",
        event.reason, event.regarding.key.name, event.message
    )
}

/// What of an object changed.
fn modified(change: &Change) -> String {
    if change.object.deletion().is_some()
        && change
            .old
            .as_ref()
            .is_some_and(|old| old.deletion().is_none())
    {
        return "asked to go".to_owned();
    }
    let parts = match (&change.object, &change.old) {
        (Object::Pod(new), Some(Object::Pod(old))) => pod_parts(old, new),
        (Object::Node(new), Some(Object::Node(old))) => node_parts(old, new),
        _ => Vec::new(),
    };
    match parts.is_empty() {
        true => "changed".to_owned(),
        false => parts.join(", "),
    }
}

fn pod_parts(old: &Pod, new: &Pod) -> Vec<String> {
    let mut parts = Vec::new();
    if old.node != new.node {
        let node = new.node.as_deref().unwrap_or("no node");
        parts.push(format!("bound to {node}"));
    }
    if old.phase() != new.phase() {
        parts.push(format!("phase {}", new.phase()));
    }
    if old.is_ready() != new.is_ready() {
        parts.push(if new.is_ready() { "ready" } else { "not ready" }.to_owned());
    }
    if parts.is_empty() && old.status != new.status {
        parts.push("status changed".to_owned());
    }
    parts
}

fn node_parts(old: &Node, new: &Node) -> Vec<String> {
    let mut parts = Vec::new();
    if is_ready(old) != is_ready(new) {
        parts.push(if is_ready(new) { "ready" } else { "not ready" }.to_owned());
    }
    let taints = |node: &Node| node.spec.as_ref().and_then(|spec| spec.taints.clone());
    let (before, after) = (
        taints(old).unwrap_or_default(),
        taints(new).unwrap_or_default(),
    );
    for taint in after.iter().filter(|taint| !before.contains(taint)) {
        parts.push(format!("tainted {}:{}", taint.key, taint.effect));
    }
    for taint in before.iter().filter(|taint| !after.contains(taint)) {
        parts.push(format!("no longer tainted {}:{}", taint.key, taint.effect));
    }
    let cordoned = |node: &Node| node.spec.as_ref().and_then(|spec| spec.unschedulable);
    if cordoned(old) != cordoned(new) {
        let word = match cordoned(new) {
            Some(true) => "cordoned",
            _ => "uncordoned",
        };
        parts.push(word.to_owned());
    }
    if parts.is_empty() && old.status != new.status {
        parts.push("status changed".to_owned());
    }
    parts
}
