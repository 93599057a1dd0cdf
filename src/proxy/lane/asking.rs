//! One server is asked: connected to, sent the request, and heard until the head of its answer is there.

use super::super::exchange;
use super::super::headers::Wire;
use super::super::peer::Way;
use super::super::record;
use super::super::request::Request;
use super::super::snapshot;
use super::Lane;
use super::body::Body;
use super::head;
use super::link::{Link, Sending};
use super::pool::Key;
use crate::client::{Client, Connection};
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{Method, StatusCode, Version};
use pingora_core::protocols::http::authority::validate_request_authority;
use pingora_core::protocols::http::v1::client::http_req_header_to_wire;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use std::future::poll_fn;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// One try, with what it is made for.
pub struct Asking<'t> {
    pub client: &'t mut Client,
    pub request: &'t mut Request,
    pub connection: &'t Arc<Connection>,
    pub lane: &'t mut Lane,
    /// What was read of the server and is not used yet.
    pub inbox: BytesMut,
    /// The head that the client was sent.
    pub told: Option<ResponseHeader>,
    /// Bytes of the answer's body.
    pub received: u64,
    sending: Sending,
    /// How long the head of the request is.
    length: u64,
    /// Why the rest of the request could not be sent: that may be told by an answer.
    unsent: Option<Box<Error>>,
    read_timeout: Duration,
    send_timeout: Duration,
}

/// A server that has answered.
pub struct Answering {
    pub link: Link,
    pub head: ResponseHeader,
    pub body: Body,
    /// Neither side has said that the connection is closed.
    pub keeps: bool,
    pub key: Key,
    pub idle: Duration,
}

/// What is being heard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Head,
    Body,
}

impl Part {
    /// A head and most bodies fit into the first; a long answer comes in fewer reads.
    fn read_size(self) -> usize {
        match self {
            Part::Head => 16 << 10,
            Part::Body => 64 << 10,
        }
    }
}

impl<'t> Asking<'t> {
    pub fn new(
        client: &'t mut Client,
        request: &'t mut Request,
        connection: &'t Arc<Connection>,
        lane: &'t mut Lane,
    ) -> Asking<'t> {
        let timeouts = request.pass().map(|pass| (pass.read_timeout, pass.send_timeout));
        let (read_timeout, send_timeout) = timeouts.unwrap_or_default();
        Asking {
            client,
            request,
            connection,
            lane,
            inbox: BytesMut::new(),
            told: None,
            received: 0,
            sending: Sending::default(),
            length: 0,
            unsent: None,
            read_timeout,
            send_timeout,
        }
    }

    /// Asks the server and gives the client its answer. After an error somebody else may be asked, unless the client was told
    /// something.
    pub async fn ask(&mut self, way: Way) -> Result<()> {
        let key = snapshot::seed().hash_one((&way.address, way.key));
        let (mut link, is_reused) = self.connect(&way, key).await?;
        if !self.request.connected(is_reused, Some(link.line())) {
            return Err(exchange::again("the connection has outlived what its server announced, or its server".into()));
        }
        let sent = match exchange::text_for_server(self.request)? {
            Some(wire) => wire,
            None => wire_of(exchange::request_for_server(self.request, Version::HTTP_11).await?)?,
        };
        let sent = self.prepare(sent);
        let head = self.hear_head(&mut link).await?;
        let mut body = Body::behind(&head, &sent.method);
        if let Err(e) = exchange::judge(self.request, &head).await {
            // What has come of it is counted.
            let _ = body.take(&mut self.inbox, &mut Vec::new());
            self.received = body.received();
            return Err(e);
        }
        // The client has not asked for it. Who was not asked for it either is passed on, as in nginx.
        if head.status == StatusCode::SWITCHING_PROTOCOLS && sent.asks_upgrade {
            let why = "received 101 response that the client has not asked for";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up());
        }
        let keeps = head::keeps(&head) && !sent.closes;
        self.relay(Answering { link, head, body, keeps, key, idle: way.idle }).await
    }

    /// The try is over: the head that the client was sent, if it was sent one.
    pub fn finish(self) -> Option<ResponseHeader> {
        record::note_bodies(self.request, self.received, self.sending.taken().saturating_sub(self.length));
        self.told
    }

    /// Whether the whole request has left.
    pub fn has_sent(&self) -> bool {
        !self.sending.is_under_way() && self.unsent.is_none()
    }

    async fn connect(&mut self, way: &Way, key: Key) -> Result<(Link, bool)> {
        // One of its own is asked for where the key is one that nothing has.
        if let Some(link) = self.lane.pool.take(key, self.request.exchange.method.is_safe()) {
            return Ok((link, true));
        }
        let opened = way.dial.open(&way.address).await.map_err(Error::into_up)?;
        Ok((Link::new(opened), false))
    }

    /// What is sent is the head, and the body behind it.
    fn prepare(&mut self, mut sent: Wire) -> Wire {
        let text = std::mem::take(&mut sent.text);
        self.length = text.len() as u64;
        let is_framed = sent.is_chunked || sent.has_length;
        let body = self.request.next_of_body(usize::MAX).filter(|_| is_framed).unwrap_or_default();
        let (text, body) = head::framed(text, sent.is_chunked, body);
        self.sending = Sending::new(text, body);
        sent
    }

    async fn hear_head(&mut self, link: &mut Link) -> Result<ResponseHeader> {
        loop {
            if !self.inbox.is_empty()
                && let Some(head) = head::parse(&mut self.inbox).map_err(Error::into_up)?
            {
                // An informational answer is for edge, and its own comes behind it.
                match head.status.as_u16() {
                    100 | 102..=199 => continue,
                    _ => return Ok(head),
                }
            }
            if self.hear(link, Part::Head).await? == 0 {
                let why = format!("while reading response headers, bytes already read: {}", self.inbox.len());
                return Err(self.excused(Error::explain(ErrorType::ConnectionClosed, why)));
            }
        }
    }

    /// Waits for more of the answer, and meanwhile sends what is left of the request; how much was read.
    pub async fn hear(&mut self, link: &mut Link, part: Part) -> Result<usize> {
        let Asking { lane, connection, inbox, sending, unsent, read_timeout, send_timeout, .. } = self;
        let limit = |sends: bool| Instant::now() + if sends { *send_timeout } else { *read_timeout };
        let mut until = limit(sending.is_under_way());
        let heard = poll_fn(|cx| {
            if sending.is_under_way() {
                let before = sending.taken();
                match link.poll_send(cx, sending) {
                    Poll::Ready(Err(e)) if sending.is_in_head() => return Poll::Ready(Err(unsendable(e))),
                    Poll::Ready(Err(e)) => {
                        sending.give_up();
                        *unsent = Some(Error::because(ErrorType::WriteError, "while writing body", e).into_up());
                    }
                    _ => {}
                }
                if sending.taken() > before {
                    until = limit(sending.is_under_way());
                }
            }
            if let Poll::Ready(read) = link.poll_fill(cx, inbox, part.read_size()) {
                return Poll::Ready(read.map_err(|e| unreadable(part, inbox.len(), e)));
            }
            if connection.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(gone(part)));
            }
            match lane.waits.poll_late(until, cx) {
                Poll::Ready(()) if sending.is_under_way() => Poll::Ready(Err(late_to_send(sending.is_in_head()))),
                Poll::Ready(()) => Poll::Ready(Err(late(part, *read_timeout))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        heard.map_err(|e| self.excused(e))
    }

    /// Where the request could not be sent, that is what went wrong.
    fn excused(&mut self, e: Box<Error>) -> Box<Error> {
        match e.esource() {
            ErrorSource::Downstream => e,
            _ => self.unsent.take().unwrap_or_else(|| e.into_up()),
        }
    }
}

/// A request that was made as a map.
fn wire_of(mut sent: RequestHeader) -> Result<Wire> {
    check(&mut sent)?;
    let text = http_req_header_to_wire(&sent).ok_or_else(|| {
        let why = "request-line contains forbidden delimiter bytes or unsupported HTTP version";
        Error::explain(ErrorType::InvalidHTTPHeader, why).into_up()
    })?;
    Ok(Wire {
        text,
        closes: head::says_close(&sent.headers) == Some(true),
        asks_upgrade: sent.headers.contains_key(UPGRADE),
        has_length: sent.headers.contains_key(CONTENT_LENGTH),
        is_chunked: sent.headers.contains_key(TRANSFER_ENCODING),
        method: sent.method.clone(),
    })
}

/// What Pingora holds against a request that rules and fields of the configuration have made.
fn check(sent: &mut RequestHeader) -> Result<()> {
    if !sent.headers.contains_key(HOST) {
        sent.insert_header(HOST, "")?;
    }
    let mut hosts = sent.headers.get_all(HOST).iter();
    let is_one = hosts.next().is_some_and(|host| !host.as_bytes().contains(&b'@')) && hosts.next().is_none();
    if is_one && sent.raw_path().first() == Some(&b'/') && sent.method != Method::CONNECT {
        return Ok(());
    }
    validate_request_authority(sent).map_err(Error::into_in)
}

fn unsendable(e: io::Error) -> Box<Error> {
    Error::because(ErrorType::WriteError, "while writing request headers", e).into_up()
}

fn unreadable(part: Part, read: usize, e: io::Error) -> Box<Error> {
    let text = match part {
        Part::Head => format!("while reading response headers, bytes already read: {read}"),
        Part::Body => "when reading body".to_owned(),
    };
    Error::because(ErrorType::ReadError, text, e).into_up()
}

fn gone(part: Part) -> Box<Error> {
    let text = match part {
        Part::Head => "Prematurely before response header is sent",
        Part::Body => "Prematurely before response body is complete",
    };
    Error::explain(ErrorType::ConnectionClosed, text).into_down()
}

fn late_to_send(in_head: bool) -> Box<Error> {
    let text = if in_head { "while writing request headers (timeout)" } else { "writing body" };
    Error::explain(ErrorType::WriteTimedout, text).into_up()
}

fn late(part: Part, timeout: Duration) -> Box<Error> {
    let text = match part {
        Part::Head => "while reading response headers".to_owned(),
        Part::Body => format!("reading body, timeout: {timeout:?}"),
    };
    Error::explain(ErrorType::ReadTimedout, text).into_up()
}
