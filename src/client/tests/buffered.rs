//! Over a stream that buffers writes until they are flushed, as Pingora's and TLS streams do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncWrite, BufWriter, ReadBuf};
use tokio::time::Instant;

use super::*;

#[derive(Debug)]
struct Buffered(BufWriter<DuplexStream>);

impl AsyncRead for Buffered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Buffered {
    async fn shutdown(&mut self) {}
}

impl UniqueID for Buffered {
    fn id(&self) -> UniqueIDType {
        7
    }
}

impl Ssl for Buffered {}

impl GetTimingDigest for Buffered {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![]
    }
}

impl GetProxyDigest for Buffered {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Buffered {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Buffered {}

/// A network of 1000 bytes behind a buffer of 10000.
fn buffered(buffering: Buffering) -> Pair {
    let (peer, ours) = tokio::io::duplex(1000);
    let stream = Buffered(BufWriter::with_capacity(10_000, ours));
    let settings = Settings { buffering, ..Settings::default() };
    pair_of(settings, peer, Box::new(stream))
}

#[tokio::test(start_paused = true)]
async fn what_a_stream_holds_back_is_flushed_in_the_background() {
    let mut pair = buffered(Buffering::default());
    pair.client.write_all(&[b'x'; 5000]).await.unwrap();
    let began = Instant::now();
    pair.client.flush().await.unwrap();
    assert!(began.elapsed().is_zero());
    pair.client.write_all(&[b'y'; 5000]).await.unwrap();
    let connection = pair.connection();
    let drained = tokio::spawn(async move { connection.drained().await });
    let mut got = vec![0; 10_000];
    pair.peer.read_exact(&mut got).await.unwrap();
    assert_eq!((got[4999], got[5000]), (b'x', b'y'));
    drained.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_buffering_a_flush_waits_for_the_client_and_at_most_send_timeout() {
    let mut pair = buffered(Buffering::default().off());
    pair.client.write_all(&[b'x'; 5000]).await.unwrap();
    let began = Instant::now();
    assert!(pair.client.flush().await.is_err());
    assert_eq!(began.elapsed().as_secs(), 60);

    let mut pair = buffered(Buffering::default().off());
    pair.client.write_all(&[b'x'; 5000]).await.unwrap();
    let mut got = vec![0; 5000];
    let (flushed, read) = tokio::join!(pair.client.flush(), pair.peer.read_exact(&mut got));
    flushed.unwrap();
    read.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_flushes_and_a_shutdown_gives_up_in_time() {
    let mut pair = buffered(Buffering::default());
    pair.client.write_all(&[b'x'; 5000]).await.unwrap();
    pair.client.flush().await.unwrap();
    drop(pair.client);
    assert_eq!(read_to_end(&mut pair.peer).await.len(), 5000);

    let mut pair = buffered(Buffering::default());
    pair.client.write_all(&[b'x'; 5000]).await.unwrap();
    let began = Instant::now();
    assert!(AsyncWriteExt::shutdown(&mut pair.client).await.is_err());
    assert_eq!(began.elapsed().as_secs(), 60);
}
