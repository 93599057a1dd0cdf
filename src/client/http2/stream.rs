//! One stream, as the socket that a [`crate::client::Client`] reads and writes.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::incoming::Incoming;
use super::meter::Meter;
use super::outgoing::Outgoing;

pub struct Http2Stream {
    incoming: Incoming,
    outgoing: Outgoing,
    /// Whoever waits for something to read, and whoever waits for room to write. `h2` keeps one waker where it should keep
    /// two, and reading and writing belong to different tasks here: each of its calls gets one that wakes both.
    wakers: Arc<Wakers>,
    waker: Waker,
    below: Arc<Below>,
    meter: Arc<Meter>,
}

/// What is known of the connection below, for all of its streams.
pub struct Below {
    id: UniqueIDType,
    tls: Option<Arc<SslDigest>>,
    alpn: Option<ALPN>,
    timing: Vec<Option<TimingDigest>>,
    socket: Option<Arc<SocketDigest>>,
}

impl Below {
    pub fn of(stream: &Stream) -> Self {
        Below {
            id: stream.id(),
            tls: stream.get_ssl_digest(),
            alpn: stream.selected_alpn_proto(),
            timing: stream.get_timing_digest(),
            socket: stream.get_socket_digest(),
        }
    }
}

#[derive(Default)]
struct Wakers {
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        for waker in [&self.reader, &self.writer] {
            let waker = waker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn keep(place: &Mutex<Option<Waker>>, cx: &Context<'_>) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
}

impl Http2Stream {
    pub fn new(incoming: Incoming, outgoing: Outgoing, below: Arc<Below>, meter: Arc<Meter>) -> Self {
        meter.begin_stream();
        let wakers = Arc::new(Wakers::default());
        let waker = Waker::from(wakers.clone());
        Http2Stream { incoming, outgoing, wakers, waker, below, meter }
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let left = self.incoming.is_gone() || self.outgoing.poll_reset(&mut cx).is_ready();
        self.meter.end_stream(left && !self.outgoing.has_ended());
    }
}

impl fmt::Debug for Http2Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Stream").finish_non_exhaustive()
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        keep(&this.wakers.reader, cx);
        let mut cx = Context::from_waker(&this.waker);
        this.incoming.poll_read(&mut cx, &mut this.outgoing, dst).map(Ok)
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        keep(&this.wakers.writer, cx);
        let mut cx = Context::from_waker(&this.waker);
        let mut taken = 0;
        for slice in slices {
            match this.outgoing.poll_write(&mut cx, slice) {
                Poll::Ready(Ok(n)) => {
                    taken += n;
                    if n < slice.len() {
                        break;
                    }
                }
                Poll::Pending if taken > 0 => break,
                other => return other,
            }
        }
        this.meter.count_sent(taken);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The task of the connection sends what was written.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().outgoing.shutdown();
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Http2Stream {
    async fn shutdown(&mut self) {
        self.outgoing.shutdown();
    }
}

impl UniqueID for Http2Stream {
    fn id(&self) -> UniqueIDType {
        self.below.id
    }
}

impl Ssl for Http2Stream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.below.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.below.alpn.clone()
    }
}

impl GetTimingDigest for Http2Stream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.below.timing.clone()
    }
}

impl GetProxyDigest for Http2Stream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Http2Stream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.below.socket.clone()
    }
}

impl Peek for Http2Stream {}
