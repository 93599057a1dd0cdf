//! Servers that are stopped on purpose: `edge upstream move` first, and nothing fails.

use super::each;
use super::rig::{Plan, Rig, Stage};
use super::visitor::Fate;
use crate::support::request;
use crate::support::{is_long, wait};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than anything takes that is to end.
const LONG: Duration = Duration::from_secs(20);

/// Waits until the edges say this of a server in their list.
fn wait_listed(stage: &Stage, server: usize, how: &str) {
    let address = stage.servers[server].address().to_string();
    for edge in 0..stage.places.len() {
        let seen = wait::until(LONG, || {
            let list = stage.list(edge);
            list.lines().any(|line| line.contains(&address) && line.contains(&format!("\t{how}\t"))).then_some(())
        });
        assert!(seen.is_some(), "edge {edge} does not list {address} as {how}:\n{}", stage.list(edge));
    }
}

/// `edge upstream move` until it ends well: on a machine that is too busy an edge may not speak in time, and all is as it was.
fn all_let_go(stage: &Stage, edge: usize, server: usize) -> String {
    let mut why = String::new();
    for _ in 0..10 {
        match stage.ask(edge, &["move"], server) {
            Ok(said) => return said,
            Err(error) => why = error,
        }
    }
    panic!("nobody lets it go: {why}");
}

#[test]
fn servers_whose_sessions_were_moved_are_restarted_one_after_the_other_twice() {
    each("two rolling restarts, moved", |plan| {
        let mut rig = Rig::start(&plan);
        for server in [0, 1, 2, 0, 1, 2] {
            rig.round_while(Fate::Answered, |stage| {
                let said = all_let_go(stage, stage.places.len() - 1, server);
                assert!(said.contains(&format!("{} edge", stage.places.len())), "{said}");
                stage.servers[server].terminate();
                stage.servers[server].wait_end();
            });
            rig.round_while(Fate::Answered, |stage| stage.servers[server].restart());
        }
        rig.round();
        rig.finish();
    });
}

#[test]
fn a_restart_that_one_edge_does_not_see_is_known_to_all() {
    each("moved, restarted unseen", |plan| {
        let mut rig = Rig::start(&plan);
        // Each session that goes to the others has a record now.
        rig.round_while(Fate::Answered, |stage| {
            all_let_go(stage, 0, 0);
            stage.servers[0].terminate();
            stage.servers[0].wait_end();
        });
        rig.round();
        rig.stage.servers[0].restart();
        rig.stage.wait_seen(0, "up");
        // Nobody asks for them while it is left.
        all_let_go(&rig.stage, 0, 1);
        rig.stage.places[0].edge.signal(libc::SIGSTOP);
        rig.stage.servers[1].restart();
        rig.stage.places[0].edge.signal(libc::SIGCONT);
        if plan.edges == 1 {
            // A connection that was closed is not taken for what it was left for.
            rig.stage.ask(0, &["up"], 1).expect("it is taken back");
        }
        wait_listed(&rig.stage, 1, "up");
        rig.round();
        rig.round();
        rig.finish();
    });
}

#[test]
fn a_server_that_was_moved_off_and_is_taken_back_has_what_did_not_move() {
    each("moved and taken back", |plan| {
        let mut rig = Rig::start(&plan);
        rig.round_while(Fate::Answered, |stage| {
            all_let_go(stage, 0, 0);
            wait_listed(stage, 0, "moved");
            let said = stage.ask(0, &["up"], 0).expect("it is taken back");
            assert!(said.contains("may come to it again"), "{said}");
        });
        wait_listed(&rig.stage, 0, "up");
        rig.round();
        rig.finish();
    });
}

/// A request that takes its time, through the first edge; its status.
fn slow(rig: &Rig, milliseconds: u64) -> JoinHandle<Option<u16>> {
    let edge = rig.edges()[0];
    let id = rig.visitors[0].id.clone();
    let path = format!("/slow?ms={milliseconds}");
    let sent = request::get(&path).header("Cookie", &format!("JSESSIONID={id}"));
    let asked = thread::spawn(move || sent.try_send(edge).ok().map(|answer| answer.status()));
    let address = rig.stage.servers[0].address().to_string();
    let seen = wait::until(LONG, || {
        let list = rig.stage.list(0);
        list.lines().any(|line| line.contains(&address) && !line.contains("\t0 in flight")).then_some(())
    });
    assert!(seen.is_some(), "{}", rig.stage.list(0));
    asked
}

#[test]
fn a_long_request_keeps_a_server_until_it_is_cut_off() {
    each("moved with a long request", |plan| {
        let mut rig = Rig::start(&plan);
        let asked = slow(&rig, 6000);
        rig.round_while(Fate::Answered, |stage| {
            let why = stage.ask(0, &["move", "--timeout", "2s"], 0).expect_err("a request is under way");
            assert!(why.contains(" at the edge ") && why.contains("--force"), "{why}");
        });
        assert_eq!(asked.join().unwrap(), Some(200));
        wait_listed(&rig.stage, 0, "up");
        // A page is asked for again elsewhere.
        let asked = slow(&rig, 8000);
        rig.round_while(Fate::Answered, |stage| {
            stage.ask(0, &["move", "--timeout", "1s", "--force"], 0).expect("it is cut off");
            stage.servers[0].terminate();
            stage.servers[0].wait_end();
        });
        assert_eq!(asked.join().unwrap(), Some(200));
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_edge_that_was_killed_is_waited_for_once() {
    each("moved, one edge killed", |plan| {
        if plan.edges == 1 {
            return;
        }
        let mut rig = Rig::start(&plan);
        let last = rig.open.pop().unwrap();
        rig.stage.places[last].edge.kill();
        rig.round_while(Fate::Answered, |stage| {
            let first = stage.ask(0, &["move"], 0);
            // Unless its word had run out before anybody asked.
            if let Err(why) = first {
                assert!(why.contains("does not speak any more"), "{why}");
                stage.ask(0, &["move"], 0).expect("it is not there any more");
            }
            stage.servers[0].terminate();
            stage.servers[0].wait_end();
        });
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_edge_that_is_killed_while_it_moves_sessions_leaves_all_as_it_was() {
    each("moving edge killed", |plan| {
        if plan.edges == 1 {
            return;
        }
        let mut rig = Rig::start(&plan);
        let asked = slow(&rig, 15_000);
        let last = rig.open.pop().unwrap();
        rig.round_while(Fate::Answered, |stage| {
            thread::scope(|scope| {
                let moving = scope.spawn(|| stage.ask(last, &["move", "--timeout", "30s"], 0));
                wait_listed(stage, 0, "moving");
                stage.places[last].edge.signal(libc::SIGKILL);
                assert!(moving.join().unwrap().is_err());
            });
        });
        rig.stage.places[last].edge.kill();
        rig.round();
        assert_eq!(asked.join().unwrap(), Some(200));
        rig.finish();
    });
}

#[test]
fn memcacheds_that_die_while_sessions_are_moved_leave_all_as_it_was() {
    each("moving, memcacheds killed", |plan| {
        let mut rig = Rig::start(&plan);
        let asked = slow(&rig, 9000);
        let began = Instant::now();
        rig.round_while(Fate::Answered, |stage| {
            thread::scope(|scope| {
                let nodes = &stage.nodes;
                let moving = scope.spawn(|| stage.ask(0, &["move", "--timeout", "30s"], 0));
                wait_listed(stage, 0, "moving");
                nodes.iter().for_each(|node| node.signal(libc::SIGKILL));
                let why = moving.join().unwrap().expect_err("nobody can agree");
                assert!(why.contains("no memcached"), "{why}");
            });
        });
        assert!(began.elapsed() < Duration::from_secs(60) || is_long());
        rig.round();
        assert_eq!(asked.join().unwrap(), Some(200));
        rig.finish();
    });
}

#[test]
fn what_cannot_be_moved_is_told() {
    let rig = Rig::start(&Plan { visitors: 1, ..Plan::of("moved in vain", 1) });
    for server in [1, 2] {
        rig.stage.ask(0, &["drain"], server).unwrap();
    }
    let why = rig.stage.ask(0, &["move"], 0).unwrap_err();
    assert!(why.contains("no other server is up"), "{why}");
    let why = rig.stage.ask(0, &["move", "--timeout", "10m"], 0).unwrap_err();
    assert!(why.contains("at most 40s"), "{why}");
    let why = rig.stage.ask(0, &["move", "--timeout", "soon"], 0).unwrap_err();
    assert!(why.contains("such as `10s`"), "{why}");
}
