//! The edge that moves sessions off a server: whom it waits for, and when it may say that the server is left.
//!
//! Every edge that was on the board since it began must be there still, hold, and have nothing under way, all in one reading that
//! is fresh. One that has gone meanwhile may have ended or be cut off, with requests in its hands: only the operator can know.

use super::departure::Away;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// From the beginning of a reading in which all held until the last moment at which that may be built on.
pub const FRESH: Duration = Duration::from_secs(2);

/// What another edge says in a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub identity: String,
    pub who: String,
    /// Requests under way and waiting; nothing if it does not hold yet.
    pub held: Option<(usize, usize)>,
}

/// One reading of the board.
#[derive(Clone, Debug)]
pub struct Reading {
    pub began: Instant,
    /// Whether any node answered, and this edge's words stand there.
    pub stored: bool,
    /// Some edges are not heard.
    pub full: bool,
    pub own: Told,
    pub others: Vec<Told>,
    /// Another edge moves it, and comes first.
    pub rival: bool,
    pub left: bool,
}

/// How far it is, for whoever waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Of how many readings; none was made yet if 0.
    pub readings: u64,
    pub stored: bool,
    pub full: bool,
    pub rival: bool,
    /// All hold, and nothing is under way.
    pub quiet: bool,
    pub left: bool,
    /// This edge does not move it any longer.
    pub over: bool,
    pub edges: Vec<Edge>,
}

/// An edge as whoever moves sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub who: String,
    /// Nothing if it does not hold yet.
    pub under_way: Option<usize>,
    /// The most at once.
    pub waiting: usize,
    pub gone: bool,
}

#[derive(Debug)]
pub struct Campaign {
    pub ticket: u64,
    /// Edges that are gone are not waited for.
    pub force: bool,
    pub progress: Progress,
    edges: BTreeMap<String, Edge>,
    /// It was said that the server is left, or tried to: whoever takes that back says more.
    pub said: Option<Away>,
}

impl Campaign {
    pub fn new(ticket: u64) -> Campaign {
        Campaign { ticket, force: false, progress: Progress::default(), edges: BTreeMap::new(), said: None }
    }

    pub fn hear(&mut self, reading: &Reading, now: Instant) {
        if reading.stored {
            for edge in self.edges.values_mut() {
                edge.gone = true;
            }
            for told in reading.others.iter().chain([&reading.own]) {
                self.note(told);
            }
        }
        let waits_for = |edge: &&Edge| edge.under_way != Some(0) || edge.gone;
        let waits = self.edges.values().filter(|edge| !self.force || !edge.gone).any(|edge| waits_for(&edge));
        let fresh = reading.stored && now < reading.began + FRESH / 2;
        let before = &self.progress;
        self.progress = Progress {
            readings: before.readings + 1,
            stored: reading.stored,
            full: reading.full,
            rival: reading.rival,
            quiet: fresh && !reading.full && !reading.rival && !waits,
            left: reading.left,
            over: before.over,
            edges: self.edges.values().cloned().collect(),
        };
    }

    fn note(&mut self, told: &Told) {
        let waiting = self.edges.get(&told.identity).map_or(0, |edge| edge.waiting);
        let edge = Edge {
            who: told.who.clone(),
            under_way: told.held.map(|(under_way, _)| under_way),
            waiting: waiting.max(told.held.map_or(0, |(_, waiting)| waiting)),
            gone: false,
        };
        self.edges.insert(told.identity.clone(), edge);
    }
}
