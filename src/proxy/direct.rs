//! The short ways: an answer of the cache leaves without Pingora's having seen the request, and so does, by the lane, one that
//! an upstream gives.
//!
//! What always holds: everything is decided and written by the functions that the long way uses, so both give the same
//! bytes and the same line in the log; only who carries them differs. What is decided here and turns out to need Pingora
//! goes on with the decision: nothing is decided twice.

use super::caching::{self, Usual};
use super::content::{self, Content};
use super::deliver::{self, Payload};
use super::lane::{self, End, Lane};
use super::record::{self, Written};
use super::request::{self, Request};
use super::{Slot, headers, keepalive};
use crate::client::{Client, Connection};
use crate::compress::{self, rewrite::rewrite};
use crate::http::{Head, Version};
use bytes::{BufMut, BytesMut};
use http::{Method, header};
use pingora_core::protocols::http::date::get_cached_date;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;
use tokio::io::AsyncWriteExt;

/// Room for a head of the usual length.
const HEAD: usize = 512;

/// A request that Pingora is given with what was decided.
pub struct Decided {
    pub request: Box<Request>,
    /// `None`: an upstream is asked.
    pub content: Option<Content>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// The client has its answer.
    Answered,
    /// It has not all of it, or has left: its connection is to be dropped.
    Broken,
    /// The request is to be presented to Pingora.
    On,
}

/// Whether anything goes a short way: `EDGE_SHORT_WAY=off` in the environment sends all requests through Pingora.
static IS_OPEN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("EDGE_SHORT_WAY").is_none_or(|way| way != "off"));

/// Answers the request whose head was read, if the cache can, or an upstream that the lane can ask. `ending`: edge shuts down.
pub async fn answer(client: &mut Client, slot: &Slot, lane: &mut Lane, ending: bool) -> Went {
    let connection = client.connection().clone();
    let head = connection.head().filter(|head| head.version != Version::Http10 && !head.wants_upgrade());
    // An errand's client has no socket of its own.
    let Some(head) = head.filter(|_| *IS_OPEN && connection.facts().errand.is_none()) else { return Went::On };
    let is_plain = is_plain(&head);
    let peer = request::peer_of(&connection, connection.requests());
    let mut request = Box::new(Request::new(head, peer, slot.bound()));
    request.begin_trace(&connection);
    let content = match content::decide(&mut request, &connection).await {
        None => match lane::serve(client, &mut request, &connection, lane, ending).await {
            End::Answered => return Went::Answered,
            End::Broken => return Went::Broken,
            End::Left(content) => content,
        },
        // Copies of it may need its body, which Pingora's way reads.
        Some(Content::Stored(mut stored)) if is_plain && request.mirror.is_none() => {
            if ending
                || connection.is_closing()
                || !keepalive::keeps(&request)
                || keepalive::is_due(&request, &connection)
            {
                request.keepalive = false;
                connection.close_after();
            }
            request.send_copies(&connection);
            request.pace(&connection, None);
            let usual = Usual::of(&request, &stored);
            let prepared = usual.as_ref().and_then(|usual| usual.head(&request));
            if let Some(text) = prepared {
                send_prepared(&mut request, &connection, &text, &stored.take_bytes().unwrap_or_default()).await;
                return Went::Answered;
            }
            match compose(&mut request, *stored).await {
                Ok((head, payload)) => {
                    send(client, &mut request, &connection, usual, (head, payload)).await;
                    return Went::Answered;
                }
                Err(content) => Some(content),
            }
        }
        other => other,
    };
    connection.carry(Box::new(Decided { request, content }));
    Went::On
}

fn is_plain(head: &Head) -> bool {
    matches!(head.method, Method::GET | Method::HEAD) && !head.framing.has_body()
}

/// The answer as it is sent, or what Pingora's way is to make of it: it compresses, and writes chunks.
async fn compose(
    request: &mut Request,
    stored: caching::Stored,
) -> std::result::Result<(ResponseHeader, Payload), Content> {
    let Ok((mut head, payload)) = caching::compose(request, stored) else {
        return Err(content::fail(request, 500).await);
    };
    if request.location.filters.is_some() {
        return Err(Content::Composed(Box::new((head, payload))));
    }
    let settings = &request.location.compress;
    if !settings.is_off() {
        let facts = headers::compression_facts(request);
        let decision = compress::decide(settings, &facts, head.status.as_u16(), &head.headers, SystemTime::now());
        if decision.algorithm.is_some() || rewrite(&mut head, decision, &facts).is_err() {
            return Err(Content::Composed(Box::new((head, payload))));
        }
    }
    match head.headers.contains_key(header::TRANSFER_ENCODING) {
        true => Err(Content::Composed(Box::new((head, payload)))),
        false => Ok((head, payload)),
    }
}

/// Writes it, and the line in the log.
async fn send(
    client: &mut Client,
    request: &mut Request,
    connection: &Arc<Connection>,
    usual: Option<Usual>,
    (mut head, payload): (ResponseHeader, Payload),
) {
    let text = complete(&mut head, request.keepalive);
    if let (Some(usual), Ok(text)) = (usual, &text) {
        usual.keep(request, &head, text);
    }
    let payload = if deliver::is_bodiless(request, &head) { Payload::Nothing } else { payload };
    let sent = match text {
        Ok(text) => write(client, &text, payload).await.is_ok(),
        Err(_) => false,
    };
    finish(request, connection, sent, Written::of(&head)).await;
}

/// The same for a head that was made for another request of its kind.
async fn send_prepared(request: &mut Request, connection: &Arc<Connection>, text: &[u8], body: &[u8]) {
    let written = Written { status: 200, length: text.len() as u64, head: None };
    let sent = connection.send(text, body).await.is_ok();
    finish(request, connection, sent, written).await;
}

async fn finish(request: &mut Request, connection: &Arc<Connection>, sent: bool, written: Written<'_>) {
    request.exchange.completed = sent;
    if !sent {
        connection.close_after();
    }
    record::answered(request, connection, Some(written), None).await;
}

/// What Pingora adds to a head, and the head as it goes over the wire.
pub(super) fn complete(head: &mut ResponseHeader, keepalive: bool) -> Result<BytesMut> {
    head.insert_header(header::DATE, get_cached_date())?;
    head.insert_header(header::CONNECTION, if keepalive { "keep-alive" } else { "close" })?;
    Ok(text_of(head))
}

/// A head as it goes over the wire.
pub(super) fn text_of(head: &ResponseHeader) -> BytesMut {
    let mut text = BytesMut::with_capacity(HEAD);
    text.put_slice(b"HTTP/1.1 ");
    text.put_slice(head.status.as_str().as_bytes());
    text.put_u8(b' ');
    text.put_slice(head.get_reason_phrase().unwrap_or_default().as_bytes());
    text.put_slice(b"\r\n");
    head.header_to_h1_wire(&mut text);
    text.put_slice(b"\r\n");
    text
}

async fn write(client: &mut Client, head: &[u8], payload: Payload) -> io::Result<()> {
    match payload {
        Payload::Nothing => return client.connection().send(head, &[]).await,
        Payload::Bytes(bytes) => return client.connection().send(head, &bytes).await,
        Payload::Stored(mut body) => {
            // What cannot be read must not leave a client with a head alone.
            let first = body.next().await?.unwrap_or_default();
            client.connection().send(head, &first).await?;
            while let Some(piece) = body.next().await? {
                client.write_all(&piece).await?;
            }
        }
        Payload::File(mut file) => {
            client.write_all(head).await?;
            while let Some(piece) = file.next().await? {
                client.write_all(&piece).await?;
            }
        }
    }
    client.flush().await
}
