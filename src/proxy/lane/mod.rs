//! The lane: an exchange with an upstream that Pingora does not see. A proxied request of the plain kind costs half of what
//! Pingora's session, parser, tasks and channels take for it.
//!
//! ```text
//! asking   one server is asked: connected to, sent the request, heard
//! relay    its answer goes to the client
//! head     the head of an answer
//! body     its body
//! link     one connection to a server, and what is on its way over it
//! pool     connections that lie idle
//! ```
//!
//! What always holds: everything is decided, and said in the log, by what Pingora's callbacks call, in their order
//! (`proxy/exchange.rs`); here is only who carries it. What the lane does not take is handed over before anything was sent to
//! the client, with all that was decided: `Request::is_underway` says so. Nothing is kept of a connection that had bytes
//! behind its answer, or whose answer did not come to its end.

mod asking;
mod body;
mod head;
mod link;
mod pool;
mod relay;

pub(super) use link::Socket;
pub use pool::Pool;

use super::content::Content;
use super::record::{self, Written};
use super::request::Request;
use super::snapshot::{Handler, PassTarget};
use super::{body as sent_body, exchange, keepalive, mirror};
use crate::client::{Client, Connection, Waits};
use crate::config::types::UpstreamVersion;
use asking::Asking;
use pingora_error::Error;
use std::sync::Arc;

/// What the requests of one client's connection share.
pub struct Lane {
    pool: Arc<Pool>,
    /// The timer of all its waits.
    waits: Waits,
}

impl Lane {
    pub fn new(pool: &Arc<Pool>) -> Lane {
        Lane { pool: pool.clone(), waits: Waits::default() }
    }
}

/// How it ended.
pub enum End {
    /// The client has its answer.
    Answered,
    /// It has not, and its connection is good for nothing more.
    Broken,
    /// It is not for the lane: this is answered, or else an upstream asked.
    Left(Option<Content>),
}

/// Whether the lane can ask the upstream of the location.
fn takes(request: &Request) -> bool {
    let location = &*request.location;
    let Handler::Proxy(pass) = &location.handler else { return false };
    let is_plain = match &pass.target {
        PassTarget::Upstream { tls, .. } => !tls,
        PassTarget::Variable(_) => pass.secure.is_none(),
    };
    let is_whole = location.filters.is_none() && location.answer.trailers.is_empty() && location.chunked;
    is_plain
        && is_whole
        && pass.store.is_none()
        && !pass.force_ranges
        && !pass.grpc
        && pass.http_version != UpstreamVersion::Http2
        && request.cache.is_none()
}

/// Whether the request is one for the lane at all: it has no body, or one that is collected first.
fn begins(request: &Request) -> bool {
    // A page of errors is asked for without the body of the request that failed.
    let is_sent = || request.pass().is_some_and(|pass| pass.pass_body) && !request.body_is_gone;
    let collects = || request.location.request_buffering && is_sent();
    request.exchange.request_uri.starts_with(b"/") && (!request.exchange.head.framing.has_body() || collects())
}

/// Asks upstreams and answers, as far as that is for the lane. `ending`: edge shuts down.
pub(super) async fn serve(
    client: &mut Client,
    request: &mut Request,
    connection: &Arc<Connection>,
    lane: &mut Lane,
    ending: bool,
) -> End {
    if !takes(request) || !begins(request) {
        return End::Left(None);
    }
    request.is_underway = true;
    let instead = begin(request, connection, ending).await;
    request.send_copies(connection);
    if instead.is_some() {
        return End::Left(instead);
    }
    loop {
        if let Some(content) = exchange::instead(request).await {
            return End::Left(Some(content));
        }
        // An internal redirect may lead to a location that it is not for.
        if !takes(request) {
            return End::Left(None);
        }
        let way = match request.next_way().await {
            Ok(way) => way,
            Err(status) => {
                exchange::ask_nobody(request, status);
                continue;
            }
        };
        let mut asking = Asking::new(client, request, connection, lane);
        let asked = asking.ask(way).await;
        let told = asking.finish();
        match asked {
            Ok(()) => {
                close(request, connection, told.as_ref().map(Written::of), None).await;
                return End::Answered;
            }
            Err(mut e) => {
                exchange::broke(request, told.is_some(), &mut e);
                if !e.retry() {
                    return give_up(request, connection, told.as_ref().map(Written::of), &e).await;
                }
            }
        }
    }
}

/// What is done before anybody is asked. What comes back is answered instead.
async fn begin(request: &mut Request, connection: &Arc<Connection>, ending: bool) -> Option<Content> {
    let mut instead = mirror::send(request, connection).await;
    if instead.is_none() {
        instead = sent_body::prepare_plain(request, connection).await;
    }
    if ending || connection.is_closing() || !keepalive::keeps(request) {
        close_after(request, connection);
    }
    instead
}

fn close_after(request: &mut Request, connection: &Connection) {
    request.keepalive = false;
    connection.close_after();
}

/// Nobody is asked any more.
async fn give_up(request: &mut Request, connection: &Arc<Connection>, written: Option<Written<'_>>, e: &Error) -> End {
    if written.is_none()
        && let Some(content) = exchange::last_word(request, connection, e).await
    {
        return End::Left(Some(content));
    }
    connection.close_after();
    close(request, connection, written, Some(e)).await;
    End::Broken
}

/// The client has what it gets: the line in the log.
async fn close(request: &mut Request, connection: &Arc<Connection>, written: Option<Written<'_>>, e: Option<&Error>) {
    request.end_attempt();
    record::answered(request, connection, written, e).await;
}
