//! How many pieces of a request's body are on their way from Pingora to the server.
//!
//! Pingora hands them over through a pipe with room for four. If the last one fills it, Pingora looks at the client no more
//! before the server says something: whoever leaves is not noticed, and the application works for nobody. So Pingora gets
//! a further piece only while the end has room as well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// With one for the end this is less than the pipe's four.
const MOST: usize = 3;

/// The pieces of one connection's request.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<Underway>);

#[derive(Debug, Default)]
struct Underway {
    pieces: AtomicUsize,
    reader: Mutex<Option<Waker>>,
}

impl Pace {
    /// Of another request: pieces of the one before may still be on their way.
    pub fn begin_anew(&mut self) {
        if Arc::get_mut(&mut self.0).is_none() {
            *self = Pace::default();
        }
    }

    /// The same bytes, on their way until nobody holds them any more.
    pub fn count(&self, piece: Bytes) -> Bytes {
        self.0.pieces.fetch_add(1, Ordering::AcqRel);
        Bytes::from_owner(Counted { piece, pace: self.clone() })
    }

    /// Waits until a further piece may go.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        *self.0.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // one may have come through before there was anybody to wake
        if self.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn has_room(&self) -> bool {
        self.0.pieces.load(Ordering::Acquire) < MOST
    }
}

struct Counted {
    piece: Bytes,
    pace: Pace,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let underway = &self.pace.0;
        underway.pieces.fetch_sub(1, Ordering::AcqRel);
        let reader = underway.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_piece_waits_for_one_of_those_before_it() {
        let pace = Pace::default();
        let room = || std::future::poll_fn(|cx| pace.poll_room(cx));
        let mut underway = Vec::new();
        for _ in 0..MOST {
            room().await;
            underway.push(pace.count("piece".into()));
        }
        assert_eq!(underway[0], "piece");
        let mut waiting = Box::pin(room());
        assert!(std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending());
        let slice = underway[1].slice(1..);
        underway.remove(1);
        assert!(!pace.has_room(), "a part of it is still there");
        let (_, ()) = tokio::join!(async { drop(slice) }, waiting);
        room().await;
    }
}
