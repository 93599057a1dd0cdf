//! A connection that nobody is at the other end of: it reads as what was given, and takes whatever is written. What was
//! written may be kept for whoever has made it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// See [`unattended`].
#[derive(Debug)]
pub struct Unattended {
    /// A head and a body.
    texts: [Bytes; 2],
    heard: Option<Heard>,
}

/// What is written, until the connection ends.
#[derive(Debug)]
struct Heard {
    text: BytesMut,
    most: usize,
    told: oneshot::Sender<Option<Bytes>>,
}

/// What is written to an [`attended`] connection, once it ends.
#[derive(Debug)]
pub struct Attended(oneshot::Receiver<Option<Bytes>>);

impl Attended {
    /// `None`: it was too much.
    pub async fn end(self) -> Option<Bytes> {
        self.0.await.ok().flatten()
    }
}

/// A connection over which this comes, and nothing after it.
pub fn unattended(head: Bytes, body: Bytes) -> Unattended {
    Unattended { texts: [head, body], heard: None }
}

/// The same, and what is written to it as long as that is no more than so many bytes.
pub fn attended(text: Bytes, most: usize) -> (Unattended, Attended) {
    let (told, end) = oneshot::channel();
    let heard = Some(Heard { text: BytesMut::new(), most, told });
    (Unattended { texts: [text, Bytes::new()], heard }, Attended(end))
}

impl Unattended {
    fn hear(&mut self, bytes: &[u8]) {
        let Some(heard) = &mut self.heard else { return };
        if bytes.len() <= heard.most - heard.text.len() {
            heard.text.extend_from_slice(bytes);
        } else if let Some(heard) = self.heard.take() {
            // Whoever waits may have left.
            let _ = heard.told.send(None);
        }
    }

    fn end(&mut self) {
        if let Some(heard) = self.heard.take() {
            let _ = heard.told.send(Some(heard.text.freeze()));
        }
    }
}

impl Drop for Unattended {
    fn drop(&mut self) {
        self.end();
    }
}

impl AsyncRead for Unattended {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // An end would say that the client has left; it never does. Whoever reads waits for other things as well.
        let Some(text) = self.texts.iter_mut().find(|text| !text.is_empty()) else {
            return Poll::Pending;
        };
        let n = text.len().min(buf.remaining());
        buf.put_slice(&text[..n]);
        text.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Unattended {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.hear(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Unattended {
    async fn shutdown(&mut self) {
        self.end();
    }
}

impl UniqueID for Unattended {
    fn id(&self) -> UniqueIDType {
        -1
    }
}

impl Ssl for Unattended {}

impl GetTimingDigest for Unattended {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Unattended {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Unattended {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Unattended {}
