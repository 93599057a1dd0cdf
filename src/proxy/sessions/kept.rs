//! What outlives a configuration: who watches the servers, and what is known of sessions.
//!
//! Compiling a configuration makes [`Sessions`], which know how an upstream's applications keep theirs and do nothing. [`Kept`]
//! puts them to work when the configuration is put in force: those whose servers, store and settings are what they were go on
//! with everything that is known. Under other settings the same eyes stay on the servers, if that is what they would be again, and
//! where sessions are known to be goes on; where servers, store or what is watched for have changed, eyes begin anew, and
//! find on the board and in the records what the edges have done. What was counted goes on in any case.

use super::alive::Alive;
use super::wire::Wire;
use super::world::Outside;
use crate::config::types::RewriteRoute;
use crate::proxy::line::Lines;
use crate::session::affinity::{Affinity, Asked, Way};
use crate::session::carried::Names;
use crate::session::servers::{self, Servers};
use crate::session::store::Store;
use crate::session::takeover;
use crate::upstream::{Address, Upstream};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;

/// How an upstream's applications keep sessions, as it is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    pub names: Names,
    pub takeover: takeover::Settings,
    pub watch: servers::Settings,
    /// How long connecting to a session's server may take.
    pub owner_connect_timeout: Duration,
    /// Without one nobody can be asked for a session, and none is taken over.
    pub store: Option<Arc<Store>>,
    /// Whether sessions that are only read are kept from vanishing from it.
    pub keep_alive: bool,
    /// The settings in words, to tell whether they have changed.
    pub written: String,
    /// Those of them that whoever watches the servers goes by.
    pub watch_written: String,
    /// Never anything but `Off` where there is a store: memcached-session-manager does it itself.
    pub rewrite_route: RewriteRoute,
}

/// The sessions of an upstream in one configuration.
pub struct Sessions {
    pub settings: Settings,
    upstream: Arc<Upstream>,
    /// As the first location that passes requests to the servers says.
    wire: OnceLock<Wire>,
    /// `None` until the configuration is in force.
    live: ArcSwapOption<Live>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}

/// Sessions at work. Ends when no configuration has them any more.
pub(super) struct Live {
    pub affinity: Arc<Affinity>,
    pub outside: Arc<Outside>,
    /// Keeps sessions that are only read from vanishing.
    pub alive: Option<Arc<Alive>>,
    written: String,
    footing: Arc<Footing>,
}

/// What several settings may stand on, one after the other: it ends with the last of them.
struct Footing {
    written: String,
    store: Option<Arc<Store>>,
    tasks: Vec<AbortHandle>,
}

/// How often a request is decided anew because the server has changed meanwhile.
const ANEW: usize = 3;

impl Live {
    /// What [`Live::resolve`] decides on: which process a server is, and which turn of it.
    pub fn meant(&self, server: usize) -> (u64, u64) {
        (self.outside.watch.standing(server), self.outside.watch.turn(server))
    }

    /// The decision, and which process of its server was meant, at which turn.
    pub async fn resolve(&self, asked: &Asked<'_>) -> (Way, (u64, u64)) {
        let mut tries = 0;
        loop {
            let before: Vec<(u64, u64)> = (0..self.outside.servers.len()).map(|at| self.meant(at)).collect();
            let way = self.affinity.resolve(asked).await;
            let (server, may_again) = match &way {
                // One that is the first of its session is decided.
                Way::To(to) => (to.server, to.gate.is_none() && to.turn.is_none()),
                _ => return (way, (0, 0)),
            };
            tries += 1;
            if !may_again || tries == ANEW || before[server] == self.meant(server) {
                return (way, before[server]);
            }
        }
    }
}

impl Drop for Footing {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Sessions {
    pub fn new(settings: Settings, upstream: Arc<Upstream>) -> Arc<Sessions> {
        Arc::new(Sessions { settings, upstream, wire: OnceLock::new(), live: ArcSwapOption::empty() })
    }

    /// To be called before the configuration is in force.
    pub fn note_wire(&self, wire: impl FnOnce() -> Wire) {
        self.wire.get_or_init(wire);
    }

    /// All that is said of them, to tell whether it has changed.
    fn written(&self) -> String {
        format!("{} {:?}", self.settings.written, self.wire.get())
    }

    /// What of that the servers are watched by.
    fn watch_written(&self) -> String {
        format!("{} {:?}", self.settings.watch_written, self.wire.get())
    }

    pub fn upstream_name(&self) -> &str {
        self.upstream.name()
    }

    pub fn names(&self) -> &Names {
        &self.settings.names
    }

    pub(super) fn has_route(&self, route: Option<&str>) -> bool {
        route.is_some() && self.upstream.settings().servers.iter().any(|server| server.route.as_deref() == route)
    }

    /// As the server is written.
    pub(super) fn address(&self, server: usize) -> &str {
        self.upstream.settings().servers.get(server).map_or("", |server| server.address.as_str())
    }

    /// Of all servers.
    pub(super) fn routes(&self) -> Vec<String> {
        self.upstream.settings().servers.iter().filter_map(|server| server.route.clone()).collect()
    }

    /// The upstream of this configuration.
    pub(super) fn upstream_of_it(&self) -> &Upstream {
        &self.upstream
    }

    /// For whoever waits meanwhile.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }

    /// For a look: nothing is counted.
    pub(super) fn live_now(&self) -> arc_swap::Guard<Option<Arc<Live>>> {
        self.live.load()
    }

    /// The place of the server that has this route.
    pub(super) fn place_of(&self, route: &str) -> Option<usize> {
        self.upstream.settings().servers.iter().position(|server| server.route.as_deref() == Some(route))
    }

    /// Whether sessions were moved off a server, or it was taken back, since a turn; or whether they are now.
    pub(super) fn has_turned(&self, server: usize, since: Option<u64>) -> bool {
        let live = self.live.load();
        let Some(live) = live.as_ref() else { return false };
        let watch = &live.outside.watch;
        since.map_or_else(|| watch.stance(server) != servers::Stance::Here, |turn| watch.turn(server) != turn)
    }

    /// Where connections to a server are listed.
    pub fn lines(&self, server: usize) -> Option<Arc<Lines>> {
        self.live.load().as_ref()?.outside.lines.get(server).cloned()
    }

    /// The addresses of the servers, in their order; nothing until each name has one.
    fn addresses(&self) -> Option<Vec<Address>> {
        let peers = self.upstream.peers();
        let address = |place| peers.iter().find(|peer| peer.place == place).map(|peer| peer.server.address().clone());
        (0..self.upstream.settings().servers.len()).map(address).collect()
    }

    /// Whether the servers would be watched in the same way.
    fn stands_on(&self, live: &Live, addresses: &[Address]) -> bool {
        let servers = &self.upstream.settings().servers;
        live.footing.written == self.watch_written()
            && live.footing.store.as_ref().map(Arc::as_ptr) == self.settings.store.as_ref().map(Arc::as_ptr)
            && live.outside.addresses == addresses
            && live
                .outside
                .servers
                .iter()
                .map(|s| (&s.name, &s.route, s.backup))
                .eq(servers.iter().map(|s| (&s.address, &s.route, s.backup)))
    }

    /// `before`: what was at work until now.
    fn start(&self, addresses: Vec<Address>, before: Option<&Live>) -> Arc<Live> {
        let settings = &self.settings.takeover;
        let same = before.filter(|live| self.stands_on(live, &addresses));
        let (outside, footing) = match same {
            Some(live) => (live.outside.clone(), live.footing.clone()),
            None => self.watch(addresses),
        };
        let store = self.settings.store.clone();
        let nodes = store.as_ref().map(|store| store.nodes().to_vec()).unwrap_or_default();
        let affinity = match before {
            Some(live) => Affinity::after(&live.affinity, settings.clone(), nodes, outside.clone(), same.is_some()),
            None => Affinity::new(settings.clone(), nodes, outside.clone()),
        };
        let is_alike = |live: &&Live| {
            let old = live.affinity.settings();
            old.contexts == settings.contexts && old.mode == settings.mode
        };
        let alive = same.filter(is_alike).and_then(|live| live.alive.clone());
        let begun = || store.map(|store| Arc::new(Alive::start(store, settings)));
        let alive = if self.settings.keep_alive { alive.or_else(begun) } else { None };
        Arc::new(Live { affinity, outside, alive, written: self.written(), footing })
    }

    /// Puts eyes on the servers.
    fn watch(&self, addresses: Vec<Address>) -> (Arc<Outside>, Arc<Footing>) {
        let servers = &self.upstream.settings().servers;
        let watched = servers.iter().zip(&addresses).map(|(server, address)| servers::Server {
            name: server.address.clone(),
            route: server.route.clone(),
            address: match address {
                Address::Tcp(address) => servers::Address::Tcp(*address),
                Address::Unix(path) => servers::Address::Unix(path.to_path_buf()),
            },
        });
        let store = self.settings.store.clone();
        let nodes = store.as_ref().map(|store| store.nodes().to_vec()).unwrap_or_default();
        let mut settings = self.settings.watch.clone();
        settings.opening = self.wire.get().and_then(|wire| wire.to_watch.clone());
        if self.wire.get().is_some_and(|wire| wire.is_grpc) && !settings.question.tells_instance() {
            settings.question = servers::Question::Connect;
        }
        let watch = Servers::start(self.upstream.name(), watched.collect(), &nodes, settings);
        let server = |server: &crate::upstream::ServerSettings| takeover::Server {
            name: server.address.clone(),
            route: server.route.clone(),
            backup: server.backup,
        };
        let outside = Arc::new(Outside {
            servers: servers.iter().map(server).collect(),
            lines: addresses.iter().map(|_| Arc::default()).collect(),
            asking: addresses.iter().map(|_| Default::default()).collect(),
            addresses,
            watch,
            upstream: ArcSwap::new(self.upstream.clone()),
            names: self.settings.names.clone(),
            opening: self.wire.get().and_then(|wire| wire.to_ask.clone()),
        });
        let traffic: Weak<dyn servers::Traffic> = Arc::downgrade(&(outside.clone() as Arc<dyn servers::Traffic>));
        outside.watch.attend(traffic);
        let cutting = tokio::spawn(outside.clone().keep_cutting());
        let watching = store.clone().map(|store| tokio::spawn(store.keep_watch()));
        let tasks = watching.iter().chain([&cutting]).map(|task| task.abort_handle()).collect();
        (outside, Arc::new(Footing { written: self.watch_written(), store, tasks }))
    }
}

/// The sessions of the process.
#[derive(Default)]
pub struct Kept {
    /// Of the configurations in force, by upstream.
    live: Mutex<HashMap<String, Weak<Live>>>,
    /// Of the newest configuration.
    newest: Mutex<Vec<Weak<Sessions>>>,
}

/// How long the start waits for servers to be looked at and boards to be read.
const READY: Duration = Duration::from_secs(3);
/// How often names are looked at for other addresses.
const FOLLOW: Duration = Duration::from_secs(1);

impl Kept {
    /// The sessions of a configuration that is now in force. Needs a runtime.
    pub fn apply(&self, all: &[Arc<Sessions>]) {
        *locked(&self.newest) = all.iter().map(Arc::downgrade).collect();
        self.follow(all);
    }

    /// The same at the start, and waits until it is known which servers live.
    pub async fn begin(&self, all: &[Arc<Sessions>]) {
        self.apply(all);
        let live: Vec<Arc<Live>> = all.iter().filter_map(|sessions| sessions.live()).collect();
        let ready = async {
            for live in &live {
                live.outside.watch.ready(READY).await;
            }
        };
        let _ = tokio::time::timeout(READY, ready).await;
    }

    /// Follows names that lead to other addresses, for ever. Stop it by dropping it.
    pub async fn keep_following(&self) {
        loop {
            tokio::time::sleep(FOLLOW).await;
            let newest: Vec<Arc<Sessions>> = locked(&self.newest).iter().filter_map(Weak::upgrade).collect();
            self.follow(&newest);
        }
    }

    fn follow(&self, all: &[Arc<Sessions>]) {
        let mut known = locked(&self.live);
        known.retain(|_, live| live.strong_count() > 0);
        for sessions in all {
            let Some(addresses) = sessions.addresses() else { continue };
            let name = sessions.upstream.name();
            let before = known.get(name).and_then(Weak::upgrade);
            let is_same = |live: &Arc<Live>| live.written == sessions.written() && sessions.stands_on(live, &addresses);
            let live = match before {
                Some(live) if is_same(&live) => live,
                before => sessions.start(addresses, before.as_deref()),
            };
            live.outside.upstream.store(sessions.upstream.clone());
            known.insert(name.to_owned(), Arc::downgrade(&live));
            sessions.live.store(Some(live));
        }
    }
}

/// Nothing panics while one of these is held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
