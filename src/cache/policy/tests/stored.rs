//! The fields of stored answers.

use super::super::stored::{
    NOT_SENT_UP, allows_ranges, condition, confirms, not_modified, starts_beyond, storable, update,
};
use super::*;

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn rfc9111_3_1_what_belongs_to_the_connection_or_one_client_is_not_stored() {
    let answer = fields(&[
        ("Content-Type", "a/b"),
        ("Connection", "x-one, Keep-Alive"),
        ("X-One", "1"),
        ("Keep-Alive", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Set-Cookie", "a=b"),
        ("Set-Cookie", "c=d"),
        ("Age", "5"),
        ("Proxy-Authenticate", "x"),
        ("X-Accel-Expires", "5"),
    ]);
    assert_eq!(names(&storable(&answer)), ["content-type", "x-accel-expires"]);
}

#[test]
fn several_lines_of_a_field_stay_several() {
    let kept = storable(&fields(&[("Link", "a"), ("Link", "b")]));
    assert_eq!(kept.get_all("link").iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn rfc9111_3_2_a_304_replaces_fields_but_not_those_of_the_body() {
    let stored = fields(&[
        ("Content-Type", "a/b"),
        ("Content-Length", "100"),
        ("Content-Encoding", "gzip"),
        ("ETag", "\"1\""),
        ("Link", "a"),
        ("Link", "b"),
        ("X-Old", "1"),
    ]);
    let news = fields(&[
        ("Content-Type", "c/d"),
        ("Content-Length", "0"),
        ("Content-Encoding", "br"),
        ("Content-Range", "bytes 0-0/1"),
        ("ETag", "W/\"1\""),
        ("Link", "c"),
        ("X-New", "1"),
        ("Set-Cookie", "a=b"),
        ("Connection", "x-hop"),
        ("X-Hop", "1"),
    ]);
    let updated = update(&stored, &news);
    let said = |name| updated.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>().join("|");
    let read = ["content-type", "content-length", "content-encoding", "etag", "link", "x-old", "x-new"].map(said);
    assert_eq!(read, ["a/b", "100", "gzip", "W/\"1\"", "c", "1", "1"]);
    assert_eq!(updated.len(), 7);
}

#[test]
fn rfc9111_4_3_4_a_304_of_another_validator_confirms_nothing() {
    let tagged = fields(&[("ETag", "\"1\""), ("Last-Modified", NOW)]);
    let dated = fields(&[("Last-Modified", NOW)]);
    for (stored, lines, expected) in [
        (&tagged, &[] as &[(&str, &str)], true),
        (&tagged, &[("ETag", "\"1\"")], true),
        (&tagged, &[("ETag", "W/\"1\"")], true),
        (&tagged, &[("ETag", "\"2\"")], false),
        (&tagged, &[("ETag", "\"1\""), ("Last-Modified", "x")], true),
        (&tagged, &[("Last-Modified", NOW)], true),
        (&tagged, &[("Last-Modified", "Sun, 06 Nov 1994 08:49:38 GMT")], false),
        (&dated, &[("ETag", "\"1\"")], false),
        (&dated, &[], true),
    ] {
        assert_eq!(confirms(stored, &fields(lines)), expected, "{lines:?}");
    }
}

fn freshened(case: &Case, status: u16, stored: &[(&str, &str)], news: &[(&str, &str)]) -> (HeaderMap, Admission) {
    let asked = Asked { method: &case.method, headers: &case.asked };
    let rules = Rules { valid: &case.valid, ..case.rules.clone() };
    let stored = fields(stored);
    freshen(asked, (StatusCode::from_u16(status).unwrap(), &stored), &fields(news), &rules, case.times)
}

#[test]
fn rfc9111_4_3_4_a_304_gives_the_stored_answer_a_new_lifetime() {
    let lifetime = |stored: &str, news: &[(&str, &str)]| match freshened(
        &Case::default(),
        200,
        &[("Cache-Control", stored), ("ETag", "\"1\"")],
        news,
    ) {
        (_, Admission::Store(lifetime)) => lifetime.fresh_until.duration_since(now()).unwrap().as_secs(),
        (_, Admission::Refuse(_)) => 0,
    };
    assert_eq!(lifetime("max-age=60", &[]), 60);
    assert_eq!(lifetime("max-age=60", &[("Cache-Control", "max-age=5")]), 5);
    assert_eq!(lifetime("max-age=60", &[("Age", "20")]), 40);
    assert_eq!(lifetime("max-age=60", &[("Cache-Control", "no-store")]), 0);
}

#[test]
fn rfc9110_6_6_1_a_304_without_a_date_was_made_when_it_came() {
    let stored = [("Cache-Control", "max-age=60"), ("Date", &*http_date(-3600))];
    let (updated, admission) = freshened(&Case::default(), 200, &stored, &[]);
    assert!(matches!(admission, Admission::Store(lifetime) if lifetime.fresh_until == at(60)), "not an hour old");
    assert_eq!(updated.get_all("date").iter().collect::<Vec<_>>(), [NOW]);
    let (updated, admission) = freshened(&Case::default(), 200, &stored, &[("Date", &http_date(-20))]);
    assert!(matches!(admission, Admission::Store(lifetime) if lifetime.fresh_until == at(40)));
    assert_eq!(updated["date"], http_date(-20));
}

/// As nginx: the time for 200, not that for 304.
#[test]
fn a_304_is_judged_by_the_status_of_the_stored_answer() {
    let case = Case::valid(&[(Some(200), 60), (Some(304), 5)]);
    let (_, admission) = freshened(&case, 200, &[], &[]);
    assert!(matches!(admission, Admission::Store(lifetime) if lifetime.fresh_until == at(60)));
}

#[test]
fn the_cookie_of_a_304_is_not_stored_and_forbids_to_go_on_unless_ignored() {
    let news = [("Set-Cookie", "a=b")];
    let (_, admission) = freshened(&Case::valid(&[(None, 60)]), 200, &[], &news);
    assert_eq!(admission, Admission::Refuse(Reason::SetCookie));
    let mut case = Case::valid(&[(None, 60)]);
    case.rules.ignored.set_cookie = true;
    let (updated, admission) = freshened(&case, 200, &[], &news);
    assert!(matches!(admission, Admission::Store(_)));
    assert!(!updated.contains_key("set-cookie"));
}

#[test]
fn rfc9110_15_4_5_a_304_carries_what_a_200_would_but_for_the_body() {
    let stored = fields(&[
        ("Cache-Control", "max-age=5"),
        ("Content-Location", "/a"),
        ("Date", NOW),
        ("ETag", "\"1\""),
        ("Expires", NOW),
        ("Vary", "a"),
        ("Content-Type", "a/b"),
        ("Content-Length", "5"),
        ("Content-Encoding", "gzip"),
        ("Accept-Ranges", "bytes"),
        ("Access-Control-Allow-Origin", "*"),
    ]);
    let expected =
        ["access-control-allow-origin", "cache-control", "content-location", "date", "etag", "expires", "vary"];
    assert_eq!(names(&not_modified(&stored)), expected);
}

#[test]
fn rfc9111_4_3_1_the_upstream_is_asked_by_the_entity_tag_and_the_date_as_they_were_stored() {
    let asked = |fields: &HeaderMap| condition(StatusCode::OK, fields);
    let one =
        |name: &str, value: &str| vec![(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())];
    assert_eq!(asked(&fields(&[("ETag", "\"1\"")])), one("if-none-match", "\"1\""));
    assert_eq!(asked(&fields(&[("Last-Modified", NOW)])), one("if-modified-since", NOW));
    // Without a date of its own none is made up of others.
    assert!(asked(&fields(&[("Date", NOW), ("Expires", NOW)])).is_empty());
}

#[test]
fn proxy_cache_revalidate_asks_with_both_validators_of_a_200() {
    let stored = fields(&[("ETag", "W/\"1\""), ("Last-Modified", NOW)]);
    let asked = condition(StatusCode::OK, &stored);
    let lines: Vec<(&str, &str)> = asked.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(lines, [("if-none-match", "W/\"1\""), ("if-modified-since", NOW)]);
    assert!(condition(StatusCode::OK, &fields(&[])).is_empty());
    assert!(condition(StatusCode::NOT_FOUND, &stored).is_empty());
    let dropped = NOT_SENT_UP.map(|name| name.as_str().to_owned());
    assert!(asked.iter().all(|(name, _)| dropped.contains(&name.as_str().to_owned())));
}

/// As nginx, which looks at whether the field is there, not at what it says.
#[test]
fn proxy_force_ranges_sends_parts_of_what_does_not_say_accept_ranges() {
    let says = fields(&[("Accept-Ranges", "bytes")]);
    assert!(allows_ranges(StatusCode::OK, &says, false));
    assert!(!allows_ranges(StatusCode::OK, &fields(&[]), false));
    assert!(allows_ranges(StatusCode::OK, &fields(&[]), true));
    assert!(!allows_ranges(StatusCode::NOT_FOUND, &says, true));
}

#[test]
fn proxy_cache_max_range_offset_sends_far_ranges_past_the_cache() {
    let beyond = |range: &str, limit| starts_beyond(&Method::GET, &request(&[("Range", range)]), limit);
    for (range, limit, expected) in [
        ("bytes=100-", Some(100), true),
        ("bytes=99-", Some(100), false),
        ("Bytes= 100-200", Some(100), true),
        ("bytes=-1", Some(100), true),
        ("bytes=0-", Some(0), true),
        ("chars=500-", Some(100), false),
        ("bytes=", Some(100), false),
        ("bytes=x", Some(100), false),
        ("bytes=500-", None, false),
    ] {
        assert_eq!(beyond(range, limit), expected, "{range}");
    }
    assert!(!starts_beyond(&Method::GET, &Headers::default(), Some(0)));
    assert!(!starts_beyond(&Method::POST, &request(&[("Range", "bytes=500-")]), Some(0)));
}
