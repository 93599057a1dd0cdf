//! What a stream sends, read as the text of an HTTP/1.1 request.
//!
//! A window opens only as far as bytes are read, so a body that nobody reads stops its client. After the request there
//! is nothing to read until the client resets the stream or leaves: that reads as the end of a connection.

use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::RecvStream;
use http::HeaderMap;
use tokio::io::ReadBuf;

use super::outgoing::Outgoing;
use super::request::{Framing, put_field};

pub struct Incoming {
    body: RecvStream,
    framing: Framing,
    /// To be read first: the head, or the framing around a piece of the body.
    text: Bytes,
    data: Bytes,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Body,
    Trailers,
    Over,
    /// The client reset the stream, or its connection is gone.
    Gone,
}

impl Incoming {
    pub fn new(body: RecvStream, head: Bytes, framing: Framing) -> Self {
        Incoming { body, framing, text: head, data: Bytes::new(), state: State::Body }
    }

    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Reads something; nothing at all is the client's end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing, dst: &mut ReadBuf<'_>) -> Poll<()> {
        loop {
            if !self.text.is_empty() {
                move_to(dst, &mut self.text);
                return Poll::Ready(());
            }
            if !self.data.is_empty() {
                self.read_data(dst);
                return Poll::Ready(());
            }
            self.state = match self.state {
                State::Body => ready!(self.poll_body(cx)),
                State::Trailers => ready!(self.poll_trailers(cx)),
                State::Over => {
                    ready!(outgoing.poll_reset(cx));
                    State::Gone
                }
                State::Gone => return Poll::Ready(()),
            };
        }
    }

    fn read_data(&mut self, dst: &mut ReadBuf<'_>) {
        let n = move_to(dst, &mut self.data);
        // fails only for more than was received
        let _ = self.body.flow_control().release_capacity(n);
        if self.data.is_empty() && self.framing == Framing::Chunked {
            self.text = Bytes::from_static(b"\r\n");
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<State> {
        Poll::Ready(match ready!(self.body.poll_data(cx)) {
            None => State::Trailers,
            Some(Err(_)) => State::Gone,
            Some(Ok(data)) => {
                if self.framing == Framing::Chunked && !data.is_empty() {
                    self.text = format!("{:x}\r\n", data.len()).into();
                }
                self.data = data;
                State::Body
            }
        })
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<State> {
        let Ok(trailers) = ready!(self.body.poll_trailers(cx)) else {
            return Poll::Ready(State::Gone);
        };
        if self.framing == Framing::Chunked {
            self.text = last_chunk(&trailers.unwrap_or_default());
        }
        Poll::Ready(State::Over)
    }
}

fn last_chunk(trailers: &HeaderMap) -> Bytes {
    let mut out = BytesMut::from(&b"0\r\n"[..]);
    for (name, value) in trailers {
        put_field(&mut out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.put_slice(b"\r\n");
    out.freeze()
}

fn move_to(dst: &mut ReadBuf<'_>, src: &mut Bytes) -> usize {
    let n = src.len().min(dst.remaining());
    dst.put_slice(&src[..n]);
    src.advance(n);
    n
}
