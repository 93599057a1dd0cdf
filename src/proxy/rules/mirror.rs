//! `mirror`: a copy of a request goes to another upstream, and nobody reads the answer.
//!
//! No rule, cache or session has a say in it. Where there are too many requests of edge's own already nothing comes of it: the
//! client's own request never waits for a copy.

use crate::client::{Connection, unattended};
use crate::proxy::errand::{Again, Errand};
use crate::proxy::request::Request;
use std::sync::Arc;

/// A larger body is not copied.
const LARGEST: usize = 1 << 20;

/// A copy's way.
pub struct Mirrored {
    upstream: Arc<str>,
}

impl Mirrored {
    /// Where a connection's request is to go, if it is a copy.
    pub fn upstream_of(connection: &Connection) -> Option<Arc<str>> {
        match Errand::of(connection)? {
            Errand::Mirrored(copy) => Some(copy.upstream.clone()),
            _ => None,
        }
    }
}

impl Request {
    /// Sends the copies that rules want, once.
    pub(in crate::proxy) fn send_copies(&mut self, connection: &Arc<Connection>) {
        let Some(decided) = &mut self.rules else { return };
        let copies = std::mem::take(&mut decided.request.mirrors);
        if self.is_errand || copies.is_empty() || self.exchange.head.wants_upgrade() {
            return;
        }
        let head = &*self.exchange.head;
        for copy in copies {
            let body = self.body.as_ref().filter(|body| copy.body && body.bytes.len() <= LARGEST);
            let body = body.map(|body| body.bytes.clone());
            let (method, target) = (head.method.as_str(), &head.target[..]);
            let length = body.as_ref().map(|body| body.len());
            let trace = self.exchange.trace;
            let again = Again { head, method, target, version: "HTTP/1.1", conditions: true, body: length, trace };
            let stream = unattended(again.text(), body.unwrap_or_default());
            Errand::Mirrored(Mirrored { upstream: copy.upstream }).send(Box::new(stream), connection, false);
        }
    }
}
