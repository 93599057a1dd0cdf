//! What becomes of the bytes of a body between who made it and who compresses it: nginx's body filters as machines.
//!
//! A [`Machine`] gets a body piece by piece and gives on what is certain; a [`Chain`] has them in nginx's order. They know
//! neither requests nor heads: which of them a body goes through is decided where both are known (`proxy/filters.rs`).
//!
//! What always holds: the same body gives the same bytes however it is cut into pieces; what a machine holds back is
//! bounded by what the configuration says, not by the body; the end is given on only if it was seen, and a body that is
//! not as long as its head had said ends in an error.
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
}

/// One filter over one body.
pub trait Machine: Send + Sync {
    /// Takes a piece and appends what is certain. `last`: nothing comes after it.
    fn feed(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), FilterError>;
}

/// The filters of one body, in the order in which it goes through them.
pub struct Chain {
    machines: Vec<Box<dyn Machine>>,
    /// What Content-Length said of the body as it comes.
    expected: Option<u64>,
    seen: u64,
    is_over: bool,
}

impl Chain {
    pub fn new(machines: Vec<Box<dyn Machine>>, expected: Option<u64>) -> Chain {
        Chain { machines, expected, seen: 0, is_over: false }
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
        let mut out: Option<Vec<u8>> = None;
        for machine in &mut self.machines {
            let mut next = Vec::new();
            machine.feed(out.as_deref().unwrap_or(piece), last, &mut next)?;
            out = Some(next);
        }
        Ok(out.map_or_else(|| Bytes::copy_from_slice(piece), Bytes::from))
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
        Chain::new(vec![Box::new(around), Box::new(outer)], expected)
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
