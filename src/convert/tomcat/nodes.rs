//! `memcachedNodes` as MSM reads it (MemcachedNodesManager.java), with their places in the file: `host:port`, or `id:host:port` with
//! a comma or white space between them. What they are is [`crate::config::nodes`]'s to say.

use super::xml::Word;
use crate::config::node::Entry;
use crate::config::nodes::{NodesMistake, parse_nodes};
use crate::config::{Diagnostics, Node};

/// The nodes, in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Nodes {
    /// One without an id: ids of sessions name no node.
    Single(Word),
    /// `(id, host:port)`.
    Named(Vec<(Word, String)>),
}

impl Nodes {
    pub fn count(&self) -> usize {
        match self {
            Nodes::Single(_) => 1,
            Nodes::Named(nodes) => nodes.len(),
        }
    }

    pub fn has(&self, id: &str) -> bool {
        matches!(self, Nodes::Named(nodes) if nodes.iter().any(|(name, _)| name.text == id))
    }

    /// As `memcached:` has it.
    pub fn node(&self) -> Node {
        match self {
            Nodes::Single(address) => Node::quoted(address.span, &address.text),
            Nodes::Named(nodes) => {
                let entry = |(id, address): &(Word, String)| Entry {
                    key: id.text.clone(),
                    span: id.span,
                    value: Node::quoted(id.span, address),
                };
                let span = nodes.first().map(|(id, _)| id.span).unwrap_or_default();
                Node::map(span, nodes.iter().map(entry).collect())
            }
        }
    }
}

const EXPECTED: &str = "write `memcachedNodes=\"n1:host:11211,n2:host:11211\"`, or `host:11211` if there is one only";

/// Notes what edge or MSM could not use.
pub fn read(written: &Word, diagnostics: &mut Diagnostics) -> Option<Nodes> {
    let mistake = match parse_nodes(&written.text) {
        // MSM has no addresses of IPv6.
        Ok(nodes) if nodes.iter().all(|(_, address)| !address.starts_with('[')) => {
            return Some(with_places(nodes, written));
        }
        Ok(_) => None,
        Err(mistake) => Some(mistake),
    };
    let foreign = |what: &str| format!("the sessions are kept in {what}: edge asks memcached only");
    let (message, help) = match mistake {
        Some(NodesMistake::Redis(_)) => (foreign("Redis"), EXPECTED),
        Some(NodesMistake::Couchbase(_)) => (foreign("Couchbase"), EXPECTED),
        _ if written.text.contains("://") => (foreign("something else than memcached"), EXPECTED),
        Some(NodesMistake::Twice(name)) => (
            format!("two nodes are called `{}`", super::super::shown(&name)),
            "an id of a session names its node: each needs a name of its own",
        ),
        _ => ("these are no nodes of memcached".to_owned(), EXPECTED),
    };
    diagnostics.error(written.span, message).help(help);
    None
}

fn with_places(nodes: Vec<(String, String)>, written: &Word) -> Nodes {
    let word = |text: String| Word { text, span: written.span };
    match nodes.as_slice() {
        [(name, address)] if name.is_empty() => Nodes::Single(word(address.clone())),
        _ => Nodes::Named(nodes.into_iter().map(|(name, address)| (word(name), address)).collect()),
    }
}
