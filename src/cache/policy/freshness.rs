//! How old an answer is and how long it stays fresh (RFC 9111 4.2).
//!
//! What always holds: no sum of times overflows; a moment that cannot be represented is one that has passed for what
//! was stored, and [`LONGEST`] for what is asked for.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use super::directives::seconds;

/// 2^31, which stands for "for ever" (RFC 9111 1.2.2).
pub const LONGEST: u64 = 1 << 31;

/// The clock may be set back this far; an answer from further in the future is of no known age.
const SETBACK: Duration = Duration::from_secs(60);

/// When the upstream was asked, and when its head came.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub asked: SystemTime,
    pub answered: SystemTime,
}

/// From `earlier` to `later`; nothing if they stand the other way round.
pub(super) fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

/// Corrected initial age, in whole seconds (RFC 9111 4.2.3).
pub fn initial_age(headers: &HeaderMap, times: Times) -> Duration {
    let apparent = match date(headers, header::DATE) {
        Some(date) => between(date, times.answered),
        None => Duration::ZERO,
    };
    // A date has whole seconds: what looks like one may be the last moment of the second before.
    let apparent = if apparent < Duration::from_secs(2) { Duration::ZERO } else { whole(apparent) };
    let told = age_field(headers)
        .map(|age| whole(Duration::from_secs(age).saturating_add(between(times.asked, times.answered))));
    apparent.max(told.unwrap_or_default()).min(Duration::from_secs(LONGEST))
}

/// The first member of `Age`; anything but a number is ignored (RFC 9111 5.1).
fn age_field(headers: &HeaderMap) -> Option<u64> {
    let first = headers.get(header::AGE)?.as_bytes().split(|byte| *byte == b',').next()?;
    seconds(first.trim_ascii())
}

/// A field that is a date; None if absent or no date.
pub(super) fn date(headers: &HeaderMap, name: header::HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

/// How much later than the upstream's `Date` its `Expires` lies; nothing if it is past or no date (RFC 9111 4.2.1, 5.3).
pub(super) fn expires(headers: &HeaderMap, answered: SystemTime) -> Option<Duration> {
    headers.get(header::EXPIRES)?;
    let from = date(headers, header::DATE).unwrap_or(answered);
    Some(date(headers, header::EXPIRES).map(|until| between(from, until)).unwrap_or_default())
}

/// The age of an answer that came at `stored_at` (RFC 9111 4.2.3), as `Age` says it.
pub fn age(initial: Duration, stored_at: SystemTime, now: SystemTime) -> u64 {
    initial.saturating_add(between(stored_at, now)).as_secs().min(LONGEST)
}

/// Whether an answer is fresh. One from the future, after the clock was set back, is not.
pub fn is_fresh(stored_at: SystemTime, fresh_until: SystemTime, now: SystemTime) -> bool {
    now < fresh_until && between(now, stored_at) <= SETBACK
}
