//! The body of a request, before an upstream is asked: collected whole, streamed, or thrown away.

use super::content::{self, Content};
use super::request::Request;
use super::{caching, headers};
use crate::client::{BodyError, Connection, InFile};
use bytes::Bytes;
use pingora_proxy::Session;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Reads the body, if the upstream is to have it whole. What comes back is to be answered instead.
pub async fn prepare(session: &mut Session, request: &mut Request, connection: &Arc<Connection>) -> Option<Content> {
    let location = request.location.clone();
    let pass = request.pass()?;
    connection.ignore_abort(pass.ignore_client_abort || pass.store.is_some() || caching::may_store(request));
    if request.exchange.head.wants_upgrade() && !headers::asks_upgrade(request, pass) {
        connection.no_upgrade();
        let _ = session.as_downstream_mut().drain_request_body().await;
    }
    if !request.exchange.head.framing.has_body() || request.body.is_some() {
        return None;
    }
    // Somebody else than the upstream may be told of it.
    let is_asked = request.bound.snapshot.asked.body || location.body.in_file != InFile::No;
    let is_kept = !pass.pass_body && is_asked;
    // A page of errors is asked for without the body of the request that failed.
    if (!pass.pass_body && !is_asked) || request.body_is_gone {
        request.body_is_gone = true;
        connection.discard_body();
        let _ = session.as_downstream_mut().drain_request_body().await;
        return None;
    }
    if !location.request_buffering && !is_kept {
        request.streams_body = true;
        connection.stream_body(location.body.clone());
        return None;
    }
    let instead = collect(request, connection).await;
    if is_kept && instead.is_none() {
        request.kept_body = request.body.take();
        request.body_is_gone = true;
        connection.forget_body();
        let _ = session.as_downstream_mut().drain_request_body().await;
    }
    instead
}

/// The same for a request whose body is to be collected, if it has one, and that wants no other protocol. Pingora has no part in it.
pub async fn prepare_plain(request: &mut Request, connection: &Arc<Connection>) -> Option<Content> {
    let pass = request.pass()?;
    connection.ignore_abort(pass.ignore_client_abort || caching::may_store(request));
    match request.exchange.head.framing.has_body() && request.body.is_none() {
        true => collect(request, connection).await,
        false => None,
    }
}

/// Reads the body whole. What comes back is to be answered instead.
pub async fn collect(request: &mut Request, connection: &Arc<Connection>) -> Option<Content> {
    let location = request.location.clone();
    match connection.collect_body(&location.body).await {
        Ok(body) => {
            request.exchange.body_length = body.bytes.len() as u64;
            request.exchange.body_file =
                body.file.as_ref().map(|file| Bytes::copy_from_slice(file.path().as_os_str().as_bytes()));
            let is_in_memory = body.file.is_none() && body.bytes.len() <= location.body.buffer;
            if request.bound.snapshot.asked.body && is_in_memory {
                request.exchange.body = Some(body.bytes.clone());
            }
            request.body = Some(body);
            None
        }
        Err(e) => {
            match e {
                BodyError::Closed | BodyError::GivenUp | BodyError::Timeout => request.log_info(e),
                _ => request.log_error(e),
            }
            request.exchange.answer.status = e.status();
            match e {
                // As nginx: nobody is left to be told.
                BodyError::Closed | BodyError::GivenUp => Some(Content::Close),
                _ => Some(content::fail(request, e.status()).await),
            }
        }
    }
}
