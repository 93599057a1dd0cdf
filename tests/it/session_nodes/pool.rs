//! How many connections there are, who waits for one, and which are used again.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

use super::troubled::{Troubled, Troubles};

#[tokio::test(flavor = "multi_thread")]
async fn there_are_never_more_connections_than_allowed_and_they_are_used_again() {
    let memcached = Memcached::start();
    let between = Troubled::before(memcached.address(), Troubles::late(Duration::from_millis(3))).await;
    let node = node(between.address(), Limits { connections: 4, ..PATIENT });
    node.set(&key("k"), b"v", MINUTE).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..60 {
        let node = Arc::clone(&node);
        calls.spawn(async move { node.get(&key("k")).await });
    }
    for value in calls.join_all().await {
        assert_eq!(value.unwrap().unwrap(), "v");
    }
    assert_eq!(between.connections(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_full_is_told_at_once() {
    let silent = stand_in(|_| Vec::new()).await;
    let limits = Limits { timeout: Duration::from_secs(2), connections: 1 };
    let node = node(silent, limits);
    let mut calls = JoinSet::new();
    for _ in 0..60 {
        let node = Arc::clone(&node);
        calls.spawn(async move {
            let begun = Instant::now();
            (node.get(&key("k")).await, begun.elapsed())
        });
    }
    let outcomes = calls.join_all().await;
    let at_once =
        outcomes.iter().filter(|(outcome, took)| *outcome == Err(Failure::Busy) && *took < limits.timeout / 2);
    // One asks, 16 wait for it.
    assert_eq!(at_once.count(), 60 - 17);
    assert!(outcomes.iter().all(|(outcome, took)| outcome.is_err() && *took < limits.timeout * 3 / 2), "{outcomes:?}");
    // Who waited for others has not learned anything of the node.
    assert!(node.is_up());
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_its_connection_with_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // The first question is answered when the second one comes.
    let late = stand_in(move |said| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Vec::new(),
        _ => {
            assert!(said.starts_with(b"get second"), "{}", said.escape_ascii());
            b"VALUE second 0 6\r\nsecond\r\nEND\r\n".to_vec()
        }
    })
    .await;
    let node = node(late, PATIENT);
    let first = key("first");
    let given_up = tokio::time::timeout(Duration::from_millis(200), node.get(&first));
    assert!(given_up.await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(node.get(&key("second")).await.unwrap().unwrap(), "second");
}

#[tokio::test]
async fn an_answer_to_what_needs_none_is_nobody_elses() {
    // As a memcached whose items may be smaller answers, or one that does not understand `noreply`.
    let small = stand_in(|said| match said {
        said if said.starts_with(b"set ") => b"SERVER_ERROR object too large for cache\r\nVERSION 1\r\n".to_vec(),
        said if said.starts_with(b"delete ") => b"DELETED\r\nVERSION 1\r\n".to_vec(),
        _ => b"VALUE k 0 1\r\nv\r\nEND\r\n".to_vec(),
    })
    .await;
    let node = node(small, PATIENT);
    for _ in 0..9 {
        let why = "SERVER_ERROR object too large for cache".to_owned();
        assert_eq!(node.set(&key("k"), b"v", MINUTE).await, Err(Failure::Broken(why)));
        assert_eq!(node.get(&key("k")).await.unwrap().unwrap(), "v");
        assert!(matches!(node.delete(&key("k")).await, Err(Failure::Broken(_))));
        assert_eq!(node.get(&key("k")).await.unwrap().unwrap(), "v");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_refused() {
    for answer in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "VALUE other 0 1\r\nv\r\nEND\r\n",
        "VALUE k 0 1\r\nvv\r\nEND\r\n",
        "END\r\nEND\r\n",
        "STORED\r\n",
        "\0\0\0\0\r\n",
        "ERROR\r\n",
    ] {
        let node = node(stand_in(move |_| answer.into()).await, PATIENT);
        assert!(matches!(node.get(&key("k")).await, Err(Failure::Broken(_))), "{answer:?}");
        assert!(matches!(node.gets(&key("k")).await, Err(Failure::Broken(_))), "{answer:?}");
    }
    for answer in ["VERSION 1\r\n", "END\r\n", "OK\r\n", "STORED\r\nSTORED\r\n"] {
        let node = node(stand_in(move |_| answer.into()).await, PATIENT);
        assert!(matches!(node.add(&key("k"), b"v", MINUTE).await, Err(Failure::Broken(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn nobody_makes_room_for_what_a_node_only_claims_to_have() {
    let boasting = stand_in(|_| b"VALUE k 0 18446744073709551615\r\n".to_vec()).await;
    let node_ = node(boasting, PATIENT);
    for _ in 0..4 {
        assert_eq!(node_.get(&key("k")).await, Err(Failure::TooLarge(usize::MAX)));
    }
    // One session that is too large does not make a node dead.
    assert!(node_.is_up());
    let endless = stand_in(|_| vec![b'x'; 1 << 20]).await;
    assert!(matches!(node(endless, PATIENT).get(&key("k")).await, Err(Failure::Broken(_))));
}
