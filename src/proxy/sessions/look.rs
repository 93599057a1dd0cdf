//! What memcached has of a session: one call, never longer than the store's timeout.

use super::kept::Settings;
use super::state;
use crate::memcached::Key;
use crate::session::blob::{Header, Validity};
use crate::session::id::Id;
use crate::session::layout::Layout;
use crate::variables::StoredSession;
use bytes::Bytes;
use std::time::SystemTime;

#[derive(Clone, Debug)]
pub(super) enum Look {
    /// A Tomcat would go on with it.
    There(StoredSession),
    /// There is none, or it is over.
    Missing,
    /// Nobody could be asked.
    NotKnown,
}

/// Asks for a session. `routes`: others that it may have been taken over to.
pub(super) async fn look(settings: &Settings, id: &Id<'_>, path: &str, routes: &[String]) -> Look {
    let Some(store) = &settings.store else { return Look::NotKnown };
    let Some(node) = store.node_of(id) else { return Look::Missing };
    let (keys, sticky) = (keys(settings, id, path, routes), settings.takeover.is_sticky());
    if keys.is_empty() {
        return Look::Missing;
    }
    match node.get_many(&keys).await {
        Err(_) => Look::NotKnown,
        Ok(values) if sticky => {
            values.iter().flatten().find_map(|value| sticky_session(value)).unwrap_or(Look::Missing)
        }
        Ok(values) => non_sticky_session(&values).unwrap_or(Look::Missing),
    }
}

/// Where it may lie; of a session that is not sticky: it and its validity.
fn keys(settings: &Settings, id: &Id<'_>, path: &str, routes: &[String]) -> Vec<Key> {
    let context = &settings.takeover.contexts[settings.takeover.context_of(path)];
    let layout = Layout::with_prefix(context.key_prefix.as_str());
    if !settings.takeover.is_sticky() {
        return layout.session(id).zip(layout.validity(id)).map(|(a, b)| vec![a, b]).unwrap_or_default();
    }
    let others = routes.iter().filter(|route| Some(route.as_str()) != id.route()).map(|route| id.with_route(route));
    let others = others.filter_map(|other| layout.session(&Id::parse(other.as_bytes())?));
    layout.session(id).into_iter().chain(others).collect()
}

fn sticky_session(value: &[u8]) -> Option<Look> {
    let (header, now) = (Header::read(value).ok()?, now());
    header
        .is_resumable(now)
        .then(|| Look::There(state::stored(now, header.created, header.this_accessed, header.user())))
}

fn non_sticky_session(values: &[Option<Bytes>]) -> Option<Look> {
    let [Some(session), Some(validity)] = values else { return None };
    let (header, validity, now) = (Header::read(session).ok()?, Validity::read(validity)?, now());
    (header.is_valid && validity.is_valid(now))
        .then(|| Look::There(state::stored(now, header.created, validity.this_accessed, header.user())))
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
