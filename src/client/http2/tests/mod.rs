//! HTTP/2 over an in-memory connection: the `h2` crate's client, or bare frames, on the other end.

mod answers;
mod limits;
mod requests;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use super::*;
use crate::client::{Client, Facts, Settings as ClientSettings};

/// A connection that is served; the streams come out of `streams`.
struct Served {
    streams: mpsc::UnboundedReceiver<Client>,
    switch: watch::Sender<bool>,
    gone: Arc<AtomicBool>,
    done: JoinHandle<()>,
}

fn serve_on(stream: DuplexStream, settings: Settings) -> Served {
    let stream: pingora_core::protocols::Stream = Box::new(stream);
    let facts = Facts::of(&*stream, Arc::new(()));
    let (switch, shutdown) = watch::channel(false);
    let (send, streams) = mpsc::unbounded_channel();
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = gone.clone();
    let each = move |stream, of| {
        let _ = send.send(Client::new(stream, facts.of_stream(of), Arc::new(ClientSettings::default())));
    };
    let done = tokio::spawn(async move {
        serve(stream, settings, shutdown, || is_gone.load(Ordering::Relaxed), each).await;
    });
    Served { streams, switch, gone, done }
}

/// A client and what serves it.
struct Pair {
    peer: SendRequest<Bytes>,
    /// The client's connection, to see how it ends.
    end: JoinHandle<Result<(), h2::Error>>,
    served: Served,
}

async fn pair(settings: Settings) -> Pair {
    let (theirs, ours) = tokio::io::duplex(1 << 20);
    let served = serve_on(ours, settings);
    let (peer, connection) = h2::client::handshake(theirs).await.unwrap();
    Pair { peer: peer.ready().await.unwrap(), end: tokio::spawn(connection), served }
}

impl Pair {
    async fn send(&mut self, request: Request<()>, is_whole: bool) -> (ResponseFuture, SendStream<Bytes>) {
        self.peer = self.peer.clone().ready().await.unwrap();
        self.peer.send_request(request, is_whole).unwrap()
    }

    async fn get(&mut self) -> (ResponseFuture, Client) {
        let (response, _) = self.send(get("/"), true).await;
        (response, self.presented().await)
    }

    /// The next stream, not looked at yet.
    async fn next(&mut self) -> Client {
        self.served.streams.recv().await.unwrap()
    }

    /// The next stream, whose answer can be written.
    async fn presented(&mut self) -> Client {
        let mut client = self.next().await;
        let head = read_head(&mut client).await.unwrap().unwrap();
        client.present(Arc::new(head));
        client
    }

    /// Why the connection was ended, and when.
    async fn ended(self) -> (Option<h2::Reason>, u64) {
        // a client without a handle would close by itself
        let _peer = self.peer;
        let began = Instant::now();
        let reason = self.end.await.unwrap().err().map(|e| e.reason().unwrap());
        self.served.done.await.unwrap();
        (reason, began.elapsed().as_secs())
    }
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://example.com{path}")).body(()).unwrap()
}

fn post(path: &str) -> Request<()> {
    Request::post(format!("http://example.com{path}")).body(()).unwrap()
}

async fn read_head(client: &mut Client) -> Result<Option<Head>, Refusal> {
    let (_switch, shutdown) = watch::channel(false);
    client.read_head(&Arc::new(ClientSettings::default()), &shutdown).await
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn answer(mut client: Client, text: &[u8]) {
    client.write_all(text).await.unwrap();
    client.close().await;
}

/// The whole of a response, or how it broke.
async fn whole(response: ResponseFuture) -> Result<(Response<()>, Vec<u8>, Option<HeaderMap>), h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    let trailers = body.trailers().await?;
    Ok((Response::from_parts(head, ()), bytes, trailers))
}

/// A client that writes its frames itself.
struct Raw {
    peer: DuplexStream,
    served: Served,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `:method GET`, `:scheme http`, `:path /` of HPACK's static table, and an authority.
const GET: &[u8] = b"\x82\x86\x84\x41\x01a";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

async fn raw(settings: Settings) -> Raw {
    let (mut peer, ours) = tokio::io::duplex(1 << 16);
    let served = serve_on(ours, settings);
    peer.write_all(&[&PREFACE[..], &frame(4, 0, 0, &[])].concat()).await.unwrap();
    Raw { peer, served }
}

impl Raw {
    /// Sends without end until the connection is ended, and says why it was.
    async fn flood(self, mut next: impl FnMut(u32) -> Vec<u8> + Send + 'static) -> Option<u32> {
        let (mut reader, mut writer) = tokio::io::split(self.peer);
        let sending = tokio::spawn(async move {
            for n in 0.. {
                if writer.write_all(&next(n)).await.is_err() {
                    return;
                }
            }
        });
        let reason = goaway(&mut reader).await;
        sending.abort();
        let _ = sending.await;
        drop(reader);
        self.served.done.await.unwrap();
        reason
    }
}

/// The error code of the next GOAWAY; `None`: the connection ended without.
async fn goaway(peer: &mut (impl AsyncRead + Unpin)) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        peer.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        peer.read_exact(&mut payload).await.ok()?;
        if head[3] == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}
