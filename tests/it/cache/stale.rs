//! `stale-if-error` (RFC 5861 4), the answer's and the client's, and failures as they are.

use std::time::Duration;

use super::Stage;
use super::origin::{Manner, page};
use crate::support::request::{Request, get};
use crate::support::response::Response;
use crate::support::wait;

/// The upstream may take this long.
const SHORT: &str = "proxy_read_timeout 300ms; proxy_connect_timeout 1s;";

fn cached(response: &Response) -> (u16, Option<&str>) {
    (response.status(), response.header("x-cache"))
}

/// Asks until it does not come fresh from the cache any more.
fn once_stale(ask: impl Fn() -> Response) -> Response {
    let over = || Some(ask()).filter(|response| response.header("x-cache") != Some("HIT"));
    wait::until(Duration::from_secs(10), over).expect("its time is over")
}

#[test]
fn rfc5861_4_for_its_time_an_old_answer_is_better_than_an_upstream_that_fails() {
    let stage = Stage::start(SHORT);
    let failing = page("Cache-Control: no-store", "bad");
    for (path, failure, status) in [
        ("/500", failing.clone().status(500), 500),
        ("/502", failing.clone().status(502), 502),
        ("/503", failing.clone().status(503), 503),
        ("/504", failing.clone().status(504), 504),
        ("/late", failing.clone().manner(Manner::Late), 504),
    ] {
        for (granted, expected) in [(", stale-if-error=600", (200, Some("STALE"))), ("", (status, Some("EXPIRED")))] {
            let target = format!("{path}{}", granted.len());
            stage.origin.say(&target, page(&format!("Cache-Control: max-age=1{granted}"), "old"));
            stage.expect(&target, "MISS");
            stage.origin.say(&target, failure.clone());
            assert_eq!(cached(&once_stale(|| stage.get(&target))), expected, "{target}");
        }
    }
    // What is no failure of the upstream goes out.
    stage.origin.say("/404", page("Cache-Control: max-age=1, stale-if-error=600", "old"));
    stage.expect("/404", "MISS");
    stage.origin.say("/404", failing.status(404));
    assert_eq!(cached(&once_stale(|| stage.get("/404"))), (404, Some("EXPIRED")));
    stage.origin.open_gate();
}

#[test]
fn rfc5861_4_an_upstream_that_is_gone_is_an_error_and_the_time_is_limited() {
    let stage = Stage::start(SHORT);
    for (path, granted) in [("/long", 600), ("/short", 2)] {
        let fields = format!("Connection: close\nCache-Control: max-age=1, stale-if-error={granted}");
        stage.origin.say(path, page(&fields, "old"));
        stage.expect(path, "MISS");
    }
    let Stage { edge, origin } = stage;
    drop(origin);
    let ask = |path: &str| get(path).send(edge.address());
    let stale = once_stale(|| ask("/short"));
    assert_eq!((cached(&stale), stale.text().as_str()), ((200, Some("STALE")), "old"));
    let over = || Some(ask("/short")).filter(|response| response.status() != 200);
    let failed = wait::until(Duration::from_secs(10), over).expect("the period ends");
    assert_eq!(failed.status(), 502, "{failed}");
    assert_eq!(cached(&ask("/long")), (200, Some("STALE")));
}

#[test]
fn rfc5861_4_a_client_may_take_an_old_answer_where_clients_are_obeyed() {
    let obeying = Stage::start(&format!("{SHORT} proxy_cache_obey_request on;"));
    let other = Stage::start(SHORT);
    let taking = |path: &str, limit: &str| get(path).header("Cache-Control", limit);
    for stage in [&obeying, &other] {
        for (path, more) in [("/x", ""), ("/must", ", must-revalidate")] {
            stage.origin.say(path, page(&format!("Cache-Control: max-age=1{more}"), "old"));
            stage.expect(path, "MISS");
            stage.origin.say(path, page("Cache-Control: no-store", "bad").status(500));
            assert_eq!(cached(&once_stale(|| stage.get(path))).0, 500);
        }
    }
    let said = |stage: &Stage, asked: &Request| cached(&stage.ask(asked)).0;
    assert_eq!(said(&obeying, &taking("/x", "stale-if-error=600")), 200);
    assert_eq!(said(&obeying, &taking("/x", "no-cache, stale-if-error=600")), 200);
    assert_eq!(said(&obeying, &taking("/x", "stale-if-error=0")), 500);
    assert_eq!(said(&obeying, &taking("/must", "stale-if-error=600")), 500);
    assert_eq!(said(&other, &taking("/x", "stale-if-error=600")), 500);
}
