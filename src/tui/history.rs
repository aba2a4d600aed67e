//! Where a person has been: places to go back to, and forward again.

use super::model::{ClusterModel, DecisionsModel, EventsModel, Model, RecoveryModel, View};

/// How many places are kept.
const LIMIT: usize = 50;

/// A view and what was selected in it.
#[derive(Clone, Debug)]
pub struct Place {
    pub view: View,
    cluster: ClusterModel,
    decisions: DecisionsModel,
    recovery: RecoveryModel,
    events: EventsModel,
}

impl Place {
    /// Where the person is.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        Self {
            view: model.view,
            cluster: model.cluster.clone(),
            decisions: model.decisions.clone(),
            recovery: model.recovery.clone(),
            events: model.events.clone(),
        }
    }

    /// Goes there. The filters stay as they are now: what is shown follows them.
    fn restore(self, model: &mut Model) {
        model.view = self.view;
        match self.view {
            View::Cluster => model.cluster = self.cluster,
            View::Decisions => {
                let text = std::mem::take(&mut model.decisions.list.text);
                model.decisions = self.decisions;
                model.decisions.list.text = text;
            }
            View::Recovery => {
                let text = std::mem::take(&mut model.recovery.list.text);
                model.recovery = self.recovery;
                model.recovery.list.text = text;
            }
            View::Events => {
                let kind = model.events.kind;
                let text = std::mem::take(&mut model.events.list.text);
                model.events = self.events;
                model.events.kind = kind;
                model.events.list.text = text;
            }
        }
    }
}

/// The places, latest last.
#[derive(Clone, Debug, Default)]
pub struct History {
    before: Vec<Place>,
    after: Vec<Place>,
}

impl History {
    /// Notes the place that was left for another.
    pub fn leave(&mut self, place: Place) {
        self.after.clear();
        self.before.push(place);
        if self.before.len() > LIMIT {
            self.before.remove(0);
        }
    }
}

/// Goes back; false if there is nowhere to go.
pub fn back(model: &mut Model) -> bool {
    let Some(place) = model.history.before.pop() else {
        return false;
    };
    let here = Place::of(model);
    model.history.after.push(here);
    place.restore(model);
    true
}

/// Goes forward again; false if there is nowhere to go.
pub fn forward(model: &mut Model) -> bool {
    let Some(place) = model.history.after.pop() else {
        return false;
    };
    let here = Place::of(model);
    model.history.before.push(here);
    place.restore(model);
    true
}
