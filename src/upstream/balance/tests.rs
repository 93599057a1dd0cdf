//! The methods against nginx's own picks, and what no recording can show.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::recorded::{CLIENTS, CONSISTENT, HASH, IP_HASH, LEAST_CONN, ROUND_ROBIN, Recorded};
use crate::upstream::retry::Failure;
use crate::upstream::tests::{success, upstream_of};
use crate::upstream::{Balance, Chosen, Outcome, ServerSettings, Tried, Until, Upstream, Want, Wish};

fn server((address, parameters): &(&str, &str)) -> ServerSettings {
    let mut server = ServerSettings::new(*address);
    for parameter in parameters.split_whitespace() {
        match parameter.split_once('=') {
            Some(("weight", n)) => server.weight = n.parse().unwrap(),
            Some(("max_fails", n)) => server.max_fails = n.parse().unwrap(),
            Some(("fail_timeout", n)) => server.fail_timeout = Duration::from_secs(n.parse().unwrap()),
            None if parameter == "down" => server.down = true,
            None if parameter == "backup" => server.backup = true,
            _ => panic!("{parameter}"),
        }
    }
    server
}

fn upstream(recorded: &Recorded, balance: Balance) -> std::sync::Arc<Upstream> {
    upstream_of(balance, recorded.servers.iter().map(server).collect())
}

/// The number nginx's recording knows a server by. Not its index: backups are listed last.
fn number(recorded: &Recorded, chosen: &Chosen) -> String {
    let at = recorded.servers.iter().position(|(address, _)| *address == chosen.settings().address).unwrap();
    (at + 1).to_string()
}

/// Sends one request the way it went in the recording and gives the way it goes here.
fn play(recorded: &Recorded, upstream: &Upstream, word: &str, want: Want<'_>) -> (String, Option<Chosen>) {
    let mut tried = Tried::default();
    let mut way = Vec::new();
    let attempts = word.split('!').count();
    for attempt in 1..=attempts {
        let Some(chosen) = upstream.choose(&Want { tried: &tried, ..want }) else {
            break;
        };
        way.push(number(recorded, &chosen));
        if attempt == attempts {
            return (way.join("!"), Some(chosen));
        }
        chosen.report(Outcome::Failure(Failure::Error), want.now);
        tried.add(&chosen);
    }
    (way.join("!"), None)
}

/// Plays the requests of a recording one after the other; `ask` gives the n-th its client or key.
fn replay(all: &[Recorded], balance: Balance, ask: impl Fn(usize, Want<'_>, &mut dyn FnMut(Want<'_>))) {
    assert!(all.len() >= 5);
    for recorded in all {
        let upstream = upstream(recorded, balance);
        let tried = Tried::default();
        let mut now = Instant::now();
        let mut n = 0;
        for word in recorded.picks.split_whitespace() {
            if word == "|" {
                now += Duration::from_millis(2300);
                continue;
            }
            ask(n, Want { now, client_ip: None, key: b"", tried: &tried, wish: Wish::Any }, &mut |want| {
                let (way, chosen) = play(recorded, &upstream, word, want);
                assert_eq!(way, word, "request {n} of «{}»", recorded.what);
                chosen.unwrap().report(success(), now);
            });
            n += 1;
        }
        assert!(n >= 40, "{}", recorded.what);
    }
}

#[test]
fn round_robin_picks_as_nginx_did() {
    replay(ROUND_ROBIN, Balance::RoundRobin, |_, want, send| send(want));
}

#[test]
fn ip_hash_picks_as_nginx_did() {
    replay(IP_HASH, Balance::IpHash, |n, want, send| {
        send(Want { client_ip: Some(CLIENTS[n].parse().unwrap()), ..want })
    });
}

#[test]
fn hash_picks_as_nginx_did() {
    replay(HASH, Balance::Hash, |n, want, send| send(Want { key: format!("key{n}").as_bytes(), ..want }));
}

#[test]
fn consistent_hash_picks_as_nginx_did() {
    replay(CONSISTENT, Balance::ConsistentHash, |n, want, send| {
        send(Want { key: format!("key{n}").as_bytes(), ..want })
    });
}

#[test]
fn least_conn_picks_as_nginx_did() {
    assert!(LEAST_CONN.len() >= 5);
    for recorded in LEAST_CONN {
        let upstream = upstream(recorded, Balance::LeastConn);
        let tried = Tried::default();
        let now = Instant::now();
        let mut held = VecDeque::new();
        for (n, word) in recorded.picks.split_whitespace().enumerate() {
            let (what, pick) = word.split_at(1);
            if what == "r" {
                held.pop_front().unwrap();
                continue;
            }
            let want = Want { now, client_ip: None, key: b"", tried: &tried, wish: Wish::Any };
            let (way, chosen) = play(recorded, &upstream, pick, want);
            assert_eq!(way, pick, "step {n} of «{}»", recorded.what);
            if what == "h" {
                held.push_back(chosen.unwrap());
            }
        }
        assert!(recorded.picks.split_whitespace().count() >= 40 && held.is_empty());
    }
}

fn weighted(weights: &[u32]) -> Vec<ServerSettings> {
    let server = |(n, weight): (usize, &u32)| ServerSettings {
        weight: *weight,
        ..ServerSettings::new(format!("127.0.0.1:{}", n + 1))
    };
    weights.iter().enumerate().map(server).collect()
}

fn count(upstream: &Upstream, picks: usize, servers: usize) -> Vec<usize> {
    let tried = Tried::default();
    let now = Instant::now();
    let mut counts = vec![0; servers];
    for n in 0..picks {
        let key = n.to_string();
        let want = Want { now, client_ip: None, key: key.as_bytes(), tried: &tried, wish: Wish::Any };
        counts[upstream.choose(&want).unwrap().index] += 1;
    }
    counts
}

#[test]
fn chance_and_hashes_follow_the_weights() {
    for balance in [Balance::Random, Balance::Hash, Balance::ConsistentHash] {
        let counts = count(&upstream_of(balance, weighted(&[1, 2, 5])), 16_000, 3);
        for (count, weight) in counts.iter().zip([1, 2, 5]) {
            let expected = weight * 2000;
            assert!(count.abs_diff(expected) < expected / 4, "{balance:?} {counts:?}");
        }
    }
}

#[test]
fn of_two_by_chance_the_less_busy_is_picked() {
    let upstream = upstream_of(Balance::RandomTwo, weighted(&[1, 1]));
    let tried = Tried::default();
    let want = Want { now: Instant::now(), client_ip: None, key: b"", tried: &tried, wish: Wish::Any };
    let mut held = Vec::new();
    for n in 1..=200 {
        held.push(upstream.choose(&want).unwrap());
        let first = held.iter().filter(|chosen| chosen.index == 0).count();
        assert!(first.abs_diff(n - first) <= 1, "{first} of {n}");
    }
}

#[test]
fn least_time_prefers_the_faster_and_forgives_with_time() {
    for until in [Until::Header, Until::LastByte] {
        let upstream = upstream_of(Balance::LeastTime(until), weighted(&[1, 1]));
        let tried = Tried::default();
        let start = Instant::now();
        let at = |now| Want { now, client_ip: None, key: b"", tried: &tried, wish: Wish::Any };
        let answer = |ms| {
            let time = Duration::from_millis(ms);
            Outcome::Success { header_time: time, response_time: time }
        };
        for _ in 0..2 {
            let chosen = upstream.choose(&at(start)).unwrap();
            let ms = if chosen.index == 0 { 400 } else { 50 };
            chosen.report(answer(ms), start);
        }
        let picks: Vec<usize> = (0..5).map(|_| upstream.choose(&at(start)).unwrap().index).collect();
        assert_eq!(picks, [1; 5]);
        let held: Vec<Chosen> = (0..8).map(|_| upstream.choose(&at(start)).unwrap()).collect();
        assert!(
            held.iter().any(|chosen| chosen.index == 0),
            "eight at the fast one are slower than one at the slow one"
        );
        drop(held);
        let late = start + Duration::from_secs(60);
        assert_eq!(
            upstream.choose(&at(late)).map(|chosen| chosen.index),
            Some(0),
            "halved five times it is fast enough to be asked again"
        );
    }
}

#[test]
fn the_addresses_of_one_name_share_its_keys() {
    let same = || ServerSettings::new("127.0.0.1:9");
    let upstream = upstream_of(Balance::ConsistentHash, vec![same(), same()]);
    let tried = Tried::default();
    let want = Want { now: Instant::now(), client_ip: None, key: b"one", tried: &tried, wish: Wish::Any };
    let picks: Vec<usize> = (0..4).map(|_| upstream.choose(&want).unwrap().index).collect();
    assert_eq!(picks, [0, 1, 0, 1]);
}

#[test]
fn a_server_that_leaves_the_ring_takes_only_its_own_keys_along() {
    let [all, fewer] =
        [weighted(&[1, 1, 1, 1]), weighted(&[1, 1, 1])].map(|servers| upstream_of(Balance::ConsistentHash, servers));
    let tried = Tried::default();
    for n in 0..1000 {
        let key = n.to_string();
        let want = Want { now: Instant::now(), client_ip: None, key: key.as_bytes(), tried: &tried, wish: Wish::Any };
        let [before, after] = [&all, &fewer].map(|upstream| upstream.choose(&want).unwrap().index);
        assert!(before == after || before == 3, "key {n}");
    }
}
