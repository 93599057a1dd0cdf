//! Edges that see less than others: a memcached that dies, or ways that are cut.

use super::each;
use super::report::percentile;
use super::rig::{Plan, Rig, Stage};
use super::visitor::Fate;
use crate::support::relay::Way;
use std::time::Duration;

/// This happens, and then everybody comes twice.
fn after(name: &'static str, plan: impl Fn(Plan) -> Plan + Sync, happens: impl Fn(&mut Stage) + Sync) {
    each(name, |of_edges| {
        let mut rig = Rig::start(&plan(of_edges));
        happens(&mut rig.stage);
        rig.round();
        rig.round();
        rig.finish();
    });
}

#[test]
fn a_killed_memcacheds_sessions_stay_with_their_owner() {
    after("memcached killed", |plan| plan, |stage| stage.nodes[0].kill());
}

#[test]
fn a_memcached_that_was_restarted_empty_loses_nothing_while_the_owner_lives() {
    after("memcached restarted empty", |plan| plan, |stage| stage.nodes[0].restart());
}

/// The edge takes sessions over without a word to the others: one that looks between memcached-session-manager's `delete` of the
/// old key and its `set` of the new one finds none, and counts a loss that is none.
fn cut_from_memcached(name: &'static str, way: Way) {
    each(name, |plan| {
        let mut rig = Rig::start(&plan.with_relays().without_promise(&["unarbitrated"], &["lost_no_key"]));
        rig.stage.places[0].to_nodes.iter().for_each(|relay| relay.turn(way));
        rig.stage.wait_said(&[0], "memcached n1 ");
        rig.stage.wait_said(&[0], "memcached n2 ");
        rig.round();
        for place in &rig.stage.places {
            place.to_servers[0].turn(Way::Refused);
        }
        rig.stage.servers[0].kill();
        rig.round();
        rig.stage.places[0].to_nodes.iter().for_each(|relay| relay.turn(Way::Open));
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_edge_without_memcached_takes_over_what_the_others_do() {
    cut_from_memcached("one edge refused by memcached", Way::Refused);
}

#[test]
fn an_edge_that_memcached_does_not_answer_takes_over_what_the_others_do() {
    cut_from_memcached("one edge not answered by memcached", Way::Silent);
}

fn cut_from_owner(name: &'static str, way: Way) {
    each(name, |plan| {
        let mut rig = Rig::start(&plan.with_relays());
        rig.stage.places[0].to_servers[0].turn(way);
        // All edges give the owner up, and what they have sent it with it.
        rig.round_while(Fate::MayBeCut, |_| ());
        rig.round_while(Fate::Answered, |stage| stage.places[0].to_servers[0].turn(Way::Open));
        rig.stage.wait_said(&[0], "of app is up");
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_edge_that_the_owner_refuses_makes_no_second_owner() {
    cut_from_owner("one edge refused by the owner", Way::Refused);
}

#[test]
fn an_edge_that_the_owner_does_not_answer_makes_no_second_owner() {
    cut_from_owner("one edge not answered by the owner", Way::Silent);
}

fn non_sticky(plan: Plan) -> Plan {
    plan.with_options(&["--mode", "non_sticky"]).with_session(", mode: non_sticky, serialize: on")
}

#[test]
fn non_sticky_sessions_outlive_a_memcached() {
    after("non-sticky, memcached killed, serialize", non_sticky, |stage| stage.nodes[0].kill());
}

#[test]
fn non_sticky_sessions_outlive_a_server() {
    after("non-sticky, server killed, serialize", non_sticky, |stage| stage.servers[0].kill());
}

/// How long an edge may wait for memcached; long enough to be told from what a busy machine takes.
const TIMEOUT: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(500);

fn in_trouble(name: &'static str, way: Way) {
    let plan = Plan { timeout: "1s", visitors: 10, ..Plan::of(name, 1).with_relays() };
    let mut rig = Rig::start(&plan);
    rig.stage.places[0].to_nodes.iter().for_each(|relay| relay.turn(way));
    rig.round();
    let first = rig.take_added();
    let longest = first.iter().max().copied().unwrap_or_default();
    assert!(longest <= TIMEOUT * 3 + BUSY, "{longest:?}");
    rig.stage.wait_said(&[0], "memcached n1 ");
    rig.stage.wait_said(&[0], "memcached n2 ");
    rig.round();
    let then = percentile(rig.take_added(), 95);
    assert!(then < TIMEOUT, "{then:?}");
    rig.added_of(first);
    rig.finish();
}

#[test]
fn a_memcached_that_is_silent_costs_three_waits_and_then_none() {
    in_trouble("all memcacheds silent", Way::Silent);
}

#[test]
fn a_memcached_that_refuses_costs_nothing() {
    in_trouble("all memcacheds refusing", Way::Refused);
}

#[test]
fn a_memcached_that_is_too_slow_costs_three_waits_and_then_none() {
    in_trouble("all memcacheds too slow", Way::Late(Duration::from_millis(1500)));
}

#[test]
fn a_memcached_that_talks_nonsense_is_left_alone() {
    in_trouble("all memcacheds answering nonsense", Way::Garbage);
}
