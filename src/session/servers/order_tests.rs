//! Edges with memcached between them, one of which is told to move sessions.

use super::*;
use crate::session::servers::rig::{LONG, Manner, Memcached, Process, Talker, free};
use crate::session::servers::{Address, Server, Settings};
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;

/// What an edge has under way to the first server.
#[derive(Default)]
struct Busy(AtomicUsize, AtomicBool);

impl Traffic for Busy {
    fn under_way(&self, server: usize, cut: bool) -> usize {
        if cut {
            self.0.store(0, Ordering::SeqCst);
            self.1.store(true, Ordering::SeqCst);
        }
        if server == 0 { self.0.load(Ordering::SeqCst) } else { 0 }
    }
}

fn edge(addresses: [SocketAddr; 2], memcached: &Memcached) -> (Servers, Arc<Busy>) {
    let server = |at: usize| Server { name: format!("t{at}"), route: None, address: Address::Tcp(addresses[at]) };
    let settings = Settings { board_every: Duration::from_millis(200), ..Settings::default() };
    let servers = Servers::start("web", (0..2).map(server).collect(), &[memcached.node()], settings);
    let busy = Arc::new(Busy::default());
    let traffic: Arc<dyn Traffic> = busy.clone();
    servers.attend(Arc::downgrade(&traffic));
    (servers, busy)
}

async fn until(edge: &Servers, stance: Stance) {
    assert!(edge.wait(LONG, || edge.stance(0) == stance).await, "it is {:?}, not {stance:?}", edge.stance(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_edges_let_a_server_go_until_it_was_started_anew() {
    let memcached = Memcached::start();
    let (address, other) = (free(), Talker::start(Manner::Answers).await);
    let mut process = Process::start(address);
    let edges: Vec<_> = (0..3).map(|_| edge([address, other.address], &memcached)).collect();
    for (edge, _) in &edges {
        assert!(edge.ready(LONG).await);
    }
    edges[2].1.0.store(1, Ordering::SeqCst);
    let ending = async {
        until(&edges[2].0, Stance::Held).await;
        // All wait for this one.
        assert!(!edges[0].0.wait(Duration::from_millis(500), || edges[0].0.stance(0) == Stance::Left).await);
        edges[2].1.0.store(0, Ordering::SeqCst);
    };
    let (departed, ()) = tokio::join!(edges[0].0.depart(0, LONG, false), ending);
    let Ok(Departed::Left { edges: named, .. }) = departed else { panic!("{departed:?}") };
    assert_eq!(named.len(), 3);
    for (edge, _) in &edges {
        until(edge, Stance::Left).await;
        assert!(edge.view(0).moved && edge.view(1).stance == Stance::Here);
    }
    assert_eq!(edges[1].0.depart(0, LONG, false).await, Ok(Departed::Before));
    // One that comes later knows it before it serves.
    let late = edge([address, other.address], &memcached);
    assert!(late.0.ready(LONG).await);
    assert_eq!(late.0.stance(0), Stance::Left);
    process.kill();
    for (edge, _) in edges.iter().chain([&late]) {
        assert!(edge.wait(LONG, || edge.view(0).state == State::Dead).await);
    }
    process = Process::start(address);
    for (edge, _) in edges.iter().chain([&late]) {
        until(edge, Stance::Here).await;
    }
    drop(process);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_keeps_its_server_unless_it_is_cut_off() {
    let memcached = Memcached::start();
    let (one, other) = (Talker::start(Manner::Answers).await, Talker::start(Manner::Answers).await);
    let edges: Vec<_> = (0..2).map(|_| edge([one.address, other.address], &memcached)).collect();
    for (edge, _) in &edges {
        assert!(edge.ready(LONG).await);
    }
    edges[1].1.0.store(3, Ordering::SeqCst);
    let stuck = edges[0].0.depart(0, Duration::from_secs(2), false).await;
    let Err(Stuck::UnderWay(busy)) = stuck else { panic!("{stuck:?}") };
    assert_eq!(busy.iter().map(|edge| edge.under_way).collect::<Vec<_>>(), [Some(3)]);
    for (edge, _) in &edges {
        until(edge, Stance::Here).await;
    }
    let departed = edges[0].0.depart(0, Duration::from_secs(1), true).await;
    assert!(matches!(departed, Ok(Departed::Left { .. })), "{departed:?}");
    assert!(edges[1].1.1.load(Ordering::SeqCst));
    until(&edges[1].0, Stance::Left).await;
    let began = Instant::now();
    assert_eq!(edges[1].0.take_back(0).await, Ok(true));
    for (edge, _) in &edges {
        until(edge, Stance::Here).await;
    }
    assert!(began.elapsed() > Duration::from_secs(3), "nobody is sent there before all may know it");
    assert_eq!(edges[0].0.take_back(0).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_nobody_counts_ends_it_too() {
    let memcached = Memcached::start();
    let (address, other) = (free(), Talker::start(Manner::Answers).await);
    let talker = Talker::on(address, Manner::Answers).await;
    let edges: Vec<_> = (0..2).map(|_| edge([address, other.address], &memcached)).collect();
    for (edge, _) in &edges {
        assert!(edge.ready(LONG).await);
    }
    assert!(matches!(edges[0].0.depart(0, LONG, false).await, Ok(Departed::Left { .. })));
    drop(talker);
    // As it was decided: an edge that has slept sees it as gone as well.
    assert!(edges[0].0.wait(LONG, || edges[0].0.is_gone(0)).await);
    let _again = Talker::on(address, Manner::Answers).await;
    for (edge, _) in &edges {
        until(edge, Stance::Here).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memcached_no_server_is_left() {
    let mut memcached = Memcached::start();
    let (one, other) = (Talker::start(Manner::Answers).await, Talker::start(Manner::Answers).await);
    let (edge, _busy) = edge([one.address, other.address], &memcached);
    assert!(edge.ready(LONG).await);
    memcached.kill();
    assert_eq!(edge.depart(0, LONG, true).await, Err(Stuck::NoBoard));
    until(&edge, Stance::Here).await;
}
