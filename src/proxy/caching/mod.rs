//! The cache on a request's way: looked into before an upstream is asked, filled from what it answers.
//!
//! ```text
//! look     is there an answer, and may it be used? who fetches, who waits?
//! fill     what an upstream's answer means for the cache
//! answer   a stored answer as this request gets it; compressed once
//! fetched  an answer that is being fetched, as this request gets it
//! part     whole, a part, or 304
//! sliced   an answer put together of parts
//! prepared a head that was made once and is sent again
//! errand   requests of edge's own that fetch a stale answer anew behind the client's back, or a part
//! purge    the method PURGE
//! explain  all of it in words
//! ```
//!
//! What may be stored and used is decided in `cache::policy`, where it lies in `cache::store`.

mod answer;
mod errand;
mod explain;
mod fetched;
mod fill;
mod look;
mod part;
mod prepared;
mod purge;
mod sliced;

pub use answer::{Body, Stored, compose};
pub use errand::Fetch;
pub use explain::told;
pub use fetched::{replace, restore};
pub use fill::{
    Confirmed, MetHere, admit, conditions, confirm, forget_changed, hides, may_store, method, on_failure, on_status,
    write,
};
pub use look::look;
pub use prepared::Usual;

use super::request::Request;
use super::snapshot::Caching;
use crate::cache::key::{Key, Variant};
use crate::cache::policy::{CacheStatus, Copy, Fallback};
use crate::cache::store::{Fill, Guard, Head, Hit, Moment, Wanted, Zone};
use crate::cache::{meta::Coding, policy::vary};
use crate::compress::{self, Algorithm, Settings};
use crate::http::Headers;
use crate::variables::{Exchange, Template};
use std::sync::Arc;
use std::time::SystemTime;

/// The content codings that answers are told apart by where they vary by `Accept-Encoding`.
const CODINGS: [&str; 4] = ["br", "zstd", "gzip", "deflate"];

/// What the cache has to do with a request whose upstream is asked.
pub struct Work {
    pub caching: Arc<Caching>,
    zone: Arc<Zone>,
    key: Key,
    /// When the upstream was asked.
    asked: SystemTime,
    moment: Moment,
    /// The answer may be stored, as far as the request goes.
    storing: bool,
    /// The right to fetch; others wait for what comes of it.
    guard: Option<Guard>,
    /// A stale answer, and what it is good for.
    copy: Option<Hit>,
    fallback: Fallback,
    /// The upstream is asked whether the copy is still good.
    revalidating: bool,
    fill: Option<Fill>,
}

impl Work {
    fn new(caching: Arc<Caching>, zone: Arc<Zone>, key: Key) -> Work {
        let moment = zone.moment();
        Work {
            caching,
            zone,
            key,
            asked: SystemTime::now(),
            moment,
            storing: true,
            guard: None,
            copy: None,
            fallback: Fallback::default(),
            revalidating: false,
            fill: None,
        }
    }
}

/// Notes what `$upstream_cache_status` says.
fn note(request: &mut Request, status: CacheStatus) {
    request.exchange.cache_status = Some(status.as_str());
}

/// Counts a request that is over by what the cache did for it.
pub fn count(request: &Request) {
    let word = request.exchange.cache_status;
    let status = CacheStatus::ALL.into_iter().find(|status| Some(status.as_str()) == word);
    if let (Some(zone), Some(status)) = (&request.zone, status) {
        zone.count(status);
    }
}

/// The key of a request; each variable of `proxy_cache_key` is a part of its own.
fn key_of(caching: &Caching, request: &Request) -> Key {
    match request.cache_wishes().and_then(|wishes| wishes.key) {
        // What a rule makes is no key that a configuration could make.
        Some(key) => Key::written(|each| [&b"rules"[..], &key].into_iter().for_each(each)),
        None => Key::written(|each| caching.key.write_parts(&request.exchange, each)),
    }
}

/// What a list and a purge call an answer.
fn url_of(exchange: &Exchange) -> String {
    let mut url = String::from_utf8_lossy(&exchange.host).into_owned();
    url.push_str(&String::from_utf8_lossy(&exchange.request_uri));
    url
}

/// Which of the answers of one key a request wants.
fn wanted(names: &[String], request: &Headers, codings: [Option<Coding>; 3]) -> Wanted {
    Wanted { variant: variant(names, request), codings, by_edge: false }
}

fn variant(names: &[String], request: &Headers) -> Variant {
    if names.is_empty() {
        return Variant::NONE;
    }
    let fields = vary::selecting(names, request, &CODINGS);
    Variant::of(fields.iter().map(|(name, value)| (*name, &value[..])))
}

/// The forms edge makes of an answer that this client prefers to the plain one, the best first.
fn preferred(settings: &Settings, request: &Request) -> [Option<Coding>; 3] {
    let mut codings = [None; 3];
    if settings.is_off() || request.location.filters.is_some() {
        return codings;
    }
    if !request.exchange.head.headers.contains("accept-encoding") {
        return codings;
    }
    let facts = super::headers::compression_view(request);
    let acceptable = compress::acceptable(settings, &facts);
    codings.iter_mut().zip(acceptable).for_each(|(place, algorithm)| *place = Some(coding(algorithm)));
    codings
}

fn coding(algorithm: Algorithm) -> Coding {
    match algorithm {
        Algorithm::Gzip => Coding::Gzip,
        Algorithm::Brotli => Coding::Brotli,
        Algorithm::Zstd => Coding::Zstd,
    }
}

/// Whether one of these is neither empty nor `0`, as nginx's ngx_http_test_predicates.
fn holds(predicates: &[Template], exchange: &Exchange) -> bool {
    predicates.iter().any(|predicate| !matches!(&*predicate.evaluate(exchange), b"" | b"0"))
}

/// What counts of a stored answer.
fn copy_of(head: &Head) -> Copy {
    let meta = &head.meta;
    Copy {
        stored_at: meta.stored_at,
        fresh_until: meta.fresh_until,
        initial_age: meta.initial_age,
        stale_while_revalidate: meta.stale_while_revalidate,
        stale_if_error: meta.stale_if_error,
        must_revalidate: meta.must_revalidate,
    }
}
