//! How long requests wait for a node that is gone: three times at the most, then not at all.

use super::*;
use crate::support::ports;
use std::time::Instant;
use tokio::task::JoinSet;

/// What a call may take beyond its limit, on a machine that has much to do.
const SLACK: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_refused_connection_is_the_last_one() {
    let dead = ports::dead();
    let node = node(dead.address(), PATIENT);
    let watch = tokio::spawn(Arc::clone(&node).keep_watch());
    assert!(matches!(node.get(&key("k")).await, Err(Failure::Refused(_) | Failure::Open)));
    for _ in 0..1000 {
        assert_eq!(node.get(&key("k")).await, Err(Failure::Open));
    }
    assert!(!node.is_up() && node.has_been_down(Duration::ZERO));
    watch.abort();
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_node_that_is_gone() {
    let node = Node::new("n1", "no-such-host.invalid:11211", PATIENT);
    assert!(matches!(node.get(&key("k")).await, Err(Failure::Refused(_))));
    assert_eq!(node.get(&key("k")).await, Err(Failure::Open));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_more_than_three_times_for_a_frozen_node() {
    let memcached = Memcached::start();
    let limits = quick(300);
    let node = node(memcached.address(), limits);
    let watch = tokio::spawn(Arc::clone(&node).keep_watch());
    let mut changes = node.changed();
    node.set(&key("k"), b"v", MINUTE).await.unwrap();
    memcached.freeze();
    let mut requests = JoinSet::new();
    for _ in 0..200 {
        let node = Arc::clone(&node);
        requests.spawn(async move {
            let begun = Instant::now();
            for _ in 0..6 {
                assert!(node.get(&key("k")).await.is_err());
            }
            begun.elapsed()
        });
    }
    let longest = requests.join_all().await.into_iter().max().unwrap();
    assert!(longest < limits.timeout * 3 + SLACK, "{longest:?}");
    // Left alone: a thousand calls take no time at all.
    let begun = Instant::now();
    for _ in 0..1000 {
        assert_eq!(node.get(&key("k")).await, Err(Failure::Open));
    }
    assert!(begun.elapsed() < limits.timeout, "{:?}", begun.elapsed());
    memcached.thaw();
    tokio::time::timeout(Duration::from_secs(10), changes.wait_for(|sight| sight.up && sight.turn > 0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(node.get(&key("k")).await.unwrap().unwrap(), "v");
    watch.abort();
}

#[tokio::test]
async fn one_request_alone_waits_three_times_for_a_frozen_node() {
    let memcached = Memcached::start();
    let limits = quick(100);
    let node = node(memcached.address(), limits);
    memcached.freeze();
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(node.get(&key("k")).await, Err(Failure::Timeout(limits.timeout)));
    }
    assert_eq!(node.get(&key("k")).await, Err(Failure::Open));
    assert!(begun.elapsed() < limits.timeout * 3 + SLACK, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_does_not_wait_for_a_node_that_is_gone() {
    let memcached = Memcached::start();
    let limits = Limits { timeout: Duration::from_secs(3), connections: 3 };
    let node = node(memcached.address(), limits);
    let watch = tokio::spawn(Arc::clone(&node).keep_watch());
    node.set(&key("k"), b"v", MINUTE).await.unwrap();
    memcached.freeze();
    let mut requests = JoinSet::new();
    for _ in 0..30 {
        let node = Arc::clone(&node);
        requests.spawn(async move {
            let begun = Instant::now();
            (node.get(&key("k")).await, begun.elapsed())
        });
    }
    let outcomes = requests.join_all().await;
    // The watch has learned it after its second, and nobody in the queue waited longer.
    let told = outcomes.iter().filter(|(outcome, took)| *outcome == Err(Failure::Open) && *took < limits.timeout);
    assert!(told.count() >= 27, "{outcomes:?}");
    watch.abort();
}
