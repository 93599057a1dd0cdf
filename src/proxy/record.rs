//! The end of a request: what is known now is written into its line.

use super::access;
use super::caching;
use super::headers::trailers::with_own;
use super::mirror;
use super::request::Request;
use crate::client::Connection;
use crate::http::pages::internal::CLIENT_CLOSED;
use crate::observe::traffic::Ended;
use pingora_error::{Error, ErrorSource};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use std::sync::Arc;

/// Waits until the client has its answer, as far as it takes it, and logs.
pub async fn finish(session: &mut Session, request: &mut Request, connection: &Arc<Connection>, e: Option<&Error>) {
    let received = session.upstream_body_bytes_received() as u64;
    note_bodies(request, received, session.upstream_body_bytes_sent().unwrap_or_default() as u64);
    request.end_attempt();
    request.end_storing().await;
    let written = session.response_written().filter(|head| !head.status.is_informational() || head.status == 101);
    // What the client was told may be something else than what Pingora has written.
    let told = request.told.take();
    let written = written.map(|head| told.as_deref().unwrap_or(head));
    answered(request, connection, written.map(Written::of), e).await;
}

/// So many bytes of bodies came from the last server, and went to it.
pub fn note_bodies(request: &mut Request, received: u64, sent: u64) {
    if let Some(last) = request.exchange.tries.last_mut() {
        last.response_length += received;
        last.bytes_received += received;
        last.bytes_sent += sent;
    }
}

/// A head that was written.
pub struct Written<'h> {
    pub status: u16,
    /// As it went over the wire.
    pub length: u64,
    /// `None`: no text asks for its fields.
    pub head: Option<&'h ResponseHeader>,
}

impl<'h> Written<'h> {
    pub fn of(head: &'h ResponseHeader) -> Written<'h> {
        Written { status: head.status.as_u16(), length: length_of(head), head: Some(head) }
    }
}

/// The same for an answer whose head was written, whoever wrote it.
pub async fn answered(
    request: &mut Request,
    connection: &Arc<Connection>,
    written: Option<Written<'_>>,
    e: Option<&Error>,
) {
    let (delivered, bytes) = connection.delivered().await;
    let answer = &mut request.exchange.answer;
    answer.bytes = bytes;
    answer.body_bytes = answer.bytes.saturating_sub(written.as_ref().map_or(0, |written| written.length));
    answer.status = match &written {
        Some(written) => written.status,
        None if e.is_some_and(|e| *e.esource() == ErrorSource::Downstream) => CLIENT_CLOSED,
        None => answer.status,
    };
    answer.sent = None;
    let answered = written.is_some();
    let head = written.and_then(|written| written.head);
    if let Some(head) = head {
        request.note_sent_head(head);
    }
    if request.has_trailers && request.exchange.answer.trailers.is_none() {
        request.exchange.answer.trailers = Some(Box::new(with_own(request, http::HeaderMap::new())));
    }
    request.exchange.completed = answered && delivered.is_ok() && (e.is_none() || request.exchange.completed);
    request.exchange.request_length = request.exchange.request_length();
    request.end_trace(connection.facts().errand.is_some());
    // As in nginx, what edge asks for itself is not logged.
    if connection.facts().errand.is_some() {
        access::tell(request, connection, head);
        return;
    }
    if let Some(path) = &request.location.post_action {
        mirror::act_afterwards(request, connection, path.clone());
    }
    caching::count(request);
    count(request);
    request.rule_log(head);
    if !request.is_logged() {
        return;
    }
    for log in &request.location.access_logs {
        log.record(&request.exchange);
    }
}

/// For metrics: whose location has answered, what, and how long that took.
fn count(request: &Request) {
    let exchange = &request.exchange;
    request.location.traffic.count(&Ended {
        status: exchange.answer.status,
        received: exchange.request_length,
        sent: exchange.answer.bytes,
        time: exchange.started.elapsed(),
    });
}

/// The length of a head as it went over the wire.
pub fn length_of(head: &ResponseHeader) -> u64 {
    let reason = head.get_reason_phrase().map_or(0, str::len);
    let fields: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    ("HTTP/1.1 200 ".len() + reason + 2 + fields + 2) as u64
}

/// The length of the head of a request to an upstream.
pub fn request_length(head: &RequestHeader) -> u64 {
    let fields: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (head.method.as_str().len() + head.raw_path().len() + " HTTP/1.1\r\n".len() + 1 + fields + 2) as u64
}
