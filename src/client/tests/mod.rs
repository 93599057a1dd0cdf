//! The connection as a whole, over an in-memory stream (time paused) and through a real `HttpProxy`.

mod answers;
mod bodies;
mod buffered;
mod heads;
mod proxied;

use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use super::*;

/// A client's end, a handle on the server's end, and the switch that shuts the server down.
struct Pair {
    peer: DuplexStream,
    client: Client,
    settings: Arc<Settings>,
    shutdown: ShutdownWatch,
    switch: watch::Sender<bool>,
}

fn pair(settings: Settings) -> Pair {
    pair_with(settings, 64 << 10)
}

/// `room`: what the "network" holds before it takes no more.
fn pair_with(settings: Settings, room: usize) -> Pair {
    let (peer, ours) = tokio::io::duplex(room);
    pair_of(settings, peer, Box::new(ours))
}

fn pair_of(settings: Settings, peer: DuplexStream, stream: Stream) -> Pair {
    let settings = Arc::new(settings);
    let facts = Facts::of(&*stream, Arc::new(()));
    let (switch, shutdown) = watch::channel(false);
    Pair { peer, client: Client::new(stream, facts, settings.clone()), settings, shutdown, switch }
}

impl Pair {
    async fn send(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).await.unwrap();
    }

    async fn head(&mut self) -> Result<Option<crate::http::Head>, Refusal> {
        self.client.read_head(&self.settings, &self.shutdown).await
    }

    /// Reads a head and the synthetic one made of it.
    async fn presented(&mut self, bytes: &[u8]) -> String {
        self.send(bytes).await;
        let head = self.head().await.unwrap().unwrap();
        self.client.present(Arc::new(head));
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(self.client.read_u8().await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    fn connection(&self) -> Arc<Connection> {
        self.client.connection().clone()
    }
}

/// Whether reading stays pending for as long as time may pass.
async fn is_silent(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut byte = [0];
    tokio::time::timeout(Duration::from_secs(3600), stream.read(&mut byte)).await.is_err()
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn post(length: usize) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
