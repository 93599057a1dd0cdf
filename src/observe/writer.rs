//! Files that logs are written to, by one thread of their own.
//!
//! A request hands its line over and goes on. The queue is bounded: when the disk is slower than the requests, lines are
//! dropped and counted, never waited for. Files are known by their path and outlive a reload; USR1 opens them anew.

use crate::system;
use once_cell::sync::Lazy;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait for the disk.
const QUEUE: usize = 16 << 20;

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(5);

static DROPPED: AtomicU64 = AtomicU64::new(0);
static WRITER: Lazy<Writer> = Lazy::new(Writer::start);

/// A file to log to.
#[derive(Clone)]
pub struct LogFile(Arc<Target>);

struct Target {
    path: PathBuf,
    /// `None`: only the configuration is looked at.
    file: Mutex<Option<File>>,
}

struct Writer {
    waiting: Arc<Waiting>,
    /// Those that a configuration still names; a file is closed when the last one lets it go.
    files: Mutex<HashMap<PathBuf, Weak<Target>>>,
}

/// What the thread is to write, and what wakes it.
#[derive(Default)]
struct Waiting {
    batches: Mutex<Batches>,
    bell: Condvar,
}

#[derive(Default)]
struct Batches {
    /// The lines of each file, in the order in which they came.
    lines: Vec<(LogFile, Vec<u8>)>,
    held: usize,
    /// Told once everything before has been written.
    flushes: Vec<SyncSender<()>>,
}

/// Opens a file to append to; the same path gives the same file.
pub fn open(path: &Path) -> io::Result<LogFile> {
    let mut files = WRITER.files.lock().unwrap_or_else(PoisonError::into_inner);
    files.retain(|_, file| file.strong_count() > 0);
    if let Some(file) = files.get(path).and_then(Weak::upgrade) {
        return Ok(LogFile(file));
    }
    let file = LogFile(Arc::new(Target { path: path.to_owned(), file: Mutex::new(Some(system::append(path)?)) }));
    files.insert(path.to_owned(), Arc::downgrade(&file.0));
    Ok(file)
}

/// Opens every file anew, after logrotate has moved it away. A file that cannot be opened goes on as it was.
pub fn reopen() -> Vec<(PathBuf, io::Error)> {
    let files = WRITER.files.lock().unwrap_or_else(PoisonError::into_inner);
    let mut failed = Vec::new();
    let used = files.iter().filter_map(|(path, file)| Some((path, file.upgrade()?)));
    for (path, target) in used {
        match system::append(path) {
            Ok(new) => *target.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(new),
            Err(e) => failed.push((path.clone(), e)),
        }
    }
    failed
}

/// Waits until what was logged before is written, but not longer than a second.
pub fn flush() {
    let (done, wait) = sync_channel(1);
    WRITER.waiting.lock().flushes.push(done);
    WRITER.waiting.bell.notify_one();
    // Whoever logs at the end has said what there was to say, written or not.
    let _ = wait.recv_timeout(Duration::from_secs(1));
}

/// How many lines were lost: the disk was too slow, or full.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

impl LogFile {
    /// A file that is named and not opened, for looking at a configuration.
    pub fn unopened(path: &Path) -> LogFile {
        LogFile(Arc::new(Target { path: path.to_owned(), file: Mutex::new(None) }))
    }

    /// Hands a line over, its line end included. Never waits for a disk.
    pub fn write(&self, line: &[u8]) {
        let is_first = WRITER.waiting.lock().add(self, line);
        // While the thread does not wait for a line, handing one over costs no system call.
        match is_first {
            Some(true) => WRITER.waiting.bell.notify_one(),
            Some(false) => {}
            None => drop(DROPPED.fetch_add(1, Ordering::Relaxed)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl std::fmt::Debug for LogFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogFile({})", self.0.path.display())
    }
}

impl Writer {
    fn start() -> Writer {
        let waiting = Arc::new(Waiting::default());
        let own = waiting.clone();
        let thread = std::thread::Builder::new().name("edge-log".into()).spawn(move || own.write_all());
        if let Err(e) = thread {
            eprintln!("edge: no thread for logs could be started, nothing will be logged: {e}");
        }
        Writer { waiting, files: Mutex::default() }
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self) {
        let mut losses = Losses::default();
        loop {
            let Batches { lines, flushes, .. } = self.next();
            for (file, lines) in lines {
                // A full disk must not end the log for good: the lines are lost, the next ones are tried again.
                let mut open = file.0.file.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(Err(e)) = open.as_mut().map(|open| open.write_all(&lines)) {
                    let lost = lines.iter().filter(|b| **b == b'\n').count() as u64;
                    DROPPED.fetch_add(lost, Ordering::Relaxed);
                    losses.note(file.path(), &e);
                }
            }
            losses.tell();
            for done in flushes {
                // Whoever waited has given up if nobody takes it.
                let _ = done.try_send(());
            }
        }
    }

    /// Waits until there is something to do. Under load many lines come at once: they are gathered.
    fn next(&self) -> Batches {
        let nothing = |batches: &mut Batches| batches.lines.is_empty() && batches.flushes.is_empty();
        let mut batches = self.bell.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        if batches.flushes.is_empty() {
            drop(batches);
            std::thread::sleep(GATHER);
            batches = self.lock();
        }
        std::mem::take(&mut *batches)
    }
}

impl Batches {
    /// Says whether this is the first line; `None`: there is no room for it.
    fn add(&mut self, file: &LogFile, line: &[u8]) -> Option<bool> {
        if self.held + line.len() > QUEUE {
            return None;
        }
        let is_first = self.lines.is_empty();
        self.held += line.len();
        match self.lines.iter_mut().find(|(known, _)| Arc::ptr_eq(&known.0, &file.0)) {
            Some((_, lines)) => lines.extend_from_slice(line),
            None => self.lines.push((file.clone(), line.to_vec())),
        }
        Some(is_first)
    }
}

/// Lines that were lost, told in the error log once a second at the most. Where that cannot be written either, the sum of all
/// is told once it can.
#[derive(Default)]
struct Losses {
    /// Of [`DROPPED`], how many were told of.
    told_of: u64,
    why: Option<String>,
    told: Option<Instant>,
}

impl Losses {
    fn note(&mut self, path: &Path, e: &io::Error) {
        self.why = Some(format!("{}: {e}", path.display()));
    }

    fn tell(&mut self) {
        let lost = dropped();
        let due = self.told.is_none_or(|told| told.elapsed() >= Duration::from_secs(1));
        if lost > self.told_of && due {
            let why = self.why.take().unwrap_or_else(|| "they came faster than they could be written".into());
            let new = lost - self.told_of;
            log::error!(target: "edge::alert", "{new} lines of logs were lost, {lost} in all ({why})");
            *self = Losses { told_of: lost, why: None, told: Some(Instant::now()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_in_order_and_a_reopened_file_is_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let file = open(&path).unwrap();
        for i in 0..1000 {
            file.write(format!("{i}\n").as_bytes());
        }
        flush();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().map(|l| l.parse::<u32>().unwrap()).collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());

        std::fs::rename(&path, dir.path().join("a.log.1")).unwrap();
        assert!(reopen().iter().all(|(failed, _)| failed != &path));
        open(&path).unwrap().write(b"new\n");
        flush();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
    }
}
