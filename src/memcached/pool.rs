//! The connections of a node: how many there may be, whose turn it is, and those that lie idle.
//!
//! A connection is taken out by value. Whoever drops it (a call that was given up, a reply that was wrong) closes it; only
//! who has read its answer whole puts it back.

use super::Failure;
use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};

/// So many may wait for each connection there may be.
const WAITING: usize = 16;

#[derive(Debug)]
pub(super) struct Pool {
    turns: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    idle: Mutex<Vec<TcpStream>>,
}

impl Pool {
    pub fn new(connections: usize) -> Pool {
        let connections = connections.clamp(1, Semaphore::MAX_PERMITS);
        Pool {
            turns: Semaphore::new(connections),
            waiting: AtomicUsize::new(0),
            most_waiting: connections.saturating_mul(WAITING),
            idle: Mutex::default(),
        }
    }

    /// A turn at once, if there is one.
    pub fn free_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.try_acquire().ok()
    }

    /// Waits for a turn, first come, first served.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let _waiting = Waiting::new(self).ok_or(Failure::Busy)?;
        self.turns.acquire().await.map_err(|_| Failure::Busy)
    }

    /// A connection that lay idle and has nothing to say.
    pub fn take(&self) -> Option<TcpStream> {
        loop {
            let stream = self.idle().pop()?;
            if is_quiet(&stream) {
                return Some(stream);
            }
        }
    }

    /// For the next one. There are never more than turns, because whoever puts one back still has his.
    pub fn put_back(&self, stream: TcpStream) {
        self.idle().push(stream);
    }

    pub fn close_idle(&self) {
        drop(std::mem::take(&mut *self.idle()));
    }

    fn idle(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing to read and not closed: asked of the kernel, because the runtime may not have been told yet.
fn is_quiet(stream: &TcpStream) -> bool {
    let peeked = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
    peeked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
}

/// One who waits is counted until he has his turn or has gone.
struct Waiting<'p>(&'p Pool);

impl<'p> Waiting<'p> {
    fn new(pool: &'p Pool) -> Option<Waiting<'p>> {
        let before = pool.waiting.fetch_add(1, Ordering::Relaxed);
        let counted = Waiting(pool);
        (before < pool.most_waiting).then_some(counted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_has_something_to_say_or_was_closed_is_not_given_out() {
        let pool = Pool::new(4);
        let (quiet, _far) = pair().await;
        let (loud, mut far) = pair().await;
        let (closed, gone) = pair().await;
        far.write_all(b"VALUE of somebody\r\n").await.unwrap();
        drop(gone);
        loud.readable().await.unwrap();
        closed.readable().await.unwrap();
        let address = quiet.local_addr().unwrap();
        for stream in [quiet, loud, closed] {
            pool.put_back(stream);
        }
        assert_eq!(pool.take().unwrap().local_addr().unwrap(), address);
        assert!(pool.take().is_none());
    }

    #[tokio::test]
    async fn the_queue_has_an_end_and_who_leaves_makes_room() {
        let pool = Pool::new(1);
        let held = pool.free_turn().unwrap();
        assert!(pool.free_turn().is_none());
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(pool.turn())).collect();
        for one in &mut waiting {
            assert!(futures_poll(one).is_none());
        }
        assert_eq!(pool.turn().await.err(), Some(Failure::Busy));
        waiting.pop();
        let mut next = Box::pin(pool.turn());
        assert!(futures_poll(&mut next).is_none());
        drop(held);
        assert!(waiting.remove(0).await.is_ok());
    }

    /// Polls once.
    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
