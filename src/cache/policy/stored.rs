//! The fields of a stored answer: which are kept, what a 304 of the upstream changes, what edge's own 304 carries, and
//! what asks whether the copy is still good.

use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::admission::{Admission, Asked, Rules, admit};
use super::freshness::Times;
use crate::http::Headers;

/// Of the client's request, not sent up to fill the cache: what is stored must be the whole answer. (nginx's list.)
pub const NOT_SENT_UP: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// About the connection (RFC 9110 7.6.1) or one client, not about the answer (RFC 9111 3.1). `Age` is computed anew.
const NEVER_STORED: [&str; 13] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "age",
];

/// What describes the stored body, which a 304 does not bring (RFC 9111 3.2).
const OF_THE_BODY: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_TYPE, header::CONTENT_RANGE];

/// What nginx takes out of a 304.
const NOT_IN_304: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
];

/// The fields of an answer that are stored with it.
pub fn storable(answer: &HeaderMap) -> HeaderMap {
    select(answer, |name| is_storable(name, answer))
}

fn select(fields: &HeaderMap, keep: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.iter().filter(|(name, _)| keep(name)) {
        kept.append(name, value.clone());
    }
    kept
}

fn is_storable(name: &HeaderName, answer: &HeaderMap) -> bool {
    let named = |line: &HeaderValue| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|n| n.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    !NEVER_STORED.contains(&name.as_str()) && !answer.get_all(header::CONNECTION).iter().any(named)
}

/// Whether a 304 speaks of the stored answer (RFC 9111 4.3.4): by its entity tag, else by its date; one that says
/// neither can mean no other. One that does not is no answer at all: the upstream is to be asked without a condition.
pub fn confirms(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    let same = |name: HeaderName, comparable: fn(&HeaderValue) -> &[u8]| {
        let said = not_modified.get(&name)?;
        Some(stored.get(&name).is_some_and(|own| comparable(own) == comparable(said)))
    };
    let by_tag = same(header::ETAG, |tag| tag.as_bytes().strip_prefix(b"W/").unwrap_or(tag.as_bytes()));
    by_tag.or_else(|| same(header::LAST_MODIFIED, HeaderValue::as_bytes)).unwrap_or(true)
}

/// The stored fields after a 304 (RFC 9111 3.2).
pub fn update(stored: &HeaderMap, not_modified: &HeaderMap) -> HeaderMap {
    let brings = |name: &HeaderName| !OF_THE_BODY.contains(name) && is_storable(name, not_modified);
    let news = select(not_modified, brings);
    let mut updated = select(stored, |name| !news.contains_key(name));
    for (name, value) in &news {
        updated.append(name, value.clone());
    }
    updated
}

/// The stored fields after a 304, and whether and how long the copy goes on with them. On a refusal it still answers
/// this request, and is then forgotten.
pub fn freshen(
    asked: Asked<'_>,
    stored: (StatusCode, &HeaderMap),
    not_modified: &HeaderMap,
    rules: &Rules<'_>,
    times: Times,
) -> (HeaderMap, Admission) {
    let mut updated = update(stored.1, not_modified);
    // Else the copy would be as old as it was before it was confirmed (RFC 9110 6.6.1).
    if !not_modified.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(representable(times.answered)))
    {
        updated.insert(header::DATE, date);
    }
    // Judged by the age and the cookies of the 304, which are not among the fields that are kept.
    let mut judged = updated.clone();
    for name in [header::AGE, header::SET_COOKIE] {
        if let Some(value) = not_modified.get(&name) {
            judged.insert(name, value.clone());
        }
    }
    let admission = admit(asked, stored.0, &judged, rules, times);
    (updated, admission)
}

/// The years 1970 to 9999, beyond which no date can be written.
fn representable(moment: SystemTime) -> SystemTime {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    moment.clamp(SystemTime::UNIX_EPOCH, last)
}

/// The fields of a 304 made from a stored answer. As in nginx all go along but those that describe the missing body;
/// RFC 9110 15.4.5 demands Cache-Control, Content-Location, Date, ETag, Expires and Vary.
pub fn not_modified(stored: &HeaderMap) -> HeaderMap {
    select(stored, |name| !NOT_IN_304.contains(name))
}

/// The condition under which the upstream may answer with 304 (`proxy_cache_revalidate`). Empty: it cannot be asked so.
pub fn condition(status: StatusCode, stored: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    // As in nginx; validators of other answers say nothing about a body.
    if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Vec::new();
    }
    let fields = [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)];
    let filled = fields.into_iter().filter_map(|(own, asks)| Some((asks, stored.get(own)?.clone())));
    filled.collect()
}

/// Whether parts of a stored answer are sent. As in nginx only if its upstream would, or `proxy_force_ranges` is on.
pub fn allows_ranges(status: StatusCode, stored: &HeaderMap, force_ranges: bool) -> bool {
    status == StatusCode::OK && (force_ranges || stored.contains_key(header::ACCEPT_RANGES))
}

/// Whether a request starts so far behind that it goes to the upstream as it is and nothing is stored
/// (`proxy_cache_max_range_offset`; None: never).
pub fn starts_beyond(method: &Method, request: &Headers, max_offset: Option<u64>) -> bool {
    let Some(max_offset) = max_offset else { return false };
    let Some(range) = request.get("range").filter(|_| matches!(*method, Method::GET | Method::HEAD)) else {
        return false;
    };
    if max_offset == 0 {
        return true;
    }
    let Some((_, spans)) = range.split_at_checked(6).filter(|(unit, _)| unit.eq_ignore_ascii_case(b"bytes=")) else {
        return false;
    };
    let first = spans.trim_ascii_start();
    let digits = first.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // The end of what has no known length yet is far behind.
    let offset = std::str::from_utf8(&first[..digits]).ok().and_then(|offset| offset.parse::<u64>().ok());
    first.starts_with(b"-") || offset.is_some_and(|offset| offset >= max_offset)
}
