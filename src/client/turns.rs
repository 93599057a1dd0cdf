//! The turns of a connection, for the loop that serves it: read a head, present it to Pingora, take the connection back,
//! and close it well.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use pingora_core::server::ShutdownWatch;
use tokio::time::{Instant, timeout, timeout_at};

use super::chunked::Decoder;
use super::connection::Connection;
use super::handle::Client;
use super::http2;
use super::parse::{Fault, Parser, Refusal};
use super::present;
use super::settings::Settings;
use super::waits::Spared;
use super::wire::{BodyState, Wire};
use crate::http::{Framing, Head, Version};
use crate::variables::counts::Held;

const TIMED_OUT: Fault = Fault { status: 408, reason: "client timed out" };
/// How long a first request is waited for once the server shuts down, and a further one after the answer before it: who
/// asks again and again would lose one to a close that crosses it, and is told with the next answer instead.
const FRESH: Duration = Duration::from_millis(900);
const LEFT: Fault = Fault { status: 400, reason: "client prematurely closed connection" };

/// What waiting for more of a head came to.
enum More {
    Bytes,
    Closed,
    Late,
    Shutdown,
}

impl Client {
    /// Reads the head of the next request. `None`: there is none, and the connection is to be dropped (the client closed
    /// it, it was idle for too long, or the server shuts down). A [`Refusal`] that is to be answered is answered with
    /// [`Self::refuse`].
    pub async fn read_head(
        &mut self,
        settings: &Arc<Settings>,
        shutdown: &ShutdownWatch,
    ) -> Result<Option<Head>, Refusal> {
        let connection = self.connection.clone();
        let Some(stream) = &connection.facts().stream else {
            return self.read_text(settings, shutdown).await;
        };
        if let Some(refusal) = &stream.refusal {
            return Err(refusal.clone());
        }
        match self.read_text(settings, shutdown).await {
            Ok(head) => Ok(head.map(http2::restore)),
            Err(refusal) => Err(Refusal { line: http2::restore_line(&refusal.line), ..refusal }),
        }
    }

    async fn read_text(&mut self, settings: &Arc<Settings>, shutdown: &ShutdownWatch) -> Result<Option<Head>, Refusal> {
        let connection = &self.connection;
        connection.lock().reset(settings);
        let mut parser = Parser::new(settings);
        let mut deadline = Deadline::new(connection, settings);
        let mut held = None;
        let bytes = loop {
            let idle = {
                let mut wire = connection.lock();
                if let Some(end) = parser.advance(&wire.inbox, settings)? {
                    break wire.inbox.split_to(end).freeze();
                }
                wire.inbox.is_empty()
            };
            if connection.is_counted() {
                held = Some(Held::between(idle));
            }
            let stop = idle.then_some(shutdown);
            let more = connection.read_more(deadline.at(idle), deadline.began, stop).await;
            let fault = match more {
                More::Bytes => continue,
                _ if idle => return Ok(None),
                More::Late => TIMED_OUT,
                More::Closed | More::Shutdown => LEFT,
            };
            // nginx logs these and says nothing
            let mut refusal = parser.refuse(fault, &connection.lock().inbox);
            refusal.answered = false;
            return Err(refusal);
        };
        drop(held);
        let parsed = parser.finish(bytes)?;
        connection.note_dropped(&parsed.dropped);
        connection.count_request();
        Ok(Some(parsed.head))
    }

    /// Begins the request of this head. It can be answered here and now, or be left to Pingora ([`Self::hand_over`]).
    pub fn begin(&mut self, head: Arc<Head>) {
        // what was kept was the request before
        self.connection.take_kept();
        let requests = self.connection.requests();
        let mut wire = self.connection.lock();
        let keepalive = !wire.must_close
            && head.wants_keepalive()
            && !wire.settings.keepalive_timeout.is_zero()
            && requests < wire.settings.keepalive_requests;
        wire.must_close |= !keepalive;
        wire.body = match head.framing {
            Framing::None | Framing::Length(0) => BodyState::Over,
            framing => BodyState::Waiting(Decoder::new(framing)),
        };
        wire.open_ended = head.wants_upgrade() && !head.framing.has_body();
        wire.owes_continue = head.framing.has_body() && head.version == Version::Http11 && expects_continue(&head);
        wire.head = Some(head);
    }

    /// Makes this head the one that Pingora reads next. After it: `ServerSession::new_http1(Box::new(client))`.
    pub fn present(&mut self, head: Arc<Head>) {
        self.begin(head);
        self.hand_over();
    }

    /// The same for a request that was begun.
    pub fn hand_over(&mut self) {
        let mut wire = self.connection.lock();
        if let Some(head) = wire.head.clone() {
            // A body that was collected before has its stand-in there.
            let body = std::mem::take(&mut wire.script);
            wire.script = present::synthesize(&head, !wire.must_close);
            wire.script.extend_from_slice(&body);
        }
    }

    /// Ends a request that Pingora gave back: reads what is left of a body nobody wanted. False: the connection is to be
    /// closed ([`Self::close`]).
    pub async fn finish_request(&mut self) -> bool {
        let connection = &self.connection;
        let (whole, wait) = {
            let mut wire = connection.lock();
            if wire.must_close || wire.outbox.failed().is_some() {
                return false;
            }
            wire.skip_body();
            match wire.body {
                BodyState::Over => return wire.ended.is_none() || !wire.inbox.is_empty(),
                BodyState::Discarding(_) => {}
                // half read by somebody who gave up
                _ => return false,
            }
            (Instant::now() + wire.settings.lingering_time, wire.settings.lingering_timeout)
        };
        loop {
            let until = whole.min(Instant::now() + wait);
            match timeout_at(until, poll_fn(|cx| connection.lock().poll_discard(cx))).await {
                Ok(Ok(true)) => return true,
                Ok(Ok(false)) => {}
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    }

    /// Writes an answer that was made without Pingora, and closes.
    pub async fn refuse(self, answer: Bytes) {
        self.connection.with_wire(|wire| wire.outbox.push(&answer));
        self.connection.end(true).await;
    }

    /// Closes the connection: what is queued is sent, and a client that is still sending is listened to.
    pub async fn close(self) {
        let linger = self.connection.lock().has_unread();
        self.connection.end(linger).await;
    }
}

fn expects_continue(head: &Head) -> bool {
    head.headers.get("expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

/// How long to wait for a head: idle first, then for all of it.
struct Deadline {
    began: Instant,
    idle: Option<Instant>,
    whole: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    fn new(connection: &Connection, settings: &Settings) -> Self {
        let limit = settings.client_header_timeout;
        // the first head's time begins with the connection
        let whole = (connection.requests() == 0).then(|| connection.began + limit);
        let began = Instant::now();
        Deadline { began, idle: Some(whole.unwrap_or(began + settings.keepalive_timeout)), whole, limit }
    }

    fn at(&mut self, idle: bool) -> Instant {
        let limit = self.limit;
        match self.idle.filter(|_| idle) {
            Some(until) => until,
            None => *self.whole.get_or_insert_with(|| Instant::now() + limit),
        }
    }
}

impl Wire {
    /// Whatever of the body was not asked for is not wanted.
    fn skip_body(&mut self) {
        self.body = match std::mem::replace(&mut self.body, BodyState::Over) {
            BodyState::Waiting(decoder) | BodyState::Streaming(decoder) => BodyState::Discarding(decoder),
            other => other,
        };
    }
}

impl Connection {
    /// `began`: when the wait for the head did.
    async fn read_more(self: &Arc<Self>, until: Instant, began: Instant, stop: Option<&ShutdownWatch>) -> More {
        // Who has just connected is about to ask, and would take a close for a failure.
        let spared = match self.requests() {
            0 => Spared::Once(FRESH),
            _ => Spared::Until(began + FRESH),
        };
        poll_fn(|cx| {
            let mut wire = self.lock();
            if let Poll::Ready(read) = wire.poll_fill(cx) {
                return Poll::Ready(match read {
                    Ok(n) if n > 0 => More::Bytes,
                    _ => More::Closed,
                });
            }
            // Who takes nothing of the answer before is not waited for any longer.
            if wire.is_given_up(cx) {
                return Poll::Ready(More::Closed);
            }
            let waits = &mut wire.waits;
            if waits.poll_late(until, cx).is_ready() {
                return Poll::Ready(More::Late);
            }
            match stop {
                Some(stop) => waits.poll_stopped(stop, spared, cx).map(|()| More::Shutdown),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.lock().poll_fill(cx)
    }

    /// Closes when the queue is sent, after lingering if asked for.
    async fn end(self: &Arc<Self>, linger: bool) {
        // if it cannot be sent there is nobody to linger for
        if self.drained().await.is_ok() {
            let wait = self.lock().settings.lingering_timeout;
            let shutdown = poll_fn(|cx| self.with_wire(|wire| wire.poll_shutdown(cx)));
            let told = timeout(wait, shutdown).await;
            if linger && !self.is_http2() && matches!(told, Ok(Ok(()))) {
                self.linger().await;
            }
        }
        self.cut();
    }

    /// Reads and throws away what the client still sends: closing at once would reset the connection, and the client
    /// might never see its answer.
    async fn linger(&self) {
        let settings = self.lock().settings.clone();
        let whole = Instant::now() + settings.lingering_time;
        let mut left = settings.discard_size;
        while left > 0 {
            let until = whole.min(Instant::now() + settings.lingering_timeout);
            let read = timeout_at(until, poll_fn(|cx| self.poll_fill(cx))).await;
            let Ok(Ok(n)) = read else { return };
            if n == 0 {
                return;
            }
            self.lock().inbox.clear();
            left = left.saturating_sub(n as u64);
        }
    }

    /// Closes a connection whose handle is gone, in the background if that takes time.
    pub(super) fn conclude(self: &Arc<Self>) {
        let (linger, busy) = {
            let wire = self.lock();
            if wire.stream.is_none() {
                return;
            }
            (wire.has_unread(), wire.outbox.is_draining())
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if linger || busy => {
                let connection = self.clone();
                drop(runtime.spawn(async move { connection.end(linger).await }));
            }
            _ => self.cut(),
        }
    }
}
