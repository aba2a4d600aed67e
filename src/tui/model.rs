//! What the screen knows besides the snapshot: where the person is and what was said. Plain data, no handle, no clock.

use std::{sync::Arc, time::Duration};

use ratatui::layout::Size;

use super::{
    action::{Action, Scope},
    book::{self, Book},
    causes::Causes,
    census::Census,
    feed::{EntryKind, Feed, Filter},
    history::History,
    layout::{Areas, Class, Grid},
    list::ListModel,
    palette::PaletteModel,
    recovery::{self, Track, Tracks},
};
use crate::{
    api::{Key, Kind, Name, ObjectRef, Pod, Time},
    cluster::Snapshot,
    store::{Decision, Incident, Input, input::Target},
};

/// A view: its digit is its own for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    #[default]
    Cluster,
    Decisions,
    Recovery,
    Events,
}

impl View {
    /// Every view, in the order of the tabs.
    pub const ALL: [Self; 4] = [Self::Cluster, Self::Decisions, Self::Recovery, Self::Events];

    /// The action that goes there; its label is the view's name.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Cluster => Action::ViewCluster,
            Self::Decisions => Action::ViewDecisions,
            Self::Recovery => Action::ViewRecovery,
            Self::Events => Action::ViewEvents,
        }
    }

    /// The scope of its own keys.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Cluster => Scope::Cluster,
            Self::Decisions => Scope::Decisions,
            Self::Recovery => Scope::Recovery,
            Self::Events => Scope::Events,
        }
    }
}

/// A part of the Cluster view that can have the focus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Nodes,
    Pending,
}

/// How much of each node is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zoom {
    /// A box with a row for each pod.
    #[default]
    Rows,
    /// A line with a mark for each pod.
    Tiles,
    /// A cell: how much is requested of it.
    Heat,
}

/// Where the person is in the Cluster view.
#[derive(Clone, Debug, Default)]
pub struct ClusterModel {
    pub pane: Pane,
    pub node: Option<Name>,
    /// A pod on that node; none when the node itself is selected.
    pub pod: Option<Key>,
    /// The first row of boxes that is shown.
    pub first_row: usize,
    /// The selected pod among those that wait for a node.
    pub pending: Option<Key>,
    pub zoom: Zoom,
    /// What was last looked for.
    pub find: String,
}

/// What of a score is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scores {
    /// What counts: normalised, times the weight.
    #[default]
    Weighted,
    /// 0 to 100.
    Normalized,
    /// As the plugin gave it.
    Raw,
}

/// Where the person is in the Decisions view.
#[derive(Clone, Debug, Default)]
pub struct DecisionsModel {
    pub list: ListModel,
    /// Whether keys scroll the nodes of the decision instead of choosing another one.
    pub inside: bool,
    /// The first node that is shown.
    pub scroll: usize,
    pub scores: Scores,
}

/// Where the person is in the Recovery view.
#[derive(Clone, Debug, Default)]
pub struct RecoveryModel {
    pub list: ListModel,
    /// Whether keys scroll the pods of the incident instead of choosing another one.
    pub inside: bool,
    /// The first row beside the time axis.
    pub scroll: usize,
}

/// Where the person is in the Events view.
#[derive(Clone, Debug, Default)]
pub struct EventsModel {
    pub list: ListModel,
    pub kind: Option<EntryKind>,
}

impl EventsModel {
    /// The filter as it stands.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter {
            text: self.list.text.clone(),
            kind: self.kind,
        }
    }
}

/// What waits for a `y`.
#[derive(Clone, Debug)]
pub enum Pending {
    Quit,
    Send(Input),
}

/// A page that is read and scrolled.
#[derive(Clone, Debug)]
pub enum Page {
    /// Every key.
    Help,
    /// Everything about an object.
    Describe(ObjectRef),
    /// An object as Kubernetes writes it.
    Yaml(ObjectRef),
    /// What led to something, and what followed.
    Causes(Causes),
    /// A decision in words.
    Decision(u64),
    /// Every timing constant.
    Timing,
}

/// Something that lies over the view.
#[derive(Clone, Debug)]
pub enum Overlay {
    Page {
        page: Page,
        scroll: usize,
    },
    Faults,
    Confirm {
        question: String,
        then: Pending,
    },
    Palette(PaletteModel),
    /// The formats that can be written, over what is to be written.
    Exports(Option<Box<Overlay>>),
}

/// A line above the footer that goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    pub error: bool,
    /// Wall time at which it goes.
    pub until: Duration,
}

/// What the screen is told about the run when it starts.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What makes the pods, where no engine has said so.
    pub runtime: String,
}

/// What is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Nothing,
    Node(Name),
    Pod(Key),
}

/// Everything that the screen is drawn from.
#[derive(Clone, Debug)]
pub struct Model {
    pub snapshot: Arc<Snapshot>,
    pub census: Census,
    pub feed: Feed,
    pub book: Book,
    pub tracks: Tracks,
    pub about: About,
    pub size: Size,
    /// Wall time since the screen was opened.
    pub wall: Duration,
    /// Wall time at which the snapshot came.
    pub seen: Duration,
    pub view: View,
    pub cluster: ClusterModel,
    pub decisions: DecisionsModel,
    pub recovery: RecoveryModel,
    pub events: EventsModel,
    /// Whether a text is being typed: the view's filter.
    pub typing: bool,
    pub history: History,
    /// Wall time at which the screen was frozen, if it is.
    pub frozen: Option<Duration>,
    pub overlay: Option<Overlay>,
    pub toast: Option<Toast>,
    /// When `ctrl-c` was last pressed.
    pub interrupted: Option<Duration>,
    /// Whether the mouse is ours: the terminal cannot mark text then.
    pub mouse: bool,
    /// Numbers the writes that were sent.
    pub writes: u64,
}

impl Model {
    /// The model of a screen that is about to be drawn for the first time.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, about: About, size: Size) -> Self {
        let mut model = Self {
            snapshot,
            census: Census::default(),
            feed: Feed::default(),
            book: Book::default(),
            tracks: Tracks::default(),
            about,
            size,
            wall: Duration::ZERO,
            seen: Duration::ZERO,
            view: View::default(),
            cluster: ClusterModel::default(),
            decisions: DecisionsModel::default(),
            recovery: RecoveryModel::default(),
            events: EventsModel::default(),
            typing: false,
            history: History::default(),
            frozen: None,
            overlay: None,
            toast: None,
            interrupted: None,
            mouse: true,
            writes: 0,
        };
        let seen = model.feed.read(&model.snapshot.store);
        model.census.update(&model.snapshot, &seen);
        model.book.read(&model.snapshot.store);
        model.tracks.read(&model.snapshot.store);
        model
    }

    /// The cluster's time now: the snapshot's, and what has passed since.
    #[must_use]
    pub fn now(&self) -> Time {
        if self.snapshot.paused {
            self.snapshot.at
        } else {
            let wall = self.frozen.unwrap_or(self.wall);
            self.snapshot.at + wall.saturating_sub(self.seen)
        }
    }

    /// How much room there is.
    #[must_use]
    pub const fn class(&self) -> Class {
        Class::of(self.size)
    }

    /// The parts of the screen.
    #[must_use]
    pub fn areas(&self) -> Areas {
        Areas::new(self.size, self.view == View::Cluster)
    }

    /// The boxes of the nodes.
    #[must_use]
    pub fn grid(&self) -> Grid {
        let (class, nodes) = (self.class(), self.census.nodes.len());
        Grid::new(self.areas().body, class, nodes, self.cluster.zoom)
    }

    /// Where keys go.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match &self.overlay {
            Some(Overlay::Page { .. }) => Scope::Page,
            Some(Overlay::Faults) => Scope::Fault,
            Some(Overlay::Confirm { .. }) => Scope::Confirm,
            Some(Overlay::Palette(_)) => Scope::Palette,
            Some(Overlay::Exports(_)) => Scope::Export,
            None if self.typing => Scope::Text,
            None => self.view.scope(),
        }
    }

    /// The text that is typed in the view: its filter, or what is looked for.
    #[must_use]
    pub const fn text(&self) -> &String {
        match self.view {
            View::Cluster => &self.cluster.find,
            View::Decisions => &self.decisions.list.text,
            View::Recovery => &self.recovery.list.text,
            View::Events => &self.events.list.text,
        }
    }

    /// The decision that is selected in the Decisions view.
    #[must_use]
    pub fn decision(&self) -> Option<&Arc<Decision>> {
        book::decision(&self.snapshot.store, self.decisions.list.cursor)
    }

    /// The incident that is selected in the Recovery view, and what became of its pods.
    #[must_use]
    pub fn incident(&self) -> Option<(&Arc<Incident>, &Arc<Track>)> {
        let id = self.recovery.list.cursor;
        let incident = recovery::incident(&self.snapshot.store, id)?;
        Some((incident, self.tracks.get(id)?))
    }

    /// What the view is about: the object that is described, broken, mended.
    #[must_use]
    pub fn subject(&self) -> Option<ObjectRef> {
        match self.view {
            View::Cluster => match self.selection() {
                Selection::Nothing => None,
                Selection::Node(name) => Some(ObjectRef::new(Kind::Node, Key::cluster(name))),
                Selection::Pod(key) => Some(ObjectRef::new(Kind::Pod, key)),
            },
            View::Decisions => self
                .decision()
                .map(|decision| ObjectRef::new(Kind::Pod, decision.pod.clone())),
            View::Recovery => self.incident().map(|(incident, _)| match &incident.target {
                Target::Node(name) => ObjectRef::new(Kind::Node, Key::cluster(name.clone())),
                Target::Pod(key) => ObjectRef::new(Kind::Pod, key.clone()),
            }),
            View::Events => self
                .feed
                .get(self.events.list.cursor)
                .map(|entry| entry.object.clone()),
        }
    }

    /// What is selected in the Cluster view.
    #[must_use]
    pub fn selection(&self) -> Selection {
        let pod = match self.cluster.pane {
            Pane::Nodes => &self.cluster.pod,
            Pane::Pending => &self.cluster.pending,
        };
        match (pod, &self.cluster.node, self.cluster.pane) {
            (Some(pod), ..) => Selection::Pod(pod.clone()),
            (None, Some(node), Pane::Nodes) => Selection::Node(node.clone()),
            _ => Selection::Nothing,
        }
    }

    /// A pod of the snapshot.
    #[must_use]
    pub fn pod(&self, key: &Key) -> Option<&Arc<Pod>> {
        self.snapshot.store.objects.pods.get(key)
    }

    /// What a fault would be aimed at.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        let subject = self.subject()?;
        match subject.kind {
            Kind::Node => Some(Target::Node(subject.key.name)),
            Kind::Pod => Some(Target::Pod(subject.key)),
            _ => None,
        }
    }

    /// The pending panel's rows, as many as are asked for.
    pub fn pending(&self, rows: usize) -> impl Iterator<Item = &Arc<Pod>> {
        let unbound = self.snapshot.store.objects.unbound_pods();
        unbound.filter(|pod| !pod.is_terminal()).take(rows)
    }

    /// The first pod that waits for a node.
    #[must_use]
    pub fn first_pending(&self) -> Option<Key> {
        self.pending(1).next().map(|pod| pod.meta.key.clone())
    }

    /// Says something in the line above the footer.
    pub fn say(&mut self, text: impl Into<String>) {
        let until = self.wall + Duration::from_secs(6);
        self.toast = Some(Toast {
            text: text.into(),
            error: false,
            until,
        });
    }

    /// Says that something went wrong.
    pub fn complain(&mut self, text: impl Into<String>) {
        let until = self.wall + Duration::from_secs(10);
        self.toast = Some(Toast {
            text: text.into(),
            error: true,
            until,
        });
    }
}
