//! The rules of choosing that hold for every method, and what survives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::names::{Lookup, Names};
use super::retry::Failure;
use super::*;

/// One upstream, apart from everything.
pub(super) fn upstream_of(balance: Balance, servers: Vec<ServerSettings>) -> Arc<Upstream> {
    let settings = UpstreamSettings { balance, servers, ..UpstreamSettings::new("web") };
    Upstreams::new(NamesSettings::default()).apply(&[settings], Instant::now()).get("web").unwrap().clone()
}

pub(super) fn success() -> Outcome {
    Outcome::Success { header_time: Duration::from_millis(1), response_time: Duration::from_millis(2) }
}

fn want(now: Instant, tried: &Tried) -> Want<'_> {
    Want { now, client_ip: None, key: b"k", tried, wish: Wish::Any }
}

fn servers(n: u16) -> Vec<ServerSettings> {
    (1..=n).map(|port| ServerSettings::new(format!("127.0.0.1:{port}"))).collect()
}

fn fail(upstream: &Upstream, index: usize, now: Instant) {
    let tried = Tried::default();
    loop {
        let chosen = upstream.choose(&want(now, &tried)).unwrap();
        if chosen.index == index {
            return chosen.report(Outcome::Failure(Failure::Error), now);
        }
    }
}

#[test]
fn when_all_have_failed_the_oldest_failure_is_tried_first() {
    let upstream = upstream_of(Balance::RoundRobin, servers(3));
    let start = Instant::now();
    let after = |ms| start + Duration::from_millis(ms);
    for (ms, index) in [(0, 1), (10, 2), (20, 0)] {
        fail(&upstream, index, after(ms));
    }
    let mut tried = Tried::default();
    let first = upstream.choose(&want(after(30), &tried)).unwrap();
    assert!((first.index, first.last_resort) == (1, true));
    first.report(Outcome::Failure(Failure::Error), after(30));
    tried.add(&first);
    assert!(upstream.choose(&want(after(30), &tried)).is_none(), "a request asks one of the dead, not each");
    assert_eq!(upstream.left(&want(after(30), &tried)), 0);
    let second = upstream.choose(&want(after(31), &Tried::default())).unwrap();
    assert_eq!(second.index, 2, "now this failure is the oldest");
    second.report(success(), after(32));
    let third = upstream.choose(&want(after(33), &Tried::default())).unwrap();
    assert!((third.index, third.last_resort) == (2, false), "it answered and is back");
}

#[test]
fn a_failed_backup_is_a_last_resort_too() {
    let mut two = servers(2);
    two[1].backup = true;
    let upstream = upstream_of(Balance::RoundRobin, two);
    let start = Instant::now();
    fail(&upstream, 0, start + Duration::from_millis(5));
    fail(&upstream, 1, start + Duration::from_millis(1));
    let chosen = upstream.choose(&want(start + Duration::from_millis(9), &Tried::default())).unwrap();
    assert!((chosen.index, chosen.last_resort) == (1, true));
}

#[test]
fn the_last_resort_is_neither_down_nor_draining_nor_full() {
    let mut three = servers(4);
    three[0].down = true;
    three[1].drain = true;
    three[2].max_conns = 1;
    let upstream = upstream_of(Balance::RoundRobin, three);
    let now = Instant::now();
    let held = loop {
        let chosen = upstream.choose(&want(now, &Tried::default())).unwrap();
        if chosen.index == 2 {
            break chosen;
        }
    };
    fail(&upstream, 3, now);
    held.report(Outcome::Failure(Failure::Error), now);
    for _ in 0..3 {
        assert_eq!(upstream.choose(&want(now, &Tried::default())).unwrap().index, 3);
    }
    drop(held);
}

#[test]
fn a_lone_server_is_never_marked_as_failed() {
    let upstream = upstream_of(Balance::RoundRobin, servers(1));
    let now = Instant::now();
    for _ in 0..5 {
        let chosen = upstream.choose(&want(now, &Tried::default())).unwrap();
        assert!(!chosen.last_resort);
        chosen.report(Outcome::Failure(Failure::Timeout), now);
    }
    let peers = upstream.peers();
    let server = &peers.iter().next().unwrap().server;
    assert_eq!((server.requests(), server.failures()), (5, 5));
    assert_eq!(server.last_error().unwrap().reason, "timeout");
}

#[test]
fn failures_of_requests_under_way_together_take_no_more_than_the_whole_weight() {
    let mut two = servers(2);
    two[0].weight = 4;
    let upstream = upstream_of(Balance::RoundRobin, two);
    let now = Instant::now();
    let together: Vec<Chosen> = (0..5).map(|_| upstream.choose(&want(now, &Tried::default())).unwrap()).collect();
    for chosen in together.iter().filter(|chosen| chosen.index == 0) {
        chosen.report(Outcome::Failure(Failure::Error), now);
    }
    let server = upstream.peers().iter().next().unwrap().server.clone();
    assert_eq!((server.failures(), server.effective.load(std::sync::atomic::Ordering::Relaxed)), (4, 0));
}

#[test]
fn a_failed_server_is_probed_by_one_request_per_fail_timeout() {
    let upstream = upstream_of(Balance::RoundRobin, servers(2));
    let start = Instant::now();
    fail(&upstream, 0, start);
    let later = start + Duration::from_millis(10_001);
    let picks: Vec<usize> = (0..6).map(|_| upstream.choose(&want(later, &Tried::default())).unwrap().index).collect();
    assert_eq!(picks.iter().filter(|index| **index == 0).count(), 1, "{picks:?}");
}

#[test]
fn a_full_server_is_passed_over_until_a_request_ends() {
    let mut two = servers(2);
    two.iter_mut().for_each(|server| server.max_conns = 2);
    let upstream = upstream_of(Balance::LeastConn, two);
    let now = Instant::now();
    let mut held: Vec<Chosen> = (0..4).map(|_| upstream.choose(&want(now, &Tried::default())).unwrap()).collect();
    assert!(upstream.choose(&want(now, &Tried::default())).is_none());
    let freed = held.pop().map(|chosen| chosen.index);
    assert_eq!(upstream.choose(&want(now, &Tried::default())).map(|chosen| chosen.index), freed);
}

#[test]
fn a_bound_request_goes_to_its_server_and_to_no_other() {
    let mut three = servers(3);
    three[1].drain = true;
    let upstream = upstream_of(Balance::RoundRobin, three);
    let now = Instant::now();
    let mut tried = Tried::default();
    let bound = |tried: &Tried| upstream.choose(&Want { wish: Wish::Only(1), ..want(now, tried) }).unwrap();
    for _ in 0..3 {
        let chosen = bound(&tried);
        assert!(chosen.bound && chosen.index == 1, "draining and failing it still has its sessions");
        chosen.report(Outcome::Failure(Failure::Timeout), now);
    }
    for _ in 0..9 {
        assert_ne!(upstream.choose(&want(now, &tried)).unwrap().index, 1, "but no new ones");
    }
    tried.add(&bound(&tried));
    assert!(bound(&tried).bound, "whoever binds a request decides how often it is tried");
    let stranger = Want { wish: Wish::Only(7), ..want(now, &tried) };
    assert!(upstream.choose(&stranger).is_none());
}

#[test]
fn a_session_without_a_server_goes_to_the_first_of_those_it_would_rather_have() {
    let upstream = upstream_of(Balance::RoundRobin, servers(3));
    let now = Instant::now();
    let rather = |places: &[usize], tried: &Tried| {
        upstream.choose(&Want { wish: Wish::Rather(places), ..want(now, tried) }).unwrap()
    };
    let mut tried = Tried::default();
    let first = rather(&[2, 0, 1], &tried);
    assert!(first.index == 2 && !first.bound);
    tried.add(&first);
    assert_eq!(rather(&[2, 0, 1], &tried).index, 0);
    let peers = upstream.peers();
    peers.iter().next().unwrap().server.set_health(Health::Down, now);
    assert_eq!(rather(&[2, 0, 1], &tried).index, 1);
    assert_ne!(rather(&[], &Tried::default()).index, 0, "with no wish left it is balanced");
}

#[test]
fn the_drain_switch_wins_over_the_configuration_and_survives_a_reload() {
    let upstreams = Upstreams::new(NamesSettings::default());
    let settings = UpstreamSettings { servers: servers(2), ..UpstreamSettings::new("web") };
    let now = Instant::now();
    let old = upstreams.apply(std::slice::from_ref(&settings), now);
    assert_eq!(old.get("web").unwrap().set_drain("127.0.0.1:1", DrainSwitch::Drain, now), 1);
    assert_eq!(old.get("web").unwrap().set_drain("127.0.0.1:9", DrainSwitch::Drain, now), 0);
    let new = upstreams.apply(&[settings], now);
    drop(old);
    let web = new.get("web").unwrap();
    assert!((0..6).all(|_| web.choose(&want(now, &Tried::default())).unwrap().index == 1));
    web.set_drain("127.0.0.1:1", DrainSwitch::AsConfigured, now);
    assert!((0..6).any(|_| web.choose(&want(now, &Tried::default())).unwrap().index == 0));
}

#[test]
fn a_reload_keeps_failures_turns_and_requests_in_flight() {
    let upstreams = Upstreams::new(NamesSettings::default());
    let settings = UpstreamSettings { servers: servers(3), ..UpstreamSettings::new("web") };
    let now = Instant::now();
    let old = upstreams.apply(std::slice::from_ref(&settings), now);
    fail(old.get("web").unwrap(), 0, now);
    let held = old.get("web").unwrap().choose(&want(now, &Tried::default())).unwrap();
    let mut fewer = settings.clone();
    fewer.servers.swap(0, 2);
    fewer.servers.push(ServerSettings::new("127.0.0.1:4"));
    let new = upstreams.apply(&[fewer], now);
    drop(old);
    let web = new.get("web").unwrap();
    assert!(
        (0..9).all(|_| web.choose(&want(now, &Tried::default())).unwrap().index != 2),
        "the failed one moved and is still known"
    );
    let busy = |web: &Upstream| web.peers().iter().map(|peer| peer.server.in_flight()).sum::<usize>();
    assert_eq!(busy(web), 1);
    drop(held);
    assert_eq!(busy(web), 0);
}

#[test]
fn a_reload_without_changes_does_not_begin_the_round_anew() {
    let upstreams = Upstreams::new(NamesSettings::default());
    let settings = UpstreamSettings { servers: servers(3), ..UpstreamSettings::new("web") };
    let now = Instant::now();
    let mut table = upstreams.apply(std::slice::from_ref(&settings), now);
    let mut picks = Vec::new();
    for _ in 0..6 {
        picks.push(table.get("web").unwrap().choose(&want(now, &Tried::default())).unwrap().index);
        table = upstreams.apply(std::slice::from_ref(&settings), now);
    }
    assert_eq!(picks, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn who_comes_back_starts_slowly_where_the_method_allows_it() {
    for (balance, at_once) in [(Balance::RoundRobin, false), (Balance::LeastConn, false), (Balance::Random, true)] {
        let mut two = servers(2);
        two.iter_mut().for_each(|server| server.slow_start = Duration::from_secs(10));
        let upstream = upstream_of(balance, two);
        let start = Instant::now();
        let server = upstream.peers().iter().next().unwrap().server.clone();
        server.set_health(Health::Down, start);
        server.set_health(Health::Up, start);
        let share = |ms| {
            let now = start + Duration::from_millis(ms);
            (0..1000).filter(|_| upstream.choose(&want(now, &Tried::default())).unwrap().index == 0).count()
        };
        let (cold, half, warm) = (share(100), share(5000), share(10_000));
        if at_once {
            assert!(cold > 400, "{balance:?} {cold}");
        } else {
            assert!(
                cold < 20 && (300..360).contains(&half) && (499..=501).contains(&warm),
                "{balance:?} {cold} {half} {warm}"
            );
        }
    }
}

#[test]
fn a_server_that_recovers_from_failures_starts_slowly() {
    let mut two = servers(2);
    two[0].slow_start = Duration::from_secs(10);
    let upstream = upstream_of(Balance::RoundRobin, two);
    let start = Instant::now();
    fail(&upstream, 0, start);
    let back = start + Duration::from_secs(11);
    let probe = loop {
        let chosen = upstream.choose(&want(back, &Tried::default())).unwrap();
        if chosen.index == 0 {
            break chosen;
        }
    };
    probe.report(success(), back);
    let soon = back + Duration::from_millis(100);
    let picks = (0..100).filter(|_| upstream.choose(&want(soon, &Tried::default())).unwrap().index == 0).count();
    assert!(picks <= 3, "{picks}");
}

/// Answers each round with the next of these lists.
fn answers(rounds: &[&[&str]]) -> Lookup {
    let rounds: Vec<Vec<_>> = rounds.iter().map(|round| round.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    let rounds = Mutex::new(rounds.into_iter());
    Box::new(move |_| {
        let answer = locked(&rounds).next().unwrap_or_default();
        Box::pin(async { Ok(answer) })
    })
}

#[tokio::test]
async fn a_changed_answer_keeps_what_is_known_of_the_addresses_that_stay() {
    let lookup = answers(&[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3", "127.0.0.2"], &[]]);
    let upstreams = Upstreams::with_names(Names::with_lookup(NamesSettings::default(), lookup));
    let settings = UpstreamSettings { servers: vec![ServerSettings::new("app:80")], ..UpstreamSettings::new("web") };
    let now = Instant::now();
    let table = upstreams.apply(&[settings], now);
    let web = table.get("web").unwrap();
    let addresses = || web.peers().iter().map(|peer| peer.server.address().to_string()).collect::<Vec<_>>();
    assert_eq!(web.peers().unresolved, ["app:80"]);
    assert!(web.choose(&want(now, &Tried::default())).is_none(), "not resolved is down");
    assert!(upstreams.resolve().await.is_empty());
    assert_eq!(addresses(), ["127.0.0.1:80", "127.0.0.2:80"]);
    fail(web, 1, now);
    let mut tried = Tried::default();
    tried.add(&web.choose(&want(now, &tried)).unwrap());
    upstreams.resolve().await;
    assert_eq!(addresses(), ["127.0.0.2:80", "127.0.0.3:80"]);
    assert!(
        (0..4).all(|_| web.choose(&want(now, &tried)).unwrap().index == 1),
        "127.0.0.2 is still failed, 127.0.0.3 was not tried"
    );
    assert_eq!(upstreams.resolve().await[0].host, "app");
    assert_eq!(web.peers().unresolved, ["app:80"]);
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_for_again_and_again_and_at_once_after_a_reload() {
    let lookup = answers(&[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.3"], &["127.0.0.4"]]);
    let upstreams = Upstreams::with_names(Names::with_lookup(NamesSettings::default(), lookup));
    let settings = UpstreamSettings { servers: vec![ServerSettings::new("app:80")], ..UpstreamSettings::new("web") };
    let table = upstreams.apply(std::slice::from_ref(&settings), Instant::now());
    let task = tokio::spawn({
        let upstreams = Arc::clone(&upstreams);
        async move { upstreams.keep_resolving().await }
    });
    let now =
        || table.get("web").unwrap().peers().iter().map(|peer| peer.server.address().to_string()).collect::<String>();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(now(), "127.0.0.2:80", "a round at the start, and one because something was applied");
    tokio::time::sleep(Duration::from_secs(34)).await;
    assert_eq!(now(), "127.0.0.3:80", "and one per interval");
    let newer = upstreams.apply(&[settings], Instant::now());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(now(), "127.0.0.4:80", "the old table follows too");
    assert_eq!(newer.get("web").unwrap().peers().iter().count(), 1);
    task.abort();
}

fn any_balance() -> impl Strategy<Value = Balance> {
    prop_oneof![
        Just(Balance::RoundRobin),
        Just(Balance::LeastConn),
        Just(Balance::IpHash),
        Just(Balance::Hash),
        Just(Balance::ConsistentHash),
        Just(Balance::Random),
        Just(Balance::RandomTwo),
        Just(Balance::LeastTime(Until::Header)),
    ]
}

prop_compose! {
    fn any_server()(
        port in 1u16..20, weight in 1u32..9, max_fails in 0u32..3, max_conns in 0u32..4, slow in 0u64..20,
        (backup, down, drain) in (prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.2)),
    ) -> ServerSettings {
        ServerSettings {
            weight, max_fails, max_conns, backup, down, drain,
            slow_start: Duration::from_secs(slow),
            fail_timeout: Duration::from_secs(3),
            ..ServerSettings::new(format!("127.0.0.1:{port}"))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Requests come, fail, are retried and end in any order and at any time.
    #[test]
    fn whatever_happens_only_servers_that_may_be_chosen_are(
        balance in any_balance(),
        servers in prop::collection::vec(any_server(), 1..7),
        steps in prop::collection::vec((0u8..6, 0u64..2500, any::<u32>()), 1..80),
    ) {
        let upstream = upstream_of(balance, servers);
        let peers = upstream.peers();
        let mut now = Instant::now();
        let mut held: Vec<Chosen> = Vec::new();
        let mut tried = Tried::default();
        for (step, ms, ip) in steps {
            now += Duration::from_millis(ms);
            let key = ip.to_le_bytes();
            let client_ip = Some(std::net::IpAddr::from(key));
            let want = Want { now, client_ip, key: &key, tried: &tried, wish: Wish::Any };
            let stamp = super::state::stamp(now);
            let usable = peers.iter().filter(|peer| peer.is_usable(&tried, stamp)).count();
            let open = peers.iter().filter(|peer| peer.is_open(&tried)).count();
            let primary = peers.iter().any(|peer| !peer.settings.backup && peer.is_usable(&tried, stamp));
            let room: Vec<usize> = peers.iter().map(|peer| peer.server.in_flight()).collect();
            let left = upstream.left(&want);
            let Some(chosen) = upstream.choose(&want) else {
                prop_assert_eq!((usable, left), (0, 0));
                prop_assert!(open == 0 || !tried.is_empty());
                tried = Tried::default();
                held.pop();
                continue;
            };
            let settings = chosen.settings();
            prop_assert!(!settings.down && !settings.drain && !tried.contains(chosen.server().id()));
            prop_assert!(settings.max_conns == 0 || room[chosen.index] < settings.max_conns as usize);
            prop_assert_eq!(chosen.last_resort, usable == 0);
            prop_assert!(!(settings.backup && primary));
            prop_assert!(left > 0);
            match step {
                0 => chosen.report(success(), now),
                1 | 2 => {
                    chosen.report(Outcome::Failure(Failure::Error), now);
                    tried.add(&chosen);
                }
                3 => tried = Tried::default(),
                _ => held.push(chosen),
            }
        }
        held.clear();
        prop_assert!(peers.iter().all(|peer| peer.server.in_flight() == 0));
    }

    /// Over one full turn each server gets exactly its weight, and never two turns' worth in one.
    #[test]
    fn round_robin_gives_each_exactly_its_weight(weights in prop::collection::vec(1u32..12, 2..6)) {
        let mut all = servers(weights.len() as u16);
        all.iter_mut().zip(&weights).for_each(|(server, weight)| server.weight = *weight);
        let upstream = upstream_of(Balance::RoundRobin, all);
        let now = Instant::now();
        let tried = Tried::default();
        let mut counts = vec![0; weights.len()];
        for _ in 0..weights.iter().sum::<u32>() * 3 {
            counts[upstream.choose(&want(now, &tried)).unwrap().index] += 1;
        }
        prop_assert_eq!(counts, weights.iter().map(|weight| weight * 3).collect::<Vec<_>>());
    }
}

#[test]
fn threads_share_the_turns_evenly_and_leave_nothing_in_flight() {
    let upstream = upstream_of(Balance::RoundRobin, servers(4));
    let now = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    upstream.choose(&want(now, &Tried::default())).unwrap().report(success(), now);
                }
            });
        }
    });
    let peers = upstream.peers();
    assert!(peers.iter().all(|peer| peer.server.requests() == 1000 && peer.server.in_flight() == 0));
}

#[test]
fn a_bound_client_goes_to_its_server_while_that_takes_it() {
    let mut three = servers(3);
    three[0].drain = true;
    three[1].route = Some("t2".into());
    three[2].down = true;
    let upstream = upstream_of(Balance::RoundRobin, three);
    let (now, mut tried) = (Instant::now(), Tried::default());
    let to = |id: &str, tried: &Tried| {
        upstream.choose(&Want { wish: Wish::Bound(id.as_bytes()), ..want(now, tried) }).unwrap()
    };
    let stranger = to("nobody", &tried);
    assert_eq!((stranger.bound, &**stranger.id()), (false, "t2"));
    // What `printf 127.0.0.1:1 | md5sum` says.
    let draining = "9b5cdbb1c3e1a06da4bf0789b25fe38a";
    assert_eq!((to(draining, &tried).index, to(draining, &tried).bound), (0, true));
    let down = upstream.peers().iter().nth(2).unwrap().id.to_string();
    assert_eq!((to(&down, &tried).index, to(&down, &tried).bound), (1, false));
    tried.add(&to(draining, &tried));
    assert_eq!(to(draining, &tried).index, 1, "it was tried in vain");
}
