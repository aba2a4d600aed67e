//! What follows from a message: a changed model, and commands for the loop. No I/O.

mod cluster;
mod events;
pub mod fault;

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Size;

use super::{
    action::{Action, Scope},
    keymap::{self, Stroke},
    model::{Model, Overlay, Pending, View},
    overlay,
};
use crate::{
    cluster::Snapshot,
    store::{Incident, Input, WriteRequest, input::Fault},
};

/// How long the second `ctrl-c` may take.
const TWICE: Duration = Duration::from_secs(2);

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// Wall time since the screen was opened.
    Tick(Duration),
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Resize(Size),
    /// The cluster published.
    Snapshot(Arc<Snapshot>),
    /// A write was refused.
    Refused(String),
    /// The program was stopped for a while and goes on.
    Resumed,
}

/// Something that the loop is to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send an input to the cluster.
    Send(Input),
    /// Write to the API and report if it is refused.
    Write(WriteRequest),
    /// Leave.
    Quit,
    /// Give the terminal back and stop until continued.
    Suspend,
    /// Draw every cell again.
    Redraw,
}

/// Takes a message.
pub fn update(model: &mut Model, message: Message) -> Vec<Command> {
    match message {
        Message::Tick(wall) => {
            model.wall = wall;
            model.toast.take_if(|toast| toast.until <= wall);
        }
        Message::Resize(size) => {
            model.size = size;
            cluster::reveal(model);
            events::reveal(model);
        }
        Message::Snapshot(snapshot) => take_snapshot(model, snapshot),
        Message::Refused(message) => model.complain(message),
        Message::Resumed => model.seen = model.wall,
        Message::Key(event) => {
            if let Some(stroke) = Stroke::from_event(event) {
                return key(model, stroke);
            }
        }
    }
    Vec::new()
}

fn take_snapshot(model: &mut Model, snapshot: Arc<Snapshot>) {
    let old = std::mem::replace(&mut model.snapshot, snapshot);
    model.seen = model.wall;
    let cursor_event = model.events.cursor;
    let seen = model.feed.read(&model.snapshot.store);
    model.census.update(&model.snapshot, seen);
    cluster::keep_selection(model);
    events::keep_cursor(model, cursor_event);
    announce(model, &old);
}

/// Says which incidents began and ended between two snapshots.
fn announce(model: &mut Model, old: &Snapshot) {
    let known = |id: u64| {
        old.store
            .incidents
            .iter()
            .rev()
            .find(|incident| incident.id == id)
    };
    let snapshot = Arc::clone(&model.snapshot);
    for incident in snapshot.store.incidents.iter().rev().take(8) {
        match (known(incident.id), incident.recovered) {
            (None, _) => model.say(format!("#{} {}", incident.id, began(incident))),
            (Some(before), Some(at)) if before.recovered.is_none() => {
                let seconds = at.since(incident.at).as_secs_f64();
                model.say(format!("#{} recovered in {seconds:.1} s", incident.id));
            }
            _ => {}
        }
    }
}

fn began(incident: &Incident) -> String {
    match incident.fault {
        Fault::Reboot => format!("{} {}", verb(incident.fault), incident.target),
        Fault::Kill | Fault::CutHeartbeats => {
            format!(
                "{} {} — {} heals it",
                verb(incident.fault),
                incident.target,
                Action::Heal.key()
            )
        }
    }
}

/// A fault in the past tense.
#[must_use]
pub const fn verb(fault: Fault) -> &'static str {
    match fault {
        Fault::Kill => "killed",
        Fault::Reboot => "rebooted",
        Fault::CutHeartbeats => "cut off",
    }
}

fn key(model: &mut Model, stroke: Stroke) -> Vec<Command> {
    let scope = model.scope();
    if let Some(action) = keymap::find(scope, stroke) {
        return act(model, action);
    }
    match (scope, stroke.code, stroke.ctrl) {
        (Scope::Filter, KeyCode::Char(c), false) => events::type_char(model, c),
        // Any other key answers no: a question is not there to be in the way.
        (Scope::Confirm | Scope::Fault, ..) => model.overlay = None,
        _ => {}
    }
    Vec::new()
}

/// Takes an action.
pub fn act(model: &mut Model, action: Action) -> Vec<Command> {
    match action {
        Action::Interrupt => return interrupt(model),
        Action::Suspend => return vec![Command::Suspend],
        Action::Redraw => return vec![Command::Redraw],
        Action::Quit => return quit(model),
        Action::Pause => return vec![Command::Send(Input::Pause(!model.snapshot.paused))],
        Action::Step => return vec![Command::Send(Input::StepOne)],
        Action::ViewCluster => show(model, View::Cluster),
        Action::ViewEvents => show(model, View::Events),
        Action::Help => model.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::Faults => fault::open_menu(model),
        Action::Heal => return fault::heal(model),
        Action::Kill | Action::Reboot | Action::CutHeartbeats | Action::Cordon => {
            return fault::fire(model, action);
        }
        Action::Yes => return confirmed(model),
        Action::No | Action::CloseMenu | Action::ClosePage => model.overlay = None,
        Action::ScrollDown => overlay::scroll(model, 1),
        Action::ScrollUp => overlay::scroll(model, -1),
        Action::ScrollPageDown => overlay::scroll(model, 10),
        Action::ScrollPageUp => overlay::scroll(model, -10),
        _ => match model.view {
            View::Cluster => cluster::act(model, action),
            View::Events => events::act(model, action),
        },
    }
    Vec::new()
}

/// Goes to a view.
pub fn show(model: &mut Model, view: View) {
    model.view = view;
    model.overlay = None;
    cluster::reveal(model);
    events::reveal(model);
}

fn interrupt(model: &mut Model) -> Vec<Command> {
    let again = model
        .interrupted
        .is_some_and(|before| model.wall.saturating_sub(before) <= TWICE);
    if again {
        return vec![Command::Quit];
    }
    model.interrupted = Some(model.wall);
    model.say("ctrl-c again within 2 s to quit");
    Vec::new()
}

fn quit(model: &mut Model) -> Vec<Command> {
    if model.view != View::Cluster {
        show(model, View::Cluster);
        return Vec::new();
    }
    let pods = model.snapshot.store.objects.all_pods().active;
    if model.census.real && pods > 0 {
        let question = format!("Quit? The containers of {pods} pods are removed.");
        model.overlay = Some(Overlay::Confirm {
            question,
            then: Pending::Quit,
        });
        return Vec::new();
    }
    vec![Command::Quit]
}

fn confirmed(model: &mut Model) -> Vec<Command> {
    match model.overlay.take() {
        Some(Overlay::Confirm {
            then: Pending::Quit,
            ..
        }) => vec![Command::Quit],
        Some(Overlay::Confirm {
            then: Pending::Send(input),
            ..
        }) => vec![Command::Send(input)],
        other => {
            model.overlay = other;
            Vec::new()
        }
    }
}
