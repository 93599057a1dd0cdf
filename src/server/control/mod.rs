//! The control socket: what an operator asks of a running edge, with an answer.
//!
//! A request is one line, a JSON list of words: `["upstream", "drain", "web/10.0.0.1:80"]`. The answer is lines: `o text` for
//! stdout, `e text` for stderr, and last `= ok` or `= failed WHY`. What can be asked is a table ([`commands`]); `edge -s
//! reload`, `edge upstream` and `edge cache` are [`client`]s. The socket is a file that only the user of edge, and root, may open.
//!
//! What always holds: every wait has a limit, and so have the request's length and the number of those who ask at once.

mod cache;
pub mod client;
mod commands;
mod depart;
mod rules;
mod session;

pub use commands::Answer;

use super::sockets;
use crate::proxy::api::{Operator, Told};
use crate::proxy::snapshot::Snapshot;
use crate::system;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest request.
const LONGEST: u64 = 64 << 10;
/// How long a request, or room for its answer, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// So many are answered at once.
const MOST: usize = 16;
/// For the user edge runs as.
const MODE: u32 = 0o600;

/// A reload that somebody waits for.
pub type Reload = oneshot::Sender<Answer>;

/// What commands work on.
#[derive(Debug)]
pub struct Desk {
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    pub reloads: mpsc::Sender<Reload>,
}

/// The open socket; its file goes with it.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// Which file it is: a new binary puts its own there.
    identity: Option<(u64, u64)>,
    task: JoinHandle<()>,
}

impl ControlSocket {
    /// `replace`: the new binary takes the place of the old one's.
    pub fn open(path: &Path, replace: bool, desk: &Arc<Desk>) -> io::Result<ControlSocket> {
        if let Some(directory) = path.parent() {
            system::make_directory(directory)?;
        }
        let socket = sockets::bound_unix(path, MODE, replace)?;
        socket.listen(MOST as i32)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(socket.into())?;
        let task = tokio::spawn(accept(listener, desk.clone()));
        Ok(ControlSocket { path: path.to_owned(), identity: identity(path), task })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.task.abort();
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = system::remove(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

async fn accept(listener: UnixListener, desk: Arc<Desk>) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        // Never closed, so that it is always granted.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                tokio::spawn(async move {
                    serve(stream, &desk).await;
                    drop(place);
                });
            }
            Err(e) => {
                log::error!(target: "edge::crit", "accept on the control socket failed: {e}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn serve(mut stream: UnixStream, desk: &Desk) {
    let mut line = Vec::new();
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read.take(LONGEST));
    let whole = timeout(PATIENCE, read.read_until(b'\n', &mut line)).await;
    let answer = match whole {
        Ok(Ok(_)) if line.ends_with(b"\n") => match serde_json::from_slice::<Vec<String>>(&line) {
            Ok(words) => answer_to(&words, desk).await,
            Err(e) => Answer::failed(format!("expected one line, a JSON list of words: {e}")),
        },
        Ok(Ok(0)) | Ok(Err(_)) => return,
        _ => Answer::failed(format!("expected one line of at most {} KB, soon", LONGEST >> 10)),
    };
    // Who does not take the answer does without.
    let _ = timeout(PATIENCE, write.write_all(answer.to_text().as_bytes())).await;
}

/// The same commands over HTTP, as far as the proxy lets them through.
#[async_trait]
impl Operator for Desk {
    async fn order(&self, words: &[String]) -> Told {
        let Answer { out, errors, failure } = answer_to(words, self).await;
        Told { out, errors, failure }
    }
}

async fn answer_to(words: &[String], desk: &Desk) -> Answer {
    match timeout(LIMIT, commands::run(words, desk)).await {
        Ok(answer) => answer,
        Err(_) => Answer::failed(format!("it was not done within {LIMIT:?}")),
    }
}
