//! The screen. `update` and `view` are pure; [`run`] is the loop around them.

use crossterm::event::{Event, KeyCode};
use ratatui::{
    Frame,
    text::Line,
    widgets::{Block, Paragraph},
};

use crate::cluster::{Snapshot, thread::Handle};

/// Draws the cluster.
pub fn view(snapshot: &Snapshot, frame: &mut Frame<'_>) {
    let mut lines = Vec::new();
    for node in snapshot.store.objects.nodes.values() {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        lines.push(Line::from(name.to_owned()));
        for pod in snapshot.store.objects.pods_on(name) {
            lines.push(Line::from(format!(
                "  {} {}",
                pod.meta.key.name,
                pod.phase()
            )));
        }
    }
    let title = format!(" kubeplay {} ", snapshot.at);
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(title)),
        frame.area(),
    );
}

/// Shows a cluster until `q` is pressed.
///
/// # Errors
/// The terminal's.
pub fn run(handle: &Handle) -> std::io::Result<()> {
    ratatui::run(|terminal| {
        loop {
            terminal.draw(|frame| view(&handle.snapshot(), frame))?;
            if crossterm::event::poll(std::time::Duration::from_millis(33))?
                && let Event::Key(key) = crossterm::event::read()?
                && key.code == KeyCode::Char('q')
            {
                return Ok(());
            }
        }
    })
}
