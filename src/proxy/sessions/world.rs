//! The servers of an upstream as the session room wants them told: who they are, how they are, and somebody who asks them.

use super::probe;
use crate::memcached::Node;
use crate::proxy::line::Lines;
use crate::session::carried::Names;
use crate::session::servers::{self, Opening, Servers, Stance, Traffic};
use crate::session::takeover::{Moved, NodeView, Probe, Probed, Server, State, View, World};
use crate::upstream::{Address, Upstream};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;

/// A change that came between two looks is found after this long.
const AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Outside {
    pub servers: Arc<[Server]>,
    pub addresses: Vec<Address>,
    /// Whether each is alive.
    pub watch: Servers,
    /// The connections to each.
    pub lines: Vec<Arc<Lines>>,
    /// Of the newest configuration.
    pub upstream: ArcSwap<Upstream>,
    pub names: Names,
    /// What comes before HTTP on a connection to a server.
    pub opening: Option<Arc<dyn Opening>>,
    /// Questions of edge's own that each has not answered yet.
    pub asking: Vec<AtomicUsize>,
}

impl Outside {
    /// Ends what is under way to servers that may be dead: from here on others may take their sessions.
    pub async fn keep_cutting(self: Arc<Self>) {
        let mut changes = self.watch.changes();
        let mut before = vec![State::Unknown; self.servers.len()];
        loop {
            for (server, before) in before.iter_mut().enumerate() {
                let now = seen_as(&self.watch.view(server));
                if now != *before && matches!(now, State::Suspect | State::Fenced | State::Dead) {
                    self.lines[server].cut();
                }
                *before = now;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

fn seen_as(view: &servers::View) -> State {
    match view.state {
        servers::State::Unknown => State::Unknown,
        servers::State::Up => match view.stance {
            Stance::Here => State::Up,
            Stance::Held => State::Leaving,
            Stance::Left => State::Left,
        },
        servers::State::Suspect => State::Suspect,
        servers::State::Fenced => State::Fenced,
        servers::State::Dead => State::Dead,
    }
}

#[async_trait]
impl World for Outside {
    fn servers(&self) -> Arc<[Server]> {
        self.servers.clone()
    }

    fn view(&self, server: usize) -> View {
        let seen = self.watch.view(server);
        let upstream = self.upstream.load();
        let settings = &upstream.settings().servers[server];
        View {
            // Whoever is taken out by hand is sent nothing, and may be alive.
            state: if settings.down { State::Fenced } else { seen_as(&seen) },
            instance: seen.instance,
            draining: upstream.peers().iter().any(|peer| peer.place == server && peer.is_draining()),
            changed: seen.changed,
            restarted: seen.restarted,
            uncounted: seen.uncounted,
            moved: seen.moved,
        }
    }

    fn node_view(&self, node: &Node) -> NodeView {
        let sight = node.sight();
        let moved = self.watch.is_moved(servers::Moved::Node(node.name()));
        NodeView { up: sight.up, changed: sight.changed, moved }
    }

    async fn changed(&self) {
        let mut changes = self.watch.changes();
        // Nodes change as well, and between a look and this.
        let _ = tokio::time::timeout(AGAIN, changes.changed()).await;
    }

    async fn mark_moved(&self, what: Moved<'_>) {
        let what = match what {
            Moved::Server(server) => servers::Moved::Server(server),
            Moved::Node(node) => servers::Moved::Node(node.name()),
        };
        if !self.watch.mark_moved(what).await {
            log::warn!("no memcached has taken the word that sessions are moved");
        }
    }

    async fn hold(&self, server: usize) {
        self.watch.hold(server).await;
    }

    fn patience(&self) -> Duration {
        self.watch.patience()
    }

    async fn probe(&self, server: usize, probe: &Probe) -> Probed {
        let _asks = Asks::begin(&self.asking[server]);
        // Whoever moves its sessions has counted this one, or is read here. Once it is left, only those that stay are asked for.
        if self.watch.stance(server) == Stance::Held {
            return Probed::Refused;
        }
        probe::ask(&self.addresses[server], self.opening.as_deref(), &self.names, probe).await
    }
}

struct Asks<'o>(&'o AtomicUsize);

impl Asks<'_> {
    fn begin(count: &AtomicUsize) -> Asks<'_> {
        count.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Asks(count)
    }
}

impl Drop for Asks<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Traffic for Outside {
    fn under_way(&self, server: usize, cut: bool) -> usize {
        if cut {
            self.lines[server].cut();
        }
        let upstream = self.upstream.load();
        let requests: usize =
            upstream.peers().iter().filter(|peer| peer.place == server).map(|peer| peer.server.in_flight()).sum();
        requests + self.asking[server].load(Ordering::SeqCst)
    }
}
