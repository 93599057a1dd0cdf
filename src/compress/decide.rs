//! Request and response → compress or not, with what, and whether the answer varies.
//!
//! This is nginx's gzip filter and `ngx_http_gzip_ok` as functions over plain fields, so that every
//! lane, `explain` and tests call the same thing. Two additions to nginx's rules, both because
//! something would be lost: `Cache-Control: no-transform` is respected (RFC 9110 7.7), and an answer that
//! announces trailers is left alone, since a coded body must end before them.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, EXPIRES,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, TRAILER, USER_AGENT, VIA,
};
use http::{Method, Version};

use super::negotiate::{Accepted, Algorithm};
use super::settings::{Proxied, Rules, Settings};

/// Header fields, however they are kept.
pub trait Fields {
    /// The values of all lines with this name, in their order.
    fn values(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]>;

    /// The first line's value.
    fn first(&self, name: &HeaderName) -> Option<&[u8]> {
        self.values(name).next()
    }
}

impl Fields for HeaderMap {
    fn values(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

impl Fields for crate::http::Headers {
    fn values(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_str().as_bytes()))
            .map(|(_, value)| &value[..])
    }
}

impl Fields for [httparse::Header<'_>] {
    fn values(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |field| field.name.eq_ignore_ascii_case(name.as_str())).map(|field| field.value)
    }
}

/// What of a request decides about compression, read before the answer is known.
///
/// `U` holds the User-Agent: `HeaderValue` where the facts outlive the request header, `&[u8]` where not.
#[derive(Clone, Debug)]
pub struct RequestFacts<U = HeaderValue> {
    pub version: Version,
    pub head: bool,
    /// Whether a body may have chunks, if the version has.
    pub chunked: bool,
    pub accepted: Accepted,
    pub via: bool,
    pub authorization: bool,
    pub user_agent: Option<U>,
}

impl RequestFacts<HeaderValue> {
    /// The facts of a request as the client sent it, independent of its lifetime.
    pub fn of(request: &http::request::Parts) -> Self {
        let user_agent = request.headers.get(USER_AGENT).cloned();
        Self::with(request.version, &request.method, &request.headers, user_agent)
    }
}

impl RequestFacts<HeaderValue> {
    /// The facts of a request whose fields are kept otherwise.
    pub fn keep<F: Fields + ?Sized>(version: Version, method: &Method, fields: &F) -> Self {
        let user_agent = fields.first(&USER_AGENT).and_then(|agent| HeaderValue::from_bytes(agent).ok());
        Self::with(version, method, fields, user_agent)
    }
}

impl<'a> RequestFacts<&'a [u8]> {
    /// The facts as a view of the fields.
    pub fn view<F: Fields + ?Sized>(version: Version, method: &Method, fields: &'a F) -> Self {
        Self::with(version, method, fields, fields.first(&USER_AGENT))
    }
}

impl<U> RequestFacts<U> {
    fn with<F: Fields + ?Sized>(version: Version, method: &Method, fields: &F, user_agent: Option<U>) -> Self {
        Self {
            version,
            head: method == Method::HEAD,
            chunked: true,
            accepted: Accepted::read(fields.values(&ACCEPT_ENCODING)),
            via: fields.first(&VIA).is_some(),
            authorization: fields.first(&AUTHORIZATION).is_some(),
            user_agent,
        }
    }
}

/// The outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// compress with this, or leave the body as it is
    pub algorithm: Option<Algorithm>,
    /// say `Vary: Accept-Encoding`: also where this client gets it uncompressed and another would not
    pub vary: bool,
}

/// Decides about one final answer with the given status and fields.
///
/// nginx answers HEAD with the header of the compressed answer, and so does this.
pub fn decide<U: AsRef<[u8]>, F: Fields + ?Sized>(
    settings: &Settings,
    request: &RequestFacts<U>,
    status: u16,
    response: &F,
    now: SystemTime,
) -> Decision {
    if settings.is_off() || !is_compressible(status, response) {
        return Decision::default();
    }
    let eligible = eligible(response);
    let allowed = |algorithm: &Algorithm| {
        let rules = settings.rules(*algorithm);
        eligible(rules) && gzip_ok(rules, request, response, now)
    };
    let algorithm = if settings.is_gzip_alone() {
        Some(Algorithm::Gzip).filter(|gzip| request.accepted.gzip_as_nginx() && allowed(gzip))
    } else {
        request.accepted.ranked().find(allowed)
    };
    let vary =
        Algorithm::ALL.iter().map(|algorithm| settings.rules(*algorithm)).any(|rules| rules.vary && eligible(rules));
    Decision { algorithm, vary }
}

/// The codings that this client may be given of an answer which is kept in several forms, the best first. The answer is not
/// known yet: where `gzip_proxied` would have to look at it, there is none.
pub fn acceptable<U: AsRef<[u8]>>(settings: &Settings, request: &RequestFacts<U>) -> impl Iterator<Item = Algorithm> {
    let accepted = !settings.is_gzip_alone() || request.accepted.gzip_as_nginx();
    let may_have = move |algorithm: &Algorithm| {
        let rules = settings.rules(*algorithm);
        let proxied = || {
            let whom = rules.proxied;
            let always = whom.contains(Proxied::ANY) || (request.authorization && whom.contains(Proxied::AUTH));
            always && !whom.contains(Proxied::OFF)
        };
        rules.on && (!request.via || proxied()) && gzip_ok(rules, request, &HeaderMap::new(), UNIX_EPOCH)
    };
    request.accepted.ranked().filter(move |_| accepted).filter(may_have)
}

/// Whether some client might get this answer compressed. If not, all get the same, whatever they take.
pub fn is_for_some<F: Fields + ?Sized>(settings: &Settings, status: u16, response: &F) -> bool {
    let eligible = eligible(response);
    let any = || Algorithm::ALL.iter().any(|algorithm| eligible(settings.rules(*algorithm)));
    !settings.is_off() && is_compressible(status, response) && any()
}

/// Whether rules are for an answer of this length and type.
fn eligible<F: Fields + ?Sized>(response: &F) -> impl Fn(&Rules) -> bool {
    let length = content_length(response);
    let content_type = response.first(&CONTENT_TYPE).filter(|value| !value.is_empty());
    move |rules| rules.on && length.is_none_or(|length| length >= rules.min_length) && rules.types.matches(content_type)
}

/// The part of nginx's gzip filter that no directive changes.
fn is_compressible<F: Fields + ?Sized>(status: u16, response: &F) -> bool {
    matches!(status, 200 | 403 | 404)
        && response.first(&CONTENT_ENCODING).is_none_or(<[u8]>::is_empty)
        && !has_directive(response, "no-transform")
        && response.first(&TRAILER).is_none()
}

/// The announced length of the body; `None` where it is not known or not a number.
pub fn content_length<F: Fields + ?Sized>(response: &F) -> Option<u64> {
    std::str::from_utf8(response.first(&CONTENT_LENGTH)?).ok()?.trim().parse().ok()
}

/// nginx's `ngx_http_gzip_ok` without `Accept-Encoding`: `http_version`, `proxied` and `disable`.
pub fn gzip_ok<U: AsRef<[u8]>, F: Fields + ?Sized>(
    rules: &Rules,
    request: &RequestFacts<U>,
    response: &F,
    now: SystemTime,
) -> bool {
    if request.version < rules.http_version {
        return false;
    }
    if request.via && !is_proxied_ok(rules.proxied, request.authorization, response, now) {
        return false;
    }
    let Some(user_agent) = &request.user_agent else {
        return true;
    };
    !rules.disable.iter().any(|pattern| pattern.matches(user_agent.as_ref()))
}

/// `gzip_proxied`, in nginx's order: what comes first decides alone.
fn is_proxied_ok<F: Fields + ?Sized>(proxied: Proxied, authorization: bool, response: &F, now: SystemTime) -> bool {
    if proxied.contains(Proxied::OFF) {
        return false;
    }
    if proxied.contains(Proxied::ANY) || (authorization && proxied.contains(Proxied::AUTH)) {
        return true;
    }
    if let Some(expires) = response.first(&EXPIRES) {
        return proxied.contains(Proxied::EXPIRED) && is_expired(expires, response.first(&DATE), now);
    }
    if response.first(&CACHE_CONTROL).is_some() {
        return [(Proxied::NO_CACHE, "no-cache"), (Proxied::NO_STORE, "no-store"), (Proxied::PRIVATE, "private")]
            .iter()
            .any(|(flag, directive)| proxied.contains(*flag) && has_directive(response, directive));
    }
    let has = |flag, name| proxied.contains(flag) && response.first(name).is_some();
    !has(Proxied::NO_LAST_MODIFIED, &LAST_MODIFIED) && !has(Proxied::NO_ETAG, &ETAG)
}

/// `Expires` before `Date`, or before now where there is no `Date`; what cannot be read is not expired.
fn is_expired(expires: &[u8], date: Option<&[u8]>, now: SystemTime) -> bool {
    let Some(expires) = http_seconds(expires) else {
        return false;
    };
    match date {
        Some(date) => http_seconds(date).is_some_and(|date| expires < date),
        None => expires < seconds(now),
    }
}

fn http_seconds(date: &[u8]) -> Option<u64> {
    httpdate::parse_http_date(std::str::from_utf8(date).ok()?).ok().map(seconds)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// nginx's `ngx_http_parse_multi_header_lines`: a directive of Cache-Control that has no argument.
/// Both `,` and `;` separate; only `,` or the end may follow.
fn has_directive<F: Fields + ?Sized>(response: &F, directive: &str) -> bool {
    response.values(&CACHE_CONTROL).any(|line| {
        line.split_inclusive(|b| matches!(b, b',' | b';')).any(|item| {
            let item = item.strip_suffix(b",").unwrap_or(item);
            item.trim_ascii().eq_ignore_ascii_case(directive.as_bytes())
        })
    })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
