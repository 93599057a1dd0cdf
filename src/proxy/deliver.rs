//! Answers that need no upstream, written to the client.

use super::caching;
use super::content::Content;
use super::request::Request;
use super::{filters, headers, keepalive};
use crate::client::Connection;
use crate::compress::{self, Compression};
use crate::files;
use crate::http::pages;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::SystemTime;

/// What is written after the head.
#[derive(Debug)]
pub enum Payload {
    Nothing,
    Bytes(Bytes),
    File(files::Body),
    Stored(caching::Body),
}

/// Writes what was found for a request.
pub async fn deliver(
    session: &mut Session,
    request: &mut Request,
    connection: &Arc<Connection>,
    content: Content,
) -> Result<()> {
    caching::restore(session, request, connection);
    settle_body(session, request, connection).await;
    keepalive::close_if_due(session, request, connection);
    let Some((mut head, payload)) = compose(request, content)? else {
        keepalive::close_after(session, request, connection);
        return Ok(());
    };
    arm_compression(session, request);
    request.pace(connection, None);
    filters::arm(session, request, connection, &mut head).await?;
    headers::trailers::announce(request, connection, &mut head)?;
    // Whoever is no longer there to be told is logged with it all the same.
    request.exchange.answer.status = head.status.as_u16();
    write(session, request, connection, head, payload).await?;
    request.exchange.completed = true;
    Ok(())
}

/// An answer as the client gets it; `None`: the connection is closed without one.
pub fn compose(request: &mut Request, content: Content) -> Result<Option<(ResponseHeader, Payload)>> {
    let (mut head, payload) = match content {
        // Whoever is asked for an upstream's answer has none to give any more.
        Content::Proxy | Content::Memcached => page(request, 502, Vec::new())?,
        Content::Stored(stored) => return caching::compose(request, *stored).map(Some),
        Content::Composed(composed) => return Ok(Some(*composed)),
        Content::Text { status, content_type, body } => text(request, status, content_type, body)?,
        Content::Redirect { status, location } => redirect(request, status, location)?,
        Content::File { status, headers, body } => (with_fields(status, headers)?, Payload::File(*body)),
        Content::Status { status, headers } => page(request, status, headers)?,
        Content::Close => return Ok(None),
    };
    headers::for_client(&mut head, request, false)?;
    Ok(Some((head, payload)))
}

/// Says who may be sent a compressed answer.
pub fn arm_compression(session: &mut Session, request: &Request) {
    let facts = headers::compression_facts(request);
    if let Some(compression) = session.downstream_modules_ctx.get_mut::<Compression>() {
        compression.arm(request.location.compress.clone(), facts);
    }
}

/// Nobody reads the body any more: it is thrown away, so that the connection can be kept.
async fn settle_body(session: &mut Session, request: &mut Request, connection: &Arc<Connection>) {
    if request.exchange.head.wants_upgrade() {
        connection.no_upgrade();
    } else if !request.exchange.head.framing.has_body() {
        return;
    }
    if request.body.is_none() && !connection.discard_body() {
        keepalive::close_after(session, request, connection);
        return;
    }
    if session.as_downstream_mut().drain_request_body().await.is_err() {
        session.set_keepalive(None);
    }
}

fn text(
    request: &Request,
    status: u16,
    content_type: Option<HeaderValue>,
    body: Bytes,
) -> Result<(ResponseHeader, Payload)> {
    let mut head = start(request.error_status.unwrap_or(status))?;
    if status == 204 {
        return Ok((head, Payload::Nothing));
    }
    if let Some(content_type) = content_type {
        head.insert_header("Content-Type", content_type)?;
    }
    head.insert_header("Content-Length", body.len())?;
    Ok((head, Payload::Bytes(body)))
}

fn redirect(request: &Request, status: u16, location: Vec<u8>) -> Result<(ResponseHeader, Payload)> {
    let (mut head, payload) = page(request, status, Vec::new())?;
    // What would end the field is encoded: a path may hold any byte.
    let unsafe_bytes = location.iter().filter(|b| **b < b' ' || **b == 0x7f).count();
    let mut field = Vec::with_capacity(location.len() + 2 * unsafe_bytes);
    for byte in location {
        match byte {
            ..0x20 | 0x7f => field.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            byte => field.push(byte),
        }
    }
    let field = HeaderValue::try_from(field).or_err(ErrorType::InvalidHTTPHeader, "a Location that cannot be sent")?;
    head.insert_header("Location", field)?;
    Ok((head, payload))
}

/// A status with edge's own page.
fn page(request: &Request, status: u16, fields: files::Headers) -> Result<(ResponseHeader, Payload)> {
    let server = if request.location.answer.server_tokens { pages::SERVER_WITH_VERSION } else { pages::SERVER };
    let mut head = with_fields(pages::told(status), fields)?;
    if matches!(status, 204 | 304) {
        return Ok((head, Payload::Nothing));
    }
    let Some(body) = pages::page(status, server).map(Bytes::from) else {
        head.insert_header("Content-Length", 0)?;
        return Ok((head, Payload::Nothing));
    };
    head.insert_header("Content-Type", "text/html")?;
    head.insert_header("Content-Length", body.len())?;
    Ok((head, Payload::Bytes(body)))
}

fn with_fields(status: u16, fields: files::Headers) -> Result<ResponseHeader> {
    let mut head = start(status)?;
    for (name, value) in fields {
        head.append_header(name, value)?;
    }
    Ok(head)
}

fn start(status: u16) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    head.set_reason_phrase(Some(crate::http::status::reason(status)))?;
    Ok(head)
}

/// To a client of HTTP/1.0 the end of a body whose length is not said is the end of the connection.
pub fn close_without_length(session: &mut Session, request: &Request, head: &mut ResponseHeader) {
    let by_close = headers::ends_by_close(request);
    if !(request.is_http10() || by_close) || is_bodiless(request, head) {
        return;
    }
    if by_close {
        head.remove_header(&TRANSFER_ENCODING);
    }
    let facts = headers::compression_facts(request);
    let status = head.status.as_u16();
    let compressed = compress::decide(&request.location.compress, &facts, status, &head.headers, SystemTime::now());
    if compressed.algorithm.is_some() || !head.headers.contains_key(CONTENT_LENGTH) {
        session.set_keepalive(None);
    }
}

pub fn is_bodiless(request: &Request, head: &ResponseHeader) -> bool {
    request.is_head() || matches!(head.status.as_u16(), 204 | 304)
}

async fn write(
    session: &mut Session,
    request: &Request,
    connection: &Connection,
    mut head: ResponseHeader,
    payload: Payload,
) -> Result<()> {
    let bodiless = is_bodiless(request, &head);
    close_without_length(session, request, &mut head);
    let payload = if bodiless { Payload::Nothing } else { payload };
    match payload {
        Payload::Nothing => session.write_response_header(Box::new(head), true).await,
        Payload::Bytes(bytes) if bytes.is_empty() => session.write_response_header(Box::new(head), true).await,
        Payload::Bytes(bytes) => {
            connection.hold(true);
            let written = session.write_response_header(Box::new(head), false).await;
            connection.hold(false);
            written?;
            session.write_response_body(Some(bytes), true).await
        }
        Payload::Stored(mut body) => {
            session.write_response_header(Box::new(head), false).await?;
            while let Some(piece) = body.next().await.or_err(ErrorType::FileReadError, "reading a stored answer")? {
                session.write_response_body(Some(piece), false).await?;
            }
            session.write_response_body(None, true).await
        }
        Payload::File(mut file) => {
            session.write_response_header(Box::new(head), file.is_empty()).await?;
            while let Some(chunk) = file.next().await.or_err(ErrorType::FileReadError, "reading a file to send")? {
                session.write_response_body(Some(chunk), false).await?;
            }
            session.write_response_body(None, true).await
        }
    }
}
