//! A person's own keys: a TOML file of `name = "key"` or `name = ["key", "other"]`, by the names of the actions.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Deserialize;
use toml::Spanned;

use super::{Stroke, chain};
use crate::tui::action::{ACTIONS, Action, ActionInfo, Scope};

/// In force for the life of the program. There is one keyboard.
static OWN: OnceLock<BTreeMap<Action, &'static [&'static str]>> = OnceLock::new();

/// An action's keys: a person's own, else those of the table. The first is the one that is shown.
#[must_use]
pub fn keys(action: Action) -> &'static [&'static str] {
    let own = OWN.get().and_then(|own| own.get(&action).copied());
    own.unwrap_or(action.info().keys)
}

/// Keys that are to be used instead of those of the table.
#[derive(Clone, Debug, Default)]
pub struct OwnKeys(BTreeMap<Action, Vec<String>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum KeyText {
    One(String),
    Many(Vec<String>),
}

impl OwnKeys {
    /// Reads a file of keys; `file` is its name in messages.
    ///
    /// # Errors
    /// Not TOML, no such action, no such key, or a key that would mean two things in one place.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let read: BTreeMap<Spanned<String>, Spanned<KeyText>> =
            toml::from_str(text).map_err(|error| format!("{file}: {error}"))?;
        let mut own = Self::default();
        for (name, wanted) in &read {
            let place = |offset: usize, message: String| {
                let line = text
                    .get(..offset)
                    .map_or(1, |before| before.matches('\n').count() + 1);
                format!("{file}:{line}: {message}")
            };
            let known = ACTIONS.iter().find(|info| info.name == name.get_ref());
            let Some(info) = known else {
                let message = format!("no action {:?}; `kubeplay keys` lists them", name.get_ref());
                return Err(place(name.span().start, message));
            };
            let keys = match wanted.get_ref() {
                KeyText::One(key) => vec![key.clone()],
                KeyText::Many(keys) => keys.clone(),
            };
            if let Some(bad) = keys.iter().find(|key| Stroke::parse(key).is_none()) {
                let message = format!("{bad:?} is no key: `j`, `G`, `ctrl-d`, `space`, `pageup`");
                return Err(place(wanted.span().start, message));
            }
            if keys.is_empty() {
                let message = format!("{} would have no key", info.name);
                return Err(place(wanted.span().start, message));
            }
            own.0.insert(info.action, keys);
        }
        match own.clash() {
            Some(clash) => Err(format!("{file}: {clash}")),
            None => Ok(own),
        }
    }

    /// The keys that an action would have.
    fn of(&self, info: &ActionInfo) -> Vec<String> {
        let own = self.0.get(&info.action).cloned();
        own.unwrap_or_else(|| info.keys.iter().map(|key| (*key).to_owned()).collect())
    }

    /// A key that would mean two things where it can be pressed.
    fn clash(&self) -> Option<String> {
        for scope in Scope::ALL {
            let mut seen: BTreeMap<String, &str> = BTreeMap::new();
            let here = ACTIONS
                .iter()
                .filter(|info| chain(*scope).contains(&info.scope));
            for info in here {
                for key in self.of(info) {
                    if let Some(other) = seen.insert(key.clone(), info.name) {
                        return Some(format!("`{key}` would be both {other} and {}", info.name));
                    }
                }
            }
        }
        None
    }

    /// Puts them in force, once.
    pub fn install(self) {
        let leak = |keys: Vec<String>| -> &'static [&'static str] {
            // Kept for the life of the program, as the table is.
            let keys: Vec<&'static str> = keys.into_iter().map(|key| &*key.leak()).collect();
            keys.leak()
        };
        let own = self
            .0
            .into_iter()
            .map(|(action, keys)| (action, leak(keys)));
        // A second time changes nothing: there is one keyboard.
        let _ = OWN.set(own.collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_ones_own_are_read_and_their_mistakes_told() {
        let text = "freeze = \"F\"\nkill = [\"K\", \"ctrl-x\"]\n";
        let own = OwnKeys::parse("keys.toml", text).unwrap();
        assert_eq!(own.of(Action::Freeze.info()), ["F"]);
        assert_eq!(own.of(Action::Kill.info()), ["K", "ctrl-x"]);
        assert_eq!(own.of(Action::Quit.info()), ["q"]);
        let check = |text: &str, message: &str| {
            assert_eq!(OwnKeys::parse("k", text).unwrap_err(), message);
        };
        check(
            "\nfly = \"f\"",
            "k:2: no action \"fly\"; `kubeplay keys` lists them",
        );
        check(
            "freeze = \"ff\"",
            "k:1: \"ff\" is no key: `j`, `G`, `ctrl-d`, `space`, `pageup`",
        );
        check("freeze = []", "k:1: freeze would have no key");
        check("freeze = \"q\"", "k: `q` would be both freeze and quit");
    }
}
