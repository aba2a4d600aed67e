//! The palette: every action and every object, found by a few of their letters.

use super::{
    action::{Action, Scope},
    keymap,
    model::Model,
};
use crate::{
    api::{Key, Kind, ObjectRef},
    store::Objects,
};

/// How many rows are kept.
const LIMIT: usize = 200;

/// Something that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Action(Action),
    Object(ObjectRef),
}

impl Item {
    /// What is typed to find it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Action(action) => action.info().name.to_owned(),
            Self::Object(object) => {
                format!(
                    "{}/{}",
                    object.kind.as_str().to_lowercase(),
                    object.key.name
                )
            }
        }
    }
}

/// The palette as it stands.
#[derive(Clone, Debug, Default)]
pub struct PaletteModel {
    pub text: String,
    /// What was found, best first.
    pub items: Vec<Item>,
    pub cursor: usize,
}

impl PaletteModel {
    /// The palette of a view, for a text.
    #[must_use]
    pub fn new(model: &Model, text: String) -> Self {
        let wanted: Vec<char> = text.to_lowercase().chars().filter(|c| *c != ' ').collect();
        let mut found: Vec<(i64, Item)> = Vec::new();
        let mut add = |name: &str, item: &dyn Fn() -> Item| {
            if let Some(score) = score(name, &wanted) {
                found.push((score, item()));
            }
        };
        let scope = model.view.scope();
        let shown = |scope: Scope| scope != Scope::Always;
        let here = keymap::reachable(scope).filter(|info| shown(info.scope));
        for info in here.chain(keymap::reachable(Scope::Fault).filter(|info| shown(info.scope))) {
            let skip = matches!(info.action, Action::Palette | Action::CloseMenu);
            if !skip {
                add(info.name, &|| Item::Action(info.action));
            }
        }
        if !wanted.is_empty() {
            objects(&model.snapshot.store.objects, &mut add);
        }
        // Stable: actions before objects, and both in their own order, among equals.
        found.sort_by_key(|(score, _)| -score);
        found.truncate(LIMIT);
        let items = found.into_iter().map(|(_, item)| item).collect();
        Self {
            text,
            items,
            cursor: 0,
        }
    }

    /// What would be taken.
    #[must_use]
    pub fn chosen(&self) -> Option<&Item> {
        self.items.get(self.cursor)
    }

    /// Moves the cursor.
    pub fn step(&mut self, by: isize) {
        let last = self.items.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }
}

/// Offers the objects that a person asks for by name.
fn objects(objects: &Objects, add: &mut dyn FnMut(&str, &dyn Fn() -> Item)) {
    let mut offer = |kind: Kind, key: &Key| {
        let item = || Item::Object(ObjectRef::new(kind, key.clone()));
        add(&key.name, &item);
    };
    for key in objects.nodes.keys() {
        offer(Kind::Node, key);
    }
    for key in objects.deployments.keys() {
        offer(Kind::Deployment, key);
    }
    for key in objects.services.keys() {
        offer(Kind::Service, key);
    }
    for key in objects.pods.keys() {
        offer(Kind::Pod, key);
    }
    for key in objects.replica_sets.keys() {
        offer(Kind::ReplicaSet, key);
    }
}

/// How well a name answers to some letters, which must come in it in their order; none if they do not.
///
/// Letters that follow one another and letters at the beginning of a word count more; a short name counts more than a
/// long one.
fn score(name: &str, wanted: &[char]) -> Option<i64> {
    let mut rest = wanted.iter().peekable();
    let mut sum = 0;
    let (mut run, mut before) = (0, None);
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        if rest.peek() == Some(&&c) {
            rest.next();
            let begins = before.is_none_or(|before: char| !before.is_alphanumeric());
            run += 1;
            sum += 2 * run + if begins { 6 } else { 0 };
        } else {
            run = 0;
        }
        before = Some(c);
    }
    let length = i64::try_from(name.len()).unwrap_or(i64::MAX);
    rest.peek().is_none().then(|| sum * 8 - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_must_come_in_their_order() {
        let matches = |name: &str, letters: &str| {
            let letters: Vec<char> = letters.chars().collect();
            score(name, &letters)
        };
        assert!(matches("view-decisions", "vd").is_some());
        assert!(matches("view-decisions", "dv").is_none());
        assert!(matches("node-12", "n12") > matches("node-112", "n12"));
        assert!(matches("kill", "kill") > matches("skillet", "kill"));
        assert!(matches("anything", "").is_some());
    }
}
