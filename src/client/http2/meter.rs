//! What a connection of HTTP/2 does, counted below the framing: how much of it is of use, what its streams come to.
//!
//! The `h2` crate bounds memory; it lets a client make edge work for nothing for as long as it likes. nginx's measure is
//! taken here: of all bytes an eighth must be heads and bodies, with 8 MiB on credit. And a client that gives up more
//! requests than it lets be answered is sent away.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::PREFACE;

/// nginx's credit: so many bytes of use are taken for granted.
const CREDIT: u64 = 1 << 20;
const USEFUL_PART: u64 = 8;
/// Requests a client may give up beyond those it lets be answered.
const ABANDONED: u64 = 100;

/// The counts of one connection.
#[derive(Debug, Default)]
pub struct Meter {
    total: AtomicU64,
    useful: AtomicU64,
    written: AtomicU64,
    /// Streams whose `Client` lives.
    alive: AtomicUsize,
    answered: AtomicU64,
    abandoned: AtomicU64,
    flooded: AtomicBool,
    changed: Notify,
}

impl Meter {
    /// Something the loop of the connection decides over is different.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    /// Bytes the socket took.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Acquire)
    }

    /// Counts the body of an answer.
    pub fn count_sent(&self, bytes: usize) {
        self.total.fetch_add(bytes as u64, Ordering::Relaxed);
        self.useful.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn begin_stream(&self) {
        self.alive.fetch_add(1, Ordering::AcqRel);
    }

    pub fn end_stream(&self, abandoned: bool) {
        let count = if abandoned { &self.abandoned } else { &self.answered };
        count.fetch_add(1, Ordering::Relaxed);
        self.alive.fetch_sub(1, Ordering::AcqRel);
        if self.abandoned.load(Ordering::Relaxed) > ABANDONED + self.answered.load(Ordering::Relaxed) {
            self.flooded.store(true, Ordering::Release);
        }
        self.changed.notify_one();
    }

    fn count_read(&self, bytes: usize, useful: usize) {
        let total = self.total.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let useful = self.useful.fetch_add(useful as u64, Ordering::Relaxed) + useful as u64;
        if total / USEFUL_PART > useful + CREDIT {
            self.flooded.store(true, Ordering::Release);
            self.changed.notify_one();
        }
    }
}

/// The socket of a connection; after a flood nothing is read any more. Dropped, it leaves the stream where it was told.
#[derive(Debug)]
pub struct Socket {
    stream: Option<Stream>,
    meter: Arc<Meter>,
    scanner: Scanner,
    left: Left,
    /// Bytes were written that are still to be flushed.
    flushes: bool,
}

/// Where a [`Socket`] leaves its stream.
pub type Left = Arc<Mutex<Option<Stream>>>;

impl Socket {
    pub fn new(stream: Stream, meter: Arc<Meter>, left: Left) -> Self {
        Socket { stream: Some(stream), meter, scanner: Scanner::default(), left, flushes: false }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.stream.as_mut().map(Pin::new).ok_or(io::ErrorKind::NotConnected.into())
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = written {
            self.flushes = true;
            self.meter.written.fetch_add(n as u64, Ordering::Relaxed);
        }
        written
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.meter.is_flooded() {
            // the loop of the connection was told
            return Poll::Pending;
        }
        let before = dst.filled().len();
        ready!(self.stream()?.poll_read(cx, dst))?;
        let read = &dst.filled()[before..];
        let useful = self.scanner.useful(read);
        self.meter.count_read(read.len(), useful);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(cx, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream()?.poll_flush(cx))?;
        if std::mem::take(&mut self.flushes) && self.meter.alive() == 0 {
            // the last frame of the last stream may have left, and the connection be idle
            self.meter.changed.notify_one();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

/// Tells heads and bodies from the rest by the heads of frames (RFC 9113 4.1).
#[derive(Debug)]
pub(super) struct Scanner {
    head: [u8; 9],
    have: usize,
    /// What is left of the frame's payload; of the preface at first.
    payload: usize,
    is_useful: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner { head: [0; 9], have: 0, payload: PREFACE.len(), is_useful: false }
    }
}

impl Scanner {
    /// How many of these bytes are payload of DATA, HEADERS and CONTINUATION.
    pub(super) fn useful(&mut self, mut bytes: &[u8]) -> usize {
        const USEFUL: [u8; 3] = [0, 1, 9];
        let mut useful = 0;
        while !bytes.is_empty() {
            if self.payload > 0 {
                let n = self.payload.min(bytes.len());
                self.payload -= n;
                useful += if self.is_useful { n } else { 0 };
                bytes = &bytes[n..];
                continue;
            }
            self.head[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == self.head.len() {
                let [a, b, c, kind, ..] = self.head;
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                self.is_useful = USEFUL.contains(&kind);
                self.have = 0;
            }
        }
        useful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let length = (payload as u32).to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 1], &vec![7; payload]].concat()
    }

    #[test]
    fn frames_are_told_apart_however_they_are_split() {
        let all = [&PREFACE[..], &frame(4, 6), &frame(1, 70), &frame(0, 3000), &frame(6, 8), &frame(9, 1)].concat();
        for size in [1, 2, 7, 9, 100, all.len()] {
            let mut scanner = Scanner::default();
            let useful: usize = all.chunks(size).map(|part| scanner.useful(part)).sum();
            assert_eq!(useful, 3071, "{size}");
        }
    }

    #[test]
    fn bodies_are_no_flood_and_settings_are() {
        let meter = Meter::default();
        meter.count_read(1 << 30, 1 << 28);
        assert!(!meter.is_flooded());
        meter.count_read(1 << 30, 0);
        assert!(!meter.is_flooded());
        meter.count_read(1 << 30, 0);
        assert!(meter.is_flooded());
    }

    #[test]
    fn requests_given_up_are_a_flood_unless_others_are_answered() {
        let meter = Meter::default();
        for n in 0..200 {
            meter.begin_stream();
            meter.end_stream(n % 2 == 0);
        }
        assert!(!meter.is_flooded());
        for _ in 0..=ABANDONED {
            assert!(!meter.is_flooded());
            meter.begin_stream();
            meter.end_stream(true);
        }
        assert!(meter.is_flooded());
    }
}
