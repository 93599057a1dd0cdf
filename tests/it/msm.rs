//! The stand-in for a Tomcat with memcached-session-manager, held to what the real one was recorded to do.
//!
//! `recordings/` are scenarios of Tomcat 9.0.70 with MSM 2.3.2 (Java serializer) and memcached 1.6.18. Each is replayed
//! against stand-ins, which are processes, with real memcacheds: the same requests, and compared are status, Set-Cookie,
//! what the page tells (counter, whether the session is new, whether the id was valid), the commands each node was given
//! (in order, with key, flags, exptime and length), and the keys afterwards with the header fields of their values. Ids are
//! compared by which session they belong to. Left out: pings (`get ping-n1`), which depend on the second; a command said
//! twice in a row, which is somebody waiting for a lock; a value's length where it holds a saved request.
//!
//! Not replayed: the burst of `c4`, whose outcome is chance (`races.rs` has it, and the other measured losses); what comes
//! after the death of a lock's holder in `e2`, whose number of tries depends on the moment (`life.rs` has the death); the
//! binary protocol, which the stand-in does not speak; probes by an edge that touches or patches keys.
//!
//! The scenarios that wait for something to expire take a minute: `EDGE_TEST_LONG=1`.

mod life;
mod races;
mod recording;
mod replay;

use crate::support::is_long;
use replay::Do::*;
use replay::Replay;

fn replay(name: &str) -> Replay {
    Replay::of(name)
}

#[test]
fn a_new_session_and_what_is_saved_of_it() {
    replay("sticky_a_b_new_and_second_request").run();
}

#[test]
fn an_id_without_its_session_or_of_an_odd_form_finds_nothing() {
    replay("sticky_unknown_and_malformed_ids").run();
}

#[test]
fn an_id_in_the_path() {
    replay("sticky_url_encoded_session_id").run();
}

#[test]
fn a_killed_tomcats_session_is_taken_over_by_the_first_that_is_asked() {
    replay("sticky_c_tomcat_killed").before("t1 killed", &[Kill("t1")]).run();
}

#[test]
fn a_request_that_does_not_use_the_session_takes_it_over_too() {
    replay("sticky_c2_touch_only_after_failover").before("request not using", &[Kill("t2")]).run();
}

#[test]
fn an_ignored_request_leaves_the_session_where_it_is() {
    replay("sticky_c3_static_first_after_failover").before("ignored static", &[Kill("t1")]).run();
}

#[test]
fn a_graceful_stop_leaves_the_keys_and_a_restarted_tomcat_knows_nothing() {
    replay("sticky_c5_graceful_stop")
        .before("dump only", &[Terminate("t1")])
        .before("t1 back; old t1 cookie to t1", &[Restart("t1")])
        .run();
}

#[test]
fn a_killed_memcacheds_sessions_move_to_another_and_their_old_ids_are_lost() {
    replay("sticky_d_memcached_killed")
        .before("n1 killed, request 1", &[KillNode(1), WaitASecond])
        .before("n1 restarted", &[RestartNode(1)])
        .run();
    replay("sticky_d1_memcached_killed_readonly").before("read only 1", &[KillNode(1), WaitASecond]).run();
}

#[test]
fn a_memcached_that_hangs_costs_one_request_a_second() {
    replay("sticky_d2_memcached_hangs")
        .without_memcached_in_the_first(2)
        .before("n1 hanging, request 1", &[FreezeNode(1), WaitASecond])
        .before("n1 resumed", &[ThawNode(1)])
        .run();
}

#[test]
fn with_its_tomcat_and_its_memcached_dead_a_sticky_session_is_lost() {
    replay("sticky_d3_memcached_and_tomcat_dead").before("to t2", &[Kill("t1"), KillNode(1)]).run();
}

#[test]
fn failover_nodes_change_node_and_route() {
    replay("sticky_d4_failoverNodes")
        .before("t1 killed", &[Kill("t1")])
        .before("n1 killed", &[KillNode(1), WaitASecond])
        .run();
}

#[test]
fn a_single_node_without_a_name_is_in_no_id() {
    replay("sticky_e8_single_node_without_id").before("t1 killed", &[Kill("t1")]).run();
    replay("nonsticky_e8_single_node_without_id").run();
    replay("nonsticky_e8_single_node_with_id").run();
}

#[test]
fn an_invalidated_session_is_gone() {
    replay("sticky_f_invalidate").run();
}

#[test]
fn a_key_lives_six_seconds_less_than_its_session() {
    for name in ["sticky_g2_ttl_negative", "sticky_g2b_ttl_zero", "sticky_g2c_ttl_never", "sticky_g2d_ttl_gt_30days"] {
        replay(name).run();
    }
}

#[test]
fn a_session_that_is_only_read_loses_its_key_before_its_time() {
    if !is_long() {
        return;
    }
    replay("sticky_g_expired")
        .before("1s", &[WaitASecond])
        .before("7 s idle", &[Wait(7)])
        .before("13 s idle", &[Wait(13)])
        .before("dump after 40 s", &[Wait(7)])
        .run();
    replay("sticky_g3_ttl_refresh_readonly_ctxdelay_default").before("read-only at", &[Wait(3)]).run();
    replay("sticky_g3_ttl_refresh_readonly_ctxdelay_1").before("read-only at", &[Wait(3)]).run();
}

#[test]
fn a_login_changes_base_and_node() {
    replay("sticky_login_session_id_rotation").run();
}

#[test]
fn a_form_login_is_saved_when_it_is_complete_and_not_before() {
    replay("sticky_x_form_login").before("t1 killed", &[Kill("t1")]).run();
    replay("sticky_x_form_login_then_failover").before("t1 killed", &[Kill("t1")]).without_lengths().run();
}

#[test]
fn an_asynchronous_backup_comes_after_the_answer() {
    replay("sticky_x_async_backup").run();
}

#[test]
fn a_session_that_is_too_large_takes_its_nodes_for_dead() {
    replay("sticky_x_session_larger_than_item_limit").run();
}

#[test]
fn a_frozen_tomcat_goes_on_with_its_own_copy() {
    replay("sticky_z_zombie_tomcat").before("to t2", &[Freeze("t1")]).before("t1 resumed", &[Thaw("t1")]).run();
}

#[test]
fn non_sticky_sessions_are_loaded_and_stored_by_each_request() {
    replay("nonsticky_e1_basic_locking_none").run();
}

#[test]
fn a_locked_session_is_waited_for_and_then_used_without_the_lock() {
    replay("nonsticky_e2_locking_all_with_jvmRoute")
        .before("dump 0.5 s into", &[Slow("t1"), WaitForLock])
        .before("after", &[SlowEnds])
        .until("t1 killed while holding the lock")
        .run();
}

#[test]
fn locking_by_what_was_seen_and_by_a_pattern() {
    replay("nonsticky_e3_locking_auto").run();
    replay("nonsticky_e3_locking_uriPattern").run();
}

#[test]
fn a_dead_nodes_non_sticky_sessions_come_from_their_second_copies_again_and_again() {
    replay("nonsticky_e4_memcached_n1_killed")
        .before("n1 killed, read-only", &[KillNode(1), WaitASecond])
        .before("n1 back (empty)", &[RestartNode(1)])
        .run();
}

#[test]
fn an_expired_non_sticky_session_is_deleted_everywhere() {
    if !is_long() {
        return;
    }
    replay("nonsticky_e5_expiry")
        .before("3 s idle", &[Wait(3)])
        .before("4 s idle", &[Wait(4)])
        .before("7 s idle", &[Wait(7)])
        .run();
}

#[test]
fn second_copies_lie_on_the_next_node_that_is_there() {
    replay("nonsticky_e7_three_nodes_backup_placement").before("n2 (backup node)", &[KillNode(2), WaitASecond]).run();
}

#[test]
fn a_prefix_stands_in_keys_where_msm_has_it_and_one_with_a_dot_breaks_everything() {
    for (at, prefix) in ["shop", "localhost:/app", "49960de5:f53b52ad:001", "001", "1.0.1", "my-app"].iter().enumerate()
    {
        replay(&format!("nonsticky_e9_storageKeyPrefix_{at}")).with(&["--storage-key-prefix", prefix]).run();
    }
}
