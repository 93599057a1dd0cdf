//! A client of HTTP/2 on the h2 crate, over TLS or by prior knowledge: for what curl cannot do with one connection, such as
//! giving up one request of many, or sending while it receives.
//!
//! Tests are plain functions; [`run`] runs what they do here, with a limit.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::request::HOST;
use super::tls::Tls;

/// No test takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs what a test does, which must end.
pub fn run<T>(what: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).thread_name("http2").enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LIMIT, what).await.expect("an end within the limit") })
}

/// A connection, over which many requests go.
#[derive(Clone)]
pub struct Http2 {
    send: SendRequest<Bytes>,
    scheme: &'static str,
}

/// A request that is being made.
pub struct Exchange {
    pub up: Up,
    pub down: Down,
}

/// The client's side of it.
pub struct Up(SendStream<Bytes>);

/// The server's side of it.
pub struct Down {
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub headers: HeaderMap,
    /// Whether nothing comes after it.
    pub ends: bool,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

impl Http2 {
    /// With TLS, the server must choose `h2`.
    pub async fn open(to: SocketAddr, tls: Option<&Tls>) -> Http2 {
        let socket = TcpStream::connect(to).await.expect("a connection");
        socket.set_nodelay(true).expect("a socket");
        Self::open_on(socket, tls).await
    }

    /// The same on a connection over which something went already.
    pub async fn open_on(socket: TcpStream, tls: Option<&Tls>) -> Http2 {
        let Some(tls) = tls else { return Self::begin_on(socket, "http").await };
        let stream = tls.connector().connect(tls.server_name(), socket).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self::begin_on(stream, "https").await
    }

    async fn begin_on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, scheme: &'static str) -> Http2 {
        let (send, connection) = h2::client::handshake(stream).await.expect("a preface");
        // Its end is seen by the requests that run.
        drop(tokio::spawn(connection));
        Http2 { send, scheme }
    }

    /// Begins a request whose body follows.
    pub async fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Exchange {
        let (response, stream) = self.send_head(method, path, headers, false).await;
        Exchange { up: Up(stream), down: Down { response: Some(response), body: None } }
    }

    /// Makes a request without a body.
    pub async fn get(&self, path: &str) -> Result<Answer, h2::Error> {
        let (response, _) = self.send_head("GET", path, &[], true).await;
        Down { response: Some(response), body: None }.whole().await
    }

    /// Makes a request with a body.
    pub async fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, h2::Error> {
        let Exchange { mut up, down } = self.begin(method, path, &[]).await;
        let send = async {
            up.send(body).await?;
            up.end()
        };
        // Whoever answers early may refuse the rest.
        let (_, answer) = tokio::join!(send, down.whole());
        answer
    }

    async fn send_head(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        ends: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let uri = format!("{}://{HOST}{path}", self.scheme);
        let mut head = Request::builder().method(method).uri(uri).version(http::Version::HTTP_2);
        for (name, value) in headers {
            head = head.header(*name, *value);
        }
        let mut send = self.send.clone().ready().await.expect("a connection that takes requests");
        send.send_request(head.body(()).expect("a request"), ends).expect("a stream")
    }
}

impl Up {
    /// Sends as the windows allow.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), h2::Error> {
        let mut left = Bytes::copy_from_slice(bytes);
        while !left.is_empty() {
            self.0.reserve_capacity(left.len());
            let Some(room) = std::future::poll_fn(|cx| self.0.poll_capacity(cx)).await else {
                return Err(Reason::STREAM_CLOSED.into());
            };
            let piece = left.split_to(room?.min(left.len()));
            self.0.send_data(piece, false)?;
        }
        Ok(())
    }

    pub fn end(&mut self) -> Result<(), h2::Error> {
        self.0.send_data(Bytes::new(), true)
    }

    /// Gives the whole request up.
    pub fn cancel(&mut self) {
        self.0.send_reset(Reason::CANCEL);
    }
}

impl Down {
    pub async fn head(&mut self) -> Result<Head, h2::Error> {
        let (parts, body) = self.response.take().expect("a head is waited for once").await?.into_parts();
        let ends = body.is_end_stream();
        self.body = Some(body);
        Ok(Head { status: parts.status.as_u16(), headers: parts.headers, ends })
    }

    /// The next bytes of the body.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let body = self.body.as_mut().expect("the head comes first");
        let Some(piece) = body.data().await.transpose()? else { return Ok(None) };
        body.flow_control().release_capacity(piece.len())?;
        Ok(Some(piece))
    }

    /// What stands after the body.
    pub async fn trailers(&mut self) -> Result<HeaderMap, h2::Error> {
        Ok(self.body.as_mut().expect("the head comes first").trailers().await?.unwrap_or_default())
    }

    pub async fn whole(mut self) -> Result<Answer, h2::Error> {
        let head = self.head().await?;
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        Ok(Answer { head, body, trailers: self.trailers().await? })
    }
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
