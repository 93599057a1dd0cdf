//! The writing half of a connection's bytes: to the socket while it takes them, else to the queue.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::AsyncWrite;

use super::wire::{Wire, poll_timer};

impl Wire {
    /// Writes, what was held before it and with it. What is to be held waits.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.holds {
            bufs.iter().for_each(|buf| self.held.extend_from_slice(buf));
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        while !self.held.is_empty() {
            let mut held = std::mem::take(&mut self.held);
            let all: Vec<IoSlice<'_>> = std::iter::once(IoSlice::new(&held)).chain(bufs.iter().copied()).collect();
            let poll = self.poll_write_now(cx, &all);
            match poll {
                Poll::Ready(Ok(n)) if n > held.len() => return Poll::Ready(Ok(n - held.len())),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => held.advance(n),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => {}
            }
            self.held = held;
            if poll.is_pending() {
                return Poll::Pending;
            }
        }
        self.poll_write_now(cx, bufs)
    }

    /// Writes to the socket, or to the queue where the socket takes nothing. What is fetched for others as well goes on
    /// when its client left: nobody gets what is written then.
    fn poll_write_now(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let poll = match self.replaced.take() {
            None => match self.trailing.take() {
                None => self.poll_send(cx, bufs),
                Some(mut trailing) => {
                    let poll = self.poll_trailing(cx, &mut trailing, bufs);
                    self.trailing = Some(trailing);
                    poll
                }
            },
            Some(mut replaced) => {
                let poll = self.poll_replaced(cx, &mut replaced, bufs);
                self.replaced = Some(replaced);
                poll
            }
        };
        match poll {
            Poll::Ready(Err(_)) if self.goes_on => {
                self.must_close = true;
                Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
            }
            other => other,
        }
    }

    /// Writes a head and a body of which `written` bytes have gone already, in one system call if the socket takes them, and
    /// sees to it that they leave.
    pub fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
        (head, body): (&[u8], &[u8]),
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        while *written < head.len() + body.len() {
            let (head, body) = (&head[head.len().min(*written)..], &body[written.saturating_sub(head.len())..]);
            let both = [IoSlice::new(head), IoSlice::new(body)];
            let bufs = match (head, body) {
                ([], _) => &both[1..],
                (_, []) => &both[..1],
                _ => &both,
            };
            match ready!(self.poll_write(cx, bufs)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => *written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        self.poll_flush(cx)
    }

    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|b| b.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        if self.outbox.failed().is_some() || self.stream.is_none() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !self.outbox.is_draining() {
            match self.poll_write_through(cx, bufs) {
                Poll::Ready(result) => return Poll::Ready(result),
                // Nor is it the client's time if it may not have more yet.
                Poll::Pending if self.outbox.limits.is_off() && self.outbox.is_paused() => {
                    self.write_timer = None;
                    return Poll::Pending;
                }
                Poll::Pending if self.outbox.limits.is_off() => return self.poll_stalled(cx),
                Poll::Pending => {}
            }
        }
        match self.outbox.accept(bufs) {
            0 if self.outbox.is_draining() => {
                self.outbox.wait(cx.waker());
                Poll::Pending
            }
            0 => self.poll_stalled(cx),
            n => {
                self.write_timer = None;
                Poll::Ready(Ok(n))
            }
        }
    }

    fn poll_write_through(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let most = ready!(self.outbox.poll_allowance(cx));
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let first = bufs.iter().find(|buf| !buf.is_empty()).filter(|_| most < usize::MAX);
        let poll = match (first, bufs) {
            (Some(first), _) => Pin::new(stream).poll_write(cx, &first[..first.len().min(most)]),
            (None, [one]) => Pin::new(stream).poll_write(cx, one),
            (None, _) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        let result = ready!(poll);
        self.write_timer = None;
        match &result {
            Ok(n) => self.outbox.count(*n),
            Err(e) => self.outbox.fail(e.kind()),
        }
        Poll::Ready(result)
    }

    /// A write that nothing takes waits `send_timeout` at most.
    fn poll_stalled<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let timeout = self.outbox.limits.send_timeout;
        ready!(poll_timer(&mut self.write_timer, timeout, cx));
        self.outbox.fail(io::ErrorKind::TimedOut);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sees to it that what was written leaves; only without buffers does it wait for that.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds {
            return Poll::Ready(Ok(()));
        }
        if !self.held.is_empty() {
            ready!(self.poll_write(cx, &[]))?;
        }
        match self.poll_drained(cx) {
            Poll::Pending if !self.outbox.limits.is_off() => Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) if self.goes_on => Poll::Ready(Ok(())),
            other => other,
        }
    }

    /// Waits until everything written has left.
    pub fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.outbox.failed() {
            return Poll::Ready(Err(kind.into()));
        }
        if !self.outbox.is_draining() {
            let Some(stream) = &mut self.stream else {
                return Poll::Ready(Ok(()));
            };
            match Pin::new(stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(e)) => {
                    self.outbox.fail(e.kind());
                    return Poll::Ready(Err(e));
                }
                // the drain task flushes, under its time limit
                Poll::Pending => self.outbox.begin(),
            }
        }
        self.outbox.wait(cx.waker());
        Poll::Pending
    }

    /// Whether nothing more reaches the client. Where that may still turn out, whoever asks is woken.
    pub fn is_given_up(&mut self, cx: &mut Context<'_>) -> bool {
        if self.outbox.is_draining() {
            self.outbox.wait(cx.waker());
        }
        self.outbox.failed().is_some()
    }

    /// One step of the drain task: true when all has left.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        match &mut self.stream {
            Some(stream) => self.outbox.poll_drain(stream, cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // no answer follows on a connection whose end was announced
        self.must_close = true;
        ready!(self.poll_drained(cx))?;
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(()));
        };
        match Pin::new(stream).poll_shutdown(cx) {
            Poll::Pending => self.poll_stalled(cx),
            ready => ready,
        }
    }
}
