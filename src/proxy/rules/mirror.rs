//! `mirror`: a copy of a request goes to another upstream, and nobody reads the answer.
//!
//! The copy goes the way of every request, on a connection that nobody is at the other end of, as what the cache fetches for
//! itself does. No rule, cache or session has a say in it, and it is not logged. Where there are too many already nothing comes
//! of it: the client's own request never waits for a copy.

use crate::client::{Connection, Facts, unattended};
use crate::http::Head;
use crate::proxy::caching;
use crate::proxy::live::Slot;
use crate::proxy::request::Request;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;

/// A larger body is not copied.
const LARGEST: usize = 1 << 20;

/// What the connection of a copy is for.
pub struct Mirrored {
    pub upstream: Arc<str>,
}

impl Request {
    /// Sends the copies that rules want, once.
    pub(in crate::proxy) fn send_copies(&mut self, connection: &Arc<Connection>) {
        let Some(decided) = &mut self.rules else { return };
        let copies = std::mem::take(&mut decided.request.mirrors);
        if self.is_errand || copies.is_empty() || self.exchange.head.wants_upgrade() {
            return;
        }
        let Ok(slot) = connection.facts().listener.clone().downcast::<Slot>() else { return };
        let Some(errands) = slot.errands().cloned() else { return };
        for copy in copies {
            let body = self.body.as_ref().filter(|body| copy.body && body.bytes.len() <= LARGEST);
            let stream = unattended(text(&self.exchange.head, body.map(|body| &body.bytes)).freeze(), Bytes::new());
            let errand = Mirrored { upstream: copy.upstream };
            let facts = Facts { errand: Some(Arc::new(errand)), stream: None, ..connection.facts().clone() };
            errands.run(Box::new(stream), facts, slot.clone(), false);
        }
    }
}

/// The client's request again, without what was only about its connection.
fn text(head: &Head, body: Option<&Bytes>) -> BytesMut {
    let mut out = BytesMut::with_capacity(512 + body.map_or(0, Bytes::len));
    out.put_slice(head.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(&head.target);
    out.put_slice(b" HTTP/1.1\r\n");
    caching::put_fields(head, true, &mut out);
    if let Some(body) = body {
        out.put_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    out.put_slice(b"Connection: close\r\n\r\n");
    out.put_slice(body.map(|body| &body[..]).unwrap_or_default());
    out
}
