//! `slice` and `$slice_range`.

use super::super::slices::{Assembly, ContentRange, Mismatch, Slices};
use super::*;

fn slices(size: u64) -> Slices {
    Slices::new(size).unwrap()
}

fn first(range: &str) -> u64 {
    slices(100).first(&request(&[("Range", range)]))
}

#[test]
fn slice_range_begins_at_the_slice_of_the_first_byte() {
    for (range, start) in [
        ("bytes=0-", 0),
        ("bytes=99-", 0),
        ("bytes=100-", 100),
        ("BYTES= 250-260", 200),
        ("bytes=-5", 0),
        ("bytes=250-260,0-1", 0),
        ("chars=250-", 0),
        ("bytes=x", 0),
        ("bytes=9223372036854775807-", 0),
        ("bytes=99999999999999999999-", 0),
    ] {
        assert_eq!(first(range), start, "{range}");
    }
    assert_eq!(slices(100).first(&request(&[("Range", "bytes=250-"), ("If-Range", "x")])), 0);
    assert_eq!(slices(100).first(&Headers::default()), 0);
    assert_eq!(slices(100).range(200), "bytes=200-299");
    assert_eq!(slices(i64::MAX as u64).range(0), "bytes=0-9223372036854775806");
    assert_eq!((Slices::new(0), Slices::new(u64::MAX)), (None, None));
}

#[test]
fn the_slices_of_a_span_cover_it_and_no_more() {
    let starts = |span| slices(100).covering(span).collect::<Vec<_>>();
    assert_eq!(starts(0..1), [0]);
    assert_eq!(starts(0..100), [0]);
    assert_eq!(starts(0..101), [0, 100]);
    assert_eq!(starts(150..301), [100, 200, 300]);
    assert_eq!(starts(5..5), [0; 0]);
    assert_eq!(slices(100).covering(u64::MAX - 5..u64::MAX).count(), 1);
}

#[test]
fn the_parts_of_the_slices_are_the_span() {
    let span = 150..301;
    let parts: Vec<_> = slices(100).covering(span.clone()).map(|start| slices(100).part(start, &span)).collect();
    assert_eq!(parts, [50..100, 0..100, 0..1]);
    assert!(slices(100).part(0, &span).is_empty());
    assert!(slices(100).part(400, &span).is_empty());
}

#[test]
fn rfc9110_14_4_content_range_is_read_as_nginx_reads_it() {
    let read = |value: &str| ContentRange::parse(value.as_bytes()).map(|r| (r.span.start, r.span.end, r.complete));
    for (value, expected) in [
        ("bytes 0-99/200", Some((0, 100, Some(200)))),
        ("bytes 0-99/*", Some((0, 100, None))),
        ("bytes  0 - 99 / 200 ", Some((0, 100, Some(200)))),
        ("bytes 99-0/200", None),
        ("bytes */200", None),
        ("bytes 0-99/200x", None),
        ("bytes 0-99", None),
        ("bytes 0-/200", None),
        ("chars 0-99/200", None),
        ("bytes 0-99999999999999999999/200", None),
        ("", None),
    ] {
        assert_eq!(read(value), expected, "{value}");
    }
}

fn part(range: &str, etag: Option<&str>, modified: Option<&str>) -> HeaderMap {
    let etag = etag.map(|etag| ("ETag", etag));
    let modified = modified.map(|modified| ("Last-Modified", modified));
    fields(&[Some(("Content-Range", range)), etag, modified].into_iter().flatten().collect::<Vec<_>>())
}

#[test]
fn slices_of_one_version_are_passed_on() {
    let assembly = Assembly::begin(slices(100), 100, &part("bytes 100-199/250", Some("\"1\""), None)).unwrap();
    assert_eq!(assembly.length(), 250);
    let last = part("bytes 200-249/250", Some("\"1\""), Some(NOW));
    assert_eq!(assembly.check(200, StatusCode::PARTIAL_CONTENT, &last), Ok(()));
}

#[test]
fn a_slice_of_another_version_or_range_is_not_passed_on() {
    let tagged = Assembly::begin(slices(100), 0, &part("bytes 0-99/250", Some("\"1\""), None)).unwrap();
    let check = |range, etag| tagged.check(100, StatusCode::PARTIAL_CONTENT, &part(range, etag, None));
    let tag = Some("\"1\"");
    assert_eq!(check("bytes 100-199/250", Some("\"2\"")), Err(Mismatch::Etag));
    assert_eq!(check("bytes 100-199/250", None), Err(Mismatch::Etag));
    assert_eq!(check("bytes 100-199/251", tag), Err(Mismatch::Length(250, 251)));
    assert_eq!(check("bytes 100-198/250", tag), Err(Mismatch::OtherRange(100..199, 100..200)));
    assert_eq!(check("bytes 0-99/250", tag), Err(Mismatch::OtherRange(0..100, 100..200)));
    assert_eq!(check("bytes 100-199/*", tag), Err(Mismatch::NoLength));
    assert_eq!(check("bytes x", tag), Err(Mismatch::Range));
    assert_eq!(tagged.check(100, StatusCode::OK, &fields(&[])), Err(Mismatch::Status(200)));
    let dated = Assembly::begin(slices(100), 0, &part("bytes 0-99/250", None, Some(NOW))).unwrap();
    let other = part("bytes 100-199/250", None, Some("Sun, 06 Nov 1994 08:49:38 GMT"));
    assert_eq!(dated.check(100, StatusCode::PARTIAL_CONTENT, &other), Err(Mismatch::LastModified));
}

#[test]
fn the_first_slice_must_be_the_one_asked_for() {
    let begin = |range| Assembly::begin(slices(100), 100, &part(range, None, None)).map(|a| a.length());
    assert_eq!(begin("bytes 100-149/150"), Ok(150));
    assert_eq!(begin("bytes 0-99/150"), Err(Mismatch::OtherRange(0..100, 100..150)));
    assert_eq!(begin("bytes 100-199/150"), Err(Mismatch::OtherRange(100..200, 100..150)));
    assert_eq!(begin("bytes 100-149/*"), Err(Mismatch::NoLength));
    assert_eq!(Assembly::begin(slices(100), 0, &fields(&[])).err(), Some(Mismatch::Range));
}
