//! Conditions and ranges of an answer that is not stored yet: the upstream is asked once, for the whole, which is stored;
//! the client gets what it asked for, as from a stored answer.

use std::time::Duration;

use super::Stage;
use super::origin::{Manner, body, page};
use crate::support::client::{Client, Failure};
use crate::support::curl::Curl;
use crate::support::request::{HOST, Request, get};
use crate::support::wait;

const LENGTH: usize = 400_000;
const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

/// Each with its status, and which bytes of the body it gets.
const PARTS: [(&str, &str, u16, usize, usize); 12] = [
    ("Range", "bytes=0-9", 206, 0, 10),
    ("Range", "bytes=200000-200999", 206, 200_000, 201_000),
    ("Range", "bytes=-7", 206, LENGTH - 7, LENGTH),
    ("Range", "bytes=0-1,5-6", 200, 0, LENGTH),
    ("If-None-Match", "\"one\"", 304, 0, 0),
    ("If-None-Match", "\"two\"", 200, 0, LENGTH),
    ("If-Modified-Since", DATE, 304, 0, 0),
    ("If-Modified-Since", "Sun, 09 Sep 2001 01:46:39 GMT", 200, 0, LENGTH),
    ("If-Match", "\"one\"", 200, 0, LENGTH),
    ("If-Unmodified-Since", DATE, 200, 0, LENGTH),
    // With a page.
    ("If-Match", "\"two\"", 412, 0, 0),
    ("Range", "bytes=400000-", 416, 0, 0),
];

fn whole(seed: usize) -> super::origin::Page {
    let fields = format!("ETag: \"one\"\nLast-Modified: {DATE}\nAccept-Ranges: bytes\nContent-Type: text/plain");
    page(&fields, body(seed, LENGTH))
}

#[test]
fn the_client_gets_what_it_asked_for_and_the_whole_is_stored() {
    let stage = Stage::start("");
    // One connection, so that each answer ends where it should.
    let mut client = Client::connect(stage.to());
    for (seed, (name, value, status, from, to)) in PARTS.into_iter().enumerate() {
        let path = format!("/x{seed}");
        stage.origin.say(&path, whole(seed));
        let response = client.ask(&get(&path).header(name, value)).expect("an answer");
        assert_eq!(
            (response.status(), response.header("x-cache")),
            (status, Some("MISS")),
            "{name}: {value}: {response}"
        );
        if matches!(status, 200 | 206) {
            assert!(response.body == body(seed, LENGTH)[from..to], "wrong bytes of {name}: {value}");
        }
        assert_eq!(response.header("connection"), Some("keep-alive"), "{response}");
        let stored = client.ask(&get(&path)).expect("an answer");
        assert_eq!(stored.header("x-cache"), Some("HIT"), "{name}: {value}");
        assert!(stored.body == body(seed, LENGTH));
        assert_eq!(stage.origin.fetched(&path), 1, "{name}: {value}");
    }
    for seen in stage.origin.seen() {
        for (name, ..) in PARTS {
            assert_eq!(seen.header(name), None, "the upstream is asked for the whole");
        }
    }
    stage.lines_to("GET /x4 304 MISS");
    stage.lines_to("GET /x11 416 MISS");
    stage.expect_quiet();
}

#[test]
fn a_part_goes_with_the_version_it_was_asked_for() {
    let stage = Stage::start("");
    let mut client = Client::connect(stage.to());
    let conditions = [("\"one\"", 206), ("\"two\"", 200), (DATE, 206), ("Sun, 09 Sep 2001 01:46:41 GMT", 200)];
    for (seed, (condition, status)) in conditions.into_iter().enumerate() {
        let path = format!("/x{seed}");
        stage.origin.say(&path, whole(seed));
        let request = get(&path).header("Range", "bytes=10-19").header("If-Range", condition);
        let response = client.ask(&request).expect("an answer");
        assert_eq!(response.status(), status, "{condition}: {response}");
        let expected = body(seed, LENGTH);
        assert!(response.body == if status == 206 { &expected[10..20] } else { &expected[..] });
    }
    stage.expect_quiet();
}

#[test]
fn a_head_gets_what_a_get_would_without_the_body() {
    let stage = Stage::start("");
    let mut client = Client::connect(stage.to());
    let length = LENGTH.to_string();
    let asked = [
        (None, 200, Some(length.as_str())),
        (Some(("Range", "bytes=10-19")), 206, Some("10")),
        (Some(("If-None-Match", "\"one\"")), 304, None),
        (Some(("If-Match", "\"two\"")), 412, None),
    ];
    for (seed, (field, status, said)) in asked.into_iter().enumerate() {
        let path = format!("/x{seed}");
        stage.origin.say(&path, whole(seed));
        let plain = Request::new("HEAD", &path);
        let request = field.iter().fold(plain, |request, (name, value)| request.header(name, value));
        let response = client.ask(&request).expect("an answer");
        assert_eq!((response.status(), response.header("x-cache")), (status, Some("MISS")), "{response}");
        if status != 412 {
            assert_eq!(response.header("content-length"), said, "{response}");
        }
        let stored = client.ask(&get(&path)).expect("an answer");
        assert_eq!(stored.header("x-cache"), Some("HIT"));
        assert!(stored.body == body(seed, LENGTH));
        assert_eq!(stage.origin.fetched(&path), 1);
    }
    assert!(stage.origin.seen().iter().all(|seen| seen.method() == "GET"));
    stage.expect_quiet();
}

#[test]
fn what_comes_in_chunks_has_conditions_and_no_ranges() {
    let stage = Stage::start("");
    let mut client = Client::connect(stage.to());
    let asked =
        [("GET", "Range", "bytes=0-9", 200), ("GET", "If-None-Match", "\"one\"", 304), ("HEAD", "X-Y", "z", 200)];
    for (seed, (method, name, value, status)) in asked.into_iter().enumerate() {
        let path = format!("/x{seed}");
        stage.origin.say(&path, whole(seed).manner(Manner::Chunked));
        let response = client.ask(&Request::new(method, &path).header(name, value)).expect("an answer");
        assert_eq!(response.status(), status, "{response}");
        assert!(client.ask(&get(&path)).expect("an answer").body == body(seed, LENGTH));
        assert_eq!(stage.origin.fetched(&path), 1);
    }
    stage.expect_quiet();
}

#[test]
fn an_answer_that_forbids_to_be_stored_goes_out_whole() {
    let stage = Stage::start("");
    for (path, forbids) in [("/private", "Cache-Control: private"), ("/cookie", "Set-Cookie: a=b")] {
        stage.origin.say(path, page(&format!("{forbids}\nETag: \"one\"\nAccept-Ranges: bytes"), body(1, LENGTH)));
        for (name, value) in [("Range", "bytes=0-9"), ("If-None-Match", "\"one\"")] {
            let response = stage.ask(&get(path).header(name, value));
            assert_eq!(response.status(), 200, "{path}, {name}: {response}");
            assert!(response.body == body(1, LENGTH));
        }
        assert_eq!(stage.origin.fetched(path), 2);
    }
    // Nothing says how long it may be kept, and so nothing forbids to give a part of it.
    stage.origin.say("/unknown", page("X-No: cache-control\nETag: \"one\"\nAccept-Ranges: bytes", body(1, LENGTH)));
    let mut client = Client::connect(stage.to());
    let part = client.ask(&get("/unknown").header("Range", "bytes=5-9")).expect("an answer");
    assert_eq!((part.status(), &part.body[..]), (206, &body(1, LENGTH)[5..10]), "{part}");
    assert_eq!(client.ask(&get("/unknown").header("If-None-Match", "\"one\"")).expect("an answer").status(), 304);
    assert_eq!(client.ask(&get("/unknown").header("If-Match", "\"two\"")).expect("an answer").status(), 412);
    assert_eq!(stage.origin.fetched("/unknown"), 3);
    // Nobody needs the rest of it.
    let page = page("X-No: cache-control\nETag: \"one\"\nAccept-Ranges: bytes", body(1, LENGTH));
    stage.origin.say("/long", page.manner(Manner::Hold(100_000)));
    assert_eq!(stage.ask(&get("/long").header("Range", "bytes=5-9")).status(), 206);
    stage.lines_to("GET /long 206 MISS");
    stage.expect_quiet();
}

#[test]
fn a_client_of_http2_gets_its_part() {
    let stage = Stage::start("http2 on; proxy_cache_lock on;");
    for (seed, (name, value, status, from, to)) in PARTS.into_iter().enumerate() {
        let path = format!("/x{seed}");
        stage.origin.say(&path, whole(seed));
        let curl = || Curl::http(HOST, stage.to()).with(["--http2-prior-knowledge"]);
        let said = curl().with(["-H", &format!("{name}: {value}")]).get(&path).expecting(status);
        assert_eq!((said.version.as_str(), said.header("x-cache")), ("2", Some("MISS")), "{said}");
        if matches!(status, 200 | 206) {
            assert!(said.body == body(seed, LENGTH)[from..to], "wrong bytes of {name}: {value}");
        }
        // It may still be on its way.
        assert!(stage.expect(&path, "HIT").body == body(seed, LENGTH));
        assert_eq!(stage.origin.fetched(&path), 1, "{name}: {value}");
    }
    stage.expect_quiet();
}

#[test]
fn the_part_does_not_wait_for_the_whole_and_a_client_that_leaves_does_not_end_the_fetch() {
    let stage = Stage::start("proxy_cache_lock on;");
    stage.origin.say("/x", whole(1).manner(Manner::Hold(100_000)));
    let mut client = Client::connect(stage.to());
    let part = client.ask(&get("/x").header("Range", "bytes=50000-50009")).expect("a part");
    assert_eq!((part.status(), &part.body[..]), (206, &body(1, LENGTH)[50_000..50_010]));
    drop(client);
    // Another one reads along, of what is there and of what is to come.
    let mut along = Client::connect(stage.to());
    let part = along.ask(&get("/x").header("Range", "bytes=99000-99009")).expect("a part");
    assert_eq!((part.status(), part.header("x-cache")), (206, Some("HIT")), "{part}");
    assert!(part.body == body(1, LENGTH)[99_000..99_010]);
    along.write(get("/x").header("Range", "bytes=99990-100009").bytes());
    let head = along.head("GET").expect("a head");
    assert_eq!((head.status, head.headers.get("content-length")), (206, Some("20")));
    stage.origin.open_gate();
    let mut part = Vec::new();
    while let Some(piece) = along.piece().expect("the rest") {
        part.extend(piece);
    }
    assert!(part == body(1, LENGTH)[99_990..100_010]);
    assert!(stage.expect("/x", "HIT").body == body(1, LENGTH));
    assert_eq!(stage.origin.fetched("/x"), 1);
    stage.expect_quiet();
}

#[test]
fn a_fetch_that_breaks_off_is_not_stored_and_a_part_of_it_is_cut_off() {
    let stage = Stage::start("");
    stage.origin.say("/x", whole(1).manner(Manner::Cut(100_000)));
    // It had come before.
    let mut client = Client::connect(stage.to());
    let part = client.ask(&get("/x").header("Range", "bytes=10-19")).expect("a part");
    assert_eq!((part.status(), &part.body[..]), (206, &body(1, LENGTH)[10..20]));
    match get("/x").header("Range", "bytes=90000-110000").try_send(stage.to()) {
        Err(Failure::Cut(part, _)) => assert!(body(1, LENGTH)[90_000..100_000].starts_with(&part.body), "{part}"),
        Ok(part) => panic!("as if it were whole: {part}"),
        Err(failure) => panic!("{failure}"),
    }
    stage.origin.say("/x", whole(1));
    assert!(stage.wait_for("/x", "HIT").body == body(1, LENGTH));
}

#[test]
fn what_is_complete_and_not_on_the_disk_yet_has_ranges_too() {
    let stage = Stage::start("");
    for seed in 0..40 {
        let target = format!("/body/{seed}/300000");
        stage.expect(&target, "MISS");
        let part = stage.ask(&get(&target).header("Range", "bytes=299990-"));
        assert_eq!((part.status(), &part.body[..]), (206, &body(seed, 300_000)[299_990..]), "{part}");
        assert_eq!(stage.origin.fetched(&target), 1);
    }
}

#[test]
fn a_part_is_not_compressed_and_what_is_compressed_is_whole() {
    let stage = Stage::start("gzip on; gzip_types text/plain;");
    let mut client = Client::connect(stage.to());
    for (seed, (field, status, coding)) in
        [(("Range", "bytes=0-9"), 206, None), (("If-None-Match", "\"two\""), 200, Some("gzip"))].into_iter().enumerate()
    {
        let path = format!("/x{seed}");
        stage.origin.say(&path, whole(seed));
        let request = get(&path).header("Accept-Encoding", "gzip").header(field.0, field.1);
        let response = client.ask(&request).expect("an answer");
        assert_eq!((response.status(), response.header("content-encoding")), (status, coding), "{response}");
    }
    let stored = || (stage.get("/x0").header("x-cache") == Some("HIT")).then_some(());
    assert!(wait::until(Duration::from_secs(5), stored).is_some());
    stage.expect_quiet();
}
