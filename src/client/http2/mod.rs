//! HTTP/2 from clients: each stream of a connection becomes a [`super::Client`] of its own.
//!
//! What a stream sends is written down as an HTTP/1.1 request, and the HTTP/1.1 answer that comes back becomes frames. So
//! the strict parser, the limits, the buffering, the log and the whole proxy are those of HTTP/1, and nothing is decided
//! twice. The framing itself, HPACK and flow control are the `h2` crate's.
//!
//! | file | does |
//! |---|---|
//! | `serve` | one connection to its end: accepts streams, says when it goes |
//! | `request` | the head of a request as HTTP/1.1, or a refusal |
//! | `stream` | one stream, as the socket a `Client` reads and writes |
//! | `incoming`, `outgoing` | its two directions |
//! | `answer` | the head of an HTTP/1.1 answer as that of a response |
//! | `meter` | what a connection does, counted against floods |
//!
//! The loop of the owner; what follows is the one of `client/mod.rs`, which ends after one request:
//!
//! ```ignore
//! let facts = Facts::of(&stream, listener);
//! http2::serve(stream, settings, shutdown, || slot.is_gone(), |stream, of| {
//!     tokio::spawn(serve(stream, facts.of_stream(of)));
//! }).await
//! ```
//!
//! What always holds: what is written as HTTP/1 has one meaning only, whatever the client sent; an answer that breaks off
//! resets its stream and never ends it as if it were whole; nothing is taken from an upstream that the client's windows
//! leave no room for; a stream that ends badly harms no other.

mod answer;
#[cfg(test)]
pub(crate) mod fuzzed;
mod incoming;
mod meter;
mod outgoing;
mod request;
mod serve;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use pingora_core::protocols::l4;
use tokio::io::AsyncReadExt;

use super::parse::Refusal;
use crate::http::{Head, Version};

pub use serve::serve;

/// Fields that speak of one connection of HTTP/1 (RFC 9113 8.2.2).
const CONNECTION_SPECIFIC: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// What one connection is allowed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http2_max_concurrent_streams`
    pub max_concurrent_streams: u32,
    /// The bytes of a head as HTTP/2 counts them, 32 more for each field. The client is told, and a larger head is answered
    /// with 431 by the framing itself, without a page: let it be more than `large_client_header_buffers` allow, which
    /// refuse with a page and a line in the log.
    pub max_header_list_size: u32,
    /// What a client may send of a body before edge wants more, for each stream.
    pub initial_window: u32,
    /// `client_header_timeout`: how long a new connection may take to its first request.
    pub header_timeout: Duration,
    /// `keepalive_timeout`: how long a connection without streams is kept.
    pub idle_timeout: Duration,
    /// `send_timeout`: how long what is left to send may wait for a client when nothing else runs.
    pub send_timeout: Duration,
    /// `keepalive_requests`: after so many the client is told to make a new connection.
    pub keepalive_requests: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_concurrent_streams: 128,
            max_header_list_size: 128 << 10,
            initial_window: 64 << 10,
            header_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            send_timeout: Duration::from_secs(60),
            keepalive_requests: 1000,
        }
    }
}

/// What a request must know of the stream it came on.
#[derive(Clone, Debug)]
pub struct StreamFacts {
    /// `$connection`, the same for all streams of a connection.
    pub connection: u64,
    /// `$connection_requests`
    pub requests: u64,
    /// Why the request is not going to be one.
    pub(super) refusal: Option<Refusal>,
    pub(super) trailers: Trailers,
}

/// The fields an answer ends with, from whoever knows them to the stream that sends them.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailers(Arc<Mutex<Option<HeaderMap>>>);

impl Trailers {
    pub fn set(&self, fields: HeaderMap) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fields);
    }

    fn take(&self) -> Option<HeaderMap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What every client of HTTP/2 says first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether bytes begin HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preface {
    /// They do not.
    No,
    /// So far; there are too few to tell.
    Maybe,
    Yes,
}

/// Whether what was read so far is the client's preface.
pub fn preface_begins(bytes: &[u8]) -> Preface {
    let n = bytes.len().min(PREFACE.len());
    match bytes[..n] == PREFACE[..n] {
        false => Preface::No,
        true if n < PREFACE.len() => Preface::Maybe,
        true => Preface::Yes,
    }
}

/// Whether the client of a plain listener speaks HTTP/2, as its first bytes tell. They stay to be read. The time limit is
/// the caller's.
pub async fn is_spoken(stream: &mut l4::stream::Stream) -> std::io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    let mut n = 0;
    let spoken = loop {
        match preface_begins(&seen[..n]) {
            Preface::Maybe => {}
            told => break told == Preface::Yes,
        }
        match stream.read(&mut seen[n..]).await? {
            0 => break false,
            more => n += more,
        }
    };
    stream.rewind(&seen[..n]);
    Ok(spoken)
}

/// Makes a head that was read as HTTP/1.1 what the client sent.
pub(super) fn restore(mut head: Head) -> Head {
    head.version = Version::Http2;
    head.line = restore_line(&head.line);
    head.headers.retain(|name, _| !name.eq_ignore_ascii_case(b"transfer-encoding"));
    head
}

/// The request line as nginx shows it.
pub(super) fn restore_line(line: &Bytes) -> Bytes {
    match line.strip_suffix(b"HTTP/1.1") {
        Some(rest) => [rest, b"HTTP/2.0"].concat().into(),
        None => line.clone(),
    }
}
