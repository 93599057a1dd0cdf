//! What is known of a server and outlives a reload: failures, weights, requests in flight, switches.
//!
//! Settings come and go with each configuration; this stays, found again by upstream name and address
//! ([`Pool::server`]). All worker threads share it. What the balancing decides with (weights, fails) is
//! written only while the pool's turn is held: one short lock per choice, as nginx does in shared
//! memory; the fields are atomics so that a success, a status page or a dropped request needs no lock.
//!
//! Time is handed in and never read here. The meaning of `fails`, `checked` and `accessed` is nginx's
//! (ngx_http_upstream_round_robin.c), in milliseconds instead of whole seconds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::connections::Connections;
use super::names::Address;
use crate::count::Histogram;

/// Milliseconds since some moment of this process.
pub(super) type Stamp = i64;

/// Longer ago than any timeout.
const NEVER: Stamp = i64::MIN / 4;

pub(super) fn stamp(now: Instant) -> Stamp {
    static BASE: OnceLock<Instant> = OnceLock::new();
    let base = *BASE.get_or_init(|| now);
    match now.checked_duration_since(base) {
        Some(after) => millis(after),
        None => -millis(base.saturating_duration_since(now)),
    }
}

/// A duration as the decisions count it; beyond all use it stays at a century.
pub(super) fn millis(duration: Duration) -> i64 {
    const CENTURY: i64 = 100 * 365 * 86_400_000;
    i64::try_from(duration.as_millis()).unwrap_or(CENTURY).min(CENTURY)
}

/// A lock whose holder panicked still guards whole values: every write below is a single store.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What active checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nobody checks, or no round has ended yet: the server is used.
    Unknown,
    Up,
    Down,
}

/// What an operator said about draining; it wins over the configuration and survives reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainSwitch {
    AsConfigured,
    Drain,
    Up,
}

/// The last failure of a server, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    pub reason: String,
    pub at: Instant,
}

/// One server of one upstream, apart from its settings.
#[derive(Debug)]
pub struct Server {
    /// Never used twice in a process, so that a request can remember whom it tried across changes of
    /// the peer list.
    id: u64,
    address: Address,
    /// Smooth round robin's account, in thousandths of a weight (slow start deals in parts of one).
    pub(super) current: AtomicI64,
    /// The weight as lowered by failures; in weights, as nginx.
    pub(super) effective: AtomicI64,
    pub(super) fails: AtomicU32,
    /// The last failure, or the last time a probe was let through.
    pub(super) checked: AtomicI64,
    /// The last failure.
    pub(super) accessed: AtomicI64,
    /// When the present slow start began; [`NEVER`] if none did.
    slow_from: AtomicI64,
    in_flight: AtomicUsize,
    drain: AtomicU8,
    health: AtomicU8,
    requests: AtomicU64,
    failures: AtomicU64,
    last_error: Mutex<Option<LastError>>,
    /// Of whole answers.
    times: Histogram,
    /// Moving averages for `least_time`, in milliseconds; 0: not known.
    pub(super) header_time: AtomicU64,
    pub(super) response_time: AtomicU64,
    /// How long it last said that it keeps an idle connection, in milliseconds; [`UNSAID`]: nothing.
    keeps: AtomicU64,
}

const UNSAID: u64 = u64::MAX;

impl Server {
    fn new(address: Address) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Server {
            id: NEXT.fetch_add(1, Relaxed),
            address,
            current: AtomicI64::new(0),
            effective: AtomicI64::new(0),
            fails: AtomicU32::new(0),
            checked: AtomicI64::new(NEVER),
            accessed: AtomicI64::new(NEVER),
            slow_from: AtomicI64::new(NEVER),
            in_flight: AtomicUsize::new(0),
            drain: AtomicU8::new(DrainSwitch::AsConfigured as u8),
            health: AtomicU8::new(Health::Unknown as u8),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last_error: Mutex::new(None),
            times: Histogram::default(),
            header_time: AtomicU64::new(0),
            response_time: AtomicU64::new(0),
            keeps: AtomicU64::new(UNSAID),
        }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Requests that chose this server and have not ended.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// How often it was chosen.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// How many of those failed in a way that counts.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// How long its answers took, from its choice to their last byte.
    pub fn times(&self) -> &Histogram {
        &self.times
    }

    /// What it said of how long it keeps an idle connection (`Keep-Alive: timeout=N`).
    pub fn note_keeps(&self, announced: Option<Duration>) {
        self.keeps.store(announced.map_or(UNSAID, |a| millis(a).unsigned_abs()), Relaxed);
    }

    pub fn keeps(&self) -> Option<Duration> {
        Some(self.keeps.load(Relaxed)).filter(|ms| *ms != UNSAID).map(Duration::from_millis)
    }

    pub fn last_error(&self) -> Option<LastError> {
        locked(&self.last_error).clone()
    }

    pub fn health(&self) -> Health {
        match self.health.load(Relaxed) {
            1 => Health::Up,
            2 => Health::Down,
            _ => Health::Unknown,
        }
    }

    /// For the active checks. Coming up begins a slow start.
    pub fn set_health(&self, health: Health, now: Instant) {
        let before = self.health.swap(health as u8, Relaxed);
        if before == Health::Down as u8 && health != Health::Down {
            self.begin_slowly(stamp(now));
        }
    }

    pub fn drain_switch(&self) -> DrainSwitch {
        match self.drain.load(Relaxed) {
            1 => DrainSwitch::Drain,
            2 => DrainSwitch::Up,
            _ => DrainSwitch::AsConfigured,
        }
    }

    /// For `edge upstream drain|up`. Coming back begins a slow start.
    pub fn set_drain(&self, to: DrainSwitch, now: Instant) {
        let before = self.drain.swap(to as u8, Relaxed);
        if before == DrainSwitch::Drain as u8 && to != DrainSwitch::Drain {
            self.begin_slowly(stamp(now));
        }
    }

    pub(super) fn begin_slowly(&self, now: Stamp) {
        self.slow_from.store(now, Relaxed);
    }

    /// How far a slow start of this length has come, in thousandths: 1 … 1000.
    pub(super) fn warmth(&self, slow_start: i64, now: Stamp) -> i64 {
        let since = now - self.slow_from.load(Relaxed);
        if slow_start == 0 || since >= slow_start {
            return 1000;
        }
        (since.max(0) * 1000 / slow_start).max(1)
    }

    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(super) fn note_failure(&self, reason: String, at: Instant) {
        self.failures.fetch_add(1, Relaxed);
        *locked(&self.last_error) = Some(LastError { reason, at });
    }
}

/// What the holder of a pool's turn may use.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) dice: Dice,
    /// Servers and weights of the last peer list: when they change, the accounts start anew, for a debt
    /// run up with weight 100 would starve a server that now has 1.
    layout: Vec<(u64, i64)>,
}

/// The servers of one upstream name.
#[derive(Debug)]
pub struct Pool {
    turn: Mutex<Turn>,
    /// By address and its how-manieth mention: nginx lets an address stand twice, as two servers.
    servers: Mutex<HashMap<(Address, usize), Weak<Server>>>,
    connections: Arc<Connections>,
}

impl Pool {
    pub(super) fn new(seed: u64) -> Self {
        Pool {
            turn: Mutex::new(Turn { dice: Dice(seed | 1), layout: Vec::new() }),
            servers: Mutex::default(),
            connections: Arc::default(),
        }
    }

    pub(super) fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    pub(super) fn turn(&self) -> MutexGuard<'_, Turn> {
        locked(&self.turn)
    }

    /// The states of these addresses: those that are known, and new ones. Who joins a pool that already
    /// has servers is taken for cold and begins slowly.
    pub(super) fn servers(&self, wanted: Vec<(Address, usize)>, now: Instant) -> Vec<Arc<Server>> {
        let mut known = locked(&self.servers);
        known.retain(|_, server| server.strong_count() > 0);
        let joins = !known.is_empty();
        let mut found = Vec::with_capacity(wanted.len());
        for key in wanted {
            let server = known.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
                let server = Arc::new(Server::new(key.0.clone()));
                if joins {
                    server.begin_slowly(stamp(now));
                }
                server
            });
            known.insert(key, Arc::downgrade(&server));
            found.push(server);
        }
        found
    }

    /// Makes the accounts fit a peer list. Servers whose weight stays keep what failures have left of it.
    pub(super) fn lay_out<'a>(&self, peers: impl Iterator<Item = (&'a Server, i64)> + Clone) {
        let layout: Vec<(u64, i64)> = peers.clone().map(|(server, weight)| (server.id, weight)).collect();
        let mut turn = self.turn();
        if turn.layout == layout {
            return;
        }
        for (server, weight) in peers {
            server.current.store(0, Relaxed);
            if !turn.layout.contains(&(server.id, weight)) {
                server.effective.store(weight, Relaxed);
            }
        }
        turn.layout = layout;
    }
}

/// xorshift64*: choosing servers needs speed and evenness, not secrecy.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Evenly in `0..sides`; `sides` is at least 1.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        ((u128::from(bits) * u128::from(sides.max(1))) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::Tcp(text.parse().unwrap())
    }

    #[test]
    fn an_address_is_found_again_as_long_as_somebody_holds_it() {
        let pool = Pool::new(1);
        let now = Instant::now();
        let first = pool.servers(vec![(address("127.0.0.1:1"), 0)], now);
        let again = pool.servers(vec![(address("127.0.0.1:1"), 0), (address("127.0.0.1:2"), 0)], now);
        assert_eq!(first[0].id(), again[0].id());
        let id = again[1].id();
        drop((first, again));
        assert_ne!(pool.servers(vec![(address("127.0.0.1:2"), 0)], now)[0].id(), id);
    }

    #[test]
    fn one_address_mentioned_twice_is_two_servers() {
        let pool = Pool::new(1);
        let two = pool.servers(vec![(address("127.0.0.1:1"), 0), (address("127.0.0.1:1"), 1)], Instant::now());
        assert_ne!(two[0].id(), two[1].id());
    }

    #[test]
    fn a_stamp_may_lie_before_the_first_one() {
        let now = Instant::now();
        let later = stamp(now + Duration::from_secs(5));
        assert_eq!(later - stamp(now), 5000);
        assert_eq!(later - stamp(now + Duration::from_secs(7)), -2000);
    }

    #[test]
    fn a_slow_start_warms_evenly_and_ends() {
        let server = Server::new(address("127.0.0.1:1"));
        let now = stamp(Instant::now());
        assert_eq!(server.warmth(10_000, now), 1000, "it never began");
        server.begin_slowly(now);
        assert_eq!(server.warmth(10_000, now), 1);
        assert_eq!(server.warmth(10_000, now + 2500), 250);
        assert_eq!(server.warmth(10_000, now + 10_000), 1000);
        assert_eq!(server.warmth(0, now), 1000);
    }

    #[test]
    fn dice_are_even() {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        let mut seen = [0u32; 6];
        (0..60_000).for_each(|_| seen[dice.roll(6) as usize] += 1);
        assert!(seen.iter().all(|&n| (9_500..10_500).contains(&n)), "{seen:?}");
    }
}
