//! Active health checks: servers are asked at intervals whether they live, and [`Server::set_health`] is told.
//!
//! ```text
//!   probe     one check of one server
//!   verdict   rise and fall
//! ```
//!
//! It is here and not in `upstream/` because that room opens no connection: this one finds out, that one knows.
//!
//! What always holds: each server has a task of its own, so no check holds up another, and each check ends within its
//! timeout; what is checked is what the newest configuration in force says of a server, so a check goes on over reloads
//! that do not change it, one that changed begins anew (the verdict before holds until its first check), one that is no
//! longer wanted ends and leaves the server's health unknown; nothing here keeps a configuration or a server alive.

mod probe;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::upstream::{Health, HealthCheck, Server, Table, Upstreams};
use probe::Probe;
use verdict::Verdict;

/// The checks of the process.
pub struct Checks {
    upstreams: Arc<Upstreams>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the configurations that were put in force and are still used by somebody; the newest is the last.
    tables: Vec<Weak<Table>>,
    /// By the server's id.
    running: HashMap<u64, Running>,
}

/// The check of one server; it ends when this is dropped.
struct Running {
    settings: Arc<HealthCheck>,
    probe: Arc<Probe>,
    server: Weak<Server>,
    task: AbortHandle,
    live: Arc<Live>,
}

/// Whether the check may still say something: a task that is told to end in the middle of its last words says them.
struct Live(Mutex<bool>);

impl Live {
    fn held(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.live.held() = false;
        self.task.abort();
    }
}

/// Who is to be checked, and how.
struct Wanted {
    settings: Arc<HealthCheck>,
    server: Arc<Server>,
    upstream: String,
    /// Its place among the servers of its upstream, from 0 to below 1: that far into the interval its checks are.
    place: f64,
}

impl Checks {
    pub fn new(upstreams: Arc<Upstreams>) -> Checks {
        Checks { upstreams, state: Mutex::default() }
    }

    /// The upstreams of a configuration that is now in force. New servers are checked at once.
    pub fn apply(&self, table: &Arc<Table>) {
        self.state().tables.push(Arc::downgrade(table));
        self.reconcile(None);
    }

    /// The same at the start, and waits until each name was asked for and each server checked once: so the first request
    /// finds the servers there are, and none that is known to be dead a moment later. Ends within the limits of both.
    pub async fn begin(&self, table: &Arc<Table>) {
        self.upstreams.resolve().await;
        let (checked, mut first_round) = mpsc::channel(1);
        self.state().tables.push(Arc::downgrade(table));
        self.reconcile(Some(&checked));
        drop(checked);
        // Nobody sends: each check lets its end go when it is over.
        let _ = first_round.recv().await;
    }

    /// Follows the names for ever: new addresses are checked at once, those that are gone no longer. Stop it by dropping it.
    pub async fn keep_checking(&self) {
        loop {
            self.upstreams.moved().await;
            self.reconcile(None);
        }
    }

    /// How many servers are checked now.
    pub fn running(&self) -> usize {
        self.state().running.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A holder that panicked left whole entries: each change is one call of a map.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the running checks those that are wanted. `first` is held by new checks until they have checked once.
    fn reconcile(&self, first: Option<&mpsc::Sender<()>>) {
        let mut state = self.state();
        state.tables.retain(|table| table.strong_count() > 0);
        let wanted = wanted(&state.tables);
        state.running.retain(|id, check| {
            let stays = wanted.contains_key(id);
            if let Some(server) = check.server.upgrade().filter(|_| !stays) {
                *check.live.held() = false;
                server.set_health(Health::Unknown, Instant::now());
            }
            stays
        });
        for (id, wanted) in wanted {
            if state.running.get(&id).is_some_and(|check| check.settings == wanted.settings) {
                continue;
            }
            // Connectors are dear: servers with the same settings share one.
            let alike = state.running.values().find(|check| check.settings == wanted.settings);
            let probe = alike.map_or_else(|| Arc::new(Probe::new(&wanted.settings)), |check| check.probe.clone());
            state.running.insert(id, Running::start(wanted, probe, first.cloned()));
        }
    }
}

/// Who is to be checked by the configurations in use. Where two know a server, the newer one says how, or that it is not.
fn wanted(tables: &[Weak<Table>]) -> HashMap<u64, Wanted> {
    let mut wanted = HashMap::new();
    for table in tables.iter().filter_map(Weak::upgrade) {
        for upstream in table.iter() {
            let peers = upstream.peers();
            let count = peers.iter().count().max(1) as f64;
            for (at, peer) in peers.iter().enumerate() {
                let settings = upstream.settings().health_check.as_ref().filter(|_| !peer.settings.down);
                let Some(settings) = settings else {
                    wanted.remove(&peer.server.id());
                    continue;
                };
                let check = Wanted {
                    settings: settings.clone(),
                    server: peer.server.clone(),
                    upstream: upstream.name().to_owned(),
                    place: at as f64 / count,
                };
                wanted.insert(peer.server.id(), check);
            }
        }
    }
    wanted
}

impl Running {
    fn start(wanted: Wanted, probe: Arc<Probe>, first: Option<mpsc::Sender<()>>) -> Running {
        let live = Arc::new(Live(Mutex::new(true)));
        let check = Check {
            server: Arc::downgrade(&wanted.server),
            upstream: wanted.upstream,
            settings: wanted.settings.clone(),
            probe: probe.clone(),
            live: live.clone(),
        };
        let server = check.server.clone();
        let task = tokio::spawn(check.go_on(wanted.place, first));
        Running { settings: wanted.settings, probe, server, task: task.abort_handle(), live }
    }
}

/// What the task of a check has.
struct Check {
    server: Weak<Server>,
    upstream: String,
    settings: Arc<HealthCheck>,
    probe: Arc<Probe>,
    live: Arc<Live>,
}

impl Check {
    /// Checks a server for as long as it is there. The first check is at once, the second as far into the interval as the
    /// server's place is, so that those of an upstream do not come together.
    async fn go_on(self, place: f64, mut first: Option<mpsc::Sender<()>>) {
        let mut verdict = Verdict::default();
        let mut pause = self.settings.interval.mul_f64(1.0 - place);
        loop {
            let began = tokio::time::Instant::now();
            let Some(address) = self.server.upgrade().map(|server| server.address().clone()) else {
                return;
            };
            let outcome = self.probe.check(&address).await;
            if let Some(health) = verdict.take(outcome.is_ok(), self.settings.rise, self.settings.fall) {
                self.tell(health, outcome.err());
            }
            drop(first.take());
            let late = self.settings.jitter.mul_f64(random());
            tokio::time::sleep_until(began + pause.max(LEAST) + late).await;
            pause = self.settings.interval;
        }
    }

    /// Hands a verdict on, and logs it if it is news.
    fn tell(&self, health: Health, reason: Option<String>) {
        let live = self.live.held();
        let Some(server) = self.server.upgrade().filter(|_| *live) else {
            return;
        };
        let before = server.health();
        server.set_health(health, Instant::now());
        let (address, upstream) = (server.address(), &self.upstream);
        match (before, health) {
            (Health::Down, Health::Up) => {
                log::info!(target: "edge::notice", "upstream server {address} of {upstream} is healthy again");
            }
            (Health::Unknown | Health::Up, Health::Down) => {
                log::warn!("upstream server {address} of {upstream} is unhealthy: {}", reason.unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Never less between two checks of a server, whatever is configured.
const LEAST: Duration = Duration::from_millis(10);

/// From 0 to below 1.
fn random() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1_u64 << 53) as f64
}
