//! `random` and `random two`, by what comes of many requests.

use super::farm::{Farm, Step, compare};
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::ports;

const REQUESTS: usize = 900;

/// How many of the requests each server got.
fn shares(upstream: &str) -> [Vec<usize>; 2] {
    let (farm, port) = (Farm::start(), ports::free());
    let configuration = farm.configuration(upstream, port);
    let steps = vec![Step::Ask("/".into()); REQUESTS];
    let through = |front| {
        let before = farm.counts();
        let outcomes = farm.play(front, &steps);
        let failed = outcomes.iter().find(|outcome| !outcome.starts_with("200 "));
        assert_eq!(failed, None, "{upstream} through {front}");
        farm.counts().iter().zip(before).map(|(now, before)| now - before).collect()
    };
    let nginx = Nginx::start(&configuration, port);
    let of_nginx = through(nginx.address());
    drop(nginx);
    let edge = Edge::nginx_conf(&configuration, port).start();
    [of_nginx, through(edge.address())]
}

/// Two counts of one chance differ by more than this once in a hundred million runs at the most.
fn far(a: usize, b: usize) -> bool {
    let chance = (a + b) as f64 / (2 * REQUESTS) as f64;
    let deviation = (2.0 * REQUESTS as f64 * chance * (1.0 - chance)).sqrt();
    (a as f64 - b as f64).abs() > 6.0 * deviation + 3.0
}

#[test]
fn random_is_as_even_as_nginx_s() {
    for upstream in [
        "random; server {a} weight=3; server {b} weight=2; server {c}; server {d} down;",
        "random two; server {a} weight=3; server {b} weight=2; server {c}; server {d};",
        "random two least_conn; server {a}; server {b}; server {c} down; server {d};",
    ] {
        let [nginx, edge] = shares(upstream);
        assert!(nginx.iter().zip(&edge).all(|(a, b)| !far(*a, *b)), "{upstream}: nginx {nginx:?}, edge {edge:?}");
        let down = upstream.matches("down").count();
        assert_eq!(edge.iter().filter(|count| **count == 0).count(), down, "{upstream}: {edge:?}");
    }
}

#[test]
fn random_follows_the_weights() {
    let [_, edge] = shares("random; server {a} weight=6; server {b} weight=3; server {c};");
    for (count, weight) in edge.iter().zip([6, 3, 1, 0]) {
        assert!(!far(*count, REQUESTS * weight / 10), "{edge:?}");
    }
}

#[test]
fn of_two_the_one_with_fewer_requests_is_taken_as_by_nginx() {
    // Which of the two holds is chance's; everybody else then gets the other.
    for (upstream, rest) in [
        ("random two; server {a} max_conns=1; server {b} weight=9;", 'b'),
        ("random two least_conn; server {a} weight=9; server {b} max_conns=1;", 'a'),
    ] {
        let (farm, port) = (Farm::start(), ports::free());
        let configuration = farm.configuration(upstream, port);
        let mut steps = vec![Step::Hold, Step::Hold];
        steps.extend(vec![Step::Ask("/".into()); 12]);
        let edge = Edge::nginx_conf(&configuration, port).start();
        let outcomes = farm.play(edge.address(), &steps);
        assert!(outcomes.contains(&format!("holds {rest}")), "{outcomes:?}");
    }
    let mut steps = vec![Step::Hold];
    steps.extend(vec![Step::Ask("/".into()); 12]);
    compare("random two; server {a}; server {b} down; server {c} down;", &steps);
}
