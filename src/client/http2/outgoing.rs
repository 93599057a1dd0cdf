//! The text of an HTTP/1.1 answer, sent as the frames of a stream.
//!
//! A write takes no more than the client's windows have room for. The stream ends where the text says that the answer
//! does; whoever lets go before has broken it off, and the stream is reset.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, Response};

use super::answer::{self, Answer, BodyEnd};
use super::{CONNECTION_SPECIFIC, Trailers};

/// No head edge or an upstream makes is longer.
const HEAD: usize = 1 << 20;
/// The line before a chunk, or a trailer field.
const LINE: usize = 8 << 10;
/// What is sent at once; the usual SETTINGS_MAX_FRAME_SIZE (RFC 9113 6.5.2).
const FRAME: usize = 16 << 10;

pub struct Outgoing {
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    to_head: bool,
    trailers: Trailers,
    state: State,
    /// What was written of a head or of a line.
    text: Vec<u8>,
    /// Data of this write that is not sent yet.
    gathered: BytesMut,
    /// A head that waits to be sent together with the end of the stream.
    held: Option<Response<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes are left.
    Length(u64),
    /// Until the connection is shut down.
    Close,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    LastLines,
    Ended,
}

impl Outgoing {
    /// `to_head`: it answers a HEAD.
    pub fn new(respond: SendResponse<Bytes>, to_head: bool, trailers: Trailers) -> Self {
        Outgoing {
            respond,
            stream: None,
            to_head,
            trailers,
            state: State::Head,
            text: Vec::new(),
            gathered: BytesMut::new(),
            held: None,
        }
    }

    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Waits until the client gives the stream up.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let poll = match &mut self.stream {
            Some(stream) => stream.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        poll.map(|_| ())
    }

    /// What one call brings goes out in as few frames as it fits in: a client may take many small ones for a flood.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.poll_some(cx, &bytes[taken..]) {
                Poll::Ready(Ok(n)) => taken += n,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending if taken > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        self.send_gathered()?;
        Poll::Ready(Ok(taken))
    }

    /// Takes as much as has one meaning.
    fn poll_some(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.state {
            State::Head => Poll::Ready(self.take_head(bytes)),
            State::ChunkSize | State::ChunkEnd | State::LastLines => Poll::Ready(self.take_line(bytes)),
            State::Length(left) | State::Chunk(left) => {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.poll_data(cx, &bytes[..n])
            }
            State::Close => self.poll_data(cx, bytes),
            State::Ended => Poll::Ready(Err(invalid("bytes after the end of an answer"))),
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.release_head(false)?;
        let n = ready!(self.poll_room(cx, bytes.len()))?.min(bytes.len());
        self.gathered.extend_from_slice(&bytes[..n]);
        self.state = match self.state {
            State::Length(left) => State::Length(left - n as u64),
            State::Chunk(left) if left == n as u64 => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - n as u64),
            other => other,
        };
        if self.state == State::Length(0) {
            self.end()?;
        } else if self.gathered.len() >= FRAME {
            self.send_gathered()?;
        }
        Poll::Ready(Ok(n))
    }

    /// How many more bytes the client's windows take, beside those that are gathered.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        loop {
            let gathered = self.gathered.len();
            let Some(stream) = &mut self.stream else { return Poll::Ready(Err(broken())) };
            stream.reserve_capacity(gathered + wanted);
            match stream.capacity().saturating_sub(gathered) {
                0 if gathered > 0 => self.send_gathered()?,
                0 => match ready!(stream.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(Err(broken())),
                },
                room => return Poll::Ready(Ok(room)),
            }
        }
    }

    fn send_gathered(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let data = self.gathered.split().freeze();
        let Some(stream) = &mut self.stream else { return Err(broken()) };
        stream.send_data(data, false).map_err(|_| broken())
    }

    fn take_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const END: &[u8] = b"\r\n\r\n";
        let before = self.text.len();
        let from = before.saturating_sub(END.len() - 1);
        self.text.extend_from_slice(&bytes[..bytes.len().min(HEAD + 1 - before)]);
        match memchr::memmem::find(&self.text[from..], END) {
            Some(at) => {
                let end = from + at + END.len();
                self.text.truncate(end);
                let text = std::mem::take(&mut self.text);
                let answer = answer::read(&text, self.to_head).ok_or(invalid("an answer that cannot be read"))?;
                self.begin(answer)?;
                Ok(end - before)
            }
            None if self.text.len() > HEAD => Err(invalid("an answer with too large a head")),
            None => Ok(bytes.len()),
        }
    }

    fn begin(&mut self, answer: Answer) -> io::Result<()> {
        if answer.head.status().is_informational() {
            // the others mean something to HTTP/1 only; a client that takes none loses nothing
            if answer.head.status() == http::StatusCode::EARLY_HINTS {
                let _ = self.respond.send_informational(answer.head);
            }
            return Ok(());
        }
        // what has the outcome of a call in its head is all trailers to gRPC, and must end with it
        let holds = answer.end == BodyEnd::Chunks && answer.head.headers().contains_key("grpc-status");
        self.held = Some(answer.head);
        match answer.end {
            BodyEnd::None | BodyEnd::Length(0) => return self.end(),
            BodyEnd::Length(n) => self.state = State::Length(n),
            BodyEnd::Chunks => self.state = State::ChunkSize,
            BodyEnd::Close => self.state = State::Close,
        }
        if holds { Ok(()) } else { self.release_head(false) }
    }

    fn release_head(&mut self, ends: bool) -> io::Result<()> {
        if let Some(head) = self.held.take() {
            self.stream = Some(self.respond.send_response(head, ends).map_err(|_| broken())?);
        }
        Ok(())
    }

    fn take_line(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = memchr::memchr(b'\n', bytes);
        let n = end.map_or(bytes.len(), |at| at + 1);
        if self.text.len() + n > LINE {
            return Err(invalid("an answer with too long a line"));
        }
        self.text.extend_from_slice(&bytes[..n]);
        if end.is_some() {
            let line = std::mem::take(&mut self.text);
            self.judge_line(line.trim_ascii_end())?;
        }
        Ok(n)
    }

    fn judge_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.state = match self.state {
            State::ChunkSize => match chunk_size(line).ok_or(invalid("an answer with a broken chunk"))? {
                0 => State::LastLines,
                n => State::Chunk(n),
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::LastLines if line.is_empty() => return self.end(),
            // fields after the last chunk: those that are to be sent were said by `set_trailers`
            State::LastLines => State::LastLines,
            _ => return Err(invalid("an answer with a broken chunk")),
        };
        Ok(())
    }

    /// Ends the stream, as a whole.
    fn end(&mut self) -> io::Result<()> {
        let trailers = self.trailers.take();
        if self.held.is_some() {
            self.release_head(trailers.is_none())?;
            if trailers.is_none() {
                self.state = State::Ended;
                return Ok(());
            }
        }
        let Some(stream) = &mut self.stream else {
            return Err(broken());
        };
        let last = self.gathered.split().freeze();
        let sent = match trailers {
            None => stream.send_data(last, true),
            Some(fields) if last.is_empty() => stream.send_trailers(allowed(fields)),
            Some(fields) => stream.send_data(last, false).and_then(|()| stream.send_trailers(allowed(fields))),
        };
        sent.map_err(|_| broken())?;
        self.state = State::Ended;
        Ok(())
    }

    /// Nothing more will be written. That ends an answer whose length was not said.
    pub fn shutdown(&mut self) {
        if self.state == State::Close {
            // whoever cannot be told any more is gone
            let _ = self.end();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if self.state != State::Ended {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

/// Trailers are no place for what belongs to a connection or to the head.
fn allowed(mut fields: HeaderMap) -> HeaderMap {
    for name in CONNECTION_SPECIFIC {
        fields.remove(name);
    }
    fields.remove(http::header::CONTENT_LENGTH);
    fields
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| *b == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?.trim_end(), 16).ok()
}

fn broken() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
