//! Who has no session yet, while servers die.

use super::rig::{Plan, Rig};
use crate::support::request;

/// More than a dead server's share would be found by, and fewer than its `fail_timeout` would hide it for.
const NEWCOMERS: usize = 30;

#[test]
fn a_newcomer_is_not_sent_to_a_server_that_is_known_to_be_dead() {
    let plan = Plan { visitors: 3, ..Plan::of("newcomers while servers die", 1) };
    let mut rig = Rig::start(&plan);
    for server in [0, 1] {
        rig.stage.servers[server].kill();
        rig.stage.wait_seen(server, "dead");
    }
    let edge = rig.edges()[0];
    for _ in 0..NEWCOMERS {
        let answer = request::get("/get").send(edge);
        assert_eq!(answer.status(), 200, "{answer}");
    }
    let errors = rig.stage.places[0].edge.errors();
    let tried: Vec<&str> = errors.lines().filter(|line| line.contains("while connecting to upstream")).collect();
    assert!(tried.is_empty(), "{tried:#?}");
    rig.round();
    rig.finish();
}

#[test]
fn where_no_server_is_known_to_be_there_the_balancing_picks() {
    let plan = Plan { visitors: 3, ..Plan::of("newcomers while no server is there", 1) };
    let mut rig = Rig::start(&plan);
    for server in 0..3 {
        rig.stage.servers[server].kill();
        rig.stage.wait_seen(server, "dead");
    }
    let edge = rig.edges()[0];
    assert_eq!(request::get("/get").send(edge).status(), 502);
    rig.stage.servers[2].restart();
    rig.stage.wait_seen(2, "up");
    assert_eq!(request::get("/get").send(edge).status(), 200);
}
