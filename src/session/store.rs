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
    /// MSM's `failoverNodes`: those of them that are used only when no other is left.
    pub failover: Vec<String>,
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

    /// The next node in MSM's order that is up, where MSM puts a session's backup: one for failover only when no other is left;
    /// `None` if none is.
    pub fn next(&self, after: &Node) -> Option<&Arc<Node>> {
        let at = self.nodes.iter().position(|node| node.name() == after.name())?;
        let (before, behind) = self.nodes.split_at(at);
        let others = || behind.iter().skip(1).chain(before).filter(|node| node.is_up());
        let is_primary = |node: &&Arc<Node>| !self.settings.failover.iter().any(|name| name == node.name());
        others().find(is_primary).or_else(|| others().next())
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

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
