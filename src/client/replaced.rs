//! Another answer in the place of the one that Pingora writes: a head and a page of our own, then of the body some bytes. The
//! rest of it is thrown away here.
//!
//! Pingora ends its exchange with the upstream when the client's answer is complete; what is fetched for the cache has to
//! come to its end whatever part of it the client wants.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use super::wire::Wire;

const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";

#[derive(Debug)]
pub struct Replaced {
    /// What is sent before anything else.
    texts: [Bytes; 2],
    /// Which bytes of Pingora's body are sent. If there are any, that body stands there as it is, and not in chunks.
    span: Range<u64>,
    /// So much of the end of Pingora's head was seen.
    seen: usize,
    /// So much of its body has come.
    at: u64,
}

/// What becomes of the next bytes.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Dropped(usize),
    Sent(usize),
}

impl Replaced {
    pub fn new(head: Bytes, page: Bytes, span: Range<u64>) -> Self {
        Replaced { texts: [head, page], span, seen: 0, at: 0 }
    }

    /// Of as many bytes as share a fate.
    fn fate(&mut self, bytes: &[u8]) -> Fate {
        if self.seen < END_OF_HEAD.len() {
            return Fate::Dropped(self.pass_head(bytes));
        }
        let most = |to: u64| usize::try_from(to - self.at).unwrap_or(usize::MAX).min(bytes.len());
        match self.at {
            at if self.span.is_empty() || at >= self.span.end => Fate::Dropped(bytes.len()),
            at if at < self.span.start => Fate::Dropped(most(self.span.start)),
            _ => Fate::Sent(most(self.span.end)),
        }
    }

    fn pass_head(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            self.seen = match *byte {
                byte if byte == END_OF_HEAD[self.seen] => self.seen + 1,
                b'\r' => 1,
                _ => 0,
            };
            if self.seen == END_OF_HEAD.len() {
                return at + 1;
            }
        }
        bytes.len()
    }
}

impl Wire {
    /// Takes some of what Pingora writes.
    pub(super) fn poll_replaced(
        &mut self,
        cx: &mut Context<'_>,
        replaced: &mut Replaced,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        for text in &mut replaced.texts {
            while !text.is_empty() {
                let n = ready!(self.poll_send(cx, &[IoSlice::new(text)]))?;
                text.advance(n);
            }
        }
        let Some(bytes) = bufs.iter().find(|buf| !buf.is_empty()) else {
            return Poll::Ready(Ok(0));
        };
        let is_body = replaced.seen == END_OF_HEAD.len();
        let n = match replaced.fate(bytes) {
            Fate::Dropped(n) => n,
            Fate::Sent(n) => ready!(self.poll_send(cx, &[IoSlice::new(&bytes[..n])]))?,
        };
        if is_body {
            replaced.at += n as u64;
        }
        Poll::Ready(Ok(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent of Pingora's text, if the socket takes `most` bytes at once.
    fn sent(span: Range<u64>, pieces: &[&[u8]], most: usize) -> Vec<u8> {
        let mut replaced = Replaced::new(Bytes::new(), Bytes::new(), span);
        let mut out = Vec::new();
        for piece in pieces {
            let mut left = *piece;
            while !left.is_empty() {
                let is_body = replaced.seen == END_OF_HEAD.len();
                let n = match replaced.fate(left) {
                    Fate::Dropped(n) => n,
                    Fate::Sent(n) => {
                        out.extend_from_slice(&left[..n.min(most)]);
                        n.min(most)
                    }
                };
                replaced.at += if is_body { n as u64 } else { 0 };
                left = &left[n..];
            }
        }
        out
    }

    #[test]
    fn a_span_is_sent_wherever_the_pieces_end() {
        let text = b"HTTP/1.1 200 OK\r\nX: a\r\rb\r\n\r\n0123456789";
        for size in 1..=text.len() {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            for (from, to) in [(0, 10), (0, 1), (2, 5), (9, 10), (3, 3), (0, 0)] {
                for most in [1, 3, 100] {
                    let expected = &b"0123456789"[from..to];
                    assert_eq!(sent(from as u64..to as u64, &pieces, most), expected, "{size} {from}-{to} {most}");
                }
            }
        }
    }
}
