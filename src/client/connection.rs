//! A client's connection as everybody but the loop sees it: facts, the request's head, and the switches of its body and
//! its answer.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{Digest, GetSocketDigest, SocketDigest, Stream};
use tokio::time::Instant;

use super::body::BodyError;
use super::http2::StreamFacts;
use super::proxy_protocol::Announced;
use super::replaced::Replaced;
use super::settings::{BodyLimits, Buffering, Settings};
use super::throttle::Throttle;
use super::trailing::Trailing;
use super::wire::{BodyState, Wire};
use crate::http::{Head, Headers};
use crate::tls;

/// nginx's `$connection`: counts connections of the process.
static SERIAL: AtomicU64 = AtomicU64::new(1);

pub(super) fn next_serial() -> u64 {
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// What is known of a connection when it is made.
#[derive(Clone)]
pub struct Facts {
    /// Of an IP socket; another one's client has no address.
    pub remote: Option<SocketAddr>,
    pub local: Option<SocketAddr>,
    pub accepted: SystemTime,
    /// The socket, for what the kernel knows of it.
    pub socket: Option<Arc<SocketDigest>>,
    /// What the listener wants to be told again with each request.
    pub listener: Arc<dyn Any + Send + Sync>,
    /// What a header of the PROXY protocol said.
    pub announced: Option<Announced>,
    /// What the handshake of TLS came to.
    pub tls: Option<Arc<tls::Session>>,
    /// The listener speaks TLS and the client does not.
    pub plain_to_tls: bool,
    /// What a request of edge's own is for.
    pub errand: Option<Arc<dyn Any + Send + Sync>>,
    /// Of a stream of HTTP/2, which is a connection of one request here.
    pub stream: Option<StreamFacts>,
}

impl Facts {
    /// The facts of a socket that was just accepted.
    pub fn of(stream: &(impl GetSocketDigest + ?Sized), listener: Arc<dyn Any + Send + Sync>) -> Self {
        let digest: Option<Arc<SocketDigest>> = stream.get_socket_digest();
        let socket = digest.as_deref();
        Facts {
            remote: socket.and_then(|s| s.peer_addr()).and_then(|a| a.as_inet()).copied(),
            local: socket.and_then(|s| s.local_addr()).and_then(|a| a.as_inet()).copied(),
            accepted: SystemTime::now(),
            socket: digest.clone(),
            listener,
            announced: None,
            tls: None,
            plain_to_tls: false,
            errand: None,
            stream: None,
        }
    }

    /// The facts of a stream of HTTP/2 on this connection.
    pub fn of_stream(&self, stream: StreamFacts) -> Self {
        Facts { stream: Some(stream), ..self.clone() }
    }
}

/// One client's connection, shared by the loop, Pingora's session (through [`super::Client`]) and the `ProxyHttp`.
pub struct Connection {
    serial: u64,
    facts: Facts,
    tls: Option<Arc<SslDigest>>,
    /// The monotonic time of the accept, for the first head's deadline.
    pub(super) began: Instant,
    requests: AtomicU64,
    /// Not to be closed when Pingora drops its handle.
    kept: AtomicBool,
    wire: Mutex<Wire>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("serial", &self.serial)
            .field("remote", &self.facts.remote)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(stream: Stream, facts: Facts, settings: Arc<Settings>) -> Self {
        let (serial, requests) = match &facts.stream {
            Some(stream) => (stream.connection, stream.requests.saturating_sub(1)),
            None => (next_serial(), 0),
        };
        let tls = stream.get_ssl_digest();
        let mut wire = Wire::new(stream, settings);
        wire.is_http2 = facts.stream.is_some();
        wire.must_close = wire.is_http2;
        Connection {
            serial,
            facts,
            tls,
            began: Instant::now(),
            requests: AtomicU64::new(requests),
            kept: AtomicBool::new(false),
            wire: Mutex::new(wire),
        }
    }

    /// The connection below a Pingora session, whose digest this is.
    pub fn of(digest: &Digest) -> Option<&Arc<Connection>> {
        let data = digest.proxy_digest.as_ref()?.user_data.as_ref()?;
        data.downcast_ref()
    }

    /// `$connection`.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn tls(&self) -> Option<&Arc<SslDigest>> {
        self.tls.as_ref()
    }

    /// Whether this is a stream of HTTP/2 (`$http2`: `h2` with TLS, else `h2c`).
    pub fn is_http2(&self) -> bool {
        self.facts.stream.is_some()
    }

    /// Whether it is a client's connection of its own.
    pub(super) fn is_counted(&self) -> bool {
        self.facts.errand.is_none() && self.facts.stream.is_none()
    }

    /// The trailer fields that the answer ends with, to be said before its last byte is written. These are HTTP/2's.
    pub fn set_trailers(&self, fields: HeaderMap) {
        if let Some(stream) = &self.facts.stream {
            stream.trailers.set(fields);
        }
    }

    /// The same over HTTP/1.1, as lines with their ends, for a body in chunks. They are sent if some were said before the
    /// answer's head was written; others can take their place until the last chunk is.
    pub fn set_trailer_lines(&self, lines: Bytes) {
        match &mut self.lock().trailing {
            Some(trailing) => trailing.set(lines),
            none => *none = Some(Box::new(Trailing::new(lines))),
        }
    }

    /// `$connection_requests`: heads read so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes received and sent since the connection was made.
    pub fn bytes(&self) -> (u64, u64) {
        let wire = self.lock();
        (wire.received, wire.outbox.total())
    }

    /// `$bytes_sent`: what the client's socket took since the last call, heads and bodies. True to the end only after
    /// [`Self::drained`].
    pub fn take_sent(&self) -> u64 {
        self.lock().outbox.take_sent()
    }

    /// Bytes written and not yet sent.
    pub fn queued(&self) -> u64 {
        self.lock().outbox.len()
    }

    /// The head of the request in progress.
    pub fn head(&self) -> Option<Arc<Head>> {
        self.lock().head.clone()
    }

    /// Trailer fields of the request, after its body was read to the end.
    pub fn trailers(&self) -> Headers {
        self.lock().trailers.clone()
    }

    /// Why a streamed or collected body broke, to turn Pingora's read error into a status.
    pub fn body_error(&self) -> Option<BodyError> {
        match self.lock().body {
            BodyState::Failed(e) | BodyState::Uncollected(e) => Some(e),
            _ => None,
        }
    }

    /// The limits of a body that Pingora reads as it arrives; to be set before it begins.
    pub fn stream_body(&self, limits: BodyLimits) {
        self.lock().limits = limits;
    }

    /// A piece of the body that goes to the server: what comes after it waits, if too much is on its way.
    pub fn pace(&self, piece: Bytes) -> Bytes {
        self.lock().pace.count(piece)
    }

    /// Nobody needs the body: Pingora reads an empty one at once (`drain_request_body` makes it do so), and the rest is
    /// read and thrown away before the next request. False: the connection must be closed with the answer
    /// (`set_keepalive(None)`), because the body is broken or in other hands, or because the client waits for a `100
    /// Continue` it will not get and may or may not send its body.
    pub fn discard_body(self: &Arc<Self>) -> bool {
        self.with_wire(|wire| {
            let (body, is_clean) = match std::mem::replace(&mut wire.body, BodyState::Over) {
                BodyState::Waiting(decoder) => (BodyState::Discarding(decoder), true),
                BodyState::Collecting(_) | BodyState::Uncollected(_) => (BodyState::Abandoned, false),
                other => {
                    let is_over = matches!(other, BodyState::Over | BodyState::Discarding(_));
                    wire.body = other;
                    return is_over && !wire.must_close;
                }
            };
            wire.body = body;
            wire.script.extend_from_slice(b"0\r\n\r\n");
            wire.must_close |= !is_clean || (wire.owes_continue && wire.inbox.is_empty());
            wire.owes_continue = false;
            wire.wake_reader();
            !wire.must_close
        })
    }

    /// A body that was collected is not for the upstream: Pingora finds an empty one.
    pub fn forget_body(self: &Arc<Self>) {
        self.with_wire(|wire| {
            wire.script = BytesMut::from(&b"0\r\n\r\n"[..]);
            wire.wake_reader();
        });
    }

    /// The answer is complete: the connection goes on to the next request even if Pingora drops its handle.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    pub(super) fn take_kept(&self) -> bool {
        self.kept.swap(false, Ordering::AcqRel)
    }

    /// Leaves something for whoever gets this request from Pingora.
    pub fn carry(&self, what: Box<dyn Any + Send>) {
        self.lock().carried = Some(what);
    }

    pub fn take_carried(&self) -> Option<Box<dyn Any + Send>> {
        self.lock().carried.take()
    }

    /// Whether the connection ends with this answer.
    pub fn is_closing(&self) -> bool {
        self.lock().must_close
    }

    /// The connection is closed after this answer, whatever the client wants.
    pub fn close_after(&self) {
        self.lock().must_close = true;
    }

    /// `proxy_ignore_client_abort`: whether a request goes on when its client left.
    pub fn ignore_abort(&self, on: bool) {
        let mut wire = self.lock();
        wire.ignore_abort = on;
        wire.wake_reader();
    }

    /// Whether the answer is taken to its end even if the client's connection breaks.
    pub fn go_on(&self, on: bool) {
        self.lock().goes_on = on;
    }

    /// The client gets this head, this page and of the body that Pingora writes these bytes, in the place of the answer that
    /// Pingora writes from now on. If there are such bytes, Pingora must write them after a head with `Content-Length`.
    pub fn replace_answer(&self, head: Bytes, page: Bytes, span: Range<u64>) {
        self.lock().replaced = Some(Box::new(Replaced::new(head, page, span)));
    }

    /// The client gets what Pingora writes.
    pub fn restore_answer(&self) {
        self.lock().replaced = None;
    }

    /// Whether what is written waits for what comes after it.
    pub fn hold(&self, holds: bool) {
        self.lock().holds = holds;
    }

    /// How the answer waits for a slow client, from the next write on.
    pub fn set_buffering(&self, buffering: Buffering) {
        self.lock().outbox.limits = buffering;
    }

    /// So many bytes of this answer leave in a second, after so many that are free.
    pub fn limit_rate(&self, rate: u64, after: u64, began: std::time::Instant) {
        self.lock().outbox.throttle = Some(Throttle::new(rate, after, began));
    }

    /// Ready once the client has left, if that ends its request. What it sends meanwhile is kept, as far as there is room; nobody
    /// else may be reading.
    pub fn poll_gone(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.with_wire(|wire| match wire.poll_left(cx) {
            Poll::Ready(()) if wire.ignore_abort => Poll::Pending,
            other => other,
        })
    }

    /// Waits until the client leaves. What it sends meanwhile is kept, as far as there is room; nobody else may be reading.
    pub async fn left(self: &Arc<Self>) {
        poll_fn(|cx| self.with_wire(|wire| wire.poll_left(cx))).await
    }

    /// The protocol stays what it is: Pingora reads the end of the body it was told of.
    pub fn no_upgrade(&self) {
        let mut wire = self.lock();
        if std::mem::take(&mut wire.open_ended) {
            wire.script.extend_from_slice(b"0\r\n\r\n");
            wire.wake_reader();
        }
    }

    /// A 101 is about to be sent: from now on bytes pass as they are, those read ahead first, and without buffers.
    pub fn upgrade(&self) {
        let mut wire = self.lock();
        wire.body = BodyState::Raw;
        wire.script.clear();
        wire.must_close = true;
        let buffering = wire.outbox.limits.clone().off();
        wire.outbox.limits = buffering;
        wire.wake_reader();
    }

    /// Writes an answer that is here as a whole, and sees to it that it leaves.
    pub async fn send(self: &Arc<Self>, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut written = 0;
        poll_fn(|cx| self.with_wire(|wire| wire.poll_whole(cx, (head, body), &mut written))).await
    }

    /// [`Self::drained`], then [`Self::take_sent`].
    pub async fn delivered(self: &Arc<Self>) -> (io::Result<()>, u64) {
        let poll = |wire: &mut Wire, cx: &mut Context<'_>| {
            wire.poll_drained(cx).map(|drained| (drained, wire.outbox.take_sent()))
        };
        poll_fn(|cx| self.with_wire(|wire| poll(wire, cx))).await
    }

    /// Waits until all that was written was sent, or failed; `send_timeout` bounds each wait for the client.
    pub async fn drained(self: &Arc<Self>) -> io::Result<()> {
        poll_fn(|cx| self.with_wire(|wire| wire.poll_drained(cx))).await
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the wire, and spawns the drain task if that calls for one.
    pub(super) fn with_wire<T>(self: &Arc<Self>, act: impl FnOnce(&mut Wire) -> T) -> T {
        let (result, start) = {
            let mut wire = self.lock();
            let result = act(&mut wire);
            (result, wire.outbox.take_start())
        };
        if start {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(drain(self.clone()))),
                // dropped outside of a runtime: nobody can send any more
                Err(_) => self.lock().outbox.fail(io::ErrorKind::NotConnected),
            }
        }
        result
    }

    /// Closes the socket now.
    pub(super) fn cut(&self) {
        let stream = self.lock().stream.take();
        drop(stream);
    }

    /// Names of dropped fields for the log.
    pub(super) fn note_dropped(&self, names: &[Bytes]) {
        for name in names {
            log::info!("*{} client sent invalid header line: \"{}\"", self.serial, name.escape_ascii());
        }
    }
}

/// Sends the queue to its end. Lives only while there is one.
async fn drain(connection: Arc<Connection>) {
    loop {
        poll_fn(|cx| connection.lock().outbox.poll_pause(cx)).await;
        let timeout = connection.lock().outbox.limits.send_timeout;
        let step = poll_fn(|cx| connection.lock().poll_drain(cx));
        let kind = match tokio::time::timeout(timeout, step).await {
            Ok(Ok(true)) => return,
            Ok(Ok(false)) => continue,
            Ok(Err(e)) => e.kind(),
            Err(_) => io::ErrorKind::TimedOut,
        };
        connection.lock().outbox.fail(kind);
        return;
    }
}
