//! A connection during one question.
//!
//! `memcache-async` writes a command in pieces: they are gathered here and leave as one. What comes back goes through
//! [`Reply`] first. Nothing of one question is left for the next: the protocol's buffer lives as long as this.

use super::reply::{Expected, Reply};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(super) struct Wire<'q> {
    stream: &'q mut TcpStream,
    reply: Reply<'q>,
    /// What is to be sent, and how much of it was.
    out: Vec<u8>,
    sent: usize,
}

impl<'q> Wire<'q> {
    pub fn new(stream: &'q mut TcpStream, expected: Expected<'q>) -> Wire<'q> {
        Wire { stream, reply: Reply::to(expected), out: Vec::new(), sent: 0 }
    }

    /// Whether all that was to come has come, so that another question may follow.
    pub fn is_answered(&self) -> bool {
        self.reply.is_whole() && self.sent == self.out.len()
    }
}

impl AsyncRead for Wire<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut *wire.stream).poll_read(cx, buf))?;
        Poll::Ready(wire.reply.feed(&buf.filled()[before..]).map_err(io::Error::other))
    }
}

impl AsyncWrite for Wire<'_> {
    /// Takes all: what is said is a command and at most one value, which has a limit.
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        while wire.sent < wire.out.len() {
            let sent = ready!(Pin::new(&mut *wire.stream).poll_write(cx, &wire.out[wire.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            wire.sent += sent;
        }
        wire.out.clear();
        wire.sent = 0;
        Pin::new(&mut *wire.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_shutdown(cx)
    }
}
