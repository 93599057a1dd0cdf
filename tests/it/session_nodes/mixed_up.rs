//! The one thing that must never happen: a call returns what belongs to another key.
//!
//! Thousands of calls are given up at any moment, time out, or lose their connection, on a way that delays, splits and cuts
//! what it carries; each value says whose it is.

use super::*;
use crate::support::is_long;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

use super::troubled::{Dice, Troubled, Troubles};

const KEYS: u64 = 40;
const NODES: u64 = 6;

#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    given_up: AtomicUsize,
    failed: AtomicUsize,
    left_alone: AtomicUsize,
}

fn key_of(n: u64) -> Key {
    key(&format!("session-{n}"))
}

/// Says whose it is, from its beginning to its end.
fn value_of(n: u64) -> Vec<u8> {
    format!("<{n}>").repeat(1 + (n as usize * 37) % 3000).into_bytes()
}

fn belongs(value: &[u8], n: u64) {
    assert!(value == value_of(n), "{n} got {}", value[..value.len().min(40)].escape_ascii());
}

/// One call, whose outcome is looked at.
async fn call(node: &Node, dice: &Dice) -> Result<(), Failure> {
    let n = dice.below(KEYS);
    let key = key_of(n);
    match dice.below(8) {
        0..3 => node.get(&key).await?.iter().for_each(|value| belongs(value, n)),
        3 => {
            let wanted = [n, dice.below(KEYS), dice.below(KEYS)];
            let values = node.get_many(&wanted.map(key_of)).await?;
            wanted.iter().zip(&values).for_each(|(n, value)| value.iter().for_each(|value| belongs(value, *n)));
        }
        4 => {
            let Some((value, token)) = node.gets(&key).await? else { return Ok(()) };
            belongs(&value, n);
            node.cas(&key, &value_of(n), MINUTE, token).await?;
        }
        5 => drop(node.add(&key, &value_of(n), MINUTE).await?),
        6 => node.set(&key, &value_of(n), MINUTE).await?,
        _ => node.delete(&key).await?,
    }
    Ok(())
}

async fn client(node: Arc<Node>, dice: Arc<Dice>, tally: Arc<Tally>, until: Instant) {
    let mut changes = node.changed();
    while Instant::now() < until {
        let patience = match dice.below(2) {
            0 => Duration::from_micros(dice.below(4000)),
            _ => Duration::from_secs(60),
        };
        let counter = match tokio::time::timeout(patience, call(&node, &dice)).await {
            Err(_) => &tally.given_up,
            Ok(Ok(())) => &tally.answered,
            Ok(Err(Failure::Open)) => {
                let back = changes.wait_for(|sight| sight.up);
                let _ = tokio::time::timeout_at(until.into(), back).await;
                &tally.left_alone
            }
            Ok(Err(_)) => &tally.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_ever_returns_what_belongs_to_another_key() {
    let memcached = Memcached::start();
    let troubles = Troubles { late: 60, by: Duration::from_millis(4), cut: 4, split: 200 };
    let between = Troubled::before(memcached.address(), troubles).await;
    let until = Instant::now() + Duration::from_secs(if is_long() { 120 } else { 8 });
    let (dice, tally) = (Arc::new(Dice::new(7)), Arc::new(Tally::default()));
    let (mut clients, mut watches) = (JoinSet::new(), JoinSet::new());
    for _ in 0..NODES {
        let node = node(between.address(), Limits { timeout: Duration::from_millis(60), connections: 4 });
        watches.spawn(Arc::clone(&node).keep_watch());
        for _ in 0..6 {
            clients.spawn(client(Arc::clone(&node), Arc::clone(&dice), Arc::clone(&tally), until));
        }
    }
    // A call that got a wrong value has panicked, which ends this with it.
    clients.join_all().await;
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let all = [&tally.answered, &tally.given_up, &tally.failed].map(count);
    println!("answered, given up, failed: {all:?}; left alone {}", count(&tally.left_alone));
    assert!(
        all.iter().zip([1000, 1000, 10]).all(|(counted, least)| *counted >= least),
        "too few to say anything: {all:?}"
    );
}
