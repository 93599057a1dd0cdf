//! What becomes of the bytes of a body between who made it and who compresses it: nginx's body filters as machines.
//!
//! A [`Machine`] gets a body piece by piece and gives on what is certain; a [`Chain`] has them in nginx's order. They know
//! neither requests nor heads: which of them a body goes through is decided where both are known (`proxy/filters.rs`).
//!
//! What always holds: the same body gives the same bytes however it is cut into pieces; what a machine holds back is
//! bounded by what the configuration says, not by the body, and what one piece becomes waits in memory up to [`LARGE`]
//! bytes, beyond that in a file: a few bytes of gzip may be millions; the end is given on only if it was seen, and a body
//! that is not as long as its head had said ends in an error.
//!
//! | machine | does |
//! |---|---|
//! | [`gunzip`] | gzip is unpacked |
//! | [`substitute`] | `sub_filter` |
//! | [`charset`] | `charset`, with `charset_map` |
//! | [`around`] | `add_before_body`, `add_after_body` |

pub mod around;
pub mod charset;
pub mod gunzip;
pub mod substitute;

pub use around::Around;
pub use charset::{Recoder, Tables};
pub use gunzip::Gunzip;
pub use substitute::{Substitute, Substitution};

use bytes::Bytes;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A body that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("the body is not as long as its Content-Length")]
    Length,
    #[error("the body was said to be gzip and is not: {0}")]
    Gzip(std::io::Error),
    #[error("the body ends in the middle of its gzip stream")]
    Unfinished,
    #[error("bytes behind the end of the body")]
    Over,
    #[error("what a piece of the body has become could not be put into a file: {0}")]
    File(std::io::Error),
}

/// One filter over one body.
pub trait Machine: Send + Sync {
    /// Takes a piece and appends what is certain. `last`: nothing comes after it.
    fn feed(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), FilterError>;
}

/// So much goes through the machines at once. gzip makes no more than a thousand times as much of it.
const STEP: usize = 512;
/// So much of what a piece becomes is held in memory.
const LARGE: usize = 1 << 20;

/// The filters of one body, in the order in which it goes through them.
pub struct Chain {
    machines: Vec<Box<dyn Machine>>,
    /// Where the file of a piece is that becomes very long.
    directory: PathBuf,
    /// What Content-Length said of the body as it comes.
    expected: Option<u64>,
    seen: u64,
    is_over: bool,
}

impl Chain {
    pub fn new(machines: Vec<Box<dyn Machine>>, expected: Option<u64>, directory: &Path) -> Chain {
        Chain { machines, directory: directory.to_owned(), expected, seen: 0, is_over: false }
    }

    /// Takes a piece of the body. After the last one only nothing may come.
    pub fn feed(&mut self, piece: &[u8], last: bool) -> Result<Bytes, FilterError> {
        if self.is_over {
            return if piece.is_empty() { Ok(Bytes::new()) } else { Err(FilterError::Over) };
        }
        self.seen += piece.len() as u64;
        if last && self.expected.is_some_and(|expected| expected != self.seen) {
            return Err(FilterError::Length);
        }
        self.is_over = last;
        let mut made = Made { memory: Vec::new(), file: None, directory: &self.directory };
        let mut rest = piece;
        loop {
            let (step, after) = rest.split_at(rest.len().min(STEP));
            rest = after;
            made.push(through(&mut self.machines, step, last && rest.is_empty())?).map_err(FilterError::File)?;
            if rest.is_empty() {
                return made.finish().map_err(FilterError::File);
            }
        }
    }
}

/// What comes out at the end.
fn through(machines: &mut [Box<dyn Machine>], step: &[u8], last: bool) -> Result<Vec<u8>, FilterError> {
    let mut out: Option<Vec<u8>> = None;
    for machine in machines {
        let mut next = Vec::new();
        machine.feed(out.as_deref().unwrap_or(step), last, &mut next)?;
        out = Some(next);
    }
    Ok(out.unwrap_or_else(|| step.to_vec()))
}

/// What a piece has become so far.
struct Made<'d> {
    memory: Vec<u8>,
    file: Option<File>,
    directory: &'d Path,
}

impl Made<'_> {
    fn push(&mut self, bytes: Vec<u8>) -> std::io::Result<()> {
        if self.memory.is_empty() {
            self.memory = bytes;
        } else {
            self.memory.extend_from_slice(&bytes);
        }
        if self.memory.len() <= LARGE {
            return Ok(());
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(self.directory)?,
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        self.file = Some(file);
        Ok(())
    }

    fn finish(self) -> std::io::Result<Bytes> {
        let Some(mut file) = self.file else { return Ok(self.memory.into()) };
        file.write_all(&self.memory)?;
        // SAFETY: the file has no name and this is its last descriptor, so nobody can change or shorten it.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Bytes::from_owner(map))
    }
}

/// What a machine makes of a body that comes in these pieces.
#[cfg(test)]
fn fed(machine: &mut dyn Machine, pieces: &[&[u8]]) -> Result<Vec<u8>, FilterError> {
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        machine.feed(piece, at + 1 == pieces.len(), &mut out)?;
    }
    Ok(out)
}

/// Cuts a body where these numbers say, for tests of machines.
#[cfg(test)]
fn cut<'b>(body: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let mut rest = body;
    for size in sizes {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(expected: Option<u64>) -> Chain {
        let around = Around::new(Bytes::from_static(b"<"), Bytes::from_static(b">"));
        let outer = Around::new(Bytes::from_static(b"["), Bytes::from_static(b"]"));
        Chain::new(vec![Box::new(around), Box::new(outer)], expected, &std::env::temp_dir())
    }

    #[test]
    fn what_a_piece_becomes_is_the_same_in_memory_and_in_a_file() {
        use flate2::{Compression, write::GzEncoder};
        for length in [LARGE - 1, LARGE, LARGE + 1, 5 * LARGE] {
            let body: Vec<u8> = (0..length).map(|n| (n / 4096) as u8).collect();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&body).unwrap();
            let packed = encoder.finish().unwrap();
            let mut chain = Chain::new(vec![Box::new(Gunzip::default())], None, &std::env::temp_dir());
            assert!(chain.feed(&packed, true).unwrap() == body, "{length}");
        }
    }

    #[test]
    fn where_no_file_can_be_the_body_breaks_off() {
        use flate2::{Compression, write::GzEncoder};
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 2 * LARGE]).unwrap();
        let packed = encoder.finish().unwrap();
        let mut chain = Chain::new(vec![Box::new(Gunzip::default())], None, Path::new("/nonexistent"));
        assert!(matches!(chain.feed(&packed, true), Err(FilterError::File(_))));
    }

    #[test]
    fn the_filters_stand_one_behind_the_other() {
        let mut chain = chain(None);
        assert_eq!(chain.feed(b"a", false).unwrap(), "[<a");
        assert_eq!(chain.feed(b"", false).unwrap(), "");
        assert_eq!(chain.feed(b"b", true).unwrap(), "b>]");
        assert_eq!(chain.feed(b"", true).unwrap(), "", "the end may be told twice");
        assert!(matches!(chain.feed(b"c", true), Err(FilterError::Over)));
    }

    #[test]
    fn a_body_that_is_not_as_long_as_it_was_said_has_no_end() {
        let mut short = chain(Some(3));
        assert!(short.feed(b"ab", false).is_ok());
        assert!(matches!(short.feed(b"", true), Err(FilterError::Length)));
        assert!(chain(Some(3)).feed(b"abc", true).is_ok());
    }
}
