//! Limits that several edges share, against a real memcached: here two edges are two [`Shared`] with connections and zones of
//! their own, and time is told to them, so that a minute takes as long as its questions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use edge::limit::{Clock, Counts, Delay, Millis, Rate, RateLimit, RateVerdict, RateZone, Shared};
use edge::memcached::{Limits, Node};

use crate::support::memcached::Memcached;

const PATIENT: Limits = Limits { timeout: Duration::from_secs(5), connections: 8 };
/// Some day in 2026, in microseconds.
const TODAY: u64 = 1_780_000_000_000_000;

fn edge(memcached: &Memcached) -> Arc<Shared> {
    let node = Node::new("n1", memcached.address().to_string(), PATIENT);
    Shared::new("login", vec![node], Arc::new(RateZone::new(1 << 20)), 1 << 20)
}

fn limit(rate: &str, burst: u32) -> RateLimit {
    RateLimit { rate: Rate::parse(rate).unwrap(), burst, delay: Delay::None }
}

/// So many milliseconds after the beginning.
fn at(ms: u64) -> Clock {
    Clock { local: Millis(1000 + ms), wall: TODAY + ms * 1000 }
}

async fn passes(edge: &Arc<Shared>, limit: &RateLimit, ms: u64) -> bool {
    let verdict = edge.check(b"203.0.113.9", limit, at(ms)).await.0;
    edge.settled().await;
    verdict == RateVerdict::Pass
}

/// The most that passed within any second.
pub fn most_in_a_second(passed: &[u64]) -> usize {
    let within = |from: u64| passed.iter().filter(|at| (from..from + 1000).contains(*at)).count();
    passed.iter().map(|at| within(*at)).max().unwrap_or(0)
}

#[tokio::test]
async fn two_edges_let_through_what_one_limit_says() {
    let memcached = Memcached::start();
    let edges = [edge(&memcached), edge(&memcached)];
    let limit = limit("10/s", 0);
    let mut passed = Vec::new();
    for request in 0..6000u64 {
        let (ms, edge) = (request * 10, &edges[(request % 2) as usize]);
        if passes(edge, &limit, ms).await {
            passed.push(ms);
        }
    }
    assert!((570..=630).contains(&passed.len()), "{}", passed.len());
    assert!(most_in_a_second(&passed) <= 12, "{}", most_in_a_second(&passed));
    let [first, second] = edges.map(|edge| edge.counts());
    assert!(first.asked > 250 && second.asked > 250, "{first:?} {second:?}");
    // Who knows that it is too early asks nobody.
    assert!(first.known > 1500 && second.known > 1500 && first.alone + second.alone == 0, "{first:?} {second:?}");
    assert!(first.asked + second.asked < 2000, "{first:?} {second:?}");
}

/// The same by the clock, with both edges asking at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_edges_let_through_what_one_limit_says_by_the_clock() {
    let seconds = if std::env::var_os("EDGE_TEST_LONG").is_some() { 60 } else { 3 };
    let memcached = Memcached::start();
    let begun = Instant::now();
    let ask = |edge: Arc<Shared>| async move {
        let limit = limit("10/s", 0);
        let mut passed = Vec::new();
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        while begun.elapsed() < Duration::from_secs(seconds) {
            turns.tick().await;
            if edge.check(b"203.0.113.9", &limit, Clock::now()).await.0 == RateVerdict::Pass {
                passed.push(begun.elapsed().as_millis() as u64);
            }
        }
        passed
    };
    let (first, second) = tokio::join!(tokio::spawn(ask(edge(&memcached))), tokio::spawn(ask(edge(&memcached))));
    let mut passed = [first.unwrap(), second.unwrap()].concat();
    passed.sort_unstable();
    println!("{} of {} passed, {} in a second", passed.len(), seconds * 100, most_in_a_second(&passed));
    assert!(most_in_a_second(&passed) <= 20, "{passed:?}");
    assert!(passed.len() as u64 <= seconds * 105 / 10 + 2, "{passed:?}");
    // A machine that has much to do loses turns.
    let least = if seconds == 60 { seconds * 95 / 10 } else { seconds * 5 };
    assert!(passed.len() as u64 >= least, "{passed:?}");
}

#[tokio::test]
async fn a_request_costs_one_question() {
    let memcached = Memcached::start();
    let edge = edge(&memcached);
    let limit = limit("10/s", 5);
    let mut commands = Vec::new();
    for ms in [0, 1, 2, 150, 300] {
        assert!(passes(&edge, &limit, ms).await);
        let all = memcached.commands();
        commands
            .push(all[commands.len()..].iter().map(|c| c.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>());
        assert_eq!(all.len(), commands.len(), "{all:?}");
    }
    assert_eq!(commands.concat(), ["add", "incr", "incr", "incr", "incr"]);
    assert!(!memcached.commands().iter().any(|command| command.contains("203.0")));
}

#[tokio::test]
async fn a_burst_is_shared_and_comes_back_after_a_rest() {
    let memcached = Memcached::start();
    let edges = [edge(&memcached), edge(&memcached)];
    let limit = limit("1/s", 3);
    for begin in [0, 40_000, 100_000] {
        let mut count = 0;
        for request in 0..20 {
            count += usize::from(passes(&edges[request % 2], &limit, begin).await);
        }
        // The burst and one, and after a rest perhaps the one that may be made up for.
        assert!((4..=5).contains(&count), "{begin}: {count}");
    }
}

#[tokio::test]
async fn a_refused_request_is_told_when_to_come_again() {
    let memcached = Memcached::start();
    let edges = [edge(&memcached), edge(&memcached)];
    let limit = limit("5/m", 0);
    assert!(passes(&edges[0], &limit, 0).await);
    let refused = RateVerdict::Refuse { retry_after: Duration::from_secs(12) };
    assert_eq!(edges[1].check(b"203.0.113.9", &limit, at(0)).await.0, refused);
    edges[1].settled().await;
    let asked = memcached.commands().len();
    let refused = RateVerdict::Refuse { retry_after: Duration::from_secs(2) };
    assert_eq!(edges[1].check(b"203.0.113.9", &limit, at(10_000)).await.0, refused);
    assert_eq!(memcached.commands().len(), asked);
    assert!(passes(&edges[1], &limit, 12_000).await);
    assert!(!passes(&edges[0], &limit, 12_001).await);
}

#[tokio::test]
async fn what_waits_has_its_turn_among_the_requests_of_all_edges() {
    let memcached = Memcached::start();
    let edges = [edge(&memcached), edge(&memcached)];
    let limit = RateLimit { delay: Delay::All, ..limit("10/s", 3) };
    let mut said = Vec::new();
    for request in 0..5 {
        said.push(edges[request % 2].check(b"a", &limit, at(0)).await.0);
    }
    let delay = |ms| RateVerdict::Delay(Duration::from_millis(ms));
    let refused = RateVerdict::Refuse { retry_after: Duration::from_millis(100) };
    assert_eq!(said, [RateVerdict::Pass, delay(100), delay(200), delay(300), refused]);
}

#[tokio::test]
async fn many_at_once_shut_nobody_out_for_longer_than_one_turn() {
    let memcached = Memcached::start();
    let edge = edge(&memcached);
    let limit = limit("1/s", 1);
    let ask = || {
        let edge = edge.clone();
        tokio::spawn(async move { edge.check(b"203.0.113.9", &limit, at(0)).await.0 == RateVerdict::Pass })
    };
    let asked: Vec<_> = (0..300).map(|_| ask()).collect();
    let mut count = 0;
    for one in asked {
        count += usize::from(one.await.unwrap());
    }
    assert!((1..=2).contains(&count), "{count}");
    edge.settled().await;
    assert!(passes(&edge, &limit, 2001).await);
    assert_eq!(edge.counts().alone, 0);
}

#[tokio::test]
async fn without_memcached_an_edge_counts_alone_and_says_so() {
    let memcached = Memcached::start();
    let address = memcached.address();
    drop(memcached);
    let node = Node::new("n1", address.to_string(), Limits { timeout: Duration::from_millis(200), connections: 4 });
    let edge = Shared::new("login", vec![node], Arc::new(RateZone::new(1 << 20)), 1 << 20);
    let limit = limit("1/s", 2);
    let mut count = 0;
    for _ in 0..10 {
        count += usize::from(passes(&edge, &limit, 0).await);
    }
    assert_eq!(count, 3);
    assert_eq!(edge.counts(), Counts { asked: 0, known: 0, alone: 10 });
}

#[tokio::test]
async fn without_memcached_as_many_pass_as_the_rate_says_however_many_ask() {
    let memcached = Memcached::start();
    let edge = edge(&memcached);
    drop(memcached);
    let limit = limit("10/s", 0);
    let mut passed = Vec::new();
    for ms in (0..5000).step_by(20) {
        if passes(&edge, &limit, ms).await {
            passed.push(ms);
        }
    }
    assert_eq!(passed, (0..5000).step_by(100).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_clock_that_was_far_ahead_shuts_nobody_out() {
    let memcached = Memcached::start();
    let edges = [edge(&memcached), edge(&memcached)];
    let limit = limit("1/s", 0);
    assert!(passes(&edges[0], &limit, 3_600_000).await);
    // The other one decides alone, and puts right what stands there.
    assert!(passes(&edges[1], &limit, 0).await);
    assert_eq!(edges[1].counts(), Counts { asked: 0, known: 0, alone: 1 });
    assert!(passes(&edges[1], &limit, 2000).await);
    assert_eq!(edges[1].counts().asked, 1);
}
