//! What else happens while answers are stored: reloads, purges, HTTP/2, many requests.

use std::time::Duration;

use super::Stage;
use super::origin::{Manner, body, page};
use crate::support::client::Client;
use crate::support::curl::Curl;
use crate::support::request::{HOST, Request, get};
use crate::support::{is_long, wait};

/// A client that has read the head of `/x`, of which the origin holds the rest.
fn reading(stage: &Stage) -> Client {
    let mut client = Client::connect(stage.to());
    client.write(get("/x").header("Connection", "close").bytes());
    assert!(wait::until(Duration::from_secs(5), || (stage.origin.fetched("/x") > 0).then_some(())).is_some());
    client
}

#[test]
fn a_reload_does_not_end_a_fill() {
    let stage = Stage::start("");
    let whole = body(1, 400_000);
    stage.origin.say("/x", page("", whole.clone()).manner(Manner::Hold(100_000)));
    let mut client = reading(&stage);
    stage.expect("/body/9/10", "MISS");
    stage.edge.signal(libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    stage.origin.open_gate();
    assert!(client.response("GET").expect("whole").body == whole);
    assert!(stage.expect("/x", "HIT").body == whole);
    stage.expect("/body/9/10", "HIT");
    assert_eq!(stage.origin.fetched("/x"), 1);
    stage.expect_quiet();
}

#[test]
fn what_was_purged_while_it_was_fetched_is_not_found_afterwards() {
    let stage = Stage::start("proxy_cache_purge 127.0.0.1;");
    stage.origin.say("/x", page("", "the old one").manner(Manner::Hold(3)));
    let mut client = reading(&stage);
    client.head("GET").expect("the head");
    stage.ask(&Request::new("PURGE", "/x"));
    stage.origin.say("/x", page("", "the new one"));
    stage.origin.open_gate();
    while client.piece().expect("whole").is_some() {}
    assert_eq!(stage.expect("/x", "MISS").text(), "the new one");
    assert_eq!(stage.expect("/x", "HIT").text(), "the new one");
}

#[test]
fn clients_of_http2_get_the_same() {
    let stage = Stage::start(
        "http2 on; gzip on; gzip_types text/plain; proxy_cache_use_stale updating; proxy_cache_background_update on;",
    );
    let curl = || Curl::http(HOST, stage.to()).with(["--http2-prior-knowledge"]);
    for status in ["MISS", "HIT", "HIT"] {
        let said = curl().get("/body/1/300000").expecting(200);
        assert_eq!((said.version.as_str(), said.header("x-cache")), ("2", Some(status)), "{said}");
        assert!(said.body == body(1, 300_000));
    }
    let part = curl().with(["-r", "100-299"]).get("/body/1/300000").expecting(206);
    assert!(part.body == body(1, 300_000)[100..300]);
    stage.origin.say("/x", page("Cache-Control: max-age=1, stale-while-revalidate=60", "old"));
    curl().get("/x").expecting(200);
    stage.origin.say("/x", page("", "new"));
    let stale = || Some(curl().get("/x")).filter(|said| said.header("x-cache") == Some("STALE"));
    let said = wait::until(Duration::from_secs(5), stale).expect("it grows stale");
    assert_eq!(said.text(), "old");
    let new = || (curl().get("/x").text() == "new").then_some(());
    assert!(wait::until(Duration::from_secs(5), new).is_some(), "nobody fetched it behind");
    assert_eq!(stage.origin.fetched("/x"), 2);
    stage.expect_quiet();
}

#[test]
fn of_many_clients_of_a_stale_answer_one_has_it_fetched_behind() {
    let stage = Stage::start("proxy_cache_use_stale updating; proxy_cache_background_update on;");
    stage.origin.say("/x", page("Cache-Control: max-age=1", "old"));
    stage.expect("/x", "MISS");
    stage.origin.say("/x", page("", "new").manner(Manner::Hold(0)));
    let stale = stage.wait_for("/x", "STALE");
    assert_eq!(stale.text(), "old");
    for _ in 0..20 {
        assert_eq!(stage.expect("/x", "UPDATING").text(), "old");
    }
    stage.origin.open_gate();
    assert_eq!(stage.wait_for("/x", "HIT").text(), "new");
    assert_eq!(stage.origin.fetched("/x"), 2);
    stage.expect_quiet();
}

#[test]
fn memory_does_not_grow_with_requests() {
    let stage = Stage::start("gzip on; gzip_types text/plain;");
    let mut client = Client::connect(stage.to());
    let to = stage.to();
    let mut ask = |number: usize| {
        // Before `keepalive_requests` are over.
        if number.is_multiple_of(500) {
            client = Client::connect(to);
        }
        // Some new ones, most of them known; one of three is large.
        let seed = if number.is_multiple_of(50) { number } else { number % 30 };
        let length = if seed.is_multiple_of(3) { 150_000 } else { 2_000 };
        let response = client.ask(&get(&format!("/body/{seed}/{length}"))).expect("an answer");
        assert!(response.body == body(seed, length), "{seed}");
    };
    let requests = if is_long() { 20_000 } else { 3_000 };
    (0..requests / 4).for_each(&mut ask);
    let before = stage.edge.resident_memory();
    (requests / 4..requests).for_each(&mut ask);
    let grown = stage.edge.resident_memory().saturating_sub(before);
    assert!(grown < 12_000, "{grown} KiB more than the {before} KiB before");
    stage.expect_quiet();
}
