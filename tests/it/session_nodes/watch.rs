//! What the watch sees without any request.

use super::*;
use edge::memcached::Sight;
use std::time::Instant;
use tokio::sync::watch::Receiver;
use tokio::task::JoinHandle;

struct Watched {
    node: Arc<Node>,
    changes: Receiver<Sight>,
    task: JoinHandle<()>,
}

impl Watched {
    async fn over(memcached: &Memcached) -> Watched {
        let node = node(memcached.address(), PATIENT);
        node.set(&key("k"), b"v", MINUTE).await.unwrap();
        let task = tokio::spawn(Arc::clone(&node).keep_watch());
        let watched = Watched { changes: node.changed(), node, task };
        // It has a connection once there are two: the call's and its own.
        watched.connections(2, memcached).await;
        watched
    }

    async fn connections(&self, wanted: u64, memcached: &Memcached) {
        let begun = Instant::now();
        while connections(memcached).await != wanted {
            assert!(begun.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How long it takes until it is seen so.
    async fn until(&mut self, up: bool) -> Duration {
        let begun = Instant::now();
        let seen = self.changes.wait_for(|sight| sight.up == up);
        tokio::time::timeout(Duration::from_secs(10), seen).await.unwrap().unwrap();
        begun.elapsed()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How many connections memcached has, but for the one that asks.
async fn connections(memcached: &Memcached) -> u64 {
    let mut stream = tokio::net::TcpStream::connect(memcached.address()).await.unwrap();
    stream.write_all(b"stats\r\nquit\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let stat = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} "))).unwrap();
        line.trim().parse().unwrap()
    };
    stat("curr_connections") - 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_memcached_is_noticed_at_once_and_when_it_is_back_it_is_empty() {
    let mut memcached = Memcached::start();
    let mut watched = Watched::over(&memcached).await;
    memcached.kill();
    let noticed = watched.until(false).await;
    assert!(noticed < Duration::from_millis(200), "{noticed:?}");
    assert_eq!(watched.node.get(&key("k")).await, Err(Failure::Open));
    println!("noticed after {noticed:?}");
    memcached.restart();
    let back = watched.until(true).await;
    assert!(back < Duration::from_secs(2), "{back:?}");
    assert_eq!(watched.node.get(&key("k")).await, Ok(None));
    assert!(watched.node.has_been_down(Duration::from_secs(60)));
    assert!(!watched.node.has_been_down(Duration::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_memcached_is_noticed_without_a_request() {
    let memcached = Memcached::start();
    let mut watched = Watched::over(&memcached).await;
    memcached.freeze();
    let noticed = watched.until(false).await;
    assert!(noticed < Duration::from_millis(3500), "{noticed:?}");
    memcached.thaw();
    watched.until(true).await;
    assert_eq!(watched.node.get(&key("k")).await.unwrap().unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_and_opened_again_was_a_moment_away() {
    let closing = stand_in(|_| b"VERSION 1\r\nEND\r\n".to_vec()).await;
    // Whatever is said beside the answer ends the connection of the watch, and the next one does not fare better.
    let node = node(closing, PATIENT);
    let mut changes = node.changed();
    let task = tokio::spawn(Arc::clone(&node).keep_watch());
    let seen = changes.wait_for(|sight| !sight.up);
    tokio::time::timeout(Duration::from_secs(10), seen).await.unwrap().unwrap();
    task.abort();
    // And one that closes politely is up throughout.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = super::node(listener.local_addr().unwrap(), PATIENT);
    let mut changes = node.changed();
    let task = tokio::spawn(Arc::clone(&node).keep_watch());
    for turn in 1..4 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = [0; 9];
        stream.read_exact(&mut said).await.unwrap();
        stream.write_all(b"VERSION 1\r\n").await.unwrap();
        drop(stream);
        let sight = *changes.wait_for(|sight| sight.turn == turn).await.unwrap();
        assert!(sight.up && node.has_been_down(Duration::from_secs(60)));
    }
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_dropped_leaves_no_connection() {
    let memcached = Memcached::start();
    let watched = Watched::over(&memcached).await;
    watched.task.abort();
    watched.connections(1, &memcached).await;
    assert!(watched.node.is_up());
}
