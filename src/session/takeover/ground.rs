//! What all takeovers of an upstream stand on.

use super::books::Books;
use super::counts::{Counts, Lost};
use super::locks::Locks;
use super::place::{Place, Places};
use super::recent::Recent;
use super::settings::{Context, Settings};
use super::world::{NodeView, Server, State, View, World};
use crate::memcached::Node;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// For how long nothing is looked for under an id for which nothing was found.
const LOST_FOR: Duration = Duration::from_secs(1);
const LOST_ROOM: usize = 100_000;
/// Of values that are kept while a server takes their sessions over.
const SAVED_BYTES: usize = 64 * 1024 * 1024;

pub struct Ground {
    pub settings: Settings,
    pub servers: Arc<[Server]>,
    pub books: Books,
    pub world: Arc<dyn World>,
    pub counts: Arc<Counts>,
    pub places: Arc<Places>,
    pub locks: Arc<Locks>,
    /// Probes that may be sent to each server now.
    pub probes: Vec<Semaphore>,
    /// Contexts in which a probe was not answered as Tomcat does.
    pub unprobed: Vec<AtomicBool>,
    pub saved: Arc<Semaphore>,
    lost: Mutex<Recent<Instant>>,
}

/// What is known of an upstream's sessions, whatever its settings are: it goes on where those change.
#[derive(Clone)]
pub struct Known {
    counts: Arc<Counts>,
    places: Arc<Places>,
    locks: Arc<Locks>,
}

impl Known {
    pub fn nothing(settings: &Settings) -> Known {
        let places = Arc::new(Places::new(settings.contexts.len()));
        Known { counts: Arc::default(), places, locks: Arc::default() }
    }
}

/// The views of one moment.
#[derive(Clone, Debug)]
pub struct Seen {
    pub servers: Arc<[Server]>,
    pub views: Vec<View>,
    pub nodes: Vec<NodeView>,
    /// No later than the views.
    pub at: Instant,
}

impl Seen {
    pub fn server_named(&self, name: &str) -> Option<usize> {
        self.servers.iter().position(|server| server.name == name)
    }

    pub fn server_of(&self, route: Option<&str>) -> Option<usize> {
        let route = route?;
        self.servers.iter().position(|server| server.route.as_deref() == Some(route))
    }

    pub fn is_up(&self, server: usize) -> bool {
        self.views[server].state == State::Up
    }
}

impl Ground {
    pub fn new(settings: Settings, nodes: Vec<Arc<Node>>, world: Arc<dyn World>, known: Known) -> Ground {
        let Known { counts, places, locks } = known;
        let (servers, contexts) = (world.servers(), settings.contexts.len().max(1));
        Ground {
            books: Books::new(&settings, nodes),
            counts,
            places,
            locks,
            probes: servers.iter().map(|_| Semaphore::new(settings.probes)).collect(),
            unprobed: (0..contexts).map(|_| AtomicBool::new(false)).collect(),
            saved: Arc::new(Semaphore::new(SAVED_BYTES)),
            lost: Mutex::new(Recent::new(LOST_ROOM)),
            servers,
            settings,
            world,
        }
    }

    /// What goes on under other settings. `stays`: with the same servers and nodes; else, or if sessions are found otherwise, nobody
    /// knows where they are.
    pub fn known_under(&self, settings: &Settings, stays: bool) -> Known {
        let is_same = self.settings.contexts == settings.contexts && self.settings.mode == settings.mode;
        let places = match stays && is_same {
            true => self.places.clone(),
            false => Known::nothing(settings).places,
        };
        Known { counts: self.counts.clone(), places, locks: self.locks.clone() }
    }

    pub fn see(&self) -> Seen {
        let at = Instant::now();
        let views = (0..self.servers.len()).map(|server| self.world.view(server)).collect();
        let nodes = self.books.nodes.iter().map(|node| self.world.node_view(node)).collect();
        Seen { servers: self.servers.clone(), views, nodes, at }
    }

    pub fn context(&self, context: usize) -> &Context {
        &self.settings.contexts[context]
    }

    pub fn routes(&self) -> Vec<&str> {
        self.servers.iter().filter_map(|server| server.route.as_deref()).collect()
    }

    /// Whether the place still holds.
    pub fn stands(&self, place: &Place) -> bool {
        let node = place.node.map(|node| self.world.node_view(&self.books.nodes[node]));
        place.holds(&self.world.view(place.server), node.as_ref())
    }

    /// Where it is known to be.
    pub fn known(&self, context: usize, base: &str) -> Option<Place> {
        let place = self.places.look(context, base, Place::clone)?;
        self.stands(&place).then_some(place)
    }

    pub fn note_lost(&self, context: usize, base: &str, why: Lost) {
        self.counts.note_lost(why);
        self.lost().put(&format!("{context} {base}"), Instant::now());
    }

    pub fn is_lost(&self, context: usize, base: &str) -> bool {
        self.lost().get(&format!("{context} {base}")).is_some_and(|noted| noted.elapsed() < LOST_FOR)
    }

    fn lost(&self) -> MutexGuard<'_, Recent<Instant>> {
        self.lost.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
