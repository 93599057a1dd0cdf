//! `proxy_cache_lock`: one fetches, the others wait. Runs against nginx, too (`EDGE_TEST_FRONT=nginx`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::configuration;
use super::origin::{Manner, Origin, body, page};
use crate::support::edge::Edge;
use crate::support::front::Front;
use crate::support::nginx::Nginx;
use crate::support::request::get;
use crate::support::response::Response;
use crate::support::{ports, wait};

struct Pair {
    front: Front,
    origin: Origin,
}

fn start(more: &str) -> Pair {
    let (origin, port) = (Origin::start(), ports::free());
    let text = configuration(port, origin.address(), "cache", more);
    let front = match Front::is_nginx() {
        true => Front::Nginx(Nginx::start(&text, port)),
        false => Front::Edge(Edge::nginx_conf(&text, port).start()),
    };
    Pair { front, origin }
}

impl Pair {
    /// One request that is held by the origin, then so many others; the gate opens after this time.
    fn crowd(&self, target: &str, others: usize, open_after: Duration) -> (Response, Vec<(Response, Duration)>) {
        let to: SocketAddr = self.front.address();
        std::thread::scope(|scope| {
            let first = scope.spawn(move || get(target).send(to));
            let asked = || (self.origin.fetched(target) > 0).then_some(());
            assert!(wait::until(Duration::from_secs(5), asked).is_some());
            let ask = move || {
                let begun = Instant::now();
                (get(target).send(to), begun.elapsed())
            };
            let others: Vec<_> = (0..others).map(|_| scope.spawn(ask)).collect();
            std::thread::sleep(open_after);
            self.origin.open_gate();
            (first.join().unwrap(), others.into_iter().map(|other| other.join().unwrap()).collect())
        })
    }
}

#[test]
fn two_hundred_clients_of_one_missing_answer_are_one_fetch() {
    let pair = start("proxy_cache_lock on; proxy_cache_lock_timeout 30s; proxy_cache_lock_age 30s;");
    let whole = body(1, 300_000);
    pair.origin.say("/x", page("", whole.clone()).manner(Manner::Hold(50_000)));
    let (first, others) = pair.crowd("/x", 199, Duration::from_millis(300));
    assert_eq!((first.header("x-cache"), first.body == whole), (Some("MISS"), true));
    for (other, _) in others {
        assert_eq!((other.header("x-cache"), other.body == whole), (Some("HIT"), true), "{other}");
    }
    assert_eq!(pair.origin.fetched("/x"), 1);
}

#[test]
fn without_a_lock_each_asks() {
    let pair = start("");
    pair.origin.say("/x", page("", body(1, 1_000)).manner(Manner::Hold(0)));
    pair.crowd("/x", 4, Duration::from_millis(300));
    assert_eq!(pair.origin.fetched("/x"), 5);
    assert_eq!(get("/x").send(pair.front.address()).header("x-cache"), Some("HIT"));
}

#[test]
fn an_answer_that_is_not_stored_lets_the_others_ask() {
    let pair = start("proxy_cache_lock on;");
    let held = page("Cache-Control: no-store", body(1, 1_000)).manner(Manner::Hold(0));
    pair.origin.say("/x", held);
    let (first, others) = pair.crowd("/x", 4, Duration::from_millis(100));
    assert!(first.body == body(1, 1_000));
    assert!(others.iter().all(|(other, took)| other.body == body(1, 1_000) && *took < Duration::from_secs(4)));
    assert_eq!(pair.origin.fetched("/x"), 5);
}

#[test]
fn who_has_waited_long_enough_asks_himself() {
    let pair = start("proxy_cache_lock on; proxy_cache_lock_timeout 300ms;");
    // Nothing of the head comes, so that there is nothing to read along.
    let whole = body(1, 1_000);
    pair.origin.say("/x", page("", whole.clone()).manner(Manner::Late));
    let (first, others) = pair.crowd("/x", 3, Duration::from_millis(1_500));
    assert!(first.body == whole && others.iter().all(|(other, _)| other.body == whole));
    assert_eq!(pair.origin.fetched("/x"), 4);
    assert_eq!(get("/x").send(pair.front.address()).header("x-cache"), Some("HIT"));
}

#[test]
fn after_a_time_one_more_asks() {
    let pair = start("proxy_cache_lock on; proxy_cache_lock_age 300ms; proxy_cache_lock_timeout 30s;");
    let whole = body(1, 1_000);
    pair.origin.say("/x", page("", whole.clone()).manner(Manner::Late));
    let (first, others) = pair.crowd("/x", 3, Duration::from_millis(700));
    assert!(first.body == whole && others.iter().all(|(other, _)| other.body == whole));
    let fetched = pair.origin.fetched("/x");
    assert!((2..=3).contains(&fetched), "{fetched}");
}
