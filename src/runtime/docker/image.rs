//! The built-in image: kubeplay's own program and its libraries, packed and imported. No registry is needed.
//!
//! Its tag is a hash of its contents, so that it is packed once per version of the program, and its predecessors are
//! known. Inside, the program is at `/kubeplay` and takes `__guest` and a word as its arguments (`crate::workload`).

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use xxhash_rust::xxh3::Xxh3;

use super::{
    elf,
    engine::{Engine, Failure, within},
    labels,
};

/// Repository of built-in images in the engine.
const REPOSITORY: &str = "kubeplay/builtin";
/// Where program and libraries are in the image.
const PROGRAM: &str = "/kubeplay";
const LIBRARIES: &str = "/kubeplay-lib";
/// Who it runs as, unless a spec says otherwise.
const NOBODY: &str = "65534:65534";
/// Changes when the same files would be packed differently.
const LAYOUT: &[u8] = b"2";
const INSPECT_LIMIT: Duration = Duration::from_secs(10);
const IMPORT_LIMIT: Duration = Duration::from_secs(120);
const CHUNK: usize = 1 << 20;

/// The command of a container of the built-in image that does something else than its usual work.
#[must_use]
pub fn command(word: &str) -> Vec<String> {
    [PROGRAM, crate::workload::ARGUMENT, word]
        .map(str::to_owned)
        .to_vec()
}

/// A file of the image.
struct File {
    /// Where it is in the image.
    path: String,
    contents: Vec<u8>,
}

/// Makes sure that the engine has the image of a program, and returns its reference.
///
/// # Errors
/// The program cannot be read or does not run on the engine's machine, or the engine failed.
pub async fn ensure(
    engine: &Engine,
    program: &Path,
    progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<String, Failure> {
    if !cfg!(target_os = "linux") || !engine.runs_our_programs() {
        return Err(Failure::Other(format!(
            "this program ({} on {}) does not run in the engine's containers (linux on {}), so the built-in image cannot be packed from it",
            std::env::consts::OS,
            std::env::consts::ARCH,
            engine.architecture()
        )));
    }
    let program = program.to_owned();
    let packed = tokio::task::spawn_blocking(move || collect(&program)).await;
    let files = packed
        .map_err(io::Error::other)
        .and_then(|files| files)
        .map_err(|error| Failure::Other(format!("the built-in image cannot be packed: {error}")))?;
    let hash = hash(&files);
    let reference = format!("{REPOSITORY}:{hash}");
    let inspect = within(
        INSPECT_LIMIT,
        "inspect image",
        engine.docker().inspect_image(&reference),
    );
    match inspect.await {
        Ok(_) => {}
        Err(failure) if failure.status() == Some(404) => {
            let archive = archive(&files).map_err(|error| Failure::Other(error.to_string()))?;
            import(engine, &hash, archive, progress).await?;
        }
        Err(failure) => return Err(failure),
    }
    Ok(reference)
}

/// Reads the program, its loader and its libraries, without what is not used at run time.
fn collect(program: &Path) -> io::Result<Vec<File>> {
    let read = |path: &Path| {
        let mut contents = fs::read(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        elf::strip(&mut contents);
        Ok::<_, io::Error>(contents)
    };
    let contents = read(program)?;
    let interpreter = elf::read(&contents).and_then(|elf| elf.interpreter);
    let mut files = vec![File {
        path: PROGRAM.to_owned(),
        contents,
    }];
    // A static program needs nothing else.
    let Some(interpreter) = interpreter else {
        return Ok(files);
    };
    let loader = fs::canonicalize(&interpreter)?;
    for library in libraries(program)? {
        if library == loader {
            continue;
        }
        if let Some(name) = library.file_name().and_then(|name| name.to_str()) {
            files.push(File {
                path: format!("{LIBRARIES}/{name}"),
                contents: read(&library)?,
            });
        }
    }
    files.push(File {
        contents: read(&loader)?,
        path: interpreter,
    });
    Ok(files)
}

/// Asks the program itself which libraries the loader found for it.
fn libraries(program: &Path) -> io::Result<Vec<PathBuf>> {
    let output = Command::new(program)
        .args([crate::workload::ARGUMENT, "libraries"])
        .env_remove("LD_PRELOAD")
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "{} does not say what it is linked to",
            program.display()
        )));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(PathBuf::from).collect())
}

fn hash(files: &[File]) -> String {
    let mut hash = Xxh3::new();
    hash.update(LAYOUT);
    for file in files {
        for part in [file.path.as_bytes(), &file.contents] {
            hash.update(&part.len().to_le_bytes());
            hash.update(part);
        }
    }
    format!("{:032x}", hash.digest128()).split_off(16)
}

/// The files as a tar archive. The times in it are 0: the same files are the same bytes.
fn archive(files: &[File]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(file.contents.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        let path = file.path.trim_start_matches('/');
        archive.append_data(&mut header, path, file.contents.as_slice())?;
    }
    archive.into_inner()
}

async fn import(
    engine: &Engine,
    hash: &str,
    archive: Vec<u8>,
    progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<(), Failure> {
    let guest = crate::workload::ARGUMENT;
    let changes = vec![
        format!("ENTRYPOINT [\"{PROGRAM}\", \"{guest}\", \"workload\"]"),
        "CMD [\"serve\"]".to_owned(),
        format!("ENV LD_LIBRARY_PATH={LIBRARIES}"),
        format!("USER {NOBODY}"),
        format!("LABEL {}=1 {}={hash}", labels::OURS, labels::IMAGE),
    ];
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(REPOSITORY)
        .tag(hash)
        .changes(changes)
        .build();
    let total = archive.len() as u64;
    let archive = Bytes::from(archive);
    let chunks: Vec<Bytes> = (0..archive.len())
        .step_by(CHUNK)
        .map(|from| archive.slice(from..archive.len().min(from + CHUNK)))
        .collect();
    let sent = AtomicU64::new(0);
    let body = stream::iter(chunks).inspect(move |chunk| {
        let size = chunk.len() as u64;
        progress(sent.fetch_add(size, Ordering::Relaxed) + size, total);
    });
    let docker = engine.docker();
    let mut answers = docker.create_image(Some(options), Some(bollard::body_stream(body)), None);
    within(IMPORT_LIMIT, "import the built-in image", async {
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(())
    })
    .await
}

/// Removes built-in images that no container uses, but for the one that is to stay. Returns how many.
///
/// # Errors
/// The engine failed.
pub async fn prune(engine: &Engine, keep: Option<&str>) -> Result<usize, Failure> {
    let docker = engine.docker();
    let filters = [("label", vec![labels::IMAGE])].into_iter().collect();
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images = docker.list_images(Some(options));
    let images = within(INSPECT_LIMIT, "list images", images).await?;
    let mut removed = 0;
    for image in images {
        if keep.is_some_and(|keep| image.repo_tags.iter().any(|tag| tag == keep)) {
            continue;
        }
        let options = RemoveImageOptionsBuilder::new().build();
        // By its tag if it has one: an image of two tags is not removed by its id. Engines write a missing tag as one.
        let tag = image.repo_tags.iter().find(|tag| !tag.contains("<none>"));
        let removal = docker.remove_image(tag.unwrap_or(&image.id), Some(options), None);
        // One that is in use stays.
        if within(IMPORT_LIMIT, "remove image", removal).await.is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(contents: &[u8]) -> Vec<File> {
        vec![File {
            path: "/a/b".to_owned(),
            contents: contents.to_vec(),
        }]
    }

    #[test]
    fn the_tag_follows_the_contents() {
        assert_eq!(hash(&files(b"x")), hash(&files(b"x")));
        assert_ne!(hash(&files(b"x")), hash(&files(b"y")));
        assert_eq!(hash(&files(b"x")).len(), 16);
    }

    #[test]
    fn the_archive_holds_the_files_at_their_places() {
        let bytes = archive(&files(b"contents")).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let paths: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["a/b"]);
    }
}
