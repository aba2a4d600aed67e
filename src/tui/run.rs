//! The loop around [`update`] and [`view`]: keys, snapshots, signals and time in; frames and commands out.
//!
//! A frame is drawn when something that can be seen has changed, and no sooner after the last one than the options say;
//! once a second where only the clock moves; not at all where nothing does.
#![expect(
    clippy::disallowed_methods,
    reason = "the loop reads wall time and waits"
)]

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::layout::Size;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{
    export::{self, Format},
    glyphs::Glyphs,
    model::{About, Model},
    terminal::{self, Terminal},
    theme::{Depth, Theme, ThemeError},
    update::{Command, Message, update},
    view::view,
};
use crate::{
    cluster::{Snapshot, thread::Handle},
    store::WriteRequest,
};

/// How the screen is to be.
#[derive(Clone, Debug)]
pub struct TuiOptions {
    /// The themes to choose from; the first is the one that the screen begins with.
    pub themes: Vec<Theme>,
    pub glyphs: Glyphs,
    /// The least time between two frames.
    pub frame: Duration,
    pub about: About,
    /// Panic after the first frame: for the test that the terminal is restored then.
    #[doc(hidden)]
    pub panics: bool,
}

/// What the surroundings ask for; the command line reads the environment.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `NO_COLOR` is set and not empty, or the terminal is dumb.
    pub no_color: bool,
    /// How many colours the terminal knows.
    pub depth: Depth,
    /// The terminal is at the other end of an ssh connection.
    pub ssh: bool,
    /// The locale is not one of UTF-8, or one in which our glyphs are two columns wide.
    pub ascii: bool,
    /// A debug build is asked to panic while the screen is open.
    #[doc(hidden)]
    pub panics: bool,
}

impl Surroundings {
    /// Reads them with a function that looks a variable of the environment up.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(set)
            .unwrap_or_default();
        let lower = locale.to_lowercase();
        let utf8 = lower.contains("utf-8") || lower.contains("utf8");
        let wide = ["zh", "ja", "ko"]
            .iter()
            .any(|language| lower.starts_with(language));
        Self {
            no_color: set("NO_COLOR").is_some() || variable("TERM").as_deref() == Some("dumb"),
            depth: Depth::read(set),
            ssh: set("SSH_CONNECTION").is_some(),
            ascii: !utf8 || wide,
            panics: cfg!(debug_assertions)
                && variable("KUBEPLAY_PANIC").as_deref() == Some("screen"),
        }
    }
}

impl TuiOptions {
    /// The options for these surroundings; a theme's name and `ascii` go before them. `themes` are those to choose from.
    ///
    /// # Errors
    /// There is no theme of that name.
    pub fn new(
        surroundings: &Surroundings,
        theme: Option<&str>,
        mut themes: Vec<Theme>,
        ascii: bool,
        about: About,
    ) -> Result<Self, ThemeError> {
        let by_default = if surroundings.no_color {
            "mono"
        } else {
            "terminal"
        };
        let wanted = theme.unwrap_or(by_default);
        let place = themes.iter().position(|theme| theme.name() == wanted);
        let place = place.ok_or_else(|| ThemeError::unknown(wanted, &themes))?;
        themes.rotate_left(place);
        for theme in &mut themes {
            theme.reduce(surroundings.depth);
        }
        Ok(Self {
            themes,
            glyphs: Glyphs::new(ascii || surroundings.ascii),
            frame: Duration::from_millis(if surroundings.ssh { 100 } else { 33 }),
            about,
            panics: surroundings.panics,
        })
    }
}

/// Why the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuitReason {
    /// A person asked for it.
    Asked,
    /// A signal asked for it: its number.
    Signal(i32),
    /// The cluster's thread ended.
    ClusterEnded,
}

/// Opens the screen on a cluster, until it is left. The terminal is restored however that happens.
///
/// # Errors
/// The terminal's.
pub async fn run(options: TuiOptions, handle: Handle) -> io::Result<QuitReason> {
    // Before the modes are on: a signal must find them restored.
    let signals = Signals::new()?;
    let mut terminal = Terminal::open()?;
    let size = terminal.size()?;
    let model = Model::new(handle.snapshot(), options.about.clone(), size);
    let (refused, refusals) = mpsc::channel(16);
    let screen = Screen {
        model,
        options,
        handle,
        refused,
        start: Instant::now(),
        drawn: None,
        drawn_second: 0,
        dirty: true,
        stale: true,
        looked: Duration::ZERO,
    };
    // The first frame goes out before anything is waited for.
    screen.run(&mut terminal, signals, refusals).await
}

struct Screen {
    model: Model,
    options: TuiOptions,
    handle: Handle,
    refused: mpsc::Sender<String>,
    start: Instant,
    /// When the last frame was drawn, since `start`.
    drawn: Option<Duration>,
    /// The cluster's second that it showed.
    drawn_second: i64,
    dirty: bool,
    /// Whether a newer snapshot is there.
    stale: bool,
    /// When a snapshot was last looked at, since `start`.
    looked: Duration,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    End(i32),
    Stop,
    /// It was stopped and goes on.
    Resumed,
}

/// The signals that the screen answers.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    stop: Signal,
    resume: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let raw = |kind: rustix::process::Signal| signal(SignalKind::from_raw(kind.as_raw()));
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            stop: raw(rustix::process::Signal::TSTP)?,
            resume: raw(rustix::process::Signal::CONT)?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::End(SignalKind::hangup().as_raw_value()),
            _ = self.interrupt.recv() => Asked::End(SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => Asked::End(SignalKind::terminate().as_raw_value()),
            _ = self.stop.recv() => Asked::Stop,
            _ = self.resume.recv() => Asked::Resumed,
        }
    }
}

impl Screen {
    async fn run(
        mut self,
        terminal: &mut Terminal,
        mut signals: Signals,
        mut refusals: mpsc::Receiver<String>,
    ) -> io::Result<QuitReason> {
        self.draw(terminal)?;
        assert!(
            !self.options.panics,
            "asked to panic while the screen is open"
        );
        let mut keys = EventStream::new();
        let mut published = self.handle.published();
        loop {
            let wait = self.wait();
            let sleep = tokio::time::sleep(wait.unwrap_or_default());
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::End(number) => return Ok(QuitReason::Signal(number)),
                    Asked::Stop => self.suspend(terminal)?,
                    Asked::Resumed => self.resumed(terminal)?,
                },
                event = keys.next() => match event {
                    Some(event) => {
                        if let Some(reason) = self.event(event?, terminal)? {
                            return Ok(reason);
                        }
                    }
                    // The terminal is gone.
                    None => return Ok(QuitReason::Signal(SignalKind::hangup().as_raw_value())),
                },
                Some(message) = refusals.recv() => self.take(Message::Refused(message)),
                changed = published.changed(), if !self.stale => match changed {
                    Ok(()) => self.stale = true,
                    Err(_) => return Ok(QuitReason::ClusterEnded),
                },
                () = sleep, if wait.is_some() => {}
            }
            self.tick();
            self.look();
            if self.due() {
                self.draw(terminal)?;
            }
        }
    }

    fn tick(&mut self) {
        let toast = self.model.toast.is_some();
        update(&mut self.model, Message::Tick(self.start.elapsed()));
        self.dirty |= toast && self.model.toast.is_none();
    }

    fn take(&mut self, message: Message) {
        self.tick();
        update(&mut self.model, message);
        self.dirty = true;
    }

    /// Looks at the newest snapshot, if there is one, as often as frames may be drawn: a busy cluster publishes far more.
    fn look(&mut self) {
        let frozen = self.model.frozen.is_some();
        if !self.stale || frozen || self.model.wall < self.looked + self.options.frame {
            return;
        }
        let new = self.handle.snapshot();
        self.dirty |= can_be_seen(&self.model.snapshot, &new);
        update(&mut self.model, Message::Snapshot(new));
        self.looked = self.model.wall;
        self.stale = false;
    }

    fn event(&mut self, event: Event, terminal: &mut Terminal) -> io::Result<Option<QuitReason>> {
        let message = match event {
            Event::Key(key) => Message::Key(key),
            Event::Mouse(mouse) => Message::Mouse(mouse),
            Event::Resize(width, height) => Message::Resize(Size::new(width, height)),
            _ => return Ok(None),
        };
        self.tick();
        self.dirty = true;
        for command in update(&mut self.model, message) {
            match command {
                Command::Quit => return Ok(Some(QuitReason::Asked)),
                Command::Suspend => self.suspend(terminal)?,
                Command::Redraw => terminal.redraw()?,
                Command::Copy(text) => terminal.copy(&text)?,
                Command::Export(format) => self.export(format),
                Command::NextTheme => self.next_theme(),
                Command::Mouse(ours) => terminal::take_mouse(ours)?,
                Command::Send(input) => {
                    if !self.handle.try_send(input) {
                        self.take(Message::Refused("the cluster is busy: not sent".to_owned()));
                    }
                }
                Command::Write(request) => self.write(request),
            }
        }
        Ok(None)
    }

    fn next_theme(&mut self) {
        self.options.themes.rotate_left(1);
        if let Some(theme) = self.options.themes.first() {
            let text = format!("theme {}", theme.name());
            self.take(Message::Done(text));
        }
    }

    /// Writes what is shown to a new file in the working directory.
    fn export(&mut self, format: Format) {
        let Some(theme) = self.options.themes.first() else {
            return;
        };
        let text = export::content(&self.model, theme, &self.options.glyphs, format);
        let message = match write_new(&export::stem(&self.model), format, &text) {
            Ok(path) => Message::Done(format!("wrote {path}")),
            Err(error) => Message::Refused(format!("not written: {error}")),
        };
        self.take(message);
    }

    /// Writes beside the loop: the answer comes after the cluster's step.
    fn write(&self, request: WriteRequest) {
        let handle = self.handle.clone();
        let refused = self.refused.clone();
        tokio::task::spawn_blocking(move || {
            if let Some(reply) = handle.write(request)
                && let Err(error) = reply.result
            {
                // Nobody listens any more only when the screen is gone.
                let _ = refused.blocking_send(error.to_string());
            }
        });
    }

    fn suspend(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        terminal.suspend()?;
        terminal::take_mouse(self.model.mouse)?;
        self.tick();
        self.take(Message::Resumed);
        Ok(())
    }

    fn resumed(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        terminal.resume()?;
        terminal::take_mouse(self.model.mouse)?;
        let size = terminal.size()?;
        self.take(Message::Resumed);
        self.take(Message::Resize(size));
        Ok(())
    }

    /// The cluster's whole second, which the header shows.
    fn second(&self) -> i64 {
        self.model.now().floor_to_second().as_micros()
    }

    /// Whether a frame is to be drawn now.
    fn due(&self) -> bool {
        let changed = self.dirty || self.second() != self.drawn_second;
        let early = self
            .drawn
            .is_some_and(|at| self.model.wall < at + self.options.frame);
        changed && !early
    }

    /// How long there is nothing to do; none if that is up to others.
    fn wait(&self) -> Option<Duration> {
        let now = self.start.elapsed();
        let from = |at: Duration| (at + self.options.frame).saturating_sub(now);
        let frame = self.drawn.map_or(Duration::ZERO, from);
        let model = &self.model;
        let dirty = self.dirty.then_some(frame);
        let frozen = model.frozen.is_some();
        let stale = (self.stale && !frozen).then(|| from(self.looked));
        let toast = model
            .toast
            .as_ref()
            .map(|toast| toast.until.saturating_sub(now));
        let second = (!model.snapshot.paused && !frozen).then(|| {
            let left = 1_000_000 - model.now().as_micros().rem_euclid(1_000_000);
            Duration::from_micros(left.unsigned_abs()).max(frame)
        });
        [dirty, stale, toast, second].into_iter().flatten().min()
    }

    fn draw(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        let (model, options) = (&self.model, &self.options);
        if let Some(theme) = options.themes.first() {
            terminal.draw(|frame| view(model, theme, &options.glyphs, frame))?;
        }
        self.drawn = Some(self.start.elapsed());
        self.drawn_second = self.second();
        self.dirty = false;
        Ok(())
    }
}

/// Writes a file that is not there yet; returns its name.
fn write_new(stem: &str, format: Format, text: &str) -> io::Result<String> {
    for count in 1..100 {
        let more = if count == 1 {
            String::new()
        } else {
            format!("-{count}")
        };
        let path = format!("{stem}{more}.{}", format.extension());
        let file = std::fs::File::create_new(&path);
        match file.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes())) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("there are too many files {stem}")))
}

/// Whether two snapshots can differ on the screen. Renewed leases, most of all, cannot be seen.
fn can_be_seen(old: &Arc<Snapshot>, new: &Arc<Snapshot>) -> bool {
    let (a, b) = (&old.store, &new.store);
    old.paused != new.paused
        || !a.objects.pods.ptr_eq(&b.objects.pods)
        || !a.objects.nodes.ptr_eq(&b.objects.nodes)
        || !a.objects.events.ptr_eq(&b.objects.events)
        || !a.objects.deployments.ptr_eq(&b.objects.deployments)
        || !a.objects.services.ptr_eq(&b.objects.services)
        || !a.objects.endpoint_slices.ptr_eq(&b.objects.endpoint_slices)
        || !a.world.nodes.ptr_eq(&b.world.nodes)
        || !a.world.containers.ptr_eq(&b.world.containers)
        || !a.world.progress.ptr_eq(&b.world.progress)
        || !a.world.engines.ptr_eq(&b.world.engines)
        || !old.metrics.ptr_eq(&new.metrics)
        || !same(&a.decisions, &b.decisions)
        || !same(&a.incidents, &b.incidents)
}

/// Whether two lists end in the same things: new ones are put at the end, and older incidents have ended.
fn same<T>(a: &imbl::Vector<Arc<T>>, b: &imbl::Vector<Arc<T>>) -> bool {
    let mut ends = a.iter().rev().zip(b.iter().rev()).take(64);
    a.len() == b.len() && ends.all(|(a, b)| Arc::ptr_eq(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::{Cluster, drive::Drive},
        runtime::simulated::SimulatedRuntime,
        topology,
    };

    #[test]
    fn renewed_leases_draw_no_frame_and_a_pause_does() {
        let topology = topology::demo().unwrap();
        let runtime = SimulatedRuntime::new(topology.config.seed);
        let mut drive = Drive::new(Cluster::new(topology.config), runtime);
        for object in topology.objects {
            drive.create(object).unwrap();
        }
        let settled = crate::api::Time::from_secs(40);
        drive.run_until(settled);
        let before = Arc::new(drive.cluster.snapshot());
        drive.run_until(settled + Duration::from_secs(3));
        let after = Arc::new(drive.cluster.snapshot());
        assert!(
            !before
                .store
                .objects
                .leases
                .ptr_eq(&after.store.objects.leases)
        );
        assert!(!can_be_seen(&before, &after));
        drive.input(&crate::store::Input::Pause(true));
        assert!(can_be_seen(&after, &Arc::new(drive.cluster.snapshot())));
    }

    #[test]
    fn the_surroundings_are_read_from_the_environment() {
        let read = |variables: &[(&str, &str)]| {
            let found = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let surroundings = Surroundings::read(found);
            (surroundings.no_color, surroundings.ssh, surroundings.ascii)
        };
        assert_eq!(read(&[]), (false, false, true));
        assert_eq!(read(&[("LANG", "C.UTF-8")]), (false, false, false));
        assert_eq!(
            read(&[("LANG", "C.UTF-8"), ("LC_ALL", "C")]),
            (false, false, true)
        );
        assert_eq!(
            read(&[("LANG", "ja_JP.UTF-8"), ("NO_COLOR", "")]),
            (false, false, true)
        );
        assert_eq!(
            read(&[("LANG", "de.utf8"), ("NO_COLOR", "1")]),
            (true, false, false)
        );
        let ssh = ("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22");
        assert_eq!(
            read(&[("LANG", "C.UTF-8"), ("TERM", "dumb"), ssh]),
            (true, true, false)
        );
    }
}
