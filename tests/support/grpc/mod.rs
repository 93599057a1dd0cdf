//! gRPC, as little of it as there is: calls are requests of HTTP/2, messages are pieces of their bodies with five bytes
//! before each, and the outcome stands in trailers.

pub mod service;

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::http2::{Down, Exchange, Head, Http2, Up};

/// What every call says.
const HEADERS: [(&str, &str); 2] = [("content-type", "application/grpc+proto"), ("te", "trailers")];

/// A call that runs.
pub struct Call {
    pub up: Sender,
    pub down: Receiver,
}

/// The messages that go up.
pub struct Sender(Up);

/// The messages that come down.
pub struct Receiver {
    down: Down,
    head: Option<Head>,
    messages: Messages,
}

/// What became of a call.
#[derive(Debug)]
pub struct Outcome {
    pub http: u16,
    /// `grpc-status` and `grpc-message`, from trailers or from a head that was all there was.
    pub status: Option<String>,
    pub message: Option<String>,
    /// Whether there was nothing but a head.
    pub trailers_only: bool,
    pub head: HeaderMap,
    pub trailers: HeaderMap,
    pub messages: Vec<Bytes>,
}

/// Begins a call of `test.Echo`.
pub async fn call(connection: &Http2, method: &str, metadata: &[(&str, &str)]) -> Call {
    let headers = [&HEADERS, metadata].concat();
    let Exchange { up, down } = connection.begin("POST", &format!("/test.Echo/{method}"), &headers).await;
    Call { up: Sender(up), down: Receiver { down, head: None, messages: Messages::default() } }
}

/// One message up, and whatever comes down.
pub async fn unary(connection: &Http2, method: &str, message: &[u8]) -> Result<Outcome, h2::Error> {
    let Call { mut up, down } = call(connection, method, &[]).await;
    let send = async {
        up.send(message).await?;
        up.end()
    };
    let (_, outcome) = tokio::join!(send, down.outcome());
    outcome
}

impl Sender {
    pub async fn send(&mut self, message: &[u8]) -> Result<(), h2::Error> {
        self.0.send(&framed(message)).await
    }

    pub fn end(&mut self) -> Result<(), h2::Error> {
        self.0.end()
    }

    pub fn cancel(&mut self) {
        self.0.cancel();
    }
}

impl Receiver {
    /// The head, which comes before the first message.
    pub async fn head(&mut self) -> Result<&Head, h2::Error> {
        if self.head.is_none() {
            self.head = Some(self.down.head().await?);
        }
        Ok(self.head.as_ref().expect("it was just read"))
    }

    pub async fn message(&mut self) -> Result<Option<Bytes>, h2::Error> {
        self.head().await?;
        loop {
            if let Some(message) = self.messages.next() {
                return Ok(Some(message));
            }
            match self.down.piece().await? {
                Some(piece) => self.messages.feed(&piece),
                None => return Ok(None),
            }
        }
    }

    /// The rest of the call.
    pub async fn outcome(mut self) -> Result<Outcome, h2::Error> {
        let mut messages = Vec::new();
        let Head { status, headers, ends } = self.head().await?.clone();
        // A page that says why there was no answer has no messages.
        if status == 200 {
            while let Some(message) = self.message().await? {
                messages.push(message);
            }
        } else {
            while self.down.piece().await?.is_some() {}
        }
        let trailers = self.down.trailers().await?;
        let of = if ends { &headers } else { &trailers };
        let text = |name: &str| of.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let (outcome, message) = (text("grpc-status"), text("grpc-message"));
        Ok(Outcome { http: status, status: outcome, message, trailers_only: ends, head: headers, trailers, messages })
    }
}

/// A message as it stands in a body.
pub fn framed(message: &[u8]) -> Vec<u8> {
    [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// The messages of a body that comes in pieces.
#[derive(Default)]
pub struct Messages {
    bytes: BytesMut,
    whole: VecDeque<Bytes>,
}

impl Messages {
    pub fn feed(&mut self, piece: &[u8]) {
        const PREFIX: usize = 5;
        self.bytes.extend_from_slice(piece);
        while let Some(prefix) = self.bytes.first_chunk::<PREFIX>() {
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
            if self.bytes.len() < PREFIX + length {
                return;
            }
            self.bytes.advance(PREFIX);
            self.whole.push_back(self.bytes.split_to(length).freeze());
        }
    }

    pub fn next(&mut self) -> Option<Bytes> {
        self.whole.pop_front()
    }
}
