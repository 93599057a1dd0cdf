//! The exchange with an upstream, whoever carries it: what Pingora's callbacks and the lane decide and say is decided and said
//! here, in the order in which both call it.

use super::access;
use super::caching::{self, Confirmed};
use super::content::{self, Content};
use super::failure;
use super::headers::{self, BodyFraming, Wire};
use super::record;
use super::refuse;
use super::request::{Pending, Request};
use crate::client::{Buffering, Connection};
use crate::http::pages::internal::CLIENT_CLOSED;
use crate::upstream::retry::Failure;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use std::sync::Arc;

/// What is answered instead of asking a server (once more). `None`: a server is asked.
pub async fn instead(request: &mut Request) -> Option<Content> {
    let content = match request.pending.take()? {
        Pending::Stale(stored) => Content::Stored(stored),
        Pending::Status(status) => content::fail(request, status).await,
        Pending::Inside(target) => content::sent_inside(request, &target).await,
    };
    (!matches!(content, Content::Proxy)).then_some(content)
}

/// No server could be asked: what is looked for next.
pub fn ask_nobody(request: &mut Request, status: u16) {
    request.pending = Some(give_up_asking(request, Failure::Error, status));
}

/// What a server of HTTP/1 is sent, as text. `None`: a request for the map of [`request_for_server`], because something may be
/// changed in it, or is not plain.
pub fn text_for_server(request: &mut Request) -> Result<Option<Wire>> {
    let Some(pass) = request.pass() else { return Ok(None) };
    if request.exchange.trace.is_some() || request.changes_what_is_sent() {
        return Ok(None);
    }
    let wire = headers::plain_for_upstream(request, pass, BodyFraming::of(request, pass))?;
    if let (Some(wire), Some(last)) = (&wire, request.exchange.tries.last_mut()) {
        last.bytes_sent = wire.text.len() as u64;
    }
    Ok(wire)
}

/// What the server is sent. `version`: what its connection speaks.
pub async fn request_for_server(request: &mut Request, version: http::Version) -> Result<RequestHeader> {
    let Some(pass) = request.pass() else {
        return Err(Error::explain(ErrorType::InternalError, "a location without proxy_pass asks an upstream"));
    };
    if pass.grpc && version != http::Version::HTTP_2 {
        return Err(Error::explain(ErrorType::H2Error, "the server does not agree to HTTP/2 (ALPN)").into_up());
    }
    let mut sent = headers::for_upstream(request, pass, BodyFraming::of(request, pass), version)?;
    request.exchange_session_id(&mut sent)?;
    request.trace_upstream(&mut sent)?;
    request.rule_upstream_request(&mut sent).await;
    let length = record::request_length(&sent);
    if let Some(last) = request.exchange.tries.last_mut() {
        last.bytes_sent = length;
    }
    Ok(sent)
}

/// The server has answered: is that what the client gets, or is the next server asked, or a page of errors shown?
pub async fn judge(request: &mut Request, answer: &ResponseHeader) -> Result<()> {
    let status = answer.status.as_u16();
    if status < 200 && status != 101 {
        return Ok(());
    }
    request.answered(answer);
    if let Some(refused) = request.refused_by_head(answer) {
        let pending = refused.err().map(|status| give_up_asking(request, Failure::InvalidHeader, status));
        request.pending = pending;
        return Err(again("the head of the upstream's answer is no good".into()));
    }
    if request.refused_by_status(status) {
        return Err(again(format!("the upstream answered {status}")));
    }
    if request.session_answered(answer).await {
        return Err(again("the upstream does not know the session by the id it was sent".into()));
    }
    match caching::confirm(request, answer).await {
        Some(Confirmed::Copy(stored)) => {
            request.answer_ended();
            request.confirmed = Some(stored);
            return Ok(());
        }
        Some(Confirmed::Mismatch) => return Err(again("the upstream's 304 is about another answer".into())),
        None => {}
    }
    if let Some(stored) = caching::on_status(request, status) {
        request.pending = Some(Pending::Stale(Box::new(stored)));
        return Err(again(format!("a stale answer is better than {status}")));
    }
    request.note_upstream_head(answer);
    request.learn_server();
    if let Some(pending) = headers::sends_elsewhere(answer, request) {
        request.cache = None;
        request.pending = Some(pending);
        return Err(again(format!("the upstream's {status} is not what the client gets")));
    }
    if answer.status.as_u16() != 101 && headers::is_bodiless(answer, request) {
        request.answer_ended();
    }
    Ok(())
}

/// What was settled of an answer that goes to the client.
pub struct Settled {
    pub met_here: caching::MetHere,
    /// Each piece of it leaves as it comes.
    pub unbuffered: bool,
    pub buffering: Buffering,
}

/// What becomes of an answer before its head is written anew.
pub async fn settle(
    request: &mut Request,
    connection: &Arc<Connection>,
    answer: &mut ResponseHeader,
) -> Result<Settled> {
    caching::forget_changed(request, answer).await;
    // Whether and how long it is stored may be theirs to say.
    request.rule_answer(answer);
    request.begin_storing(answer);
    if answer.version == http::Version::HTTP_2 {
        // It came without a reason: nginx's.
        answer.set_reason_phrase(Some(crate::http::status::reason(answer.status.as_u16())))?;
    }
    let met_here = caching::admit(request, connection, answer);
    if let Some(status) = request.error_status {
        answer.set_status(status)?;
        answer.set_reason_phrase(Some(crate::http::status::reason(status)))?;
    }
    let unbuffered = unbuffered(answer, request);
    // As in nginx, what is passed on as it comes is not held back.
    match !unbuffered && answer.status.as_u16() != 101 {
        true => request.pace(connection, Some(answer)),
        false => request.settle_rate(Some(answer)),
    }
    let buffering = request.location.buffering.clone();
    let buffering = if unbuffered { buffering.off() } else { buffering };
    Ok(Settled { met_here, unbuffered, buffering })
}

/// The head of an answer as the client gets it.
pub fn tell(request: &mut Request, connection: &Connection, answer: &mut ResponseHeader) -> Result<()> {
    headers::for_client(answer, request, true)?;
    request.tell_session_id(answer)?;
    request.tell_server(answer)?;
    // What is stored is waited for, so that the next question finds it.
    if !caching::may_store(request) {
        access::tell_head(request, connection, answer);
    }
    Ok(())
}

/// The exchange with the server broke, `begun`: after the client had been sent the head of an answer. Afterwards the error
/// says whether somebody is asked again.
pub fn broke(request: &mut Request, begun: bool, e: &mut Error) {
    if begun {
        match e.esource() {
            // As nginx: that a client leaves is nobody's failure.
            ErrorSource::Downstream => request.log_info(format_args!("client left before its answer had ended: {e}")),
            _ => request.log_error(format_args!("upstream failed in the middle of its answer: {e}")),
        }
        e.set_retry(false);
    } else if request.is_outlived() || !matches!(e.etype(), ErrorType::HTTPStatus(_)) {
        e.set_retry(try_on(request, e));
    }
}

/// Nobody is asked any more, and the client has not been told anything: what it is told. `None`: it has left.
pub async fn last_word(request: &mut Request, connection: &Connection, e: &Error) -> Option<Content> {
    if let Some(content) = request.content.take() {
        return Some(content);
    }
    match refuse::status_of(e, connection) {
        status @ (CLIENT_CLOSED | 0) => {
            request.exchange.answer.status = status;
            None
        }
        status => Some(content::fail(request, status).await),
    }
}

/// An error that leads to another server.
pub fn again(why: String) -> Box<Error> {
    let mut e = Error::explain(ErrorType::HTTPStatus(502), why).into_up();
    e.set_retry(true);
    e
}

/// After an error of an upstream: whether another server is asked, or a page of errors looked for.
pub fn try_on(request: &mut Request, e: &Error) -> bool {
    match request.failed(e) {
        Ok(()) => true,
        Err(CLIENT_CLOSED) => false,
        Err(status) => {
            request.pending = Some(give_up_asking(request, failure::failure_of(e), status));
            true
        }
    }
}

/// Nobody is left to ask: a stale answer if there is one that will do, or a status.
fn give_up_asking(request: &mut Request, what: Failure, status: u16) -> Pending {
    match caching::on_failure(request, what) {
        Some(stored) => Pending::Stale(Box::new(stored)),
        None => {
            request.cache = None;
            Pending::Status(status)
        }
    }
}

/// Whether the client gets each piece as it comes: `proxy_buffering off`, `X-Accel-Buffering: no`, event streams.
fn unbuffered(answer: &ResponseHeader, request: &Request) -> bool {
    let Some(pass) = request.pass() else { return false };
    let accel =
        answer.headers.get("x-accel-buffering").filter(|_| !pass.ignored.iter().any(|n| n == "x-accel-buffering"));
    match accel.map(|v| v.as_bytes().to_ascii_lowercase()) {
        Some(value) if value == b"no" => true,
        Some(value) if value == b"yes" => false,
        _ => !pass.buffering,
    }
}
