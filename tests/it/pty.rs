//! The real program in a pseudo-terminal: what it shows, what its keys do, and how it leaves the terminal.

mod session;

use rustix::process::Signal;
use session::Session;

use super::docker::lab;

/// The demo on simulated pods.
const SIMULATED: [&str; 2] = ["--runtime", "simulated"];

fn demo() -> Session {
    let session = Session::start(&SIMULATED, &[], 120, 36);
    session.wait_for("node-1");
    session
}

#[test]
fn the_screen_opens_resizes_and_leaves_the_terminal_as_it_was() {
    let mut session = demo();
    assert!(session.is_entered());
    session.wait_for("q quit");
    session.resize(40, 10);
    session.wait_for("enlarge for more");
    session.resize(120, 36);
    session.wait_for("q quit");
    session.keys("q");
    assert_eq!(session.end(), Some(0));
    session.assert_restored();
}

#[test]
fn every_frame_is_synchronized_and_the_cursor_is_never_asked_for() {
    let mut session = demo();
    session.keys("?");
    session.wait_for("after x: faults on the selection");
    session.keys("\u{1b}");
    session.wait_gone("after x: faults on the selection");
    session.keys("q");
    session.end();
    let bytes = session.bytes();
    let count = |needle: &[u8]| {
        bytes
            .windows(needle.len())
            .filter(|part| *part == needle)
            .count()
    };
    let (begun, ended) = (count(b"\x1b[?2026h"), count(b"\x1b[?2026l"));
    assert!(begun > 1 && ended >= begun, "{begun} begun, {ended} ended");
    assert_eq!(count(b"\x1b[6n"), 0);
}

#[test]
fn ctrl_c_twice_ends_it() {
    let mut session = demo();
    session.keys("\u{3}");
    session.wait_for("ctrl-c again within 2 s to quit");
    session.keys("\u{3}");
    assert_eq!(session.end(), Some(0));
    session.assert_restored();
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_restored() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut session = demo();
        session.signal(signal);
        session.end();
        session.assert_restored();
    }
}

#[test]
fn a_panic_is_told_on_a_restored_terminal() {
    let mut session = Session::start(&SIMULATED, &[("KUBEPLAY_PANIC", "screen")], 80, 24);
    assert_ne!(session.end(), Some(0));
    session.assert_restored();
    let text = session.text();
    assert!(
        text.contains("asked to panic while the screen is open"),
        "{text}"
    );
}

#[test]
fn ctrl_z_gives_the_terminal_back_until_it_is_continued() {
    let mut session = demo();
    session.keys("\u{1a}");
    session.wait_stopped();
    session.wait_left();
    session.assert_restored();
    session.signal(Signal::CONT);
    session.wait_for("q quit");
    assert!(session.is_entered());
    session.keys("q");
    assert_eq!(session.end(), Some(0));
    session.assert_restored();
}

#[test]
fn with_no_color_no_colour_is_written() {
    let mut session = Session::start(&SIMULATED, &[("NO_COLOR", "1")], 120, 36);
    session.wait_for("node-1");
    session.keys("?");
    session.wait_for("after x");
    session.keys("q");
    session.wait_gone("after x");
    session.keys("q");
    session.end();
    let bytes = session.bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for sequence in text.split("\u{1b}[").skip(1) {
        let Some((numbers, _)) = sequence
            .split_once('m')
            .filter(|(numbers, _)| numbers.chars().all(|c| c.is_ascii_digit() || c == ';'))
        else {
            continue;
        };
        for number in numbers
            .split(';')
            .filter_map(|number| number.parse::<u32>().ok())
        {
            let colour = matches!(number, 30..=38 | 40..=48 | 58 | 90..=97 | 100..=107);
            assert!(!colour, "{number} in {numbers:?}");
        }
    }
}

#[test]
fn a_locale_without_unicode_gets_ascii() {
    let mut session = Session::start(&SIMULATED, &[("LC_ALL", "C")], 80, 24);
    session.wait_for("node-1");
    session.keys("q");
    session.end();
    assert!(session.bytes().is_ascii());
}

#[test]
fn a_node_is_killed_by_keys_and_its_pods_come_back_elsewhere() {
    let mut session = demo();
    session.wait_for("pods 14/14");
    session.keys("lx");
    session.wait_for("x fault on node node-2");
    session.keys("k");
    session.wait_for("not noticed yet");
    session.wait_for("NotReady");
    session.wait_for("pods evicted");
    session.wait_for("pods 14/14");
    session.keys("u");
    session.wait_for("nodes 6/6");
    session.keys("q");
    assert_eq!(session.end(), Some(0));
    session.assert_restored();
}

#[test]
fn the_clock_stands_still_in_a_pause() {
    let mut session = demo();
    session.keys(" ");
    session.wait_for("paused");
    session.keys(" ");
    session.wait_gone("paused");
    session.keys("q");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn on_real_containers_a_node_is_lost_its_pods_come_back_and_nothing_is_left() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(engine) = runtime.block_on(lab::engine()) else {
        return;
    };
    let mut session = Session::start(&["demo/shop.toml", "--runtime", "docker"], &[], 120, 36);
    session.wait_for("nodes 6/6  pods 14/14");
    let run = session.run();
    let guard = lab::Guard {
        host: engine.host().to_owned(),
        run,
    };
    // A sandbox and a container for each pod, and some sandboxes that are made ahead.
    let containers = runtime.block_on(guard.containers()).len();
    assert!((28..=38).contains(&containers), "{containers} containers");
    session.keys("xk");
    session.wait_for("not noticed yet");
    session.wait_for("nodes 5/6");
    session.wait_for("pods evicted");
    session.wait_for("nodes 5/6  pods 14/14");
    session.keys("q");
    session.wait_for("The containers of 14 pods are removed");
    session.keys("y");
    assert_eq!(session.end(), Some(0));
    session.assert_restored();
    runtime.block_on(guard.until_nothing_is_left(session::LIMIT));
}
