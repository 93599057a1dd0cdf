//! Requests of edge's own: what the cache fetches behind a client's back, copies of requests, the answers of other
//! locations, the question of `auth_request`.
//!
//! They go the way of every request, on a connection that nobody is at the other end of, so that rewrites, limits, retries
//! and what may be stored are the same. As nginx's subrequests they are not logged.
//!
//! What always holds: how many run at once is bounded where they are served ([`Errands`]); the fields of a client's request
//! that are only about its connection never come along.

use super::access::Inquiry;
use super::caching::Fetch;
use super::live::Slot;
use super::rules::Mirrored;
use super::subrequest::Subrequest;
use super::trace;
use crate::client::{Connection, Facts};
use crate::http::Head;
use crate::variables::Trace;
use bytes::{BufMut, Bytes, BytesMut};
use pingora_core::protocols::Stream;
use std::sync::Arc;

/// Who can serve a connection.
pub trait Errands: Send + Sync {
    /// Serves it on a task of its own. Where there are too many already it waits for its turn if a client waits for it,
    /// which bounds how many wait; if not, nothing comes of it.
    fn run(&self, stream: Stream, facts: Facts, slot: Arc<Slot>, is_awaited: bool);
}

/// What such a request is for.
pub enum Errand {
    /// An answer, or a part of one, that is to be stored.
    Fetch(Fetch),
    /// A rule's copy for another upstream.
    Mirrored(Mirrored),
    /// Another location of the same server.
    Subrequest(Subrequest),
    /// Whether a request may come in.
    Inquiry(Inquiry),
}

impl Errand {
    /// What the requests of a connection are for, if they are edge's own.
    pub fn of(connection: &Connection) -> Option<&Errand> {
        connection.facts().errand.as_ref()?.downcast_ref()
    }

    /// Sends it over a connection like the client's. False: nobody serves requests of edge's own there.
    pub fn send(self, stream: Stream, connection: &Connection, is_awaited: bool) -> bool {
        let Ok(slot) = connection.facts().listener.clone().downcast::<Slot>() else { return false };
        let Some(errands) = slot.errands().cloned() else { return false };
        let facts = Facts { errand: Some(Arc::new(self)), stream: None, ..connection.facts().clone() };
        errands.run(stream, facts, slot, is_awaited);
        true
    }
}

/// A client's request once more, for an errand.
pub struct Again<'a> {
    pub head: &'a Head,
    pub method: &'a str,
    pub target: &'a [u8],
    pub version: &'static str,
    /// With the fields that are about a copy the client has, or about a part.
    pub conditions: bool,
    /// How long the body is that follows.
    pub body: Option<usize>,
    /// The trace that it belongs to, whatever the client has told of one.
    pub trace: Option<Trace>,
}

impl Again<'_> {
    pub fn text(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(512);
        out.put_slice(self.method.as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.target);
        out.put_u8(b' ');
        out.put_slice(self.version.as_bytes());
        out.put_slice(b"\r\n");
        self.put_fields(&mut out);
        if let Some(length) = self.body {
            out.put_slice(format!("Content-Length: {length}\r\n").as_bytes());
        }
        out.put_slice(b"Connection: close\r\n\r\n");
        out.freeze()
    }

    fn put_fields(&self, out: &mut BytesMut) {
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
        let traces: &[&str] = match self.trace {
            None => &[],
            // What stands there of others is about a trace that was not gone on with.
            Some(Trace { parent: None, .. }) => &[trace::PARENT, trace::STATE],
            Some(_) => &[trace::PARENT],
        };
        if let Some(trace) = &self.trace {
            out.put_slice(format!("{}: {}\r\n", trace::PARENT, trace.traceparent(trace.span)).as_bytes());
        }
        for (name, value) in self.head.headers.iter() {
            if is_in(traces, name) || is_in(&OF_CONNECTION, name) || (!self.conditions && is_in(&CONDITIONS, name)) {
                continue;
            }
            out.put_slice(name);
            out.put_slice(b": ");
            out.put_slice(value);
            out.put_slice(b"\r\n");
        }
    }
}
