//! The cache's own requests: one fetches a stale answer anew while its client has the stale one already, another a part of
//! an answer that is stored in parts.

use crate::cache::store::Guard;
use crate::client::{Connection, unattended};
use crate::http::Head;
use crate::proxy::errand::{Again, Errand};
use crate::variables::Trace;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// What is fetched.
pub struct Fetch {
    guard: Mutex<Option<Guard>>,
    slice_range: Option<String>,
}

impl Fetch {
    /// What a connection's request is to fetch.
    pub(super) fn of(connection: &Connection) -> Option<&Fetch> {
        match Errand::of(connection)? {
            Errand::Fetch(fetch) => Some(fetch),
            _ => None,
        }
    }

    /// The right to fetch; it is there once.
    pub(super) fn guard(&self) -> Option<Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Which part it fetches.
    pub(super) fn slice_range(&self) -> Option<String> {
        self.slice_range.clone()
    }
}

/// Sends for the answer to a client's request, or for a part of it.
pub fn send(
    head: &Head,
    trace: Option<Trace>,
    connection: &Arc<Connection>,
    guard: Guard,
    slice_range: Option<String>,
) {
    let target = &head.target[..];
    let again = Again { head, method: "GET", target, version: "HTTP/1.1", conditions: false, body: None, trace };
    let stream = unattended(again.text(), Bytes::new());
    let is_awaited = slice_range.is_some();
    Errand::Fetch(Fetch { guard: Mutex::new(Some(guard)), slice_range }).send(Box::new(stream), connection, is_awaited);
}
