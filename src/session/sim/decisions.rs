//! What becomes of one request, case by case.

use super::Clients;
use super::cluster::{Cluster, asked};
use crate::memcached::{Key, Life};
use crate::session::affinity::{Affinity, Answered, To, Way};
use crate::session::takeover::{Cause, Context, Lost, Mode, SetCookie, Settings, State, Why};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(5);

async fn resolve(cluster: &Cluster, edge: usize, cookie: &str) -> Way {
    cluster.edges[edge].affinity.resolve(&asked(cookie)).await
}

async fn to(cluster: &Cluster, edge: usize, cookie: &str) -> To {
    match resolve(cluster, edge, cookie).await {
        Way::To(to) => to,
        _ => panic!("{cookie} has a server"),
    }
}

async fn order(cluster: &Cluster, edge: usize, cookie: &str) -> Vec<usize> {
    match resolve(cluster, edge, cookie).await {
        Way::Prefer(order) => order,
        _ => panic!("{cookie} is bound to no server"),
    }
}

async fn one_client(cluster: &Cluster) -> String {
    Clients::of(cluster, 0, 1).await.0[0].first.clone()
}

fn form_login() -> Settings {
    let context = Context { form_login: true, ..Context::new("/") };
    Settings { contexts: vec![context], lease: Duration::from_secs(2), ..Settings::new("web") }
}

#[tokio::test]
async fn a_request_without_a_session_is_free() {
    let cluster = Cluster::start(2, 1, 1);
    for cookie in ["", "a b", "a\r\nflush_all"] {
        assert!(matches!(resolve(&cluster, 0, cookie).await, Way::Free));
    }
}

#[tokio::test]
async fn an_id_without_a_route_goes_the_same_way_at_all_edges() {
    let cluster = Cluster::start(3, 1, 2);
    for base in 0..20 {
        let cookie = format!("BASE{base}-n1");
        assert_eq!(order(&cluster, 0, &cookie).await, order(&cluster, 1, &cookie).await);
    }
}

#[tokio::test]
async fn an_id_that_nobody_knows_is_balanced_and_looked_for_once_a_second() {
    let cluster = Cluster::start(3, 1, 2);
    cluster.kill(0);
    let first = order(&cluster, 0, "NOBODY-n1.t1").await;
    assert_eq!(first, order(&cluster, 1, "NOBODY-n1.t1").await);
    order(&cluster, 0, "NOBODY-n1.t1").await;
    assert_eq!(cluster.edges[0].affinity.counts().lost(Lost::NoKey), 1);
    assert_eq!(order(&cluster, 0, "NOBODY-n1.t9").await.len(), 2);
}

#[tokio::test]
async fn a_session_of_a_server_that_was_removed_is_taken_over() {
    let cluster = Cluster::start(2, 1, 1);
    let old = "A1-n1.gone";
    let value = super::tomcat::write(old, &[7]);
    cluster.nodes[0].add(&Key::checked(old.to_owned()).unwrap(), &value, Life::FOREVER).await.unwrap();
    assert_eq!(cluster.edges[0].send(old, None).await.unwrap().tokens, [7]);
    assert_eq!(cluster.edges[0].affinity.counts().takeover(Cause::UnknownRoute), 1);
}

#[tokio::test]
async fn the_quick_answer_is_given_only_while_nothing_has_happened() {
    let cluster = Cluster::start(2, 1, 1);
    let cookie = one_client(&cluster).await;
    let affinity = &cluster.edges[0].affinity;
    assert_eq!(affinity.quick(&asked(&cookie)), Some(0));
    cluster.tell(0, |view| view.draining = true);
    assert_eq!(affinity.quick(&asked(&cookie)), Some(0));
    cluster.kill(0);
    assert_eq!(affinity.quick(&asked(&cookie)), None);
    cluster.restart(0);
    assert_eq!(affinity.quick(&asked(&cookie)), None);
    assert_eq!(to(&cluster, 0, &cookie).await.server, 0);
    assert_eq!(affinity.quick(&asked(&cookie)), Some(0), "it was asked since");
    assert_eq!(affinity.counts().takeover(Cause::Restarted), 1);
    // Under other settings of a reload that is known still, unless they mean other servers or sessions.
    let after = |settings: Settings, stays: bool| {
        let edge = &cluster.edges[0];
        let after = Affinity::after(affinity, settings, cluster.nodes.clone(), edge.eyes.clone(), stays);
        assert_eq!(after.counts().takeover(Cause::Restarted), 1, "what was counted goes on in any case");
        after.quick(&asked(&cookie))
    };
    let slower = Settings { takeover_wait: Duration::from_secs(9), ..Settings::new("web") };
    assert_eq!(after(slower.clone(), true), Some(0));
    assert_eq!(after(slower, false), None);
    assert_eq!(after(form_login(), true), None);
}

#[tokio::test]
async fn a_session_made_after_the_restart_needs_no_gate() {
    let cluster = Cluster::start(2, 1, 1);
    cluster.kill(0);
    cluster.restart(0);
    let cookie = one_client(&cluster).await;
    cluster.edges[0].affinity.made("/count", 0, &cookie);
    assert_eq!(cluster.edges[0].affinity.quick(&asked(&cookie)), Some(0));
}

#[tokio::test]
async fn a_suspect_owner_is_waited_for_and_keeps_its_session() {
    let cluster = Cluster::start(2, 1, 1);
    let cookie = one_client(&cluster).await;
    cluster.tell(0, |view| view.state = State::Suspect);
    let back = async {
        sleep(Duration::from_millis(60)).await;
        cluster.tell(0, |view| view.state = State::Up);
    };
    let (way, ()) = tokio::join!(to(&cluster, 0, &cookie), back);
    assert_eq!((way.server, way.id), (0, None));
}

#[tokio::test]
async fn who_waits_too_long_is_turned_away_and_never_sent_elsewhere() {
    let settings = Settings { takeover_wait: Duration::from_millis(200), ..Settings::new("web") };
    let cluster = Cluster::start_with(2, 1, 1, settings.clone());
    let cookie = one_client(&cluster).await;
    cluster.tell(0, |view| view.state = State::Suspect);
    let way = resolve(&cluster, 0, &cookie).await;
    assert!(matches!(way, Way::Unavailable { why: Why::Suspect, .. }));
    assert_eq!(cluster.edges[0].affinity.counts().wait_expired.load(Relaxed), 1);
    cluster.tell(0, |view| view.state = State::Dead);
    cluster.tell(1, |view| view.state = State::Dead);
    assert!(matches!(resolve(&cluster, 0, &cookie).await, Way::Unavailable { why: Why::NoServer, .. }));

    let cluster = Cluster::start_with(2, 1, 1, Settings { proceed: true, ..settings });
    cluster.tell(0, |view| view.state = State::Suspect);
    assert_eq!(order(&cluster, 0, &cookie).await, [1]);
}

#[tokio::test]
async fn without_memcached_an_edge_goes_on_alone_and_says_so() {
    let cluster = Cluster::start(3, 1, 1);
    let clients = Clients::of(&cluster, 0, 20).await;
    // The edge does not reach it, the Tomcats do.
    cluster.edges[0].eyes.set_node(0, false);
    cluster.kill(0);
    clients.burst(&cluster, 6, false).await;
    clients.nothing_is_lost(&cluster).await;
    assert_eq!(cluster.edges[0].affinity.counts().unarbitrated.load(Relaxed), 20);
}

#[tokio::test]
async fn garbage_in_the_place_of_a_record_is_counted_and_written_over() {
    let cluster = Cluster::start(2, 1, 1);
    let cookie = one_client(&cluster).await;
    let key = Key::own("s", &["web", "/", super::base(&cookie)]);
    cluster.nodes[0].add(&key, b"\x01", Life::FOREVER).await.unwrap();
    cluster.kill(0);
    assert_eq!(to(&cluster, 0, &cookie).await.server, 1);
    assert!(cluster.edges[0].affinity.counts().garbage.load(Relaxed) >= 1);
}

#[tokio::test]
async fn a_client_that_leaves_stops_nothing() {
    let cluster = Cluster::start(2, 1, 1);
    let cookie = one_client(&cluster).await;
    cluster.tomcats[1].slow_take.store(100, Relaxed);
    cluster.kill(0);
    assert!(timeout(Duration::from_millis(50), resolve(&cluster, 0, &cookie)).await.is_err());
    let begun = Instant::now();
    while cluster.edges[0].affinity.quick(&asked(&cookie.replace(".t1", ".t2"))).is_none() {
        assert!(begun.elapsed() < SOON, "it is taken over all the same");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cluster.edges[0].affinity.counts().takeover(Cause::Died), 1);
}

#[tokio::test]
async fn a_gate_that_was_not_sent_lets_the_next_one_go_first_at_once() {
    let cluster = Cluster::start_with(2, 1, 1, form_login());
    let cookie = one_client(&cluster).await;
    cluster.kill(0);
    let first = to(&cluster, 0, &cookie).await;
    first.gate.expect("no probe may be sent").unsent().await;
    let begun = Instant::now();
    assert!(to(&cluster, 0, &cookie).await.gate.is_some());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_gate_that_was_dropped_holds_the_others_until_its_lease_runs_out() {
    let cluster = Cluster::start_with(2, 1, 2, form_login());
    let cookie = one_client(&cluster).await;
    cluster.kill(0);
    drop(to(&cluster, 0, &cookie).await.gate.expect("no probe may be sent"));
    let begun = Instant::now();
    assert!(to(&cluster, 1, &cookie).await.gate.is_some());
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_held_gate_is_renewed_and_the_others_follow_it() {
    let cluster = Cluster::start_with(2, 1, 2, form_login());
    let cookie = one_client(&cluster).await;
    cluster.kill(0);
    let gate = to(&cluster, 0, &cookie).await.gate.expect("no probe may be sent");
    let waiting = to(&cluster, 1, &cookie);
    let answering = async {
        // Longer than the lease would live.
        sleep(Duration::from_millis(3500)).await;
        let id = cookie.replace(".t1", ".t2");
        gate.finish(Some(SetCookie { line: format!("JSESSIONID={id}"), id })).await;
    };
    let (way, ()) = tokio::join!(waiting, answering);
    assert!(way.gate.is_none());
    assert_eq!(way.id.as_deref(), Some(&*cookie.replace(".t1", ".t2")));
    assert!(way.set_cookie.is_some());
}

#[tokio::test]
async fn after_a_login_no_answer_brings_the_old_cookie_back() {
    let cluster = Cluster::start(2, 1, 2);
    let cookie = one_client(&cluster).await;
    cluster.kill(0);
    let late = to(&cluster, 0, &cookie).await;
    assert!(late.set_cookie.is_some());
    let login = to(&cluster, 0, &cookie).await;
    let new = SetCookie { line: "JSESSIONID=FF-n1.t2".to_owned(), id: "FF-n1.t2".to_owned() };
    let affinity = &cluster.edges[0].affinity;
    let answered = affinity.answered(&asked(&cookie), &login, Some(&new)).await;
    assert!(matches!(answered, Answered::Pass { set_cookie: None }));
    assert_eq!(affinity.counts().rotated.load(Relaxed), 1);
    let answered = affinity.answered(&asked(&cookie), &late, None).await;
    assert!(matches!(answered, Answered::Pass { set_cookie: None }));
    // Nor at an edge that has not seen it.
    assert!(to(&cluster, 1, &cookie).await.set_cookie.is_none());
}

#[tokio::test]
async fn a_session_that_got_another_node_is_found_by_the_old_id_at_every_edge() {
    let cluster = Cluster::start(2, 2, 2);
    let cookie = one_client(&cluster).await;
    let first = to(&cluster, 0, &cookie).await;
    let id = cookie.replace("-n1.", "-n2.");
    let new = SetCookie { line: format!("JSESSIONID={id}"), id: id.clone() };
    cluster.edges[0].affinity.answered(&asked(&cookie), &first, Some(&new)).await;
    for edge in 0..2 {
        let way = to(&cluster, edge, &cookie).await;
        assert_eq!((way.server, way.id.as_deref()), (0, Some(&*id)), "edge {edge}");
    }
}

#[tokio::test]
async fn non_sticky_a_servers_death_holds_nobody_up() {
    let settings = Settings { mode: Mode::NonSticky, ..Settings::new("web") };
    let cluster = Cluster::start_with(3, 1, 1, settings);
    let way = to(&cluster, 0, "A-n1.t1").await;
    assert_eq!((way.server, way.others.len()), (0, 2));
    cluster.kill(0);
    let way = to(&cluster, 0, "A-n1.t1").await;
    assert!(way.server != 0 && way.id.is_none() && way.others.len() == 1);
    assert_eq!(cluster.edges[0].affinity.counts().takeover(Cause::Died), 0);
}

#[tokio::test]
async fn non_sticky_a_dead_node_gives_a_session_one_new_id() {
    let settings = Settings { mode: Mode::NonSticky, ..Settings::new("web") };
    let mut cluster = Cluster::start_with(1, 2, 2, settings);
    let cookie = one_client(&cluster).await;
    cluster.kill_node(0);
    cluster.tomcats[0].believes[0].store(false, Relaxed);
    let (one, other) = tokio::join!(to(&cluster, 0, &cookie), to(&cluster, 1, &cookie));
    let id = cookie.replace("-n1.", "-n2.");
    assert_eq!((one.id.as_deref(), other.id.as_deref()), (Some(&*id), Some(&*id)));
}

#[tokio::test]
async fn serialized_requests_of_a_session_run_one_after_the_other_at_all_edges() {
    let settings = Settings { mode: Mode::NonSticky, serialize: true, ..Settings::new("web") };
    let cluster = Cluster::start_with(2, 1, 2, settings);
    for edge in 0..2 {
        let first = to(&cluster, 0, "A-n1.t1").await;
        assert!(first.turn.is_some());
        let other = to(&cluster, 0, "B-n1.t1").await;
        let mut second = Box::pin(to(&cluster, edge, "A-n1.t1"));
        assert!(timeout(Duration::from_millis(100), &mut second).await.is_err());
        drop((first, other));
        assert!(timeout(SOON, second).await.unwrap().turn.is_some());
    }
}
