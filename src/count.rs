//! Numbers that many threads add to and few look at: times in buckets, and copies of numbers that threads do not wait for.
//!
//! Nothing here locks. Whoever reads while others add sees numbers that each were true a moment ago.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Threads share a copy of the numbers beyond so many.
const COPIES: usize = 4;

/// Some numbers, in several copies on cache lines of their own: each thread adds to one of them.
#[derive(Default)]
pub struct Copies<T>([Apart<T>; COPIES]);

#[derive(Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T> Copies<T> {
    /// The copy that this thread adds to.
    pub fn own(&self) -> &T {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static COPY: Cell<usize> = Cell::new(THREADS.fetch_add(1, Relaxed) % COPIES));
        &self.0[COPY.get()].0
    }

    /// All of them: what was counted is their sum.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|apart| &apart.0)
    }
}

/// The upper ends of the buckets, in microseconds; what is longer is in one more.
pub const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// How many times there were, how long they were.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// A histogram as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How many in each bucket, and longer.
    pub buckets: [u64; BOUNDS.len() + 1],
    pub sum: Duration,
}

impl Histogram {
    pub fn note(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|end| micros <= *end).unwrap_or(BOUNDS.len());
        self.buckets[at].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    pub fn read(&self) -> Times {
        Times {
            buckets: std::array::from_fn(|at| self.buckets[at].load(Relaxed)),
            sum: Duration::from_micros(self.micros.load(Relaxed)),
        }
    }
}

impl Times {
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub fn add(&mut self, other: &Times) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(own, other)| *own += other);
        self.sum += other.sum;
    }

    /// How many were no longer than each bound, in the order of [`BOUNDS`].
    pub fn up_to(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counts = self.buckets.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BOUNDS.iter().map(|micros| Duration::from_micros(*micros)).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_whose_end_it_does_not_exceed() {
        let histogram = Histogram::default();
        [500, 501, 10_000_000, 10_000_001].iter().for_each(|micros| histogram.note(Duration::from_micros(*micros)));
        let times = histogram.read();
        assert_eq!((times.buckets[0], times.buckets[1], times.buckets[13], times.buckets[14]), (1, 1, 1, 1));
        assert_eq!((times.count(), times.sum), (4, Duration::from_micros(20_001_002)));
        let up_to: Vec<_> = times.up_to().collect();
        assert_eq!(up_to[1], (Duration::from_millis(1), 2));
        assert_eq!(up_to.last(), Some(&(Duration::from_secs(10), 3)));
    }

    #[test]
    fn whatever_thread_adds_the_copies_have_the_sum() {
        let copies = Copies::<AtomicU64>::default();
        std::thread::scope(|scope| {
            for _ in 0..9 {
                scope.spawn(|| copies.own().fetch_add(1, Relaxed));
            }
        });
        assert_eq!(copies.iter().map(|copy| copy.load(Relaxed)).sum::<u64>(), 9);
        assert!(copies.iter().filter(|copy| copy.load(Relaxed) > 0).count() > 1, "all threads add to one");
    }

    #[test]
    fn times_add_up() {
        let histogram = Histogram::default();
        histogram.note(Duration::from_millis(3));
        let mut sum = histogram.read();
        sum.add(&histogram.read());
        assert_eq!((sum.count(), sum.sum), (2, Duration::from_millis(6)));
    }
}
