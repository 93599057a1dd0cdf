//! Fields of requests and answers, and what else comes in a line: each is read to something sensible, or refused.

use super::{lines, mark};
use crate::access::forwarded::{parse_socket, told};
use crate::access::links::{Link, by_secret};
use crate::access::uids::Got;
use crate::access::{Client, Network, Networks, Who, passwords, users};
use crate::cache::policy::directives::CacheControl;
use crate::cache::policy::freshness::LONGEST;
use crate::cache::policy::slices::ContentRange;
use crate::compress::Accepted;
use crate::files::IfModifiedSince;
use crate::files::conditional::{Validators, judge};
use crate::files::date;
use crate::files::range::{Multipart, Plan, plan};
use crate::http::escape::{self, LogEscape, Unescape};
use crate::observe::trace::status_of;
use crate::variables::trace::{Told, Trace};
use ::http::{HeaderMap, HeaderValue};
use std::net::IpAddr;

/// More lines never allow more, and no number overflows.
pub fn cache_control(bytes: &[u8]) -> u64 {
    let all: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let control = CacheControl::parse(all.iter().copied());
    for seconds in [control.max_age, control.s_maxage, control.stale_while_revalidate, control.stale_if_error] {
        assert!(seconds.is_none_or(|seconds| seconds <= LONGEST), "{control:?}");
    }
    let stricter = CacheControl::parse(all.iter().copied().chain([&b"no-store, max-age=7"[..]]));
    assert!(stricter.no_store && stricter.max_age.is_some_and(|age| age <= 7.min(control.max_age.unwrap_or(7))));
    let flags = [control.no_store, control.no_cache, control.private, control.public, control.must_revalidate];
    mark((flags, control.max_age.map(u64::count_ones), control.max_stale.is_some(), control.min_fresh.is_some()))
}

pub fn content_range(bytes: &[u8]) -> u64 {
    let Some(read) = ContentRange::parse(bytes) else { return 0 };
    assert!(read.span.start < read.span.end, "{read:?}");
    let complete = read.complete.map_or("*".into(), |n| n.to_string());
    let text = format!("bytes {}-{}/{complete}", read.span.start, read.span.end - 1);
    assert_eq!(ContentRange::parse(text.as_bytes()).as_ref(), Some(&read));
    mark((read.complete.is_some(), read.span.end.leading_zeros()))
}

/// Each coding once, and none that was refused by its name.
pub fn accept_encoding(bytes: &[u8]) -> u64 {
    let accepted = Accepted::read(bytes.split(|b| *b == b'\n'));
    let ranked: Vec<&str> = accepted.ranked().map(|coding| coding.name()).collect();
    let mut once = ranked.clone();
    once.dedup();
    assert_eq!((&once, ranked.len() <= 3), (&ranked, true));
    let refused = [&b"zstd;q=0, br;q=0.0, gzip;q=0.000, "[..], bytes].concat();
    assert_eq!(Accepted::read([refused.as_slice()].into_iter()).ranked().count(), 0);
    mark((ranked, accepted.gzip_as_nginx()))
}

/// RANGE, IF-RANGE and the length: what is sent lies within what there is, and is as long as it was said.
pub fn range(bytes: &[u8]) -> u64 {
    let [range, condition, length] = lines(bytes);
    let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()).unwrap_or(length.len() as u64);
    let own = Validators { etag: Some(b"\"e\""), last_modified: Some(784_111_777) };
    let condition = (!condition.is_empty()).then_some(condition);
    let inside =
        |span: &std::ops::Range<u64>| assert!(span.start < span.end && span.end <= length, "{span:?} of {length}");
    match plan(Some(range), condition, own, length, 100) {
        Plan::Full => 1,
        Plan::NotSatisfiable => 2,
        Plan::Single(span) => {
            inside(&span);
            mark((span.start == 0, span.end == length))
        }
        Plan::Multi(spans) => {
            spans.iter().for_each(inside);
            assert!(spans.len() <= 100 && spans.iter().map(|span| span.end - span.start).sum::<u64>() <= length);
            let count = spans.len();
            let parts = Multipart::new("b".into(), Some("text/plain"), spans, length);
            let heads: usize = (0..count).map(|at| parts.head(at).len()).sum();
            let bodies: u64 = parts.parts().iter().map(|span| span.end - span.start).sum();
            assert_eq!(parts.total_len(), heads as u64 + bodies + parts.tail().len() as u64);
            assert!(parts.head(count).is_empty());
            mark((3, count))
        }
    }
}

/// A date is written as it was read, and conditions are judged whatever they say.
pub fn conditions(bytes: &[u8]) -> u64 {
    let values: [&[u8]; 4] = lines(bytes);
    for value in values {
        if let Some(seconds) = date::parse(value).filter(|seconds| (0..253_402_300_800).contains(seconds)) {
            assert_eq!(date::parse(date::format(seconds).as_bytes()), Some(seconds));
        }
    }
    let names = ["if-none-match", "if-match", "if-modified-since", "if-unmodified-since"];
    let mut headers = HeaderMap::new();
    for (name, value) in names.into_iter().zip(values).filter(|(_, value)| !value.is_empty()) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let own = Validators { etag: Some(b"\"e\""), last_modified: Some(784_111_777) };
    let mode = IfModifiedSince::default();
    let dates = values.map(|value| date::parse(value).is_some());
    mark((judge(&headers, own, mode) as u8, judge(&headers, Validators::default(), mode) as u8, dates))
}

/// A list of addresses, NETWORK and ADDRESS: what is told stands in the list, and a network has its own address.
pub fn forwarded(bytes: &[u8]) -> u64 {
    let [list, network, address] = lines(bytes);
    let parsed = std::str::from_utf8(network).ok().and_then(|text| Network::parse(text).ok());
    if let Some((network, _)) = parsed {
        let own = std::str::from_utf8(list).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
        let _ = own.map(|address| network.contains(address));
    }
    let trusted = Networks(parsed.iter().map(|(network, _)| Who::Network(*network)).chain([Who::Unix]).collect());
    let everybody = Networks(vec![Who::All]);
    let none = Networks::default();
    assert_eq!(told(Client::Unix, &[list], &none, true), None);
    let outcomes = [(&trusted, false), (&trusted, true), (&everybody, true)].map(|(trusted, recursive)| {
        let found = told(Client::Unix, &[list, address], trusted, recursive);
        if let Some(found) = found {
            let stands = |part: &[u8]| parse_socket(part) == Some(found);
            let words = |value: &[u8]| value.split(|b| matches!(b, b' ' | b',')).any(stands);
            assert!(words(list) || words(address), "{found} was told by nobody");
        }
        found.map(|found| (found.is_ipv4(), found.port() > 0))
    });
    mark((outcomes, parsed.map(|(network, strange)| (network.contains(IpAddr::from([10, 0, 0, 1])), strange))))
}

/// Signed links and numbered cookies: nothing is taken that was not signed, and a cookie stays what it was.
pub fn signed(bytes: &[u8]) -> u64 {
    let [value, text, uri] = lines(bytes);
    let link = Link::parse(value);
    let good = link.and_then(|link| link.check(text, 1_700_000_000));
    let cookie = Got::read(value).map(|got| {
        let marked = got.marked(b'A');
        let again = Got::read(&marked).expect("it was one before");
        assert_eq!((again.uid, again.is_marked(b'A')), (got.uid, true));
        got.is_some()
    });
    let secret = by_secret(uri, b"secret").is_some();
    mark((link.map(|link| link.expires.is_some()), good.is_some(), cookie.is_ok(), secret))
}

/// A file of users: a form that is not known is no password, and the user's first line counts.
pub fn htpasswd(bytes: &[u8]) -> u64 {
    let mut users: Vec<(Vec<u8>, Vec<u8>)> = users::read(bytes).into_iter().collect();
    users.sort();
    let mut outcomes = Vec::new();
    for (user, stored) in users.iter().take(2) {
        assert!(!user.contains(&b'\n') && !stored.contains(&b':'));
        if is_cheap(stored) {
            outcomes.push(passwords::is(b"secret", stored).ok());
        }
    }
    mark((outcomes, users.len().min(4)))
}

/// Good hashes take long by intention, and their rounds are counted where they are read (`passwords`).
fn is_cheap(stored: &[u8]) -> bool {
    let least = !stored.starts_with(b"$2") || stored.get(4..6) == Some(b"04");
    least && ![&b"$5$"[..], b"$6$", b"$y$"].iter().any(|form| stored.starts_with(form))
}

/// What is written for others is read by them as it was meant, and no value ends a line.
pub fn escape(bytes: &[u8]) -> u64 {
    assert_eq!(escape::unescape(&escape::uri_component(bytes), Unescape::All), bytes);
    for how in [Unescape::All, Unescape::Path, Unescape::Redirect] {
        assert!(escape::unescape(bytes, how).len() <= bytes.len());
    }
    let page = escape::html(bytes);
    assert!(!page.iter().any(|b| b"<>\"".contains(b)));
    let line = escape::log(bytes, LogEscape::Default);
    assert!(line.iter().all(|b| (b' '..=b'~').contains(b) && *b != b'"'), "{}", line.escape_ascii());
    if let Ok(text) = std::str::from_utf8(bytes) {
        let json = [b"\"", &*escape::log(bytes, LogEscape::Json), b"\""].concat();
        assert_eq!(serde_json::from_slice::<String>(&json).ok().as_deref(), Some(text));
    }
    mark((line.len() - bytes.len().min(line.len()), page.len().min(40), escape::uri(bytes).len().min(40)))
}

/// What is told of a trace is told on as it was.
pub fn traceparent(bytes: &[u8]) -> u64 {
    let Some(told) = Told::parse(bytes) else { return 0 };
    let text = Trace::behind(told).traceparent(told.span);
    assert_eq!(Told::parse(text.as_bytes()), Some(told));
    assert!(told.id != [0; 16] && told.span != [0; 8]);
    mark((told.sampled, bytes.len() > text.len()))
}

/// The first line of what a collector answers.
pub fn collector_answer(bytes: &[u8]) -> u64 {
    let status = status_of(bytes);
    assert!(status.is_none_or(|status| (100..1000).contains(&status)), "{status:?}");
    mark(status)
}
