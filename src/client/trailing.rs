//! Trailer fields behind the last chunk of an answer over HTTP/1.1. Pingora writes chunks and knows no trailers, so they are
//! put in where its bytes go to the socket.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use super::wire::Wire;

const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";

#[derive(Debug)]
pub struct Trailing {
    /// Lines with their ends.
    fields: Bytes,
    place: Place,
}

/// Where in an answer in chunks the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// So much of the end of the head was seen.
    Head(usize),
    /// The line before a chunk, as far as it is a number.
    Size { value: u64, is_over: bool },
    /// So much of a chunk and the line end behind it is left.
    Chunk(u64),
    /// Behind the line of the last chunk.
    Fields,
}

impl Place {
    fn after(self, byte: u8) -> Place {
        match self {
            Place::Head(seen) => {
                let seen = match byte {
                    byte if byte == END_OF_HEAD[seen] => seen + 1,
                    b'\r' => 1,
                    _ => 0,
                };
                if seen == END_OF_HEAD.len() { Place::Size { value: 0, is_over: false } } else { Place::Head(seen) }
            }
            Place::Size { value, is_over } => match (char::from(byte).to_digit(16), byte) {
                (_, b'\n') if value == 0 => Place::Fields,
                (_, b'\n') => Place::Chunk(value.saturating_add(2)),
                (Some(digit), _) if !is_over => {
                    Place::Size { value: value.saturating_mul(16).saturating_add(u64::from(digit)), is_over }
                }
                _ => Place::Size { value, is_over: true },
            },
            Place::Chunk(..=1) => Place::Size { value: 0, is_over: false },
            Place::Chunk(left) => Place::Chunk(left - 1),
            Place::Fields => Place::Fields,
        }
    }

    /// How many of these bytes stand before the fields, and the place behind them.
    fn pass(mut self, bytes: &[u8]) -> (usize, Place) {
        let mut at = 0;
        while at < bytes.len() && self != Place::Fields {
            if let Place::Chunk(left) = self {
                let skipped = usize::try_from(left - 1).unwrap_or(usize::MAX).min(bytes.len() - at - 1);
                self = Place::Chunk(left - skipped as u64);
                at += skipped;
            }
            self = self.after(bytes[at]);
            at += 1;
        }
        (at, self)
    }
}

impl Trailing {
    pub fn new(fields: Bytes) -> Self {
        Trailing { fields, place: Place::Head(0) }
    }

    /// Other values, known only now. Too late once they are being sent.
    pub fn set(&mut self, fields: Bytes) {
        if self.place != Place::Fields {
            self.fields = fields;
        }
    }
}

impl Wire {
    /// Takes some of what Pingora writes, with the fields in their place.
    pub(super) fn poll_trailing(
        &mut self,
        cx: &mut Context<'_>,
        trailing: &mut Trailing,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if trailing.place == Place::Fields {
            while !trailing.fields.is_empty() {
                let n = ready!(self.poll_send(cx, &[IoSlice::new(&trailing.fields)]))?;
                trailing.fields.advance(n);
            }
            return self.poll_send(cx, bufs);
        }
        let Some(bytes) = bufs.iter().find(|buf| !buf.is_empty()) else {
            return Poll::Ready(Ok(0));
        };
        let (before, _) = trailing.place.pass(bytes);
        let n = ready!(self.poll_send(cx, &[IoSlice::new(&bytes[..before])]))?;
        (_, trailing.place) = trailing.place.pass(&bytes[..n]);
        Poll::Ready(Ok(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"HTTP/1.1 200 OK\r\nA: 0\r\n\r\n3\r\n0\r\n\r\nA;x=0\r\n0123456789\r\n0\r\n\r\n";

    /// What goes out if the socket takes `most` bytes at once.
    fn sent(pieces: &[&[u8]], most: usize) -> Vec<u8> {
        let (mut place, mut fields, mut out) = (Place::Head(0), &b"X: y\r\n"[..], Vec::new());
        for piece in pieces {
            let mut left = *piece;
            while !left.is_empty() {
                if place == Place::Fields {
                    out.extend_from_slice(std::mem::take(&mut fields));
                    out.extend_from_slice(left);
                    break;
                }
                let n = place.pass(left).0.min(most);
                (_, place) = place.pass(&left[..n]);
                out.extend_from_slice(&left[..n]);
                left = &left[n..];
            }
        }
        out
    }

    proptest! {
        #[test]
        fn the_fields_stand_behind_the_last_chunk_wherever_the_pieces_end(size in 1usize..70, most in 1usize..70) {
            let expected = [&TEXT[..TEXT.len() - 2], b"X: y\r\n\r\n"].concat();
            prop_assert_eq!(sent(&TEXT.chunks(size).collect::<Vec<_>>(), most), expected);
        }
    }
}
