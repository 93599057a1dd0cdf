//! One limit for two edges: two processes with clients of their own, and one memcached between them.

use super::{SOON, start};
use crate::limits::most_in_a_second;
use crate::messages::Desk;
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::memcached::Memcached;
use crate::support::{request, wait};
use std::time::{Duration, Instant};

/// Between two requests to one of the edges: a hundred in a second in all.
const BETWEEN: Duration = Duration::from_millis(20);

fn edge(memcached: &Memcached) -> Edge {
    let top = format!("session_store: {{ msm: {{ memcached: {{ n1: '{}' }}, timeout: 2s }} }}", memcached.address());
    let rules = "    rules: [{ name: all, then: [{ rate_limit: { by: \"'everybody'\", rate: 10/s, shared: msm } }] }]";
    start(&top, rules, "      - { match: /, return: 204 }")
}

/// Asks both edges evenly, at the same time, and says when requests passed, in milliseconds. `most`: within any second.
fn passed(edges: &[Edge; 2], time: Duration) -> Vec<u64> {
    let begun = Instant::now();
    let ask = |edge: &Edge, first: Duration| {
        let mut client = Client::connect(edge.address());
        let mut passed = Vec::new();
        let mut turn = begun + first;
        while turn < begun + time {
            std::thread::sleep(turn.saturating_duration_since(Instant::now()));
            // A connection serves so many requests and no more.
            let answer = client.ask(&request::get("/")).or_else(|_| {
                client = Client::connect(edge.address());
                client.ask(&request::get("/"))
            });
            match answer.unwrap().status() {
                204 => passed.push(begun.elapsed().as_millis() as u64),
                status => assert_eq!(status, 429),
            }
            turn += BETWEEN;
        }
        passed
    };
    let mut all = std::thread::scope(|scope| {
        let [one, two] = edges;
        let one = scope.spawn(|| ask(one, Duration::ZERO));
        [ask(two, BETWEEN / 2), one.join().unwrap()].concat()
    });
    all.sort_unstable();
    all
}

/// `asked`, `known` and `alone` of an edge.
fn counts(edge: &Edge) -> [u64; 3] {
    let file = edge.file("edge.yaml");
    let said = Desk::new().edge(&["rules", "stats", "--json", "-c", file.to_str().unwrap()]);
    let json: serde_json::Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", said.stdout, said.stderr));
    assert_eq!(json["limit"], "all");
    ["asked", "known", "alone"].map(|name| json["counts"][name].as_u64().unwrap())
}

#[test]
fn two_edges_let_through_what_one_limit_says_and_each_its_own_without_memcached() {
    let seconds = if std::env::var_os("EDGE_TEST_LONG").is_some() { 60 } else { 4 };
    let mut memcached = Memcached::start();
    let edges = [edge(&memcached), edge(&memcached)];
    let through = passed(&edges, Duration::from_secs(seconds));
    println!("{} of {} passed, {} in a second", through.len(), seconds * 100, most_in_a_second(&through));
    assert!(most_in_a_second(&through) <= 20, "{through:?}");
    // In a short time more weighs what an edge may make up for after it was held up; a machine that has much to do loses turns.
    let fair = if seconds == 60 { 570..=630 } else { seconds * 5..=seconds * 10 + 8 };
    assert!(fair.contains(&(through.len() as u64)), "{through:?}");
    for edge in &edges {
        let [asked, known, alone] = counts(edge);
        assert!(asked > seconds && known > seconds && alone == 0, "{asked} {known} {alone}");
    }

    memcached.kill();
    let through = passed(&edges, Duration::from_secs(3));
    // Twice ten, and what was just let in before.
    assert!((10..=66).contains(&through.len()) && most_in_a_second(&through) <= 24, "{through:?}");
    for edge in &edges {
        let [_, _, alone] = counts(edge);
        assert!(alone > 0, "it counts by itself, and says so");
    }
    let table = Desk::new().edge(&["rules", "stats", "-c", edges[0].file("edge.yaml").to_str().unwrap()]).stdout;
    assert!(table.starts_with("all:\n") && table.contains("\n  asked "), "{table}");

    memcached.restart();
    let before = edges.each_ref().map(|edge| counts(edge)[0]);
    let counts_again = |at: usize| {
        let _ = request::get("/").send(edges[at].address());
        (counts(&edges[at])[0] > before[at]).then_some(())
    };
    for at in [0, 1] {
        assert!(wait::until(SOON, || counts_again(at)).is_some(), "memcached is asked again");
    }
}
