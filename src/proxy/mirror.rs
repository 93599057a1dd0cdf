//! `mirror`, `post_action`: copies of a request go to other locations, and nobody waits for what is answered.
//!
//! But for reading the body first, where the copies are to have it, nothing of this delays the client. Where there are too
//! many requests of edge's own already, a copy is not sent.

use super::body;
use super::content::Content;
use super::request::Request;
use super::subrequest::{self, Copy};
use crate::client::Connection;
use std::sync::Arc;

/// Sends the copies that the location wants. What comes back is to be answered instead: the body could not be read.
pub async fn send(request: &mut Request, connection: &Arc<Connection>) -> Option<Content> {
    let mirror = request.mirror.take()?;
    let has_body = request.exchange.head.framing.has_body() && !request.error_page_used;
    if mirror.body
        && has_body
        && request.body.is_none()
        && let Some(instead) = body::collect(request, connection).await
    {
        return Some(instead);
    }
    let body = request.body.as_ref().filter(|_| mirror.body).map(|body| body.bytes.clone());
    for path in &mirror.paths {
        let copy = Copy {
            path: path.clone(),
            args: request.exchange.args.clone(),
            method: request.exchange.method.as_str().to_owned(),
            body: body.clone(),
        };
        subrequest::send(&request.exchange, connection, copy);
    }
    None
}

/// `post_action`: what is asked when the request was answered. As in nginx it has no arguments.
pub fn act_afterwards(request: &Request, connection: &Arc<Connection>, path: String) {
    let method = request.exchange.method.as_str().to_owned();
    let body = request.body.as_ref().map(|body| body.bytes.clone());
    let copy = Copy { path, args: None, method, body };
    subrequest::send(&request.exchange, connection, copy);
}
