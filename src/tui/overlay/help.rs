//! The help: the table of actions, the scope that one is in first.

use crate::tui::{
    action::{ACTIONS, Scope},
    model::{Model, View},
    theme::Meaning,
    view::details::Line,
};

/// The page's lines.
pub fn lines(model: &Model) -> Vec<Line> {
    let (here, other) = match model.view {
        View::Cluster => (Scope::Cluster, Scope::Events),
        View::Events => (Scope::Events, Scope::Cluster),
    };
    let scopes = [
        here,
        Scope::Fault,
        Scope::Global,
        Scope::Always,
        other,
        Scope::Confirm,
        Scope::Page,
        Scope::Filter,
    ];
    let mut lines = Vec::new();
    let mut wide = |text: String, meaning| {
        lines.push(Line {
            label: "",
            text,
            meaning,
            wide: true,
        });
    };
    for scope in scopes {
        wide(scope.title().to_owned(), Meaning::Title);
        for info in ACTIONS.iter().filter(|info| info.scope == scope) {
            let keys = info.keys.join(" ");
            wide(format!("  {keys:<18} {}", info.description), Meaning::Text);
        }
        wide(String::new(), Meaning::Text);
    }
    lines.pop();
    lines
}
