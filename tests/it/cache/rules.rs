//! RFC 9111 over the wire, section by section, where edge does more than nginx.

use std::time::Duration;

use super::Stage;
use super::origin::page;
use crate::support::request::{Request, get, post};
use crate::support::wait;

fn age(response: &crate::support::response::Response) -> u64 {
    response.header("age").and_then(|age| age.parse().ok()).unwrap_or_else(|| panic!("no Age: {response}"))
}

#[test]
fn section_3_5_an_answer_to_credentials_is_stored_if_it_says_so() {
    let stage = Stage::start("");
    let asked = |path: &str| stage.ask(&get(path).header("Authorization", "Basic eDp5"));
    for (path, cache_control, status) in [
        ("/max-age", "max-age=60", "MISS"),
        ("/public", "public, max-age=60", "HIT"),
        ("/s-maxage", "s-maxage=60", "HIT"),
        ("/must-revalidate", "must-revalidate, max-age=60", "HIT"),
    ] {
        stage.origin.say(path, page(&format!("Cache-Control: {cache_control}"), path));
        asked(path);
        assert_eq!(asked(path).header("x-cache"), Some(status), "{cache_control}");
    }
}

#[test]
fn section_3_2_a_304_brings_the_fields_up_to_date() {
    let stage = Stage::start("proxy_cache_revalidate on;");
    stage.origin.say("/x", page("Cache-Control: max-age=1\nETag: \"a\"\nX-Turn: one\nX-Stays: yes", "body"));
    stage.expect("/x", "MISS");
    stage.origin.say("/x", page("Cache-Control: max-age=600\nETag: \"a\"\nX-Turn: two", "").status(304));
    let confirmed = stage.wait_for("/x", "REVALIDATED");
    for response in [confirmed, stage.expect("/x", "HIT")] {
        assert_eq!((response.header("x-turn"), response.header("x-stays")), (Some("two"), Some("yes")), "{response}");
        assert_eq!((response.status(), response.text().as_str()), (200, "body"));
    }
    let conditions: Vec<String> =
        stage.origin.seen().iter().filter_map(|seen| seen.header("if-none-match").map(str::to_owned)).collect();
    assert_eq!(conditions, ["\"a\""]);
    assert_eq!(stage.origin.connections(), 1, "the connection to the upstream stays in use after a 304");
    stage.expect_quiet();
}

#[test]
fn section_4_2_3_the_age_of_the_upstream_counts() {
    let stage = Stage::start("");
    stage.origin.say("/old", page("Cache-Control: max-age=100\nAge: 90", "x"));
    stage.expect("/old", "MISS");
    assert!((90..95).contains(&age(&stage.expect("/old", "HIT"))));
    stage.origin.say("/too-old", page("Cache-Control: max-age=100\nAge: 100", "x"));
    stage.expect("/too-old", "MISS");
    stage.expect("/too-old", "MISS");
    stage.expect("/body/1/10", "MISS");
    let grown = || Some(age(&stage.expect("/body/1/10", "HIT"))).filter(|age| *age >= 1);
    assert!(wait::until(Duration::from_secs(4), grown).is_some(), "Age does not grow");
}

#[test]
fn section_4_2_4_what_must_be_confirmed_does_not_go_out_stale() {
    let stage = Stage::start("proxy_cache_use_stale http_500 error timeout;");
    let paths = [("/may", "max-age=1", 200), ("/must", "max-age=1, must-revalidate", 500)];
    for (path, cache_control, _) in paths {
        stage.origin.say(path, page(&format!("Cache-Control: {cache_control}"), "good"));
        stage.expect(path, "MISS");
        stage.origin.say(path, page("Cache-Control: no-store", "bad").status(500));
    }
    for (path, _, status) in paths {
        let over = || Some(stage.get(path)).filter(|response| response.header("x-cache") != Some("HIT"));
        let response = wait::until(Duration::from_secs(5), over).expect("its time is over");
        assert_eq!(response.status(), status, "{path}: {response}");
    }
}

#[test]
fn section_4_3_2_a_client_that_has_the_stored_answer_is_told_so() {
    let stage = Stage::start("");
    let dated = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT";
    stage.origin.say("/x", page(&format!("ETag: \"a\"\n{dated}\nVary: X\nContent-Type: a/b"), "body"));
    stage.expect("/x", "MISS");
    let same = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (fields, status) in [
        (&[("If-None-Match", "\"a\"")][..], 304),
        (&[("If-None-Match", "\"b\", W/\"a\"")], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"b\"")], 200),
        (&[("If-Modified-Since", same)], 304),
        // The tag is the better word.
        (&[("If-None-Match", "\"b\""), ("If-Modified-Since", same)], 200),
    ] {
        let asked = fields.iter().fold(get("/x"), |asked, (name, value)| asked.header(name, value));
        let response = stage.ask(&asked);
        assert_eq!((response.status(), response.header("x-cache")), (status, Some("HIT")), "{fields:?}: {response}");
        assert_eq!((response.header("etag"), response.header("vary")), (Some("\"a\""), Some("X")), "{fields:?}");
        assert_eq!(response.text(), if status == 304 { "" } else { "body" });
    }
    assert_eq!(stage.origin.fetched("/x"), 1);
}

#[test]
fn section_4_3_3_what_the_upstream_says_to_a_condition_counts() {
    let stage = Stage::start("proxy_cache_revalidate on;");
    let short = "Cache-Control: max-age=1\nETag: \"a\"";
    for (path, news, status, text) in [
        ("/whole", page("ETag: \"b\"", "new"), 200, "new"),
        ("/gone", page("Cache-Control: no-store", "gone").status(410), 410, "gone"),
        ("/failed", page("Cache-Control: no-store", "failed").status(503), 503, "failed"),
    ] {
        stage.origin.say(path, page(short, "old"));
        stage.expect(path, "MISS");
        stage.origin.say(path, news);
        let response = stage.wait_for(path, "EXPIRED");
        assert_eq!((response.status(), response.text().as_str()), (status, text), "{path}");
    }
    stage.expect("/whole", "HIT");
    stage.expect_quiet();
}

#[test]
fn section_5_2_2_2_without_the_upstream_what_must_be_confirmed_is_an_error() {
    let stage = Stage::start("proxy_cache_use_stale error timeout;");
    for (path, cache_control) in [("/must", "max-age=1, must-revalidate"), ("/may", "max-age=1")] {
        stage.origin.say(path, page(&format!("Connection: close\nCache-Control: {cache_control}"), "old"));
        stage.expect(path, "MISS");
    }
    let Stage { edge, origin } = stage;
    drop(origin);
    let ask = |path: &str| get(path).send(edge.address());
    let after_its_time = |path: &str| {
        let over = || Some(ask(path)).filter(|response| response.header("x-cache") != Some("HIT"));
        wait::until(Duration::from_secs(5), over).expect("its time is over")
    };
    let response = after_its_time("/must");
    assert_eq!(response.status(), 502, "{response}");
    assert_eq!(after_its_time("/may").header("x-cache"), Some("STALE"));
}

#[test]
fn section_4_4_a_method_that_changes_something_forgets_what_it_changed() {
    let stage = Stage::start("");
    for (method, status, forgets) in [
        ("POST", 200, true),
        ("PUT", 204, true),
        ("DELETE", 302, true),
        ("PATCH", 200, true),
        ("POST", 500, false),
        ("OPTIONS", 200, false),
    ] {
        stage.origin.say("/x", page("", "x"));
        stage.wait_for("/x", "HIT");
        stage.origin.say("/x", page("", "x").status(status));
        assert_eq!(Request::new(method, "/x").body("").send(stage.to()).status(), status);
        stage.origin.say("/x", page("", "x"));
        stage.expect("/x", if forgets { "MISS" } else { "HIT" });
    }
}

#[test]
fn section_5_2_1_what_a_client_demands_counts_where_it_is_to() {
    let stage = Stage::start("proxy_cache_obey_request on;");
    let asked = |field: &str| stage.ask(&get("/body/1/10").header("Cache-Control", field));
    assert_eq!(asked("only-if-cached").status(), 504);
    stage.expect("/body/1/10", "MISS");
    assert_eq!(asked("only-if-cached").header("x-cache"), Some("HIT"));
    let fetched = stage.origin.fetched("/body/1/10");
    asked("no-cache");
    assert_eq!(stage.origin.fetched("/body/1/10"), fetched + 1);
    assert_eq!(asked("max-age=100").header("x-cache"), Some("HIT"));
    let other = Stage::start("");
    other.expect("/body/1/10", "MISS");
    let response = other.ask(&get("/body/1/10").header("Cache-Control", "no-cache"));
    assert_eq!(response.header("x-cache"), Some("HIT"));
}

#[test]
fn a_purge_is_for_who_may() {
    let stage = Stage::start("proxy_cache_purge 127.0.0.0/8;");
    let purge = || stage.ask(&Request::new("PURGE", "/body/1/10")).status();
    assert_eq!(purge(), 404);
    stage.expect("/body/1/10", "MISS");
    stage.expect("/body/1/10", "HIT");
    assert_eq!(purge(), 204);
    stage.expect("/body/1/10", "MISS");
    let other = Stage::start("proxy_cache_purge 10.0.0.0/8;");
    other.expect("/body/1/10", "MISS");
    assert_eq!(other.ask(&Request::new("PURGE", "/body/1/10")).status(), 403);
    other.expect("/body/1/10", "HIT");
}

#[test]
fn every_status_of_the_cache_stands_in_the_access_log() {
    let stage =
        Stage::start("proxy_cache_bypass $arg_bypass; proxy_cache_revalidate on; proxy_cache_use_stale http_500;");
    stage.origin.say("/x", page("Cache-Control: max-age=1\nETag: \"a\"", "x"));
    stage.expect("/x", "MISS");
    stage.expect("/x", "HIT");
    stage.expect("/x?bypass=1", "BYPASS");
    stage.origin.say("/x", page("Cache-Control: max-age=1\nETag: \"b\"", "x"));
    stage.wait_for("/x", "EXPIRED");
    stage.origin.say("/x", page("Cache-Control: no-store", "").status(500));
    stage.wait_for("/x", "STALE");
    stage.origin.say("/x", page("Cache-Control: max-age=60\nETag: \"b\"", "").status(304));
    stage.expect("/x", "REVALIDATED");
    stage.origin.say("/x", page("", "x"));
    assert_eq!(post("/x", "a").send(stage.to()).header("x-cache"), None);
    let lines = stage.lines_to("POST /x 200 -");
    for line in [
        "GET /x 200 MISS",
        "GET /x 200 HIT",
        "GET /x?bypass=1 200 BYPASS",
        "GET /x 200 EXPIRED",
        "GET /x 200 STALE",
        "GET /x 200 REVALIDATED",
    ] {
        assert!(lines.iter().any(|logged| logged == line), "{line} is not among\n{}", lines.join("\n"));
    }
}

#[test]
fn a_head_has_the_whole_stored() {
    let stage = Stage::start("");
    for length in [100, 3_000_000] {
        let target = format!("/body/1/{length}");
        let head = stage.ask(&Request::new("HEAD", &target));
        assert_eq!((head.header("x-cache"), head.header("content-length")), (Some("MISS"), Some(&*length.to_string())));
        let stored = || (stage.get(&target).header("x-cache") == Some("HIT")).then_some(());
        assert!(stage.origin.seen().iter().all(|seen| seen.method() == "GET"));
        let count = if length == 100 { 1 } else { 2 };
        stage.wait_files(count);
        assert!(wait::until(Duration::from_secs(5), stored).is_some(), "{target} is not stored");
        let head = stage.ask(&Request::new("HEAD", &target));
        assert_eq!((head.header("x-cache"), head.header("content-length")), (Some("HIT"), Some(&*length.to_string())));
        assert!(stage.get(&target).body == super::origin::body(1, length));
        assert_eq!(stage.origin.fetched(&target), 1);
    }
    stage.expect_quiet();
}
