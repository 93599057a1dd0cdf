//! Requests that never become one, and errors that no upstream is to blame for.

use super::live::Slot;
use super::request::peer_of;
use crate::client::{Connection, Refusal};
use crate::http::pages::internal::CLIENT_CLOSED;
use crate::http::{Framing, Head, Headers, Version, pages, status};
use crate::variables::{Exchange, http_date};
use bytes::Bytes;
use pingora_error::{Error, ErrorSource, ErrorType};
use std::sync::Arc;
use std::time::SystemTime;

/// Logs a head that was refused, and gives the answer to it.
pub fn refusal(refusal: &Refusal, connection: &Connection, slot: &Slot) -> Bytes {
    let bound = slot.bound();
    let peer = peer_of(connection, connection.requests() + 1);
    let virtual_ = bound.virtual_for(peer.local);
    let host = refusal.host.as_deref().unwrap_or_default();
    let server = virtual_.names.find(host).0.unwrap_or(&virtual_.default);
    let location = &server.outside;
    log::info!(
        "*{} {} while reading client request headers, client: {}, server: {}, request: \"{}\"",
        connection.serial(),
        refusal.reason,
        peer.remote.ip().to_canonical(),
        server.name,
        String::from_utf8_lossy(&refusal.line)
    );
    let answer = if refusal.answered { answer(refusal.status, location.answer.server_tokens) } else { Bytes::new() };
    let mut exchange = Exchange::new(Arc::new(head_of(refusal)), peer);
    exchange.server_name = server.name.clone();
    exchange.host = refusal.host.clone().unwrap_or_default();
    exchange.answer.status = if refusal.answered { pages::told(refusal.status) } else { refusal.status };
    exchange.answer.bytes = answer.len() as u64;
    exchange.answer.body_bytes = body_length(&answer) as u64;
    exchange.request_length = refusal.line.len() as u64;
    location.access_logs.iter().for_each(|log| log.record(&exchange));
    answer
}

fn head_of(refusal: &Refusal) -> Head {
    let mut words = refusal.line.split(|b| *b == b' ');
    let method = words.next().and_then(|m| http::Method::from_bytes(m).ok()).unwrap_or(http::Method::GET);
    Head {
        method,
        target: words.next().map(|t| refusal.line.slice_ref(t)).unwrap_or_default(),
        version: Version::Http11,
        headers: Headers::default(),
        line: refusal.line.clone(),
        framing: Framing::None,
    }
}

fn body_length(answer: &[u8]) -> usize {
    answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| answer.len() - at - 4)
}

/// A whole answer with edge's own page; the connection closes after it.
fn answer(code: u16, tokens: bool) -> Bytes {
    let server = if tokens { pages::SERVER_WITH_VERSION } else { pages::SERVER };
    let told = pages::told(code);
    let page = pages::page(code, server).unwrap_or_default();
    format!(
        "HTTP/1.1 {told} {}\r\nServer: {server}\r\nDate: {}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        status::reason(told),
        http_date(SystemTime::now()),
        page.len()
    )
    .into()
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
