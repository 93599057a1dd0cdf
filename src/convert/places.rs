//! The blocks of nginx.conf, and which directive may stand in which.

use crate::config::keys::{Contexts, Key};
use crate::config::raw::{BLOCKS, all_keys};

/// The block a directive stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Main,
    Events,
    Http,
    Server,
    Location,
    Upstream,
}

/// Keys of edge.yaml that nginx.conf writes in other words: `location MODIFIER URI`, `server` and a method in `upstream`.
const NOT_DIRECTIVES: &[&str] = &["match", "balance", "servers"];

/// The keys of the process that nginx wants in `events {}`.
const OF_EVENTS: &[&str] =
    &["use", "multi_accept", "accept_mutex", "accept_mutex_delay", "worker_aio_requests", "worker_connections"];

/// Directives that are no keys, with the places they have.
const OF_NGINX: &[(&str, &[Place])] = &[
    ("events", &[Place::Main]),
    ("http", &[Place::Main]),
    ("load_module", &[Place::Main]),
    ("error_log", &[Place::Main, Place::Http, Place::Server, Place::Location]),
    ("server", &[Place::Http, Place::Upstream]),
    ("least_conn", &[Place::Upstream]),
    ("ip_hash", &[Place::Upstream]),
    ("random", &[Place::Upstream]),
    ("hash", &[Place::Upstream]),
    ("least_time", &[Place::Upstream]),
];

const ALL: [Place; 6] = [Place::Main, Place::Events, Place::Http, Place::Server, Place::Location, Place::Upstream];

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::Main => "main",
            Place::Events => "events",
            Place::Http => "http",
            Place::Server => "server",
            Place::Location => "location",
            Place::Upstream => "upstream",
        }
    }

    fn contexts(self) -> Contexts {
        match self {
            Place::Main | Place::Events => Contexts::MAIN,
            Place::Http => Contexts::HTTP,
            Place::Server => Contexts::SERVER,
            Place::Location => Contexts::LOCATION,
            Place::Upstream => Contexts::UPSTREAM,
        }
    }

    /// The key a directive of this block is.
    pub fn key(self, name: &str) -> Option<&'static Key> {
        all_keys().find(|key| key.name == name && self.holds(key))
    }

    fn holds(self, key: &Key) -> bool {
        let of_events = OF_EVENTS.contains(&key.name);
        key.contexts.contains(self.contexts())
            && !NOT_DIRECTIVES.contains(&key.name)
            && match self {
                Place::Main => !of_events,
                Place::Events => of_events,
                _ => true,
            }
    }

    /// Everything that may stand in this block, for "did you mean".
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let keys = all_keys().filter(move |key| self.holds(key)).map(|key| key.name);
        let blocks =
            BLOCKS.iter().filter(move |(_, contexts)| contexts.contains(self.contexts())).map(|(name, _)| *name);
        let others = OF_NGINX.iter().filter(move |(_, places)| places.contains(&self)).map(|(name, _)| *name);
        keys.chain(blocks).chain(others)
    }
}

/// The blocks a directive may stand in; none if edge has no such directive.
pub fn places_of(name: &str) -> Vec<Place> {
    ALL.into_iter().filter(|place| place.names().any(|known| known == name)).collect()
}
