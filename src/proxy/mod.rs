//! The life of a request. [`Edge`] is the `ProxyHttp` that Pingora drives; its methods stand in the order in which they are
//! called, and each hands its part to one place:
//!
//! ```text
//! client/    a head arrives, is checked, and the body behind it is framed anew
//! content    server, location, rewrites, try_files, error_page → who answers, with what
//! limits     whether a request goes on, when, and how fast its answer leaves
//! access/    who may come in: addresses, passwords, whoever is asked inside
//! handshake  whether the connection is one the server takes: TLS, certificates
//! caching/   is the answer stored? is one to be stored?
//! direct     the short way of an answer from the cache, without Pingora
//! deliver    answers that need no upstream
//! body       the request's body, collected before an upstream is asked
//! filters    what the answer's body goes through
//! mirror     copies of a request, subrequest: other requests of edge's own
//! attempt    which server is asked next, what became of it
//! sessions/  whose server has the session of the request; what the answer says of that
//! rules/     what rules decide over it, in each phase, and doing that
//! peer       how it is connected to; dial makes the connection, line is what is known of it
//! headers/   what the upstream is sent, what the client is told
//! keepalive  whether the client's connection goes on after the answer
//! snapshot/  the configuration all of this runs on, compiled
//! ```

mod access;
mod attempt;
mod body;
mod caching;
mod content;
mod deliver;
mod dial;
mod direct;
pub mod explain;
mod failure;
mod filters;
mod handshake;
mod headers;
mod keepalive;
mod limits;
mod line;
mod live;
mod made;
mod mirror;
mod peer;
mod record;
mod redirect;
mod refuse;
mod request;
mod rewrite;
pub mod rules;
pub mod sessions;
pub mod snapshot;
mod subrequest;

pub use caching::Errands;
pub use direct::answer;
#[cfg(test)]
pub(crate) use headers::fuzzed;
pub use live::{Bound, Slot};
pub use refuse::refusal;
pub use request::NO_ADDRESS;

use crate::client::Connection;
use crate::compress::{Compression, CompressionBuilder};
use crate::upstream::retry::Failure;
use async_trait::async_trait;
use bytes::Bytes;
use caching::Confirmed;
use content::Content;
use headers::BodyFraming;
use line::Line;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use request::{Ctx, Pending, Request};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// The proxy. It has no state: a request finds its configuration through its listener.
pub struct Edge;

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        modules.add_module(Box::new(CompressionBuilder));
    }

    /// A head is there: which configuration holds for it.
    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        let connection = session.digest().and_then(Connection::of).cloned();
        let slot = connection.as_ref().and_then(|c| c.facts().listener.clone().downcast::<Slot>().ok());
        let (Some(connection), Some(slot)) = (connection, slot) else {
            return Err(internal("a request came over no connection of edge's"));
        };
        let decided = connection.take_carried().and_then(|decided| decided.downcast::<direct::Decided>().ok());
        let request = match decided.map(|decided| *decided) {
            Some(direct::Decided { mut request, content }) => {
                request.decided = Some(content);
                request
            }
            None => {
                let head = access::head_of(&connection).or_else(|| connection.head());
                let head = head.ok_or_else(|| internal("a request without a head"))?;
                let peer = request::peer_of(&connection, connection.requests());
                Box::new(Request::new(head, peer, slot.bound()))
            }
        };
        ctx.begin(request, connection.clone());
        // The client room bounds every read and write; informational answers end here.
        session.set_read_timeout(None);
        session.set_ignore_info_resp(true);
        Ok(())
    }

    /// Who answers? If no upstream has to be asked, the answer goes out here.
    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let (request, connection) = begun(ctx)?;
        let content = match request.decided.take() {
            Some(content) => content,
            None => content::decide(request, connection).await,
        };
        let content = match mirror::send(request, connection).await {
            None => content,
            instead => instead,
        };
        let content = match content {
            None => body::prepare(session, request, connection).await,
            content => content,
        };
        keepalive::decide(session, request, connection);
        request.send_copies(connection);
        match content {
            None => Ok(false),
            Some(content) => deliver::deliver(session, request, connection, content).await.map(|()| true),
        }
    }

    /// Which server is asked; after a failure, which one next, or which page of errors is looked for.
    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let (request, _) = begun(ctx)?;
        loop {
            let content = match request.pending.take() {
                None => Content::Proxy,
                Some(Pending::Stale(stored)) => Content::Stored(stored),
                Some(Pending::Status(status)) => content::fail(request, status).await,
                Some(Pending::Inside(target)) => content::sent_inside(request, &target).await,
            };
            if !matches!(content, Content::Proxy) {
                return Err(give_up(request, content));
            }
            match request.next_peer().await {
                Ok(peer) => return Ok(peer),
                Err(status) => request.pending = Some(give_up_asking(request, Failure::Error, status)),
            }
        }
    }

    /// No connection: nothing was sent, so any request may go to the next server.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        mut e: Box<Error>,
    ) -> Box<Error> {
        if let Ok((request, _)) = begun(ctx) {
            e.set_retry(try_on(request, &e));
        }
        e
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        digest: Option<&Digest>,
        ctx: &mut Ctx,
    ) -> Result<()> {
        match begun(ctx)?.0.connected(reused, digest.and_then(Line::of)) {
            true => Ok(()),
            false => Err(again("the connection has outlived what its server announced, or its server".into())),
        }
    }

    /// What the server is sent.
    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let (request, _) = begun(ctx)?;
        let Some(pass) = request.pass() else {
            return Err(internal("a location without proxy_pass asks an upstream"));
        };
        let version = upstream_request.version;
        if pass.grpc && version != http::Version::HTTP_2 {
            return Err(Error::explain(ErrorType::H2Error, "the server does not agree to HTTP/2 (ALPN)").into_up());
        }
        *upstream_request = headers::for_upstream(request, pass, BodyFraming::of(request, pass), version)?;
        request.exchange_session_id(upstream_request)?;
        request.rule_upstream_request(upstream_request).await;
        let length = record::request_length(upstream_request);
        if let Some(last) = request.exchange.tries.last_mut() {
            last.bytes_sent = length;
        }
        Ok(())
    }

    /// The body, as it was collected before: Pingora sees one byte in its place, which it can repeat for every server.
    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let (request, connection) = begun(ctx)?;
        // One byte of the stand-in is one piece of the body, so that `proxy_send_timeout` counts from piece to piece.
        if let Some(piece) = request.next_of_body(body.as_ref().map_or(0, Bytes::len)) {
            *body = match piece {
                piece if piece.is_empty() && end_of_stream => None,
                piece => Some(piece),
            };
        }
        *body = body.take().map(|piece| if piece.is_empty() { piece } else { connection.pace(piece) });
        Ok(())
    }

    /// The server has answered: is that what the client gets, or is the next server asked, or a page of errors shown?
    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let (request, _) = begun(ctx)?;
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

    /// A piece of the answer's body goes to the cache; after the last one: what becomes of the connection.
    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        let (request, connection) = begun(ctx)?;
        if end_of_stream {
            request.answer_ended();
            headers::trailers::tell(request, connection);
        }
        let pressure = caching::write(request, body.as_ref(), end_of_stream);
        Ok(pressure.max(body.as_ref().and_then(|piece| request.pace_of_upstream(piece.len()))))
    }

    /// What the client is told after the body, if its protocol has a place for it.
    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut http::HeaderMap,
        ctx: &mut Ctx,
    ) -> Result<Option<Bytes>> {
        let (request, connection) = begun(ctx)?;
        request.answer_ended();
        caching::write(request, None, true);
        // They are about the whole.
        if request.told.is_none() {
            connection.set_trailers(headers::trailers::with_own(request, trailers.clone()));
        }
        Ok(None)
    }

    /// What the client is told.
    async fn response_filter(&self, session: &mut Session, answer: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        let (request, connection) = begun(ctx)?;
        if answer.status.is_informational() && answer.status.as_u16() != 101 {
            return Ok(());
        }
        if let Some(stored) = request.confirmed.take() {
            // The 304 was for edge; Pingora finds the answer written when it comes to that.
            return deliver::deliver(session, request, connection, Content::Stored(stored)).await;
        }
        caching::forget_changed(request, answer).await;
        // Whether and how long it is stored may be theirs to say.
        request.rule_answer(answer);
        let met_here = caching::admit(request, connection, answer);
        if let Some(status) = request.error_status {
            answer.set_status(status)?;
            answer.set_reason_phrase(Some(crate::http::status::reason(status)))?;
        }
        let unbuffered = unbuffered(answer, request);
        // As in nginx, what is passed on as it comes is not held back.
        if !unbuffered && answer.status.as_u16() != 101 {
            request.pace(connection, Some(answer));
        }
        let buffering = request.location.buffering.clone();
        let buffering = if unbuffered { buffering.off() } else { buffering };
        keepalive::close_if_due(session, request, connection);
        if caching::replace(session, request, connection, answer, met_here)? {
            connection.set_buffering(buffering);
            return Ok(());
        }
        headers::for_client(answer, request, true)?;
        request.tell_session_id(answer)?;
        request.tell_server(answer)?;
        if answer.status.as_u16() == 101 {
            connection.upgrade();
            return Ok(());
        }
        if request.exchange.head.wants_upgrade() {
            connection.no_upgrade();
            session.as_downstream_mut().drain_request_body().await?;
        }
        connection.set_buffering(buffering);
        deliver::arm_compression(session, request);
        filters::arm(session, request, connection, answer).await?;
        headers::trailers::announce(request, connection, answer)?;
        if let Some(compression) = session.downstream_modules_ctx.get_mut::<Compression>() {
            compression.set_unbuffered(unbuffered);
        }
        deliver::close_without_length(session, request, answer);
        Ok(())
    }

    /// The exchange with the server broke.
    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut e: Box<Error>,
        ctx: &mut Ctx,
        client_reused: bool,
    ) -> Box<Error> {
        // Pingora wants to be told in any case whether a reused connection is an excuse.
        e.retry.decide_reuse(client_reused);
        let Ok((request, _)) = begun(ctx) else { return e };
        if session.response_written().is_some() {
            match e.esource() {
                // As nginx: that a client leaves is nobody's failure.
                ErrorSource::Downstream => {
                    request.log_info(format_args!("client left before its answer had ended: {e}"))
                }
                _ => request.log_error(format_args!("upstream failed in the middle of its answer: {e}")),
            }
            e.set_retry(false);
            return e;
        }
        if request.is_outlived() || !matches!(e.etype(), ErrorType::HTTPStatus(_)) {
            e.set_retry(try_on(request, &e));
        }
        e
    }

    /// Nothing more is tried: the client is told what was found for that case.
    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, ctx: &mut Ctx) -> FailToProxy {
        let Ok((request, connection)) = begun(ctx) else {
            return FailToProxy { error_code: 500, can_reuse_downstream: false };
        };
        if session.response_written().is_some() {
            return FailToProxy { error_code: request.exchange.answer.status, can_reuse_downstream: false };
        }
        let content = match request.content.take() {
            Some(content) => content,
            None => match refuse::status_of(e, connection) {
                status @ (crate::http::pages::internal::CLIENT_CLOSED | 0) => {
                    request.exchange.answer.status = status;
                    return FailToProxy { error_code: status, can_reuse_downstream: false };
                }
                status => content::fail(request, status).await,
            },
        };
        let delivered = deliver::deliver(session, request, connection, content).await.is_ok();
        if delivered && session.get_keepalive().is_some() {
            connection.keep();
        }
        FailToProxy { error_code: 0, can_reuse_downstream: delivered }
    }

    /// The client has what it gets: the line in the log.
    async fn logging(&self, session: &mut Session, e: Option<&Error>, ctx: &mut Ctx) {
        if let Some((request, connection)) = ctx.get() {
            record::finish(session, request, connection, e).await;
        }
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true // edge has logged it, in nginx's words
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Ctx, _: &Error, _: ProxyWarnLogContext) -> bool {
        true // edge has logged it, in nginx's words
    }
}

fn begun(ctx: &mut Ctx) -> Result<(&mut Request, &Arc<Connection>)> {
    ctx.get().ok_or_else(|| internal("a phase came before the head was looked at"))
}

fn internal(why: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, why)
}

/// An error that makes Pingora ask for another server.
fn again(why: String) -> Box<Error> {
    let mut e = Error::explain(ErrorType::HTTPStatus(502), why).into_up();
    e.set_retry(true);
    e
}

/// An error that ends the attempts; what was found is delivered by `fail_to_proxy`.
fn give_up(request: &mut Request, content: Content) -> Box<Error> {
    request.content = Some(content);
    let mut e = Error::explain(ErrorType::HTTPStatus(502), "no upstream is left to ask").into_up();
    e.set_retry(false);
    e
}

/// After an error of an upstream: whether Pingora is to come back for another server, or for a page of errors.
fn try_on(request: &mut Request, e: &Error) -> bool {
    match request.failed(e) {
        Ok(()) => true,
        Err(crate::http::pages::internal::CLIENT_CLOSED) => false,
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
