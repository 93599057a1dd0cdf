//! A connection under TLS, as Pingora takes one.
//!
//! What is written goes to the socket in records of up to 16 KB, several buffers in one; a shutdown says goodbye first.
//! Dropped, it closes the socket and says nothing, as TCP does.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::Session;

/// Plain text for whoever holds it, TLS on the wire.
#[derive(Debug)]
pub struct TlsStream {
    inner: tokio_rustls::server::TlsStream<Stream>,
    session: Arc<Session>,
    timing: TimingDigest,
    digest: OnceLock<Arc<SslDigest>>,
}

impl TlsStream {
    pub(super) fn new(
        inner: tokio_rustls::server::TlsStream<Stream>,
        session: Arc<Session>,
        began: Instant,
    ) -> TlsStream {
        let timing = TimingDigest {
            established_ts: SystemTime::now(),
            establishment_duration: Some(began.elapsed()),
            ..TimingDigest::default()
        };
        TlsStream { inner, session, timing, digest: OnceLock::new() }
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    fn socket(&self) -> &Stream {
        self.inner.get_ref().0
    }

    /// As Pingora's own listener fills it.
    fn make_digest(&self) -> SslDigest {
        let certificate = self.session.certificate();
        let sha256 = |der: &[u8]| ring::digest::digest(&ring::digest::SHA256, der).as_ref().to_vec();
        SslDigest::new(
            self.session.cipher(),
            self.session.protocol(),
            certificate.and_then(|certificate| certificate.organization()),
            certificate.map(|certificate| certificate.serial()),
            certificate.map(|certificate| sha256(certificate.der())).unwrap_or_default(),
        )
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for TlsStream {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            log::debug!("a TLS connection could not be shut down: {error}");
        }
    }
}

impl UniqueID for TlsStream {
    fn id(&self) -> UniqueIDType {
        self.socket().id()
    }
}

impl Ssl for TlsStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        Some(self.digest.get_or_init(|| Arc::new(self.make_digest())).clone())
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match self.session.alpn() {
            "h2" => Some(ALPN::H2),
            "http/1.1" => Some(ALPN::H1),
            _ => None,
        }
    }
}

impl GetTimingDigest for TlsStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        let mut layers = self.socket().get_timing_digest();
        layers.push(Some(self.timing.clone()));
        layers
    }

    fn get_read_pending_time(&self) -> Duration {
        self.socket().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.socket().get_write_pending_time()
    }
}

impl GetProxyDigest for TlsStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.socket().get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.get_mut().0.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for TlsStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.socket().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.get_mut().0.set_socket_digest(digest);
    }
}

impl Peek for TlsStream {}
