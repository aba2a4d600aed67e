//! Reviewed screens.

use insta::assert_snapshot;

use super::scene::{Scene, Screen, incident, quiet};
use crate::tui::{glyphs::Glyphs, theme::Theme};

#[test]
fn a_node_is_lost_at_120x36() {
    let mut screen = Screen::new(&quiet(), 120, 36);
    screen.show(&incident()).press("l l l j");
    assert_snapshot!(screen.text());
}

#[test]
fn a_node_is_lost_at_80x24() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.press("l l");
    assert_snapshot!(screen.text());
}

#[test]
fn a_node_is_lost_at_60x16() {
    let mut screen = Screen::new(&incident(), 60, 16);
    screen.press("l l j");
    assert_snapshot!(screen.text());
}

#[test]
fn a_node_is_lost_at_160x45() {
    assert_snapshot!(Screen::new(&incident(), 160, 45).text());
}

#[test]
fn a_node_is_lost_in_a_line() {
    assert_snapshot!(Screen::new(&incident(), 40, 6).text());
}

#[test]
fn a_node_went_dark_and_nobody_has_noticed() {
    let mut scene = quiet();
    scene.at(120.5).kill_node("node-3");
    scene.at(122.0);
    let mut screen = Screen::new(&scene, 120, 36);
    screen.press("l l j");
    assert_snapshot!(screen.text());
}

#[test]
fn what_goes_dark_is_seen_in_the_next_frame() {
    let mut scene = quiet();
    let mut screen = Screen::new(&scene, 80, 24);
    assert!(!screen.text().contains("not noticed"));
    scene.kill_node("node-3");
    let text = screen.show(&scene).text();
    assert!(
        text.contains("✖ dead") && text.contains("not noticed"),
        "{text}"
    );
    assert!(text.contains("killed node node-3 — u heals it"), "{text}");
}

#[test]
fn in_ascii_everything_is_ascii() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.glyphs = Glyphs::ASCII;
    let text = screen.text();
    assert!(text.is_ascii(), "{text}");
    assert_snapshot!(text);
}

#[test]
fn the_colours_of_the_terminal_theme() {
    assert_snapshot!(Screen::new(&incident(), 80, 24).styled());
}

#[test]
fn the_colours_of_a_light_theme() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.theme = Theme::named("kubeplay-light").unwrap();
    screen.press("2");
    assert_snapshot!(screen.styled());
}

#[test]
fn the_styles_of_the_mono_theme() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.theme = Theme::named("mono").unwrap();
    assert_snapshot!(screen.styled());
}

#[test]
fn the_menu_of_faults() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("l l x");
    assert_snapshot!(screen.text());
}

#[test]
fn the_help() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.press("?");
    assert_snapshot!(screen.text());
}

#[test]
fn a_pod_in_full() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("l l l j j j d");
    assert_snapshot!(screen.text());
}

#[test]
fn decisions_at_120x36() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("2");
    assert_snapshot!(screen.text());
}

#[test]
fn decisions_at_80x24() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.press("2");
    assert_snapshot!(screen.text());
}

#[test]
fn decisions_at_60x16() {
    let mut screen = Screen::new(&incident(), 60, 16);
    screen.press("2");
    assert_snapshot!(screen.text());
}

#[test]
fn decisions_in_colour_at_160x45() {
    let mut screen = Screen::new(&incident(), 160, 45);
    screen.press("2 t");
    assert_snapshot!(screen.styled());
}

#[test]
fn a_pod_that_fits_nowhere() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("tab enter");
    assert_snapshot!(screen.text());
}

#[test]
fn a_decision_in_full() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.press("2 d");
    assert_snapshot!(screen.text());
}

#[test]
fn a_pod_as_yaml() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.press("l l l j y");
    assert_snapshot!(screen.text());
}

#[test]
fn the_causes_of_an_event() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("l l W");
    assert_snapshot!(screen.text());
}

#[test]
fn the_palette() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.press(": w e");
    assert_snapshot!(screen.text());
}

#[test]
fn the_events_at_120x36() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("6 k k");
    assert_snapshot!(screen.text());
}

#[test]
fn the_events_at_80x24_with_a_filter() {
    let mut screen = Screen::new(&incident(), 80, 24);
    screen.press("6 / n o d e enter");
    assert_snapshot!(screen.text());
}

#[test]
fn before_there_is_anything_the_progress_is_shown() {
    let mut scene = Scene::new();
    scene
        .progress("image kubeplay/workload", 3, 8)
        .progress("image nginx:1", 0, 0);
    assert_snapshot!(Screen::new(&scene, 80, 24).text());
}

#[test]
fn text_from_objects_cannot_speak_to_the_terminal() {
    let mut scene = quiet();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}";
    scene.event(
        crate::api::Kind::Pod,
        "db-0",
        crate::api::EventType::Warning,
        &format!("Evil{evil}"),
        evil,
    );
    let mut screen = Screen::new(&scene, 120, 36);
    for keys in ["1", "6", "enter"] {
        screen.press(keys);
        let text = screen.text();
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{text:?}"
        );
        assert!(!text.contains('\u{202e}'));
    }
}

/// Forty nodes with pods here and there.
fn many() -> Scene {
    let mut scene = Scene::new();
    for node in 1..=40 {
        scene.node(&format!("node-{node}"), "zone-a");
        for pod in 0..node % 7 {
            scene.running(
                &format!("web-7d9f8c6b54-{node:02}{pod}"),
                &format!("node-{node}"),
            );
        }
    }
    scene.cordon("node-9").at(20.0).kill_node("node-20");
    scene
}

#[test]
fn many_nodes_as_lines() {
    let mut screen = Screen::new(&many(), 120, 36);
    screen.press("z l l");
    assert_snapshot!(screen.text());
}

#[test]
fn many_nodes_as_a_map() {
    let mut screen = Screen::new(&many(), 80, 24);
    screen.press("z z l l");
    assert_snapshot!(screen.text());
}

#[test]
fn what_pods_and_nodes_use() {
    let mut scene = quiet();
    scene.uses(&[
        ("web-7d9f8c6b54-x2kzq", [500, 520, 580, 600, 590, 510]),
        ("web-7d9f8c6b54-p9m4t", [0, 100, 200, 300, 400, 480]),
        ("cart-5c8b77d9f-1aa9z", [10, 10, 10, 10, 10, 10]),
    ]);
    let mut screen = Screen::new(&scene, 120, 36);
    screen.press("j");
    assert_snapshot!(screen.text());
}
