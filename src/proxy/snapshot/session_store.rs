//! The stores of sessions, compiled.

use crate::config::nodes::{NodesMistake, check_nodes, parse_nodes};
use crate::config::raw::Raw;
use crate::config::types::{MemcachedNodes, SessionStoreKeys};
use crate::config::{Diagnostics, Span};
use crate::memcached::Limits;
use crate::session::store::StoreSettings;
use std::collections::BTreeMap;
use std::time::Duration;

/// A request may have to wait so long for a node three times.
const LONGEST: Duration = Duration::from_secs(5);
const MOST: u32 = 1024;

/// The stores by name.
pub fn session_stores(raw: &Raw, diagnostics: &mut Diagnostics) -> BTreeMap<String, StoreSettings> {
    let named = raw.main.session_store.iter().flat_map(|stores| stores.0.iter());
    named.filter_map(|(name, store)| Some((name.value.clone(), settings(&store.value.0, diagnostics)?))).collect()
}

fn settings(keys: &SessionStoreKeys, diagnostics: &mut Diagnostics) -> Option<StoreSettings> {
    let limits = limits(keys, diagnostics);
    let written = keys.memcached.as_ref()?;
    match nodes(&written.value) {
        Ok(nodes) => Some(StoreSettings { failover: failover(keys, &nodes, diagnostics), nodes, limits }),
        Err((mistake, at)) => {
            diagnostics.error(at.unwrap_or(written.span), mistake.to_string());
            None
        }
    }
}

/// Those that are for failover, each of which has to be there.
fn failover(keys: &SessionStoreKeys, nodes: &[(String, String)], diagnostics: &mut Diagnostics) -> Vec<String> {
    let Some(written) = &keys.failover else { return Vec::new() };
    let named: Vec<&str> = nodes.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).collect();
    for unknown in written.value.iter().filter(|name| !named.contains(&name.as_str())) {
        diagnostics
            .error(unknown.span, format!("`{}` is no node of `memcached`", unknown.value))
            .did_you_mean(unknown, named.iter().copied());
    }
    if !named.is_empty() && named.iter().all(|name| written.value.iter().any(|other| other.value == *name)) {
        diagnostics
            .error(written.span, "every node is one for failover: MSM does not start with that")
            .help("take `failover` out");
    }
    written.value.iter().map(|name| name.value.clone()).collect()
}

/// What is wrong, and where in particular.
type Misplaced = (NodesMistake, Option<Span>);

fn nodes(written: &MemcachedNodes) -> Result<Vec<(String, String)>, Misplaced> {
    let named = match written {
        MemcachedNodes::Text(text) => return parse_nodes(text).map_err(|mistake| (mistake, None)),
        MemcachedNodes::Named(named) => named,
    };
    let mut nodes = Vec::new();
    for (name, address) in named.iter() {
        if name.value.is_empty() {
            return Err((NodesMistake::Name(String::new()), Some(name.span)));
        }
        nodes.push((name.value.clone(), address.value.clone()));
        check_nodes(&nodes).map_err(|mistake| {
            let at = if matches!(mistake, NodesMistake::Name(_)) { name.span } else { address.span };
            (mistake, Some(at))
        })?;
    }
    check_nodes(&nodes).map_err(|mistake| (mistake, None))?;
    Ok(nodes)
}

fn limits(keys: &SessionStoreKeys, diagnostics: &mut Diagnostics) -> Limits {
    let limits = Limits { timeout: keys.timeout().0, connections: keys.connections() as usize };
    if limits.timeout.is_zero() || limits.timeout > LONGEST {
        let at = keys.timeout.as_ref().map(|timeout| timeout.span).unwrap_or_default();
        diagnostics
            .error(at, "a session store's `timeout` must be from 1ms to 5s")
            .help("a request waits so long for a node that does not answer; memcached answers within a millisecond");
    }
    if !(1..=MOST).contains(&keys.connections()) {
        let at = keys.connections.as_ref().map(|connections| connections.span).unwrap_or_default();
        diagnostics.error(at, format!("a session store's `connections` must be from 1 to {MOST}"));
    }
    limits
}
