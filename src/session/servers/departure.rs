//! A server that sessions are moved off by an operator's word, while it lives: so that it can be stopped and nothing fails.
//!
//! ```text
//!   Here    nobody wants anything of it
//!   Held    an edge moves its sessions: whoever reads that sends it nothing more, lets end what it has sent, and says in its
//!           slot how much that still is
//!   Left    all edges have said that nothing is left: its sessions are taken over as they come, and it gets none of them back
//!           in this process
//! ```
//!
//! Held stands in the slot of the edge that moves them, and goes with it. Left stands under a key of its own, for all edges and
//! whoever comes later, as a number that only grows ([`Away`]), and ends with the process that it names. Nothing is asked here
//! and no clock is read: each moment is passed in.
//!
//! What always holds: an edge that was told that all hold is told of the end before it lets go. Left is written within two seconds
//! of a reading in which every edge held; who does not hear of the one that moves lets go after more than that ([`GONE`]), and who
//! hears of nobody holds on for longer still ([`CUT_OFF`]).

use super::cell::Epoch;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

/// The board is there, and the edge that moves is not on it: it has ended. Its slot has lived two seconds before.
pub const GONE: Duration = Duration::from_secs(2);
/// The board is not there. Whoever else reads it may go on without this edge; not for ever, for it may be gone for all.
pub const CUT_OFF: Duration = Duration::from_secs(10);
/// After a server was taken back: until all edges know it, each of which acts on nothing that was read three and a half seconds ago
/// (`ASLEEP` and `READING` in `shared`), and what it does then.
pub const RETURN: Duration = Duration::from_millis(3500);
/// No stranger's word makes anybody wait for longer.
const LONGEST: Duration = Duration::from_secs(60);

/// What follows for requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stance {
    #[default]
    Here,
    Held,
    Left,
}

/// What the board keeps: the greatest number is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Away {
    number: u64,
    /// The instance that was left; none: it was taken back. Last, so that the number decides.
    left: Option<u64>,
}

impl Away {
    /// Beyond any real number of moves; what a stranger wrote must not overflow.
    const GREATEST: u64 = u64::MAX / 4;

    fn next(known: Option<Away>, left: Option<u64>) -> Away {
        Away { number: known.map_or(0, |known| known.number) + 1, left }
    }

    pub fn parse(text: &[u8]) -> Option<Away> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let number = words.next()?.parse().ok().filter(|n| (1..Away::GREATEST).contains(n))?;
        let left = match words.next()? {
            "here" => None,
            "left" => Some(words.next()?.parse().ok()?),
            _ => return None,
        };
        words.next().is_none().then_some(Away { number, left })
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left {
            Some(instance) => write!(f, "{} left {instance}", self.number),
            None => write!(f, "{} here", self.number),
        }
    }
}

/// An edge moves the sessions of a server: what it says of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moving {
    /// Nobody else's. Of two that move the same server the smaller goes on.
    pub ticket: u64,
    /// What is under way is not waited for any longer: it is cut off.
    pub cut: bool,
    /// How long it goes on at most.
    pub left: Duration,
}

/// What one reading of the board said of a server.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Whether any node answered.
    pub board: bool,
    /// Who moves it, this edge among them.
    pub moving: Vec<(String, Moving)>,
    /// Which edges are there, this one among them.
    pub edges: Vec<String>,
    pub away: Option<Away>,
    /// Which process it is.
    pub instance: u64,
}

#[derive(Clone, Debug)]
struct Held {
    moving: Moving,
    by: String,
    until: Instant,
    /// Since when its edge is not heard of.
    silent: Option<Instant>,
}

/// One server, as one edge knows it.
#[derive(Debug, Default)]
pub struct Departure {
    away: Option<Away>,
    held: Option<Held>,
    /// It was taken back, and others may not know it yet.
    back: Option<Instant>,
    instance: u64,
}

impl Departure {
    pub fn away(&self) -> Option<Away> {
        self.away
    }

    /// The ticket of whoever moves it.
    pub fn ticket(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.moving.ticket)
    }

    pub fn cuts(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.moving.cut)
    }

    pub fn is_left(&self) -> bool {
        self.away.is_some_and(|away| away.left == Some(self.instance))
    }

    /// That nothing is left there, and this process gets nothing back.
    pub fn leave(&self) -> Away {
        Away::next(self.away, Some(self.instance))
    }

    /// That all is as before, also if this has been said.
    pub fn take_back(&self, said: Option<Away>) -> Away {
        Away::next(self.away.max(said), None)
    }

    /// It may be another process by now, for which nothing was said.
    pub fn is_process(&mut self, instance: u64) {
        self.instance = instance;
    }

    pub fn hear(&mut self, news: &News, now: Instant) {
        self.instance = news.instance;
        if let Some(away) = news.away {
            self.learn(away, now);
        }
        if let Some((by, moving)) = news.moving.iter().min_by_key(|(_, moving)| moving.ticket) {
            let until = now + moving.left.min(LONGEST);
            self.held = Some(Held { moving: *moving, by: by.clone(), until, silent: None });
        } else if let Some(held) = &mut self.held {
            // Without a board this edge hears nobody but itself.
            let taken_back = news.edges.contains(&held.by);
            let since = *held.silent.get_or_insert(now);
            let patience = if news.board { GONE } else { CUT_OFF };
            if taken_back || now >= since + patience {
                self.held = None;
            }
        }
    }

    fn learn(&mut self, away: Away, now: Instant) {
        let was_left = self.is_left();
        self.away = self.away.max(Some(away));
        if was_left && !self.is_left() {
            self.back = Some(now + RETURN);
        }
    }

    pub fn stance(&self, now: Instant) -> Stance {
        match () {
            () if self.is_left() => Stance::Left,
            () if self.held.is_some() || self.back.is_some_and(|back| now < back) => Stance::Held,
            () => Stance::Here,
        }
    }

    /// Until when it may be held.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        let back = self.back.filter(|back| now < *back);
        self.held.as_ref().map(|held| held.until).max(back)
    }

    /// When time alone changes something.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.back.filter(|back| now < *back)
    }
}

/// What requests read of it, without a lock.
#[derive(Debug, Default)]
pub struct Notice {
    stance: AtomicU8,
    /// Grows with each change: whoever has decided with an older one decides anew.
    turn: AtomicU64,
    changed: AtomicU64,
    until: AtomicU64,
    cut: AtomicBool,
    /// It may be another process than the one that is counted.
    pub uncounted: AtomicBool,
    /// Requests that wait for the end of it.
    pub waiting: AtomicUsize,
}

const STANCES: [Stance; 3] = [Stance::Here, Stance::Held, Stance::Left];

impl Notice {
    /// What is under way is counted after this, and every request that is not counted then reads it. Whether anything has changed.
    pub fn publish(&self, departure: &Departure, epoch: &Epoch, now: Instant) -> bool {
        let stance = departure.stance(now);
        self.until.store(departure.until(now).map_or(0, |until| epoch.mark(until)), Ordering::Relaxed);
        let cut_before = self.cut.swap(departure.cuts(), Ordering::Relaxed);
        let before = self.stance();
        if before != stance {
            if before == Stance::Left || stance == Stance::Left {
                self.changed.store(epoch.mark(now).saturating_add(1), Ordering::Release);
            }
            self.stance.store(stance as u8, Ordering::SeqCst);
            self.turn.fetch_add(1, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        before != stance || cut_before != departure.cuts()
    }

    pub fn stance(&self) -> Stance {
        STANCES[usize::from(self.stance.load(Ordering::SeqCst)) % STANCES.len()]
    }

    pub fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }

    /// When it was left or taken back last, as [`Epoch`] marks it.
    pub fn changed(&self) -> u64 {
        self.changed.load(Ordering::Acquire)
    }

    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }

    pub fn cuts(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "departure_tests.rs"]
mod tests;
