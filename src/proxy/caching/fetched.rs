//! What a client gets of an answer that is being fetched for the cache.
//!
//! The upstream is asked for the whole, with neither conditions nor a range, and with GET for a HEAD. Pingora lets an upstream
//! go once the client's answer is complete, so it is left to believe that the client gets the whole; below it, where bytes go
//! to the socket, the client's own answer takes the place of that one (`client/replaced.rs`). So there is one request to the
//! upstream, whatever part of its answer the client wants, and the whole is stored.

use super::fill::MetHere;
use super::part::{self, Part};
use crate::client::Connection;
use crate::compress::{decide, rewrite::rewrite};
use crate::proxy::request::Request;
use crate::proxy::{deliver, direct, filters, headers};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::SystemTime;

/// Meets conditions and ranges of what `answer` is the head of. True: the client gets another answer, and this one goes
/// nowhere.
pub fn replace(
    session: &mut Session,
    request: &mut Request,
    connection: &Arc<Connection>,
    answer: &mut ResponseHeader,
    met_here: MetHere,
) -> Result<bool> {
    restore(session, request, connection);
    let is_stored = request.cache.as_ref().is_some_and(|work| work.fill.is_some());
    let mut own = answer.clone();
    let is_plain = answer.status == StatusCode::OK && request.error_status.is_none();
    let known = length(answer).filter(|_| !filters::changes(request, 200, &answer.headers));
    let part = match met_here {
        MetHere::All if is_plain => part::of(request, &mut own, known)?,
        MetHere::ForcedRanges if is_plain && part::forces(request) => part::of_range(request, &mut own, known)?,
        _ => Part::Whole,
    };
    let is_whole = matches!(part, Part::Whole | Part::Spans(..));
    let bodiless = deliver::is_bodiless(request, &own);
    if (is_whole && !request.is_head()) || (bodiless && !is_stored) {
        *answer = own;
        return Ok(false);
    }
    let (page, span) = match part {
        _ if bodiless => (Bytes::new(), 0..0),
        Part::Page(page) => (page, 0..0),
        Part::Span(span) => (Bytes::new(), span),
        Part::Whole | Part::Spans(..) | Part::Nothing => (Bytes::new(), 0..0),
    };
    headers::for_client(&mut own, request, true)?;
    filters::rewrite(request, &mut own)?;
    let facts = headers::compression_facts(request);
    let settings = &request.location.compress;
    let decision = decide(settings, &facts, own.status.as_u16(), &own.headers, SystemTime::now());
    rewrite(&mut own, decision, &facts)?;
    let head = direct::complete(&mut own, session.get_keepalive().is_some())?;
    connection.replace_answer(head.freeze(), page, span);
    request.told = Some(Box::new(own));
    *answer = unsent(answer)?;
    if request.is_head() {
        session.req_header_mut().set_method(Method::GET);
    }
    Ok(true)
}

/// Takes it back: what is written from now on is the client's.
pub fn restore(session: &mut Session, request: &mut Request, connection: &Connection) {
    if request.told.take().is_none() {
        return;
    }
    connection.restore_answer();
    if request.is_head() {
        session.req_header_mut().set_method(Method::HEAD);
    }
}

fn length(answer: &ResponseHeader) -> Option<u64> {
    answer.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The head that Pingora believes to be sent: no more than how long the body is.
fn unsent(answer: &ResponseHeader) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(StatusCode::OK, Some(3))?;
    match length(answer) {
        Some(length) => head.insert_header(CONTENT_LENGTH, length)?,
        None => head.insert_header(http::header::TRANSFER_ENCODING, "chunked")?,
    }
    Ok(head)
}
