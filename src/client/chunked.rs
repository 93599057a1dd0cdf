//! The body of a request as it stands on the wire: so many bytes, or chunks (RFC 9112 7.1).
//!
//! Stricter than nginx: every line ends in CRLF, extensions are skipped but bounded over the whole body, trailer fields
//! must be fields. What comes out has one meaning only, because it is framed anew for whoever reads it next.

use bytes::{Buf, Bytes, BytesMut};

use super::body::BodyError;
use super::parse::field::{self, NameKind};
use crate::http::{Framing, Headers};

/// A chunk's size line with its extensions.
const SIZE_LINE: usize = 4096;
/// What extensions may cost in a body beyond twice its data.
const EXTENSIONS: u64 = 16 << 10;
const TRAILER_BYTES: usize = 16 << 10;
const TRAILER_FIELDS: usize = 100;

const BAD_SIZE: BodyError = BodyError::Malformed("client sent invalid chunked body");
const BAD_TRAILER: BodyError = BodyError::Malformed("client sent invalid trailer");

/// What stands at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes of the body; the caller takes them out of the buffer.
    Data(usize),
    /// Not enough to tell.
    More,
    /// The body is over.
    End,
}

/// Reads one body out of a growing buffer.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Bytes of the body so far.
    total: u64,
    /// How much more was spent on size lines than the data excuses.
    excess: u64,
    trailer_bytes: usize,
    trailers: Headers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Over,
}

impl Decoder {
    pub fn new(framing: Framing) -> Self {
        Decoder {
            state: match framing {
                Framing::None | Framing::Length(0) => State::Over,
                Framing::Length(n) => State::Length(n),
                Framing::Chunked => State::Size,
            },
            total: 0,
            excess: 0,
            trailer_bytes: 0,
            trailers: Headers::default(),
        }
    }

    /// Bytes of the body that were handed out.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Those, and what is known to follow: the rest of the length that was said, or of the chunk that has begun.
    pub fn announced(&self) -> u64 {
        match self.state {
            State::Length(left) | State::Data(left) => self.total.saturating_add(left),
            _ => self.total,
        }
    }

    /// The bytes still to come, where the length was said.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(n) => Some(n),
            State::Over => Some(0),
            _ => None,
        }
    }

    /// The trailer fields, once the body is over.
    pub fn take_trailers(&mut self) -> Headers {
        std::mem::take(&mut self.trailers)
    }

    /// Consumes framing at the front of `buffer` and says what comes next.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Piece, BodyError> {
        loop {
            let moved = match self.state {
                State::Over => return Ok(Piece::End),
                State::Length(left) | State::Data(left) => return Ok(self.data(left, buffer.len())),
                State::Size => self.size(buffer)?,
                State::DataEnd => self.data_end(buffer)?,
                State::Trailers => self.trailer(buffer)?,
            };
            if !moved {
                return Ok(Piece::More);
            }
        }
    }

    fn data(&mut self, left: u64, here: usize) -> Piece {
        if here == 0 {
            return Piece::More;
        }
        let n = left.min(here as u64);
        self.total += n;
        self.state = match (self.state, left - n) {
            (State::Length(_), 0) => State::Over,
            (State::Length(_), rest) => State::Length(rest),
            (_, 0) => State::DataEnd,
            (_, rest) => State::Data(rest),
        };
        Piece::Data(n as usize)
    }

    /// `SIZE [;extensions] CRLF`
    fn size(&mut self, buffer: &mut BytesMut) -> Result<bool, BodyError> {
        if buffer.first().is_some_and(|b| !b.is_ascii_hexdigit()) {
            return Err(BAD_SIZE);
        }
        let Some(line) = take_line(buffer, SIZE_LINE, BAD_SIZE)? else {
            return Ok(false);
        };
        let size = chunk_size(&line).ok_or(BAD_SIZE)?;
        // what a line of 16 bytes and twice the data do not excuse adds up
        self.excess = (self.excess + line.len() as u64).saturating_sub(16u64.saturating_add(size.saturating_mul(2)));
        if self.excess > EXTENSIONS || self.total.checked_add(size).is_none_or(|n| n > i64::MAX as u64) {
            return Err(BAD_SIZE);
        }
        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
        Ok(true)
    }

    fn data_end(&mut self, buffer: &mut BytesMut) -> Result<bool, BodyError> {
        let seen = buffer.len().min(2);
        if buffer[..seen] != b"\r\n"[..seen] {
            return Err(BAD_SIZE);
        }
        if seen == 2 {
            buffer.advance(2);
            self.state = State::Size;
        }
        Ok(seen == 2)
    }

    fn trailer(&mut self, buffer: &mut BytesMut) -> Result<bool, BodyError> {
        let Some(line) = take_line(buffer, TRAILER_BYTES - self.trailer_bytes, BAD_TRAILER)? else {
            return Ok(false);
        };
        self.trailer_bytes += line.len() + 2;
        if line.is_empty() {
            self.state = State::Over;
            return Ok(true);
        }
        if self.trailer_bytes >= TRAILER_BYTES || self.trailers.len() >= TRAILER_FIELDS {
            return Err(BAD_TRAILER);
        }
        let field = field::parse(&line, true).map_err(|_| BAD_TRAILER)?;
        if field.kind == NameKind::Odd || field.name.len() == line.len() {
            return Err(BAD_TRAILER);
        }
        let name = line.slice(field.name);
        if !is_forbidden(&name) {
            self.trailers.push(name, line.slice(field.value));
        }
        Ok(true)
    }
}

/// Takes a line without its CRLF. A bare LF and a control character are no line.
fn take_line(buffer: &mut BytesMut, most: usize, fault: BodyError) -> Result<Option<Bytes>, BodyError> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        return if buffer.len() > most { Err(fault) } else { Ok(None) };
    };
    if end > most || end == 0 || buffer[end - 1] != b'\r' {
        return Err(fault);
    }
    let mut line = buffer.split_to(end + 1);
    line.truncate(end - 1);
    if line.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
        return Err(fault);
    }
    Ok(Some(line.freeze()))
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    // nginx lets blanks stand before the extension or alone
    if !matches!(line.get(digits), None | Some(b';' | b' ' | b'\t')) {
        return None;
    }
    let significant = line[..digits].iter().skip_while(|b| **b == b'0').count();
    if digits == 0 || significant > 16 {
        return None;
    }
    let text = std::str::from_utf8(&line[digits - significant..digits]).ok()?;
    match text {
        "" => Some(0),
        hex => u64::from_str_radix(hex, 16).ok(),
    }
}

/// Fields that mean something to framing, routing or authentication are no trailers (RFC 9110 6.5.1).
fn is_forbidden(name: &[u8]) -> bool {
    const FORBIDDEN: [&str; 12] = [
        "Transfer-Encoding",
        "Content-Length",
        "Host",
        "Connection",
        "Upgrade",
        "Expect",
        "TE",
        "Trailer",
        "Authorization",
        "Cookie",
        "Content-Encoding",
        "Content-Type",
    ];
    FORBIDDEN.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(name))
}
