//! Every view and overlay at every size.

use ratatui::layout::Size;

use super::scene::{Scene, Screen, incident};
use crate::tui::{Message, glyphs::Glyphs, update};

/// Sizes from nothing to beyond what anybody has, densely where layouts change.
fn sizes() -> Vec<Size> {
    let near = |edges: &[u16], most: u16, by: usize| -> Vec<u16> {
        let mut all: Vec<u16> = (0..=most).step_by(by).collect();
        all.extend(edges.iter().flat_map(|edge| [edge - 1, *edge, edge + 1]));
        all.sort_unstable();
        all.dedup();
        all
    };
    let widths = near(&[1, 2, 5, 20, 60, 80, 120, 160, 200], 200, 13);
    let heights = near(&[1, 2, 3, 5, 16, 24, 36, 45, 60], 60, 7);
    let mut sizes = Vec::new();
    for width in &widths {
        sizes.extend(heights.iter().map(|height| Size::new(*width, *height)));
    }
    sizes.push(Size::new(500, 150));
    sizes
}

#[test]
fn everything_is_drawn_at_every_size() {
    let empty = Scene::new();
    let full = incident();
    let mut screens = 0;
    for scene in [&empty, &full] {
        for keys in [
            "1",
            "j j",
            "G j",
            "tab",
            "?",
            "x",
            "enter",
            "6",
            "6 k",
            "6 /",
            "6 ?",
            "l l l x k",
            "2",
            "2 j tab j j",
            "2 t d",
            "2 W",
            "d",
            "j y",
            "l l W",
            "6 W",
            ": n o",
            "/ w e b",
            "5",
            "5 tab j j",
            "5 t",
            "E",
            "d E",
            "z l",
            "z z j",
            "f",
        ] {
            for glyphs in [Glyphs::UNICODE, Glyphs::ASCII] {
                let mut screen = Screen::new(scene, 80, 24);
                screen.glyphs = glyphs;
                screen.press(keys);
                for size in sizes() {
                    update(&mut screen.model, Message::Resize(size));
                    let _ = screen.buffer();
                    screens += 1;
                }
            }
        }
    }
    assert!(screens > 10_000, "{screens}");
}

#[test]
fn the_question_before_a_quit_is_drawn_at_every_size() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.model.census.real = true;
    screen.press("q");
    for size in sizes() {
        update(&mut screen.model, Message::Resize(size));
        let _ = screen.buffer();
    }
}

#[test]
fn a_thousand_nodes_scroll_by_whole_boxes() {
    let mut scene = Scene::new();
    for index in 1..=1000 {
        scene.node(&format!("node-{index}"), "zone-a");
    }
    let mut screen = Screen::new(&scene, 120, 36);
    assert!(
        screen.text().contains("nodes 1 to 10 of 1000"),
        "{}",
        screen.text()
    );
    screen.press("G");
    let text = screen.text();
    assert!(
        text.contains("node-1000") && text.contains("nodes 991 to 1000 of 1000"),
        "{text}"
    );
    screen.press("pageup k");
    assert!(!screen.text().contains("node-1000"));
}
