//! Who owns what: machine, run, and the lock that tells a living run from a dead one.
//!
//! A run holds a lock on a file in the state directory for as long as its process lives. Whoever can take that lock
//! knows that nobody is left to look after the run's containers.
#![expect(
    clippy::disallowed_methods,
    reason = "a run's name must be new, so the clock goes into it"
)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use etcetera::BaseStrategy;
use rustix::fs::{FlockOperation, flock};
use xxhash_rust::xxh3::xxh3_64;

/// This machine, as seen by this user: what is labelled with its id may be reaped from here.
#[derive(Clone, Debug)]
pub struct Machine {
    dir: PathBuf,
    id: String,
}

/// A run of this process; dropping it lets go of its lock.
#[derive(Debug)]
pub struct Run {
    id: String,
    lock: Lock,
}

/// A held lock of a run.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Who has the lock of a run.
#[derive(Debug)]
pub enum Holder {
    /// A living process.
    Somebody,
    /// Nobody had it; now it is held here.
    Us(Lock),
}

impl Machine {
    /// The machine, by the state directory given, or the user's own (`$XDG_STATE_HOME/kubeplay`).
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn open(dir: Option<PathBuf>) -> io::Result<Self> {
        let dir = match dir {
            Some(dir) => dir,
            None => etcetera::choose_base_strategy()
                .ok()
                .and_then(|base| base.state_dir())
                .ok_or_else(|| io::Error::other("there is no state directory (is HOME set?)"))?
                .join("kubeplay"),
        };
        fs::create_dir_all(dir.join("runs"))?;
        let token = token(&dir.join("machine"))?;
        // With the host's own id, because a home directory may be shared by several hosts.
        let host = fs::read_to_string("/etc/machine-id").unwrap_or_else(|_| {
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned()
        });
        let id = format!("{:016x}", xxh3_64(format!("{token}{host}").as_bytes()));
        Ok(Self { dir, id })
    }

    /// The id that labels carry.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The state directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins a run: a new id, whose lock is held from now on.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn begin(&self) -> io::Result<Run> {
        for attempt in 0..100 {
            let id = format!("{:08x}", xxh3_64(seed(attempt).as_bytes()) >> 32);
            let path = self.path(&id);
            match private().create_new(true).open(&path) {
                Ok(file) => {
                    if let Some(lock) = take(file, path)? {
                        return Ok(Run { id, lock });
                    }
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no name for a run was free"))
    }

    /// Takes the lock of a run, if nobody has it.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn take(&self, run: &str) -> io::Result<Holder> {
        let path = self.path(run);
        let file = private().create(true).truncate(false).open(&path)?;
        Ok(take(file, path)?.map_or(Holder::Somebody, Holder::Us))
    }

    /// The runs that have a lock file, held or not.
    #[must_use]
    pub fn known_runs(&self) -> Vec<String> {
        let mut runs: Vec<String> = fs::read_dir(self.dir.join("runs"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some(name.strip_suffix(".lock")?.to_owned())
            })
            .filter(|run| is_run_id(run))
            .collect();
        runs.sort();
        runs
    }

    /// The lock file of a run.
    #[must_use]
    pub fn path(&self, run: &str) -> PathBuf {
        self.dir.join("runs").join(format!("{run}.lock"))
    }
}

impl Run {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Lets go of the lock and forgets the run: nothing of it is left.
    pub fn forget(&self) {
        self.lock.forget();
    }
}

impl Lock {
    /// Removes the file of a run of which nothing is left.
    pub fn forget(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Whether a text can be the id of a run: it goes into paths.
#[must_use]
pub fn is_run_id(text: &str) -> bool {
    text.len() == 8
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Locks a file; none if somebody else has it, or removed it meanwhile.
fn take(file: File, path: PathBuf) -> io::Result<Option<Lock>> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let same = fs::metadata(&path).is_ok_and(|now| {
        file.metadata()
            .is_ok_and(|ours| (now.dev(), now.ino()) == (ours.dev(), ours.ino()))
    });
    Ok(same.then_some(Lock { file, path }))
}

/// A file of a few random characters that stays the same once written.
fn token(path: &Path) -> io::Result<String> {
    let new = format!("{:016x}", xxh3_64(seed(0).as_bytes()));
    // Written under another name first: whoever reads it reads all of it.
    let draft = path.with_extension(std::process::id().to_string());
    let mut file = private().create(true).truncate(true).open(&draft)?;
    file.write_all(new.as_bytes())?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::read_to_string(path),
    }
}

fn seed(attempt: u32) -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    format!(
        "{} {} {attempt} {kernel}",
        since.as_nanos(),
        std::process::id()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_held_until_its_owner_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::open(Some(dir.path().to_owned())).unwrap();
        let run = machine.begin().unwrap();
        let id = run.id().to_owned();
        assert!(is_run_id(&id));
        assert_eq!(machine.known_runs(), [id.as_str()]);
        assert!(matches!(machine.take(&id).unwrap(), Holder::Somebody));
        drop(run);
        let Holder::Us(lock) = machine.take(&id).unwrap() else {
            panic!("nobody holds it");
        };
        lock.forget();
        assert!(machine.known_runs().is_empty());
    }

    #[test]
    fn a_machine_is_the_same_every_time_and_two_state_directories_are_two_machines() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = |dir: &tempfile::TempDir| Machine::open(Some(dir.path().to_owned())).unwrap();
        assert_eq!(open(&one).id(), open(&one).id());
        assert_ne!(open(&one).id(), open(&two).id());
    }

    #[test]
    fn only_eight_hex_digits_name_a_run() {
        for bad in ["", "../../ab", "0123456", "012345678", "0123456G"] {
            assert!(!is_run_id(bad), "{bad}");
        }
        assert!(is_run_id("0123abcd"));
    }
}
