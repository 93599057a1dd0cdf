//! What a stored answer may be used for now.
//!
//! What always holds: `must-revalidate` lets nothing stale out, whatever the configuration grants and the client would
//! take; and a request's own directives count only under `proxy_cache_obey_request`.

use std::time::{Duration, SystemTime};

use super::admission::Lifetime;
use super::directives::CacheControl;
use super::freshness::{self, between, is_fresh};
use crate::http::Headers;

/// A set of what `proxy_cache_use_stale` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures(u16);

impl Failures {
    pub const NONE: Failures = Failures(0);
    /// No connection, or one that broke before the head was there.
    pub const ERROR: Failures = Failures(1);
    pub const TIMEOUT: Failures = Failures(1 << 1);
    pub const INVALID_HEADER: Failures = Failures(1 << 2);
    /// No failure: another request updates the copy.
    pub const UPDATING: Failures = Failures(1 << 3);
    pub const HTTP_500: Failures = Failures(1 << 4);
    pub const HTTP_502: Failures = Failures(1 << 5);
    pub const HTTP_503: Failures = Failures(1 << 6);
    pub const HTTP_504: Failures = Failures(1 << 7);
    pub const HTTP_403: Failures = Failures(1 << 8);
    pub const HTTP_404: Failures = Failures(1 << 9);
    pub const HTTP_429: Failures = Failures(1 << 10);

    /// What `stale-if-error` means by an error (RFC 5861 4).
    pub const OF_STALE_IF_ERROR: Failures = Failures(
        Failures::ERROR.0
            | Failures::TIMEOUT.0
            | Failures::INVALID_HEADER.0
            | Failures::HTTP_500.0
            | Failures::HTTP_502.0
            | Failures::HTTP_503.0
            | Failures::HTTP_504.0,
    );

    /// The words of the directive.
    pub const WORDS: [(&str, Failures); 12] = [
        ("error", Failures::ERROR),
        ("timeout", Failures::TIMEOUT),
        ("invalid_header", Failures::INVALID_HEADER),
        ("updating", Failures::UPDATING),
        ("http_500", Failures::HTTP_500),
        ("http_502", Failures::HTTP_502),
        ("http_503", Failures::HTTP_503),
        ("http_504", Failures::HTTP_504),
        ("http_403", Failures::HTTP_403),
        ("http_404", Failures::HTTP_404),
        ("http_429", Failures::HTTP_429),
        ("off", Failures::NONE),
    ];

    /// `off` among the words wins; the error is the first word nginx does not know.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Failures, &'a str> {
        let mut off = false;
        let mut listed = Failures::NONE;
        for word in words {
            let known = Failures::WORDS.iter().find(|(known, _)| *known == word).ok_or(word)?;
            off |= word == "off";
            listed = listed.and(known.1);
        }
        Ok(if off { Failures::NONE } else { listed })
    }

    /// The one that an answer of this status is, if it is one.
    pub fn of_status(status: u16) -> Option<Failures> {
        Some(match status {
            500 => Failures::HTTP_500,
            502 => Failures::HTTP_502,
            503 => Failures::HTTP_503,
            504 => Failures::HTTP_504,
            403 => Failures::HTTP_403,
            404 => Failures::HTTP_404,
            429 => Failures::HTTP_429,
            _ => return None,
        })
    }

    pub fn and(self, more: Failures) -> Failures {
        Failures(self.0 | more.0)
    }

    pub fn without(self, less: Failures) -> Failures {
        Failures(self.0 & !less.0)
    }

    /// Whether all of `these` are listed; nothing is never listed.
    pub fn lists(self, these: Failures) -> bool {
        these != Failures::NONE && self.0 & these.0 == these.0
    }
}

/// What counts of a stored answer.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    pub stored_at: SystemTime,
    pub fresh_until: SystemTime,
    pub initial_age: Duration,
    pub stale_while_revalidate: Duration,
    pub stale_if_error: Duration,
    pub must_revalidate: bool,
}

impl Copy {
    /// What `Age` says of it.
    pub fn age(&self, now: SystemTime) -> u64 {
        freshness::age(self.initial_age, self.stored_at, now)
    }
}

impl From<&Lifetime> for Copy {
    fn from(lifetime: &Lifetime) -> Copy {
        Copy {
            stored_at: lifetime.stored_at,
            fresh_until: lifetime.fresh_until,
            initial_age: lifetime.initial_age,
            stale_while_revalidate: lifetime.stale_while_revalidate,
            stale_if_error: lifetime.stale_if_error,
            must_revalidate: lifetime.must_revalidate,
        }
    }
}

/// What the configuration says.
#[derive(Clone, Copy, Debug, Default)]
pub struct UseRules {
    pub use_stale: Failures,
    pub background_update: bool,
    /// `proxy_cache_obey_request`.
    pub obey_request: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It is the answer: HIT.
    Fresh,
    /// It is the answer although stale: STALE, or UPDATING if somebody updates it already. With `update` the upstream
    /// is to be asked behind the client's back, once.
    Stale { update: bool },
    /// The upstream is to be asked, if the copy has validators and `proxy_cache_revalidate` is on with a condition:
    /// EXPIRED, REVALIDATED.
    Ask(Fallback),
    /// The client wants a stored answer or none: 504 (RFC 9111 5.2.1.7).
    Unmet,
}

/// When the stale copy is good enough after all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// While another request asks the upstream: UPDATING.
    pub while_updating: bool,
    /// If the upstream fails so: STALE.
    pub on_failure: Failures,
}

/// For a request with this head.
pub fn reuse(request: &Headers, copy: &Copy, rules: &UseRules, now: SystemTime) -> Reuse {
    if !rules.obey_request {
        return by_itself(copy, rules, now);
    }
    let asked = CacheControl::asked(request);
    match obeying(&asked, copy, rules, now) {
        // Nobody is to be asked for such a client.
        Reuse::Ask(_) if asked.only_if_cached => Reuse::Unmet,
        reuse => reuse,
    }
}

/// With nothing stored: whether the client wants a 504 rather than that the upstream is asked.
pub fn without_copy(request: &Headers, rules: &UseRules) -> bool {
    rules.obey_request && CacheControl::asked(request).only_if_cached
}

fn by_itself(copy: &Copy, rules: &UseRules, now: SystemTime) -> Reuse {
    if is_fresh(copy.stored_at, copy.fresh_until, now) {
        return Reuse::Fresh;
    }
    let fallback = fallback(copy, rules, now);
    if fallback.while_updating && rules.background_update {
        Reuse::Stale { update: true }
    } else {
        Reuse::Ask(fallback)
    }
}

fn fallback(copy: &Copy, rules: &UseRules, now: SystemTime) -> Fallback {
    let configured = if copy.must_revalidate { Failures::NONE } else { rules.use_stale };
    let staleness = between(copy.fresh_until, now);
    // An answer from the future is stale for an unknown time: no period can be counted from it.
    let within = |period: Duration| !period.is_zero() && now >= copy.fresh_until && staleness <= period;
    let granted = if within(copy.stale_if_error) { Failures::OF_STALE_IF_ERROR } else { Failures::NONE };
    Fallback {
        while_updating: configured.lists(Failures::UPDATING) || within(copy.stale_while_revalidate),
        on_failure: configured.without(Failures::UPDATING).and(granted),
    }
}

/// RFC 9111 5.2.1. Who asks for something newer than what is there is not served something older.
fn obeying(asked: &CacheControl, copy: &Copy, rules: &UseRules, now: SystemTime) -> Reuse {
    let too_old = asked.max_age.is_some_and(|limit| copy.age(now) > limit);
    let left = between(now, copy.fresh_until).as_secs();
    let too_stale = asked.min_fresh.is_some_and(|wanted| left < wanted);
    let on_failure = taken_on_failure(asked, copy, now);
    if asked.no_cache || too_old || too_stale {
        return Reuse::Ask(Fallback { while_updating: false, on_failure });
    }
    let reuse = by_itself(copy, rules, now);
    let staleness = between(copy.fresh_until, now);
    let takes = asked.max_stale.is_some_and(|limit| staleness <= Duration::from_secs(limit));
    match reuse {
        Reuse::Ask(_) if takes && !copy.must_revalidate => Reuse::Stale { update: false },
        Reuse::Ask(fallback) => Reuse::Ask(Fallback { on_failure: fallback.on_failure.and(on_failure), ..fallback }),
        reuse => reuse,
    }
}

/// `stale-if-error` of a request (RFC 5861 4): a stale copy, and one that the request itself calls too old, is better than an
/// error.
fn taken_on_failure(asked: &CacheControl, copy: &Copy, now: SystemTime) -> Failures {
    let staleness = between(copy.fresh_until, now);
    let known = now >= copy.fresh_until || is_fresh(copy.stored_at, copy.fresh_until, now);
    match asked.stale_if_error {
        Some(limit) if known && !copy.must_revalidate && staleness <= Duration::from_secs(limit) => {
            Failures::OF_STALE_IF_ERROR
        }
        _ => Failures::NONE,
    }
}
