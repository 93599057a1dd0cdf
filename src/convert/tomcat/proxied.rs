//! Which upstreams are the Tomcats: those that a `proxy_pass` names and, where a server.xml tells ports, that have one.

use super::file::File;
use super::routes::port_of;
use crate::config::{Diagnostics, Node};

/// The names of the upstreams, in their order.
pub fn upstreams(tree: &Node, files: &[File], diagnostics: &mut Diagnostics) -> Vec<String> {
    let mut passes = Vec::new();
    tree.get("server").into_iter().flat_map(Node::items).for_each(|server| collect(server, &mut passes));
    let defined = tree.get("upstream").and_then(Node::as_map).unwrap_or_default();
    let is_named = |name: &str| passes.iter().any(|pass| host_of(pass) == Some(name));
    let named: Vec<_> = defined.iter().filter(|e| is_named(&e.key)).collect();
    for pass in &passes {
        let Some(host) = host_of(pass).filter(|host| !host.starts_with('$')) else { continue };
        if !defined.iter().any(|e| e.key == host) && named.is_empty() {
            diagnostics
                .warning(pass.span, "sessions belong to an upstream, and this `proxy_pass` names a server")
                .help(format!("write `upstream tomcats {{ server {host}; }}`, and `proxy_pass` to `http://tomcats`"));
        }
    }
    if named.is_empty() {
        return Vec::new();
    }
    let ports: Vec<u16> = files.iter().flat_map(|file| &file.ports).copied().collect();
    let has_port = |upstream: &Node| {
        let servers = upstream.get("servers").map(Node::items).unwrap_or_default();
        servers.iter().filter_map(address_of).filter_map(port_of).any(|port| ports.contains(&port))
    };
    let tomcats: Vec<_> = named.iter().filter(|e| has_port(&e.value)).collect();
    match tomcats.is_empty() {
        true => named.iter().map(|e| e.key.clone()).collect(),
        false => tomcats.iter().map(|e| e.key.clone()).collect(),
    }
}

fn collect<'n>(block: &'n Node, passes: &mut Vec<&'n Node>) {
    passes.extend(block.get("proxy_pass"));
    // An `if` among the steps of a location may have one of its own.
    block.get("rewrite").into_iter().flat_map(Node::items).for_each(|step| collect(step, passes));
    block.get("location").into_iter().flat_map(Node::items).for_each(|location| collect(location, passes));
}

/// What stands between the scheme and the path.
fn host_of(pass: &Node) -> Option<&str> {
    let (_, rest) = pass.as_text()?.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    (!host.is_empty()).then_some(host)
}

/// The address of a server of an upstream, short or in a map.
pub fn address_of(server: &Node) -> Option<&str> {
    server.as_text().or_else(|| server.get("address")?.as_text())
}
