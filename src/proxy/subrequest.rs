//! Requests of edge's own for another location of the same server: their answer is put into another one, or nobody sees it
//! (`mirror`).
//!
//! They go the way of every request, on a connection of their own with nobody at its other end, so that rewrites, limits,
//! retries and the cache are the same. As nginx's subrequests they are not logged, may enter `internal` locations, keep the
//! client's `$request_uri`, and make no further ones.
//!
//! What always holds: an answer that is waited for is waited for no longer than [`LONGEST`] and kept up to [`MOST`] bytes;
//! how many run at once is bounded where they are served.

use super::caching;
use super::live::Slot;
use super::request::Request;
use crate::client::{Attended, Connection, Facts, attended, unattended};
use crate::http::{Head, escape};
use bytes::{BufMut, Bytes, BytesMut};
use pingora_core::protocols::Stream;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer is waited for.
const LONGEST: Duration = Duration::from_secs(120);
/// How much of an answer is kept.
const MOST: usize = 8 << 20;

/// What a connection of this kind is for.
pub struct Subrequest {
    /// What the client has asked for.
    request_uri: Bytes,
}

/// What is sent.
pub struct Copy {
    /// A path of this server, not escaped.
    pub path: String,
    pub args: Option<Vec<u8>>,
    pub method: String,
    pub body: Option<Bytes>,
}

/// Makes a request that came over such a connection one of its kind.
pub fn adopt(request: &mut Request, connection: &Connection) {
    let errand = connection.facts().errand.clone().and_then(|errand| errand.downcast::<Subrequest>().ok());
    if let Some(subrequest) = errand {
        request.exchange.request_uri = subrequest.request_uri.clone();
        request.internal = true;
        request.changed = true;
        request.is_subrequest = true;
    }
}

/// The body of another location's answer, whatever its status; what cannot be had is empty.
pub async fn fetch(request: &Request, connection: &Arc<Connection>, path: &str) -> Bytes {
    let copy = Copy { path: path.to_owned(), args: None, method: "GET".to_owned(), body: None };
    // The end of the connection is the end of the answer.
    let text = text(&request.exchange.head, &copy, "HTTP/1.0");
    let (stream, answer) = attended(text, MOST);
    if !run(Box::new(stream), connection, &request.exchange.request_uri, true) {
        return Bytes::new();
    }
    match tokio::time::timeout(LONGEST, whole(answer)).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            request.log_error(format_args!("the answer of \"{path}\" is longer than {MOST} bytes or was none"));
            Bytes::new()
        }
        Err(_) => {
            request.log_error(format_args!("the answer of \"{path}\" did not come in time"));
            Bytes::new()
        }
    }
}

async fn whole(answer: Attended) -> Option<Bytes> {
    let mut answer = answer.end().await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(answer.split_off(end + 4))
}

/// Sends a copy of a request whose answer nobody sees. False: this connection cannot.
pub fn send(head: &Head, connection: &Arc<Connection>, request_uri: &Bytes, copy: Copy) -> bool {
    let stream = unattended(text(head, &copy, "HTTP/1.1"), copy.body.unwrap_or_default());
    run(Box::new(stream), connection, request_uri, false)
}

fn run(stream: Stream, connection: &Arc<Connection>, request_uri: &Bytes, is_awaited: bool) -> bool {
    let Ok(slot) = connection.facts().listener.clone().downcast::<Slot>() else { return false };
    let Some(errands) = slot.errands().cloned() else { return false };
    let errand = Arc::new(Subrequest { request_uri: request_uri.clone() });
    let facts = Facts { errand: Some(errand), stream: None, ..connection.facts().clone() };
    errands.run(stream, facts, slot, is_awaited);
    true
}

/// The client's request again, for another path.
fn text(head: &Head, copy: &Copy, version: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(512);
    out.put_slice(copy.method.as_bytes());
    out.put_u8(b' ');
    out.put_slice(&escape::uri(copy.path.as_bytes()));
    if let Some(args) = copy.args.as_deref().filter(|args| !args.is_empty()) {
        out.put_u8(b'?');
        out.put_slice(args);
    }
    out.put_slice(format!(" {version}\r\n").as_bytes());
    caching::put_fields(head, version == "HTTP/1.1", &mut out);
    if let Some(body) = &copy.body {
        out.put_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    out.put_slice(b"Connection: close\r\n\r\n");
    out.freeze()
}
