//! What a person can do: one table. The key map, the help, the footer and the tests are readings of it.

macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident $title:literal;)*) => {
        /// Where an action can be taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Scope { $($(#[$doc])* $scope,)* }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$scope,)*];

            /// The scope's heading in the help.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$scope => $title,)* }
            }
        }
    };
}

scopes! {
    /// Always, whatever lies over the view.
    Always "always";
    /// In every view and on every page.
    Common "in views and on pages";
    /// In every view.
    Global "in every view";
    /// In the Cluster view.
    Cluster "Cluster";
    /// In the Decisions view.
    Decisions "Decisions";
    /// In the Recovery view.
    Recovery "Recovery";
    /// In the Events view.
    Events "Events";
    /// In the menu of faults.
    Fault "after x: faults on the selection";
    /// In the menu of formats.
    Export "after E: what to write";
    /// While a question waits for an answer.
    Confirm "when asked";
    /// On a page that is read: help, describe, YAML.
    Page "on a page";
    /// While a text is typed.
    Text "while typing";
    /// In the palette.
    Palette "in the palette";
}

/// What an action can do to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    /// It changes what is shown.
    None,
    /// It changes the cluster and can be undone by another key.
    Changes,
    /// It kills: behind `x` or a question.
    Destroys,
}

/// An action and everything that is said about it.
#[derive(Debug)]
pub struct ActionInfo {
    pub action: Action,
    /// Kebab-case name, for key files and the palette.
    pub name: &'static str,
    pub scope: Scope,
    pub danger: Danger,
    /// Default keys; the first is the one that is shown.
    pub keys: &'static [&'static str],
    /// A word or two for the footer and the menus.
    pub label: &'static str,
    /// A sentence for the help.
    pub description: &'static str,
}

macro_rules! actions {
    ($($action:ident $name:literal $scope:ident $danger:ident [$($key:literal),*] $label:literal $text:literal;)*) => {
        /// Something that a person can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Action { $($action,)* }

        /// Every action.
        pub const ACTIONS: &[ActionInfo] = &[$(ActionInfo {
            action: Action::$action,
            name: $name,
            scope: Scope::$scope,
            danger: Danger::$danger,
            keys: &[$($key),*],
            label: $label,
            description: $text,
        },)*];
    };
}

actions! {
    Interrupt "interrupt" Always None ["ctrl-c"] "quit" "press twice to quit";
    Suspend "suspend" Always None ["ctrl-z"] "suspend" "back to the shell; fg returns";
    Redraw "redraw" Always None ["ctrl-l"] "redraw" "draw the whole screen again";

    Palette "palette" Common None [":"] "cmd" "find any action or object by a few of its letters";
    Describe "describe" Common None ["d"] "describe" "everything about it, as kubectl describe tells it";
    Yaml "yaml" Common None ["y"] "yaml" "the object as YAML, as kubectl get -o yaml writes it";
    Why "why" Common None ["W"] "why" "its chain of causes, up to the input that began it, and what followed";
    Copy "copy" Common None ["C"] "copy" "copy the selection's name, or the page, to the clipboard (OSC 52)";
    Export "export" Common None ["E"] "export" "write what is shown to a file: text, JSON or SVG";
    Mouse "mouse" Common None ["M"] "mouse" "let the mouse choose, or leave it to the terminal to mark text";
    NextTheme "next-theme" Common None ["T"] "theme" "the next theme";

    ViewCluster "view-cluster" Global None ["1"] "Cluster" "the cluster: nodes and their pods";
    ViewDecisions "view-decisions" Global None ["2"] "Decisions" "what the scheduler decided, and why";
    ViewRecovery "view-recovery" Global None ["5"] "Recovery" "what faults led to, and how long each step took";
    ViewEvents "view-events" Global None ["6"] "Events" "what was reported, newest last";
    Left "left" Global None ["h", "left"] "left" "to the left";
    Down "down" Global None ["j", "down"] "down" "to the next row";
    Up "up" Global None ["k", "up"] "up" "to the row above";
    Right "right" Global None ["l", "right"] "right" "to the right";
    First "first" Global None ["g", "home"] "first" "to the beginning";
    Last "last" Global None ["G", "end"] "last" "to the end; in Events the newest, and stay there";
    PageUp "page-up" Global None ["pageup", "ctrl-u"] "page up" "up by a page";
    PageDown "page-down" Global None ["pagedown", "ctrl-d"] "page down" "down by a page";
    NextPane "next-pane" Global None ["tab"] "pane" "to the next pane";
    PrevPane "prev-pane" Global None ["shift-tab"] "pane back" "to the pane before";
    Open "open" Global None ["enter"] "open" "open what is selected: a pod's decision, an event's object";
    Back "back" Global None ["esc"] "back" "one step back: close, clear the filter, the view before";
    Decide "decide" Global None ["D"] "decision" "to the scheduler's decision about the selection";
    HistoryBack "history-back" Global None ["["] "before" "to where you were before";
    HistoryForward "history-forward" Global None ["]"] "after" "forward again";
    Filter "filter" Global None ["/"] "filter" "show only what contains a text; in the Cluster view, go to it";
    Freeze "freeze" Global None ["f"] "freeze" "hold the screen still; the cluster goes on";
    Faults "faults" Global None ["x"] "fault…" "open the menu of faults for the selection";
    Heal "heal" Global Changes ["u"] "heal" "undo what was done to the selection";
    Pause "pause" Global Changes ["space"] "pause" "stop or continue the cluster's clock; containers go on";
    Step "step" Global Changes ["."] "step" "run one work item of the control plane";
    Help "help" Global None ["?"] "help" "this page";
    Quit "quit" Global None ["q"] "quit" "leave; everything that was started is removed";

    Zoom "zoom" Cluster None ["z"] "zoom" "nodes as boxes, as lines, as a map of what is requested of them";
    FindNext "find-next" Cluster None ["n"] "next" "to the next node or pod that contains the text";
    FindPrev "find-prev" Cluster None ["N"] "before" "to the one before";

    Raw "raw" Decisions None ["t"] "raw" "scores as the plugins gave them, normalised, or weighted";


    TimingTable "timing" Recovery None ["t"] "timing" "every timing constant, and what it is in Kubernetes";

    EventType "event-type" Events None ["t"] "type" "all, warnings only, faults only";

    Kill "kill" Fault Destroys ["k"] "kill" "SIGKILL everything at once; a node stays dark until it is healed";
    Reboot "reboot" Fault Destroys ["b"] "reboot" "kill a node and start it again";
    CutHeartbeats "cut-heartbeats" Fault Destroys ["n"] "cut heartbeats" "cut a node off from the control plane; its containers go on";
    Cordon "cordon" Fault Changes ["o"] "cordon" "let no new pods onto a node, or let them again";
    CloseMenu "close-menu" Fault None ["esc", "x", "q"] "close" "close the menu";

    Yes "yes" Confirm Destroys ["y"] "yes" "do it";
    No "no" Confirm None ["n", "esc", "q"] "no" "leave it";

    ScrollDown "scroll-down" Page None ["j", "down"] "down" "scroll down";
    ScrollUp "scroll-up" Page None ["k", "up"] "up" "scroll up";
    ScrollPageDown "scroll-page-down" Page None ["pagedown", "ctrl-d", "space"] "page down" "scroll down by a page";
    ScrollPageUp "scroll-page-up" Page None ["pageup", "ctrl-u"] "page up" "scroll up by a page";
    ScrollFirst "scroll-first" Page None ["g", "home"] "top" "to the top";
    ScrollLast "scroll-last" Page None ["G", "end"] "end" "to the end";
    ClosePage "close-page" Page None ["esc", "q", "?", "enter"] "close" "close the page";


    ExportText "export-text" Export None ["t"] "text" "as text, the way it looks";
    ExportJson "export-json" Export None ["j"] "json" "what it shows, as JSON";
    ExportSvg "export-svg" Export None ["s"] "svg" "as a picture, in the theme's colours";
    CloseExport "close-export" Export None ["esc", "E", "q"] "close" "close the menu";

    TextAccept "text-accept" Text None ["enter"] "keep" "keep the text";
    TextCancel "text-cancel" Text None ["esc"] "clear" "clear the text";
    TextErase "text-erase" Text None ["backspace"] "erase" "erase a character";
    TextClear "text-clear" Text None ["ctrl-u"] "erase all" "erase the whole text";

    PaletteDown "palette-down" Palette None ["down", "ctrl-n", "tab"] "down" "to the next one";
    PaletteUp "palette-up" Palette None ["up", "ctrl-p", "shift-tab"] "up" "to the one above";
}

impl Action {
    /// What the table says about it.
    #[must_use]
    pub fn info(self) -> &'static ActionInfo {
        // The table is generated from the same list as the enum, in the same order.
        &ACTIONS[self as usize]
    }

    /// The key that is shown for it.
    #[must_use]
    pub fn key(self) -> &'static str {
        super::keymap::keys(self)
            .first()
            .copied()
            .unwrap_or_default()
    }
}

/// A footer hint: keys that belong together, and what they do.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    pub actions: &'static [Action],
    pub label: &'static str,
}

const fn hint(actions: &'static [Action], label: &'static str) -> Hint {
    Hint { actions, label }
}

const MOVE: Hint = hint(
    &[Action::Left, Action::Down, Action::Up, Action::Right],
    "move",
);
const ROWS: Hint = hint(&[Action::Down, Action::Up], "move");
const HELP: Hint = hint(&[Action::Help], "help");
const COMMAND: Hint = hint(&[Action::Palette], "cmd");
const BACK: Hint = hint(&[Action::Back], "back");
const CLUSTER: &[Hint] = &[
    MOVE,
    hint(&[Action::Open], "open"),
    hint(&[Action::Faults], "fault…"),
    hint(&[Action::Heal], "heal"),
    hint(&[Action::Describe], "describe"),
    hint(&[Action::Yaml], "yaml"),
    hint(&[Action::Why], "why"),
    hint(&[Action::Zoom], "zoom"),
    hint(&[Action::Pause], "pause"),
    hint(&[Action::Step], "step"),
    COMMAND,
    HELP,
    hint(&[Action::Quit], "quit"),
];
const DECISIONS: &[Hint] = &[
    ROWS,
    hint(&[Action::NextPane], "pane"),
    hint(&[Action::Open], "go to the pod"),
    hint(&[Action::Raw], "raw/weighted"),
    hint(&[Action::Filter], "filter"),
    hint(&[Action::Why], "why"),
    COMMAND,
    HELP,
    BACK,
];
const RECOVERY: &[Hint] = &[
    ROWS,
    hint(&[Action::NextPane], "pane"),
    hint(&[Action::Open], "go to it"),
    hint(&[Action::Decide], "decision"),
    hint(&[Action::TimingTable], "timing"),
    hint(&[Action::Why], "why"),
    hint(&[Action::Heal], "heal"),
    COMMAND,
    HELP,
    BACK,
];
const EVENTS: &[Hint] = &[
    ROWS,
    hint(&[Action::Filter], "filter"),
    hint(&[Action::EventType], "type"),
    hint(&[Action::Last], "follow"),
    hint(&[Action::Open], "jump to object"),
    hint(&[Action::Decide], "decision"),
    hint(&[Action::Why], "why"),
    COMMAND,
    HELP,
    BACK,
];
const FAULT: &[Hint] = &[hint(&[Action::CloseMenu], "close")];
const EXPORT: &[Hint] = &[hint(&[Action::CloseExport], "close")];
const CONFIRM: &[Hint] = &[hint(&[Action::Yes], "yes"), hint(&[Action::No], "no")];
const PAGE: &[Hint] = &[
    hint(&[Action::ScrollDown, Action::ScrollUp], "scroll"),
    hint(&[Action::Describe], "describe"),
    hint(&[Action::Yaml], "yaml"),
    hint(&[Action::Why], "why"),
    hint(&[Action::Copy], "copy"),
    hint(&[Action::Export], "export"),
    hint(&[Action::ClosePage], "close"),
];
const TEXT: &[Hint] = &[
    hint(&[Action::TextAccept], "keep"),
    hint(&[Action::TextCancel], "clear"),
];
const PALETTE: &[Hint] = &[
    hint(&[Action::PaletteUp, Action::PaletteDown], "choose"),
    hint(&[Action::TextAccept], "take"),
    hint(&[Action::TextCancel], "close"),
];

/// The footer of a scope, most useful first.
#[must_use]
pub const fn hints(scope: Scope) -> &'static [Hint] {
    match scope {
        Scope::Cluster => CLUSTER,
        Scope::Decisions => DECISIONS,
        Scope::Recovery => RECOVERY,
        Scope::Events => EVENTS,
        Scope::Fault => FAULT,
        Scope::Export => EXPORT,
        Scope::Confirm => CONFIRM,
        Scope::Page => PAGE,
        Scope::Text => TEXT,
        Scope::Palette => PALETTE,
        // No view has these alone.
        Scope::Common | Scope::Global | Scope::Always => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tui::keymap::{self, Stroke};

    #[test]
    fn the_table_stands_in_the_order_of_the_actions() {
        for info in ACTIONS {
            assert_eq!(info.action.info().name, info.name);
        }
        let names: BTreeSet<_> = ACTIONS.iter().map(|info| info.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
    }

    #[test]
    fn no_key_means_two_things_where_it_can_be_pressed() {
        for scope in Scope::ALL.iter().copied() {
            let mut seen = BTreeSet::new();
            for info in keymap::reachable(scope) {
                for key in info.keys {
                    assert!(seen.insert(*key), "{key} twice in {scope:?}");
                }
            }
        }
    }

    #[test]
    fn every_action_is_reached_by_each_of_its_keys() {
        for info in ACTIONS {
            assert!(!info.keys.is_empty(), "{}", info.name);
            for key in info.keys {
                let stroke = Stroke::parse(key).unwrap_or_else(|| panic!("{key} is no key"));
                assert_eq!(keymap::find(info.scope, stroke), Some(info.action), "{key}");
                assert_eq!(stroke.to_string(), *key);
            }
        }
    }

    #[test]
    fn every_footer_hint_is_true() {
        for scope in Scope::ALL.iter().copied() {
            for hint in hints(scope) {
                for action in hint.actions {
                    let stroke = Stroke::parse(action.key()).unwrap();
                    assert_eq!(
                        keymap::find(scope, stroke),
                        Some(*action),
                        "{scope:?} {hint:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_destroys_stands_behind_a_menu_or_a_question() {
        for info in ACTIONS
            .iter()
            .filter(|info| info.danger == Danger::Destroys)
        {
            assert!(
                matches!(info.scope, Scope::Fault | Scope::Confirm),
                "{}",
                info.name
            );
        }
    }

    #[test]
    fn the_prefixes_of_tmux_and_screen_are_not_used() {
        for key in ACTIONS.iter().flat_map(|info| info.keys) {
            assert!(!["ctrl-a", "ctrl-b"].contains(key));
        }
    }
}
