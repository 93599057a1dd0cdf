//! What may fail, one after the other.

use super::cluster::Cluster;
use super::{Clients, SESSIONS, UPDATES, begin};
use crate::session::takeover::{Cause, Context, Ignore, Settings, State};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_taking_over_updates_are_lost() {
    let settings = Settings { takeover: false, ..Settings::new("web") };
    let cluster = Cluster::start_with(3, 1, 2, settings);
    let clients = Clients::of(&cluster, 0, SESSIONS).await;
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, false).await;
    let tally = clients.tally(&cluster).await;
    assert!(tally.lost > SESSIONS, "the simulation has the races: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_dies_and_nothing_is_lost() {
    let (cluster, clients) = begin(3, 1, 3).await;
    clients.burst(&cluster, UPDATES, false).await;
    let counts = cluster.edges[0].affinity.counts();
    assert_eq!(counts.wait_time.read().count(), 0, "while the owner lives nobody waits");
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, false).await;
    let taken: u64 = cluster.edges.iter().map(|edge| edge.affinity.counts().takeover(Cause::Died)).sum();
    assert_eq!(taken, SESSIONS as u64, "once each");
    clients.burst(&cluster, UPDATES, false).await;
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_is_started_anew_and_nothing_is_lost() {
    let (cluster, clients) = begin(2, 1, 2).await;
    cluster.kill(0);
    cluster.restart(0);
    clients.burst(&cluster, UPDATES, false).await;
    clients.burst(&cluster, UPDATES, false).await;
    clients.are_served_and_kept(&cluster, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_die_one_after_the_other_and_come_back() {
    let cluster = Cluster::start(3, 1, 2);
    let clients = Clients::of(&cluster, 0, SESSIONS / 2).await;
    for round in 0..6 {
        let server = round % 3;
        cluster.kill(server);
        clients.burst(&cluster, UPDATES, round % 2 == 1).await;
        cluster.restart(server);
        clients.burst(&cluster, UPDATES, round % 2 == 0).await;
    }
    clients.are_served_and_kept(&cluster, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_chosen_server_dies_while_taking_and_nothing_is_lost() {
    let (cluster, clients) = begin(3, 1, 2).await;
    cluster.tomcats[1].slow_take.store(3000, SeqCst);
    cluster.kill(0);
    let dying = async {
        while cluster.tomcats[1].takes.load(SeqCst) < 10 {
            sleep(Duration::from_millis(1)).await;
        }
        cluster.kill(1);
    };
    tokio::join!(clients.burst(&cluster, UPDATES, false), dying);
    let put_back: u64 = cluster.edges.iter().map(|edge| edge.affinity.counts().put_back.load(Relaxed)).sum();
    assert!(put_back >= 10, "{put_back}");
    clients.are_served_and_kept(&cluster, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_chosen_server_freezes_while_taking_and_comes_back() {
    let (cluster, clients) = begin(3, 1, 2).await;
    cluster.tomcats[1].slow_take.store(100, SeqCst);
    cluster.kill(0);
    let freezing = async {
        while cluster.tomcats[1].takes.load(SeqCst) < 10 {
            sleep(Duration::from_millis(1)).await;
        }
        cluster.fence(1);
    };
    tokio::join!(clients.burst(&cluster, UPDATES, false), freezing);
    // It stores now what it had begun to take.
    cluster.thaw(1);
    clients.burst(&cluster, UPDATES, true).await;
    clients.burst(&cluster, UPDATES, false).await;
    clients.nothing_is_lost(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_dies_with_the_records_and_late_ids_still_find_their_session() {
    let (mut cluster, clients) = begin(3, 2, 2).await;
    // All go to the second server, whatever rendezvous will say later.
    cluster.tell(2, |view| view.state = State::Suspect);
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, false).await;
    cluster.tell(2, |view| view.state = State::Up);
    // One edge has seen nothing of it.
    let edge = cluster.edge();
    edge.eyes.set(0, |view| {
        view.state = State::Dead;
        view.instance += 1;
    });
    cluster.edges[1] = edge;
    cluster.kill_node(0);
    cluster.tomcats.iter().for_each(|tomcat| tomcat.believes[0].store(false, SeqCst));
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 2).await;
}

#[test]
fn an_edge_dies_while_taking_and_the_others_go_on() {
    let settings = Settings { lease: Duration::from_secs(2), ..Settings::new("web") };
    let build = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (dying, living) = (build(), build());
    let (cluster, clients) = living.block_on(async {
        let cluster = Cluster::start_with(3, 1, 3, settings);
        let clients = Clients::of(&cluster, 0, SESSIONS).await;
        (cluster, clients)
    });
    cluster.kill(0);
    cluster.tomcats.iter().for_each(|tomcat| tomcat.slow_take.store(300, SeqCst));
    for client in &clients.0 {
        let (edge, cookie) = (cluster.edges[2].clone(), client.first.clone());
        dying.spawn(async move { edge.send(&cookie, None).await });
    }
    living.block_on(async {
        while cluster.tomcats.iter().map(|tomcat| tomcat.takes.load(SeqCst)).sum::<u64>() < 20 {
            sleep(Duration::from_millis(1)).await;
        }
        dying.shutdown_background();
        cluster.tomcats.iter().for_each(|tomcat| tomcat.slow_take.store(0, SeqCst));
        clients.burst(&cluster, 2, false).await;
        assert_eq!(clients.failures().await, 0);
        clients.nothing_is_lost(&cluster).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_memcached_node_dies_while_the_owner_lives() {
    let (mut cluster, clients) = begin(2, 2, 2).await;
    clients.burst(&cluster, UPDATES, false).await;
    cluster.kill_node(0);
    // MSM needs a moment to notice.
    let tomcats = cluster.tomcats.clone();
    let noticing = async {
        sleep(Duration::from_millis(150)).await;
        tomcats.iter().for_each(|tomcat| tomcat.believes[0].store(false, SeqCst));
    };
    tokio::join!(clients.burst(&cluster, UPDATES, false), noticing);
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 3).await;
    // The owner dies afterwards: the other node has it all.
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn msm_notices_a_dead_node_before_the_edge_does() {
    let (mut cluster, clients) = begin(2, 2, 1).await;
    cluster.memcached[0] = None;
    cluster.tomcats.iter().for_each(|tomcat| tomcat.believes[0].store(false, SeqCst));
    let eyes = cluster.edges[0].eyes.clone();
    let noticing = async {
        sleep(Duration::from_millis(20)).await;
        eyes.set_node(0, false);
    };
    tokio::join!(clients.burst(&cluster, UPDATES, false), noticing);
    let tally = clients.tally(&cluster).await;
    // Whoever was told of a new session is sent again; the empty one stays behind.
    assert_eq!((tally.lost, tally.doubled, tally.new), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_are_evicted_and_the_sessions_keys_tell() {
    let (mut cluster, clients) = begin(3, 1, 2).await;
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, false).await;
    for client in &clients.0 {
        let key = crate::memcached::Key::own("s", &["web", "/", super::base(&client.first)]);
        cluster.nodes[0].delete(&key).await.unwrap();
    }
    // An edge that has seen nothing of it.
    let edge = cluster.edge();
    edge.eyes.set(0, |view| {
        view.state = State::Dead;
        view.instance += 1;
    });
    cluster.edges[1] = edge;
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn late_ids_find_their_session_after_the_old_owner_has_come_back() {
    let (mut cluster, clients) = begin(3, 1, 2).await;
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, false).await;
    cluster.restart(0);
    let edge = cluster.edge();
    edge.eyes.set(0, |view| {
        view.instance += 1;
        view.restarted = Some(std::time::Instant::now());
    });
    cluster.edges.push(edge);
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_that_was_fenced_comes_back_with_its_old_copies() {
    let (cluster, clients) = begin(2, 1, 2).await;
    cluster.fence(0);
    clients.burst(&cluster, UPDATES, false).await;
    cluster.thaw(0);
    clients.burst(&cluster, UPDATES, true).await;
    clients.burst(&cluster, UPDATES, false).await;
    clients.are_served_and_kept(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edges_see_a_death_one_after_the_other() {
    let (cluster, clients) = begin(4, 1, 3).await;
    cluster.tomcats[0].kill();
    let edges = cluster.edges.clone();
    // One of them also believes for a while that another server is suspect.
    edges[2].eyes.set(2, |view| view.state = State::Suspect);
    let seeing = async {
        for edge in &edges {
            sleep(Duration::from_millis(100)).await;
            edge.eyes.set(0, |view| {
                view.state = State::Dead;
                view.instance += 1;
            });
        }
        edges[2].eyes.set(2, |view| view.state = State::Up);
    };
    tokio::join!(clients.burst(&cluster, UPDATES, false), seeing);
    clients.are_served_and_kept(&cluster, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_no_probe_may_be_sent_a_request_of_the_clients_is_the_first() {
    let form = Context { form_login: true, ..Context::new("/") };
    let ignore = Some(Ignore::new(|text| text.starts_with("HEAD ")));
    let by_login = Settings { contexts: vec![form], ..Settings::new("web") };
    let by_pattern = Settings { ignore, ..Settings::new("web") };
    for settings in [by_login, by_pattern] {
        let cluster = Cluster::start_with(3, 1, 2, settings);
        let clients = Clients::of(&cluster, 0, SESSIONS).await;
        cluster.kill(0);
        clients.burst(&cluster, UPDATES, false).await;
        clients.burst(&cluster, UPDATES, true).await;
        clients.are_served_and_kept(&cluster, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_probe_that_is_not_answered_with_404_is_the_last_one() {
    let (cluster, clients) = begin(2, 1, 2).await;
    cluster.tomcats[1].probe_status.store(403, SeqCst);
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, false).await;
    clients.are_served_and_kept(&cluster, 1).await;
    let refused: u64 = cluster.edges.iter().map(|edge| edge.affinity.counts().probe_refused.load(Relaxed)).sum();
    assert!((1..=SESSIONS as u64).contains(&refused), "{refused}");
}
