//! A simulated cluster: Tomcats with MSM's semantics and races, real memcached, several edges; whatever fails, no acknowledged
//! update is lost, none is doubled, nobody gets a new session.

mod cluster;
mod decisions;
mod departures;
mod scenarios;
mod tomcat;

use cluster::Cluster;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tokio::sync::Mutex;

/// A client with a session.
struct Client {
    /// With which it began.
    first: String,
    cookie: Mutex<String>,
    acknowledged: Mutex<Vec<u32>>,
    new: AtomicU32,
    failed: Mutex<Vec<u16>>,
}

struct Clients(Vec<Arc<Client>>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    acknowledged: usize,
    lost: usize,
    doubled: usize,
    new: u32,
}

/// How many begin, and how many updates each sends at once.
const SESSIONS: usize = 100;
const UPDATES: usize = 6;

static TOKEN: AtomicU32 = AtomicU32::new(1);

/// A cluster, with clients whose sessions are all at its first server.
async fn begin(tomcats: usize, nodes: usize, edges: usize) -> (Cluster, Clients) {
    let cluster = Cluster::start(tomcats, nodes, edges);
    let clients = Clients::of(&cluster, 0, SESSIONS).await;
    (cluster, clients)
}

impl Client {
    async fn send(self: Arc<Client>, edge: Arc<cluster::Edge>, cookie: String) {
        let token = TOKEN.fetch_add(1, SeqCst);
        let reply = match edge.send(&cookie, Some(token)).await {
            Ok(reply) => reply,
            Err(status) => return self.failed.lock().await.push(status),
        };
        self.acknowledged.lock().await.push(token);
        let Some(set) = reply.set_cookie else { return };
        if base(&set.id) == base(&self.first) {
            *self.cookie.lock().await = set.id;
        } else {
            self.new.fetch_add(1, SeqCst);
        }
    }
}

fn base(id: &str) -> &str {
    id.split(['-', '.']).next().unwrap()
}

impl Clients {
    /// With a session each at this server, made through no edge, with one update.
    async fn of(cluster: &Cluster, server: usize, count: usize) -> Clients {
        let mut clients = Vec::new();
        for _ in 0..count {
            let token = TOKEN.fetch_add(1, SeqCst);
            let made = cluster.tomcats[server].handle(None, tomcat::Kind::Application, Some(token)).await.unwrap();
            let first = made.set_cookie.unwrap().id;
            clients.push(Arc::new(Client {
                cookie: Mutex::new(first.clone()),
                first,
                acknowledged: Mutex::new(vec![token]),
                new: AtomicU32::new(0),
                failed: Mutex::default(),
            }));
        }
        Clients(clients)
    }

    /// Each sends so many updates at once, through all edges in turn. `late`: with its first cookie.
    async fn burst(&self, cluster: &Cluster, updates: usize, late: bool) {
        let mut sent = tokio::task::JoinSet::new();
        for client in &self.0 {
            let cookie = if late { client.first.clone() } else { client.cookie.lock().await.clone() };
            for at in 0..updates {
                let edge = cluster.edges[at % cluster.edges.len()].clone();
                sent.spawn(client.clone().send(edge, cookie.clone()));
            }
        }
        while sent.join_next().await.is_some() {}
    }

    /// What of all that was acknowledged is there, by a read with the client's cookie.
    async fn tally(&self, cluster: &Cluster) -> Tally {
        let mut tally = Tally::default();
        for client in &self.0 {
            let cookie = client.cookie.lock().await.clone();
            let tokens = cluster.edges[0].send(&cookie, None).await.unwrap().tokens;
            let acknowledged = client.acknowledged.lock().await;
            tally.acknowledged += acknowledged.len();
            tally.lost += acknowledged.iter().filter(|token| !tokens.contains(token)).count();
            tally.doubled += tokens.iter().enumerate().filter(|(at, token)| tokens[..*at].contains(token)).count();
            tally.new += client.new.load(SeqCst);
        }
        tally
    }

    async fn failures(&self) -> usize {
        let mut failures = 0;
        for client in &self.0 {
            failures += client.failed.lock().await.len();
        }
        failures
    }

    async fn nothing_is_lost(&self, cluster: &Cluster) -> usize {
        let tally = self.tally(cluster).await;
        let acknowledged = tally.acknowledged;
        assert_eq!(tally, Tally { acknowledged, ..Tally::default() });
        acknowledged
    }

    /// All that was sent was acknowledged: nobody had to be turned away.
    async fn are_served_and_kept(&self, cluster: &Cluster, bursts: usize) {
        let acknowledged = self.nothing_is_lost(cluster).await;
        assert_eq!(self.failures().await, 0);
        assert_eq!(acknowledged, self.0.len() * (1 + bursts * UPDATES));
        assert_eq!(cluster.lost(), 0);
    }
}
