//! The memcached nodes of one application: which one a new session gets, which one instead of a dead one, and where its
//! second copy lies.
//!
//! A single node without a name is in no id, and is never pinged.

use std::hash::BuildHasher;
use std::hash::RandomState;

use super::client::Client;
use super::id::Id;
use super::msm::Msm;

pub(super) struct Node {
    pub name: String,
    pub client: Client,
}

pub(super) struct Nodes {
    all: Vec<Node>,
    /// Names of those that are used only when no other is left.
    failover: Vec<String>,
    /// Whether ids name their node.
    pub named: bool,
    /// MSM looks for the node in the whole key: with a dot or a dash in the prefix it finds none.
    lost: bool,
    random: RandomState,
}

impl Nodes {
    pub fn new(msm: &Msm) -> Nodes {
        let node = |(name, address): &(Option<String>, _)| {
            let name = name.clone().unwrap_or_default();
            let client = Client::new(*address, format!("{}ping-{name}", msm.prefix()), msm.reconnect);
            Node { name, client }
        };
        Nodes {
            all: msm.nodes.iter().map(node).collect(),
            failover: msm.failover_nodes.clone(),
            named: msm.nodes.iter().all(|(name, _)| name.is_some()),
            lost: msm.prefix().contains(['.', '-']),
            random: RandomState::new(),
        }
    }

    pub fn forget(&self) {
        self.all.iter().for_each(|node| node.client.forget());
    }

    /// Where a session with this id lies, if MSM would look for it at all.
    pub fn of(&self, id: &Id) -> Option<&Node> {
        match self.named {
            _ if self.lost => None,
            true => self.named(id.node?),
            false => self.all.first(),
        }
    }

    /// The same, if the node is there.
    pub async fn reachable(&self, id: &Id<'_>) -> Option<&Node> {
        let node = self.of(id)?;
        (!self.named || node.client.is_available().await).then_some(node)
    }

    pub async fn is_available(&self, name: &str) -> bool {
        match self.named(name) {
            Some(node) => node.client.is_available().await,
            None => false,
        }
    }

    pub fn is_failover(&self, name: &str) -> bool {
        self.failover.iter().any(|node| node == name)
    }

    /// A node for a session: a wished one if there is one, otherwise any; one for failover only when no other is left.
    pub async fn choose(&self, wished: Option<String>, except: Option<&str>) -> Option<String> {
        if !self.named || self.lost {
            return None;
        }
        let mut candidates: Vec<&Node> = self.all.iter().filter(|node| Some(&node.name[..]) != except).collect();
        candidates.sort_by_cached_key(|node| {
            let wanted = wished.as_ref() == Some(&node.name);
            (self.is_failover(&node.name), !wanted, self.random.hash_one((&node.name, RandomState::new().hash_one(0))))
        });
        for node in candidates {
            if node.client.is_available().await {
                return Some(node.name.clone());
            }
        }
        None
    }

    /// Where the second copy of what lies on `name` is: the next available node in their order.
    pub async fn after(&self, name: &str) -> Option<&Node> {
        let at = self.all.iter().position(|node| node.name == name)?;
        for node in self.all[at + 1..].iter().chain(&self.all[..at]) {
            if !self.is_failover(&node.name) && node.client.is_available().await {
                return Some(node);
            }
        }
        None
    }

    fn named(&self, name: &str) -> Option<&Node> {
        self.all.iter().find(|node| node.name == name)
    }
}
