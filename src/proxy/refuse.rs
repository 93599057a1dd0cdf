//! Requests that never become one, and errors that no upstream is to blame for.

use super::content::{self, Content};
use super::deliver::{self, Payload};
use super::live::Slot;
use super::request::{Request, peer_of};
use crate::client::{Connection, Refusal};
use crate::files;
use crate::http::pages::internal::CLIENT_CLOSED;
use crate::http::{Framing, Head, Headers, Version, pages};
use crate::variables::http_date;
use bytes::Bytes;
use pingora_error::{Error, ErrorSource, ErrorType};
use std::sync::Arc;
use std::time::SystemTime;

/// Logs a head that was refused, and gives the whole answer to it, after which the connection closes.
pub async fn refusal(refusal: &Refusal, connection: &Connection, slot: &Slot) -> Bytes {
    let bound = slot.bound();
    let peer = peer_of(connection, connection.requests() + 1);
    let mut request = Request::new(Arc::new(head_of(refusal, connection)), peer, bound.clone());
    let host = refusal.host.clone().unwrap_or_default();
    let virtual_ = bound.virtual_for(request.exchange.peer.local);
    request.server = virtual_.names.find(&host).0.unwrap_or(&virtual_.default).clone();
    request.enter(request.server.outside.clone());
    request.exchange.server_name = request.server.name.clone();
    request.exchange.host = host;
    request.log_info(format_args!("{} while reading client request headers", refusal.reason));
    let answer = match refusal.answered {
        true => answer(&mut request, refusal.status).await,
        false => Bytes::new(),
    };
    let told = &mut request.exchange.answer;
    told.status = if refusal.answered { pages::told(refusal.status) } else { refusal.status };
    told.bytes = answer.len() as u64;
    told.body_bytes = body_length(&answer) as u64;
    request.exchange.request_length = refusal.line.len() as u64;
    request.location.access_logs.iter().for_each(|log| log.record(&request.exchange));
    answer
}

fn head_of(refusal: &Refusal, connection: &Connection) -> Head {
    let mut words = refusal.line.split(|b| *b == b' ');
    let method = words.next().and_then(|m| http::Method::from_bytes(m).ok()).unwrap_or(http::Method::GET);
    Head {
        method,
        target: words.next().map(|t| refusal.line.slice_ref(t)).unwrap_or_default(),
        version: if connection.is_http2() { Version::Http2 } else { Version::Http11 },
        headers: Headers::default(),
        line: refusal.line.clone(),
        framing: Framing::None,
    }
}

fn body_length(answer: &[u8]) -> usize {
    answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| answer.len() - at - 4)
}

/// The page for a status, written out. Where the page would have to come from an upstream, edge's own is taken.
async fn answer(request: &mut Request, status: u16) -> Bytes {
    let content = match content::fail(request, status).await {
        Content::Proxy => Content::status(status),
        content => content,
    };
    let Ok(Some((head, payload))) = deliver::compose(request, content) else {
        return Bytes::new();
    };
    let body = match payload {
        // What is refused before it is read is looked for nowhere.
        Payload::Stored(_) => Bytes::new(),
        Payload::Nothing => Bytes::new(),
        Payload::Bytes(bytes) => bytes,
        Payload::File(file) => whole(file).await,
    };
    let mut out =
        format!("HTTP/1.1 {} {}\r\n", head.status.as_u16(), head.get_reason_phrase().unwrap_or_default()).into_bytes();
    head.header_to_h1_wire(&mut out);
    out.extend_from_slice(format!("Date: {}\r\nConnection: close\r\n\r\n", http_date(SystemTime::now())).as_bytes());
    out.extend_from_slice(&body);
    out.into()
}

/// A configured page; it goes out whole, so it had better be small.
async fn whole(mut file: files::Body) -> Bytes {
    let mut out = Vec::new();
    while let Ok(Some(chunk)) = file.next().await {
        out.extend_from_slice(&chunk);
    }
    out.into()
}

/// The one table from errors to statuses; 499: the client is gone and is told nothing.
pub fn status_of(e: &Error, connection: &Connection) -> u16 {
    if let Some(body) = connection.body_error() {
        return body.status();
    }
    match (e.esource(), e.etype()) {
        (_, ErrorType::HTTPStatus(status)) => *status,
        (ErrorSource::Downstream, _) => CLIENT_CLOSED,
        (ErrorSource::Upstream, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => 504,
        (ErrorSource::Upstream, _) => 502,
        _ => 500,
    }
}
