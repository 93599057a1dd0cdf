//! A node that failed is left alone: after one refused connection, or some failures in a row, every call fails at once until
//! somebody in the background has seen it answer. So a request waits for a dead or frozen node a few times at most.
//!
//! Only what began in the present turn counts: a call that was made before the node went and fails after it is back says
//! nothing. Where nobody watches in the background, one call a second is let through to see.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// How often a call is let through where nobody watches.
const TRIAL: Duration = Duration::from_secs(1);

/// How a node is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub up: bool,
    /// Grows whenever it goes, comes back, or was away for a moment.
    pub turn: u64,
    /// When it last went, came back or stumbled.
    pub changed: Option<Instant>,
}

/// What an outcome says of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It lives, whatever it said.
    Answered,
    /// It may be gone.
    Failed,
    /// It is gone.
    Dead,
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Breaker {
    sight: watch::Sender<Sight>,
    failures: AtomicU32,
    times: Mutex<Times>,
    watchers: AtomicUsize,
}

#[derive(Debug, Default)]
struct Times {
    /// When it was last seen to be away.
    away: Option<Instant>,
    /// When a call was last let through.
    tried: Option<Instant>,
}

impl Breaker {
    pub fn new() -> Breaker {
        Breaker {
            sight: watch::Sender::new(Sight { up: true, turn: 0, changed: None }),
            failures: AtomicU32::new(0),
            times: Mutex::default(),
            watchers: AtomicUsize::new(0),
        }
    }

    pub fn sight(&self) -> Sight {
        *self.sight.borrow()
    }

    pub fn changes(&self) -> watch::Receiver<Sight> {
        self.sight.subscribe()
    }

    pub fn has_been_down(&self, within: Duration) -> bool {
        !self.sight().up || self.times().away.is_some_and(|away| away.elapsed() < within)
    }

    /// The turn a call begins in; `None`: it must not.
    pub fn admit(&self) -> Option<u64> {
        let sight = self.sight();
        (sight.up || self.is_trial()).then_some(sight.turn)
    }

    fn is_trial(&self) -> bool {
        if self.watchers.load(Ordering::Relaxed) > 0 {
            return false;
        }
        let mut times = self.times();
        let due = times.tried.is_none_or(|tried| tried.elapsed() >= TRIAL);
        if due {
            times.tried = Some(Instant::now());
        }
        due
    }

    /// Ends when it opens, or at once if it has since that turn.
    pub async fn opened(&self, turn: u64) {
        let mut changes = self.changes();
        // The sender lives as long as `self`.
        let _ = changes.wait_for(|sight| sight.turn != turn && !sight.up).await;
    }

    /// Notes what came of a call; whether that has opened or closed it.
    pub fn note(&self, turn: u64, weight: Weight) -> bool {
        if self.sight().turn != turn {
            return false;
        }
        match weight {
            Weight::Answered => {
                self.failures.store(0, Ordering::Relaxed);
                !self.sight().up && self.close()
            }
            Weight::Failed => self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES && self.open(),
            Weight::Dead => self.open(),
            Weight::Nothing => false,
        }
    }

    /// Whether it was closed until now.
    pub fn open(&self) -> bool {
        let now = Instant::now();
        let mut times = self.times();
        times.tried = Some(now);
        times.away = Some(now);
        self.sight.send_if_modified(|sight| turn_to(sight, false))
    }

    /// Whether it was open until now.
    pub fn close(&self) -> bool {
        let mut times = self.times();
        let closed = self.sight.send_if_modified(|sight| turn_to(sight, true));
        if closed {
            self.failures.store(0, Ordering::Relaxed);
            times.away = Some(Instant::now());
        }
        closed
    }

    /// It was away, for so short a time that no call has met it.
    pub fn stumble(&self) {
        self.times().away = Some(Instant::now());
        self.sight
            .send_modify(|sight| *sight = Sight { turn: sight.turn + 1, changed: Some(Instant::now()), ..*sight });
    }

    /// Somebody looks after it as long as this lives.
    pub fn watched(&self) -> Watched<'_> {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watched(self)
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn turn_to(sight: &mut Sight, up: bool) -> bool {
    let changes = sight.up != up;
    if changes {
        *sight = Sight { up, turn: sight.turn + 1, changed: Some(Instant::now()) };
    }
    changes
}

pub(super) struct Watched<'b>(&'b Breaker);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(breaker: &Breaker, times: usize) {
        let turn = breaker.sight().turn;
        (0..times).for_each(|_| {
            breaker.note(turn, Weight::Failed);
        });
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_an_answer_between_begins_anew() {
        let breaker = Breaker::new();
        let _watched = breaker.watched();
        fails(&breaker, 2);
        breaker.note(0, Weight::Answered);
        fails(&breaker, 2);
        assert_eq!(breaker.admit(), Some(0));
        fails(&breaker, 1);
        assert_eq!(breaker.admit(), None);
        assert!(breaker.has_been_down(Duration::ZERO));
    }

    #[test]
    fn one_refused_connection_opens_it() {
        let breaker = Breaker::new();
        let _watched = breaker.watched();
        assert!(breaker.note(0, Weight::Dead));
        assert_eq!(breaker.admit(), None);
    }

    #[test]
    fn calls_of_an_earlier_turn_say_nothing() {
        let breaker = Breaker::new();
        let _watched = breaker.watched();
        breaker.open();
        assert!(!breaker.note(0, Weight::Answered));
        assert!(breaker.close());
        (0..9).for_each(|_| assert!(!breaker.note(0, Weight::Failed)));
        assert_eq!(breaker.admit(), Some(2));
        assert!(breaker.has_been_down(Duration::from_secs(60)));
        assert!(!breaker.has_been_down(Duration::ZERO));
    }

    #[test]
    fn where_nobody_watches_one_call_is_let_through_after_a_while() {
        let breaker = Breaker::new();
        breaker.open();
        assert_eq!(breaker.admit(), None);
        breaker.times().tried = Instant::now().checked_sub(TRIAL);
        assert_eq!(breaker.admit(), Some(1));
        assert_eq!(breaker.admit(), None);
        assert!(breaker.note(1, Weight::Answered));
        assert_eq!(breaker.admit(), Some(2));
    }

    #[tokio::test]
    async fn who_waits_is_told_that_it_opened_and_of_a_moment_away() {
        let breaker = Breaker::new();
        let mut changes = breaker.changes();
        breaker.stumble();
        assert!(changes.has_changed().unwrap());
        let sight = *changes.borrow_and_update();
        assert_eq!((sight.up, sight.turn), (true, 1));
        assert!(breaker.has_been_down(Duration::from_secs(60)));
        let waiting = breaker.opened(1);
        breaker.open();
        waiting.await;
        breaker.opened(1).await;
    }
}
