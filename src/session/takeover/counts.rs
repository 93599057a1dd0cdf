//! What is counted: every case in which a session moved, waited or was lost has a name.
//!
//! No update that a client was told of is lost if memcached-session-manager saves synchronously, the session was in memcached
//! when its owner died, and its node can be reached. Whatever else happens is counted; `edge session stats` shows:
//!
//! | nothing is promised where | counter |
//! |---|---|
//! | the owner is dead, and memcached has no key of the session: it was never saved, or has vanished | `lost_no_key` |
//! | the owner and the session's node are both gone | `lost_node_down` |
//! | the server that was taking it over has died, and the copy could not be put back | `lost_chosen_died` |
//! | the server that took it over does not know it | `lost_vanished` |
//! | the owner was started anew, and memcached has no key | `lost_not_kept` |
//! | a request has waited for `takeover_wait`: answered with 503, or sent on (`proceed`) | `wait_expired` |
//! | no node can be reached, so that other edges are not told who takes it; or, not sticky, whose turn it is | `unarbitrated` |
//! | it goes back to a server that had it before in the same process, because there is no other | `stale_risk` |
//!
//! With `takeover: off` nothing is promised and nothing is counted. All others tell of what went well: `taken_over_…`, `waited`,
//! `put_back`; `probe_refused`, after which a client's request takes a probe's place; `rotated`, a login; `garbage`, a record that
//! was written anew.

use crate::count::Histogram;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a session had to be taken over, or its owner asked before others may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its owner's process is gone.
    Died,
    /// Its owner does not answer.
    Fenced,
    /// No server has its route.
    UnknownRoute,
    /// Its owner has been started anew.
    Restarted,
    /// Its owner has been away, and others have taken over sessions of it.
    Returned,
    /// Its memcached node is gone or has just come back.
    Node,
    /// The server that was to take it over died meanwhile.
    ChosenDied,
    /// An operator has its owner left, which lives.
    Moved,
}

/// Why a session is not found any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its owner is gone and memcached has no key of it.
    NoKey,
    /// Its owner and the node that held its copy are both gone.
    NodeDown,
    /// The server that was taking it over died with the only copy.
    ChosenDied,
    /// The server that took it over does not know it.
    Vanished,
    /// Its owner was started anew and memcached has no key: lost, unless it was made since.
    NotKept,
}

#[derive(Debug, Default)]
pub struct Counts {
    takeovers: [AtomicU64; 8],
    lost: [AtomicU64; 5],
    /// Requests that waited for a takeover that another one had begun.
    pub waited: AtomicU64,
    pub wait_expired: AtomicU64,
    /// Takeovers of which other edges could not be told.
    pub unarbitrated: AtomicU64,
    /// Taken over by a server that had the session before in the same process, because there was no other.
    pub stale_risk: AtomicU64,
    /// Probes that were not answered with 404.
    pub probe_refused: AtomicU64,
    /// Ids that the owner replaced by one of another base: logins.
    pub rotated: AtomicU64,
    /// Values put back into memcached after the server that was taking them over had died.
    pub put_back: AtomicU64,
    /// Sessions of servers that were left of which memcached has no copy: they stay until their server ends.
    pub stayed: AtomicU64,
    /// Records that could not be read.
    pub garbage: AtomicU64,
    /// From taking a lease to a record that says `done`.
    pub gate_time: Histogram,
    /// What requests waited.
    pub wait_time: Histogram,
}

impl Counts {
    pub fn takeover(&self, cause: Cause) -> u64 {
        self.takeovers[cause as usize].load(Relaxed)
    }

    pub fn lost(&self, why: Lost) -> u64 {
        self.lost[why as usize].load(Relaxed)
    }

    pub fn lost_of_all_reasons(&self) -> u64 {
        self.lost.iter().map(|count| count.load(Relaxed)).sum()
    }

    pub(in crate::session) fn note_takeover(&self, cause: Cause) {
        one(&self.takeovers[cause as usize]);
    }

    pub(in crate::session) fn note_lost(&self, why: Lost) {
        one(&self.lost[why as usize]);
    }
}

pub(in crate::session) fn one(count: &AtomicU64) {
    count.fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_has_a_counter_of_its_own() {
        let counts = Counts::default();
        counts.note_takeover(Cause::Died);
        counts.note_takeover(Cause::ChosenDied);
        counts.note_lost(Lost::NotKept);
        assert_eq!((counts.takeover(Cause::Died), counts.takeover(Cause::Fenced)), (1, 0));
        assert_eq!((counts.lost(Lost::NotKept), counts.lost(Lost::NoKey)), (1, 0));
        assert_eq!(counts.lost_of_all_reasons(), 1);
    }
}
