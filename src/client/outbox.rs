//! What a client has still to get: a queue in memory, then in an unlinked file, so that an upstream is done with its
//! answer long before a slow client is.
//!
//! Order is kept by one rule: while the file holds bytes, new ones go behind them. Files are written and read in small
//! pieces from the page cache, as nginx does it. What all connections together hold in memory is bounded; beyond it
//! they use their files.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use tokio::io::AsyncWrite;

use super::settings::Buffering;
use super::throttle::Throttle;

/// What the queues of all connections may hold in memory.
pub const QUEUED_BY_ALL: usize = 256 << 20;
static QUEUED: AtomicUsize = AtomicUsize::new(0);

const BLOCK: usize = 16 << 10;
const FILE_PIECE: usize = 64 << 10;
const SLICES: usize = 16;

#[derive(Debug)]
pub struct Outbox {
    pub limits: Buffering,
    /// `limit_rate`
    pub throttle: Option<Throttle>,
    blocks: VecDeque<BytesMut>,
    /// Bytes in `blocks`, reserved from [`QUEUED_BY_ALL`].
    held: usize,
    spill: Option<Spill>,
    /// A drain task lives: it alone writes to the socket.
    draining: bool,
    /// The drain task is still to be spawned.
    starts: bool,
    failed: Option<io::ErrorKind>,
    waiting: Vec<Waker>,
    /// Bytes the socket took since they were last asked for.
    sent: u64,
    total: u64,
}

/// The part of the queue that is in a file, never empty. The file is a ring of `size` bytes, so that an answer of any
/// length keeps flowing through it.
#[derive(Debug)]
struct Spill {
    file: File,
    size: u64,
    /// Counted from the beginning of time; a byte stands in the file at its number modulo `size`.
    from: u64,
    to: u64,
}

impl Spill {
    fn len(&self) -> u64 {
        self.to - self.from
    }

    /// What fits in without a turn around.
    fn room(&self) -> u64 {
        (self.size - self.len()).min(self.size - self.to % self.size)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.size - self.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut to = self.to;
        while !bytes.is_empty() {
            let n = bytes.len().min((self.size - to % self.size) as usize);
            self.file.write_all_at(&bytes[..n], to % self.size)?;
            to += n as u64;
            bytes = &bytes[n..];
        }
        self.to = to;
        Ok(())
    }

    fn read(&mut self) -> io::Result<BytesMut> {
        let at = self.from % self.size;
        let n = self.len().min(self.size - at).min(FILE_PIECE as u64);
        let mut block = BytesMut::zeroed(n as usize);
        self.file.read_exact_at(&mut block, at)?;
        self.from += n;
        Ok(block)
    }
}

impl Outbox {
    pub fn new(limits: Buffering) -> Self {
        Outbox {
            limits,
            throttle: None,
            blocks: VecDeque::new(),
            held: 0,
            spill: None,
            draining: false,
            starts: false,
            failed: None,
            waiting: Vec::new(),
            sent: 0,
            total: 0,
        }
    }

    pub fn is_draining(&self) -> bool {
        self.draining
    }

    pub fn failed(&self) -> Option<io::ErrorKind> {
        self.failed
    }

    /// Nothing more reaches the client.
    pub fn fail(&mut self, kind: io::ErrorKind) {
        self.failed.get_or_insert(kind);
        self.draining = false;
        self.spill = None;
        self.blocks.clear();
        self.release(self.held);
        self.wake();
    }

    pub fn count(&mut self, n: usize) {
        self.sent += n as u64;
        self.total += n as u64;
        if let Some(throttle) = &mut self.throttle {
            throttle.count(n);
        }
    }

    /// How many bytes may go to the socket now.
    pub fn poll_allowance(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        self.throttle.as_mut().map_or(Poll::Ready(usize::MAX), |throttle| throttle.poll_allowance(cx))
    }

    /// Whether [`Self::poll_allowance`] waits.
    pub fn is_paused(&self) -> bool {
        self.throttle.as_ref().is_some_and(Throttle::is_paused)
    }

    /// Waits until something may be sent again: that is not the client's time.
    pub fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.throttle.as_mut().map_or(Poll::Ready(()), |throttle| throttle.poll_pause(cx))
    }

    /// Bytes sent since the last call.
    pub fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes not yet sent.
    pub fn len(&self) -> u64 {
        self.held as u64 + self.spill.as_ref().map_or(0, Spill::len)
    }

    /// Calls for a drain task.
    pub fn begin(&mut self) {
        self.starts |= !self.draining;
        self.draining = true;
    }

    /// Whether a drain task is to be spawned now.
    pub fn take_start(&mut self) -> bool {
        std::mem::take(&mut self.starts)
    }

    pub fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|w| w.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    fn wake(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }

    /// Queues bytes whatever the limits say.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.begin();
        if !self.has_spilled() {
            QUEUED.fetch_add(bytes.len(), Ordering::Relaxed);
            self.append(bytes);
        } else if let Err(e) = self.try_write_file(bytes) {
            // bytes that cannot be put in their place end the connection
            self.fail(e.kind());
        }
    }

    /// Whether the file holds bytes, behind which all others belong.
    fn has_spilled(&self) -> bool {
        self.spill.is_some()
    }

    /// Queues what the limits allow and says how much that was.
    pub fn accept(&mut self, bufs: &[IoSlice<'_>]) -> usize {
        let mut accepted = 0;
        for buf in bufs {
            let n = self.accept_one(buf);
            accepted += n;
            if n < buf.len() {
                break;
            }
        }
        if accepted > 0 {
            self.begin();
        }
        accepted
    }

    fn accept_one(&mut self, buf: &[u8]) -> usize {
        let room = if self.has_spilled() { 0 } else { self.limits.memory.saturating_sub(self.held) };
        let n = reserve(room.min(buf.len()));
        self.append(&buf[..n]);
        if n == buf.len() { n } else { n + self.write_file(&buf[n..]) }
    }

    /// Appends bytes that were reserved.
    fn append(&mut self, mut bytes: &[u8]) {
        self.held += bytes.len();
        while !bytes.is_empty() {
            let room = self.blocks.back().map_or(0, |b| b.capacity() - b.len());
            if room == 0 {
                self.blocks.push_back(BytesMut::with_capacity(BLOCK));
                continue;
            }
            let n = room.min(bytes.len());
            if let Some(block) = self.blocks.back_mut() {
                block.extend_from_slice(&bytes[..n]);
            }
            bytes = &bytes[n..];
        }
    }

    fn release(&mut self, n: usize) {
        self.held -= n;
        QUEUED.fetch_sub(n, Ordering::Relaxed);
    }

    fn write_file(&mut self, bytes: &[u8]) -> usize {
        let most = self.limits.max_temp_file_size;
        let room = match &self.spill {
            Some(spill) => spill.room().min(most.saturating_sub(spill.len())),
            None => most,
        };
        let n = room.min(bytes.len().min(FILE_PIECE) as u64) as usize;
        if n == 0 {
            return 0;
        }
        match self.try_write_file(&bytes[..n]) {
            Ok(()) => n,
            Err(e) => {
                // no room on disk is no reason to lose an answer: the upstream waits instead
                log::warn!("temporary file in {:?} failed: {e}", self.limits.temp_dir);
                self.limits.max_temp_file_size = 0;
                0
            }
        }
    }

    fn try_write_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(spill) = &mut self.spill {
            return spill.write(bytes);
        }
        let mut spill = Spill {
            file: tempfile::tempfile_in(&self.limits.temp_dir)?,
            size: self.limits.max_temp_file_size.max(bytes.len() as u64),
            from: 0,
            to: 0,
        };
        spill.write(bytes)?;
        self.spill = Some(spill);
        Ok(())
    }

    /// Takes the next piece out of the file; the file goes with its last byte.
    fn refill(&mut self) -> io::Result<()> {
        let Some(spill) = &mut self.spill else {
            return Ok(());
        };
        let block = spill.read()?;
        if spill.len() == 0 {
            self.spill = None;
        }
        QUEUED.fetch_add(block.len(), Ordering::Relaxed);
        self.held += block.len();
        self.blocks.push_back(block);
        Ok(())
    }

    /// Writes until the socket takes no more; true when all has left and the drain task may end.
    pub fn poll_drain(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut wrote = false;
        loop {
            if self.blocks.is_empty() {
                self.refill()?;
            }
            if self.blocks.is_empty() {
                ready!(Pin::new(&mut *stream).poll_flush(cx))?;
                self.draining = false;
                self.wake();
                return Poll::Ready(Ok(true));
            }
            match self.poll_write_blocks(stream, cx)? {
                Poll::Ready(()) => wrote = true,
                Poll::Pending if wrote => return Poll::Ready(Ok(false)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_write_blocks(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let most = match self.poll_allowance(cx) {
            Poll::Ready(most) => most,
            Poll::Pending => return Ok(Poll::Pending),
        };
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        for (slice, block) in slices.iter_mut().zip(&self.blocks) {
            *slice = IoSlice::new(block);
            used += 1;
        }
        if let (Some(block), true) = (self.blocks.front(), most < usize::MAX) {
            slices[0] = IoSlice::new(&block[..block.len().min(most)]);
            used = 1;
        }
        let mut n = match Pin::new(stream).poll_write_vectored(cx, &slices[..used]) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Err(e)) => return Err(e),
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(n)) => n,
        };
        self.count(n);
        self.release(n);
        while let Some(block) = self.blocks.front_mut() {
            if n < block.len() {
                block.advance(n);
                break;
            }
            n -= block.len();
            self.blocks.pop_front();
        }
        self.wake();
        Ok(Poll::Ready(()))
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.release(self.held);
    }
}

/// Reserves up to `n` bytes of what all queues may hold.
fn reserve(n: usize) -> usize {
    if n == 0 {
        return 0;
    }
    let before = QUEUED.fetch_add(n, Ordering::Relaxed);
    let granted = QUEUED_BY_ALL.saturating_sub(before).min(n);
    QUEUED.fetch_sub(n - granted, Ordering::Relaxed);
    granted
}
