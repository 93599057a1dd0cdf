//! `memcachedNodes` as MSM reads it (MemcachedNodesManager.java): `host:port`, or `id:host:port` with a comma or white space
//! between them.

use super::xml::Word;
use crate::config::node::Entry;
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
    let text = written.text.trim();
    if let Some((scheme, _)) = text.split_once("://") {
        let what = match scheme {
            "redis" | "rediss" => "Redis",
            "http" | "https" => "Couchbase",
            _ => "something else than memcached",
        };
        diagnostics
            .error(written.span, format!("the sessions are kept in {what}: edge asks memcached only"))
            .help(EXPECTED);
        return None;
    }
    let words: Vec<&str> = text.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    let nodes = match words.as_slice() {
        [one] if one.matches(':').count() == 1 => {
            is_address(one).then(|| Nodes::Single(Word { text: (*one).to_owned(), span: written.span }))
        }
        _ => words.iter().map(|word| named(word, written)).collect::<Option<Vec<_>>>().map(Nodes::Named),
    };
    let Some(nodes) = nodes.filter(|nodes| nodes.count() > 0) else {
        diagnostics.error(written.span, "these are no nodes of memcached").help(EXPECTED);
        return None;
    };
    if let Some(twice) = repeated(&nodes) {
        diagnostics
            .error(written.span, format!("two nodes are called `{}`", super::super::shown(twice)))
            .help("an id of a session names its node: each needs a name of its own");
        return None;
    }
    Some(nodes)
}

fn named(word: &str, written: &Word) -> Option<(Word, String)> {
    let (id, address) = word.split_once(':')?;
    let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_id && is_address(address)).then(|| (Word { text: id.to_owned(), span: written.span }, address.to_owned()))
}

/// MSM has no addresses of IPv6.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.split_once(':') else { return false };
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    is_host && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn repeated(nodes: &Nodes) -> Option<&str> {
    let Nodes::Named(nodes) = nodes else { return None };
    let is_before = |at: usize, id: &Word| nodes[..at].iter().any(|(before, _)| before.text == id.text);
    nodes.iter().enumerate().find(|(at, (id, _))| is_before(*at, id)).map(|(_, (id, _))| id.text.as_str())
}
