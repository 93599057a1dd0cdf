//! Numbers that many threads add to and few look at: times in buckets.
//!
//! Nothing here locks. Whoever reads while others add sees numbers that each were true a moment ago.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

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
    fn times_add_up() {
        let histogram = Histogram::default();
        histogram.note(Duration::from_millis(3));
        let mut sum = histogram.read();
        sum.add(&histogram.read());
        assert_eq!((sum.count(), sum.sum), (2, Duration::from_millis(6)));
    }
}
