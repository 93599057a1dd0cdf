//! What Pingora takes for the client's socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, Facts};
use super::settings::Settings;

/// The one handle that reads and writes a [`Connection`]. Whoever drops it closes the connection: what is queued is sent
/// first, and a client that is still sending is listened to for a while so that it sees the answer.
#[derive(Debug)]
pub struct Client {
    pub(super) connection: Arc<Connection>,
    parts: Arc<Parts>,
}

/// What Pingora asks a socket for.
#[derive(Debug)]
struct Parts {
    /// Carries the connection to whoever has Pingora's session; the connection itself must not hold it.
    digest: Arc<ProxyDigest>,
    socket: Option<Arc<SocketDigest>>,
    timing: Vec<Option<TimingDigest>>,
    alpn: Option<ALPN>,
    id: UniqueIDType,
}

impl Client {
    /// Takes over a stream that speaks HTTP/1.
    pub fn new(stream: Stream, facts: Facts, settings: Arc<Settings>) -> Self {
        let (socket, timing) = (stream.get_socket_digest(), stream.get_timing_digest());
        let (alpn, id) = (stream.selected_alpn_proto(), stream.id());
        let connection = Arc::new(Connection::new(stream, facts, settings));
        // Pingora wants a response with its data; nobody reads it
        let response = ResponseHeader::build(200, Some(0)).expect("200"); // is a status
        let response = Box::new(response);
        let digest = Arc::new(ProxyDigest::new(response, Some(Box::new(connection.clone()))));
        Client { connection, parts: Arc::new(Parts { digest, socket, timing, alpn, id }) }
    }

    /// A second way to this connection, for the owner of the loop.
    pub fn spare(&self) -> Spare {
        Spare { connection: self.connection.clone(), parts: self.parts.clone() }
    }

    /// The client behind a stream that Pingora gives back after a request; the stream itself if it is another's.
    pub fn from_stream(stream: Stream) -> Result<Self, Stream> {
        if !stream.as_any().is::<Client>() {
            return Err(stream);
        }
        match stream.into_any().downcast::<Client>() {
            Ok(client) => Ok(*client),
            // checked above
            Err(_) => unreachable!("a stream changed its type"),
        }
    }

    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

/// Pingora drops the client of every request that failed, although its answer may be complete and the connection good for
/// the next one. With this the loop goes on with a connection that [`Connection::keep`] has spared.
pub struct Spare {
    connection: Arc<Connection>,
    parts: Arc<Parts>,
}

impl Spare {
    /// The client again, if its connection was to be kept when Pingora dropped it.
    pub fn revive(self) -> Option<Client> {
        let Spare { connection, parts } = self;
        connection.take_kept().then_some(Client { connection, parts })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.connection.is_kept() {
            self.connection.conclude();
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.connection.with_wire(|wire| wire.poll_read(cx, buf))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.with_wire(|wire| wire.poll_write(cx, &[IoSlice::new(buf)]))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.with_wire(|wire| wire.poll_write(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.with_wire(|wire| wire.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.with_wire(|wire| wire.poll_shutdown(cx))
    }
}

#[async_trait]
impl Shutdown for Client {
    async fn shutdown(&mut self) {
        // a client that cannot be told any more is simply closed
        let _ = std::future::poll_fn(|cx| self.connection.with_wire(|wire| wire.poll_shutdown(cx))).await;
    }
}

impl UniqueID for Client {
    fn id(&self) -> UniqueIDType {
        self.parts.id
    }
}

impl Ssl for Client {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.connection.tls().cloned()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.parts.alpn.clone()
    }
}

impl GetTimingDigest for Client {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.parts.timing.clone()
    }
}

impl GetProxyDigest for Client {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.parts.digest.clone())
    }
}

impl GetSocketDigest for Client {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.parts.socket.clone()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        if let Some(parts) = Arc::get_mut(&mut self.parts) {
            parts.socket = Some(Arc::new(digest));
        }
    }
}

impl Peek for Client {}

// `Stream` is a box of this; the blanket implementation of `IO` must apply.
const _: fn() = || {
    fn is_io<T: IO>() {}
    is_io::<Client>();
};
