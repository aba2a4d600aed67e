//! What follows from a message: a changed model, and commands for the loop. No I/O.

mod cluster;
mod decisions;
mod events;
pub mod fault;
mod lists;
mod mouse;
mod recovery;
mod typing;

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, MouseEvent};
use ratatui::layout::Size;

use super::{
    action::{Action, Scope},
    causes::Causes,
    export::Format,
    history::{self, Place},
    keymap::{self, Stroke},
    model::{Model, Overlay, Page, Pending, View},
    overlay,
};
use crate::{
    api::ObjectRef,
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
    /// The mouse was pressed, or its wheel turned.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(Size),
    /// The cluster published.
    Snapshot(Arc<Snapshot>),
    /// A write was refused.
    Refused(String),
    /// Something that was asked for is done.
    Done(String),
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
    /// Write what is shown to a file.
    Export(Format),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Change to the next theme.
    NextTheme,
    /// Put a text on the terminal's clipboard.
    Copy(String),
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
            keep(model);
        }
        // What is frozen stays as it is; the loop brings the newest one afterwards.
        Message::Snapshot(_) if model.frozen.is_some() => {}
        Message::Snapshot(snapshot) => take_snapshot(model, snapshot),
        Message::Refused(message) => model.complain(message),
        Message::Done(message) => model.say(message),
        Message::Resumed => model.seen = model.wall,
        Message::Mouse(event) => return mouse::take(model, event),
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
    let seen = model.feed.read(&model.snapshot.store);
    model.census.update(&model.snapshot, &seen);
    model.book.read(&model.snapshot.store);
    model.tracks.read(&model.snapshot.store);
    if let Some(Overlay::Page {
        page: Page::Causes(causes),
        ..
    }) = &mut model.overlay
    {
        causes.read(&model.snapshot.store);
    }
    cluster::keep_selection(model);
    keep(model);
    announce(model, &old);
}

/// After rows or the room for them changed: what is selected stays selected and on the screen.
fn keep(model: &mut Model) {
    cluster::reveal(model);
    decisions::keep(model);
    recovery::keep(model);
    events::keep(model);
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
        (Scope::Text | Scope::Palette, KeyCode::Char(c), false) => typing::type_char(model, c),
        // Any other key answers no: a question is not there to be in the way.
        (Scope::Confirm | Scope::Fault, ..) => model.overlay = None,
        (Scope::Export, ..) => close_export(model),
        _ => {}
    }
    Vec::new()
}

/// Takes an action. A view that was left for another can be gone back to.
pub fn act(model: &mut Model, action: Action) -> Vec<Command> {
    let place = Place::of(model);
    let commands = take(model, action);
    let stepped = matches!(
        action,
        Action::HistoryBack | Action::HistoryForward | Action::Back | Action::Quit
    );
    if model.view != place.view && !stepped {
        model.history.leave(place);
    }
    commands
}

fn take(model: &mut Model, action: Action) -> Vec<Command> {
    match action {
        Action::Interrupt => return interrupt(model),
        Action::Suspend => return vec![Command::Suspend],
        Action::Redraw => return vec![Command::Redraw],
        Action::Quit => return quit(model),
        Action::Pause => return vec![Command::Send(Input::Pause(!model.snapshot.paused))],
        Action::Step => return vec![Command::Send(Input::StepOne)],
        Action::ViewCluster => show(model, View::Cluster),
        Action::ViewDecisions => show(model, View::Decisions),
        Action::ViewRecovery => show(model, View::Recovery),
        Action::ViewEvents => show(model, View::Events),
        Action::Decide => {
            decisions::go(model);
        }
        Action::HistoryBack | Action::HistoryForward => step_history(model, action),
        Action::Back => back(model),
        Action::Freeze => freeze(model),
        Action::Filter => {
            model.overlay = None;
            model.typing = true;
        }
        Action::Palette => typing::open_palette(model),
        Action::Help => open(model, Page::Help),
        Action::TimingTable => open(model, Page::Timing),
        Action::Describe => describe(model),
        Action::Yaml => about(model, Page::Yaml),
        Action::Why => why(model),
        Action::Copy => return copy(model),
        Action::Mouse => {
            model.mouse = !model.mouse;
            let words = if model.mouse {
                "the mouse chooses; most terminals still mark text with shift"
            } else {
                "the mouse is the terminal's: it marks text"
            };
            model.say(words);
            return vec![Command::Mouse(model.mouse)];
        }
        Action::NextTheme => return vec![Command::NextTheme],
        Action::Export => {
            let under = model.overlay.take().map(Box::new);
            model.overlay = Some(Overlay::Exports(under));
        }
        Action::CloseExport => close_export(model),
        Action::ExportText => return export(model, Format::Text),
        Action::ExportJson => return export(model, Format::Json),
        Action::ExportSvg => return export(model, Format::Svg),
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
        Action::ScrollFirst => overlay::scroll(model, isize::MIN),
        Action::ScrollLast => overlay::scroll(model, isize::MAX),
        Action::TextAccept
        | Action::TextCancel
        | Action::TextErase
        | Action::TextClear
        | Action::PaletteUp
        | Action::PaletteDown => return typing::act(model, action),
        _ => match model.view {
            View::Cluster => cluster::act(model, action),
            View::Decisions => decisions::act(model, action),
            View::Recovery => recovery::act(model, action),
            View::Events => events::act(model, action),
        },
    }
    Vec::new()
}

/// Goes to a view.
pub fn show(model: &mut Model, view: View) {
    model.view = view;
    model.overlay = None;
    model.typing = false;
    keep(model);
}

/// Opens a page.
fn open(model: &mut Model, page: Page) {
    model.overlay = Some(Overlay::Page { page, scroll: 0 });
}

/// What an open page is about, else what the view is about.
fn subject(model: &Model) -> Option<ObjectRef> {
    match &model.overlay {
        Some(Overlay::Page {
            page: Page::Describe(object) | Page::Yaml(object),
            ..
        }) => Some(object.clone()),
        _ => model.subject(),
    }
}

/// Opens a page about an object.
fn about(model: &mut Model, page: impl FnOnce(ObjectRef) -> Page) {
    match subject(model) {
        Some(object) => open(model, page(object)),
        None => model.say("nothing is selected"),
    }
}

/// Everything about what is selected: in the Decisions view the decision, else the object.
fn describe(model: &mut Model) {
    match (model.decision().map(|decision| decision.number), model.view) {
        (Some(number), View::Decisions) if model.overlay.is_none() => {
            open(model, Page::Decision(number));
        }
        _ => about(model, Page::Describe),
    }
}

/// Opens the causes of what is selected: of a page's object, an event, a decision, else an object.
fn why(model: &mut Model) {
    let store = &model.snapshot.store;
    let on_page = matches!(model.overlay, Some(Overlay::Page { .. }));
    let causes = match (on_page, model.view) {
        (false, View::Decisions) => model.decision().and_then(|decision| {
            let title = format!("decision {} about {}", decision.number, decision.pod.name);
            Some(Causes::of(title, decisions::record(model)?, store))
        }),
        (false, View::Recovery) => model.incident().map(|(incident, _)| {
            let title = format!("incident #{}", incident.id);
            Causes::of(title, incident.record, store)
        }),
        (false, View::Events) => {
            let record = model.events.list.cursor;
            model.feed.get(record).map(|entry| {
                let title = format!("{} {}", entry.reason, entry.object_text());
                Causes::of(title, record, store)
            })
        }
        _ => subject(model).map(|object| Causes::of_object(&object, store)),
    };
    match causes {
        Some(causes) => open(model, Page::Causes(causes)),
        None => model.say("nothing is known of its causes"),
    }
}

fn step_history(model: &mut Model, action: Action) {
    let found = match action {
        Action::HistoryBack => history::back(model),
        _ => history::forward(model),
    };
    if found {
        model.overlay = None;
        cluster::keep_selection(model);
        keep(model);
    } else {
        model.say("there is nowhere to go");
    }
}

/// One step back: out of a part, out of the filter, to the view before.
fn back(model: &mut Model) {
    let cleared = match model.view {
        View::Cluster => return cluster::back(model),
        View::Decisions if model.decisions.inside => {
            model.decisions.inside = false;
            true
        }
        View::Decisions if !model.decisions.list.text.is_empty() => {
            decisions::set_text(model, String::new());
            true
        }
        View::Decisions => false,
        View::Recovery => recovery::clear(model),
        View::Events => events::clear(model),
    };
    if !cleared && !history::back(model) {
        show(model, View::Cluster);
    }
    cluster::keep_selection(model);
    keep(model);
}

/// Holds the screen still, or lets it go on.
fn freeze(model: &mut Model) {
    if model.frozen.take().is_none() {
        model.frozen = Some(model.wall);
        model.say(format!(
            "the screen is frozen, the cluster goes on; {} lets it go",
            Action::Freeze.key()
        ));
    }
}

/// Back to what the menu of formats lay over.
fn close_export(model: &mut Model) {
    if let Some(Overlay::Exports(under)) = model.overlay.take() {
        model.overlay = under.map(|under| *under);
    }
}

fn export(model: &mut Model, format: Format) -> Vec<Command> {
    close_export(model);
    vec![Command::Export(format)]
}

/// Copies the open page, else the name of what is selected.
fn copy(model: &mut Model) -> Vec<Command> {
    let page = overlay::page_text(model);
    let text = page.or_else(|| model.subject().map(|object| object.key.name.to_string()));
    let Some(text) = text else {
        model.say("nothing is selected");
        return Vec::new();
    };
    match text.lines().count() {
        0 | 1 => model.say(format!("copied {text}")),
        lines => model.say(format!("copied {lines} lines")),
    }
    vec![Command::Copy(text)]
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
