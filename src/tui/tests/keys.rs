//! What keys do.

use std::time::Duration;

use super::scene::{Scene, Screen, incident, quiet};
use crate::{
    store::{
        Input, WriteVerb,
        input::{Fault, FaultRequest, Target},
    },
    tui::{
        Command, Message,
        action::{ACTIONS, Action, Scope},
        export::{self, Format},
        keymap,
        model::{Overlay, Pane, Selection, View},
        palette::{Item, PaletteModel},
        update,
    },
};

fn sent(commands: &[Command]) -> Vec<String> {
    commands
        .iter()
        .map(|command| match command {
            Command::Send(Input::Fault(FaultRequest::Inject { fault, target })) => {
                format!("{} {target}", fault.as_str())
            }
            Command::Send(Input::Fault(FaultRequest::Heal { target })) => format!("heal {target}"),
            Command::Send(Input::Pause(paused)) => format!("pause {paused}"),
            Command::Send(Input::StepOne) => "step".to_owned(),
            Command::Write(request) => match &request.verb {
                WriteVerb::MergePatch { target, patch, .. } => format!("patch {target} {patch}"),
                other => format!("{other:?}"),
            },
            Command::Quit => "quit".to_owned(),
            Command::Suspend => "suspend".to_owned(),
            Command::Redraw => "redraw".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn keys_become_inputs() {
    let check = |keys: &str, expected: &[&str]| {
        let mut screen = Screen::new(&quiet(), 120, 36);
        assert_eq!(sent(&screen.press(keys)), expected, "{keys}");
    };
    check("x k", &["kill node node-1"]);
    check("l x b", &["reboot node node-2"]);
    check("x n", &["cut-heartbeats node node-1"]);
    check("j x k", &["kill pod default/cart-5c8b77d9f-1aa9z"]);
    check("j x b", &[]);
    check(
        "x o",
        &["patch Node node-1 {\"spec\":{\"unschedulable\":true}}"],
    );
    check(
        "G x o",
        &["patch Node node-6 {\"spec\":{\"unschedulable\":null}}"],
    );
    check("space", &["pause true"]);
    check(".", &["step"]);
    check("u", &[]);
    check("k", &[]);
    check("q", &["quit"]);
    check("ctrl-c", &[]);
    check("ctrl-c ctrl-c", &["quit"]);
    check("x ctrl-c ctrl-c", &["quit"]);
    check("ctrl-z", &["suspend"]);
    check("ctrl-l", &["redraw"]);
    check("6 / q ctrl-c ctrl-c", &["quit"]);
    check("6 q", &[]);
    check("tab x k", &[]);
}

#[test]
fn a_dark_node_is_healed_from_itself_and_from_its_pods() {
    let mut screen = Screen::new(&incident(), 120, 36);
    assert_eq!(sent(&screen.press("l l u")), ["heal node node-3"]);
    assert_eq!(sent(&screen.press("j u")), ["heal node node-3"]);
    assert_eq!(sent(&screen.press("h u")), [""; 0]);
    // What is off cannot be killed again.
    assert_eq!(sent(&screen.press("l x k")), [""; 0]);
}

#[test]
fn the_last_ready_node_is_broken_only_after_a_yes() {
    let mut scene = Scene::new();
    scene.node("node-1", "zone-a");
    let mut screen = Screen::new(&scene, 80, 24);
    assert_eq!(sent(&screen.press("x k")), [""; 0]);
    assert!(matches!(
        screen.model.overlay,
        Some(Overlay::Confirm { .. })
    ));
    assert!(screen.text().contains("node-1 is the last ready node"));
    assert_eq!(sent(&screen.press("n y")), [""; 0]);
    assert_eq!(sent(&screen.press("esc x k y")), ["kill node node-1"]);
}

#[test]
fn quitting_asks_when_real_containers_run() {
    let mut screen = Screen::new(&quiet(), 80, 24);
    screen.model.census.real = true;
    assert_eq!(sent(&screen.press("q")), [""; 0]);
    assert!(
        screen
            .text()
            .contains("The containers of 15 pods are removed"),
        "{}",
        screen.text()
    );
    assert_eq!(sent(&screen.press("y")), ["quit"]);
    assert_eq!(sent(&screen.press("q a")), [""; 0]);
    assert!(screen.model.overlay.is_none());
}

#[test]
fn the_second_interrupt_must_come_in_time() {
    let mut screen = Screen::new(&quiet(), 80, 24);
    screen.press("ctrl-c");
    update(
        &mut screen.model,
        Message::Tick(Duration::from_millis(2001)),
    );
    assert_eq!(sent(&screen.press("ctrl-c")), [""; 0]);
}

#[test]
fn moving_reaches_every_node_and_every_pod() {
    let mut screen = Screen::new(&quiet(), 120, 36);
    let mut pods = 0;
    let mut nodes = Vec::new();
    for _ in 0..200 {
        match screen.model.selection() {
            Selection::Node(node) => nodes.push(node.to_string()),
            Selection::Pod(_) => pods += 1,
            Selection::Nothing => panic!("nothing is selected"),
        }
        screen.press("j");
        if nodes.len() == 3 && screen.model.cluster.node.as_deref() == Some("node-5") && pods == 8 {
            break;
        }
    }
    // The left column from top to bottom.
    assert_eq!(nodes[..3], ["node-1", "node-3", "node-5"]);
    screen.press("g l l l l l l l");
    assert_eq!(screen.model.selection(), Selection::Node("node-6".into()));
    screen.press("g j j j k k k");
    assert_eq!(screen.model.selection(), Selection::Node("node-1".into()));
}

#[test]
fn the_selection_survives_what_happens_to_it() {
    let mut scene = quiet();
    let mut screen = Screen::new(&scene, 120, 36);
    screen.press("tab");
    assert_eq!(screen.model.cluster.pane, Pane::Pending);
    assert!(matches!(screen.model.selection(), Selection::Pod(_)));
    scene.delete_pod("worker-66f7b5c9d8-v4e8s");
    screen.show(&scene);
    assert_eq!(screen.model.cluster.pane, Pane::Nodes);
    assert_eq!(screen.model.selection(), Selection::Node("node-1".into()));
}

#[test]
fn an_event_leads_to_its_object() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("6 enter");
    assert_eq!(screen.model.view, View::Cluster);
    let key = crate::api::Key::new("default", "web-7d9f8c6b54-w8s2x");
    assert_eq!(screen.model.selection(), Selection::Pod(key));
    screen.press("6 g j j enter");
    assert_eq!(screen.model.view, View::Cluster);
}

#[test]
fn the_events_follow_until_one_looks_back() {
    let mut scene = incident();
    let mut screen = Screen::new(&scene, 80, 24);
    screen.press("6");
    let newest = screen.model.events.list.cursor;
    screen.press("k");
    let list = &screen.model.events.list;
    assert!(!list.follow && list.cursor < newest);
    let cursor = list.cursor;
    for n in 0..40 {
        scene.event(
            crate::api::Kind::Node,
            "node-1",
            crate::api::EventType::Normal,
            "Test",
            &n.to_string(),
        );
    }
    screen.show(&scene);
    assert_eq!(screen.model.events.list.cursor, cursor);
    screen.press("G");
    let list = &screen.model.events.list;
    assert!(list.follow && list.cursor > newest);
    // Through all of them and back, the cursor is always on the screen.
    for key in ["g", "pagedown", "j", "pageup", "G", "k", "pageup", "j"] {
        screen.press(key);
        let list = &screen.model.events.list;
        let rows = crate::tui::view::events::rows(&screen.model);
        let mut window = list.window(screen.model.feed.rows(), rows);
        assert!(window.any(|seq| seq == list.cursor), "{key}");
    }
}

#[test]
fn a_pod_a_node_and_an_event_lead_to_the_decision_and_back() {
    let decided = |screen: &Screen| {
        assert_eq!(screen.model.view, View::Decisions);
        let decision = screen.model.decision().unwrap();
        (decision.number, decision.pod.name.to_string())
    };
    let web = (119, "web-7d9f8c6b54-w8s2x".to_owned());
    let worker = (118, "worker-66f7b5c9d8-v4e8s".to_owned());
    let mut screen = Screen::new(&incident(), 120, 36);
    // The pod that waits, the pod that was placed, the node that it was placed on.
    for (keys, expected) in [
        ("tab enter", &worker),
        ("l l l j j j enter", &web),
        ("l l l D", &web),
    ] {
        screen.press(keys);
        assert_eq!(decided(&screen), *expected, "{keys}");
        screen.press("esc");
        assert_eq!(screen.model.view, View::Cluster, "{keys}");
        screen.press("esc esc g");
    }
    screen.press("6 D");
    assert_eq!(decided(&screen), web);
    screen.press("enter");
    assert_eq!(screen.model.view, View::Cluster);
    screen.press("[ [");
    assert_eq!(screen.model.view, View::Events);
    screen.press("]");
    assert_eq!(decided(&screen), web);
    // What nobody decided about is not made up.
    screen.press("1 g D");
    assert_eq!(screen.model.view, View::Cluster);
    assert!(screen.text().contains("no decision about node-1 is kept"));
}

#[test]
fn a_filter_narrows_the_decisions() {
    let mut screen = Screen::new(&incident(), 120, 36);
    screen.press("2 / w o r k enter");
    assert_eq!(screen.model.book.rows().len(), 1);
    assert!(screen.text().contains("/work: 1 of 2"), "{}", screen.text());
    screen.press("esc");
    assert_eq!(screen.model.book.rows().len(), 2);
    assert_eq!(screen.model.view, View::Decisions);
}

#[test]
fn what_is_looked_for_is_found_on_nodes_and_among_pods() {
    let mut screen = Screen::new(&quiet(), 120, 36);
    let mut found = Vec::new();
    screen.press("/ c a r t enter");
    for key in ["n", "n", "n", "N"] {
        let Selection::Pod(pod) = screen.model.selection() else {
            panic!("{:?}", screen.model.selection());
        };
        found.push(pod.name.rsplit('-').next().unwrap().to_owned());
        screen.press(key);
    }
    assert_eq!(found, ["1aa9z", "9ztkk", "h3csw", "1aa9z"]);
    screen.press("/ ctrl-u n o d e - 5 enter");
    assert_eq!(screen.model.selection(), Selection::Node("node-5".into()));
    screen.press("/ ctrl-u q q enter");
    assert!(screen.text().contains("no node and no pod"));
}

#[test]
fn the_palette_reaches_every_action_of_a_view_and_every_object() {
    let screen = Screen::new(&incident(), 120, 36);
    for view in View::ALL {
        let mut screen = Screen {
            model: screen.model.clone(),
            ..Screen::new(&incident(), 120, 36)
        };
        crate::tui::update::act(&mut screen.model, view.action());
        let skip = [Action::Palette, Action::CloseMenu];
        let scopes = [view.scope(), Scope::Fault];
        let actions = scopes.into_iter().flat_map(keymap::reachable);
        for info in actions.filter(|info| info.scope != Scope::Always) {
            let palette = PaletteModel::new(&screen.model, info.name.to_owned());
            let found = palette.items.contains(&Item::Action(info.action));
            assert_eq!(found, !skip.contains(&info.action), "{}", info.name);
        }
    }
    let mut screen = screen;
    screen.press(": w 8 s enter");
    let key = crate::api::Key::new("default", "web-7d9f8c6b54-w8s2x");
    assert_eq!(screen.model.selection(), Selection::Pod(key));
    assert_eq!(
        sent(&screen.press(": k i l l enter")),
        ["kill pod default/web-7d9f8c6b54-w8s2x"]
    );
    screen.press(": v i e w - d down up enter");
    assert_eq!(screen.model.view, View::Decisions);
    screen.press(": esc");
    assert!(screen.model.overlay.is_none());
}

#[test]
fn a_frozen_screen_stands_still_and_catches_up() {
    let mut scene = quiet();
    let mut screen = Screen::new(&scene, 120, 36);
    screen.press("f");
    update(&mut screen.model, Message::Tick(Duration::from_secs(7)));
    let before = screen.text();
    assert!(before.contains("‖ frozen"), "{before}");
    scene.at(130.0).kill_node("node-3");
    screen.show(&scene);
    assert_eq!(screen.text(), before);
    screen.press("f");
    assert!(screen.show(&scene).text().contains("not noticed"));
}

#[test]
fn what_is_shown_can_be_written_as_text_json_and_svg() {
    let mut screen = Screen::new(&incident(), 120, 36);
    for (keys, stem, shows) in [
        ("1", "cluster", "web-7d9f8c6b54-w8s2x"),
        ("2", "decisions", "NodeResourcesFit"),
        ("5", "recovery", "recoveredAfter"),
        ("6", "events", "NodeNotReady"),
        ("1 g j d", "pod-cart-5c8b77d9f-1aa9z", "shop/web:1"),
        ("esc 2 d", "decision-119", "ImageLocality"),
        ("esc ?", "keys", "pageup"),
    ] {
        screen.press(keys);
        let page = screen.text();
        assert!(matches!(
            screen.press("E j")[..],
            [Command::Export(Format::Json)]
        ));
        // What the menu lay over is there again.
        assert_eq!(screen.text(), page);
        let write = |format| export::content(&screen.model, &screen.theme, &screen.glyphs, format);
        assert_eq!(export::stem(&screen.model), format!("kubeplay-{stem}-166s"));
        let json: serde_json::Value = serde_json::from_str(&write(Format::Json)).unwrap();
        assert_eq!(json["cluster"], "shop");
        assert!(json.to_string().contains(shows), "{stem} {json}");
        let text = write(Format::Text);
        assert!(text.lines().count() > 5, "{text}");
        let svg = write(Format::Svg);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains('\u{1b}'));
    }
    screen.press("E esc E q");
    assert!(screen.text().contains("Keys"));
}

#[test]
fn the_theme_is_changed_by_the_loop() {
    let mut screen = Screen::new(&quiet(), 120, 36);
    assert!(matches!(screen.press("T")[..], [Command::NextTheme]));
    assert!(matches!(screen.press("d T")[..], [Command::NextTheme]));
}

#[test]
fn the_readme_names_every_view_and_no_key_that_is_not_there() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("## Keys").unwrap();
    let (table, _) = rest.split_once("\n## ").unwrap();
    let known: Vec<&str> = ACTIONS.iter().flat_map(|info| info.keys).copied().collect();
    let mut told = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let keys = row.split('|').nth(1).unwrap();
        let keys: Vec<&str> = keys.split('`').skip(1).step_by(2).collect();
        for key in &keys {
            assert!(known.contains(key), "the README tells of {key}");
        }
        told.extend(keys);
    }
    for view in View::ALL {
        assert!(told.contains(&view.action().key()), "{view:?}");
    }
}

#[test]
fn the_name_of_the_selection_and_whole_pages_are_copied() {
    let mut screen = Screen::new(&quiet(), 120, 36);
    let copied = |commands: Vec<Command>| match &commands[..] {
        [Command::Copy(text)] => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(copied(screen.press("C")), "node-1");
    let yaml = copied(screen.press("j y C"));
    let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read["metadata"]["name"], "cart-5c8b77d9f-1aa9z");
    assert!(
        yaml.starts_with("apiVersion: v1\nkind: Pod\nmetadata:\n"),
        "{yaml}"
    );
    assert!(copied(screen.press("d C")).contains("node-1"));
}

#[test]
fn an_event_that_repeats_is_one_row_with_a_count() {
    let mut screen = Screen::new(&incident(), 120, 36);
    let text = {
        screen.press("6");
        screen.text()
    };
    assert!(text.contains("×2 Back-off restarting"), "{text}");
    assert_eq!(text.matches("Back-off restarting").count(), 1);
}

#[test]
fn a_refused_write_is_told() {
    let mut screen = Screen::new(&quiet(), 80, 24);
    update(
        &mut screen.model,
        Message::Refused("nodes \"node-1\" not found".to_owned()),
    );
    assert!(screen.text().contains("nodes \"node-1\" not found"));
    update(&mut screen.model, Message::Tick(Duration::from_secs(11)));
    assert!(screen.model.toast.is_none());
}

#[test]
fn any_row_of_keys_is_taken_without_a_panic() {
    let keys: Vec<&str> = ACTIONS.iter().flat_map(|info| info.keys).copied().collect();
    let mut screen = Screen::new(&incident(), 80, 24);
    // A fixed walk that visits every pair of keys.
    for first in 0..keys.len() {
        for second in 0..keys.len() {
            screen.press(keys[(first * 7 + second) % keys.len()]);
            let _ = keymap::reachable(screen.model.scope()).count();
        }
        let _ = screen.buffer();
    }
}

#[test]
fn a_fault_says_what_it_did() {
    assert_eq!(crate::tui::update::verb(Fault::Kill), "killed");
    let target = Target::Node("n".into());
    assert_eq!(target.to_string(), "node n");
}

#[test]
fn a_press_selects_and_a_second_one_opens() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mouse = |screen: &mut Screen, kind, column, row| {
        let modifiers = KeyModifiers::NONE;
        let event = MouseEvent {
            kind,
            column,
            row,
            modifiers,
        };
        update(&mut screen.model, Message::Mouse(event))
    };
    let press = MouseEventKind::Down(MouseButton::Left);
    let mut screen = Screen::new(&incident(), 120, 36);
    // The second box of the second row, then its third pod, twice.
    mouse(&mut screen, press, 50, 12);
    assert_eq!(screen.model.selection(), Selection::Node("node-4".into()));
    mouse(&mut screen, press, 50, 15);
    let key = crate::api::Key::new("default", "web-7d9f8c6b54-w8s2x");
    assert_eq!(screen.model.selection(), Selection::Pod(key));
    mouse(&mut screen, press, 50, 15);
    assert_eq!(screen.model.view, View::Decisions);
    // The second row of the list, and the tabs.
    mouse(&mut screen, press, 5, 4);
    assert_eq!(screen.model.decision().unwrap().number, 118);
    mouse(&mut screen, MouseEventKind::ScrollUp, 5, 4);
    assert_eq!(screen.model.decision().unwrap().number, 119);
    let (_, tab) = crate::tui::view::chrome::tab_places(screen.model.areas().tabs)[3];
    mouse(&mut screen, press, tab.x, tab.y);
    assert_eq!(screen.model.view, View::Events);
    mouse(&mut screen, press, 20, 4);
    assert!(!screen.model.events.list.follow);
    screen.press("?");
    mouse(&mut screen, press, 50, 20);
    assert!(screen.model.overlay.is_some());
    mouse(&mut screen, press, 0, 20);
    assert!(screen.model.overlay.is_none());
    assert!(matches!(screen.press("M")[..], [Command::Mouse(false)]));
    assert!(matches!(screen.press("M")[..], [Command::Mouse(true)]));
}
