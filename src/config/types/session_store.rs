//! How `session_store` is written: the memcacheds in which memcached-session-manager keeps sessions.

use serde_json::json;

use crate::config::keys::{map_schema, read_map};
use crate::config::value::{Arg, Named, Spanned, Time, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::keys;

keys! {
    /// A store of sessions.
    pub struct SessionStoreKeys {
        /// The nodes in the order of MSM's `memcachedNodes`: `{ n1: 'host:11211', n2: 'host:11211' }`, or its text: `n1:host:11211,n2:host:11211`.
        ["-"] memcached: MemcachedNodes,
        /// The names of those nodes that are used only when no other is left: MSM's `failoverNodes`, where all Tomcats name the same.
        ["-"] failover: Vec<Spanned<String>>,
        /// How long one question to a node may take, connecting included; after three such failures in a row a node is left alone until it answers again.
        ["-"] timeout: Time = "50ms",
        /// The most connections to each node; one more watches whether it lives.
        ["-"] connections: u32 = "32",
    }
}

/// `{memcached, failover, timeout, connections}`.
#[derive(Clone, Debug)]
pub struct SessionStore(pub SessionStoreKeys);

impl Value for SessionStore {
    fn expected() -> String {
        "a map with `memcached`, `failover`, `timeout` and `connections`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<SessionStore> {
        let keys: SessionStoreKeys = read_map(node, "a session store", diagnostics)?;
        if keys.memcached.is_none() && node.get("memcached").is_none() {
            diagnostics
                .error(node.span, "this session store has no `memcached`")
                .help("write the nodes as MSM's `memcachedNodes` has them: `memcached: { n1: 'host:11211' }`");
        }
        Some(SessionStore(keys))
    }

    fn schema() -> serde_json::Value {
        let mut schema = map_schema::<SessionStoreKeys>();
        schema["required"] = json!(["memcached"]);
        schema
    }
}

/// The stores by name.
#[derive(Clone, Debug)]
pub struct SessionStores(pub Named<Spanned<SessionStore>>);

impl Value for SessionStores {
    fn expected() -> String {
        Named::<SessionStore>::expected()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<SessionStores> {
        Named::read(node, diagnostics).map(SessionStores)
    }

    fn schema() -> serde_json::Value {
        Named::<SessionStore>::schema()
    }

    fn from_args(_: &[Arg]) -> Result<Node, String> {
        Err("nginx.conf has no form for it: it is a key of edge.yaml".into())
    }
}

/// The nodes: as a map, or in MSM's own words.
#[derive(Clone, Debug)]
pub enum MemcachedNodes {
    Text(String),
    Named(Named<Spanned<String>>),
}

impl Value for MemcachedNodes {
    fn expected() -> String {
        "nodes as `{ n1: 'host:11211', n2: 'host:11211' }` or `n1:host:11211,n2:host:11211`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<MemcachedNodes> {
        match (node.as_text(), node.as_map()) {
            (Some(text), _) => Some(MemcachedNodes::Text(text.to_owned())),
            (_, Some(_)) => Named::read(node, diagnostics).map(MemcachedNodes::Named),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": "string" }, { "type": "object", "additionalProperties": { "type": "string" } }] })
    }
}
