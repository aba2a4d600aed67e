//! A program in a pseudo-terminal, with a terminal that is emulated.

use std::{
    fmt::Debug,
    io::{Read, Write},
    num::NonZero,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before the test fails and shows the screen.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What has come out of the program.
struct Output {
    screen: vt100::Parser,
    bytes: Vec<u8>,
    ended: bool,
}

/// A running program.
pub struct Session {
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    pid: Pid,
    output: Arc<(Mutex<Output>, Condvar)>,
    /// The terminal's settings before the program ran.
    before: String,
    state: tempfile::TempDir,
}

impl Session {
    /// Starts kubeplay in a terminal of a size, with nothing of this environment that could change what it shows.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)], columns: u16, rows: u16) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(PathBuf::from(env!("CARGO_BIN_EXE_kubeplay")));
        command.args(arguments);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        for name in [
            "NO_COLOR",
            "SSH_CONNECTION",
            "LC_ALL",
            "LC_CTYPE",
            "KUBEPLAY_PANIC",
        ] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("RUST_BACKTRACE", "0");
        command.env("XDG_STATE_HOME", state.path());
        command.env("XDG_CONFIG_HOME", state.path());
        for (name, value) in variables {
            command.env(name, value);
        }
        let before = settings(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let pid = child
            .process_id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
            .unwrap();
        let screen = vt100::Parser::new(cells(rows), cells(columns), 0);
        let output = Arc::new((
            Mutex::new(Output {
                screen,
                bytes: Vec::new(),
                ended: false,
            }),
            Condvar::new(),
        ));
        let writer = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let reader = pair.master.try_clone_reader().unwrap();
        pump(reader, Arc::clone(&output), Arc::clone(&writer));
        Self {
            master: pair.master,
            writer,
            child,
            pid,
            output,
            before,
            state,
        }
    }

    fn wait(&self, what: &str, condition: impl Fn(&Output) -> bool) {
        let (lock, changed) = &*self.output;
        let start = Instant::now();
        let mut output = lock.lock().unwrap();
        while !condition(&output) {
            let screen = output.screen.screen().contents();
            assert!(!output.ended, "it ended before {what}:\n{screen}");
            let left = LIMIT.checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| panic!("not in time: {what}; the screen:\n{screen}"));
            output = changed.wait_timeout(output, left).unwrap().0;
        }
    }

    /// Waits until a text is on the screen.
    pub fn wait_for(&self, text: &str) {
        self.wait(text, |output| {
            output.screen.screen().contents().contains(text)
        });
    }

    /// Waits until a text has left the screen.
    pub fn wait_gone(&self, text: &str) {
        self.wait(&format!("{text} gone"), |output| {
            !output.screen.screen().contents().contains(text)
        });
    }

    /// Waits until the program has left the alternate screen.
    pub fn wait_left(&self) {
        self.wait("left", |output| !output.screen.screen().alternate_screen());
    }

    /// Waits until the process is stopped.
    pub fn wait_stopped(&self) {
        let path = format!("/proc/{}/stat", self.pid.as_raw_nonzero());
        let start = Instant::now();
        loop {
            let stat = std::fs::read_to_string(&path).unwrap();
            if stat
                .rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('T'))
            {
                return;
            }
            assert!(start.elapsed() < LIMIT, "it does not stop");
            std::thread::yield_now();
        }
    }

    /// Types.
    pub fn keys(&self, keys: &str) {
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Changes the terminal's size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.output
            .0
            .lock()
            .unwrap()
            .screen
            .screen_mut()
            .set_size(cells(rows), cells(columns));
        self.master
            .resize(PtySize {
                rows,
                cols: columns,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits for the program's end and its output's; returns its exit status, none if a signal ended it.
    pub fn end(&mut self) -> Option<u32> {
        let (lock, changed) = &*self.output;
        let mut output = lock.lock().unwrap();
        let start = Instant::now();
        while !output.ended {
            let screen = output.screen.screen().contents();
            let left = LIMIT.checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| panic!("it does not end; the screen:\n{screen}"));
            output = changed.wait_timeout(output, left).unwrap().0;
        }
        drop(output);
        let status = self.child.wait().unwrap();
        status.signal().is_none().then(|| status.exit_code())
    }

    /// Whether the screen's modes are on.
    pub fn is_entered(&self) -> bool {
        let output = self.output.0.lock().unwrap();
        let screen = output.screen.screen();
        screen.alternate_screen() && screen.hide_cursor() && settings(&*self.master) != self.before
    }

    /// The terminal is as it was found.
    pub fn assert_restored(&self) {
        let output = self.output.0.lock().unwrap();
        let screen = output.screen.screen();
        assert!(!screen.alternate_screen(), "alternate screen");
        assert!(!screen.hide_cursor(), "cursor");
        assert!(!screen.bracketed_paste(), "bracketed paste");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!(settings(&*self.master), self.before, "terminal settings");
    }

    /// The run's id: the name of its lock in the state directory.
    pub fn run(&self) -> String {
        let mut locks = std::fs::read_dir(self.state.path().join("kubeplay/runs")).unwrap();
        let lock = locks.next().unwrap().unwrap().path();
        lock.file_stem().unwrap().to_str().unwrap().to_owned()
    }

    /// The text on the screen.
    pub fn text(&self) -> String {
        self.output.0.lock().unwrap().screen.screen().contents()
    }

    /// Everything that the program wrote.
    pub fn bytes(&self) -> Vec<u8> {
        self.output.0.lock().unwrap().bytes.clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nothing outlives its test. A process that has ended is waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number of rows or columns as the emulator takes it.
fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

/// The terminal's settings, in a form that can be compared.
fn settings(master: &dyn MasterPty) -> String {
    fn text(value: impl Debug) -> String {
        format!("{value:?}")
    }
    text(master.get_termios())
}

/// Feeds the emulated terminal, and answers what a terminal answers.
fn pump(
    mut reader: Box<dyn Read + Send>,
    output: Arc<(Mutex<Output>, Condvar)>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
) {
    std::thread::spawn(move || {
        let (lock, changed) = &*output;
        let mut buffer = [0; 65536];
        loop {
            // Linux reports the end of the other side as an error.
            let read = reader.read(&mut buffer).unwrap_or(0);
            let mut output = lock.lock().unwrap();
            if read == 0 {
                output.ended = true;
                changed.notify_all();
                return;
            }
            let part = &buffer[..read];
            output.bytes.extend_from_slice(part);
            output.screen.process(part);
            changed.notify_all();
            drop(output);
            if part.windows(4).any(|four| four == b"\x1b[6n") {
                let mut writer = writer.lock().unwrap();
                let _ = writer.write_all(b"\x1b[1;1R").and_then(|()| writer.flush());
            }
        }
    });
}
