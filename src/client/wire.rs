//! One connection's bytes: the socket, what was read and not consumed, what Pingora is to read, what the client is to get.
//!
//! Everything here is polled under the connection's lock, which is never held across an await. Whoever polls reading
//! or writing leaves a waker: reading belongs to one task at a time (the loop's, then Pingora's, then the loop's
//! again); writing belongs to Pingora's task while the queue is empty and to the drain task while it is not.

use std::any::Any;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

use super::body::{BodyError, PIECE_STAND_IN};
use super::chunked::{Decoder, Piece};
use super::outbox::Outbox;
use super::pace::Pace;
use super::replaced::Replaced;
use super::settings::{BodyLimits, Settings};
use super::trailing::Trailing;
use super::waits::Waits;
use crate::http::{Head, Headers};

/// What one read takes from the socket.
const READ: usize = 16 << 10;
/// What is read ahead while an upstream works, to notice that the client left.
const AHEAD: usize = 16 << 10;

/// What becomes of the request's body.
#[derive(Debug)]
pub enum BodyState {
    /// There is none, or all of it was consumed.
    Over,
    /// Nobody has asked for it yet.
    Waiting(Decoder),
    /// Pingora reads it as it arrives.
    Streaming(Decoder),
    /// [`super::Connection::collect_body`] reads it.
    Collecting(Decoder),
    /// Nobody wants it.
    Discarding(Decoder),
    /// It broke while Pingora read it, or was about to.
    Failed(BodyError),
    /// It broke while it was collected: Pingora has seen nothing of it.
    Uncollected(BodyError),
    /// It broke, and the request goes on without it.
    Abandoned,
    /// The protocol was changed: bytes pass as they are.
    Raw,
}

/// How reading from the socket ended.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    Closed,
    Failed(io::ErrorKind),
}

#[derive(Debug)]
pub struct Wire {
    /// `None` once the connection was closed by us.
    pub stream: Option<Stream>,
    /// Bytes of the client that nobody consumed.
    pub inbox: BytesMut,
    pub ended: Option<Ended>,
    /// What Pingora reads before anything else.
    pub script: BytesMut,
    pub body: BodyState,
    pub pace: Pace,
    pub limits: BodyLimits,
    pub outbox: Outbox,
    /// What is written waits in `held` for what comes next, so that a head leaves with its body: a client that has closed
    /// takes one write and no second.
    pub holds: bool,
    pub held: BytesMut,
    /// What the loop found out of a request, for whoever gets it from Pingora.
    pub(super) carried: Option<Box<dyn Any + Send>>,
    pub settings: Arc<Settings>,
    pub head: Option<Arc<Head>>,
    pub trailers: Headers,
    /// The client waits for `100 Continue` before it sends its body.
    pub owes_continue: bool,
    /// Pingora was told of a body that never ends, until it is known whether the protocol changes.
    pub open_ended: bool,
    /// The connection ends with this request, whatever else is said.
    pub must_close: bool,
    pub ignore_abort: bool,
    /// The answer is not for this client alone: it is read to its end, whether or not the client still takes it.
    pub goes_on: bool,
    /// What the client gets instead of what Pingora writes.
    pub replaced: Option<Box<Replaced>>,
    /// What stands behind the last chunk.
    pub trailing: Option<Box<Trailing>>,
    /// A stream of HTTP/2 ends with its answer: what its client still sends harms nobody.
    pub is_http2: bool,
    pub received: u64,
    reader: Option<Waker>,
    /// For the next bytes of a head.
    pub(super) waits: Waits,
    /// Runs while a read of the body or a write without a queue waits.
    read_timer: Option<Pin<Box<Sleep>>>,
    pub(super) write_timer: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub fn new(stream: Stream, settings: Arc<Settings>) -> Self {
        Wire {
            stream: Some(stream),
            inbox: BytesMut::new(),
            ended: None,
            script: BytesMut::new(),
            body: BodyState::Over,
            pace: Pace::default(),
            limits: settings.body.clone(),
            outbox: Outbox::new(settings.buffering.clone()),
            holds: false,
            held: BytesMut::new(),
            carried: None,
            settings,
            head: None,
            trailers: Headers::default(),
            owes_continue: false,
            open_ended: false,
            must_close: false,
            ignore_abort: false,
            goes_on: false,
            replaced: None,
            trailing: None,
            is_http2: false,
            received: 0,
            reader: None,
            waits: Waits::default(),
            read_timer: None,
            write_timer: None,
        }
    }

    /// Forgets the request before.
    pub fn reset(&mut self, settings: &Arc<Settings>) {
        if !Arc::ptr_eq(&self.settings, settings) {
            self.settings = settings.clone();
        }
        self.limits.follow(&settings.body);
        self.outbox.limits.follow(&settings.buffering);
        self.outbox.throttle = None;
        self.holds = false;
        self.held = BytesMut::new();
        self.script = BytesMut::new();
        self.body = BodyState::Over;
        self.pace.begin_anew();
        self.head = None;
        self.carried = None;
        self.trailers = Headers::default();
        self.owes_continue = false;
        self.open_ended = false;
        self.ignore_abort = false;
        self.goes_on = false;
        self.replaced = None;
        self.trailing = None;
        self.read_timer = None;
        if self.inbox.is_empty() {
            // an idle connection holds no buffer
            self.inbox = BytesMut::new();
        }
    }

    /// Lets a pending read look again.
    pub fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    /// Reads once from the socket into the inbox; 0 is the client's end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match (self.ended, &mut self.stream) {
            (Some(Ended::Failed(kind)), _) => Poll::Ready(Err(kind.into())),
            (Some(Ended::Closed), _) | (None, None) => Poll::Ready(Ok(0)),
            (None, Some(stream)) => {
                let mut space = [MaybeUninit::<u8>::uninit(); READ];
                let mut buf = ReadBuf::uninit(&mut space);
                let result = ready!(Pin::new(stream).poll_read(cx, &mut buf));
                let filled = buf.filled();
                if self.inbox.capacity() == 0 {
                    self.inbox = BytesMut::from(filled);
                } else {
                    self.inbox.extend_from_slice(filled);
                }
                self.received += filled.len() as u64;
                if let Err(e) = result {
                    self.ended = Some(Ended::Failed(e.kind()));
                    return Poll::Ready(Err(e));
                }
                if filled.is_empty() {
                    self.ended = Some(Ended::Closed);
                }
                Poll::Ready(Ok(filled.len()))
            }
        }
    }

    /// What Pingora reads.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = self.poll_read_inner(cx, dst);
        if poll.is_pending() {
            self.reader = Some(cx.waker().clone());
        }
        poll
    }

    fn poll_read_inner(&mut self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if !self.script.is_empty() {
                ready!(self.pace.poll_room(cx));
                // what stands for a body is not read at once: each chunk of it is a piece
                let is_piece = self.script.starts_with(PIECE_STAND_IN);
                let most = if is_piece { PIECE_STAND_IN.len() } else { self.script.len() };
                let n = most.min(dst.remaining());
                dst.put_slice(&self.script[..n]);
                self.script.advance(n);
                return Poll::Ready(Ok(()));
            }
            match &self.body {
                BodyState::Over | BodyState::Discarding(_) | BodyState::Abandoned => return self.poll_watch(cx),
                BodyState::Waiting(_) => self.begin_stream().map_err(io::Error::other)?,
                BodyState::Streaming(_) => ready!(self.poll_frame(cx)).map_err(io::Error::other)?,
                BodyState::Collecting(_) => return Poll::Pending,
                BodyState::Failed(e) | BodyState::Uncollected(e) => return Poll::Ready(Err(io::Error::other(*e))),
                BodyState::Raw => return self.poll_raw(cx, dst),
            }
        }
    }

    /// Nobody reads: reads ahead until the client leaves.
    pub fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.ended.is_none() {
            if self.inbox.len() >= AHEAD {
                return Poll::Pending;
            }
            let _ = ready!(self.poll_fill(cx));
        }
        Poll::Ready(())
    }

    /// Pingora waits for its upstream: nothing to read until the client leaves.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ended.is_none() {
            if matches!(self.body, BodyState::Discarding(_)) {
                match ready!(self.poll_discard(cx)) {
                    Ok(_) => continue,
                    Err(BodyError::Closed) => break,
                    // the request goes on, the connection will not
                    Err(_) => {
                        self.must_close = true;
                        return Poll::Pending;
                    }
                }
            }
            if self.inbox.len() >= AHEAD {
                return Poll::Pending;
            }
            let _ = ready!(self.poll_fill(cx));
        }
        if self.ignore_abort { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.inbox.is_empty() {
            let before = dst.filled().len();
            let Some(stream) = self.stream.as_mut().filter(|_| self.ended.is_none()) else {
                return Poll::Ready(Ok(()));
            };
            ready!(Pin::new(stream).poll_read(cx, dst))?;
            self.received += (dst.filled().len() - before) as u64;
            return Poll::Ready(Ok(()));
        }
        let n = self.inbox.len().min(dst.remaining());
        dst.put_slice(&self.inbox[..n]);
        self.inbox.advance(n);
        Poll::Ready(Ok(()))
    }

    fn begin_stream(&mut self) -> Result<(), BodyError> {
        let BodyState::Waiting(decoder) = std::mem::replace(&mut self.body, BodyState::Over) else {
            return Ok(());
        };
        let too_large = |max| decoder.remaining().is_some_and(|n| n > max);
        if self.limits.max_size.is_some_and(too_large) {
            // still to be discarded, or lingered for
            return Err(self.fail(BodyError::TooLarge));
        }
        self.body = BodyState::Streaming(decoder);
        self.pay_continue();
        Ok(())
    }

    fn fail(&mut self, error: BodyError) -> BodyError {
        self.body = BodyState::Failed(error);
        self.must_close = true;
        error
    }

    /// Puts the next chunk of a streamed body into the script.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        loop {
            let BodyState::Streaming(decoder) = &mut self.body else {
                return Poll::Ready(Ok(()));
            };
            let piece = match decoder.next(&mut self.inbox) {
                Ok(Piece::Data(_)) if self.limits.max_size.is_some_and(|max| decoder.announced() > max) => {
                    Err(BodyError::TooLarge)
                }
                other => other,
            };
            match piece {
                Err(e) => return Poll::Ready(Err(self.fail(e))),
                Ok(Piece::Data(n)) => {
                    // writing to memory cannot fail
                    let _ = write!(self.script, "{n:x}\r\n");
                    self.script.extend_from_slice(&self.inbox[..n]);
                    self.script.extend_from_slice(b"\r\n");
                    self.inbox.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Ok(Piece::End) => {
                    self.trailers = decoder.take_trailers();
                    self.body = BodyState::Over;
                    self.script.extend_from_slice(b"0\r\n\r\n");
                    return Poll::Ready(Ok(()));
                }
                Ok(Piece::More) => {
                    let timeout = self.limits.timeout;
                    if let Err(e) = ready!(self.poll_more(cx, timeout)) {
                        return Poll::Ready(Err(self.fail(e)));
                    }
                }
            }
        }
    }

    /// More bytes of a body, in time.
    pub fn poll_more(&mut self, cx: &mut Context<'_>, timeout: Duration) -> Poll<Result<(), BodyError>> {
        match self.poll_fill(cx) {
            Poll::Ready(result) => {
                self.read_timer = None;
                Poll::Ready(match result {
                    Ok(n) if n > 0 => Ok(()),
                    _ if self.is_http2 => Err(BodyError::GivenUp),
                    _ => Err(BodyError::Closed),
                })
            }
            Poll::Pending => {
                ready!(poll_timer(&mut self.read_timer, timeout, cx));
                self.read_timer = None;
                Poll::Ready(Err(BodyError::Timeout))
            }
        }
    }

    /// Throws away what is here of an unwanted body; true when it is over.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyError>> {
        loop {
            let BodyState::Discarding(decoder) = &mut self.body else {
                return Poll::Ready(Ok(true));
            };
            let most = self.settings.discard_size;
            if decoder.total().saturating_add(decoder.remaining().unwrap_or(0)) > most {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            match decoder.next(&mut self.inbox)? {
                Piece::Data(n) => self.inbox.advance(n),
                Piece::End => self.body = BodyState::Over,
                Piece::More => {
                    return Poll::Ready(match ready!(self.poll_fill(cx)) {
                        Ok(n) if n > 0 => Ok(false),
                        _ => Err(BodyError::Closed),
                    });
                }
            }
        }
    }

    /// Sends `100 Continue` to a client that waits for it.
    pub fn pay_continue(&mut self) {
        if std::mem::take(&mut self.owes_continue) {
            self.outbox.push(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Whether bytes of the client are, or may be on their way, that nobody reads.
    pub fn has_unread(&self) -> bool {
        if self.ended.is_some() || self.stream.is_none() || self.is_http2 {
            return false;
        }
        !matches!(self.body, BodyState::Over | BodyState::Raw) || !self.inbox.is_empty()
    }
}

pub(super) fn poll_timer(timer: &mut Option<Pin<Box<Sleep>>>, timeout: Duration, cx: &mut Context<'_>) -> Poll<()> {
    timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout))).as_mut().poll(cx)
}
