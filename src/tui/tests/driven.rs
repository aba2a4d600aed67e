//! The screen on a real cluster in virtual time: the demo loses a node and recovers.

use std::sync::Arc;

use insta::assert_snapshot;
use ratatui::layout::Size;

use super::scene::Screen;
use crate::{
    api::Time,
    cluster::{Cluster, drive::Drive},
    runtime::simulated::SimulatedRuntime,
    store::{
        Input,
        input::{Fault, FaultRequest, Target},
    },
    topology,
    tui::{About, Message, Model, glyphs::Glyphs, recovery::Step, theme::Theme, update},
};

struct Demo {
    drive: Drive<SimulatedRuntime>,
    screen: Screen,
}

impl Demo {
    /// The demo when all its pods are ready.
    fn new(width: u16, height: u16) -> Self {
        let topology = topology::demo().unwrap();
        let runtime = SimulatedRuntime::new(topology.config.seed);
        let mut drive = Drive::new(Cluster::new(topology.config), runtime);
        for object in topology.objects {
            drive.create(object).unwrap();
        }
        let snapshot = Arc::new(drive.cluster.snapshot());
        let model = Model::new(snapshot, About::default(), Size::new(width, height));
        let theme = Theme::named("terminal").unwrap();
        let mut demo = Self {
            drive,
            screen: Screen {
                model,
                theme,
                glyphs: Glyphs::UNICODE,
            },
        };
        demo.until("nodes 6/6  pods 14/14");
        demo
    }

    /// Goes on until a text is on the screen; returns the screen.
    fn until(&mut self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Goes on until the screen meets a condition, drawing every moment at which something happens.
    fn wait(&mut self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let end = self.drive.now() + std::time::Duration::from_secs(120);
        loop {
            let screen = self.look();
            if condition(&screen) {
                return screen;
            }
            assert!(self.drive.advance(end), "{what} does not come:\n{screen}");
        }
    }

    fn look(&mut self) -> String {
        let snapshot = Arc::new(self.drive.cluster.snapshot());
        update(&mut self.screen.model, Message::Snapshot(snapshot));
        self.screen.text()
    }

    fn fault(&mut self, request: FaultRequest) {
        self.drive.input(&Input::Fault(request));
    }
}

fn kill(node: &str) -> FaultRequest {
    FaultRequest::Inject {
        fault: Fault::Kill,
        target: Target::Node(node.into()),
    }
}

#[test]
fn a_killed_node_is_told_step_by_step() {
    let mut demo = Demo::new(120, 36);
    demo.fault(kill("node-2"));
    let text = demo.look();
    assert!(
        text.contains("✖ dead") && text.contains("dead for 0s — not noticed yet"),
        "{text}"
    );
    assert!(
        text.contains("#1 killed node node-2 — u heals it"),
        "{text}"
    );
    assert!(
        text.contains("▼ #1 node-2 killed 0s ago: waiting for"),
        "{text}"
    );
    assert!(text.contains("nodes 6/6"), "{text}");
    let text = demo.until("nodes 5/6");
    assert!(
        text.contains("✖ NotReady 0s") && text.contains("Running (dead)"),
        "{text}"
    );
    demo.until("· evicts pods in 3s");
    let text = demo.until("Terminating (dead)");
    assert!(text.contains("pods evicted"), "{text}");
    demo.until("#1 recovered in");
    let text = demo.look();
    assert!(
        text.contains("pods 14/14") && !text.contains("▼ #1"),
        "{text}"
    );
    demo.fault(FaultRequest::Heal {
        target: Target::Node("node-2".into()),
    });
    demo.until("reboots");
    demo.until("nodes 6/6");
    // The kubelet that came back says that the evicted pods are gone.
    demo.wait("nobody leaves", |screen| !screen.contains("leaving"));
}

/// The demo after a node was killed, when a text is on the screen.
fn killed(width: u16, height: u16, until: &str) -> Demo {
    let mut demo = Demo::new(width, height);
    demo.fault(kill("node-2"));
    demo.until(until);
    demo
}

#[test]
fn a_recovery_that_waits_at_120x36() {
    let mut demo = killed(120, 36, "· evicts pods in 3s");
    demo.screen.press("5");
    assert_snapshot!(demo.screen.text());
}

#[test]
fn a_recovery_that_is_over_at_120x36() {
    let mut demo = killed(120, 36, "#1 recovered in");
    demo.screen.press("5");
    assert_snapshot!(demo.screen.text());
}

#[test]
fn a_recovery_that_is_over_at_80x24() {
    let mut demo = killed(80, 24, "#1 recovered in");
    demo.screen.press("5");
    assert_snapshot!(demo.screen.text());
}

#[test]
fn a_recovery_that_is_over_at_60x16() {
    let mut demo = killed(60, 16, "#1 recovered in");
    demo.screen.press("5");
    assert_snapshot!(demo.screen.text());
}

#[test]
fn a_recovery_in_ascii_at_160x45() {
    let mut demo = killed(160, 45, "#1 recovered in");
    demo.screen.glyphs = Glyphs::ASCII;
    demo.screen.press("5");
    let text = demo.screen.text();
    assert!(text.is_ascii(), "{text}");
    assert_snapshot!(text);
}

#[test]
fn every_step_of_a_recovery_is_measured_in_its_order() {
    let mut demo = killed(120, 36, "#1 recovered in");
    demo.screen.press("5");
    let (incident, track) = demo.screen.model.incident().unwrap();
    let mut before = incident.at;
    for step in Step::ALL {
        let at = step.at(incident, track);
        let at = at.unwrap_or_else(|| panic!("{} is not known", step.name()));
        // Endpoints go when the pods are seen to be dead, beside the way to the eviction.
        if step != Step::EndpointsOut {
            assert!(at >= before, "{}", step.name());
            before = at;
        }
    }
    let timing = &demo.screen.model.snapshot.config.timing;
    for step in [Step::Noticed, Step::Evicted] {
        let (least, most) = step.expected(incident, timing).unwrap();
        let took = step.took(incident, track).unwrap();
        assert!(
            took >= least && took <= most,
            "{} took {took:?}",
            step.name()
        );
    }
    assert_eq!(track.dead_listed(), 0);
    assert!(track.hit.iter().any(|hit| hit.listed));
    assert_eq!(track.hit.len(), incident.pods.len());
    assert!(track.replacements.len() >= track.hit.len());
}

#[test]
fn an_incident_leads_to_its_decision_its_causes_and_back() {
    let mut demo = killed(120, 36, "#1 recovered in");
    demo.screen.press("5 W");
    let text = demo.screen.text();
    assert!(text.contains("input: fault kill node node-2"), "{text}");
    assert!(text.contains("truth: node-2 lost power"), "{text}");
    demo.screen.press("esc D");
    assert!(demo.screen.text().contains("[2 Decisions]"));
    demo.screen.press("W");
    let text = demo.screen.text();
    assert!(
        text.contains("What led to it, from the beginning"),
        "{text}"
    );
    assert_snapshot!(text);
}

#[test]
fn the_timing_constants_at_80x24() {
    let mut demo = killed(80, 24, "evicts in 2s");
    demo.screen.press("5 t");
    assert_snapshot!(demo.screen.text());
}

#[test]
fn a_real_decision_at_120x36() {
    let mut demo = killed(120, 36, "#1 recovered in");
    demo.screen.press("2");
    assert_snapshot!(demo.screen.text());
}

#[test]
fn pods_that_fit_nowhere_are_shown_with_the_reason() {
    let mut demo = Demo::new(120, 36);
    for node in ["node-1", "node-2", "node-3", "node-4", "node-5"] {
        demo.fault(kill(node));
    }
    let text = demo.until("pending");
    assert!(text.contains("6 nodes are available"), "{text}");
}

#[test]
fn the_same_cluster_is_the_same_screen_at_80x24() {
    let mut demo = Demo::new(80, 24);
    demo.fault(kill("node-1"));
    demo.until("evicts in 2s");
    let first = demo.look();
    let mut again = Demo::new(80, 24);
    again.fault(kill("node-1"));
    again.until("evicts in 2s");
    assert_eq!(first, again.look());
}

#[test]
fn time_on_the_screen_goes_on_between_snapshots_and_stands_still_in_a_pause() {
    let mut demo = Demo::new(80, 24);
    let at = demo.screen.model.now();
    update(
        &mut demo.screen.model,
        Message::Tick(std::time::Duration::from_secs(2)),
    );
    assert_eq!(
        demo.screen.model.now(),
        at + std::time::Duration::from_secs(2)
    );
    demo.drive.input(&Input::Pause(true));
    demo.look();
    update(
        &mut demo.screen.model,
        Message::Tick(std::time::Duration::from_secs(9)),
    );
    assert_eq!(demo.screen.model.now(), at);
    assert!(demo.look().contains("paused"));
    assert!(at > Time::ZERO);
}
