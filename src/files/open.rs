//! Opening files without ever waiting for one.
//!
//! All of this blocks and therefore runs in [`off_runtime`], which has a time limit. A FIFO, a socket or a device is
//! opened without blocking and never read. What is known of a file (length, time) comes from the open file itself,
//! so that a file exchanged between two looks cannot give one file's length and another's bytes.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::links::Links;
use super::refusal::Refusal;

/// A local disk answers in milliseconds; this is for a network file system that lost its server.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Opened {
    pub file: File,
    pub len: u64,
    /// Seconds since 1970.
    pub modified: i64,
}

impl Opened {
    /// nginx's `"%xT-%xO"`: modification time and length in hexadecimal.
    pub fn etag(&self) -> String {
        let sign = if self.modified < 0 { "-" } else { "" };
        format!("\"{sign}{:x}-{:x}\"", self.modified.unsigned_abs(), self.len)
    }
}

#[derive(Debug)]
pub enum Found {
    File(Opened),
    Directory,
    /// A FIFO, a socket, a device.
    Special,
}

/// Blocks.
pub fn open(path: &Path, links: Option<Links>) -> Result<Found, Refusal> {
    let failed = |source| Refusal::Open { path: path.to_path_buf(), source };
    let file = match links {
        None => OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path),
        Some(links) => links.open(path),
    };
    let file = file.map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    Ok(match Kind::of(&metadata) {
        Kind::File => Found::File(Opened { len: metadata.len(), modified: metadata.mtime(), file }),
        Kind::Directory => Found::Directory,
        Kind::Special => Found::Special,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Special,
}

impl Kind {
    fn of(metadata: &Metadata) -> Kind {
        match metadata.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Directory,
            _ => Kind::Special,
        }
    }
}

/// What a path names, links followed, without opening it: for index files and `try_files`. Blocks.
pub fn look(path: &Path) -> io::Result<Kind> {
    path.metadata().map(|metadata| Kind::of(&metadata))
}

/// [`look`] from within the runtime, for `try_files` (where nginx passes on whatever is no directory).
pub async fn probe(path: PathBuf) -> Result<Kind, Refusal> {
    let looked = off_runtime(move || look(&path).map_err(|source| Refusal::Open { path, source })).await;
    looked.map_err(Refusal::NoAnswer)?
}

/// Runs what may block beside the runtime. Fails if it does not end within the limit; work that has not begun when
/// the caller leaves is dropped.
pub async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    within(PATIENCE, work).await
}

async fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let mut one = JoinSet::new();
    one.spawn_blocking(work);
    match timeout(limit, one.join_next()).await {
        Ok(Some(done)) => done.map_err(io::Error::other),
        Ok(None) => Err(io::Error::other("nothing was run")),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn an_etag_is_time_and_length_in_hexadecimal() {
        let opened = |modified, len| Opened { file: tempfile::tempfile().expect("a file"), len, modified };
        assert_eq!(opened(784_111_777, 36).etag(), "\"2ebc98a1-24\"");
        assert_eq!(opened(0, 3).etag(), "\"0-3\"");
        assert_eq!(opened(-86_400, 3).etag(), "\"-15180-3\"");
    }

    #[test]
    fn odd_files_are_told_apart_without_blocking() {
        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("fifo");
        let name = std::ffi::CString::new(fifo.as_os_str().as_bytes()).expect("no NUL");
        // SAFETY: `name` is a NUL-terminated string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).expect("binds");
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).expect("links");

        assert!(matches!(open(&fifo, None), Ok(Found::Special)));
        assert!(matches!(open(Path::new("/dev/null"), None), Ok(Found::Special)));
        assert!(matches!(open(dir.path(), None), Ok(Found::Directory)));
        let status = |name: &str| open(&dir.path().join(name), None).expect_err("refused").status();
        assert_eq!(status("socket"), 500);
        assert_eq!(status("loop"), 403);
        assert_eq!(status("missing"), 404);
        assert_eq!(status("fifo/x"), 404);
        assert_eq!(status(&"x".repeat(256)), 404);
    }

    #[tokio::test]
    async fn a_file_system_that_never_answers_is_given_up() {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let answer = within(Duration::from_millis(1), move || wait.recv()).await;
        assert_eq!(answer.expect_err("times out").kind(), io::ErrorKind::TimedOut);
        drop(release);
    }

    #[tokio::test]
    async fn a_panic_in_the_work_is_an_error_to_the_caller() {
        assert!(off_runtime(|| panic!("broken")).await.is_err());
    }
}
