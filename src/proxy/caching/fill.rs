//! What the upstream is asked for the cache's sake, and what its answer means for the cache.

use super::answer::Stored;
use super::{Work, holds, key_of, note, url_of, variant};
use crate::cache::key::Key;
use crate::cache::meta::Meta;
use crate::cache::policy::stored::{self, NOT_SENT_UP};
use crate::cache::policy::{
    Admission, Asked, CacheStatus, Failures, Lifetime, Rules, Times, Valid, admit as judge, freshen,
};
use crate::cache::store::{Begun, Fill, Head, Pressure, Purge, Zone};
use crate::client::Connection;
use crate::proxy::headers::is_bodiless;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Caching, Pass};
use crate::upstream::retry::Failure;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use pingora_http::ResponseHeader;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long the upstream waits for a disk that is behind before it gives the next piece.
const RELIEF: Duration = Duration::from_millis(20);

/// What a 304 of the upstream came to.
pub enum Confirmed {
    /// The copy is good; here it is.
    Copy(Box<Stored>),
    /// It speaks of another answer: the upstream is asked again, without a condition.
    Mismatch,
}

/// What the upstream was not asked for, so that edge sees to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetHere {
    Nothing,
    /// As in nginx, where nothing is stored: a range if `proxy_force_ranges` is on.
    ForcedRanges,
    /// Conditions and ranges.
    All,
}

/// Whether the answer may become one for others, so that it is waited for although its client leaves.
pub fn may_store(request: &Request) -> bool {
    request.cache.as_ref().is_some_and(|work| work.storing)
}

/// The method the upstream is asked with, where it is another than the client's.
pub fn method(request: &Request) -> Option<Method> {
    let work = request.cache.as_ref()?;
    (work.storing && work.caching.convert_head && request.exchange.method == Method::HEAD).then_some(Method::GET)
}

/// Whether a field of the client is not sent up, because what is stored must be the whole answer.
pub fn hides(request: &Request, name: &[u8]) -> bool {
    request.cache.as_ref().is_some_and(|work| work.storing)
        && NOT_SENT_UP.iter().any(|hidden| hidden.as_str().as_bytes().eq_ignore_ascii_case(name))
}

/// What asks whether the copy is still good.
pub fn conditions(request: &Request) -> Vec<(HeaderName, HeaderValue)> {
    let copy = request.cache.as_ref().filter(|work| work.revalidating).and_then(|work| work.copy.as_ref());
    copy.map(|copy| stored::condition(copy.head.response.status, &copy.head.response.headers)).unwrap_or_default()
}

/// Whether the stale answer goes out instead of one of this status.
pub fn on_status(request: &mut Request, status: u16) -> Option<Stored> {
    fall_back(request, Failures::of_status(status)?)
}

/// Whether the stale answer goes out after this failure.
pub fn on_failure(request: &mut Request, what: Failure) -> Option<Stored> {
    let failures = match what {
        Failure::Error => Failures::ERROR,
        Failure::Timeout => Failures::TIMEOUT,
        Failure::InvalidHeader => Failures::INVALID_HEADER,
        Failure::Status(status) => Failures::of_status(status)?,
    };
    fall_back(request, failures)
}

fn fall_back(request: &mut Request, failures: Failures) -> Option<Stored> {
    let work = request.cache.as_mut()?;
    if !work.fallback.on_failure.lists(failures) {
        return None;
    }
    let copy = work.copy.take()?;
    let stored = Stored::hit(copy, work.zone.clone());
    request.cache = None;
    note(request, CacheStatus::Stale);
    Some(stored)
}

/// Takes a 304 that answers edge's own condition.
pub async fn confirm(request: &mut Request, answer: &ResponseHeader) -> Option<Confirmed> {
    let work = request.cache.as_mut().filter(|work| work.revalidating && answer.status == StatusCode::NOT_MODIFIED)?;
    work.revalidating = false;
    let copy = work.copy.take()?;
    if !stored::confirms(&copy.head.response.headers, &answer.headers) {
        return Some(Confirmed::Mismatch);
    }
    let mut work = request.cache.take()?;
    let times = Times { asked: work.asked, answered: SystemTime::now() };
    let old = (copy.head.response.status, &copy.head.response.headers);
    let (fields, admission) =
        judged(request, &work.caching, |asked, rules| freshen(asked, old, &answer.headers, rules, times));
    let response = with_fields(&copy.head.response, &fields);
    let head = match admission {
        Admission::Store(lifetime) => {
            let lifetime = as_wished(lifetime, request);
            let url = copy.head.meta.url.clone();
            let meta = Meta { bodiless: copy.head.meta.bodiless, ..meta_of(&lifetime, url) };
            let head = Head::new(response.clone(), meta.clone());
            work.zone.update(&copy, head, work.moment).await;
            Head::new(response, meta)
        }
        // It answers this request and is then forgotten.
        Admission::Refuse(reason) => {
            log::debug!("{}: not kept any longer: {reason}", copy.head.meta.url);
            purge(&work.zone, &work.key).await;
            Head::new(response, copy.head.meta.clone())
        }
    };
    if let Some(guard) = work.guard.take() {
        guard.release_all();
    }
    note(request, CacheStatus::Revalidated);
    Some(Confirmed::Copy(Box::new(Stored::hit(copy, work.zone.clone()).with_head(head))))
}

/// The stored head with other fields; those that stay keep their spelling.
fn with_fields(old: &ResponseHeader, fields: &HeaderMap) -> ResponseHeader {
    let mut new = old.clone();
    let names: Vec<HeaderName> = old.headers.keys().chain(fields.keys()).cloned().collect();
    for name in names {
        let same = old.headers.get_all(&name).iter().eq(fields.get_all(&name).iter());
        if same {
            continue;
        }
        new.remove_header(&name);
        for value in fields.get_all(&name) {
            // They came through a parser.
            let _ = new.append_header(name.clone(), value.clone());
        }
    }
    new
}

/// Begins to store an upstream's answer, if it may be stored; to be called with its head as it came.
pub fn admit(request: &mut Request, connection: &Arc<Connection>, answer: &ResponseHeader) -> MetHere {
    let Some(mut work) = request.cache.take() else { return MetHere::ForcedRanges };
    work.copy = None;
    if !work.storing {
        return MetHere::Nothing;
    }
    let times = Times { asked: work.asked, answered: SystemTime::now() };
    let admission =
        judged(request, &work.caching, |asked, rules| judge(asked, answer.status, &answer.headers, rules, times));
    let lifetime = match admission {
        Admission::Store(lifetime) => as_wished(lifetime, request),
        Admission::Refuse(reason) => {
            log::debug!("{}: not stored: {reason}", url_of(&request.exchange));
            if let Some(guard) = work.guard.take() {
                guard.release_all();
            }
            connection.ignore_abort(request.pass().is_some_and(|pass| pass.ignore_client_abort));
            return if reason.is_the_answers() { MetHere::ForcedRanges } else { MetHere::All };
        }
    };
    let kept = stored::storable(&answer.headers);
    let bodiless = is_bodiless(answer, request) && method_sent(request, &work) != Method::GET
        || matches!(answer.status.as_u16(), 204 | 304);
    let meta = Meta { bodiless, ..meta_of(&lifetime, url_of(&request.exchange)) };
    let head = Head::new(with_fields(answer, &kept), meta);
    let variant = variant(&lifetime.vary, &request.exchange.head.headers);
    let begun = match work.guard.take() {
        Some(guard) => guard.begin(variant, head),
        None => work.zone.begin(&work.key, variant, head, work.moment),
    };
    let Begun::Fill(fill) = begun else { return MetHere::All };
    if bodiless || announces_nothing(answer) {
        finish(fill);
        return MetHere::All;
    }
    // As nginx: what is stored is fetched to its end, whether or not the client waits for it.
    connection.ignore_abort(true);
    connection.go_on(true);
    work.fill = Some(fill);
    request.cache = Some(work);
    MetHere::All
}

fn method_sent(request: &Request, work: &Work) -> Method {
    match work.caching.convert_head && request.exchange.method == Method::HEAD {
        true => Method::GET,
        false => request.exchange.method.clone(),
    }
}

fn announces_nothing(answer: &ResponseHeader) -> bool {
    answer.headers.get(http::header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0")
}

/// Stores a piece of the body; `end`: it was the last one. What comes back is how long the upstream is to wait.
pub fn write(request: &mut Request, piece: Option<&Bytes>, end: bool) -> Option<Duration> {
    let fill = request.cache.as_mut()?.fill.as_mut()?;
    let pressure = match piece.filter(|piece| !piece.is_empty()) {
        Some(piece) => fill.write(piece.clone()),
        None => Pressure::Go,
    };
    if end {
        let fill = request.cache.take()?.fill.take()?;
        finish(fill);
        return None;
    }
    (pressure == Pressure::Slow).then_some(RELIEF)
}

fn finish(fill: Fill) {
    if let Err(e) = fill.finish() {
        log::warn!("{e}");
    }
}

/// What a method that changes something has changed is not answered from the cache any more (RFC 9111 4.4).
pub async fn forget_changed(request: &mut Request, answer: &ResponseHeader) {
    let is_safe = matches!(request.exchange.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE");
    let fails = answer.status.is_client_error() || answer.status.is_server_error();
    if is_safe || fails {
        return;
    }
    let Some(caching) = request.pass().and_then(|pass| pass.caching.clone()) else { return };
    let Some(zone) = caching.zone.zone().cloned() else { return };
    if caching.methods.contains(&request.exchange.method) {
        return;
    }
    let asked = std::mem::replace(&mut request.exchange.method, Method::GET);
    let key = key_of(&caching, request);
    request.exchange.method = asked;
    // What nobody has need not be forgotten: those who write to ever new addresses would make ever more marks.
    if zone.knows(&key) {
        purge(&zone, &key).await;
    }
}

/// Off the runtime's threads, as it waits for the disk.
pub async fn purge(zone: &Arc<Zone>, key: &Key) {
    let (zone, key) = (zone.clone(), key.clone());
    // It fails only if the process ends.
    let _ = tokio::task::spawn_blocking(move || zone.purge(Purge::Url(&key), false)).await;
}

/// Judges with what the configuration and the request say.
fn judged<T>(request: &Request, caching: &Caching, judge: impl FnOnce(Asked<'_>, &Rules<'_>) -> T) -> T {
    let converted = caching.convert_head && request.exchange.method == Method::HEAD;
    let get = Method::GET;
    let wishes = request.cache_wishes().unwrap_or_default();
    // An answer that does not say itself how long it is fresh is fresh for as long as a rule says.
    let wished = wishes.ttl.map(|ttl| Valid(vec![(None, ttl)]));
    let method = if converted { &get } else { &request.exchange.method };
    let rules = Rules {
        methods: &caching.methods,
        valid: wished.as_ref().unwrap_or(&caching.valid),
        ignored: caching.ignored,
        no_cache: wishes.no_store || holds(&caching.no_cache, &request.exchange),
        head_apart: caching.method_in_key,
        partial: caching.slice_in_key,
        authorization_harmless: caching.authorization_in_key || request.pass().is_some_and(drops_authorization),
        obey_request: caching.use_rules.obey_request,
    };
    judge(Asked { method, headers: &request.exchange.head.headers }, &rules)
}

/// With the time and the tags that rules want.
fn as_wished(mut lifetime: Lifetime, request: &Request) -> Lifetime {
    let Some(wishes) = request.cache_wishes() else { return lifetime };
    if let Some(ttl) = wishes.ttl {
        // As `proxy_cache_valid` counts: from now on, whatever age it came with.
        lifetime.fresh_until = lifetime.stored_at + ttl;
    }
    for tag in wishes.tags.into_iter().filter(|tag| !tag.is_empty()) {
        if !lifetime.tags.contains(&tag) {
            lifetime.tags.push(tag);
        }
    }
    lifetime
}

fn drops_authorization(pass: &Pass) -> bool {
    !pass.pass_headers || pass.fields.iter().any(|f| f.name.eq_ignore_ascii_case("authorization") && f.value.is_empty())
}

fn meta_of(lifetime: &Lifetime, url: String) -> Meta {
    Meta {
        stale_while_revalidate: lifetime.stale_while_revalidate,
        stale_if_error: lifetime.stale_if_error,
        must_revalidate: lifetime.must_revalidate,
        initial_age: lifetime.initial_age,
        vary: lifetime.vary.clone(),
        tags: lifetime.tags.clone(),
        ..Meta::new(url, lifetime.stored_at, lifetime.fresh_until)
    }
}
