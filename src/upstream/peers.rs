//! The peers of an upstream at one moment: the addresses its servers have now, each with its settings and
//! its state. An immutable list, exchanged as a whole when names change; a choice works on one list.
//!
//! As in nginx, each address of a name is a peer of its own with the settings of its server, and backups
//! are a second group that is asked when the first has nobody.

use md5::{Digest, Md5};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::balance::Ring;
use super::choose::{Tried, Want, Wish};
use super::names::{Names, Target};
use super::settings::{Balance, ServerSettings, UpstreamSettings};
use super::state::{DrainSwitch, Health, Pool, Server, Stamp, millis, stamp};

/// One address of one server.
#[derive(Debug)]
pub struct Peer {
    pub server: Arc<Server>,
    pub settings: Arc<ServerSettings>,
    /// Its server's place in the configuration.
    pub place: usize,
    /// As nginx calls it where clients are bound to servers: its route, or the MD5 of its address in hexadecimal digits.
    pub id: Arc<str>,
    pub(super) pool: Arc<Pool>,
    pub(super) weight: i64,
    pub(super) fail_timeout: i64,
    /// Zero where the method does not know it.
    slow_start: i64,
    /// The only peer of its upstream: nginx never marks it as failed.
    pub(super) lone: bool,
    pub(super) times: bool,
}

/// How a peer is, in a word for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Up,
    /// By the configuration or by active checks.
    Down,
    /// Only sessions bound to it come here.
    Draining,
    /// Left alone because of `max_fails`.
    Failed,
}

impl Peer {
    /// For status pages and `edge upstream list`.
    pub fn condition(&self, now: Instant) -> Condition {
        match () {
            () if !self.is_up() => Condition::Down,
            () if self.is_draining() => Condition::Draining,
            () if self.is_failed(stamp(now)) => Condition::Failed,
            () => Condition::Up,
        }
    }

    /// Could it take a request at all? Not asked: failures, room, who was tried.
    pub(super) fn is_up(&self) -> bool {
        !self.settings.down && self.server.health() != Health::Down
    }

    pub fn is_draining(&self) -> bool {
        match self.server.drain_switch() {
            DrainSwitch::AsConfigured => self.settings.drain,
            DrainSwitch::Drain => true,
            DrainSwitch::Up => false,
        }
    }

    fn has_room(&self) -> bool {
        self.settings.max_conns == 0 || self.server.in_flight() < self.settings.max_conns as usize
    }

    /// Left alone because of `max_fails`. Between two probes `fail_timeout` passes, not more than one
    /// request at a time is a probe: choosing a peer moves `checked`.
    pub(super) fn is_failed(&self, now: Stamp) -> bool {
        let max = self.settings.max_fails;
        !self.lone
            && max > 0
            && self.server.fails.load(Relaxed) >= max
            && now - self.server.checked.load(Relaxed) <= self.fail_timeout
    }

    /// Everything but failures: what the last resort may still ask.
    pub(super) fn is_open(&self, tried: &Tried) -> bool {
        self.is_up() && !self.is_draining() && self.has_room() && !tried.contains(self.server.id())
    }

    /// May an ordinary request be sent here?
    pub(super) fn is_usable(&self, tried: &Tried, now: Stamp) -> bool {
        self.is_open(tried) && !self.is_failed(now)
    }

    /// May a request of a client that is bound to it be sent here?
    fn takes_bound(&self, tried: &Tried, now: Stamp) -> bool {
        self.is_up() && self.has_room() && !tried.contains(self.server.id()) && !self.is_failed(now)
    }

    /// Its weight in thousandths, less while it starts slowly.
    pub(super) fn warm_weight(&self, now: Stamp) -> i64 {
        self.weight * self.server.warmth(self.slow_start, now)
    }

    /// The same of the weight that failures have left.
    pub(super) fn share(&self, now: Stamp) -> i64 {
        self.server.effective.load(Relaxed) * self.server.warmth(self.slow_start, now)
    }
}

/// Peers among which one method picks.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) peers: Vec<Arc<Peer>>,
    pub(super) total_weight: u64,
    /// Only for consistent hashing.
    pub(super) ring: Ring,
}

impl Group {
    fn new(peers: Vec<Arc<Peer>>, balance: Balance) -> Self {
        let ring = if balance == Balance::ConsistentHash { Ring::new(&peers) } else { Ring::default() };
        let total_weight = peers.iter().map(|peer| peer.weight.unsigned_abs()).sum();
        Group { peers, total_weight, ring }
    }
}

/// What `choose` works on.
#[derive(Debug)]
pub struct Peers {
    pub(super) groups: [Group; 2],
    /// Servers without an address, as they are written.
    pub unresolved: Vec<String>,
}

impl Peers {
    /// All peers, backups last; their places are the `index` of a [`super::Chosen`].
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Peer>> + Clone {
        self.groups.iter().flat_map(|group| &group.peers)
    }

    pub(super) fn build(
        settings: &UpstreamSettings,
        targets: &[Option<Target>],
        names: &Names,
        pool: &Arc<Pool>,
        now: Instant,
    ) -> Self {
        let mut found = Vec::new();
        let mut unresolved = Vec::new();
        let mut mentions = HashMap::new();
        for (place, server) in settings.servers.iter().enumerate() {
            let addresses = targets[place].as_ref().map(|target| names.addresses(target)).unwrap_or_default();
            if addresses.is_empty() {
                unresolved.push(server.address.clone());
            }
            let shared = Arc::new(server.clone());
            for address in addresses {
                let mention: &mut usize = mentions.entry(address.clone()).or_default();
                found.push(((place, shared.clone()), (address, *mention)));
                *mention += 1;
            }
        }
        let lone = found.len() == 1;
        let (shared, keys): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let states = pool.servers(keys, now);
        let peer = |((place, settings_of), server): ((usize, Arc<ServerSettings>), Arc<Server>)| Peer {
            place,
            id: id_of(&settings_of, &server),
            weight: i64::from(settings_of.weight.max(1)),
            fail_timeout: millis(settings_of.fail_timeout),
            slow_start: if settings.balance.honours_slow_start() { millis(settings_of.slow_start) } else { 0 },
            lone,
            times: matches!(settings.balance, Balance::LeastTime(_)),
            pool: Arc::clone(pool),
            server,
            settings: settings_of,
        };
        let all = shared.into_iter().zip(states).map(peer).map(Arc::new);
        let (backups, primaries): (Vec<_>, Vec<_>) = all.partition(|peer| peer.settings.backup);
        let groups = [primaries, backups].map(|peers| Group::new(peers, settings.balance));
        let peers = Peers { groups, unresolved };
        pool.lay_out(peers.iter().map(|peer| (&*peer.server, peer.weight)));
        peers
    }

    /// The same peers at the same places?
    pub(super) fn same_as(&self, other: &Peers) -> bool {
        self.unresolved == other.unresolved
            && self.iter().map(|p| p.server.id()).eq(other.iter().map(|p| p.server.id()))
    }

    /// The peer that a session asks for. A name with several addresses is one server with several peers: the first of them.
    pub(super) fn wished(&self, want: &Want<'_>, now: Stamp) -> Option<(usize, &Arc<Peer>)> {
        let at = |place: usize| self.iter().enumerate().filter(move |(_, peer)| peer.place == place);
        match want.wish {
            Wish::Any => None,
            Wish::Only(place) => at(place).find(|(_, peer)| !peer.settings.down),
            Wish::Rather(places) => {
                places.iter().find_map(|place| at(*place).find(|(_, peer)| peer.is_usable(want.tried, now)))
            }
            // A backup keeps its clients as well, while nginx looks at backups only where there is no other server.
            Wish::Bound(id) => {
                self.iter().enumerate().find(|(_, peer)| peer.id.as_bytes() == id && peer.takes_bound(want.tried, now))
            }
        }
    }

    /// **Passive failures never empty a pool.** Where nginx answers "no live upstreams" because every
    /// server it could ask has used up its `max_fails`, the one whose failure is oldest is asked, backups
    /// included. Once per request: more would make each request wait for every dead server in turn.
    pub(super) fn last_resort(&self, tried: &Tried) -> Option<(usize, &Arc<Peer>)> {
        if tried.had_last_resort() {
            return None;
        }
        let open = self.iter().enumerate().filter(|(_, peer)| peer.is_open(tried));
        open.min_by_key(|(_, peer)| peer.server.accessed.load(Relaxed))
    }
}

fn id_of(settings: &ServerSettings, server: &Server) -> Arc<str> {
    match &settings.route {
        Some(route) => Arc::from(route.as_str()),
        None => Arc::from(format!("{:032x}", u128::from_be_bytes(Md5::digest(server.address().to_string()).into()))),
    }
}
