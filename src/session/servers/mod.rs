//! The servers of an upstream whose sessions are kept: which of them live, and what all edges know of that.
//!
//! ```text
//!   watch    the eye on one server: a connection, a question each second
//!   opening  what comes before HTTP on that connection
//!   answer   what a server says to that question
//!   life     the decision: what is seen and heard → up, suspect, fenced, dead
//!   count    how often a server was started
//!   slot     what one edge sees, in words for the others
//!   board    memcached: what edges tell each other
//!   rounds   the task that brings all this together
//!   cell     what requests read of a server, without a lock
//!   departure  whether sessions are moved off a server that lives, as one edge knows it
//!   campaign   whom the edge that moves them waits for
//!   departing  all of that of an upstream
//!   order      what an operator asks of a server
//!   shared   what tasks and requests have in common
//! ```
//!
//! It is here because a session may be taken over only when its owner has come to its end: who guesses that from a slow answer
//! or a failed request makes two owners of one. And all edges must say the same of a server, or two of them serve one
//! session at two places.
//!
//! What always holds: no request waits for this but by its own wish and with a limit; a word is on the board before anybody
//! acts on it, if there is a board; a server is Dead only if nobody listens there and no edge that is alive sees it up; what is
//! merely out of reach is Fenced, and keeps its instance; an edge that slept trusts nothing until it has read the board.

mod answer;
mod board;
mod campaign;
mod cell;
mod count;
mod departing;
mod departure;
mod life;
mod opening;
mod order;
#[cfg(test)]
mod rig;
mod rounds;
mod shared;
mod slot;
#[cfg(test)]
mod tests;
mod watch;

pub use answer::Question;
#[cfg(test)]
pub(crate) use answer::{Reading, read as read_answer};
pub use campaign::Edge;
pub use departure::Stance;
pub use life::State;
pub use opening::{Opening, Stream};
pub use order::{Departed, Stuck, Traffic};

use crate::memcached::{Life as Lifetime, Node};
use board::Board;
use rounds::Rounds;
use shared::Shared;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use watch::{Memory, Watch};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A server of the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its address as it is written, by which all edges call it; unique in the upstream.
    pub name: String,
    /// Its `jvmRoute`.
    pub route: Option<String>,
    pub address: Address,
}

impl Server {
    fn host(&self) -> String {
        match &self.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// `owner_connect_timeout`: beyond it a host is suspect.
    pub connect_timeout: Duration,
    pub question: Question,
    /// Nothing: HTTP is spoken from the first byte.
    pub opening: Option<Arc<dyn Opening>>,
    pub ask_every: Duration,
    /// A question may stay without an answer for so long.
    pub suspect_after: Duration,
    /// From when all edges may know that a server is suspect until it is given up. At least twice `board_every`.
    pub fence: Duration,
    pub board_every: Duration,
    /// How long a session that was taken over may come back under its old id.
    pub session_max_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            connect_timeout: Duration::from_secs(1),
            question: Question::Options,
            opening: None,
            ask_every: Duration::from_secs(1),
            suspect_after: Duration::from_secs(2),
            fence: Duration::from_secs(2),
            board_every: Duration::from_secs(1),
            session_max_age: Duration::from_secs(2 * 3600),
        }
    }
}

/// What a request has to know of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub state: State,
    /// Whether it lives and its sessions are to go elsewhere all the same.
    pub stance: Stance,
    /// Grows with each restart, for all edges alike.
    pub instance: u64,
    /// When state or instance last changed, it may have been restarted, or it was left or taken back; none if never since this edge
    /// first saw it.
    pub changed: Option<Instant>,
    /// When it was, or may have been, restarted, as far as a session can remember that: sessions it owns have to be looked at once
    /// since then.
    pub restarted: Option<Instant>,
    /// The instance may have been started anew since, and no edge has counted that: what names it may be older.
    pub uncounted: bool,
    /// Sessions of it were taken over.
    pub moved: bool,
}

/// Whose sessions were moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved<'a> {
    /// A server, by its place.
    Server(usize),
    /// A memcached node, by its name.
    Node(&'a str),
}

/// The servers of one upstream. Watches them until it is dropped.
#[derive(Debug)]
pub struct Servers {
    shared: Arc<Shared>,
    board: Arc<Board>,
    _eyes: JoinSet<()>,
    _stop: channel::Sender<()>,
}

/// So many sights may wait to be heard; an eye that finds no place waits.
const SIGHTS: usize = 64;

impl Servers {
    /// Begins to watch. Needs a runtime. Two edges share what they see if they call upstream and servers alike.
    pub fn start(upstream: &str, servers: Vec<Server>, nodes: &[Arc<Node>], settings: Settings) -> Servers {
        let board = Arc::new(Board::new(upstream, servers.iter().map(|s| s.name.clone()).collect(), nodes));
        let shared = Arc::new(Shared::new(upstream, servers, nodes, settings));
        let (tell, seen) = mpsc::channel(SIGHTS);
        let mut eyes = JoinSet::new();
        for (number, (server, cell)) in shared.servers.iter().zip(&shared.cells).enumerate() {
            let watch = Watch {
                number,
                server: server.clone(),
                settings: shared.settings.clone(),
                cell: cell.clone(),
                epoch: shared.epoch,
                tell: tell.clone(),
                memory: Memory::new(),
            };
            eyes.spawn(watch.keep_looking());
        }
        let (stop, stopped) = channel::channel(());
        tokio::spawn(Rounds::new(shared.clone(), board.clone(), seen).keep(stopped));
        Servers { shared, board, _eyes: eyes, _stop: stop }
    }

    pub fn servers(&self) -> &[Server] {
        &self.shared.servers
    }

    /// What a request has to know; no lock, no allocation. `server` is its place in [`Servers::servers`].
    pub fn view(&self, server: usize) -> View {
        self.shared.view(server, Instant::now())
    }

    /// Whether nobody is to be sent there without need.
    pub fn is_gone(&self, server: usize) -> bool {
        matches!(self.shared.state(server), State::Suspect | State::Fenced | State::Dead)
    }

    pub fn is_up(&self, server: usize) -> bool {
        self.shared.state(server) == State::Up
    }

    pub fn is_moved(&self, what: Moved<'_>) -> bool {
        self.shared.is_moved(what, Instant::now())
    }

    /// To be told of changes: take the receiver, look at the views, then wait for it to change.
    pub fn changes(&self) -> channel::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Waits until each server was looked at once and the board was read, so that no request meets what is not known yet.
    /// Whether that was so within the limit.
    pub async fn ready(&self, limit: Duration) -> bool {
        let known = |server| self.view(server).state != State::Unknown && !self.shared.is_open(server);
        self.wait(limit, || (0..self.servers().len()).all(known)).await
    }

    /// Which process of the server this edge knows; to be asked before a request is decided, for [`Servers::stands`].
    pub fn standing(&self, server: usize) -> u64 {
        self.shared.cells.get(server).map_or(0, |cell| cell.standing())
    }

    /// Whether a connection to the server that is there now leads to that process: it has not ended, noticed or not. One system call.
    pub fn stands(&self, server: usize, standing: u64) -> bool {
        self.shared.cells.get(server).is_none_or(|cell| cell.stands(standing))
    }

    /// Whether that is the process still that this edge knows. Nothing is asked: it may have ended.
    pub fn means(&self, server: usize, standing: u64) -> bool {
        self.shared.cells.get(server).is_some_and(|cell| cell.means(standing))
    }

    /// A request was refused, or its connection broke: look at once.
    pub fn doubt(&self, server: usize) {
        if let Some(cell) = self.shared.cells.get(server) {
            cell.doubt();
        }
    }

    /// It has answered a request: a busy server that does not get to the question is not frozen.
    pub fn heard(&self, server: usize) {
        if let Some(cell) = self.shared.cells.get(server) {
            cell.heard.store(self.shared.epoch.mark(Instant::now()), Ordering::Relaxed);
        }
    }

    /// The state once every look that was asked for by now is over, and others were asked where they have to be. It may be
    /// Suspect: that takes as long as the fence, see [`Servers::changes`].
    pub async fn settled(&self, server: usize, limit: Duration) -> State {
        if let Some(cell) = self.shared.cells.get(server) {
            let wanted = cell.doubts.load(Ordering::Acquire);
            let over = || cell.looked.load(Ordering::Acquire) >= wanted && !self.shared.is_open(server);
            self.wait(limit, over).await;
        }
        self.view(server).state
    }

    /// Tells all edges that sessions of it are taken over. To be called before the first record of that is written. False if
    /// no node took the mark: then other edges may go on without looking for records.
    pub async fn mark_moved(&self, what: Moved<'_>) -> bool {
        let Some((place, mark)) = self.shared.mark(what) else {
            return false;
        };
        let asked = Instant::now();
        let mut attempt = mark.attempt.lock().await;
        // Whoever waited here is served by an attempt that began after it came.
        if let Some((began, done)) = *attempt
            && began >= asked
        {
            return done;
        }
        let began = Instant::now();
        let age = self.shared.settings.session_max_age;
        // Longer than the records it points to, so that it need not be renewed with each of them.
        let life = age + age / 8;
        let renew = mark.made().is_none_or(|made| made + age / 8 <= began);
        let done = self.board.mark(place, Lifetime::of(life), renew).await;
        *attempt = Some((began, done));
        if done {
            mark.make(began, life, renew);
            self.shared.set_moved(place, began + life);
        }
        done
    }

    /// Waits until the server is watched again, or is not up any more: a connection that it has closed, as it does now and then,
    /// is made anew at once. Nobody doubts it for that: each doubt makes another connection, which others then wait for.
    pub async fn steady(&self, server: usize, limit: Duration) {
        let end = Instant::now() + limit;
        let watched = |cell: &Arc<cell::Cell>| cell.is_watched() || cell.state() != State::Up;
        while Instant::now() < end && !self.shared.cells.get(server).is_none_or(watched) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn wait(&self, limit: Duration, mut over: impl FnMut() -> bool) -> bool {
        let end = tokio::time::Instant::now() + limit;
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            if over() {
                return true;
            }
            if !matches!(timeout_at(end, changes.changed()).await, Ok(Ok(()))) {
                return over();
            }
        }
    }
}

/// From 0 to below 1.
fn random() -> f64 {
    (random_word() >> 11) as f64 / (1_u64 << 53) as f64
}

fn random_word() -> u64 {
    RandomState::new().hash_one(0)
}
