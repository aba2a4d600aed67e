//! What runs, as far as is known here: so that a kill needs no listing, and nothing is reported twice.
//!
//! Pure: facts go in, reports come out. Every change has a number, so that a listing that began before a change does
//! not undo it, and a call that came before a kill does not survive it.

use std::collections::BTreeMap;

use super::{labels::Part, usage::Running};
use crate::{
    api::{Name, Uid},
    store::runtime::{Exit, Report, SandboxId},
};

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Created, not started.
    Created,
    /// Being started. It may have ended already: that is reported once the start is answered.
    Starting {
        ended: Option<Exit>,
    },
    Running,
    Exited(Exit),
}

/// One container or sandbox.
#[derive(Clone, Debug)]
pub struct Entry {
    pub node: Name,
    /// The engine's id.
    pub id: String,
    pub state: State,
    /// It is being ended on request: its end says nothing about memory, and that of a sandbox is no news.
    pub ending: bool,
    /// Attempt of the sandbox that a container is joined to.
    pub joined: Option<u32>,
    /// Number of its last change.
    changed: u64,
}

/// A call's place in the order of calls and kills.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

/// What runs.
#[derive(Debug, Default)]
pub struct Index {
    entries: BTreeMap<Part, Entry>,
    changes: u64,
    /// Number of the last kill of a node, and of a pod.
    node_kills: BTreeMap<Name, u64>,
    /// Sandboxes that were made ahead, by the engine's id: their labels do not say whose they are.
    adopted: BTreeMap<String, SandboxId>,
    pod_kills: BTreeMap<Uid, u64>,
}

/// A container as a listing shows it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub part: Part,
    pub node: Name,
    pub id: String,
    pub state: SeenState,
    pub ip: Option<String>,
    /// Attempt of the sandbox that a container is joined to.
    pub joined: Option<u32>,
}

/// What a listing says about a container's life. How it ended it does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenState {
    Created,
    Running,
    Ended,
}

impl Index {
    /// Draws a number.
    pub const fn ticket(&mut self) -> Ticket {
        self.changes += 1;
        Ticket(self.changes)
    }

    /// Whether node or pod were killed after the ticket was drawn.
    pub fn was_killed(&self, ticket: Ticket, node: &str, pod: Uid) -> bool {
        let later = |kill: Option<&u64>| kill.is_some_and(|kill| *kill > ticket.0);
        later(self.node_kills.get(node)) || later(self.pod_kills.get(&pod))
    }

    /// An entry.
    pub fn get(&self, part: &Part) -> Option<&Entry> {
        self.entries.get(part)
    }

    /// All entries of a pod.
    pub fn of_pod(&self, pod: Uid) -> impl Iterator<Item = (&Part, &Entry)> {
        self.entries
            .iter()
            .filter(move |(part, _)| part.pod() == pod)
    }

    /// The containers of pods that run.
    pub fn running(&self) -> Vec<Running> {
        let running = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state == State::Running);
        running
            .filter_map(|(part, entry)| match part {
                Part::Sandbox(_) => None,
                Part::Container(container) => Some(Running {
                    container: container.clone(),
                    node: entry.node.clone(),
                    id: entry.id.clone(),
                }),
            })
            .collect()
    }

    /// A container exists. One that is known already stays as it is.
    pub fn created(&mut self, seen: Seen) {
        let known = self.entries.get(&seen.part);
        if known.is_some_and(|entry| entry.id == seen.id) {
            return;
        }
        let Ticket(changed) = self.ticket();
        let entry = Entry {
            node: seen.node,
            id: seen.id,
            state: match seen.state {
                SeenState::Created => State::Created,
                // How it ended is to be asked.
                SeenState::Running | SeenState::Ended => State::Running,
            },
            ending: false,
            joined: seen.joined,
            changed,
        };
        self.entries.insert(seen.part, entry);
    }

    /// A sandbox that was made ahead becomes a pod's. It is as one that is being started, until it has been told.
    pub fn adopt(&mut self, sandbox: SandboxId, node: Name, id: String) {
        let part = Part::Sandbox(sandbox);
        self.adopted.insert(id.clone(), sandbox);
        self.created(Seen {
            part: part.clone(),
            node,
            id,
            state: SeenState::Created,
            ip: None,
            joined: None,
        });
        self.starting(&part);
    }

    /// Whose a sandbox is that was made ahead, and the node it belongs to.
    pub fn adopted(&self, id: &str) -> Option<(Part, Name)> {
        let part = Part::Sandbox(*self.adopted.get(id)?);
        let entry = self.entries.get(&part).filter(|entry| entry.id == id)?;
        Some((part, entry.node.clone()))
    }

    fn change(&mut self, part: &Part, change: impl FnOnce(&mut Entry)) {
        let Ticket(changed) = self.ticket();
        if let Some(entry) = self.entries.get_mut(part) {
            change(entry);
            entry.changed = changed;
        }
    }

    /// A container is about to be started.
    pub fn starting(&mut self, part: &Part) {
        self.change(part, |entry| {
            if entry.state == State::Created {
                entry.state = State::Starting { ended: None };
            }
        });
    }

    /// The start was answered. Returns what was held back until now.
    pub fn started(&mut self, part: &Part, well: bool) -> Option<Report> {
        let mut held = None;
        self.change(part, |entry| match entry.state {
            State::Starting { ended: Some(exit) } => held = Some((entry.id.clone(), exit)),
            State::Starting { ended: None } if well => entry.state = State::Running,
            State::Starting { ended: None } => entry.state = State::Created,
            _ => {}
        });
        let (id, exit) = held?;
        self.change(part, |entry| entry.state = State::Running);
        self.ended(part, &id, exit)
    }

    /// A container ended. Returns the report, unless this was known, or is held back.
    pub fn ended(&mut self, part: &Part, id: &str, exit: Exit) -> Option<Report> {
        let entry = self
            .entries
            .get(part)
            .filter(|entry| entry.id == id)?
            .clone();
        match entry.state {
            State::Exited(_) => return None,
            State::Starting { .. } => {
                let ended = Some(exit);
                self.change(part, |entry| entry.state = State::Starting { ended });
                return None;
            }
            State::Created | State::Running => {}
        }
        self.change(part, |entry| entry.state = State::Exited(exit));
        report(part, entry, exit)
    }

    /// A container is going to be ended on request.
    pub fn ending(&mut self, part: &Part) {
        self.change(part, |entry| entry.ending = true);
    }

    /// A container is gone. Returns the report if it was thought to run.
    pub fn removed(&mut self, part: &Part) -> Option<Report> {
        let entry = self.entries.remove(part)?;
        self.adopted.remove(&entry.id);
        self.ticket();
        let gone = Exit {
            code: 137,
            oom_killed: false,
        };
        match entry.state {
            State::Running => report(part, entry, gone),
            _ => None,
        }
    }

    /// Kills a node: calls that came before fail from now on. Returns what there is to kill.
    pub fn kill_node(&mut self, node: &Name) -> Vec<(Part, String)> {
        let Ticket(number) = self.ticket();
        self.node_kills.insert(node.clone(), number);
        self.kill(|_, entry| entry.node == *node)
    }

    /// Kills a pod likewise.
    pub fn kill_pod(&mut self, pod: Uid) -> Vec<(Part, String)> {
        let Ticket(number) = self.ticket();
        self.pod_kills.insert(pod, number);
        self.kill(|part, _| part.pod() == pod)
    }

    fn kill(&mut self, chosen: impl Fn(&Part, &Entry) -> bool) -> Vec<(Part, String)> {
        let mut targets = Vec::new();
        for (part, entry) in &mut self.entries {
            let alive = matches!(entry.state, State::Running | State::Starting { .. });
            if alive && chosen(part, entry) {
                // The end of a killed sandbox is news, unlike that of one that was asked to stop.
                entry.ending |= matches!(part, Part::Container(_));
                targets.push((part.clone(), entry.id.clone()));
            }
        }
        targets
    }

    /// Compares a listing that began at a ticket with what is known. Returns the reports of what is gone, and the
    /// containers that ended without anybody having noticed how.
    pub fn compare(&mut self, since: Ticket, seen: Vec<Seen>) -> (Vec<Report>, Vec<Seen>) {
        let mut unknown: BTreeMap<Part, Entry> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.changed < since.0)
            .map(|(part, entry)| (part.clone(), entry.clone()))
            .collect();
        let mut ended = Vec::new();
        for container in seen {
            let Some(entry) = self.entries.get(&container.part) else {
                // Its creation was never answered.
                self.created(container.clone());
                if container.state == SeenState::Ended {
                    ended.push(container);
                }
                continue;
            };
            unknown.remove(&container.part);
            if entry.changed >= since.0 {
                continue;
            }
            match (entry.state, container.state) {
                (State::Running | State::Created, SeenState::Ended) => ended.push(container),
                (State::Created, SeenState::Running) => {
                    self.change(&container.part, |entry| entry.state = State::Running);
                }
                _ => {}
            }
        }
        let gone = unknown
            .into_keys()
            .filter_map(|part| match self.get(&part)?.state {
                State::Starting { .. } => None,
                _ => self.removed(&part),
            })
            .collect();
        (gone, ended)
    }
}

fn report(part: &Part, entry: Entry, exit: Exit) -> Option<Report> {
    let node = entry.node;
    match part {
        Part::Sandbox(_) if entry.ending => None,
        Part::Sandbox(sandbox) => Some(Report::SandboxExited {
            node,
            sandbox: *sandbox,
        }),
        Part::Container(container) => Some(Report::ContainerExited {
            node,
            container: container.clone(),
            exit,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runtime::ContainerId;

    const POD: Uid = Uid(1);
    const WELL: Exit = Exit {
        code: 0,
        oom_killed: false,
    };

    fn container() -> Part {
        Part::Container(ContainerId {
            pod: POD,
            name: Name::from("main"),
            attempt: 0,
        })
    }

    fn sandbox() -> Part {
        Part::Sandbox(SandboxId {
            pod: POD,
            attempt: 0,
        })
    }

    fn seen(part: Part, state: SeenState) -> Seen {
        Seen {
            id: format!("id of {part}"),
            part,
            node: Name::from("node-1"),
            state,
            ip: None,
            joined: Some(0),
        }
    }

    /// A pod that runs.
    fn running() -> Index {
        let mut index = Index::default();
        for part in [sandbox(), container()] {
            index.created(seen(part.clone(), SeenState::Created));
            index.starting(&part);
            assert_eq!(index.started(&part, true), None);
        }
        index
    }

    fn ended(index: &mut Index, part: &Part, exit: Exit) -> Option<Report> {
        index.ended(part, &format!("id of {part}"), exit)
    }

    #[test]
    fn a_sandbox_that_was_made_ahead_is_a_pods_from_when_it_was_taken_until_it_is_gone() {
        let mut index = Index::default();
        let Part::Sandbox(id) = sandbox() else {
            unreachable!()
        };
        assert_eq!(index.adopted("warm"), None);
        index.adopt(id, Name::from("node-1"), "warm".to_owned());
        assert_eq!(
            index.adopted("warm"),
            Some((sandbox(), Name::from("node-1")))
        );
        // An end before it was answered is held back, as with any other.
        assert_eq!(index.ended(&sandbox(), "warm", WELL), None);
        assert!(matches!(
            index.started(&sandbox(), true),
            Some(Report::SandboxExited { .. })
        ));
        index.removed(&sandbox());
        assert_eq!(index.adopted("warm"), None);
    }

    #[test]
    fn an_end_is_reported_once() {
        let mut index = running();
        assert!(ended(&mut index, &container(), WELL).is_some());
        assert!(ended(&mut index, &container(), WELL).is_none());
        assert!(ended(&mut index, &sandbox(), WELL).is_some());
        assert!(ended(&mut index, &sandbox(), WELL).is_none());
    }

    #[test]
    fn the_end_of_another_container_of_the_same_name_is_none_of_this_one() {
        let mut index = running();
        assert_eq!(index.ended(&container(), "an older id", WELL), None);
        assert_eq!(index.get(&container()).unwrap().state, State::Running);
    }

    #[test]
    fn an_end_before_the_start_was_answered_is_held_back() {
        for well in [true, false] {
            let mut index = Index::default();
            index.created(seen(container(), SeenState::Created));
            index.starting(&container());
            assert_eq!(ended(&mut index, &container(), WELL), None);
            let report = index.started(&container(), well);
            assert!(matches!(report, Some(Report::ContainerExited { exit, .. }) if exit == WELL));
            assert_eq!(index.started(&container(), well), None);
        }
    }

    #[test]
    fn the_end_of_a_sandbox_that_was_asked_to_stop_is_no_news_but_that_of_a_killed_one_is() {
        let mut index = running();
        index.ending(&sandbox());
        assert!(ended(&mut index, &sandbox(), WELL).is_none());
        let mut index = running();
        assert_eq!(index.kill_pod(POD).len(), 2);
        assert!(ended(&mut index, &sandbox(), WELL).is_some());
    }

    #[test]
    fn a_kill_reaches_what_runs_and_undoes_what_was_asked_before() {
        let mut index = running();
        let node = Name::from("node-1");
        let before = index.ticket();
        assert_eq!(index.kill_node(&Name::from("node-2")), []);
        assert!(!index.was_killed(before, &node, POD));
        let targets = index.kill_node(&node);
        assert_eq!(targets.len(), 2);
        assert!(index.was_killed(before, &node, POD));
        assert!(!index.was_killed(before, "node-3", POD));
        let after = index.ticket();
        assert!(!index.was_killed(after, &node, POD));
        index.kill_pod(POD);
        assert!(index.was_killed(after, "node-3", POD));
    }

    #[test]
    fn a_listing_tells_what_is_gone_what_ended_and_what_was_not_known() {
        let mut index = running();
        let other = Part::Container(ContainerId {
            pod: POD,
            name: Name::from("other"),
            attempt: 0,
        });
        let since = index.ticket();
        let listing = vec![
            seen(sandbox(), SeenState::Ended),
            seen(other.clone(), SeenState::Running),
        ];
        let (gone, ended) = index.compare(since, listing);
        assert!(matches!(gone.as_slice(), [Report::ContainerExited { .. }]));
        let ended: Vec<Part> = ended.into_iter().map(|seen| seen.part).collect();
        assert_eq!(ended, [sandbox()]);
        assert_eq!(index.get(&other).unwrap().state, State::Running);
        assert!(index.get(&container()).is_none());
    }

    #[test]
    fn a_listing_that_began_before_a_change_does_not_undo_it() {
        let mut index = Index::default();
        let since = index.ticket();
        index.created(seen(container(), SeenState::Created));
        index.starting(&container());
        let (gone, ended) = index.compare(since, vec![]);
        assert_eq!((gone.len(), ended.len()), (0, 0));
        index.started(&container(), true);
        let (gone, _) = index.compare(since, vec![seen(container(), SeenState::Created)]);
        assert_eq!(gone, []);
        assert_eq!(index.get(&container()).unwrap().state, State::Running);
    }
}
