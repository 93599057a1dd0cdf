//! What nginx 1.22 was seen to answer, row by row.

use super::*;

const ETAG: &[u8] = b"\"2ebc98a1-24\"";
const OWN: Validators<'static> = Validators { etag: Some(ETAG), last_modified: Some(784_111_777) };

/// As the client sees it: `200`, `416`, `5-9` or `0-0,2-3`, with inclusive ends.
fn seen(header: &str, len: u64, max_ranges: usize) -> String {
    describe(plan(Some(header.as_bytes()), None, OWN, len, max_ranges))
}

fn describe(plan: Plan) -> String {
    let spell = |span: &Range<u64>| format!("{}-{}", span.start, span.end - 1);
    match plan {
        Plan::Full => "200".into(),
        Plan::NotSatisfiable => "416".into(),
        Plan::Single(span) => spell(&span),
        Plan::Multi(spans) => spans.iter().map(spell).collect::<Vec<_>>().join(","),
    }
}

#[test]
fn ranges_of_36_bytes_are_chosen_as_nginx_chooses_them() {
    let table = [
        ("bytes=0-0", "0-0"),
        ("bytes=0-", "0-35"),
        ("bytes=5-9", "5-9"),
        ("bytes=-5", "31-35"),
        ("bytes=-0", "416"),
        ("bytes=-36", "0-35"),
        ("bytes=-100", "0-35"),
        ("bytes=35-", "35-35"),
        ("bytes=36-", "416"),
        ("bytes=35-99", "35-35"),
        ("bytes=36-40", "416"),
        ("bytes=9-5", "416"),
        ("bytes=0-0,2-3", "0-0,2-3"),
        ("bytes=0-5,3-8", "0-5,3-8"),
        ("bytes=0-35,0-0", "200"),
        ("bytes=0-17,18-35", "0-17,18-35"),
        ("bytes=0-17,17-35", "200"),
        ("bytes=0-0,99-", "0-0"),
        ("bytes=99-,0-0", "0-0"),
        ("bytes=99-100,200-", "416"),
        ("bytes=0-0,", "416"),
        ("bytes=,0-0", "416"),
        ("bytes=", "200"),
        ("bytes= 0-0", "0-0"),
        ("bytes=0 - 1", "0-1"),
        ("bytes=0-1 ", "0-1"),
        ("bytes=0-1, 4-5", "0-1,4-5"),
        ("bytes=0-1 ,4-5", "0-1,4-5"),
        ("bytes=-1,0-0", "35-35,0-0"),
        ("bytes=-", "416"),
        ("bytes=a-b", "416"),
        ("bytes=0-a", "416"),
        ("bytes=0-1x", "416"),
        ("bytes=0-1;2-3", "416"),
        ("BYTES=0-1", "0-1"),
        ("Bytes=2-3", "2-3"),
        ("bytes 0-1", "200"),
        ("items=0-1", "200"),
        ("bytes=1-0,2-3", "2-3"),
        ("bytes=0-1,3-2", "0-1"),
        ("bytes=99999999999999999999-", "416"),
        ("bytes=0-99999999999999999999", "416"),
        ("bytes=-99999999999999999999", "416"),
        ("bytes=9223372036854775807-", "416"),
        ("bytes=0-9223372036854775807", "0-35"),
        ("bytes=-9223372036854775807", "0-35"),
        ("bytes=--1", "416"),
        ("bytes=0--1", "416"),
        ("bytes=0-1\t", "416"),
        ("bytes=\t0-1", "416"),
        ("bytes=0-1,\t3-4", "416"),
        ("bytes=0-0,0-0,0-0", "0-0,0-0,0-0"),
        ("bytes=00-01", "0-1"),
        ("bytes=0-1,-1,5-", "0-1,35-35,5-35"),
        ("bytes= -5", "31-35"),
        ("bytes=- 5", "416"),
        ("bytes=5- ", "5-35"),
        ("bytes=+1-2", "416"),
        ("bytes=3-2,0-", "0-35"),
    ];
    for (header, expected) in table {
        assert_eq!(seen(header, 36, usize::MAX), expected, "{header}");
    }
}

#[test]
fn an_empty_file_is_sent_whole_to_who_asks_for_its_start() {
    let table = [
        ("bytes=0-0", "200"),
        ("bytes=-5", "200"),
        ("bytes=-0", "200"),
        ("bytes=0-", "200"),
        ("bytes=5-,0-", "200"),
        ("bytes=5-", "416"),
        ("bytes=1-2", "416"),
        ("bytes=zz", "416"),
    ];
    for (header, expected) in table {
        assert_eq!(seen(header, 0, usize::MAX), expected, "{header}");
    }
}

#[test]
fn max_ranges_counts_what_would_be_sent() {
    let table = [
        ("bytes=0-0", 1, "0-0"),
        ("bytes=0-0,2-2", 1, "200"),
        ("bytes=99-,0-0", 1, "0-0"),
        ("bytes=0-0,99-", 1, "0-0"),
        ("bytes=0-0,2-2,x", 1, "200"),
        ("bytes=0-0,2-2", 2, "0-0,2-2"),
        ("bytes=0-0,2-2,4-4", 2, "200"),
        ("bytes=0-0,2-2,x", 2, "416"),
        ("bytes=0-0", 0, "200"),
        ("bytes=x", 0, "200"),
    ];
    for (header, max_ranges, expected) in table {
        assert_eq!(seen(header, 36, max_ranges), expected, "{header} max_ranges {max_ranges}");
    }
}

#[test]
fn if_range_lets_a_range_through_only_for_the_same_representation() {
    let table = [
        ("\"2ebc98a1-24\"", "1-2"),
        ("W/\"2ebc98a1-24\"", "200"),
        ("\"x\"", "200"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "1-2"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", "1-2"),
        ("Sun, 06 Nov 1994 08:49:38 GMT", "200"),
        ("junk", "200"),
        ("\"", "200"),
        ("", "200"),
        ("*", "200"),
    ];
    for (condition, expected) in table {
        let plan = plan(Some(b"bytes=1-2"), Some(condition.as_bytes()), OWN, 36, usize::MAX);
        assert_eq!(describe(plan), expected, "{condition}");
    }
    let weak = Validators { etag: Some(b"W/\"a\""), last_modified: None };
    assert_eq!(plan(Some(b"bytes=1-2"), Some(b"W/\"a\""), weak, 36, 9), Plan::Full);
    let bare = Validators::default();
    assert_eq!(plan(Some(b"bytes=1-2"), Some(b"\"a\""), bare, 36, 9), Plan::Full);
}

#[test]
fn several_parts_are_framed_byte_for_byte_as_nginx_frames_them() {
    let parts = vec![0..1, 2..4];
    let body = Multipart::new("00000000000000000001".into(), Some("text/plain; charset=utf-8"), parts, 36);
    let framed = [&body.head(0)[..], b"0", &body.head(1)[..], b"23", &body.tail()[..]].concat();
    let expected = "\r\n--00000000000000000001\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Range: bytes 0-0/36\r\n\r\n0\
                    \r\n--00000000000000000001\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Range: bytes 2-3/36\r\n\r\n23\
                    \r\n--00000000000000000001--\r\n";
    assert_eq!(String::from_utf8_lossy(&framed), expected);
    assert_eq!(body.total_len(), expected.len() as u64);
    assert_eq!(body.content_type(), "multipart/byteranges; boundary=00000000000000000001");
    assert!(body.head(2).is_empty());
}

#[test]
fn without_a_type_the_parts_have_none() {
    let body = Multipart::new("7".into(), None, vec![0..1, 2..3], 5);
    assert_eq!(&body.head(0)[..], b"\r\n--7\r\nContent-Range: bytes 0-0/5\r\n\r\n");
}

#[test]
fn boundaries_have_twenty_digits_and_differ() {
    let (first, second) = (next_boundary(), next_boundary());
    assert_ne!(first, second);
    assert!(first.len() == 20 && first.bytes().all(|byte| byte.is_ascii_digit()), "{first}");
}

proptest::proptest! {
    #[test]
    fn no_header_makes_a_span_leave_the_file(header in "[bB]ytes=[0-9, -]{0,40}", len in 0u64..2000, max in 0usize..8) {
        let spans = match plan(Some(header.as_bytes()), None, OWN, len, max) {
            Plan::Full | Plan::NotSatisfiable => vec![],
            Plan::Single(span) => vec![span],
            Plan::Multi(spans) => spans,
        };
        assert!(spans.len() <= max);
        assert!(spans.iter().all(|span| span.start < span.end && span.end <= len), "{spans:?}");
        assert!(spans.iter().map(|span| span.end - span.start).sum::<u64>() <= len);
    }
}
