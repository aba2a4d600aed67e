//! What the screen knows besides the snapshot: where the person is and what was said. Plain data, no handle, no clock.

use std::{sync::Arc, time::Duration};

use ratatui::layout::Size;

use super::{
    action::Scope,
    census::Census,
    feed::{EntryKind, Feed, Filter},
    layout::{Areas, Class, Grid},
};
use crate::{
    api::{Key, Name, Pod, Time},
    cluster::Snapshot,
    store::{Input, input::Target},
};

/// A view: its digit is its own for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    #[default]
    Cluster,
    Events,
}

/// A part of the Cluster view that can have the focus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Nodes,
    Pending,
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
}

/// Where the person is in the Events view.
#[derive(Clone, Debug)]
pub struct EventsModel {
    /// Whether the newest event is selected, whatever comes.
    pub follow: bool,
    pub cursor: u64,
    /// The last entry on the screen when not following.
    pub bottom: u64,
    /// Whether a filter is being typed.
    pub typing: bool,
    pub text: String,
    pub kind: Option<EntryKind>,
}

impl Default for EventsModel {
    fn default() -> Self {
        Self {
            follow: true,
            cursor: 0,
            bottom: 0,
            typing: false,
            text: String::new(),
            kind: None,
        }
    }
}

impl EventsModel {
    /// The filter as it stands.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter {
            text: self.text.clone(),
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

/// Something that lies over the view.
#[derive(Clone, Debug)]
pub enum Overlay {
    Help { scroll: usize },
    Details { scroll: usize },
    Faults,
    Confirm { question: String, then: Pending },
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
    pub about: About,
    pub size: Size,
    /// Wall time since the screen was opened.
    pub wall: Duration,
    /// Wall time at which the snapshot came.
    pub seen: Duration,
    pub view: View,
    pub cluster: ClusterModel,
    pub events: EventsModel,
    pub overlay: Option<Overlay>,
    pub toast: Option<Toast>,
    /// When `ctrl-c` was last pressed.
    pub interrupted: Option<Duration>,
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
            about,
            size,
            wall: Duration::ZERO,
            seen: Duration::ZERO,
            view: View::default(),
            cluster: ClusterModel::default(),
            events: EventsModel::default(),
            overlay: None,
            toast: None,
            interrupted: None,
            writes: 0,
        };
        let seen = model.feed.read(&model.snapshot.store);
        model.census.update(&model.snapshot, seen);
        model
    }

    /// The cluster's time now: the snapshot's, and what has passed since.
    #[must_use]
    pub fn now(&self) -> Time {
        if self.snapshot.paused {
            self.snapshot.at
        } else {
            self.snapshot.at + self.wall.saturating_sub(self.seen)
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
        Grid::new(self.areas().body, self.class(), self.census.nodes.len())
    }

    /// Where keys go.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match (&self.overlay, self.view) {
            (Some(Overlay::Help { .. } | Overlay::Details { .. }), _) => Scope::Page,
            (Some(Overlay::Faults), _) => Scope::Fault,
            (Some(Overlay::Confirm { .. }), _) => Scope::Confirm,
            (None, View::Events) if self.events.typing => Scope::Filter,
            (None, View::Events) => Scope::Events,
            (None, View::Cluster) => Scope::Cluster,
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

    /// What a fault on the selection would be aimed at.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        match self.selection() {
            Selection::Nothing => None,
            Selection::Node(name) => Some(Target::Node(name)),
            Selection::Pod(key) => Some(Target::Pod(key)),
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
