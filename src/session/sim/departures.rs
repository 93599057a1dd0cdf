//! Sessions are moved off servers that live: nothing fails, nothing is lost.

use super::cluster::Cluster;
use super::{Clients, SESSIONS, UPDATES, begin};
use crate::memcached::Key;
use crate::session::takeover::{Cause, Context, Settings};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;
use tokio::time::sleep;

fn moved(cluster: &Cluster) -> u64 {
    cluster.edges.iter().map(|edge| edge.affinity.counts().takeover(Cause::Moved)).sum()
}

fn stayed(cluster: &Cluster) -> u64 {
    cluster.edges.iter().map(|edge| edge.affinity.counts().stayed.load(Relaxed)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_are_left_and_restarted_one_after_the_other_and_nothing_fails() {
    for edges in 1..=3 {
        let (cluster, clients) = begin(3, 1, edges).await;
        for server in [0, 1, 2, 0, 1, 2] {
            let leaving = async {
                cluster.move_off(server).await;
                // It stops at once: nobody is there whom it could fail.
                cluster.kill(server);
            };
            tokio::join!(clients.burst(&cluster, UPDATES, false), leaving);
            clients.burst(&cluster, UPDATES, server == 1).await;
            cluster.restart(server);
        }
        clients.are_served_and_kept(&cluster, 12).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_is_left_while_it_takes_sessions_over() {
    let (cluster, clients) = begin(3, 1, 2).await;
    cluster.tomcats[1].slow_take.store(50, SeqCst);
    cluster.kill(0);
    let leaving = async {
        while cluster.tomcats[1].takes.load(SeqCst) < 10 {
            sleep(Duration::from_millis(1)).await;
        }
        cluster.move_off(1).await;
        cluster.kill(1);
    };
    tokio::join!(clients.burst(&cluster, UPDATES, false), leaving);
    clients.burst(&cluster, UPDATES, false).await;
    clients.are_served_and_kept(&cluster, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_was_left_and_lives_gets_none_of_its_sessions_back() {
    let (cluster, clients) = begin(2, 1, 2).await;
    tokio::join!(clients.burst(&cluster, UPDATES, false), cluster.move_off(0));
    clients.burst(&cluster, UPDATES, true).await;
    assert_eq!(moved(&cluster), SESSIONS as u64, "once each");
    // With its old copies.
    tokio::join!(clients.burst(&cluster, UPDATES, true), cluster.take_back(0));
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_is_taken_back_when_half_of_its_sessions_have_gone() {
    let (cluster, clients) = begin(3, 1, 3).await;
    let to_and_fro = async {
        for _ in 0..3 {
            cluster.move_off(0).await;
            sleep(Duration::from_millis(10)).await;
            cluster.take_back(0).await;
        }
    };
    tokio::join!(clients.burst(&cluster, UPDATES, false), to_and_fro);
    clients.burst(&cluster, UPDATES, true).await;
    clients.burst(&cluster, UPDATES, false).await;
    clients.are_served_and_kept(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_would_not_go_where_an_old_copy_is() {
    let (cluster, clients) = begin(2, 1, 2).await;
    cluster.move_off(0).await;
    clients.burst(&cluster, UPDATES, false).await;
    cluster.take_back(0).await;
    // The first one has old copies of them all: they stay.
    tokio::join!(clients.burst(&cluster, UPDATES, false), cluster.move_off(1));
    clients.burst(&cluster, UPDATES, true).await;
    assert_eq!(stayed(&cluster), SESSIONS as u64);
    clients.are_served_and_kept(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_memcached_does_not_have_stay_until_their_server_ends() {
    let (cluster, clients) = begin(2, 1, 3).await;
    for client in &clients.0 {
        let key = Key::checked(client.first.clone()).unwrap();
        cluster.nodes[0].delete(&key).await.unwrap();
    }
    tokio::join!(clients.burst(&cluster, UPDATES, false), cluster.move_off(0));
    clients.burst(&cluster, UPDATES, false).await;
    // They were stored meanwhile, by one of the requests that went on there.
    cluster.kill(0);
    clients.burst(&cluster, UPDATES, true).await;
    clients.are_served_and_kept(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_memcached_dies_while_a_server_is_left() {
    let (mut cluster, clients) = begin(3, 2, 2).await;
    tokio::join!(clients.burst(&cluster, UPDATES, false), cluster.move_off(0));
    cluster.kill_node(0);
    cluster.tomcats.iter().for_each(|tomcat| tomcat.believes[0].store(false, SeqCst));
    clients.burst(&cluster, UPDATES, true).await;
    clients.burst(&cluster, UPDATES, false).await;
    clients.are_served_and_kept(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_no_probe_may_be_sent_the_first_request_moves_its_session() {
    let form = Context { form_login: true, ..Context::new("/") };
    let cluster = Cluster::start_with(3, 1, 2, Settings { contexts: vec![form], ..Settings::new("web") });
    let clients = Clients::of(&cluster, 0, SESSIONS).await;
    for server in [0, 1, 2] {
        tokio::join!(clients.burst(&cluster, UPDATES, false), cluster.move_off(server));
        cluster.kill(server);
        cluster.restart(server);
    }
    clients.are_served_and_kept(&cluster, 3).await;
}
