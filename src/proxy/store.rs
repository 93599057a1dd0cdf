//! `proxy_store`: an upstream's answer becomes a file, which from then on is served without asking.
//!
//! Unlike the cache it is nothing but a copy: whole answers with 200, under a name that the configuration makes, until somebody
//! removes them. What always holds: a file appears under its name when it is whole, never before; writing happens beside the
//! request, which is held back where the disk does not follow, up to [`MOST`] bytes; a name that climbs up with `..` is
//! none.

use super::content;
use super::headers;
use super::request::Request;
use super::snapshot::Store;
use crate::files;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LAST_MODIFIED};
use http::{HeaderValue, Method, StatusCode};
use pingora_http::ResponseHeader;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// So much may wait for the disk before the upstream is read more slowly.
const SOME: usize = 1 << 20;
/// With so much nothing is stored.
const MOST: usize = 64 << 20;
/// How long the next piece is not read then.
const RELIEF: Duration = Duration::from_millis(20);
/// How long the end of a request waits for its file.
const LONGEST: Duration = Duration::from_secs(30);

/// A file that is being written.
pub struct Storing {
    /// `None`: the end was told, or it was given up.
    to: Option<UnboundedSender<Message>>,
    behind: Arc<AtomicUsize>,
    written: JoinHandle<()>,
}

enum Message {
    Piece(Bytes),
    End,
}

/// Where a file goes, and what it is to look like.
struct Plan {
    path: PathBuf,
    mode: u32,
    directory_mode: u32,
    modified: Option<SystemTime>,
    /// What the answer said of its length.
    expected: Option<u64>,
}

impl Request {
    /// An answer with this head comes from an upstream: begins its file, if there is to be one.
    pub(super) fn begin_storing(&mut self, answer: &ResponseHeader) {
        let location = self.location.clone();
        let Some(store) = self.pass().and_then(|pass| pass.store.as_ref()) else { return };
        if answer.status != StatusCode::OK || self.exchange.method == Method::HEAD {
            return;
        }
        let path = match self.stored_path(store, &location) {
            Ok(path) => path,
            Err(why) => return self.log_error(format_args!("the answer is not stored: {why}")),
        };
        let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let plan = Plan {
            path,
            mode: store.mode,
            directory_mode: store.directory_mode,
            modified: text(answer.headers.get(LAST_MODIFIED)).and_then(|date| httpdate::parse_http_date(&date).ok()),
            expected: text(answer.headers.get(CONTENT_LENGTH)).and_then(|length| length.parse().ok()),
        };
        let (to, from) = unbounded_channel();
        let behind = Arc::new(AtomicUsize::new(0));
        let written = tokio::spawn(keep(plan, from, behind.clone()));
        self.storing = Some(Storing { to: Some(to), behind, written });
        if headers::is_bodiless(answer, self) {
            self.store(None, true);
        }
    }

    fn stored_path(&self, store: &Store, location: &super::snapshot::Location) -> Result<PathBuf, String> {
        let path = match &store.path {
            None => {
                let root = location.roots.directory(&self.exchange);
                files::path::map(content::mapping(&root, location, self.exchange.adds_path), &self.exchange.path)
                    .map_err(|e| e.to_string())?
            }
            Some(path) => PathBuf::from(OsStr::from_bytes(&path.evaluate(&self.exchange))),
        };
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if climbs || path.as_os_str().as_bytes().ends_with(b"/") || path.as_os_str().as_bytes().contains(&0) {
            return Err(format!("\"{}\" is no name of a file", path.display()));
        }
        Ok(path)
    }

    /// The next piece of the answer; how long the one after it is not to be read.
    pub(super) fn store(&mut self, piece: Option<&Bytes>, last: bool) -> Option<Duration> {
        let storing = self.storing.as_mut()?;
        let to = storing.to.as_ref()?;
        let mut behind = 0;
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            behind = storing.behind.fetch_add(piece.len(), Ordering::Relaxed) + piece.len();
            let _ = to.send(Message::Piece(piece.clone()));
        }
        if last {
            let _ = to.send(Message::End);
        }
        if last || behind > MOST {
            storing.to = None;
        }
        (behind > SOME).then_some(RELIEF)
    }

    /// Waits until the file is there, or is given up.
    pub(super) async fn end_storing(&mut self) {
        if let Some(Storing { to, written, .. }) = self.storing.take() {
            drop(to);
            let _ = tokio::time::timeout(LONGEST, written).await;
        }
    }
}

async fn keep(plan: Plan, from: UnboundedReceiver<Message>, behind: Arc<AtomicUsize>) {
    let path = plan.path.clone();
    match write(plan, from, &behind).await {
        Ok(()) => {}
        Err(e) => log::error!("{} cannot be stored: {e}", path.display()),
    }
}

/// Writes what comes into a file beside the one it becomes. Without an end nothing is left of it.
async fn write(plan: Plan, mut from: UnboundedReceiver<Message>, behind: &AtomicUsize) -> io::Result<()> {
    let (directory, mode) = (plan.path.parent().unwrap_or(Path::new(".")).to_owned(), plan.directory_mode);
    let (file, beside) = files::open::off_runtime(move || begin(&directory, mode)).await??;
    let mut file = tokio::fs::File::from_std(file);
    let mut length = 0;
    while let Some(message) = from.recv().await {
        let piece = match message {
            Message::Piece(piece) => piece,
            Message::End => {
                file.flush().await?;
                let file = file.into_std().await;
                if plan.expected.is_some_and(|expected| expected != length) {
                    return Ok(());
                }
                return files::open::off_runtime(move || finish(&file, beside, &plan)).await?;
            }
        };
        file.write_all(&piece).await?;
        length += piece.len() as u64;
        behind.fetch_sub(piece.len(), Ordering::Relaxed);
    }
    Ok(())
}

fn begin(directory: &Path, mode: u32) -> io::Result<(File, TempPath)> {
    if !directory.is_dir() {
        DirBuilder::new().recursive(true).mode(mode).create(directory)?;
    }
    Ok(tempfile::Builder::new().prefix(".edge-").tempfile_in(directory)?.into_parts())
}

fn finish(file: &File, beside: TempPath, plan: &Plan) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(plan.mode))?;
    if let Some(modified) = plan.modified {
        file.set_modified(modified)?;
    }
    beside.persist(&plan.path).map_err(|e| e.error)
}
