//! The terminal and its modes: entered once, left however the screen ends.
//!
//! Everything that is switched on is switched off by [`leave`], which may be called any number of times and from a
//! panic hook.

use std::{
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    clipboard::CopyToClipboard,
    cursor::{Hide, Show},
    execute, queue,
    style::Print,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
        disable_raw_mode, enable_raw_mode,
    },
};
use ratatui::{
    Frame,
    backend::CrosstermBackend,
    layout::{Rect, Size},
};

/// Whether the modes are on. There is one terminal for a process.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Large enough for a whole frame: it goes out in one write.
const FRAME_BYTES: usize = 1 << 17;

/// Switches the screen's modes on.
///
/// # Errors
/// The terminal's.
fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, Hide)?;
    take_mouse(true)
}

/// Presses and the wheel are reported (1000), places as numbers (1006). Not movements: nothing is done with them.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Takes the mouse, or leaves it to the terminal.
///
/// # Errors
/// The terminal's.
pub fn take_mouse(ours: bool) -> io::Result<()> {
    let modes = if ours { MOUSE_ON } else { MOUSE_OFF };
    execute!(io::stdout(), Print(modes))
}

/// Switches the screen's modes off; nothing if they are off.
pub fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        // Each by itself: that one fails is no reason to leave the others on.
        let _ = execute!(io::stdout(), EndSynchronizedUpdate);
        let _ = take_mouse(false);
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
        let _ = execute!(io::stdout(), Show);
        let _ = disable_raw_mode();
    }
}

/// Restores the terminal before a panic on this thread is told, so that its message can be read. A panic of another
/// thread leaves the screen alone.
fn restore_on_panic() {
    let screen = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == screen {
            leave();
            before(panic);
        } else if ENTERED.load(Ordering::SeqCst) {
            tracing::error!(%panic, "a thread panicked");
        } else {
            before(panic);
        }
    }));
}

/// The terminal while the screen is open. Dropping it restores the terminal.
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Terminal {
    /// Opens the screen.
    ///
    /// # Errors
    /// Input or output is no terminal; the terminal's, and it is restored then.
    pub fn open() -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::other(
                "standard input and output must be a terminal",
            ));
        }
        restore_on_panic();
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, io::stdout()));
        let opened = enter().and_then(|()| ratatui::Terminal::new(backend));
        match opened {
            Ok(inner) => Ok(Self { inner }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// The terminal's size.
    ///
    /// # Errors
    /// The terminal's.
    pub fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    /// Draws a frame; the terminal shows it at once or not at all.
    ///
    /// # Errors
    /// The terminal's.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.inner.backend_mut(), BeginSynchronizedUpdate)?;
        self.inner.draw(view)?;
        queue!(self.inner.backend_mut(), EndSynchronizedUpdate)?;
        io::Write::flush(self.inner.backend_mut())
    }

    /// Puts a text on the clipboard, where the terminal lets programs do that (OSC 52).
    ///
    /// # Errors
    /// The terminal's.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(
            self.inner.backend_mut(),
            CopyToClipboard::to_clipboard_from(text)
        )
    }

    /// Forgets what is on the terminal: the next frame draws every cell.
    ///
    /// # Errors
    /// The terminal's.
    pub fn redraw(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal where its cursor is, and wait for the answer.
        let size = self.size()?;
        self.inner.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Gives the terminal back, stops the process until it is continued, and takes the terminal again.
    ///
    /// # Errors
    /// The terminal's.
    pub fn suspend(&mut self) -> io::Result<()> {
        leave();
        // SIGSTOP, because the kernel drops a SIGTSTP where no shell does job control.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        self.resume()
    }

    /// Takes the terminal again after the process was stopped by somebody else.
    ///
    /// # Errors
    /// The terminal's.
    pub fn resume(&mut self) -> io::Result<()> {
        enter()?;
        self.redraw()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Write::flush(self.inner.backend_mut());
        leave();
    }
}
