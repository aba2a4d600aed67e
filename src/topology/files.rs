//! Files from outside: whatever is given, one clear message.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{
    source::{Problem, Source},
    suggest::nearest,
};

/// The largest file that is read. A topology of 5,000 deployments has 2 MB.
const LARGEST: u64 = 16 << 20;

/// A file's text.
///
/// # Errors
/// There is no such file, it is a directory, too large or not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let name = path.display().to_string();
    let problem = |message: String| Problem::of_file(name.clone(), message);
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        file.take(LARGEST + 1).read_to_end(&mut bytes)
    });
    match opened.map_err(|error| (error.kind(), error)) {
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err(problem(format!("larger than {} MiB", LARGEST >> 20)))
        }
        Ok(_) => String::from_utf8(bytes).map_err(|error| not_utf8(&name, error.as_bytes())),
        Err((io::ErrorKind::NotFound, _)) => {
            let meant = neighbour(path).map_or_else(String::new, |near| {
                format!("; did you mean `{}`?", path.with_file_name(near).display())
            });
            Err(problem(format!("there is no such file{meant}")))
        }
        Err((io::ErrorKind::IsADirectory, _)) => {
            Err(problem("is a directory; give a file".to_owned()))
        }
        Err((_, error)) => Err(problem(format!("cannot be read: {error}"))),
    }
}

/// Says where a text stops being UTF-8.
fn not_utf8(name: &str, bytes: &[u8]) -> Problem {
    let valid = bytes
        .utf8_chunks()
        .next()
        .map_or(0, |chunk| chunk.valid().len());
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let source = Source::new(name, String::from_utf8_lossy(bytes));
    let message = format!("not UTF-8: there is a byte {byte:#04x} here");
    Problem::at(&source, valid..valid + 1, message)
}

/// A file beside the one that is not there, whose name is nearly the same.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let entries = folder.unwrap_or(Path::new(".")).read_dir().ok()?;
    let mut names: Vec<String> = entries
        .take(1000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let word = path.file_name()?.to_str()?;
    nearest(word, names.iter().map(String::as_str)).map(str::to_owned)
}
