//! Nodes of a session store against real memcacheds that die, freeze and come back, and against what only claims to be one.

mod breaker;
mod mixed_up;
mod pool;
mod troubled;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge::memcached::{Failure, Key, Life, Limits, Node, Swap};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::memcached::Memcached;

const MINUTE: Life = Life::FOREVER;
/// Long enough for a machine that has much to do.
const PATIENT: Limits = Limits { timeout: Duration::from_secs(5), connections: 32 };

fn key(text: &str) -> Key {
    Key::checked(text.to_owned()).unwrap()
}

fn node(address: SocketAddr, limits: Limits) -> Arc<Node> {
    Node::new("n1", address.to_string(), limits)
}

fn quick(ms: u64) -> Limits {
    Limits { timeout: Duration::from_millis(ms), ..PATIENT }
}

/// Something that answers whatever is said to it.
async fn stand_in(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut said = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut said).await {
                    if stream.write_all(&answer(&said[..length])).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn every_question_is_answered_as_memcached_answers() {
    let memcached = Memcached::start();
    let node = node(memcached.address(), PATIENT);
    let (a, b) = (key("a"), key("b"));
    assert_eq!(node.get(&a).await, Ok(None));
    assert_eq!(node.add(&a, b"1", MINUTE).await, Ok(true));
    assert_eq!(node.add(&a, b"2", MINUTE).await, Ok(false));
    assert_eq!(node.get(&a).await.unwrap().unwrap(), "1");
    node.set(&b, b"", MINUTE).await.unwrap();
    let many = node.get_many(&[b.clone(), key("missing"), a.clone(), a.clone()]).await.unwrap();
    let many: Vec<Option<&[u8]>> = many.iter().map(|value| value.as_deref()).collect();
    assert_eq!(many, [Some(&b""[..]), None, Some(b"1"), Some(b"1")]);
    let (value, token) = node.gets(&a).await.unwrap().unwrap();
    assert_eq!(value, "1");
    assert_eq!(node.cas(&a, b"3", MINUTE, token).await, Ok(Swap::Stored));
    assert_eq!(node.cas(&a, b"4", MINUTE, token).await, Ok(Swap::Changed));
    node.delete(&a).await.unwrap();
    assert_eq!(node.cas(&a, b"5", MINUTE, token).await, Ok(Swap::Gone));
    assert_eq!(node.gets(&a).await, Ok(None));
    assert_eq!(node.get_many(&[]).await, Ok(vec![]));
    assert!(node.is_up() && !node.has_been_down(Duration::from_secs(60)));
}

#[tokio::test]
async fn more_keys_than_fit_into_one_question_are_asked_for_in_several() {
    let memcached = Memcached::start();
    let node = node(memcached.address(), PATIENT);
    let keys: Vec<Key> = (0..150).map(|n| key(&format!("{n}-{}", "k".repeat(200)))).collect();
    for at in (0..150).step_by(7) {
        node.add(&keys[at], at.to_string().as_bytes(), MINUTE).await.unwrap();
    }
    let values = node.get_many(&keys).await.unwrap();
    for (at, value) in values.iter().enumerate() {
        let wanted = (at % 7 == 0).then(|| at.to_string());
        assert_eq!(value.as_deref(), wanted.as_ref().map(|text| text.as_bytes()), "{at}");
    }
}

#[tokio::test]
async fn the_largest_value_is_stored_and_a_larger_one_is_never_sent() {
    let memcached = Memcached::start();
    let node = node(memcached.address(), PATIENT);
    let long = key(&"k".repeat(250));
    let largest = vec![b'x'; Node::LARGEST];
    node.set(&long, &largest, MINUTE).await.unwrap();
    assert_eq!(node.get(&long).await.unwrap().unwrap(), largest);
    let (_, token) = node.gets(&long).await.unwrap().unwrap();
    let larger = vec![b'y'; Node::LARGEST + 1];
    let refused = Failure::TooLarge(larger.len());
    assert_eq!(node.set(&long, &larger, MINUTE).await, Err(refused.clone()));
    assert_eq!(node.add(&key("other"), &larger, MINUTE).await, Err(refused.clone()));
    assert_eq!(node.cas(&long, &larger, MINUTE, token).await, Err(refused));
    // memcached forgets the old value where a new one is too large for it.
    assert_eq!(node.get(&long).await.unwrap().unwrap(), largest);
}
