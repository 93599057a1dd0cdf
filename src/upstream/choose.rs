//! An upstream and the choice of a server for a request.
//!
//! A request calls [`Upstream::choose`], keeps the [`Chosen`] until its exchange with the server is over,
//! reports how that went and drops it. What it has tried it keeps in a [`Tried`].

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::balance;
use super::connections::Connections;
use super::names::{Address, Names, Target};
use super::peers::{Peer, Peers};
use super::retry::Failure;
use super::settings::{ServerSettings, UpstreamSettings};
use super::state::{DrainSwitch, Pool, Server, stamp};

/// What a request brings to the choice.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    pub now: Instant,
    /// For `ip_hash`; `None` for a client on a unix socket.
    pub client_ip: Option<IpAddr>,
    /// The value of `hash KEY`.
    pub key: &'a [u8],
    pub tried: &'a Tried,
    /// What the session of the request asks for.
    pub wish: Wish<'a>,
}

/// Which servers a session asks for, by their places in [`UpstreamSettings::servers`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish<'a> {
    /// Whichever the balancing picks.
    #[default]
    Any,
    /// This one, where the session is: while it drains, in spite of failures and beyond `max_conns`, and tried or not, because
    /// going elsewhere could cost the session. Nobody else.
    Only(usize),
    /// The first of these that would take a request without a session; if none would, whichever the balancing picks.
    Rather(&'a [usize]),
    /// The server of this id ([`super::peers::Peer::id`]), to which the client is bound: also while it drains. If it is down, failed,
    /// full or was tried, whichever the balancing picks (nginx's `sticky`).
    Bound(&'a [u8]),
}

/// The servers a request has tried in vain. Remembers servers and not places in a list, because places
/// shift when a name gets other addresses between two tries; costs nothing until something fails.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    ids: Vec<u64>,
    last_resort: bool,
}

impl Tried {
    /// Not to be asked again by this request. Not to be called after an idle connection broke
    /// ([`super::retry::decide`]).
    pub fn add(&mut self, chosen: &Chosen) {
        self.last_resort |= chosen.last_resort;
        self.ids.push(chosen.peer.server.id());
    }

    /// Somebody knows that it would be in vain.
    pub fn pass_over(&mut self, peer: &Peer) {
        self.ids.push(peer.server.id());
    }

    pub fn contains(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// Servers tried.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn had_last_resort(&self) -> bool {
        self.last_resort
    }
}

/// How an exchange with a server ended. A [`Chosen`] dropped without one (the client went away) says nothing
/// of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It answered; times since the request was handed to it.
    Success { header_time: Duration, response_time: Duration },
    /// It answered, but its times mean nothing: a status that sent the request on without counting.
    Alive,
    /// A failure that counts ([`super::retry::counts`]).
    Failure(Failure),
}

/// A server chosen for a request. It counts as in flight until this is dropped.
#[derive(Debug)]
pub struct Chosen {
    /// The peer's place in [`Upstream::peers`] at the moment of the choice.
    pub index: usize,
    /// It is the one the session asked for.
    pub bound: bool,
    /// All were marked as failed; this one has been so for longest.
    pub last_resort: bool,
    peer: Arc<Peer>,
}

impl Chosen {
    pub fn address(&self) -> &Address {
        self.peer.server.address()
    }

    pub fn server(&self) -> &Server {
        &self.peer.server
    }

    /// Its server's place in the configuration.
    pub fn place(&self) -> usize {
        self.peer.place
    }

    pub fn settings(&self) -> &ServerSettings {
        &self.peer.settings
    }

    /// What clients are bound to it by.
    pub fn id(&self) -> &Arc<str> {
        &self.peer.id
    }

    /// Tells the pool how it went: nginx's ngx_http_upstream_free_round_robin_peer.
    pub fn report(&self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Failure(what) => self.report_failure(what, now),
            Outcome::Alive => self.report_life(now),
            Outcome::Success { header_time, response_time } => {
                self.peer.server.times().note(response_time);
                if self.peer.times {
                    balance::note_times(&self.peer.server, header_time, response_time);
                }
                self.report_life(now);
            }
        }
    }

    fn report_failure(&self, what: Failure, now: Instant) {
        let server = &self.peer.server;
        server.note_failure(what.to_string(), now);
        if self.peer.lone {
            return;
        }
        let at = stamp(now);
        let max_fails = self.peer.settings.max_fails;
        let _turn = self.peer.pool.turn();
        let fails = server.fails.load(Relaxed).saturating_add(1);
        server.fails.store(fails, Relaxed);
        server.accessed.store(at, Relaxed);
        server.checked.store(at, Relaxed);
        if max_fails > 0 {
            let left = server.effective.load(Relaxed) - self.peer.weight / i64::from(max_fails);
            server.effective.store(left.max(0), Relaxed);
        }
        if fails == max_fails {
            log::warn!("upstream server {} temporarily disabled ({what})", server.address());
        }
    }

    /// nginx forgives only what a probe after `fail_timeout` has disproved, not what happened while
    /// earlier requests were under way. A last resort is such a probe ahead of time.
    fn report_life(&self, now: Instant) {
        let server = &self.peer.server;
        if self.peer.lone || server.fails.load(Relaxed) == 0 {
            return;
        }
        let _turn = self.peer.pool.turn();
        if !self.last_resort && server.accessed.load(Relaxed) >= server.checked.load(Relaxed) {
            return;
        }
        let fails = server.fails.swap(0, Relaxed);
        let max_fails = self.peer.settings.max_fails;
        if max_fails > 0 && fails >= max_fails {
            server.begin_slowly(stamp(now));
        }
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        self.peer.server.leave();
    }
}

/// An upstream of one configuration. Its state belongs to its pool and survives it.
pub struct Upstream {
    settings: UpstreamSettings,
    /// `None`: the address means nothing, which a checked configuration rules out.
    targets: Vec<Option<Target>>,
    pool: Arc<Pool>,
    peers: ArcSwap<Peers>,
}

/// What the configuration says of it; what has become of its servers is told elsewhere.
impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}

impl Upstream {
    pub(super) fn new(settings: &UpstreamSettings, names: &Names, pool: Arc<Pool>, now: Instant) -> Self {
        let targets: Vec<_> = settings.servers.iter().map(|server| super::names::parse(&server.address).ok()).collect();
        let peers = Peers::build(settings, &targets, names, &pool, now);
        Upstream { settings: settings.clone(), targets, pool, peers: ArcSwap::from_pointee(peers) }
    }

    pub fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What is counted of the connections to its servers.
    pub fn connections(&self) -> &Arc<Connections> {
        self.pool.connections()
    }

    /// The peers of this moment, for status pages, health checks and warming up.
    pub fn peers(&self) -> Arc<Peers> {
        self.peers.load_full()
    }

    /// The next server for a request; `None` if every server is down, draining, full or tried.
    pub fn choose(&self, want: &Want<'_>) -> Option<Chosen> {
        let peers = self.peers.load();
        let now = stamp(want.now);
        let mut turn = self.pool.turn();
        let (mut bound, mut last_resort) = (false, false);
        let found = match (peers.wished(want, now), want.wish) {
            (Some(found), _) => {
                bound = matches!(want.wish, Wish::Only(_) | Wish::Bound(_));
                Some(found)
            }
            (None, Wish::Only(_)) => return None,
            (None, _) => balance::pick(&peers, self.settings.balance, want, now, &mut turn.dice),
        };
        let (index, peer) = match found {
            Some(found) => found,
            None => {
                last_resort = true;
                peers.last_resort(want.tried)?
            }
        };
        peer.server.enter();
        if now - peer.server.checked.load(Relaxed) > peer.fail_timeout {
            peer.server.checked.store(now, Relaxed);
        }
        Some(Chosen { index, bound, last_resort, peer: Arc::clone(peer) })
    }

    /// How many servers a request could still be sent to: [`super::retry::Facts::left`].
    pub fn left(&self, want: &Want<'_>) -> usize {
        let peers = self.peers.load();
        let now = stamp(want.now);
        let usable = peers.iter().filter(|peer| peer.is_usable(want.tried, now)).count();
        usable.max(usize::from(peers.last_resort(want.tried).is_some()))
    }

    /// Sets the drain switch of every peer whose server is written so, has this address or this route;
    /// gives how many there are.
    pub fn set_drain(&self, server: &str, to: DrainSwitch, now: Instant) -> usize {
        let peers = self.peers.load();
        let named = peers.iter().filter(|peer| {
            peer.settings.address == server
                || peer.settings.route.as_deref() == Some(server)
                || peer.server.address().to_string() == server
        });
        named.inspect(|peer| peer.server.set_drain(to, now)).count()
    }

    /// The host names of its servers.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().flatten().filter_map(|target| match target {
            Target::Name { host, .. } => Some(host.as_str()),
            Target::Address(_) => None,
        })
    }

    /// Takes over what the names resolve to now; says whether that is something else than before.
    pub(super) fn refresh(&self, names: &Names, now: Instant) -> bool {
        if self.hosts().next().is_none() {
            return false;
        }
        let fresh = Peers::build(&self.settings, &self.targets, names, &self.pool, now);
        let moved = !fresh.same_as(&self.peers.load());
        if moved {
            self.peers.store(Arc::new(fresh));
        }
        moved
    }
}
