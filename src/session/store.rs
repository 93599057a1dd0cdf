//! The nodes of a session store by name, as MSM's `memcachedNodes` names them, and which of them holds what.

use super::id::Id;
use crate::memcached::{Limits, Node};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::task::JoinSet;

/// What a store is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Name and `host:port`, in MSM's order; the name is empty where there is only one and it has none.
    pub nodes: Vec<(String, String)>,
    pub limits: Limits,
}

/// The nodes of one `memcachedNodes`.
#[derive(Debug)]
pub struct Store {
    settings: StoreSettings,
    nodes: Vec<Arc<Node>>,
}

impl Store {
    pub fn new(settings: StoreSettings) -> Arc<Store> {
        let node = |(name, address): &(String, String)| Node::new(name, address, settings.limits);
        let nodes = settings.nodes.iter().map(node).collect();
        Arc::new(Store { settings, nodes })
    }

    pub fn settings(&self) -> &StoreSettings {
        &self.settings
    }

    /// In MSM's order.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.name() == name)
    }

    /// The node that holds a session: the one its id names, or the only one if that has no name.
    pub fn node_of(&self, id: &Id) -> Option<&Arc<Node>> {
        match self.nodes.as_slice() {
            [only] if only.name().is_empty() => Some(only),
            _ => self.node(id.node()?),
        }
    }

    /// The next node in MSM's order that is up, where MSM puts a session's backup; `None` if no other is.
    pub fn next(&self, after: &Node) -> Option<&Arc<Node>> {
        let at = self.nodes.iter().position(|node| node.name() == after.name())?;
        let (before, behind) = self.nodes.split_at(at);
        behind.iter().skip(1).chain(before).find(|node| node.is_up())
    }

    /// Watches over all nodes until dropped.
    pub async fn keep_watch(self: Arc<Self>) {
        let mut watches = JoinSet::new();
        for node in &self.nodes {
            watches.spawn(Arc::clone(node).keep_watch());
        }
        while watches.join_next().await.is_some() {}
    }
}

/// The stores that are in use, by name: one whose settings stay keeps its connections, and what it knows of its nodes, over
/// a reload.
#[derive(Debug, Default)]
pub struct Stores(Mutex<HashMap<String, Vec<Weak<Store>>>>);

impl Stores {
    /// The stores of a configuration. Whoever has them keeps them alive; a configuration that is given up leaves nothing.
    pub fn apply(&self, settings: &BTreeMap<String, StoreSettings>) -> BTreeMap<String, Arc<Store>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values_mut().for_each(|stores| stores.retain(|store| store.strong_count() > 0));
        known.retain(|_, stores| !stores.is_empty());
        let mut store = |name: &str, settings: &StoreSettings| {
            let known = known.entry(name.to_owned()).or_default();
            let same = known.iter().filter_map(Weak::upgrade).find(|store| store.settings == *settings);
            same.unwrap_or_else(|| {
                let store = Store::new(settings.clone());
                known.push(Arc::downgrade(&store));
                store
            })
        };
        settings.iter().map(|(name, settings)| (name.clone(), store(name, settings))).collect()
    }
}

/// What is wrong with a list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodesMistake {
    #[error("no memcached is named: write `{{ n1: 'host:11211' }}`, or MSM's `n1:host:11211,n2:host:11211`")]
    None,
    #[error("`{0}`: sessions that MSM keeps in Redis are not supported, edge reads memcached")]
    Redis(String),
    #[error("`{0}`: sessions that MSM keeps in Couchbase are not supported, edge reads memcached nodes with names")]
    Couchbase(String),
    #[error("`{0}` is no address: write `host:port`, as `10.0.0.1:11211`, `cache.example:11211` or `[::1]:11211`")]
    Address(String),
    #[error("`{0}` is no name of a node: MSM takes letters, digits and `_`, and writes it into each session's id")]
    Name(String),
    #[error("two nodes are called `{0}`")]
    Twice(String),
    #[error("`{0}` has no name, and is not the only node: write `n1:{0}`, as in MSM's `memcachedNodes`")]
    Nameless(String),
}

/// MSM's `memcachedNodes`: `n1:host:port,n2:host:port`, parted by commas or white space, or one `host:port`. Beyond MSM an
/// address of IPv6 may stand in brackets.
pub fn parse_nodes(text: &str) -> Result<Vec<(String, String)>, NodesMistake> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let nodes: Vec<(String, String)> = words.map(parse_node).collect::<Result<_, _>>()?;
    check_nodes(&nodes)?;
    Ok(nodes)
}

/// Looks at nodes however they were written.
pub fn check_nodes(nodes: &[(String, String)]) -> Result<(), NodesMistake> {
    if nodes.is_empty() {
        return Err(NodesMistake::None);
    }
    for (at, (name, address)) in nodes.iter().enumerate() {
        if !is_address(address) {
            return Err(foreign(address).unwrap_or_else(|| NodesMistake::Address(address.clone())));
        }
        if name.is_empty() && nodes.len() > 1 {
            return Err(NodesMistake::Nameless(address.clone()));
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(NodesMistake::Name(name.clone()));
        }
        if nodes[..at].iter().any(|(before, _)| before == name) {
            return Err(NodesMistake::Twice(name.clone()));
        }
    }
    Ok(())
}

/// `name:host:port` or `host:port`.
fn parse_node(word: &str) -> Result<(String, String), NodesMistake> {
    if let Some(mistake) = foreign(word) {
        return Err(mistake);
    }
    let named = match word.split_once(':') {
        // Of `[::1]:11211` as well the first colon parts no name.
        Some((name, address)) if address.contains(':') && !word.starts_with('[') => Some((name, address)),
        _ => None,
    };
    let (name, address) = named.unwrap_or(("", word));
    if named.is_some() && name.is_empty() {
        return Err(NodesMistake::Name(name.to_owned()));
    }
    Ok((name.to_owned(), address.to_owned()))
}

/// MSM's other stores.
fn foreign(text: &str) -> Option<NodesMistake> {
    // An address may hold a password.
    let shown = |scheme: &str| format!("{scheme}://…");
    match text.split_once("://")?.0 {
        scheme @ ("redis" | "rediss") => Some(NodesMistake::Redis(shown(scheme))),
        scheme @ ("http" | "https") => Some(NodesMistake::Couchbase(shown(scheme))),
        _ => None,
    }
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_is_good = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    host_is_good && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
