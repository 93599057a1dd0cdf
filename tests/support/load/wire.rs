//! A connection of a load: as strict as the blocking client, whose parser it shares, on tokio.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client::Failure;
use crate::support::parse::{content_length, framing, latin1, parse_head, parse_line};
use crate::support::request::Request;
use crate::support::response::{Framing, Head, Headers, Response};
use crate::support::tls::Tls;

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

pub struct Wire {
    stream: Box<dyn Socket>,
    /// Received and not yet read as part of an answer.
    buffer: Vec<u8>,
    patience: Duration,
    pub certificate: Option<CertificateDer<'static>>,
    pub resumed: bool,
}

/// Why there is no connection.
pub enum Unopened {
    Unconnected(Failure),
    Unshaken(Failure),
}

impl Wire {
    pub async fn open(to: SocketAddr, tls: Option<&Tls>, patience: Duration) -> Result<Wire, Unopened> {
        let stream = within(patience, TcpStream::connect(to)).await.map_err(Unopened::Unconnected)?;
        stream.set_nodelay(true).map_err(|e| Unopened::Unconnected(e.into()))?;
        let Some(tls) = tls else {
            return Ok(Wire {
                stream: Box::new(stream),
                buffer: Vec::new(),
                patience,
                certificate: None,
                resumed: false,
            });
        };
        let stream = within(patience, tls.connector().connect(tls.server_name(), stream));
        let stream = stream.await.map_err(Unopened::Unshaken)?;
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().and_then(|chain| chain.first()).cloned();
        let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        Ok(Wire { stream: Box::new(stream), buffer: Vec::new(), patience, certificate, resumed })
    }

    /// Sends a request and reads its whole answer.
    pub async fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        // A server may answer and close before it has read everything: then the answer counts, not the failed write.
        let written = self.write(&request.bytes()).await;
        match self.response(request.method()).await {
            Err(Failure::Closed) => Err(written.err().unwrap_or(Failure::Closed)),
            outcome => outcome,
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Wire { stream, patience, .. } = self;
        within(*patience, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        })
        .await
    }

    async fn response(&mut self, method: &str) -> Result<Response, Failure> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.head().await?;
            match head.status {
                100..=199 if head.status != 101 => interim.push(head),
                _ => break head,
            }
        };
        let framing = framing(&head, method)?;
        let mut response = Response { head, framing, body: Vec::new(), trailers: Headers::default(), interim };
        match self.body(&mut response).await {
            Ok(()) => Ok(response),
            Err(failure) => Err(Failure::Cut(Box::new(response), failure.to_string())),
        }
    }

    pub async fn head(&mut self) -> Result<Head, Failure> {
        let mut lines = Vec::new();
        loop {
            let line = match self.line().await {
                Err(Failure::Closed) if !lines.is_empty() => {
                    return Err(Failure::Malformed(format!("the connection ended in the head, after {lines:?}")));
                }
                line => line?,
            };
            if line.is_empty() {
                return parse_head(&lines);
            }
            lines.push(line);
        }
    }

    async fn body(&mut self, response: &mut Response) -> Result<(), Failure> {
        match response.framing {
            Framing::None => Ok(()),
            Framing::Length => {
                let length = content_length(&response.head.headers)?.unwrap_or(0);
                self.take(length as usize, &mut response.body).await
            }
            Framing::Chunked => {
                while self.chunk(&mut response.body).await? {}
                self.trailers(&mut response.trailers).await
            }
            Framing::Close => loop {
                response.body.append(&mut self.buffer);
                match self.fill().await {
                    Err(Failure::Closed) => return Ok(()),
                    more => more?,
                }
            },
        }
    }

    /// Reads a chunk; false: it was the last one, and trailers follow.
    pub async fn chunk(&mut self, into: &mut Vec<u8>) -> Result<bool, Failure> {
        let line = self.line().await?;
        let digits = line.split(';').next().unwrap_or_default().trim_end();
        let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        let size = size.ok_or_else(|| Failure::Malformed(format!("a chunk's size: {line:?}")))?;
        if size == 0 {
            return Ok(false);
        }
        self.take(size, into).await?;
        match self.line().await?.as_str() {
            "" => Ok(true),
            other => Err(Failure::Malformed(format!("after a chunk: {other:?}"))),
        }
    }

    async fn trailers(&mut self, into: &mut Headers) -> Result<(), Failure> {
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(());
            }
            into.0.push(parse_line(&line)?);
        }
    }

    /// Whether the server says that the connection ends with this answer.
    pub fn is_last(&self, answer: &Response) -> bool {
        let says = |token: &str| {
            answer
                .head
                .headers
                .all("connection")
                .flat_map(|v| v.split(','))
                .any(|v| v.trim().eq_ignore_ascii_case(token))
        };
        says("close") || (answer.head.version == "HTTP/1.0" && !says("keep-alive")) || answer.framing == Framing::Close
    }

    /// Sees the connection end, with nothing before.
    pub async fn ends(&mut self) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            return Err(self.unasked());
        }
        match self.fill().await {
            Err(Failure::Closed) => Ok(()),
            Ok(()) => Err(self.unasked()),
            Err(failure) => Err(failure),
        }
    }

    /// Sees nothing happen for this long.
    pub async fn rests(&mut self, pause: Duration) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            return Err(self.unasked());
        }
        match timeout(pause, self.fill()).await {
            Err(_) => Ok(()),
            Ok(Ok(())) => Err(self.unasked()),
            Ok(Err(failure)) => Err(failure),
        }
    }

    fn unasked(&self) -> Failure {
        Failure::Malformed(format!("bytes that nobody asked for: {:?}", latin1(&self.buffer)))
    }

    /// A line without its CRLF.
    async fn line(&mut self) -> Result<String, Failure> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                return match line.strip_suffix(b"\r\n") {
                    Some(line) => Ok(latin1(line)),
                    None => Err(Failure::Malformed(format!("a line without CR: {:?}", latin1(&line)))),
                };
            }
            searched = self.buffer.len();
            if searched > 1 << 20 {
                return Err(Failure::Malformed("a line of more than 1 MiB".into()));
            }
            match self.fill().await {
                Err(Failure::Closed) if searched > 0 => {
                    let begun = latin1(&self.buffer);
                    return Err(Failure::Malformed(format!("the connection ended in a line: {begun:?}")));
                }
                more => more?,
            }
        }
    }

    /// Exactly this much.
    pub async fn take(&mut self, count: usize, into: &mut Vec<u8>) -> Result<(), Failure> {
        let mut left = count;
        loop {
            let now = left.min(self.buffer.len());
            into.extend(self.buffer.drain(..now));
            left -= now;
            if left == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        let Wire { stream, buffer, patience, .. } = self;
        match within(*patience, stream.read_buf(buffer)).await? {
            0 => Err(Failure::Closed),
            _ => Ok(()),
        }
    }
}

async fn within<T>(limit: Duration, what: impl Future<Output = std::io::Result<T>>) -> Result<T, Failure> {
    match timeout(limit, what).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Failure::Timeout(format!("for {limit:?}"))),
    }
}
