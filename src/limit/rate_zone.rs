//! Buckets by key, and what becomes of a request over which several limits stand.
//!
//! As in nginx all limits are looked at before any counts the request: one that is refused has cost its client nothing. Of
//! several delays the longest is waited for.

use super::Millis;
use super::rate::{Bucket, RateLimit};
use super::table::Parts;
use std::time::Duration;

/// What a limit says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateVerdict {
    Pass,
    /// It passes after this time.
    Delay(Duration),
    /// Too many; after this time one would pass.
    Refuse {
        retry_after: Duration,
    },
}

/// A verdict and what the log says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub verdict: RateVerdict,
    /// Which of the limits it is from.
    pub by: usize,
    /// How much has come beyond the rate, in thousandths.
    pub excess: u64,
}

/// One limit over a request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub zone: &'a RateZone,
    pub key: &'a [u8],
    pub limit: &'a RateLimit,
}

/// Buckets of one size altogether. Where it is full, the bucket that was asked for longest ago goes.
#[derive(Debug)]
pub struct RateZone(Parts<Bucket>);

impl RateZone {
    /// `size`: bytes, of which each key takes 128 or, if it is long, more.
    pub fn new(size: usize) -> RateZone {
        RateZone(Parts::new(size))
    }

    /// Looks at one limit and counts the request if it passes.
    pub fn check(&self, key: &[u8], limit: &RateLimit, now: Millis) -> RateVerdict {
        check_all(&[Ask { zone: self, key, limit }], now).verdict
    }

    /// The excess there would be with this request.
    fn look(&self, key: &[u8], limit: &RateLimit, now: Millis) -> u64 {
        let mut table = self.0.of(key);
        table.get(key).map_or(0, |bucket| bucket.with_one_more(limit.rate, now))
    }

    /// Forgets a request that was counted.
    pub(super) fn take_back(&self, key: &[u8]) {
        if let Some(bucket) = self.0.of(key).get(key) {
            bucket.take_back();
        }
    }

    /// Counts the request, whatever the excess. `None`: the key is too long for the zone.
    fn count(&self, key: &[u8], limit: &RateLimit, now: Millis) -> Option<u64> {
        self.count_if(key, limit, now, |_| true)
    }

    /// Counts the request if the excess is agreeable, and tells it in any case.
    pub(super) fn count_if(
        &self,
        key: &[u8],
        limit: &RateLimit,
        now: Millis,
        agreeable: impl FnOnce(u64) -> bool,
    ) -> Option<u64> {
        let mut table = self.0.of(key);
        if let Some(bucket) = table.get(key) {
            let excess = bucket.with_one_more(limit.rate, now);
            if agreeable(excess) {
                bucket.count(excess, now);
            }
            return Some(excess);
        }
        if !table.make_room(key) {
            return None;
        }
        table.insert(key, Bucket::new(now));
        Some(0)
    }
}

/// Looks at all limits, and counts the request for all of them if none refuses it.
pub fn check_all(asks: &[Ask<'_>], now: Millis) -> Checked {
    let Some((last, before)) = asks.split_last() else {
        return Checked { verdict: RateVerdict::Pass, by: 0, excess: 0 };
    };
    for (by, ask) in before.iter().enumerate() {
        let excess = ask.zone.look(ask.key, ask.limit, now);
        if ask.limit.is_over(excess) {
            return refused(ask.limit, by, excess);
        }
    }
    // The last one is looked at and counted under one lock: where there is one limit only, nobody comes between.
    let by = before.len();
    let agreeable = |excess| !last.limit.is_over(excess);
    let excess = match last.zone.count_if(last.key, last.limit, now, agreeable) {
        Some(excess) if last.limit.is_over(excess) => return refused(last.limit, by, excess),
        Some(excess) => excess,
        // As nginx, which refuses what it has no room to count.
        None => return refused(last.limit, by, 0),
    };
    let mut longest = (last.limit.delay_of(excess), by, excess);
    for (by, ask) in before.iter().enumerate().rev() {
        let Some(excess) = ask.zone.count(ask.key, ask.limit, now) else { continue };
        let delay = ask.limit.delay_of(excess);
        if delay > longest.0 {
            longest = (delay, by, excess);
        }
    }
    let (delay, by, excess) = longest;
    let verdict = if delay.is_zero() { RateVerdict::Pass } else { RateVerdict::Delay(delay) };
    Checked { verdict, by, excess }
}

fn refused(limit: &RateLimit, by: usize, excess: u64) -> Checked {
    Checked { verdict: RateVerdict::Refuse { retry_after: limit.retry_after(excess) }, by, excess }
}

#[cfg(test)]
#[path = "rate_zone_tests.rs"]
mod tests;
