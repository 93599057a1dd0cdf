//! Whether a client's connection goes on after the answer.

use super::Slot;
use super::request::Request;
use crate::client::Connection;
use pingora_proxy::Session;

/// `keepalive_*` of the location that answers.
pub fn keeps(request: &Request) -> bool {
    let location = &request.location;
    // As of the beginning of the request, as in nginx.
    let age = request.exchange.started_at.duration_since(request.exchange.peer.accepted).unwrap_or_default();
    request.exchange.head.wants_keepalive()
        && !location.keepalive_timeout.is_zero()
        && request.exchange.peer.requests < location.keepalive_requests
        && age < location.keepalive_time
}

/// Keeps it, or closes it with this answer.
pub fn decide(session: &mut Session, request: &mut Request, connection: &Connection) {
    if !keeps(request) || session.get_keepalive().is_none() {
        close_after(session, request, connection);
    }
}

/// The answer is the connection's last.
pub fn close_after(session: &mut Session, request: &mut Request, connection: &Connection) {
    request.keepalive = false;
    connection.close_after();
    session.set_keepalive(None);
}

/// The answer of this moment is the last if the listener is gone, by a reload or because edge ends, or the request failed
/// in a way that ends trust.
pub fn is_due(request: &Request, connection: &Connection) -> bool {
    let slot = connection.facts().listener.downcast_ref::<Slot>();
    slot.is_some_and(Slot::is_gone) || is_trusted_no_more(request.failed)
}

pub fn close_if_due(session: &mut Session, request: &mut Request, connection: &Connection) {
    if is_due(request, connection) {
        close_after(session, request, connection);
    }
}

/// After failing with these nginx trusts the connection no more, whatever page the client gets.
fn is_trusted_no_more(status: u16) -> bool {
    use crate::http::pages::internal::{BAD_CERTIFICATE, HTTP_TO_HTTPS, NO_CERTIFICATE};
    matches!(status, 400 | 413 | 414 | BAD_CERTIFICATE | NO_CERTIFICATE | HTTP_TO_HTTPS | 500 | 501)
}
