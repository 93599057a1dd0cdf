//! Whatever arrives, nothing panics, nothing grows without bound, and nothing becomes fresher by it.

use proptest::prelude::*;

use super::super::slices::{ContentRange, Slices};
use super::super::{stored, tags, vary};
use super::*;

const NAMES: [&str; 16] = [
    "cache-control",
    "cdn-cache-control",
    "expires",
    "date",
    "age",
    "vary",
    "x-accel-expires",
    "set-cookie",
    "cache-tag",
    "etag",
    "last-modified",
    "content-range",
    "connection",
    "location",
    "range",
    "accept-encoding",
];

/// Pieces of what is usual, and anything else.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "max-age",
            "s-maxage",
            "no-cache",
            "private",
            "stale-if-error",
            "=",
            "\"",
            "\\",
            ",",
            ";",
            " ",
            "60",
            "0",
            "@",
            "-",
            "bytes ",
            "bytes=",
            "/",
            "*",
            "99999999999999999999",
            "q=0",
            "http://",
            "//",
            "..",
            "?",
            "%",
            ":",
            NOW,
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(prop_oneof![Just(b'\t'), 0x20u8..0x7f, 0x80u8..=0xff], 0..4),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn lines() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..8)
}

fn answer(lines: &[(&'static str, Vec<u8>)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn asked(lines: &[(&'static str, Vec<u8>)]) -> Headers {
    lines.iter().map(|(name, value)| (Bytes::from_static(name.as_bytes()), Bytes::copy_from_slice(value))).collect()
}

proptest! {
    #[test]
    fn no_answer_panics(sent in lines(), came in lines(), status in 100u16..=999, took in 0u64..=u64::MAX) {
        let (headers, request) = (answer(&came), asked(&sent));
        let answered = now().checked_add(seconds(took)).unwrap_or(now());
        let case = Case { times: Times { asked: now(), answered }, ..Case::valid(&[(Some(200), 60)]) };
        let asked = Asked { method: &Method::GET, headers: &request };
        let rules = Rules { valid: &case.valid, ..case.rules.clone() };
        let status = StatusCode::from_u16(status).unwrap();
        let admission = admit(asked, status, &headers, &rules, case.times);
        if let Admission::Store(lifetime) = &admission {
            prop_assert!(lifetime.fresh_until >= lifetime.stored_at);
            prop_assert!(lifetime.vary.len() <= vary::MOST_NAMES);
            let copy = Copy::from(lifetime);
            let rules = UseRules { obey_request: true, ..UseRules::default() };
            for moment in [now(), answered, lifetime.fresh_until] {
                reuse(&request, &copy, &rules, moment);
                copy.age(moment);
            }
            vary::selecting(&lifetime.vary, &request, &["gzip"]);
        }
        let kept = stored::storable(&headers);
        let (updated, _) = freshen(asked, (status, &kept), &headers, &rules, case.times);
        prop_assert!(!updated.contains_key("set-cookie"));
        stored::confirms(&headers, &updated);
        stored::starts_beyond(&Method::GET, &request, Some(5));
        prop_assert!(tags::tags(&headers).len() <= tags::MOST);
    }

    #[test]
    fn a_forbidding_word_among_any_others_forbids(before in value(), after in value()) {
        let parse = |parts: &[&[u8]]| CacheControl::parse(parts.iter().copied());
        prop_assert!(parse(&[&before, b"no-store", &after]).no_store);
    }

    #[test]
    fn more_lines_never_make_a_lifetime_longer(first in value(), second in value()) {
        let one = CacheControl::parse([first.as_slice()]).max_age.unwrap_or(u64::MAX);
        let both = CacheControl::parse([first.as_slice(), second.as_slice()]).max_age.unwrap_or(u64::MAX);
        prop_assert!(both <= one);
    }

    #[test]
    fn only_urls_of_the_own_origin_are_forgotten(location in value()) {
        let headers = answer(&[("location", location)]);
        let urls = invalidated(&Method::POST, "http://h:8080/a/b?c", StatusCode::OK, &headers);
        prop_assert!(urls.len() <= 2);
        prop_assert!(urls.iter().all(|url| url.starts_with("http://h:8080/")));
    }

    #[test]
    fn slices_cover_every_span_without_a_gap(size in 1u64..5000, start in 0u64..100_000, len in 0u64..100_000) {
        let (slices, span) = (Slices::new(size).unwrap(), start..start + len);
        let mut at = span.start;
        for begin in slices.covering(span.clone()) {
            let part = slices.part(begin, &span);
            prop_assert_eq!(begin + part.start, at);
            prop_assert!(!part.is_empty());
            at = begin + part.end;
        }
        prop_assert_eq!(at, span.end);
    }

    #[test]
    fn no_range_panics(value in value(), size in any::<u64>()) {
        ContentRange::parse(&value);
        if let Some(slices) = Slices::new(size) {
            let start = slices.first(&asked(&[("range", value)]));
            prop_assert_eq!(start % size, 0);
            slices.range(start);
            slices.part(start, &(5..u64::MAX));
        }
    }
}

#[test]
fn quotes_without_end_cost_no_more_than_their_length() {
    let hostile = "\"\\\"".repeat(400_000);
    let begun = std::time::Instant::now();
    assert_eq!(CacheControl::parse([hostile.as_bytes()]), CacheControl::default());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
