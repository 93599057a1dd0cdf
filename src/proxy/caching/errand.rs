//! A request of edge's own: it fetches a stale answer anew while its client has the stale one already, or a part of one
//! that is stored in parts.
//!
//! It goes the way of every request, on a connection that nobody is at the other end of, so that retries, limits and
//! what may be stored are the same. It is not logged, as nginx does not log its subrequests.

use crate::cache::store::Guard;
use crate::client::{Connection, Facts, unattended};
use crate::http::Head;
use crate::proxy::live::Slot;
use bytes::{BufMut, Bytes, BytesMut};
use pingora_core::protocols::Stream;
use std::sync::{Arc, Mutex, PoisonError};

/// Who can serve a connection.
pub trait Errands: Send + Sync {
    /// Serves it on a task of its own. Where there are too many already it waits for its turn if a client waits for it,
    /// which bounds how many wait; if not, nothing comes of it.
    fn run(&self, stream: Stream, facts: Facts, slot: Arc<Slot>, is_awaited: bool);
}

/// What the request that is sent is for.
pub struct Errand {
    guard: Mutex<Option<Guard>>,
    slice_range: Option<String>,
}

impl Errand {
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
pub fn send(head: &Head, connection: &Arc<Connection>, guard: Guard, slice_range: Option<String>) {
    let Ok(slot) = connection.facts().listener.clone().downcast::<Slot>() else { return };
    let Some(errands) = slot.errands().cloned() else { return };
    let stream = unattended(text(head).freeze(), Bytes::new());
    let is_awaited = slice_range.is_some();
    let errand = Errand { guard: Mutex::new(Some(guard)), slice_range };
    let facts = Facts { errand: Some(Arc::new(errand)), stream: None, ..connection.facts().clone() };
    errands.run(Box::new(stream), facts, slot, is_awaited);
}

/// The client's request again, without what was only about its connection, its copy or a part.
fn text(head: &Head) -> BytesMut {
    let mut out = BytesMut::with_capacity(512);
    out.put_slice(b"GET ");
    out.put_slice(&head.target);
    out.put_slice(b" HTTP/1.1\r\n");
    put_fields(head, false, &mut out);
    out.put_slice(b"Connection: close\r\n\r\n");
    out
}

/// The client's fields but those that were only about its connection and, if so wished, about its copy or a part.
pub fn put_fields(head: &Head, with_conditions: bool, out: &mut BytesMut) {
    const OF_CONNECTION: [&str; 9] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "expect",
        "trailer",
    ];
    const CONDITIONS: [&str; 6] =
        ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
    let is_in = |list: &[&str], name: &[u8]| list.iter().any(|left| left.as_bytes().eq_ignore_ascii_case(name));
    for (name, value) in head.headers.iter() {
        if is_in(&OF_CONNECTION, name) || (!with_conditions && is_in(&CONDITIONS, name)) {
            continue;
        }
        out.put_slice(name);
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    }
}
