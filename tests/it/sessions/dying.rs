//! The owner of all sessions ends in each of the ways a server may end, and others with it.

use super::rig::{Plan, Rig, Stage};
use super::visitor::{AT_ONCE, Fate, Keeps};
use super::{MUCH, each};

#[test]
fn a_killed_owners_sessions_go_on_at_others() {
    each("owner killed", |plan| {
        let mut rig = Rig::start(&plan);
        rig.stage.servers[0].kill();
        rig.round();
        rig.round();
        rig.finish();
    });
}

#[test]
fn without_a_takeover_much_of_it_is_lost() {
    let plan = Plan { load_time: "40", ..Plan::of("owner killed, takeover: off", 2) };
    let mut rig = Rig::start(&plan.with_session(", takeover: off"));
    rig.stage.servers[0].kill();
    rig.round();
    let tally = rig.judge();
    let share = (tally.lost + tally.new_empty) as f64 / (rig.visitors.len() * AT_ONCE) as f64;
    assert!(share > MUCH, "{tally:?}");
}

#[test]
fn an_owner_that_was_restarted_at_once_finds_its_sessions() {
    each("owner killed and restarted at once", |plan| {
        let mut rig = Rig::start(&plan);
        rig.stage.servers[0].restart();
        rig.round();
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_owner_that_was_restarted_unseen_loads_each_session_once() {
    each("owner restarted unseen", |plan| {
        let mut rig = Rig::start(&plan);
        // Now each edge knows where the sessions are.
        rig.stage.servers[0].kill();
        rig.round();
        let unseen = |stage: &mut Stage, edges: std::ops::Range<usize>| {
            edges.clone().for_each(|edge| stage.places[edge].edge.signal(libc::SIGSTOP));
            stage.servers[1].restart();
            edges.for_each(|edge| stage.places[edge].edge.signal(libc::SIGCONT));
        };
        unseen(&mut rig.stage, 0..plan.edges);
        rig.round();
        // With others who have seen it.
        unseen(&mut rig.stage, 0..1);
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_owner_that_froze_and_goes_on_is_not_asked_with_its_old_copies() {
    each("owner frozen, resumed in the middle", |plan| {
        let mut rig = Rig::start(&plan);
        rig.stage.servers[0].freeze();
        // What was sent to it before anybody could know is in its hands.
        rig.round_while(Fate::MayBeCut, |_| ());
        rig.round_while(Fate::Answered, |stage| stage.servers[0].thaw());
        rig.stage.wait_seen(0, "up");
        rig.round();
        rig.finish();
    });
}

#[test]
fn a_terminated_owners_sessions_go_on_at_others() {
    each("owner terminated", |plan| {
        let mut rig = Rig::start(&plan);
        rig.round_while(Fate::MayBeCut, |stage| {
            stage.servers[0].terminate();
            stage.servers[0].wait_end();
        });
        rig.round();
        rig.finish();
    });
}

#[test]
fn the_server_that_is_taking_over_dies_as_well() {
    each("chosen server killed while taking", |plan| {
        let mut rig = Rig::start(&Plan { load_time: "40", ..plan });
        rig.stage.servers[0].kill();
        rig.round_while(Fate::MayBeCut, |stage| {
            stage.wait_taking(1);
            stage.servers[1].kill();
        });
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_edge_dies_while_it_is_taking_over() {
    each("edge killed while taking over", |plan| {
        let mut rig = Rig::start(&Plan { load_time: "40", ..plan });
        rig.stage.servers[0].kill();
        let edge = rig.edges()[0];
        rig.round_while(Fate::MayBeCutAt(edge), |stage| {
            stage.wait_taking(1);
            stage.places[0].edge.kill();
        });
        match rig.open.len() {
            1 => rig.stage.places[0].edge.restart(),
            _ => drop(rig.open.remove(0)),
        }
        rig.round();
        rig.finish();
    });
}

#[test]
fn a_cookie_of_long_ago_finds_its_session() {
    each("late old cookies", |plan| {
        let mut rig = Rig::start(&plan.keeping(Keeps::OldCookie));
        rig.stage.servers[0].kill();
        rig.round();
        rig.stage.servers[0].restart();
        rig.round();
        rig.stage.servers[1].kill();
        rig.round();
        rig.finish();
    });
}

#[test]
fn an_id_in_the_url_finds_its_session() {
    each("ids in URLs", |plan| {
        let mut rig = Rig::start(&plan.keeping(Keeps::Url).with_options(&["--no-cookies"]));
        rig.stage.servers[0].kill();
        rig.round();
        rig.stage.servers[0].restart();
        rig.round();
        rig.finish();
    });
}

#[test]
fn servers_are_restarted_one_after_the_other_twice() {
    each("two rolling restarts, drained", |plan| {
        let mut rig = Rig::start(&plan);
        for server in [0, 1, 2, 0, 1, 2] {
            rig.stage.operate("drain", server);
            rig.round_while(Fate::MayBeCut, |stage| {
                stage.servers[server].terminate();
                stage.servers[server].wait_end();
            });
            rig.round_while(Fate::Answered, |stage| stage.servers[server].restart());
            rig.stage.operate("up", server);
        }
        rig.round();
        rig.finish();
    });
}
