//! Which server of an upstream is which Tomcat: by the address on the command line, or by the port of a Connector, where
//! that is beyond doubt. A wrong route would be worse than none.

use super::file::File;
use super::proxied::address_of;
use super::sessions::{entry, value_of};
use super::xml::Word;
use crate::config::node::{Entry, Kind};
use crate::config::{Diagnostics, Node};

/// Gives the servers of an upstream the routes of their Tomcats. What has none is told, if a session needs it.
pub fn give(upstream: &mut Entry, files: &[File], sticky: bool, diagnostics: &mut Diagnostics) {
    let name = upstream.key.clone();
    let Some(servers) = value_of(&mut upstream.value, "servers") else { return };
    let addresses: Vec<String> = servers.items().iter().filter_map(address_of).map(str::to_owned).collect();
    let routes: Vec<Option<Word>> = addresses.iter().map(|address| route_of(address, &addresses, files)).collect();
    let mut unnamed = Vec::new();
    let list = match &mut servers.kind {
        Kind::List(items) => items.as_mut_slice(),
        _ => std::slice::from_mut(servers),
    };
    for server in list {
        let Some(address) = address_of(server).map(str::to_owned) else { continue };
        let at = addresses.iter().position(|a| *a == address);
        match at.and_then(|at| routes[at].clone()) {
            _ if server.get("route").is_some() => {}
            Some(route) => set(server, &route),
            None => unnamed.push((server.span, address)),
        }
    }
    for (number, (span, address)) in unnamed.into_iter().enumerate().filter(|_| sticky) {
        let route = format!("tomcat{}", number + 1);
        diagnostics.warning(span, format!("the jvmRoute of {address}, a server of `{name}`, is not known")).help(
            format!(
                "write `<Engine jvmRoute=\"{route}\" …>` in its server.xml, and either name that file as well, \
                 `--context {address}=server.xml`, or write `route={route}` behind the server"
            ),
        );
    }
}

fn set(server: &mut Node, route: &Word) {
    if let Kind::Scalar(_) = &server.kind {
        let address = server.clone();
        *server = Node::map(server.span, vec![entry("address", server.span, address)]);
    }
    if let Kind::Map(keys) = &mut server.kind {
        keys.insert(1.min(keys.len()), entry("route", route.span, Node::scalar(route.span, &route.text)));
    }
}

/// The route of the one file that can be this server's, if it can be no other's.
fn route_of(address: &str, all: &[String], files: &[File]) -> Option<Word> {
    let given = files.iter().find(|file| file.address.as_deref() == Some(address));
    let file = given.or_else(|| by_port(address, all, files))?;
    file.engine.as_ref()?.route.clone()
}

fn by_port<'f>(address: &str, all: &[String], files: &'f [File]) -> Option<&'f File> {
    let port = port_of(address)?;
    if all.iter().filter(|other| port_of(other) == Some(port)).count() != 1 {
        return None;
    }
    let mut found = files.iter().filter(|file| file.address.is_none() && file.ports.contains(&port));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Port 80 where none is written, as nginx has it.
pub fn port_of(address: &str) -> Option<u16> {
    if address.starts_with("unix:") {
        return None;
    }
    match address.rsplit_once(':') {
        Some((host, _)) if host.starts_with('[') && !host.ends_with(']') => Some(80),
        Some((_, port)) => port.parse().ok(),
        None => Some(80),
    }
}
