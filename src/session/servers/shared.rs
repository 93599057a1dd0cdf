//! What the tasks of an upstream and its requests have in common: the last decisions, and who was moved.

use super::cell::{Cell, Epoch};
use super::departure::{Notice, Stance};
use super::life::State;
use super::order::{self, Desk, Traffic};
use super::{Moved, Server, Settings, View};
use crate::memcached::Node;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch as channel};

/// An edge that has not read the board for so long has slept: others may have given servers up and taken them back.
const ASLEEP: Duration = Duration::from_secs(3);
/// A reading that took longer is as old as if it had taken this: no edge acts on what was said longer ago than both together.
pub const READING: Duration = Duration::from_millis(500);

pub struct Shared {
    pub upstream: String,
    pub servers: Vec<Server>,
    pub settings: Settings,
    pub cells: Vec<Arc<Cell>>,
    pub epoch: Epoch,
    pub changes: channel::Sender<u64>,
    /// Of the servers: whether sessions are moved off them, and what operators want of them.
    pub notices: Vec<Notice>,
    pub desks: Vec<Desk>,
    /// Somebody wants something.
    pub urge: Notify,
    pub traffic: OnceLock<Weak<dyn Traffic>>,
    nodes: Vec<String>,
    /// The servers, then the nodes, as on the board.
    moved: Vec<Moving>,
    /// When the board was read last, or was found away; no later than [`READING`] after that began.
    read: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared({})", self.upstream)
    }
}

/// Whether sessions of a server or a node were moved.
#[derive(Debug, Default)]
struct Moving {
    /// As far as is known, until then their old ids may come back.
    until: AtomicU64,
    mark: Mark,
}

/// What this edge itself has marked.
#[derive(Debug, Default)]
pub struct Mark {
    /// When the last attempt began, and whether it was stored.
    pub attempt: tokio::sync::Mutex<Option<(Instant, bool)>>,
    /// From when to when it holds.
    holds: Mutex<Option<(Instant, Instant)>>,
}

impl Mark {
    pub fn made(&self) -> Option<Instant> {
        self.held().map(|(made, _)| made)
    }

    pub fn make(&self, now: Instant, life: Duration, renewed: bool) {
        if renewed {
            *self.holds.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, now + life));
        }
    }

    fn held(&self) -> Option<(Instant, Instant)> {
        *self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    pub fn new(upstream: &str, servers: Vec<Server>, nodes: &[Arc<Node>], settings: Settings) -> Shared {
        let places = servers.len() + nodes.len();
        Shared {
            upstream: upstream.to_owned(),
            cells: servers.iter().map(|_| Arc::default()).collect(),
            epoch: Epoch::begin(),
            changes: channel::Sender::new(0),
            notices: servers.iter().map(|_| Notice::default()).collect(),
            desks: servers.iter().map(|_| Desk::default()).collect(),
            urge: Notify::new(),
            traffic: OnceLock::new(),
            nodes: nodes.iter().map(|node| node.name().to_owned()).collect(),
            moved: (0..places).map(|_| Moving::default()).collect(),
            read: AtomicU64::new(0),
            servers,
            settings,
        }
    }

    pub fn view(&self, server: usize, now: Instant) -> View {
        let Some(cell) = self.cells.get(server) else {
            let stance = Stance::Here;
            return View {
                state: State::Unknown,
                stance,
                instance: 0,
                changed: None,
                restarted: None,
                uncounted: false,
                moved: false,
            };
        };
        let state = match cell.state() {
            State::Up if self.is_asleep(now) => State::Suspect,
            state => state,
        };
        let recent = |at: &Instant| now.saturating_duration_since(*at) < self.settings.session_max_age;
        let restarted = self.epoch.moment(cell.restarted()).filter(recent);
        let notice = &self.notices[server];
        let changed = self.epoch.moment(cell.changed().max(notice.changed()));
        let (stance, uncounted) = (notice.stance(), notice.uncounted.load(Ordering::Acquire));
        View {
            state,
            stance,
            instance: cell.instance(),
            changed,
            restarted,
            uncounted,
            moved: self.is_moved(Moved::Server(server), now),
        }
    }

    /// What requests this edge has under way to it.
    pub fn under_way(&self, server: usize) -> usize {
        let cut = self.notices.get(server).is_some_and(|notice| notice.cuts());
        order::under_way(self.traffic.get(), server, cut)
    }

    /// As it was decided last.
    pub fn state(&self, server: usize) -> State {
        self.cells.get(server).map_or(State::Unknown, |cell| cell.state())
    }

    /// Whether what is published is about to be decided anew.
    pub fn is_open(&self, server: usize) -> bool {
        self.is_asleep(Instant::now()) || self.cells.get(server).is_some_and(|cell| cell.open.load(Ordering::Acquire))
    }

    pub fn is_moved(&self, what: Moved<'_>, now: Instant) -> bool {
        let until =
            self.place(what).and_then(|at| self.moved.get(at)).map(|moving| moving.until.load(Ordering::Relaxed));
        until.is_some_and(|until| until > self.epoch.mark(now))
    }

    pub fn mark(&self, what: Moved<'_>) -> Option<(usize, &Mark)> {
        let place = self.place(what)?;
        self.moved.get(place).map(|moving| (place, &moving.mark))
    }

    pub fn set_moved(&self, place: usize, until: Instant) {
        if let Some(moving) = self.moved.get(place) {
            moving.until.fetch_max(self.epoch.mark(until), Ordering::Relaxed);
        }
    }

    /// What this edge has marked and a node that lost it has to be told again.
    pub fn own_marks(&self, now: Instant) -> Vec<(usize, Duration)> {
        let marks = self.moved.iter().enumerate();
        let held = marks.filter_map(|(at, moving)| Some((at, moving.mark.held()?.1.checked_duration_since(now)?)));
        held.collect()
    }

    /// The board was read since then, or found away. Whether this edge had slept.
    pub fn hear(&self, moved: &[bool], began: Instant, now: Instant) -> bool {
        let slept = self.is_asleep(now);
        for (place, _) in moved.iter().enumerate().filter(|(_, moved)| **moved) {
            self.set_moved(place, now + self.settings.session_max_age);
        }
        self.read.store(self.epoch.mark(now.min(began + READING)), Ordering::Release);
        slept
    }

    fn is_asleep(&self, now: Instant) -> bool {
        let read = self.epoch.moment(self.read.load(Ordering::Acquire));
        read.is_some_and(|read| read + ASLEEP.max(self.settings.board_every * 3) < now)
    }

    fn place(&self, what: Moved<'_>) -> Option<usize> {
        match what {
            Moved::Server(server) => Some(server).filter(|at| *at < self.servers.len()),
            Moved::Node(name) => self.nodes.iter().position(|node| node == name).map(|at| self.servers.len() + at),
        }
    }
}
