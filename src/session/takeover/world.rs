//! What a takeover needs from outside: the servers and how they are, whether nodes of memcached are, and somebody who asks a
//! server. The proxy implements it over what watches the servers; tests simulate it.

use crate::memcached::Node;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a server that is Leaving is looked at although nobody says that it has changed.
const LOOK: Duration = Duration::from_millis(20);

/// A server of the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The same at all edges, different for each server: its address as configured.
    pub name: String,
    /// Tomcat's `jvmRoute`.
    pub route: Option<String>,
    pub backup: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    /// It does not answer, but may be alive: nothing is sent to it, and nothing is taken from it yet.
    Suspect,
    /// It lives, and its sessions are about to be moved off it: nothing is sent to it, and what was sent is let end.
    Leaving,
    /// It lives, nothing of its sessions is under way to it any more, and they are taken over as they come.
    Left,
    /// Suspect for so long that no edge sends to it any more: its sessions are taken over; its process and its copies may live.
    Fenced,
    /// Its process is gone.
    Dead,
    /// Nobody has looked yet.
    Unknown,
}

/// How a server is, as all edges together see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub state: State,
    /// Counts its starts, at all edges the same. While it is dead it may count the one to come already.
    pub instance: u64,
    pub draining: bool,
    /// When `state` or `instance` last changed, as this edge saw it; none if never since it started.
    pub changed: Option<Instant>,
    /// When it was last started anew. An edge that starts later and finds that it was (its board says so) gives the moment of
    /// its own start: it knows no session that was gated since.
    pub restarted: Option<Instant>,
    /// That was a restart which no edge has counted, or may have been: `instance` is the same as before.
    pub uncounted: bool,
    /// Sessions of it were taken over (`moved:SERVER` on the board).
    pub moved: bool,
}

/// How a node of memcached is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeView {
    pub up: bool,
    /// When `up` last changed; none if never since this edge started.
    pub changed: Option<Instant>,
    /// Sessions left it while it was away (`moved:node:NAME` on the board).
    pub moved: bool,
}

/// What is to be marked on the board.
#[derive(Clone, Copy, Debug)]
pub enum Moved<'a> {
    Server(usize),
    Node(&'a Node),
}

/// Where the client's id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    Cookie,
    /// `;jsessionid=`
    Path,
}

/// `HEAD <context>/WEB-INF/edge`, which Tomcat answers with 404 before any filter or servlet, but not before MSM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The request's path, without the id.
    pub path: String,
    pub host: String,
    /// The client's Cookie, as it came, with `asked` in it if that is where it is carried.
    pub cookie: Option<Vec<u8>>,
    pub carried: Carried,
    /// The id that the client sent, to be replaced by `id`.
    pub asked: String,
    pub id: String,
    pub timeout: Duration,
}

/// A Set-Cookie of the session's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    /// The value of the header, whole.
    pub line: String,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    Answer {
        status: u16,
        set_cookie: Option<SetCookie>,
    },
    /// Nothing was listening: it was not asked.
    Refused,
    Broken,
    Timeout,
}

#[async_trait]
pub trait World: Send + Sync {
    /// Always the same list: another configuration is another world.
    fn servers(&self) -> Arc<[Server]>;

    /// Cheap: it is looked at for each request.
    fn view(&self, server: usize) -> View;

    /// Cheap too.
    fn node_view(&self, node: &Node) -> NodeView;

    /// Something in the views has changed.
    async fn changed(&self);

    /// Waits while a server is Leaving.
    async fn hold(&self, server: usize) {
        while self.view(server).state == State::Leaving {
            let _ = tokio::time::timeout(LOOK, self.changed()).await;
        }
    }

    /// How much longer than usual requests may have to wait because servers are Leaving.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns when at least one node of memcached has it, or none can be reached.
    async fn mark_moved(&self, what: Moved<'_>);

    async fn probe(&self, server: usize, probe: &Probe) -> Probed;
}
