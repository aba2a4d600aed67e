//! Keys, and which action each means where: as the table of actions says, or as a person says in a file.

mod own;

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::action::{ACTIONS, Action, ActionInfo, Scope};

pub use own::{OwnKeys, keys};

/// A key with `ctrl` or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    pub code: KeyCode,
    pub ctrl: bool,
}

const NAMED: &[(&str, KeyCode)] = &[
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

impl Stroke {
    /// The key of an event: pressed or repeated, not released, and without `alt`.
    #[must_use]
    pub fn from_event(event: KeyEvent) -> Option<Self> {
        let pressed = matches!(event.kind, KeyEventKind::Press | KeyEventKind::Repeat);
        let plain = !event
            .modifiers
            .intersects(KeyModifiers::ALT | KeyModifiers::SUPER);
        (pressed && plain).then(|| Self {
            code: event.code,
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        })
    }

    /// A key by its name in the table of actions (`j`, `ctrl-d`, `space`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ctrl, name) = match text.strip_prefix("ctrl-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let named = NAMED
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, code)| *code);
        let mut chars = name.chars();
        let code = match (named, chars.next(), chars.next()) {
            (Some(code), ..) => code,
            (None, Some(c), None) => KeyCode::Char(c),
            _ => return None,
        };
        Some(Self { code, ctrl })
    }
}

impl fmt::Display for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        match NAMED.iter().find(|(_, code)| *code == self.code) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.code),
        }
    }
}

/// The scopes whose actions can be taken in a scope.
const fn chain(scope: Scope) -> &'static [Scope] {
    use Scope::{
        Always, Cluster, Common, Confirm, Decisions, Events, Fault, Global, Page, Palette,
        Recovery, Text,
    };
    match scope {
        Always => &[Always],
        Common => &[Always, Common],
        Global => &[Always, Common, Global],
        Cluster => &[Always, Common, Global, Cluster],
        Decisions => &[Always, Common, Global, Decisions],
        Recovery => &[Always, Common, Global, Recovery],
        Events => &[Always, Common, Global, Events],
        Page => &[Always, Common, Page],
        Fault => &[Always, Fault],
        Scope::Export => &[Always, Scope::Export],
        Confirm => &[Always, Confirm],
        Text => &[Always, Text],
        Palette => &[Always, Text, Palette],
    }
}

/// The actions that can be taken in a scope.
pub fn reachable(scope: Scope) -> impl Iterator<Item = &'static ActionInfo> {
    ACTIONS
        .iter()
        .filter(move |info| chain(scope).contains(&info.scope))
}

/// What a key means in a scope.
#[must_use]
pub fn find(scope: Scope, stroke: Stroke) -> Option<Action> {
    reachable(scope)
        .find(|info| {
            let keys = keys(info.action).iter();
            keys.filter_map(|key| Stroke::parse(key))
                .any(|key| key == stroke)
        })
        .map(|info| info.action)
}
