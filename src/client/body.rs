//! A request's body, collected whole: in memory, or in an unlinked file that is mapped when it is complete.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use super::Connection;
use super::chunked::Piece;
use super::settings::{BodyLimits, InFile};
use super::wire::{BodyState, Wire};
use crate::http::Headers;
use crate::http::pages::internal::CLIENT_CLOSED;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("client intended to send too large body")]
    TooLarge,
    #[error("client timed out while sending its body")]
    Timeout,
    #[error("client prematurely closed connection while sending its body")]
    Closed,
    /// The stream of HTTP/2 was reset, or its connection is gone.
    #[error("client prematurely closed stream while sending its body")]
    GivenUp,
    #[error("{0}")]
    Malformed(&'static str),
    /// The temporary file failed.
    #[error("the body could not be stored: {0}")]
    Storage(io::ErrorKind),
    /// It was streamed, discarded or collected before.
    #[error("the body was consumed already")]
    Consumed,
}

impl BodyError {
    /// The status nginx gives it.
    pub fn status(self) -> u16 {
        match self {
            BodyError::TooLarge => 413,
            BodyError::Timeout => 408,
            BodyError::Closed | BodyError::Malformed(_) => 400,
            BodyError::GivenUp => CLIENT_CLOSED,
            BodyError::Storage(_) | BodyError::Consumed => 500,
        }
    }
}

/// A whole body.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub bytes: Bytes,
    pub trailers: Headers,
    /// The same in a file, where `client_body_in_file_only` wants one.
    pub file: Option<Arc<BodyFile>>,
}

/// A file with a body, which others may read. It goes with whoever holds it last, unless it is to stay.
#[derive(Debug)]
pub struct BodyFile {
    path: PathBuf,
    stays: bool,
}

impl BodyFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one, on a thread that may block. What edge itself sends is not read from there: others may change it.
    async fn write(bytes: &Bytes, limits: &BodyLimits) -> io::Result<Option<Arc<BodyFile>>> {
        if limits.in_file == InFile::No {
            return Ok(None);
        }
        let (bytes, dir, stays) = (bytes.clone(), limits.temp_dir.clone(), limits.in_file == InFile::Stays);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = tempfile::Builder::new().prefix("body-").tempfile_in(dir)?;
            file.write_all(&bytes)?;
            let (_, path) = file.keep().map_err(|e| e.error)?;
            Ok::<_, io::Error>(Arc::new(BodyFile { path, stays }))
        });
        written.await.map_err(io::Error::other)?.map(Some)
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.stays {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The smallest piece of a body that is sent on at once.
const PIECE: usize = 256 << 10;
/// The chunk that stands for a piece.
pub const PIECE_STAND_IN: &[u8] = b"1\r\n-\r\n";
/// At most so many bytes stand for a body, well below the 64 KiB that Pingora replays.
const STAND_IN: usize = 1024;

impl Body {
    /// How many bytes of the body one byte of the stand-in is.
    pub fn piece(&self) -> usize {
        self.bytes.len().div_ceil(STAND_IN).max(PIECE)
    }

    /// The chunks Pingora reads in the place of a body.
    fn stand_in(bytes: &Bytes) -> Vec<u8> {
        let body = Body { bytes: bytes.clone(), ..Body::default() };
        let pieces = bytes.len().div_ceil(body.piece());
        [PIECE_STAND_IN.repeat(pieces), b"0\r\n\r\n".to_vec()].concat()
    }
}

impl Connection {
    /// Reads the whole body from the client, while Pingora does not read.
    ///
    /// Afterwards Pingora reads one byte for each piece of it (none if the body is empty), because it replays no more than
    /// 64 KiB when it tries another upstream: whoever filters the request's body puts the next [`Body::piece`] of
    /// [`Body::bytes`] in the place of each byte, each time it comes. After an error the connection is closed with the
    /// answer.
    pub async fn collect_body(self: &Arc<Self>, limits: &BodyLimits) -> Result<Body, BodyError> {
        self.with_wire(|wire| wire.begin_collecting(limits))?;
        let mut spool = Spool::new(limits);
        loop {
            let piece = poll_fn(|cx| self.with_wire(|wire| wire.poll_collect(cx, limits))).await;
            let stored = match piece {
                Ok(Some(bytes)) => spool.push(bytes).await,
                Ok(None) => break,
                Err(e) => return Err(e),
            };
            if let Err(e) = stored {
                return Err(self.with_wire(|wire| wire.break_body(BodyError::Storage(e.kind()))));
            }
        }
        let bytes = spool.finish().await;
        let broken = |e: io::Error| self.with_wire(|wire| wire.break_body(BodyError::Storage(e.kind())));
        let bytes = bytes.map_err(broken)?;
        let file = BodyFile::write(&bytes, limits).await.map_err(broken)?;
        Ok(Body { file, ..self.with_wire(|wire| wire.end_collecting(bytes)) })
    }
}

impl Wire {
    fn begin_collecting(&mut self, limits: &BodyLimits) -> Result<(), BodyError> {
        let decoder = match std::mem::replace(&mut self.body, BodyState::Over) {
            BodyState::Over if self.has_no_body() => return Ok(()),
            BodyState::Waiting(decoder) => decoder,
            other => {
                self.body = other;
                return Err(BodyError::Consumed);
            }
        };
        let too_large = limits.max_size.is_some_and(|max| decoder.remaining().is_some_and(|n| n > max));
        if too_large {
            self.body = BodyState::Waiting(decoder);
            return Err(BodyError::TooLarge);
        }
        self.body = BodyState::Collecting(decoder);
        self.pay_continue();
        Ok(())
    }

    /// Whether this is a request without a body, for which nothing is to be collected.
    fn has_no_body(&self) -> bool {
        self.head.as_ref().is_none_or(|head| !head.framing.has_body())
    }

    fn poll_collect(&mut self, cx: &mut Context<'_>, limits: &BodyLimits) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            let BodyState::Collecting(decoder) = &mut self.body else {
                return Poll::Ready(Ok(None));
            };
            let piece = decoder.next(&mut self.inbox);
            // As nginx, with the first byte of a chunk that is too long, not before it.
            let is_data = matches!(piece, Ok(Piece::Data(_)));
            if is_data && limits.max_size.is_some_and(|max| decoder.announced() > max) {
                return Poll::Ready(Err(self.break_body(BodyError::TooLarge)));
            }
            match piece {
                Ok(Piece::Data(n)) => return Poll::Ready(Ok(Some(self.inbox.split_to(n).freeze()))),
                Ok(Piece::End) => return Poll::Ready(Ok(None)),
                Ok(Piece::More) => {
                    if let Err(e) = ready!(self.poll_more(cx, limits.timeout)) {
                        return Poll::Ready(Err(self.break_body(e)));
                    }
                }
                Err(e) => return Poll::Ready(Err(self.break_body(e))),
            }
        }
    }

    fn break_body(&mut self, error: BodyError) -> BodyError {
        self.body = BodyState::Uncollected(error);
        self.must_close = true;
        error
    }

    fn end_collecting(&mut self, bytes: Bytes) -> Body {
        if let BodyState::Collecting(mut decoder) = std::mem::replace(&mut self.body, BodyState::Over) {
            self.trailers = decoder.take_trailers();
            let stand_in = Body::stand_in(&bytes);
            self.script.extend_from_slice(&stand_in);
            self.wake_reader();
        }
        Body { bytes, trailers: self.trailers.clone(), file: None }
    }
}

/// Where a body is gathered.
struct Spool<'a> {
    limits: &'a BodyLimits,
    memory: BytesMut,
    file: Option<File>,
}

/// What is written to the file at a time.
const FILE_WRITE: usize = 256 << 10;

impl<'a> Spool<'a> {
    fn new(limits: &'a BodyLimits) -> Self {
        Spool { limits, memory: BytesMut::new(), file: None }
    }

    async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        let most = if self.file.is_some() { FILE_WRITE } else { self.limits.buffer };
        if self.memory.len() + bytes.len() > most {
            self.write_out().await?;
        }
        self.memory.extend_from_slice(&bytes);
        Ok(())
    }

    /// Moves what is in memory to the file, on a thread that may block.
    async fn write_out(&mut self) -> io::Result<()> {
        let memory = std::mem::take(&mut self.memory);
        let file = self.file.take();
        let dir = self.limits.temp_dir.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => tempfile::tempfile_in(dir)?,
            };
            file.write_all(&memory)?;
            Ok::<_, io::Error>(file)
        });
        self.file = Some(written.await.map_err(io::Error::other)??);
        Ok(())
    }

    async fn finish(mut self) -> io::Result<Bytes> {
        if self.file.is_none() {
            return Ok(self.memory.freeze());
        }
        if !self.memory.is_empty() {
            self.write_out().await?;
        }
        let Some(file) = self.file else {
            return Ok(Bytes::new());
        };
        // SAFETY: the file has no name and this is its last descriptor, so nobody can change or shorten it.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Bytes::from_owner(map))
    }
}
