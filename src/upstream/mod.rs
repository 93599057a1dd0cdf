//! Servers and their state, balancing, names → addresses, what to try next.
//!
//! ```text
//!   settings   what the configuration says
//!   names      host names → addresses, asked for in the background
//!   peers      settings + addresses + state, at one moment
//!   state      what outlives a reload
//!   balance/   nginx's methods, one file each
//!   choose     a server for a request; how it went
//!   connections  how many are open, how many at work
//!   retry      after a failure: the next server, or the end?
//! ```
//!
//! It is here so that the way to a server is decided by plain functions over plain data: nothing in this
//! room opens a connection, knows a request, or reads the clock in a decision.
//!
//! What always holds: state belongs to (upstream name, address) and survives reloads and changing answers of
//! the DNS; a server that is down, full, draining (unless a session is bound to it) or already tried is
//! never chosen; passive failures alone never leave a request without a server
//! (`Peers::last_resort`, where this goes beyond nginx).

mod balance;
mod choose;
mod connections;
pub mod names;
mod peers;
pub mod retry;
mod settings;
mod state;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub use choose::{Chosen, Outcome, Tried, Upstream, Want, Wish};
pub use connections::Connections;
pub use names::{Address, NamesSettings};
pub use peers::{Condition, Peer, Peers};
pub use settings::{Balance, HealthCheck, Probe, ServerSettings, Until, UpstreamSettings};
pub use state::{DrainSwitch, Health, LastError, Pool, Server};

use names::{Names, Unresolved};
use state::locked;

/// The upstreams of one configuration; part of its snapshot.
#[derive(Debug, Default)]
pub struct Table {
    upstreams: HashMap<String, Arc<Upstream>>,
}

impl Table {
    pub fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values()
    }
}

/// What outlives configurations: the pools by upstream name, and the names.
///
/// It holds nothing alive by itself. A pool lives as long as a snapshot uses it, so a reload finds the
/// state if the new table is made before the old one is let go.
pub struct Upstreams {
    names: Arc<Names>,
    pools: Mutex<HashMap<String, Weak<Pool>>>,
    /// The upstreams of every snapshot still in use: old ones go on following their names.
    alive: Mutex<Vec<Weak<Upstream>>>,
    /// Rung when a new table may contain new names.
    applied: Notify,
    /// Rung when names have led to other addresses.
    moved: Notify,
}

impl Upstreams {
    pub fn new(names: NamesSettings) -> Arc<Self> {
        Upstreams::with_names(Names::new(names))
    }

    pub fn with_names(names: Names) -> Arc<Self> {
        Arc::new(Upstreams {
            names: Arc::new(names),
            pools: Mutex::default(),
            alive: Mutex::default(),
            applied: Notify::new(),
            moved: Notify::new(),
        })
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// A table for these settings, at once and without asking anybody: names have the addresses they had
    /// before; new ones follow from [`Upstreams::resolve`] or [`Upstreams::keep_resolving`].
    pub fn apply(&self, settings: &[UpstreamSettings], now: Instant) -> Arc<Table> {
        let mut pools = locked(&self.pools);
        pools.retain(|_, pool| pool.strong_count() > 0);
        let mut table = Table::default();
        for settings in settings {
            let pool = pools.get(&settings.name).and_then(Weak::upgrade).unwrap_or_else(|| {
                let pool = Arc::new(Pool::new(RandomState::new().hash_one(&settings.name)));
                pools.insert(settings.name.clone(), Arc::downgrade(&pool));
                pool
            });
            let upstream = Arc::new(Upstream::new(settings, &self.names, pool, now));
            table.upstreams.insert(settings.name.clone(), upstream);
        }
        let mut alive = locked(&self.alive);
        alive.retain(|upstream| upstream.strong_count() > 0);
        alive.extend(table.iter().map(Arc::downgrade));
        self.applied.notify_one();
        Arc::new(table)
    }

    /// Asks for all names once and gives the peers what came back. Ends within the names' limit.
    pub async fn resolve(&self) -> Vec<Unresolved> {
        let hosts: BTreeSet<String> =
            self.alive().iter().flat_map(|upstream| upstream.hosts().map(str::to_owned).collect::<Vec<_>>()).collect();
        let unresolved = self.names.ask(hosts).await;
        let now = Instant::now();
        let moved = self.alive().iter().filter(|upstream| upstream.refresh(&self.names, now)).count();
        if moved > 0 {
            self.moved.notify_one();
        }
        unresolved
    }

    /// Follows the names for ever, a round per interval and one after each [`Upstreams::apply`]. Each
    /// trouble is logged when it begins and when it ends, not in every round. Stop it by dropping it.
    pub async fn keep_resolving(&self) {
        let mut before = BTreeSet::new();
        loop {
            let troubles = self.resolve().await;
            for trouble in troubles.iter().filter(|trouble| !before.contains(&trouble.host)) {
                log::warn!("host not found in upstream: \"{}\" ({})", trouble.host, trouble.reason);
            }
            let now: BTreeSet<String> = troubles.into_iter().map(|trouble| trouble.host).collect();
            for host in before.difference(&now) {
                log::info!("upstream host \"{host}\" is found again");
            }
            before = now;
            let pause = jittered(self.names.settings().interval);
            // Either the pause is over or there is something new: both mean another round.
            let _ = tokio::time::timeout(pause, self.applied.notified()).await;
        }
    }

    /// Waits until the peers of an upstream have changed since this was last waited for. For one who waits.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }

    fn alive(&self) -> Vec<Arc<Upstream>> {
        locked(&self.alive).iter().filter_map(Weak::upgrade).collect()
    }
}

/// A tenth more or less; never less than a moment, whatever is configured.
fn jittered(interval: Duration) -> Duration {
    let thousandths = 900 + RandomState::new().hash_one(0) % 201;
    let factor = thousandths as f64 / 1000.0;
    interval.clamp(Duration::from_millis(100), Duration::from_secs(86_400)).mul_f64(factor)
}
