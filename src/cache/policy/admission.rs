//! Whether an answer may be stored, and for how long it is fresh.
//!
//! The lifetime comes from the first that says one: X-Accel-Expires, CDN-Cache-Control or else Cache-Control
//! (`s-maxage`, `max-age`), Expires, `proxy_cache_valid`. What the first one says holds for the whole answer: `0` from
//! X-Accel-Expires wins over `max-age=60`, and a number over `private`, for it speaks to this cache alone.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode, header};

use super::directives::{CacheControl, seconds};
use super::freshness::{self, LONGEST, Times};
use super::vary::{self, Unselectable};
use super::{tags, targeted};
use crate::http::Headers;

/// `proxy_cache_valid`: by status, None for `any`; the first that fits holds.
#[derive(Clone, Debug, Default)]
pub struct Valid(pub Vec<(Option<u16>, Duration)>);

impl Valid {
    /// None if answers of that status are not kept, also for a time of 0.
    pub fn lifetime(&self, status: u16) -> Option<Duration> {
        let fits = |(code, _): &&(Option<u16>, Duration)| code.is_none_or(|code| code == status);
        self.0.iter().find(fits).map(|(_, time)| *time).filter(|time| !time.is_zero())
    }
}

/// Of `proxy_ignore_headers` what concerns the cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignored {
    pub x_accel_expires: bool,
    /// With it CDN-Cache-Control, the same in another field.
    pub cache_control: bool,
    pub cdn_cache_control: bool,
    pub expires: bool,
    pub set_cookie: bool,
    pub vary: bool,
}

/// What the configuration says, worked out for this request.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// `proxy_cache_methods`; GET and HEAD are always among them.
    pub methods: &'a [Method],
    pub valid: &'a Valid,
    pub ignored: Ignored,
    /// A value of `proxy_no_cache` is neither empty nor `0`.
    pub no_cache: bool,
    /// A HEAD went up as GET (`proxy_cache_convert_head`), or the key names the method.
    pub head_apart: bool,
    /// The key names the range (`slice`): a part is stored as the part it is.
    pub partial: bool,
    /// The key contains `Authorization`, or it does not go to the upstream.
    pub authorization_harmless: bool,
    /// `proxy_cache_obey_request`.
    pub obey_request: bool,
}

/// What the client asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub method: &'a Method,
    pub headers: &'a Headers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    Store(Lifetime),
    Refuse(Reason),
}

/// What an answer may be used for, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub stored_at: SystemTime,
    pub fresh_until: SystemTime,
    pub initial_age: Duration,
    /// What the answer itself grants.
    pub stale_while_revalidate: Duration,
    pub stale_if_error: Duration,
    /// `proxy_cache_use_stale` grants nothing.
    pub must_revalidate: bool,
    pub vary: Vec<String>,
    pub tags: Vec<String>,
    pub source: Source,
}

/// What said how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    XAccelExpires,
    CdnCacheControl,
    CacheControl,
    Expires,
    ProxyCacheValid,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::XAccelExpires => "X-Accel-Expires",
            Source::CdnCacheControl => "CDN-Cache-Control",
            Source::CacheControl => "Cache-Control",
            Source::Expires => "Expires",
            Source::ProxyCacheValid => "proxy_cache_valid",
        })
    }
}

/// Why an answer is not stored, for the debug log and `edge explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("proxy_no_cache says so")]
    NoCache,
    #[error("its method is not among proxy_cache_methods")]
    Method,
    #[error("it answers a HEAD, and neither is proxy_cache_convert_head on nor $request_method in the key")]
    Head,
    #[error("the request says no-store")]
    RequestNoStore,
    #[error("a {0} is not the answer to the request as such")]
    Status(u16),
    #[error("it says must-understand, and what a {0} asks of a cache is not known")]
    NotUnderstood(u16),
    #[error("it is a part, and the key does not contain $slice_range")]
    Partial,
    #[error("it sets a cookie")]
    SetCookie,
    #[error("it varies by more than the request's fields (Vary: *)")]
    VaryAny,
    #[error("its Vary cannot be read or names more than {} fields", vary::MOST_NAMES)]
    VaryNames,
    #[error("the request is authorized, and the answer says neither public, s-maxage nor must-revalidate")]
    Authorization,
    #[error("{0} forbids it")]
    Forbidden(Source),
    #[error("it is stale from the start, as {0} says")]
    Stale(Source),
    #[error("nothing says how long: no field of it, and no proxy_cache_valid for its status")]
    NoLifetime,
}

impl Reason {
    /// Whether a field of the answer says so.
    pub fn is_the_answers(self) -> bool {
        matches!(
            self,
            Reason::SetCookie | Reason::VaryAny | Reason::VaryNames | Reason::Forbidden(_) | Reason::Stale(_)
        )
    }
}

/// Whether the upstream's answer may be stored.
pub fn admit(asked: Asked<'_>, status: StatusCode, answer: &HeaderMap, rules: &Rules<'_>, times: Times) -> Admission {
    match judge(asked, status, answer, rules, times) {
        Ok(lifetime) => Admission::Store(lifetime),
        Err(reason) => Admission::Refuse(reason),
    }
}

fn judge(
    asked: Asked<'_>,
    status: StatusCode,
    answer: &HeaderMap,
    rules: &Rules<'_>,
    times: Times,
) -> Result<Lifetime, Reason> {
    let said = Said::of(answer, rules.ignored);
    check_request(asked, rules)?;
    check_answer(status, answer, rules)?;
    if said.control.must_understand && !is_understood(status) {
        return Err(Reason::NotUnderstood(status.as_u16()));
    }
    let vary = if rules.ignored.vary { Vec::new() } else { vary::names(answer).map_err(unselectable)? };
    if asked.headers.contains("authorization") && !rules.authorization_harmless && !said.shares_authorized() {
        return Err(Reason::Authorization);
    }
    let initial_age = freshness::initial_age(answer, times);
    let (source, fresh_until) = said.fresh_until(answer, status, rules, times, initial_age)?;
    let granted = |period: Option<u64>| match said.control.revalidates() {
        true => Duration::ZERO,
        false => Duration::from_secs(period.unwrap_or(0)),
    };
    Ok(Lifetime {
        stored_at: times.answered,
        fresh_until,
        initial_age,
        stale_while_revalidate: granted(said.control.stale_while_revalidate),
        stale_if_error: granted(said.control.stale_if_error),
        must_revalidate: said.control.revalidates() || said.control.s_maxage.is_some(),
        vary,
        tags: tags::tags(answer),
        source,
    })
}

fn check_request(asked: Asked<'_>, rules: &Rules<'_>) -> Result<(), Reason> {
    let method = asked.method;
    if rules.no_cache {
        return Err(Reason::NoCache);
    }
    if *method != Method::GET && *method != Method::HEAD && !rules.methods.contains(method) {
        return Err(Reason::Method);
    }
    // An empty body must never answer a GET.
    if *method == Method::HEAD && !rules.head_apart {
        return Err(Reason::Head);
    }
    if rules.obey_request && CacheControl::asked(asked.headers).no_store {
        return Err(Reason::RequestNoStore);
    }
    Ok(())
}

fn check_answer(status: StatusCode, answer: &HeaderMap, rules: &Rules<'_>) -> Result<(), Reason> {
    // A 304 says something about the copy of one client, who asked for it past edge's own conditions.
    if status.is_informational() || status == StatusCode::NOT_MODIFIED {
        return Err(Reason::Status(status.as_u16()));
    }
    if status == StatusCode::PARTIAL_CONTENT && !rules.partial {
        return Err(Reason::Partial);
    }
    if answer.contains_key(header::SET_COOKIE) && !rules.ignored.set_cookie {
        return Err(Reason::SetCookie);
    }
    Ok(())
}

/// One that RFC 9110 defines (RFC 9111 3), 306 and what others define apart: they may ask more of a cache.
fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=206 | 300..=305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

fn unselectable(why: Unselectable) -> Reason {
    match why {
        Unselectable::Anything => Reason::VaryAny,
        Unselectable::Names => Reason::VaryNames,
    }
}

/// The directives that count, and where they stood.
struct Said {
    source: Source,
    control: CacheControl,
}

impl Said {
    fn of(answer: &HeaderMap, ignored: Ignored) -> Said {
        if ignored.cache_control {
            return Said { source: Source::CacheControl, control: CacheControl::default() };
        }
        match targeted::parse(answer).filter(|_| !ignored.cdn_cache_control) {
            Some(control) => Said { source: Source::CdnCacheControl, control },
            None => Said { source: Source::CacheControl, control: CacheControl::of(answer) },
        }
    }

    /// RFC 9111 3.5.
    fn shares_authorized(&self) -> bool {
        self.control.public || self.control.must_revalidate || self.control.s_maxage.is_some()
    }

    fn fresh_until(
        &self,
        answer: &HeaderMap,
        status: StatusCode,
        rules: &Rules<'_>,
        times: Times,
        initial_age: Duration,
    ) -> Result<(Source, SystemTime), Reason> {
        let now = times.answered;
        if !rules.ignored.x_accel_expires
            && let Some(until) = x_accel_expires(answer, now)?
        {
            return Ok((Source::XAccelExpires, until));
        }
        if self.control.no_store || self.control.no_cache || self.control.private {
            return Err(Reason::Forbidden(self.source));
        }
        if let Some((source, told)) = self.lifetime(answer, rules.ignored, now) {
            let left = told.saturating_sub(initial_age);
            return if left.is_zero() { Err(Reason::Stale(source)) } else { Ok((source, after(now, left))) };
        }
        let valid = rules.valid.lifetime(status.as_u16()).ok_or(Reason::NoLifetime)?;
        Ok((Source::ProxyCacheValid, after(now, valid)))
    }

    /// From when the answer was made.
    fn lifetime(&self, answer: &HeaderMap, ignored: Ignored, now: SystemTime) -> Option<(Source, Duration)> {
        if let Some(told) = self.control.s_maxage.or(self.control.max_age) {
            return Some((self.source, Duration::from_secs(told)));
        }
        if ignored.expires || self.source == Source::CdnCacheControl {
            return None;
        }
        freshness::expires(answer, now).map(|told| (Source::Expires, told))
    }
}

/// Seconds from now, or `@` and the seconds since 1970. What nginx does not understand is ignored, but for `off`.
fn x_accel_expires(answer: &HeaderMap, now: SystemTime) -> Result<Option<SystemTime>, Reason> {
    const SOURCE: Source = Source::XAccelExpires;
    let Some(value) = answer.get("x-accel-expires").map(|value| value.as_bytes().trim_ascii()) else {
        return Ok(None);
    };
    if value.eq_ignore_ascii_case(b"off") {
        return Err(Reason::Forbidden(SOURCE));
    }
    let Some(moment) = value.strip_prefix(b"@") else {
        return match digits(value) {
            Some(0) => Err(Reason::Forbidden(SOURCE)),
            Some(told) => Ok(Some(after(now, Duration::from_secs(told.min(LONGEST))))),
            None => Ok(None),
        };
    };
    // Zero is "not said", as in nginx.
    let Some(moment) = digits(moment).filter(|moment| *moment > 0) else { return Ok(None) };
    let furthest = after(now, Duration::from_secs(LONGEST));
    let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(moment)).map_or(furthest, |at| at.min(furthest));
    if until <= now { Err(Reason::Stale(SOURCE)) } else { Ok(Some(until)) }
}

/// A number without quotes, not cut to what delta-seconds can say.
fn digits(value: &[u8]) -> Option<u64> {
    seconds(value).filter(|_| !value.starts_with(b"\""))?;
    std::str::from_utf8(value).ok().map(|digits| digits.parse().unwrap_or(u64::MAX))
}

/// A sum that no clock can show is the moment itself: stale.
fn after(moment: SystemTime, time: Duration) -> SystemTime {
    moment.checked_add(time).unwrap_or(moment)
}
