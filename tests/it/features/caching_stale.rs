//! Answers whose time is over: confirmed, fetched anew, or sent all the same.

use std::time::Duration;

use super::backends::{Act, Table};
use super::setup::Feature;
use crate::differential::case;

/// An answer of one second, to nginx any second from this one to the next but one.
const OVER: Duration = Duration::from_millis(2_100);

macro_rules! short {
    ($fields:literal) => {
        Act::Say(concat!("HTTP/1.1 200 OK\r\nX-Accel-Expires: 1\r\n", $fields, "Content-Length: 3\r\n\r\nold"))
    };
}

macro_rules! long {
    ($fields:literal) => {
        Act::Say(concat!("HTTP/1.1 200 OK\r\nX-Accel-Expires: 60\r\n", $fields, "Content-Length: 3\r\n\r\nnew"))
    };
}

macro_rules! failing {
    ($status:literal) => {
        Act::Turns(&[short!(""), Act::Say(concat!("HTTP/1.1 ", $status, " Mock\r\nContent-Length: 4\r\n\r\nfail"))])
    };
}

const FAILURES: Table = &[
    ("/hangup", Act::Turns(&[short!(""), Act::Cut("")])),
    ("/silent", Act::Turns(&[short!(""), Act::Stall])),
    ("/garbage", Act::Turns(&[short!(""), Act::Cut("HTTP/1.1 200 OK\r\nX\0Y: z\r\n\r\n")])),
    ("/500", failing!("500")),
    ("/502", failing!("502")),
    ("/503", failing!("503")),
    ("/504", failing!("504")),
    ("/403", failing!("403")),
    ("/404", failing!("404")),
    ("/429", failing!("429")),
    ("/good", Act::Turns(&[short!(""), long!("")])),
];

const HTTP: &str = "proxy_cache_path cache levels=1:2 keys_zone=one:10m; \
    log_format l 'cache=$upstream_cache_status status=$status uri=$request_uri'; ";
const SERVER: &str = "listen {port}; access_log logs/lines.log l; proxy_cache one; proxy_read_timeout 100ms; \
    add_header X-Cache $upstream_cache_status always; ";

fn feature(name: &'static str, server: &str, table: Table) -> Feature {
    Feature::new(name, &format!("{HTTP} server {{ {SERVER} {server} }}")).backend(table).without_probes()
}

/// Each target, then a pause until all are over, then each again, twice.
fn before_and_after(mut feature: Feature, targets: &[String]) -> Feature {
    for target in targets {
        feature = feature.case(case::get(&format!("{target} first"), target));
    }
    for (at, target) in targets.iter().enumerate() {
        let request = case::ask_bytes("GET", target, &[], "");
        let case = case::get(&format!("{target} then"), target);
        feature = feature.case(match at {
            0 => case::get("first of all, again", target).then_after(OVER, &request),
            _ => case.then_after(Duration::ZERO, &request),
        });
    }
    feature
}

#[test]
fn each_failure_has_its_word() {
    const WORDS: [&str; 8] =
        ["error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_404"];
    let mut server = String::new();
    let mut targets = Vec::new();
    for word in WORDS.iter().chain(&["off", "http_403", "http_429"]) {
        server += &format!("location /{word}/ {{ proxy_cache_use_stale {word}; proxy_pass http://{{a}}; }} ");
        targets.extend(FAILURES.iter().map(|(target, _)| format!("/{word}{target}")));
    }
    before_and_after(feature("stale", &server, FAILURES), &targets).check();
}

const CONFIRMED: Table = &[
    (
        "/etag",
        Act::Turns(&[
            short!("ETag: \"x\"\r\n"),
            Act::Say("HTTP/1.1 304 Not\r\nETag: \"x\"\r\nX-Accel-Expires: 60\r\n\r\n"),
        ]),
    ),
    (
        "/date",
        Act::Turns(&[
            short!("Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n"),
            Act::Say("HTTP/1.1 304 Not\r\nX-Accel-Expires: 60\r\n\r\n"),
        ]),
    ),
    ("/neither", Act::Turns(&[short!(""), long!("")])),
    ("/changed", Act::Turns(&[short!("ETag: \"x\"\r\n"), long!("ETag: \"y\"\r\n")])),
    (
        "/failing",
        Act::Turns(&[
            short!("ETag: \"x\"\r\n"),
            Act::Say("HTTP/1.1 500 Mock\r\nContent-Length: 4\r\n\r\nfail"),
            long!(""),
        ]),
    ),
];

/// Asked no condition, they send the whole.
const UNASKED: Table = &[
    ("/etag", Act::Turns(&[short!("ETag: \"x\"\r\n"), long!("ETag: \"x\"\r\n")])),
    (
        "/date",
        Act::Turns(&[
            short!("Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n"),
            long!("Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n"),
        ]),
    ),
    ("/neither", Act::Turns(&[short!(""), long!("")])),
];

fn confirming(name: &'static str, setting: &str, table: Table) {
    let targets: Vec<String> = table.iter().map(|(target, _)| (*target).to_owned()).collect();
    let server = format!("proxy_cache_revalidate {setting}; location / {{ proxy_pass http://{{a}}; }}");
    before_and_after(feature(name, &server, table), &targets).check();
}

#[test]
fn an_old_answer_is_confirmed_by_the_upstream() {
    confirming("revalidate", "on", CONFIRMED);
}

#[test]
fn without_revalidation_the_upstream_is_asked_no_condition() {
    confirming("no revalidate", "off", UNASKED);
}

const WITH_PERIODS: Table = &[
    (
        "/swr",
        Act::Turns(&[
            Act::Say(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=1, stale-while-revalidate=60\r\nContent-Length: 3\r\n\r\nold",
            ),
            long!(""),
        ]),
    ),
    (
        "/sie",
        Act::Turns(&[
            Act::Say("HTTP/1.1 200 OK\r\nCache-Control: max-age=1, stale-if-error=60\r\nContent-Length: 3\r\n\r\nold"),
            Act::Cut(""),
        ]),
    ),
    ("/plain", Act::Turns(&[short!(""), long!("")])),
];

#[test]
fn an_old_answer_goes_out_while_it_is_fetched_behind() {
    let server = "proxy_cache_background_update on; proxy_cache_use_stale updating; \
                  location / { proxy_pass http://{a}; } \
                  location /own/ { proxy_cache_use_stale off; proxy_pass http://{a}; }";
    let mut feature = feature("background", server, WITH_PERIODS);
    let targets = ["/swr", "/own/swr", "/plain", "/own/plain", "/own/sie"];
    for target in targets {
        feature = feature.case(case::get(&format!("{target} first"), target));
    }
    feature = feature.case(case::get("a pause", "/pause").then_after(OVER, case::ask_bytes("GET", "/pause", &[], "")));
    for target in targets {
        let request = case::ask_bytes("GET", target, &[], "");
        let case = case::get(&format!("{target} then"), target);
        feature = feature.case(case.then_after(Duration::from_millis(300), &request));
    }
    feature.check();
}
