//! The help: the table of actions, the scope that one is in first.

use crate::tui::{
    action::{ACTIONS, Scope},
    keymap,
    lines::{Line, Lines},
    model::{Model, View},
    theme::Meaning,
};

/// The page's lines.
pub fn lines(model: &Model, columns: u16) -> Vec<Line> {
    let here = model.view.scope();
    let others = View::ALL
        .iter()
        .map(|view| view.scope())
        .filter(|s| *s != here);
    let mut scopes = vec![here, Scope::Fault, Scope::Global, Scope::Common];
    scopes.extend(others);
    let rest = Scope::ALL.iter().filter(|scope| !scopes.contains(scope));
    let rest: Vec<Scope> = rest.copied().collect();
    let mut lines = Lines::new(columns);
    for scope in scopes.into_iter().chain(rest) {
        lines.heading(scope.title());
        for info in ACTIONS.iter().filter(|info| info.scope == scope) {
            let keys = keymap::keys(info.action).join(" ");
            lines.raw(format!("  {keys:<18} {}", info.description), Meaning::Text);
        }
    }
    lines.done()
}
