//! Reading an object while it is being stored.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::filling::{Filling, Piece};
use super::format::{self, BLOCK};
use super::head::Head;
use super::read;
use crate::cache::key::Variant;

/// Reads along from the beginning. What is complete already and on its way to the disk is read so, too.
pub struct Follow {
    filling: Arc<Filling>,
    at: u64,
    /// Where it ends for this reader; `None`: with the body.
    end: Option<u64>,
}

/// The object will not become whole, or this reader was too slow for one that is not stored. What was sent of it must be
/// cut off.
#[derive(Debug, thiserror::Error)]
pub enum Aborted {
    #[error("the answer that was read along broke off")]
    BrokenOff,
    #[error("the answer that was read along could not be read from the cache's disk: {0}")]
    Disk(#[from] format::Unusable),
    #[error("the cache's disk gave no answer: {0}")]
    NoAnswer(#[from] io::Error),
}

impl Follow {
    pub(super) fn new(filling: Arc<Filling>) -> Follow {
        filling.followers.fetch_add(1, Ordering::Relaxed);
        Follow { filling, at: 0, end: None }
    }

    pub fn head(&self) -> &Arc<Head> {
        &self.filling.head
    }

    /// Whether nothing is waited for any more.
    pub fn is_complete(&self) -> bool {
        self.filling.is_complete()
    }

    /// The body, if it is complete and may stay in memory.
    pub fn whole(&self) -> Option<Bytes> {
        let state = self.filling.is_complete().then(|| self.filling.state())?;
        (state.len() <= self.filling.core.resident_max()).then(|| state.whole()).flatten()
    }

    pub fn variant(&self) -> Variant {
        self.filling.variant
    }

    /// How long the body will be, if that is known: one that turns out to have another length breaks off.
    pub fn length(&self) -> Option<u64> {
        let complete = self.filling.is_complete().then(|| self.filling.state().len());
        complete.or_else(|| self.head().announced().flatten())
    }

    /// Only these bytes, which must lie within the body.
    pub fn within(mut self, span: Range<u64>) -> Follow {
        self.at = span.start;
        self.end = Some(span.end);
        self
    }

    /// The next piece, never an empty one; None at the end. Waits for as long as the one who fetches does.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Aborted> {
        if self.end.is_some_and(|end| self.at >= end) {
            return Ok(None);
        }
        let piece = self.piece().await?.map(|mut bytes| {
            let left = self.end.map_or(u64::MAX, |end| end - self.at);
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            bytes
        });
        self.at += piece.as_ref().map_or(0, Bytes::len) as u64;
        Ok(piece)
    }

    /// What is there behind what was read.
    async fn piece(&self) -> Result<Option<Bytes>, Aborted> {
        loop {
            let changed = self.filling.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.filling.piece(self.at) {
                Piece::Bytes(bytes) => return Ok(Some(bytes)),
                Piece::OnDisk(file, index) => {
                    let block = read::read_block(&file, &self.filling.front, index, self.filling.core.medium()).await?;
                    return Ok(Some(block.slice((self.at % BLOCK as u64) as usize..)));
                }
                Piece::Wait => changed.await,
                Piece::End => return Ok(None),
                Piece::Aborted => return Err(Aborted::BrokenOff),
            }
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.filling.followers.fetch_sub(1, Ordering::Relaxed);
    }
}
