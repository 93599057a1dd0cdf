//! How many connections and requests there are, for `stub_status` and `$connections_…`: counted by who serves them.
//!
//! The numbers are the process's and begin with it. Requests of edge's own and the streams of a connection of HTTP/2 are no
//! connections. What changes with each request is counted in lanes, one for each of some threads: a number that all of them
//! write to costs each of them more than the rest of a counter.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

static ACCEPTED: AtomicU64 = AtomicU64::new(0);
static HANDLED: AtomicU64 = AtomicU64::new(0);
static ACTIVE: AtomicU64 = AtomicU64::new(0);

/// Threads beyond so many share lanes.
const MOST: usize = 16;

/// What one thread counts, apart from what others do. What is there for a while is taken back from where it was added.
#[repr(align(128))]
struct Lane {
    requests: AtomicU64,
    reading: AtomicU64,
    waiting: AtomicU64,
}

static LANES: [Lane; MOST] =
    [const { Lane { requests: AtomicU64::new(0), reading: AtomicU64::new(0), waiting: AtomicU64::new(0) } }; MOST];

thread_local! {
    static LANE: &'static Lane = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        &LANES[NEXT.fetch_add(1, Relaxed) % MOST]
    };
}

fn sum(of: impl Fn(&Lane) -> &AtomicU64) -> u64 {
    LANES.iter().map(|lane| of(lane).load(Relaxed)).sum()
}

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
    let (active, reading, waiting) = (ACTIVE.load(Relaxed), sum(|lane| &lane.reading), sum(|lane| &lane.waiting));
    Counts {
        accepted: ACCEPTED.load(Relaxed),
        handled: HANDLED.load(Relaxed),
        requests: sum(|lane| &lane.requests),
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
    LANE.with(|lane| lane.requests.fetch_add(1, Relaxed));
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
        let lane: &'static Lane = LANE.with(|lane| *lane);
        Held::hold(if is_idle { &lane.waiting } else { &lane.reading })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
