//! Compressed once: the first client that wants a coding has it made, the others get what is stored.

use std::io::Read;
use std::time::Duration;

use super::Stage;
use super::origin::page;
use crate::support::request::{Request, get};
use crate::support::response::Response;
use crate::support::wait;

const ON: &str = "gzip on; gzip_vary on; gzip_types text/plain; brotli on; brotli_types text/plain; zstd on; \
                  zstd_types text/plain; proxy_cache_purge 127.0.0.1;";

/// Those that edge makes, as it prefers them.
const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];

/// As browsers say it.
const ALL: &str = "gzip, deflate, br, zstd";

fn text(word: &str) -> Vec<u8> {
    (0..4_000).map(|line| format!("line {line} says {word}\n")).collect::<String>().into_bytes()
}

fn decoded(response: &Response) -> Vec<u8> {
    let (mut plain, body) = (Vec::new(), response.body.as_slice());
    match response.header("content-encoding") {
        None => plain = body.to_vec(),
        Some("gzip") => drop(flate2::read::MultiGzDecoder::new(body).read_to_end(&mut plain).expect("gzip")),
        Some("br") => drop(brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).expect("br")),
        Some("zstd") => plain = zstd::decode_all(body).expect("zstd"),
        Some(other) => panic!("an encoding nobody asked for: {other}"),
    }
    plain
}

fn accepting(coding: &str) -> Request {
    get("/x").header("Accept-Encoding", coding)
}

/// Asks until this form comes from the store, which is told by its length.
fn wait_form(stage: &Stage, asked: &Request, coding: &str) -> Response {
    let stored = || {
        let response = stage.ask(asked);
        let is_stored = response.header("content-length").is_some();
        (is_stored && response.header("content-encoding") == Some(coding)).then_some(response)
    };
    wait::until(Duration::from_secs(10), stored).unwrap_or_else(|| panic!("{coding} is never stored"))
}

fn wait_stored(stage: &Stage, coding: &str) -> Response {
    wait_form(stage, &accepting(coding), coding)
}

#[test]
fn each_coding_is_made_once_and_stored() {
    let stage = Stage::start(ON);
    stage.origin.say("/x", page("Content-Type: text/plain\nETag: \"one\"", text("one")));
    stage.expect("/x", "MISS");
    for coding in CODINGS {
        let stored = wait_stored(&stage, coding);
        assert_eq!(stored.header("content-encoding"), Some(coding));
        assert!(decoded(&stored) == text("one"));
        assert_eq!(stored.header("etag"), Some("W/\"one\""), "{stored}");
        for _ in 0..5 {
            let again = stage.ask(&accepting(coding));
            assert!(again.body == stored.body && again.header("x-cache") == Some("HIT"), "{again}");
        }
        let head = Request::new("HEAD", "/x").header("Accept-Encoding", coding).send(stage.to());
        assert_eq!(head.header("content-length"), stored.header("content-length"));
        let same = stage.ask(&accepting(coding).header("If-None-Match", "W/\"one\""));
        assert_eq!(same.status(), 304, "{same}");
    }
    let plain = stage.expect("/x", "HIT");
    assert!(plain.body == text("one") && plain.header("content-encoding").is_none());
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
    // As it came and each form, and not one file more however often they are asked for.
    assert_eq!(stage.wait_files(4).len(), 4);
    assert_eq!(stage.origin.fetched("/x"), 1);
    stage.expect_quiet();
}

#[test]
fn weights_choose_among_the_stored_forms_and_equals_are_ranked() {
    let stage = Stage::start(ON);
    stage.origin.say("/x", page("Content-Type: text/plain", text("one")));
    stage.expect("/x", "MISS");
    for coding in CODINGS {
        wait_stored(&stage, coding);
    }
    for (accepted, expected) in [
        (ALL, Some("zstd")),
        ("gzip, br", Some("br")),
        ("gzip;q=1, br;q=0.9, zstd;q=0.8", Some("gzip")),
        ("zstd;q=0, *", Some("br")),
        ("*;q=0.1", Some("zstd")),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0, br;q=0, zstd;q=0", None),
    ] {
        let response = stage.ask(&accepting(accepted));
        assert_eq!(response.header("content-encoding"), expected, "{accepted}: {response}");
        assert!(response.header("content-length").is_some(), "{accepted}: it was compressed once more");
        assert!(decoded(&response) == text("one"));
    }
    let part = stage.ask(&accepting(ALL).header("Range", "bytes=0-9"));
    assert!(part.status() == 200 || part.header("content-encoding").is_none(), "{part}");
}

/// Whoever came first has not chosen for all.
#[test]
fn a_better_form_is_made_although_another_one_is_stored() {
    let stage = Stage::start(ON);
    stage.origin.say("/x", page("Content-Type: text/plain", text("one")));
    stage.expect("/x", "MISS");
    wait_stored(&stage, "gzip");
    assert!(decoded(&wait_form(&stage, &accepting("gzip, br"), "br")) == text("one"));
    assert!(decoded(&wait_form(&stage, &accepting(ALL), "zstd")) == text("one"));
    assert_eq!(stage.wait_files(4).len(), 4);
    // One that is not for answers as this one is not made, and not looked for again and again.
    let other = Stage::start("gzip on; gzip_types text/plain; zstd on; zstd_types text/css;");
    other.origin.say("/x", page("Content-Type: text/plain", text("one")));
    other.expect("/x", "MISS");
    assert!(decoded(&wait_form(&other, &accepting(ALL), "gzip")) == text("one"));
    assert_eq!(other.wait_files(2).len(), 2);
}

/// Who gets nothing compressed gets nothing that is stored compressed.
#[test]
fn a_stored_form_goes_only_to_whom_it_would_be_compressed_for() {
    let stage = Stage::start(&format!("{ON} gzip_disable Old;"));
    stage.origin.say("/x", page("Content-Type: text/plain", text("one")));
    stage.expect("/x", "MISS");
    for coding in CODINGS {
        wait_stored(&stage, coding);
    }
    for asked in [
        accepting(ALL).header("User-Agent", "Old/1"),
        accepting(ALL).header("Via", "1.1 somebody"),
        accepting(ALL).version("HTTP/1.0").header("Connection", "keep-alive"),
    ] {
        let response = stage.ask(&asked);
        assert_eq!(
            (response.header("content-encoding"), response.header("x-cache")),
            (None, Some("HIT")),
            "{response}"
        );
        assert!(response.body == text("one"));
    }
    let open = Stage::start(&format!("{ON} gzip_proxied any; gzip_http_version 1.0;"));
    open.origin.say("/x", page("Content-Type: text/plain", text("one")));
    open.expect("/x", "MISS");
    wait_stored(&open, "zstd");
    for asked in [accepting(ALL).header("Via", "1.1 somebody"), accepting(ALL).version("HTTP/1.0")] {
        assert_eq!(open.ask(&asked).header("content-encoding"), Some("zstd"));
    }
}

#[test]
fn what_must_not_be_transformed_has_one_form() {
    let stage = Stage::start(ON);
    stage.origin.say("/x", page("Content-Type: text/plain\nCache-Control: max-age=60, no-transform", text("one")));
    stage.expect("/x", "MISS");
    for _ in 0..3 {
        let response = stage.ask(&accepting(ALL));
        assert_eq!(
            (response.header("content-encoding"), response.header("x-cache")),
            (None, Some("HIT")),
            "{response}"
        );
    }
    assert_eq!(stage.wait_files(1).len(), 1);
}

#[test]
fn without_a_cache_each_coding_is_made_as_the_answer_goes_out() {
    let stage = Stage::start(&format!("{ON} proxy_no_cache 1; proxy_cache_bypass 1;"));
    stage.origin.say("/x", page("Content-Type: text/plain\nETag: \"one\"", text("one")));
    stage.origin.say("/part", page("Content-Type: text/plain\nContent-Range: bytes 0-99/1000", text("x")).status(206));
    for (accepted, expected) in [("gzip", "gzip"), ("br;q=0.1", "br"), ("gzip, br", "br"), (ALL, "zstd")] {
        let response = stage.ask(&accepting(accepted));
        assert_eq!(response.header("content-encoding"), Some(expected), "{accepted}");
        assert_eq!((response.header("etag"), response.header("vary")), (Some("W/\"one\""), Some("Accept-Encoding")));
        assert!(decoded(&response) == text("one"), "{accepted}");
    }
    let part = stage.ask(&get("/part").header("Accept-Encoding", ALL));
    assert_eq!((part.status(), part.header("content-encoding")), (206, None));
}

#[test]
fn a_purge_takes_all_forms_and_a_changed_answer_has_forms_of_its_own() {
    let stage = Stage::start(ON);
    stage.origin.say("/x", page("Content-Type: text/plain", text("one")));
    stage.expect("/x", "MISS");
    for coding in CODINGS {
        wait_stored(&stage, coding);
    }
    stage.origin.say("/x", page("Content-Type: text/plain", text("two")));
    assert_eq!(stage.ask(&Request::new("PURGE", "/x")).status(), 204);
    for coding in ["gzip", "identity", "br"] {
        assert!(decoded(&stage.ask(&accepting(coding))) == text("two"), "{coding}");
    }
    assert_eq!(stage.origin.fetched("/x"), 2);
    for coding in CODINGS {
        assert!(decoded(&wait_stored(&stage, coding)) == text("two"), "{coding}");
    }
}

#[test]
fn a_form_goes_with_the_answer_it_was_made_of() {
    let stage = Stage::start(ON);
    stage.origin.say("/x", page("Content-Type: text/plain\nCache-Control: max-age=1", text("one")));
    stage.expect("/x", "MISS");
    wait_stored(&stage, "gzip");
    stage.origin.say("/x", page("Content-Type: text/plain", text("two")));
    stage.wait_for("/x", "EXPIRED");
    for coding in ["gzip", "identity", "gzip"] {
        assert!(decoded(&stage.ask(&accepting(coding))) == text("two"), "{coding}");
    }
}
