//! Tomcats, memcached nodes, and edges that each see them with their own eyes.

use super::tomcat::{Failed, Kind, Reply, Tomcat};
use crate::memcached::{Limits, Node};
use crate::session::affinity::{Affinity, Answered, Asked, To, Way};
use crate::session::id::Id;
use crate::session::takeover::{Carried, Moved, NodeView, Probe, Probed, Server, Settings, State, View, World};
use async_trait::async_trait;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::sleep;

const LIMITS: Limits = Limits { timeout: Duration::from_secs(2), connections: 32 };

pub struct Memcached {
    child: Child,
    pub address: String,
}

impl Memcached {
    pub fn start() -> Memcached {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Memcached::start_on(format!("127.0.0.1:{port}"))
    }

    fn start_on(address: String) -> Memcached {
        let port = address.rsplit(':').next().unwrap().to_owned();
        let mut command = Command::new("memcached");
        command.args(["-l", "127.0.0.1", "-U", "0", "-m", "64", "-t", "1", "-c", "8192", "-p", &port]);
        // SAFETY: a plain system call. memcached refuses to run as root unless it is told whom to become.
        if unsafe { libc::geteuid() } == 0 {
            command.args(["-u", "nobody"]);
        }
        let child = command.stderr(std::process::Stdio::null()).spawn().expect("memcached is installed");
        let begun = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "memcached listens");
            std::thread::sleep(Duration::from_millis(5));
        }
        Memcached { child, address }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one edge sees.
pub struct Eyes {
    servers: Arc<[Server]>,
    views: Mutex<Vec<View>>,
    nodes: Mutex<Vec<(String, NodeView)>>,
    changed: Notify,
    tomcats: Vec<Arc<Tomcat>>,
    board: Arc<Board>,
    /// Of each server: how often its view has changed, and what is under way to it.
    turns: Vec<AtomicU64>,
    under_way: Vec<AtomicUsize>,
}

/// Counted while it lives.
struct UnderWay<'e>(&'e AtomicUsize);

impl UnderWay<'_> {
    fn begin(count: &AtomicUsize) -> UnderWay<'_> {
        count.fetch_add(1, SeqCst);
        UnderWay(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// What all edges have marked.
pub struct Board {
    servers: Vec<AtomicBool>,
    nodes: Mutex<Vec<String>>,
}

impl Eyes {
    pub fn set(&self, server: usize, change: impl FnOnce(&mut View)) {
        let mut views = self.views.lock().unwrap();
        change(&mut views[server]);
        views[server].changed = Some(Instant::now());
        self.turns[server].fetch_add(1, SeqCst);
        self.changed.notify_waiters();
    }

    fn turns(&self) -> Vec<u64> {
        self.turns.iter().map(|turn| turn.load(SeqCst)).collect()
    }

    async fn fenced(&self, server: usize) {
        while !matches!(self.view(server).state, State::Suspect | State::Fenced) {
            let _ = tokio::time::timeout(Duration::from_millis(20), self.changed()).await;
        }
    }

    pub fn set_node(&self, node: usize, up: bool) {
        let mut nodes = self.nodes.lock().unwrap();
        nodes[node].1.up = up;
        nodes[node].1.changed = Some(Instant::now());
        self.changed.notify_waiters();
    }
}

#[async_trait]
impl World for Eyes {
    fn servers(&self) -> Arc<[Server]> {
        self.servers.clone()
    }

    fn view(&self, server: usize) -> View {
        let mut view = self.views.lock().unwrap()[server];
        view.moved = self.board.servers[server].load(SeqCst);
        view
    }

    fn node_view(&self, node: &Node) -> NodeView {
        let nodes = self.nodes.lock().unwrap();
        let mut view = nodes.iter().find(|(name, _)| name == node.name()).unwrap().1;
        view.moved = self.board.nodes.lock().unwrap().iter().any(|name| name == node.name());
        view
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn mark_moved(&self, what: Moved<'_>) {
        match what {
            Moved::Server(server) => self.board.servers[server].store(true, SeqCst),
            Moved::Node(node) => self.board.nodes.lock().unwrap().push(node.name().to_owned()),
        }
    }

    async fn probe(&self, server: usize, probe: &Probe) -> Probed {
        assert_eq!(probe.path, "/WEB-INF/edge");
        let _counted = UnderWay::begin(&self.under_way[server]);
        if self.view(server).state == State::Leaving {
            return Probed::Refused;
        }
        let asked = self.tomcats[server].handle(Some(&probe.id), Kind::Probe, None);
        match tokio::time::timeout(probe.timeout, asked).await {
            Err(_) => Probed::Timeout,
            Ok(Err(Failed::Refused)) => Probed::Refused,
            Ok(Err(Failed::Broken)) => Probed::Broken,
            Ok(Ok(reply)) => Probed::Answer { status: reply.status, set_cookie: reply.set_cookie },
        }
    }
}

pub struct Edge {
    pub affinity: Arc<Affinity>,
    pub eyes: Arc<Eyes>,
}

pub struct Cluster {
    pub tomcats: Vec<Arc<Tomcat>>,
    pub memcached: Vec<Option<Memcached>>,
    pub nodes: Vec<Arc<Node>>,
    pub edges: Vec<Arc<Edge>>,
    pub settings: Settings,
    board: Arc<Board>,
}

impl Cluster {
    pub fn start(tomcats: usize, nodes: usize, edges: usize) -> Cluster {
        Cluster::start_with(tomcats, nodes, edges, Settings::new("web"))
    }

    pub fn start_with(tomcats: usize, nodes: usize, edges: usize, settings: Settings) -> Cluster {
        let memcached: Vec<Memcached> = (0..nodes).map(|_| Memcached::start()).collect();
        let named = memcached.iter().enumerate();
        let nodes: Vec<Arc<Node>> =
            named.map(|(at, memcached)| Node::new(format!("n{}", at + 1), &memcached.address, LIMITS)).collect();
        let tomcats: Vec<Arc<Tomcat>> = (1..=tomcats).map(|at| Tomcat::start(&format!("t{at}"), &nodes)).collect();
        let servers = tomcats.iter().map(|_| AtomicBool::new(false)).collect();
        let board = Arc::new(Board { servers, nodes: Mutex::default() });
        let memcached = memcached.into_iter().map(Some).collect();
        let mut cluster = Cluster { tomcats, memcached, nodes, edges: Vec::new(), settings, board };
        cluster.edges = (0..edges).map(|_| cluster.edge()).collect();
        cluster
    }

    /// One more, that has just started.
    pub fn edge(&self) -> Arc<Edge> {
        let servers = self.tomcats.iter().map(|tomcat| Server {
            name: format!("10.0.0.1:{}", tomcat.route),
            route: Some(tomcat.route.clone()),
            backup: false,
        });
        let up = View {
            state: State::Up,
            instance: 1,
            draining: false,
            changed: None,
            restarted: None,
            uncounted: false,
            moved: false,
        };
        let node = NodeView { up: true, changed: None, moved: false };
        let eyes = Arc::new(Eyes {
            servers: servers.collect(),
            views: Mutex::new(vec![up; self.tomcats.len()]),
            nodes: Mutex::new(self.nodes.iter().map(|at| (at.name().to_owned(), node)).collect()),
            changed: Notify::new(),
            tomcats: self.tomcats.clone(),
            board: self.board.clone(),
            turns: self.tomcats.iter().map(|_| AtomicU64::new(0)).collect(),
            under_way: self.tomcats.iter().map(|_| AtomicUsize::new(0)).collect(),
        });
        // Connections of its own, which end with it.
        let nodes = self.nodes.iter().map(|node| Node::new(node.name(), node.address(), LIMITS)).collect();
        let affinity = Affinity::new(self.settings.clone(), nodes, eyes.clone());
        Arc::new(Edge { affinity, eyes })
    }

    pub fn kill(&self, server: usize) {
        self.tomcats[server].kill();
        self.tell(server, |view| {
            view.state = State::Dead;
            view.instance += 1;
        });
    }

    pub fn restart(&self, server: usize) {
        self.tomcats[server].restart();
        self.tell(server, |view| {
            view.state = State::Up;
            view.restarted = Some(Instant::now());
        });
    }

    /// Frozen; all edges have it fenced.
    pub fn fence(&self, server: usize) {
        self.tomcats[server].freeze(true);
        self.tell(server, |view| view.state = State::Fenced);
    }

    pub fn thaw(&self, server: usize) {
        self.tomcats[server].freeze(false);
        self.tell(server, |view| view.state = State::Up);
    }

    /// Lets all sessions leave a server that lives, as edges do by their board: each hears of each step at a time of its own.
    pub async fn move_off(&self, server: usize) {
        self.step(server, State::Leaving).await;
        for edge in &self.edges {
            while edge.eyes.under_way[server].load(SeqCst) > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        self.board.servers[server].store(true, SeqCst);
        self.step(server, State::Left).await;
    }

    /// The same back.
    pub async fn take_back(&self, server: usize) {
        self.step(server, State::Leaving).await;
        self.step(server, State::Up).await;
    }

    async fn step(&self, server: usize, state: State) {
        for edge in &self.edges {
            sleep(Duration::from_millis(15)).await;
            edge.eyes.set(server, |view| view.state = state);
        }
    }

    pub fn tell(&self, server: usize, change: impl Fn(&mut View)) {
        self.edges.iter().for_each(|edge| edge.eyes.set(server, &change));
    }

    pub fn kill_node(&mut self, node: usize) {
        self.memcached[node] = None;
        self.edges.iter().for_each(|edge| edge.eyes.set_node(node, false));
    }

    pub fn lost(&self) -> u64 {
        self.edges.iter().map(|edge| edge.affinity.counts().lost_of_all_reasons()).sum()
    }
}

impl Edge {
    /// What a client gets: an answer, or an error that acknowledges nothing.
    pub async fn send(&self, cookie: &str, update: Option<u32>) -> Result<Reply, u16> {
        let asked = Asked { method: if update.is_some() { "POST" } else { "GET" }, ..asked(cookie) };
        for _ in 0..200 {
            let turns = self.eyes.turns();
            let mut to = match self.affinity.resolve(&asked).await {
                Way::To(to) => to,
                Way::Prefer(order) => match order.first() {
                    Some(server) => To { id: None, ..plain(*server) },
                    None => return Err(502),
                },
                Way::Free => plain(0),
                Way::Unavailable { .. } => return Err(503),
            };
            let counted = UnderWay::begin(&self.eyes.under_way[to.server]);
            if turns[to.server] != self.eyes.turns()[to.server] {
                drop(counted);
                if let Some(gate) = to.gate.take() {
                    gate.unsent().await;
                }
                continue;
            }
            match self.through(&asked, cookie, to, update, counted).await {
                Err(Failed::Refused) => sleep(Duration::from_millis(5)).await,
                Err(Failed::Broken) => return Err(502),
                Ok(reply) => return Ok(reply),
            }
        }
        Err(504)
    }

    async fn through<'e>(
        &'e self,
        asked: &Asked<'_>,
        cookie: &str,
        mut to: To,
        update: Option<u32>,
        mut counted: UnderWay<'e>,
    ) -> Result<Reply, Failed> {
        loop {
            let id = to.id.clone();
            let tomcat = &self.eyes.tomcats[to.server];
            let handled = tokio::select! {
                handled = tomcat.handle(Some(id.as_deref().unwrap_or(cookie)), Kind::Application, update) => handled,
                // What is in flight to a server that is fenced is given up.
                () = self.eyes.fenced(to.server) => Err(Failed::Broken),
            };
            let mut reply = match handled {
                Ok(reply) => reply,
                Err(failed) => {
                    if let (Failed::Refused, Some(gate)) = (&failed, to.gate.take()) {
                        gate.unsent().await;
                    }
                    return Err(failed);
                }
            };
            if let Some(gate) = to.gate.take() {
                gate.finish(reply.set_cookie.clone()).await;
            }
            match self.affinity.answered(asked, &to, reply.set_cookie.as_ref()).await {
                Answered::Repeat(again) => {
                    drop(counted);
                    counted = UnderWay::begin(&self.eyes.under_way[again.server]);
                    if self.eyes.view(again.server).state != State::Up {
                        return Err(Failed::Refused);
                    }
                    to = again;
                }
                Answered::Pass { set_cookie: Some(line) } if reply.set_cookie.is_none() => {
                    let id = line.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
                    reply.set_cookie = Some(crate::session::takeover::SetCookie { line: line.to_string(), id });
                    return Ok(reply);
                }
                Answered::Pass { .. } => return Ok(reply),
            }
        }
    }
}

pub fn asked(cookie: &str) -> Asked<'_> {
    Asked {
        id: Id::parse(cookie.as_bytes()),
        carried: Carried::Cookie,
        method: "GET",
        path: "/count",
        query: None,
        host: "example.com",
        cookie: Some(cookie.as_bytes()),
        repeatable: true,
    }
}

fn plain(server: usize) -> To {
    To { server, others: Vec::new(), id: None, set_cookie: None, gate: None, turn: None }
}
