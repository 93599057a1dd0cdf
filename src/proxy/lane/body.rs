//! The body of an answer as it stands on the wire: so many bytes, chunks, or all that comes until the server closes.
//!
//! Chunks are read as Pingora reads them: each line ends in CRLF, size lines and trailers are bounded, trailers are skipped.

use super::head::{is_chunked, length};
use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

/// A size line with its extensions.
const SIZE_LINE: usize = 8 << 10;
const TRAILERS: usize = 64 << 10;

const CHUNK: ErrorType = ErrorType::new("InvalidChunk");
const TRAILER: ErrorType = ErrorType::new("InvalidTrailerEnd");

/// Reads one body out of a growing buffer.
#[derive(Debug)]
pub struct Body {
    state: State,
    /// Bytes of the body so far.
    received: u64,
    trailers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    Size,
    Data(u64),
    DataEnd,
    /// Behind the last chunk; whether a line begins here.
    Trailers(bool),
    Close,
    Over,
}

impl Body {
    /// The body behind a head; `method`: what was asked with.
    pub fn behind(head: &ResponseHeader, method: &Method) -> Body {
        let state = match head.status.as_u16() {
            204 | 304 => State::Over,
            _ if method == Method::HEAD => State::Over,
            _ if is_chunked(&head.headers) => State::Size,
            _ => match length(&head.headers) {
                Some(0) => State::Over,
                Some(length) => State::Length(length),
                None => State::Close,
            },
        };
        Body { state, received: 0, trailers: 0 }
    }

    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether only the end of the connection shows where it ends.
    pub fn ends_by_close(&self) -> bool {
        self.state == State::Close
    }

    /// Bytes of the body so far, without what frames them.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes out of what was read all that is of the body. Pieces that stand before what is broken are good.
    pub fn take(&mut self, inbox: &mut BytesMut, pieces: &mut Vec<Bytes>) -> Result<()> {
        while !inbox.is_empty() {
            let moved = match self.state {
                State::Over => return Ok(()),
                State::Close => {
                    self.received += inbox.len() as u64;
                    pieces.push(inbox.split().freeze());
                    true
                }
                State::Length(left) | State::Data(left) => self.data(left, inbox, pieces),
                State::Size => self.size(inbox)?,
                State::DataEnd => self.data_end(inbox)?,
                State::Trailers(at_start) => self.trailer(at_start, inbox)?,
            };
            if !moved {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The server has closed the connection.
    pub fn close(&mut self) -> Result<()> {
        let why = match self.state {
            State::Close | State::Over => {
                self.state = State::Over;
                return Ok(());
            }
            State::Length(left) => {
                format!("Peer prematurely closed connection with {left} bytes of body remaining to read")
            }
            _ => format!("Connection prematurely closed without the termination chunk, read {} bytes", self.received),
        };
        Error::e_explain(ErrorType::ConnectionClosed, why)
    }

    fn data(&mut self, left: u64, inbox: &mut BytesMut, pieces: &mut Vec<Bytes>) -> bool {
        let n = left.min(inbox.len() as u64);
        self.received += n;
        // No more than the inbox holds.
        pieces.push(inbox.split_to(n as usize).freeze());
        self.state = match (self.state, left - n) {
            (State::Length(_), 0) => State::Over,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::DataEnd,
            (_, left) => State::Data(left),
        };
        true
    }

    /// `SIZE [;extensions] CRLF`
    fn size(&mut self, inbox: &mut BytesMut) -> Result<bool> {
        match httparse::parse_chunk_size(inbox) {
            Ok(httparse::Status::Complete((line, size))) => {
                inbox.advance(line);
                self.state = if size == 0 { State::Trailers(true) } else { State::Data(size) };
                Ok(true)
            }
            Ok(httparse::Status::Partial) if inbox.len() > SIZE_LINE => Error::e_explain(CHUNK, "Chunk ext over limit"),
            Ok(httparse::Status::Partial) => Ok(false),
            Err(e) => Error::e_explain(CHUNK, format!("Invalid chunked encoding: {e:?}")),
        }
    }

    fn data_end(&mut self, inbox: &mut BytesMut) -> Result<bool> {
        let moved = line_end(inbox, CHUNK)?;
        if moved {
            self.state = State::Size;
        }
        Ok(moved)
    }

    fn trailer(&mut self, at_start: bool, inbox: &mut BytesMut) -> Result<bool> {
        let text = memchr::memchr2(b'\r', b'\n', inbox).unwrap_or(inbox.len());
        if text > 0 {
            self.trailers += text;
            if self.trailers > TRAILERS {
                return Error::e_explain(TRAILER, "Trailer size over limit");
            }
            inbox.advance(text);
            self.state = State::Trailers(false);
            return Ok(true);
        }
        let moved = line_end(inbox, TRAILER)?;
        if moved {
            self.state = if at_start { State::Over } else { State::Trailers(true) };
        }
        Ok(moved)
    }
}

/// Takes a CRLF. False: it is not all there.
fn line_end(inbox: &mut BytesMut, wrong: ErrorType) -> Result<bool> {
    match inbox[..] {
        [b'\r'] => Ok(false),
        [b'\r', b'\n', ..] => {
            inbox.advance(2);
            Ok(true)
        }
        _ => {
            let found = inbox[..inbox.len().min(2)].escape_ascii().to_string();
            Error::e_explain(wrong, format!("Invalid chunked encoding: {found} was not CRLF"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(fields: &str, method: &Method) -> Body {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let head = super::super::head::parse(&mut BytesMut::from(&text[..])).unwrap().unwrap();
        Body::behind(&head, method)
    }

    /// What is read of a text that comes in pieces of this size: the body, whether it is over, what is left, or the error.
    fn read(fields: &str, text: &[u8], size: usize) -> (Vec<u8>, Result<bool>, Vec<u8>) {
        let mut body = body(fields, &Method::GET);
        let (mut inbox, mut pieces, mut result) = (BytesMut::new(), Vec::new(), Ok(()));
        for piece in text.chunks(size) {
            inbox.extend_from_slice(piece);
            if result.is_ok() {
                result = body.take(&mut inbox, &mut pieces);
            }
        }
        assert_eq!(pieces.iter().map(|piece| piece.len() as u64).sum::<u64>(), body.received());
        (pieces.concat(), result.map(|()| body.is_over()), inbox.to_vec())
    }

    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    const CHUNKS: &[u8] = b"3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX: y\r\nZ: \r\n\r\nmore";

    proptest! {
        #[test]
        fn a_body_is_the_same_wherever_what_is_read_ends(size in 1usize..60) {
            let (body, over, left) = read(CHUNKED, CHUNKS, size);
            prop_assert_eq!((&body[..], over.unwrap(), &left[..]), (&b"abc0123456789"[..], true, &b"more"[..]));
            let (body, over, left) = read("Content-Length: 5\r\n", b"01234567", size);
            prop_assert_eq!((&body[..], over.unwrap(), &left[..]), (&b"01234"[..], true, &b"567"[..]));
        }

        #[test]
        fn whatever_comes_is_a_body_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..200), size in 1usize..50) {
            let _ = read(CHUNKED, &text, size);
        }

        #[test]
        fn a_body_that_is_cut_is_never_taken_for_a_whole_one(end in 0..CHUNKS.len() - 4) {
            let (_, over, _) = read(CHUNKED, &CHUNKS[..end], 7);
            prop_assert!(!over.unwrap());
        }
    }

    #[test]
    fn what_is_wrong_with_chunks_is_found_wherever_they_are_cut() {
        for wrong in
            ["x\r\n", "3\r\nabcd\r\n", "3\r\nabc\n", "3\nabc\r\n", "0\r\nX: y\n\r\n", "0\r\nX\ry\r\n\r\n", "0\r\n\n"]
        {
            for size in [1, 2, 100] {
                assert!(read(CHUNKED, wrong.as_bytes(), size).1.is_err(), "{wrong:?} {size}");
            }
        }
        assert!(read(CHUNKED, format!("3;{}", "x".repeat(SIZE_LINE)).as_bytes(), 1000).1.is_err());
        assert!(read(CHUNKED, format!("0\r\n{}", "x: y\r\n".repeat(TRAILERS)).as_bytes(), 1000).1.is_err());
    }

    #[test]
    fn only_a_body_without_a_length_may_end_with_the_connection() {
        assert!(body("Content-Length: 5\r\n", &Method::GET).close().is_err());
        assert!(body(CHUNKED, &Method::GET).close().is_err());
        let mut open = body("", &Method::GET);
        assert!(open.ends_by_close() && !open.is_over());
        open.close().unwrap();
        assert!(open.is_over());
        assert!(body("Content-Length: 5\r\n", &Method::HEAD).is_over());
        assert!(body("Content-Length: 0\r\n", &Method::GET).is_over());
    }
}
