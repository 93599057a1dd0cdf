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
//! direct     the short ways, without Pingora: of an answer from the cache here, of an upstream's in lane/
//! deliver    answers that need no upstream; made and api make some
//! memcached  those that an item of a memcached is
//! body       the request's body, collected before an upstream is asked
//! filters    what the answer's body goes through
//! errand     requests of edge's own: mirror sends copies, subrequest asks other locations
//! store      answers that become files
//! attempt    which server is asked next, what became of it
//! exchange   what is decided of an exchange with it, whoever carries it
//! trace      the trace it is part of, and the spans that are told of it
//! sessions/  whose server has the session of the request; what the answer says of that
//! rules/     what rules decide over it, in each phase, and doing that
//! peer       how it is connected to; dial makes the connection, line is what is known of it
//! headers/   what the upstream is sent, what the client is told
//! keepalive  whether the client's connection goes on after the answer
//! snapshot/  the configuration all of this runs on, compiled
//! ```

mod access;
pub mod api;
mod attempt;
mod body;
mod caching;
mod content;
mod deliver;
mod dial;
mod direct;
mod errand;
mod exchange;
pub mod explain;
mod failure;
mod filters;
mod handshake;
mod headers;
mod keepalive;
mod lane;
mod limits;
mod line;
mod live;
mod made;
mod memcached;
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
mod store;
mod subrequest;
mod trace;

pub use direct::{Went, answer};
pub use errand::Errands;
#[cfg(test)]
pub(crate) use headers::fuzzed;
pub use lane::{Lane, Pool};
pub use live::{Bound, Slot};
pub use refuse::refusal;
pub use request::NO_ADDRESS;

use crate::client::Connection;
use crate::compress::{Compression, CompressionBuilder};
use async_trait::async_trait;
use bytes::Bytes;
use content::Content;
use exchange::Settled;
use line::Line;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use request::{Ctx, Request};
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
                let mut request = Box::new(Request::new(head, peer, slot.bound()));
                request.begin_trace(&connection);
                request
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
        // What the lane could not bring to its end has all this behind it.
        let content = match std::mem::take(&mut request.is_underway) {
            true => content,
            false => begin(session, request, connection, content).await,
        };
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
            if let Some(content) = exchange::instead(request).await {
                return Err(give_up(request, content));
            }
            match request.next_peer().await {
                Ok(peer) => return Ok(peer),
                Err(status) => exchange::ask_nobody(request, status),
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
            e.set_retry(exchange::try_on(request, &e));
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
            false => {
                Err(exchange::again("the connection has outlived what its server announced, or its server".into()))
            }
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
        *upstream_request = exchange::request_for_server(request, upstream_request.version).await?;
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
        exchange::judge(begun(ctx)?.0, answer).await
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
        let pressure = pressure.max(request.store(body.as_ref(), end_of_stream));
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
        request.store(None, true);
        // They are about the whole.
        if request.told.is_none() {
            let told = headers::trailers::with_own(request, trailers.clone());
            request.exchange.answer.trailers = Some(Box::new(told.clone()));
            connection.set_trailers(told);
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
        let Settled { met_here, unbuffered, buffering } = exchange::settle(request, connection, answer).await?;
        keepalive::close_if_due(session, request, connection);
        if caching::replace(session, request, connection, answer, met_here)? {
            connection.set_buffering(buffering);
            return Ok(());
        }
        exchange::tell(request, connection, answer)?;
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
        if let Ok((request, _)) = begun(ctx) {
            exchange::broke(request, session.response_written().is_some(), &mut e);
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
        let Some(content) = exchange::last_word(request, connection, e).await else {
            let error_code = request.exchange.answer.status;
            return FailToProxy { error_code, can_reuse_downstream: false };
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

/// What is done before anybody is asked, or anything answered.
async fn begin(
    session: &mut Session,
    request: &mut Request,
    connection: &Arc<Connection>,
    content: Option<Content>,
) -> Option<Content> {
    let content = match mirror::send(request, connection).await {
        None => content,
        instead => instead,
    };
    let content = match content {
        None => body::prepare(session, request, connection).await,
        content => content,
    };
    keepalive::decide(session, request, connection);
    content
}

/// An error that ends the attempts; what was found is delivered by `fail_to_proxy`.
fn give_up(request: &mut Request, content: Content) -> Box<Error> {
    request.content = Some(content);
    let mut e = Error::explain(ErrorType::HTTPStatus(502), "no upstream is left to ask").into_up();
    e.set_retry(false);
    e
}
