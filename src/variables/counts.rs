//! How many connections and requests there are, for `stub_status` and `$connections_…`: counted by who serves them.
//!
//! The numbers are the process's and begin with it. Requests of edge's own and the streams of a connection of HTTP/2 are no
//! connections.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static ACCEPTED: AtomicU64 = AtomicU64::new(0);
static HANDLED: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);
static ACTIVE: AtomicU64 = AtomicU64::new(0);
static READING: AtomicU64 = AtomicU64::new(0);
static WAITING: AtomicU64 = AtomicU64::new(0);

/// As they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub accepted: u64,
    /// All but those that were too many.
    pub handled: u64,
    pub requests: u64,
    pub active: u64,
    /// Heads of requests are read.
    pub reading: u64,
    /// Requests are answered.
    pub writing: u64,
    /// Idle.
    pub waiting: u64,
}

pub fn read() -> Counts {
    let (active, reading, waiting) = (ACTIVE.load(Relaxed), READING.load(Relaxed), WAITING.load(Relaxed));
    Counts {
        accepted: ACCEPTED.load(Relaxed),
        handled: HANDLED.load(Relaxed),
        requests: REQUESTS.load(Relaxed),
        active,
        reading,
        writing: active.saturating_sub(reading + waiting),
        waiting,
    }
}

pub fn accepted() {
    ACCEPTED.fetch_add(1, Relaxed);
}

pub fn requested() {
    REQUESTS.fetch_add(1, Relaxed);
}

/// A number that is higher as long as this is there.
#[derive(Debug)]
pub struct Held(&'static AtomicU64);

impl Held {
    fn hold(number: &'static AtomicU64) -> Held {
        number.fetch_add(1, Relaxed);
        Held(number)
    }

    /// A connection that is served.
    pub fn active() -> Held {
        HANDLED.fetch_add(1, Relaxed);
        Held::hold(&ACTIVE)
    }

    /// One that waits for a request, or reads the head of one.
    pub fn between(is_idle: bool) -> Held {
        Held::hold(if is_idle { &WAITING } else { &READING })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
