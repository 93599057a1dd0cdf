//! What is lost without an edge that knows of sessions: the measured losses of the real Tomcats, brought about in the
//! stand-ins. The shares are those of a busy machine and differ from run to run; what matters is that a stand-in loses where
//! a Tomcat does, and does not where it does not.

use crate::support::memcached::Memcached;
use crate::support::request;
use crate::support::standin::{self, Session, Standin, Tally};
use std::net::SocketAddr;
use std::time::Duration;

/// A share of what the real ones lost, so that a slow machine does not fail the test.
const MUCH: f64 = 0.3;

struct Rig {
    nodes: Vec<Memcached>,
    tomcats: Vec<Standin>,
    sessions: Vec<Session>,
}

impl Rig {
    /// Two memcacheds, some Tomcats, and sessions that live in the first one and on the first node.
    fn start(tomcats: usize, sessions: usize, options: &[&str]) -> Rig {
        let nodes = vec![Memcached::start(), Memcached::start()];
        let tomcat = |at: usize| Standin::start(&format!("t{}", at + 1), &nodes, options);
        let tomcats: Vec<Standin> = (0..tomcats).map(tomcat).collect();
        let sessions = (0..sessions).map(|name| Session::begun(name, tomcats[0].address(), "n1")).collect();
        Rig { nodes, tomcats, sessions }
    }

    fn address(&self, at: usize) -> SocketAddr {
        self.tomcats[at].address()
    }

    fn burst(&mut self, to: &[SocketAddr]) {
        self.sessions.iter_mut().for_each(|session| session.burst(to));
    }

    fn tally(&self, owners: &[usize]) -> Tally {
        let owners: Vec<SocketAddr> = owners.iter().map(|at| self.address(*at)).collect();
        standin::tally(&self.sessions, &owners)
    }
}

fn assert_much(tally: Tally, count: usize) {
    let share = count as f64 / tally.acknowledged as f64;
    assert!(share > MUCH && tally.failed == 0, "only {count}: {tally:?}");
}

fn assert_nothing_lost(tally: Tally, updates: usize) {
    assert_eq!(tally, Tally { acknowledged: updates, ..Tally::default() });
}

#[test]
fn while_nothing_fails_nothing_is_lost() {
    let mut rig = Rig::start(1, 30, &[]);
    rig.burst(&[rig.address(0); 6]);
    assert_nothing_lost(rig.tally(&[0]), 30 * 7);
}

#[test]
fn first_requests_at_once_to_one_target_lose_updates_and_one_alone_does_not() {
    let mut rig = Rig::start(2, 30, &[]);
    rig.tomcats[0].kill();
    rig.burst(&[rig.address(1); 6]);
    let tally = rig.tally(&[1]);
    assert_much(tally, tally.lost);

    let mut rig = Rig::start(2, 30, &[]);
    rig.tomcats[0].kill();
    rig.burst(&[rig.address(1)]);
    rig.burst(&[rig.address(1); 5]);
    assert_nothing_lost(rig.tally(&[1]), 30 * 7);
}

#[test]
fn first_requests_at_once_to_two_targets_never_both_count() {
    let mut rig = Rig::start(3, 20, &[]);
    rig.tomcats[0].kill();
    rig.burst(&[rig.address(1), rig.address(2)]);
    let tally = rig.tally(&[1, 2]);
    assert!(tally.lost >= 20 && tally.failed == 0, "one of two is lost each time: {tally:?}");
}

#[test]
fn a_dead_memcached_makes_new_empty_sessions_of_old_ids() {
    let mut rig = Rig::start(1, 20, &[]);
    rig.nodes[0].kill();
    // As long as the node is believed to be there.
    std::thread::sleep(Duration::from_millis(1100));
    rig.burst(&[rig.address(0); 6]);
    let tally = rig.tally(&[0]);
    assert_much(tally, tally.new_empty);

    let mut rig = Rig::start(1, 20, &[]);
    rig.nodes[0].kill();
    std::thread::sleep(Duration::from_millis(1100));
    rig.burst(&[rig.address(0)]);
    rig.burst(&[rig.address(0); 5]);
    assert_nothing_lost(rig.tally(&[0]), 20 * 7);
}

#[test]
fn first_requests_at_once_to_a_restarted_owner_lose_updates() {
    let mut rig = Rig::start(1, 30, &[]);
    rig.tomcats[0].restart();
    rig.burst(&[rig.address(0); 6]);
    let tally = rig.tally(&[0]);
    assert_much(tally, tally.lost);

    let mut rig = Rig::start(1, 30, &[]);
    rig.tomcats[0].restart();
    rig.burst(&[rig.address(0)]);
    rig.burst(&[rig.address(0); 5]);
    assert_nothing_lost(rig.tally(&[0]), 30 * 7);
}

#[test]
fn a_probe_takes_the_session_over_and_nothing_is_lost() {
    let mut rig = Rig::start(2, 30, &[]);
    rig.tomcats[0].kill();
    for session in &mut rig.sessions {
        let answer = rig.tomcats[1].ask(request::head("/WEB-INF/probe"), &session.id);
        assert_eq!(answer.status(), 404);
        session.id = standin::new_id(&answer).expect("it is taken over");
        assert!(session.id.ends_with(".t2"), "{}", session.id);
    }
    rig.burst(&[rig.address(1); 6]);
    assert_nothing_lost(rig.tally(&[1]), 30 * 7);
}

#[test]
fn non_sticky_sessions_lose_updates_without_a_lock() {
    let mut rig = Rig::start(2, 1, &["--mode", "non_sticky"]);
    for _ in 0..10 {
        rig.burst(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1].map(|at| rig.address(at)));
    }
    let tally = rig.tally(&[0]);
    assert_much(tally, tally.lost);
}

#[test]
fn a_dead_node_loses_updates_of_locked_non_sticky_sessions_too() {
    let mut rig = Rig::start(2, 20, &["--mode", "non_sticky", "--locking", "all"]);
    rig.nodes[0].kill();
    std::thread::sleep(Duration::from_millis(1100));
    rig.burst(&[0, 1, 0, 1, 0, 1].map(|at| rig.address(at)));
    let tally = rig.tally(&[0]);
    assert_much(tally, tally.lost);
}
