use super::*;
use crate::session::record::Former;
use crate::session::takeover::world::{NodeView, Server, View};
use std::time::Instant;

const A_MINUTE: Duration = Duration::from_secs(61);

/// Three servers t1…t3, two nodes; all of it up, for ever.
fn seen() -> Seen {
    let server = |at| Server { name: format!("s{at}"), route: Some(format!("t{at}")), backup: false };
    let view = View {
        state: State::Up,
        instance: 1,
        draining: false,
        changed: None,
        restarted: None,
        uncounted: false,
        moved: false,
    };
    let node = NodeView { up: true, changed: None, moved: false };
    // Later than any change in these tests.
    let at = Instant::now() + 2 * A_MINUTE;
    Seen { servers: (1..=3).map(server).collect(), views: vec![view; 3], nodes: vec![node; 2], at }
}

fn record(server: &str, id: &str, done: bool) -> Record {
    let id = Named::parse(id).unwrap();
    Record { generation: 1, server: server.to_owned(), instance: 1, done, id, set_cookie: None, former: Vec::new() }
}

fn decide(seen: &Seen, mode: Mode, asked: &str, record: Option<&Record>) -> Step {
    let asked = Named::parse(asked).unwrap();
    let current = record.map_or(&asked, |record| &record.id);
    let node = ["n1", "n2"].iter().position(|node| current.node.as_deref() == Some(node));
    step(seen, mode, &Subject { asked: &asked, record, node })
}

fn sticky(seen: &Seen, asked: &str, record: Option<&Record>) -> Step {
    decide(seen, Mode::Sticky, asked, record)
}

#[test]
fn a_session_goes_to_its_owner() {
    let mut seen = seen();
    assert_eq!(sticky(&seen, "A-n1.t2", None), Step::Serve { server: 1 });
    seen.views[1].draining = true;
    assert_eq!(sticky(&seen, "A-n1.t2", None), Step::Serve { server: 1 });
}

#[test]
fn an_owner_that_may_be_alive_is_waited_for() {
    for state in [State::Suspect, State::Unknown] {
        let mut seen = seen();
        seen.views[0].state = state;
        assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Watch);
        assert_eq!(sticky(&seen, "A-n1.t3", Some(&record("s1", "A-n1.t1", true))), Step::Watch);
        assert_eq!(sticky(&seen, "A-n1.t3", Some(&record("s1", "A-n1.t3", false))), Step::Watch);
    }
}

#[test]
fn a_session_whose_owner_is_gone_moves() {
    let mut seen = seen();
    seen.views[0].state = State::Dead;
    assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Move { from: Some(0), cause: Cause::Died });
    seen.views[0].state = State::Fenced;
    assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Move { from: Some(0), cause: Cause::Fenced });
    assert_eq!(sticky(&seen, "A-n1.t9", None), Step::Move { from: None, cause: Cause::UnknownRoute });
}

#[test]
fn a_session_whose_owner_is_left_waits_and_moves_unless_it_was_noted_that_it_stays() {
    let mut seen = seen();
    seen.views[0].state = State::Leaving;
    let mut record = record("s1", "A-n1.t1", true);
    assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Watch);
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record)), Step::Watch);
    seen.views[0].state = State::Left;
    assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Move { from: Some(0), cause: Cause::Moved });
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record)), Step::Move { from: Some(0), cause: Cause::Moved });
    record.former = vec![Former { server: "s1".to_owned(), instance: 1 }];
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record)), Step::Serve { server: 0 });
    // As any other, where its node may be gone, or when its server has ended.
    seen.nodes[0].up = false;
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record)), Step::Gate { server: 0, cause: Cause::Node });
    seen.views[0].state = State::Dead;
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record)), Step::Move { from: Some(0), cause: Cause::Died });
}

#[test]
fn an_owner_that_may_have_been_restarted_uncounted_is_asked_in_spite_of_its_record() {
    let mut seen = seen();
    let record = record("s1", "A-n1.t1", true);
    seen.views[0].restarted = Some(Instant::now());
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record)), Step::Serve { server: 0 });
    seen.views[0].uncounted = true;
    let asked = Step::Gate { server: 0, cause: Cause::Restarted };
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record)), asked);
}

#[test]
fn what_a_record_says_outweighs_the_ids_route() {
    let mut seen = seen();
    let moved = record("s2", "A-n1.t2", true);
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&moved)), Step::Serve { server: 1 });
    seen.views[0].state = State::Dead;
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&moved)), Step::Serve { server: 1 });
    seen.views[1].state = State::Dead;
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&moved)), Step::Move { from: Some(1), cause: Cause::Died });
    let removed = record("s9", "A-n1.t9", true);
    let unknown = Step::Move { from: None, cause: Cause::UnknownRoute };
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&removed)), unknown);
}

#[test]
fn who_is_to_take_it_is_joined_until_it_dies() {
    let mut seen = seen();
    seen.views[0].state = State::Dead;
    let taking = record("s2", "A-n1.t1", false);
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&taking)), Step::Join { server: 1 });
    let died = Step::Move { from: Some(1), cause: Cause::ChosenDied };
    seen.views[1].instance = 2;
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&taking)), died);
    seen.views[1].state = State::Dead;
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&taking)), died);
}

#[test]
fn an_owner_that_was_started_anew_is_asked_once() {
    let mut seen = seen();
    seen.views[0].restarted = Some(Instant::now());
    seen.views[0].instance = 2;
    let gate = Step::Gate { server: 0, cause: Cause::Restarted };
    assert_eq!(sticky(&seen, "A-n1.t1", None), gate);
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record("s1", "A-n1.t1", true))), gate);
    let since = Record { instance: 2, ..record("s1", "A-n1.t1", true) };
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&since)), Step::Serve { server: 0 });
}

#[test]
fn an_owner_that_lost_sessions_while_it_was_away_is_not_believed() {
    let mut seen = seen();
    seen.views[0].moved = true;
    assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Gate { server: 0, cause: Cause::Returned });
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record("s2", "A-n1.t2", true))), Step::Serve { server: 1 });
}

#[test]
fn a_node_that_is_gone_or_has_just_come_back_makes_one_go_first() {
    let mut seen = seen();
    let gate = Step::Gate { server: 0, cause: Cause::Node };
    seen.nodes[0] = NodeView { up: false, changed: Some(Instant::now()), moved: false };
    assert_eq!(sticky(&seen, "A-n1.t1", None), gate);
    assert_eq!(sticky(&seen, "A-n2.t1", None), Step::Serve { server: 0 });
    assert_eq!(sticky(&seen, "A-n1.t1", Some(&record("s1", "A-n2.t1", true))), Step::Serve { server: 0 });
    seen.nodes[0] = NodeView { up: true, changed: Some(seen.at), moved: true };
    assert_eq!(sticky(&seen, "A-n1.t1", None), gate);
    seen.nodes[0].changed = Some(seen.at - A_MINUTE);
    assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Serve { server: 0 });
}

#[test]
fn with_no_node_left_the_owner_is_all_there_is() {
    let mut seen = seen();
    seen.nodes.iter_mut().for_each(|node| node.up = false);
    assert_eq!(sticky(&seen, "A-n1.t1", None), Step::Serve { server: 0 });
}

#[test]
fn non_sticky_only_the_node_matters() {
    let mut seen = seen();
    let of = |seen: &Seen, record: Option<&Record>| decide(seen, Mode::NonSticky, "A-n1.t1", record);
    assert_eq!(of(&seen, None), Step::Serve { server: 0 });
    seen.views[0].restarted = Some(Instant::now());
    seen.views[0].moved = true;
    assert_eq!(of(&seen, None), Step::Serve { server: 0 });
    seen.views[0].state = State::Dead;
    assert!(matches!(of(&seen, None), Step::Serve { server: 1 | 2 }));
    seen.nodes[0].up = false;
    assert!(matches!(of(&seen, None), Step::Gate { server: 1 | 2, cause: Cause::Node }));
    assert_eq!(of(&seen, Some(&record("s3", "A-n1.t1", false))), Step::Join { server: 2 });
    assert_eq!(of(&seen, Some(&record("s3", "A-n2.t1", true))), Step::Serve { server: 2 });
    seen.views.iter_mut().for_each(|view| view.state = State::Suspect);
    assert_eq!(of(&seen, None), Step::Watch);
}

#[test]
fn non_sticky_the_route_is_a_preference() {
    let mut seen = seen();
    let id = Named::parse("A-n1.t2").unwrap();
    assert_eq!(preference(&seen, &id)[0], 1);
    assert_eq!(preference(&seen, &id).len(), 3);
    seen.views[1].draining = true;
    assert_eq!(preference(&seen, &id).last(), Some(&1));
}
