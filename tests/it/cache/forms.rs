//! Compressed once: the first client that wants a coding has it made, the others get what is stored.

use std::io::Read;
use std::time::Duration;

use super::Stage;
use super::origin::page;
use crate::support::request::{Request, get};
use crate::support::response::Response;
use crate::support::wait;

const ON: &str = "gzip on; gzip_vary on; gzip_types text/plain; proxy_cache_purge 127.0.0.1;";

/// Those that edge makes.
const CODINGS: [&str; 1] = ["gzip"];

fn text(word: &str) -> Vec<u8> {
    (0..4_000).map(|line| format!("line {line} says {word}\n")).collect::<String>().into_bytes()
}

fn decoded(response: &Response) -> Vec<u8> {
    let (mut plain, body) = (Vec::new(), response.body.as_slice());
    match response.header("content-encoding") {
        None => plain = body.to_vec(),
        Some("gzip") => drop(flate2::read::MultiGzDecoder::new(body).read_to_end(&mut plain).expect("gzip")),
        Some(other) => panic!("an encoding nobody asked for: {other}"),
    }
    plain
}

fn accepting(coding: &str) -> Request {
    get("/x").header("Accept-Encoding", coding)
}

/// Asks until the form comes from the store, which is told by its length.
fn wait_stored(stage: &Stage, coding: &str) -> Response {
    let stored = || {
        let response = stage.ask(&accepting(coding));
        let is_stored = response.header("content-length").is_some() && response.header("content-encoding").is_some();
        is_stored.then_some(response)
    };
    wait::until(Duration::from_secs(10), stored).unwrap_or_else(|| panic!("{coding} is never stored"))
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
    assert_eq!(stage.origin.fetched("/x"), 1);
    stage.expect_quiet();
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
