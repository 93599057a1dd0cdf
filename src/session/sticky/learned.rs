//! Ids that applications gave to clients, and the servers that gave them. Bounded: of too many the one that was not used for
//! longest is forgotten, and each after a time without use.
//!
//! A table belongs to an upstream of the process, so that a reload forgets nobody; the limits are those of the configuration
//! that asks. No id is kept, only its hash.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most ids.
    pub most: usize,
    /// An id that is not used for so long is forgotten.
    pub timeout: Duration,
}

impl Limits {
    /// nginx's measure: a megabyte has room for about 8000 sessions.
    pub fn of_size(bytes: u64, timeout: Duration) -> Limits {
        Limits { most: usize::try_from(bytes / 128).unwrap_or(usize::MAX), timeout }
    }
}

/// So many that have expired are removed with each that is learned: nobody waits long for the lock.
const SWEEP: usize = 64;

type Key = [u8; 16];

struct Entry {
    server: Arc<str>,
    used: Instant,
    turn: u64,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    /// The one not used for longest first.
    order: BTreeMap<u64, Key>,
    turns: u64,
}

/// The ids of an upstream.
#[derive(Default)]
pub struct Learned(Mutex<Table>);

impl Learned {
    pub fn find(&self, id: &[u8], limits: &Limits, now: Instant) -> Option<Arc<str>> {
        if id.is_empty() {
            return None;
        }
        let table = locked(&self.0);
        let entry = table.entries.get(&key(id))?;
        (now.saturating_duration_since(entry.used) < limits.timeout).then(|| entry.server.clone())
    }

    /// The server has given this id to a client.
    pub fn create(&self, id: &[u8], server: &Arc<str>, limits: &Limits, now: Instant) {
        let mut table = locked(&self.0);
        table.put(key(id), server, now);
        table.sweep(limits, now);
    }

    /// The server has answered a request of this id, which may have been another's. One that nobody has given is not kept.
    pub fn renew(&self, id: &[u8], server: &Arc<str>, limits: &Limits, now: Instant) {
        if id.is_empty() {
            return;
        }
        let mut table = locked(&self.0);
        let key = key(id);
        let used = table.entries.get(&key).map(|entry| entry.used);
        if used.is_some_and(|used| now.saturating_duration_since(used) < limits.timeout) {
            table.put(key, server, now);
        }
    }

    pub fn len(&self) -> usize {
        locked(&self.0).entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Learned")
    }
}

impl Table {
    fn put(&mut self, key: Key, server: &Arc<str>, used: Instant) {
        self.turns += 1;
        let turn = self.turns;
        if let Some(before) = self.entries.insert(key, Entry { server: server.clone(), used, turn }) {
            self.order.remove(&before.turn);
        }
        self.order.insert(turn, key);
    }

    fn sweep(&mut self, limits: &Limits, now: Instant) {
        let mut expired = 0;
        while let Some((turn, key)) = self.order.first_key_value().map(|(turn, key)| (*turn, *key)) {
            let is_over =
                self.entries.get(&key).is_none_or(|entry| now.saturating_duration_since(entry.used) >= limits.timeout);
            let too_many = self.entries.len() > limits.most;
            if !too_many && (!is_over || expired >= SWEEP) {
                return;
            }
            expired += 1;
            self.order.remove(&turn);
            self.entries.remove(&key);
        }
    }
}

/// Nobody finds two ids of one hash, so that nobody is bound by another's.
fn key(id: &[u8]) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(&Sha256::digest(id)[..16]);
    key
}

/// The tables of the process, by upstream. Whoever has one keeps it alive.
#[derive(Debug, Default)]
pub struct LearnedTables(Mutex<HashMap<String, Weak<Learned>>>);

impl LearnedTables {
    pub fn of(&self, upstream: &str) -> Arc<Learned> {
        let mut known = locked(&self.0);
        known.retain(|_, table| table.strong_count() > 0);
        let table = known.get(upstream).and_then(Weak::upgrade).unwrap_or_default();
        known.insert(upstream.to_owned(), Arc::downgrade(&table));
        table
    }
}

/// Nothing panics while one of these is held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { most: 3, timeout: Duration::from_secs(10) };

    fn server(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    fn found(learned: &Learned, id: &str, now: Instant) -> Option<String> {
        learned.find(id.as_bytes(), &LIMITS, now).map(|server| server.to_string())
    }

    #[test]
    fn an_id_is_its_server_s_until_another_one_answers() {
        let (learned, now) = (Learned::default(), Instant::now());
        assert_eq!(found(&learned, "a", now), None);
        learned.create(b"a", &server("t1"), &LIMITS, now);
        assert_eq!(found(&learned, "a", now).as_deref(), Some("t1"));
        learned.renew(b"a", &server("t2"), &LIMITS, now);
        assert_eq!(found(&learned, "a", now).as_deref(), Some("t2"));
        learned.renew(b"stranger", &server("t2"), &LIMITS, now);
        assert_eq!(found(&learned, "stranger", now), None, "nobody has given it");
        assert_eq!(found(&learned, "", now), None);
    }

    #[test]
    fn an_id_that_is_not_used_is_forgotten() {
        let (learned, now) = (Learned::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        learned.create(b"a", &server("t1"), &LIMITS, now);
        learned.create(b"b", &server("t1"), &LIMITS, now);
        learned.renew(b"a", &server("t1"), &LIMITS, later(9));
        assert_eq!((found(&learned, "a", later(11)).is_some(), found(&learned, "b", later(11))), (true, None));
        learned.renew(b"b", &server("t1"), &LIMITS, later(11));
        assert_eq!(found(&learned, "b", later(11)), None, "what is over does not come back");
        learned.create(b"c", &server("t1"), &LIMITS, later(11));
        assert_eq!(learned.len(), 2);
    }

    #[test]
    fn of_too_many_the_one_not_used_for_longest_goes() {
        let (learned, now) = (Learned::default(), Instant::now());
        for id in ["a", "b", "c"] {
            learned.create(id.as_bytes(), &server("t1"), &LIMITS, now);
        }
        learned.renew(b"a", &server("t1"), &LIMITS, now);
        learned.create(b"d", &server("t1"), &LIMITS, now);
        let left: Vec<&str> =
            ["a", "b", "c", "d"].into_iter().filter(|id| found(&learned, id, now).is_some()).collect();
        assert_eq!(left, ["a", "c", "d"]);
        learned.create(b"e", &server("t1"), &Limits { most: 1, ..LIMITS }, now);
        assert_eq!((learned.len(), found(&learned, "e", now).is_some()), (1, true), "a reload has made it smaller");
    }

    #[test]
    fn a_reload_forgets_nobody_and_an_upstream_that_is_gone_leaves_nothing() {
        let (tables, now) = (LearnedTables::default(), Instant::now());
        let before = tables.of("app");
        before.create(b"a", &server("t1"), &LIMITS, now);
        let after = tables.of("app");
        drop(before);
        assert!(found(&after, "a", now).is_some());
        assert!(tables.of("other").is_empty());
        drop(after);
        assert!(tables.of("app").is_empty());
    }
}
