//! What is counted of requests, by server and location, for metrics, the status and the live page.
//!
//! A location has its counts at hand; counting is a few additions to numbers that nobody locks, in one of several copies, so
//! that threads do not wait for each other's. They outlive a reload: a location of the same name in a server of the same name
//! goes on counting where it was.
//!
//! What always holds: as many counts are kept as the configurations in use have locations.

use crate::count::{Copies, Histogram, Times};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// 1xx to 5xx; what got no answer is in none.
pub const CLASSES: usize = 5;

/// The counts of one location.
#[derive(Default)]
pub struct Traffic {
    copies: Copies<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    statuses: [AtomicU64; CLASSES],
    unanswered: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    times: Histogram,
}

/// The same as they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub statuses: [u64; CLASSES],
    pub unanswered: u64,
    /// Bytes from clients and to them.
    pub received: u64,
    pub sent: u64,
    pub times: Times,
}

/// A request that is over.
pub struct Ended {
    /// 0: it was not answered.
    pub status: u16,
    pub received: u64,
    pub sent: u64,
    pub time: Duration,
}

impl Traffic {
    pub fn count(&self, ended: &Ended) {
        let counts = self.copies.own();
        let class = usize::from(ended.status / 100).wrapping_sub(1);
        counts.statuses.get(class).unwrap_or(&counts.unanswered).fetch_add(1, Relaxed);
        counts.received.fetch_add(ended.received, Relaxed);
        counts.sent.fetch_add(ended.sent, Relaxed);
        counts.times.note(ended.time);
    }

    pub fn read(&self) -> Counted {
        let mut sum = Counted::default();
        for counts in self.copies.iter() {
            sum.statuses.iter_mut().zip(&counts.statuses).for_each(|(sum, count)| *sum += count.load(Relaxed));
            sum.unanswered += counts.unanswered.load(Relaxed);
            sum.received += counts.received.load(Relaxed);
            sum.sent += counts.sent.load(Relaxed);
            sum.times.add(&counts.times.read());
        }
        sum
    }
}

impl Counted {
    pub fn requests(&self) -> u64 {
        self.statuses.iter().sum::<u64>() + self.unanswered
    }
}

/// What is counted is no part of a configuration.
impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traffic").finish_non_exhaustive()
    }
}

/// Whose counts they are: the server's name (its address, if it has none) and the location as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub server: String,
    /// Empty: no location had been found.
    pub location: String,
}

/// All counts of the configurations in use.
#[derive(Default)]
pub struct TrafficTable(Mutex<BTreeMap<Name, Weak<Traffic>>>);

impl TrafficTable {
    /// The counts of that name, as far as they have come.
    pub fn of(&self, name: Name) -> Arc<Traffic> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        table.retain(|_, traffic| traffic.strong_count() > 0);
        let new = Arc::new(Traffic::default());
        table.insert(name, Arc::downgrade(&new));
        new
    }

    /// All there are, in the order of their names.
    pub fn read(&self) -> Vec<(Name, Counted)> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.iter().filter_map(|(name, traffic)| Some((name.clone(), traffic.upgrade()?.read()))).collect()
    }
}

impl std::fmt::Debug for TrafficTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrafficTable").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: u16) -> Ended {
        Ended { status, received: 10, sent: 100, time: Duration::from_millis(2) }
    }

    #[test]
    fn whatever_thread_counts_the_sum_is_right() {
        let traffic = Traffic::default();
        std::thread::scope(|scope| {
            for status in [200, 301, 404, 499, 502, 0, 101, 999] {
                let traffic = &traffic;
                scope.spawn(move || traffic.count(&ended(status)));
            }
        });
        let counted = traffic.read();
        assert_eq!((counted.statuses, counted.unanswered), ([1, 1, 1, 2, 1], 2));
        assert_eq!((counted.requests(), counted.received, counted.sent), (8, 80, 800));
        assert_eq!((counted.times.count(), counted.times.sum), (8, Duration::from_millis(16)));
    }

    #[test]
    fn counts_are_found_again_as_long_as_somebody_has_them() {
        let table = TrafficTable::default();
        let name = |location: &str| Name { server: "a".into(), location: location.into() };
        let kept = table.of(name("/"));
        table.of(name("/gone")).count(&ended(200));
        kept.count(&ended(200));
        table.of(name("/")).count(&ended(200));
        let read: Vec<_> =
            table.read().into_iter().map(|(name, counted)| (name.location, counted.requests())).collect();
        assert_eq!(read, [("/".to_owned(), 2)]);
    }
}
