//! A strict, blocking HTTP/1 client on a TCP connection, plain or with TLS.
//!
//! It shows what came over the wire and believes nothing: an answer that HTTP does not allow, or that ends before its
//! framing says so, is a failure, never a shorter answer. Anything can be sent. Every wait has a limit.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::parse::{content_length, framing, latin1, parse_head, parse_line};
use super::ports;
use super::request::{self, Request};
use super::response::{Framing, Head, Headers, Response};
use super::tls::{self, Tls};

/// How long any single wait may take, unless a test says otherwise.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Client {
    stream: TcpStream,
    /// The TLS connection on that stream, if it has one.
    tls: Option<Box<tls::Wire>>,
    /// Received and not yet read as part of an answer.
    buffer: Vec<u8>,
    body: Body,
    trailers: Headers,
}

/// Why there is no (whole) answer.
pub enum Failure {
    /// The connection ended before the first byte of an answer.
    Closed,
    /// The connection broke: refused, reset.
    Broken(String),
    /// Nothing came for as long as the client waits.
    Timeout(String),
    /// What came is not HTTP.
    Malformed(String),
    /// The head came, but the body ended before its end.
    Cut(Box<Response>, String),
}

/// Where the body that is being read stands.
#[derive(Clone, Copy)]
enum Body {
    Done,
    Length(u64),
    ChunkHead,
    Chunk(u64),
    Close,
}

/// GET on a connection of its own; a failure ends the test.
pub fn get(to: SocketAddr, target: &str) -> Response {
    request::get(target).send(to)
}

pub fn try_get(to: SocketAddr, target: &str) -> Result<Response, Failure> {
    request::get(target).try_send(to)
}

impl Client {
    pub fn connect(to: SocketAddr) -> Client {
        Self::try_connect(to).unwrap_or_else(|failure| panic!("connecting to {to}: {failure}"))
    }

    pub fn try_connect(to: SocketAddr) -> Result<Client, Failure> {
        Self::on(TcpStream::connect_timeout(&to, PATIENCE)?)
    }

    /// Connects as over a network of small packets, with hardly any room for what is not read yet: on loopback the
    /// kernel would otherwise take megabytes off a server's hands.
    pub fn connect_narrowly(to: SocketAddr) -> Client {
        let stream = ports::connect_with_small_buffers(to).expect("connecting");
        Self::on(stream).unwrap_or_else(|failure| panic!("connecting to {to}: {failure}"))
    }

    /// Connects and shakes hands; a failure of either ends the test.
    pub fn connect_tls(to: SocketAddr, tls: &Tls) -> Client {
        Self::try_connect_tls(to, tls).unwrap_or_else(|failure| panic!("connecting to {to} with TLS: {failure}"))
    }

    pub fn try_connect_tls(to: SocketAddr, tls: &Tls) -> Result<Client, Failure> {
        let mut client = Self::try_connect(to)?;
        client.tls = Some(Box::new(tls.connect(client.stream.try_clone()?)?));
        Ok(client)
    }

    /// Connects from this address of loopback's.
    pub fn connect_from(from: std::net::Ipv4Addr, to: SocketAddr) -> Client {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of loopback's");
        socket.connect_timeout(&to.into(), PATIENCE).unwrap_or_else(|e| panic!("connecting to {to} from {from}: {e}"));
        Self::on(socket.into()).unwrap_or_else(|failure| panic!("connecting to {to}: {failure}"))
    }

    fn on(stream: TcpStream) -> Result<Client, Failure> {
        stream.set_nodelay(true)?;
        let mut client =
            Client { stream, tls: None, buffer: Vec::new(), body: Body::Done, trailers: Headers::default() };
        client.set_patience(PATIENCE);
        Ok(client)
    }

    /// How long any single wait may take from now on.
    pub fn set_patience(&mut self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).expect("a limit that is not zero");
        self.stream.set_write_timeout(Some(limit)).expect("a limit that is not zero");
    }

    /// The connection itself, below TLS if it has that, for what this client has no word for.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What was agreed on in the handshake, of a connection with TLS.
    pub fn tls(&self) -> Option<&rustls::ClientConnection> {
        self.tls.as_ref().map(|wire| &wire.conn)
    }

    /// Sends these bytes, whatever they are.
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.tls {
            Some(wire) => {
                wire.write_all(bytes)?;
                Ok(wire.flush()?)
            }
            None => Ok(self.stream.write_all(bytes)?),
        }
    }

    /// Reads whatever comes next, outside of any answer; 0 at the end.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        Ok(match &mut self.tls {
            Some(wire) => wire.read(into)?,
            None => self.stream.read(into)?,
        })
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes.as_ref()).unwrap_or_else(|failure| panic!("writing: {failure}"));
    }

    /// Each byte in a packet of its own.
    pub fn write_byte_by_byte(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes {
            self.write([*byte]);
            std::thread::sleep(pause);
        }
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        // A server may answer and close before it has read everything: then the answer counts, not the failed write.
        let written = self.try_write(&request.bytes());
        match self.response(request.method()) {
            Err(Failure::Closed) => Err(written.err().unwrap_or(Failure::Closed)),
            outcome => outcome,
        }
    }

    /// Reads one answer to a request with this method, with all 1xx before it.
    pub fn response(&mut self, method: &str) -> Result<Response, Failure> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.head(method)?;
            match head.status {
                100..=199 if head.status != 101 => interim.push(head),
                _ => break head,
            }
        };
        let framing = framing(&head, method)?;
        let mut response = Response { head, framing, body: Vec::new(), trailers: Headers::default(), interim };
        loop {
            match self.piece() {
                Ok(Some(piece)) => response.body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(failure) => return Err(Failure::Cut(Box::new(response), failure.to_string())),
            }
        }
        response.trailers = std::mem::take(&mut self.trailers);
        Ok(response)
    }

    /// Reads the next head, which may be a 1xx. The body, if it has one, is read with `piece`.
    pub fn head(&mut self, method: &str) -> Result<Head, Failure> {
        let mut lines = Vec::new();
        loop {
            let line = match self.line() {
                Err(Failure::Closed) if !lines.is_empty() => {
                    return Err(Failure::Malformed(format!("the connection ended in the head, after {lines:?}")));
                }
                line => line?,
            };
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let head = parse_head(&lines)?;
        self.body = match framing(&head, method)? {
            Framing::None => Body::Done,
            Framing::Chunked => Body::ChunkHead,
            Framing::Close => Body::Close,
            Framing::Length => Body::Length(content_length(&head.headers)?.unwrap_or(0)),
        };
        Ok(head)
    }

    /// Reads what there is next of the body, as soon as there is something; None at its end.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            match self.body {
                Body::Done => return Ok(None),
                Body::Length(0) => self.body = Body::Done,
                Body::Length(left) => {
                    let piece = self.take(left)?;
                    self.body = Body::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::ChunkHead => self.body = self.chunk_head()?,
                Body::Chunk(0) => {
                    match self.line()?.as_str() {
                        "" => self.body = Body::ChunkHead,
                        other => return Err(Failure::Malformed(format!("after a chunk: {other:?}"))),
                    };
                }
                Body::Chunk(left) => {
                    let piece = self.take(left)?;
                    self.body = Body::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::Close => match self.take(u64::MAX) {
                    Err(Failure::Closed) => self.body = Body::Done,
                    piece => return piece.map(Some),
                },
            }
        }
    }

    /// Whether the other side has not closed the connection, as far as one can see now.
    pub fn is_open(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket can be asked without waiting");
        let seen = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket can wait again");
        !matches!(seen, Ok(0)) && !matches!(seen, Err(ref e) if e.kind() != ErrorKind::WouldBlock)
    }

    /// Waits until the other side closes, reading whatever comes; false if it does not within the limit.
    pub fn wait_closed(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let patience = self.stream.read_timeout().ok().flatten();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let _ = self.stream.set_read_timeout(patience);
                return false;
            }
            self.stream.set_read_timeout(Some(left)).expect("a limit that is not zero");
            match self.fill() {
                Err(Failure::Timeout(_)) | Ok(()) => continue,
                Err(_) => return true,
            }
        }
    }

    /// Bytes that came and belong to no answer read so far.
    pub fn left_over(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether something can be read within this time.
    pub fn wait_readable(&mut self, limit: Duration) -> bool {
        let patience = self.stream.read_timeout().ok().flatten();
        let _ = self.stream.set_read_timeout(Some(limit));
        let seen = !self.buffer.is_empty() || self.stream.peek(&mut [0]).is_ok();
        let _ = self.stream.set_read_timeout(patience);
        seen
    }

    /// Gives a narrow connection room again.
    pub fn hurry(&self) {
        let _ = ports::set_option(&self.stream, libc::SOL_SOCKET, libc::SO_RCVBUF, 1 << 20);
    }

    /// Takes at most this much of what has arrived, without waiting; `response` reads it later.
    pub fn sip(&mut self, most: usize) {
        let mut piece = vec![0; most];
        self.stream.set_nonblocking(true).expect("a socket can be asked without waiting");
        let got = self.stream.read(&mut piece);
        self.stream.set_nonblocking(false).expect("a socket can wait again");
        if let Ok(count) = got {
            self.buffer.extend_from_slice(&piece[..count]);
        }
    }

    fn chunk_head(&mut self) -> Result<Body, Failure> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim_end();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Failure::Malformed(format!("a chunk's size: {line:?}")));
        }
        let size = u64::from_str_radix(digits, 16).map_err(|e| Failure::Malformed(format!("{line:?}: {e}")))?;
        if size > 0 {
            return Ok(Body::Chunk(size));
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Body::Done);
            }
            self.trailers.0.push(parse_line(&line)?);
        }
    }

    /// A line without its CRLF.
    fn line(&mut self) -> Result<String, Failure> {
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
            self.fill().map_err(|failure| match failure {
                Failure::Closed if searched > 0 => {
                    Failure::Malformed(format!("the connection ended in a line: {:?}", latin1(&self.buffer)))
                }
                other => other,
            })?;
        }
    }

    /// What has arrived, at most this much; waits if there is nothing.
    fn take(&mut self, most: u64) -> Result<Vec<u8>, Failure> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        let count = (self.buffer.len() as u64).min(most) as usize;
        Ok(self.buffer.drain(..count).collect())
    }

    fn fill(&mut self) -> Result<(), Failure> {
        let mut piece = vec![0; 64 * 1024];
        match self.read(&mut piece)? {
            0 => Err(Failure::Closed),
            count => {
                self.buffer.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Timeout(error.to_string()),
            _ => Failure::Broken(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Closed => write!(out, "closed without an answer"),
            Failure::Broken(why) => write!(out, "broken: {why}"),
            Failure::Timeout(why) => write!(out, "nothing came: {why}"),
            Failure::Malformed(why) => write!(out, "not HTTP: {why}"),
            Failure::Cut(response, why) => write!(out, "cut in the body ({why}) after:\n{response}"),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
