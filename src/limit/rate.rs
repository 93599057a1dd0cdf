//! A rate, what may come beyond it, and the arithmetic of nginx's leaky bucket.
//!
//! `ngx_http_limit_req_module` counts in thousandths of a request and in milliseconds, and rounds down. Whoever moves here from
//! nginx must see the same requests refused, so that all of that is the same here.

use super::Millis;
use std::time::Duration;

/// So much in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Thousandths of a request …
    pub thousandths: u64,
    /// … in so many milliseconds.
    pub per: u64,
}

impl Rate {
    /// nginx's `10r/s`, `30r/m` (and `10`, which is per second), or `10/s`, `5/m`, `100/h`.
    ///
    /// nginx rounds a rate to thousandths per second: its `5r/m` is one request in 12.05 seconds. Without the `r` a rate is
    /// what it says.
    pub fn parse(text: &str) -> Option<Rate> {
        let (count, rate) = match text.split_once('/') {
            None => (text, Rate { thousandths: 1, per: 1000 }),
            Some((count, "s")) => (count, Rate { thousandths: 1, per: 1000 }),
            Some((count, "m")) if count.ends_with('r') => (count, Rate { thousandths: 60, per: 1000 }),
            Some((count, "m")) => (count, Rate { thousandths: 1, per: 60_000 }),
            Some((count, "h")) if !count.ends_with('r') => (count, Rate { thousandths: 1, per: 3_600_000 }),
            Some(_) => return None,
        };
        let digits = if text.contains('/') { count.strip_suffix('r').unwrap_or(count) } else { count };
        let digits = Some(digits).filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))?;
        let count: u32 = digits.parse().ok().filter(|count| *count > 0)?;
        Some(Rate { thousandths: u64::from(count) * 1000 / rate.thousandths, per: rate.per })
    }

    /// What leaks out of a bucket in so many milliseconds, in thousandths.
    fn leak(self, ms: u64) -> u64 {
        self.thousandths.saturating_mul(ms) / self.per
    }

    /// How long so many thousandths take, rounded down as nginx does.
    fn time_of(self, thousandths: u64) -> u64 {
        thousandths.saturating_mul(self.per) / self.thousandths.max(1)
    }

    /// The same, but not a moment too short.
    fn full_time_of(self, thousandths: u64) -> u64 {
        thousandths.saturating_mul(self.per).div_ceil(self.thousandths.max(1))
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per {
            60_000 => "m",
            3_600_000 => "h",
            _ => "s",
        };
        write!(f, "{}/{unit}", self.thousandths as f64 / 1000.0)
    }
}

/// What becomes of requests that come faster than the rate, but within the burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// They wait for their turn.
    All,
    /// They pass at once (`nodelay`).
    None,
    /// So many pass at once, the others wait (`delay=N`).
    After(u32),
}

/// A rate with what may come beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub rate: Rate,
    pub burst: u32,
    pub delay: Delay,
}

impl RateLimit {
    /// How long a request waits behind so much excess.
    pub(super) fn delay_of(&self, excess: u64) -> Duration {
        let free = match self.delay {
            Delay::All => 0,
            Delay::None => u64::MAX,
            Delay::After(count) => u64::from(count) * 1000,
        };
        Duration::from_millis(self.rate.time_of(excess.saturating_sub(free)))
    }

    pub(super) fn is_over(&self, excess: u64) -> bool {
        excess > u64::from(self.burst) * 1000
    }

    /// When one more request will pass, after one was refused with so much excess.
    pub(super) fn retry_after(&self, excess: u64) -> Duration {
        Duration::from_millis(self.rate.full_time_of(excess.saturating_sub(u64::from(self.burst) * 1000)))
    }
}

/// What is known of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// When a request was counted last.
    last: Millis,
    /// What has come beyond the rate and has not leaked out, in thousandths. Below 0, down to one request, after one was taken
    /// back: what has leaked out since the one before it must not be lost, or whoever goes on asking would never pass again.
    excess: i64,
}

impl Bucket {
    /// After the first request of a key.
    pub fn new(now: Millis) -> Bucket {
        Bucket { last: now, excess: 0 }
    }

    /// The excess with one more request.
    pub fn with_one_more(&self, rate: Rate, now: Millis) -> u64 {
        let leaked = i64::try_from(rate.leak(self.passed(now))).unwrap_or(i64::MAX);
        (self.excess + 1000).saturating_sub(leaked).max(0).unsigned_abs()
    }

    /// Counts one more request.
    pub fn count(&mut self, excess: u64, now: Millis) {
        if self.passed(now) > 0 {
            self.last = now;
        }
        self.excess = i64::try_from(excess).unwrap_or(i64::MAX - 1000);
    }

    /// Forgets one request.
    pub fn take_back(&mut self) {
        self.excess = (self.excess - 1000).max(-1000);
    }

    /// Two threads may read the clock in one order and come here in the other. nginx's clock may even jump, and it lets a
    /// jump back over more than a minute count as one millisecond, so that the bucket has the new time from then on.
    fn passed(&self, now: Millis) -> u64 {
        match now.0.checked_sub(self.last.0) {
            Some(ms) => ms,
            None if self.last.0 - now.0 > 60_000 => 1,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_nginx_reads_them_and_exactly_without_the_r() {
        let read = |text| Rate::parse(text).map(|rate| (rate.thousandths, rate.per));
        assert_eq!(read("10r/s"), Some((10_000, 1000)));
        assert_eq!(read("10/s"), Some((10_000, 1000)));
        assert_eq!(read("7"), Some((7_000, 1000)));
        assert_eq!(read("30r/m"), Some((500, 1000)));
        assert_eq!(read("1r/m"), Some((16, 1000)));
        assert_eq!(read("5r/m"), Some((83, 1000)));
        assert_eq!(read("5/m"), Some((5_000, 60_000)));
        assert_eq!(read("1/h"), Some((1_000, 3_600_000)));
        let shown = |text| Rate::parse(text).map(|rate| rate.to_string());
        assert_eq!(["10r/s", "30r/m", "5/m", "1/h"].map(|text| shown(text).unwrap()), ["10/s", "0.5/s", "5/m", "1/h"]);
        for wrong in
            ["", "r/s", "0r/s", "-1r/s", "1.5r/s", "1r/h", "1r/d", "1r", "x/s", "1rr/s", "99999999999/s", "+1/s"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_clock_that_went_back_a_little_counts_as_no_time() {
        let rate = Rate { thousandths: 1000, per: 1000 };
        let mut bucket = Bucket::new(Millis(100_000));
        assert_eq!(bucket.with_one_more(rate, Millis(99_990)), 1000);
        bucket.count(1000, Millis(99_990));
        assert_eq!(bucket.last, Millis(100_000));
        bucket.count(1000, Millis(1000));
        assert_eq!(bucket.last, Millis(1000));
    }
}
