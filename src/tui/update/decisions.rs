//! Moving about in the Decisions view, and the way to it.

use super::{cluster::jump, lists};
use crate::{
    api::{Kind, ObjectRef, Time},
    store::decision::Verdict,
    tui::{
        action::Action,
        book,
        model::{Model, Scores, View},
        view::decisions::{most_scroll, rows},
    },
};

/// Takes an action of the Decisions view.
pub fn act(model: &mut Model, action: Action) {
    match action {
        Action::NextPane | Action::PrevPane => model.decisions.inside = !model.decisions.inside,
        Action::Right => model.decisions.inside = true,
        Action::Left => model.decisions.inside = false,
        Action::Raw => {
            model.decisions.scores = match model.decisions.scores {
                Scores::Weighted => Scores::Raw,
                Scores::Raw => Scores::Normalized,
                Scores::Normalized => Scores::Weighted,
            };
        }
        Action::Open => open(model),
        _ if model.decisions.inside => {
            let most = most_scroll(model);
            lists::scroll(&mut model.decisions.scroll, most, action);
        }
        _ => {
            let before = model.decisions.list.cursor;
            let height = rows(model);
            let list = &mut model.decisions.list;
            lists::move_newest_first(list, model.book.rows(), action, height);
            if model.decisions.list.cursor != before {
                model.decisions.scroll = 0;
            }
        }
    }
}

/// Goes to the pod that was decided about, else to the node that it was sent to.
fn open(model: &mut Model) {
    let Some(decision) = model.decision().cloned() else {
        return;
    };
    let pod = ObjectRef::new(Kind::Pod, decision.pod.clone());
    if jump(model, &pod) {
        return;
    }
    if let Verdict::Bound { node } = &decision.verdict {
        let node = ObjectRef::new(Kind::Node, crate::api::Key::cluster(node.clone()));
        jump(model, &node);
    }
    model.say(format!("pod {} is gone", decision.pod.name));
}

/// After the view's room or its rows changed.
pub fn keep(model: &mut Model) {
    let height = rows(model);
    model.decisions.list.keep(model.book.rows(), height);
    model.decisions.scroll = model.decisions.scroll.min(most_scroll(model));
}

/// Goes to the decision about what is selected; false if there is none.
pub fn go(model: &mut Model) -> bool {
    let Some(subject) = model.subject() else {
        model.say("nothing is selected");
        return false;
    };
    let until = match model.view {
        View::Events => model
            .feed
            .get(model.events.list.cursor)
            .map_or(Time::MAX, |entry| entry.at),
        View::Cluster | View::Decisions | View::Recovery => Time::MAX,
    };
    // An incident's decision is the one about the first pod that was made anew.
    let replaced = match (model.view, model.incident()) {
        (View::Recovery, Some((_, track))) => track.replacements.first().map(|pod| pod.key.clone()),
        _ => None,
    };
    let subject = replaced.map_or(subject, |key| ObjectRef::new(Kind::Pod, key));
    let Some(number) = find(model, &subject, until) else {
        let name = &subject.key.name;
        model.say(format!("no decision about {name} is kept"));
        return false;
    };
    select(model, number);
    true
}

/// The last decision about a pod, or in favour of a node, until a time; else the last one at all.
fn find(model: &Model, subject: &ObjectRef, until: Time) -> Option<u64> {
    let store = &model.snapshot.store;
    let about = |decision: &&std::sync::Arc<crate::store::Decision>| match subject.kind {
        Kind::Pod => decision.pod == subject.key,
        Kind::Node => {
            matches!(&decision.verdict, Verdict::Bound { node } if *node == subject.key.name)
        }
        _ => false,
    };
    let mut all = store.decisions.iter().rev().filter(about).peekable();
    let newest = all.peek().map(|decision| decision.number);
    let until = all.find(|decision| decision.at <= until);
    until.map(|decision| decision.number).or(newest)
}

/// Selects a decision that is shown.
pub fn choose(model: &mut Model, number: u64) {
    let height = rows(model);
    let list = &mut model.decisions.list;
    list.select(number, model.book.rows(), height);
    model.decisions.scroll = 0;
    model.decisions.inside = false;
}

/// Shows a decision.
pub fn select(model: &mut Model, number: u64) {
    super::show(model, View::Decisions);
    if !model.book.rows().contains(&number) {
        set_text(model, String::new());
    }
    choose(model, number);
}

/// Shows only decisions that contain a text.
pub fn set_text(model: &mut Model, text: String) {
    model.book.set_text(&text, &model.snapshot.store);
    model.decisions.list.text = text;
    keep(model);
}

/// The log's record of the selected decision.
pub fn record(model: &Model) -> Option<u64> {
    let decision = model.decision()?;
    book::record(&model.snapshot.store, decision)
}
