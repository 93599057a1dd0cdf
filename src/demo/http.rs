//! A small HTTP/1.1 server for the stand-ins: keep-alive, pipelining, bodies read and thrown away.
//!
//! Everything a client can make it hold is bounded (head, number of headers, body, time), a message whose end is in
//! doubt ends the connection, and what Tomcat's connector does is done: no Host or two are refused, `OPTIONS *` is
//! answered, the hundredth answer of a connection is its last, and an idle one is closed after 20 seconds.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const HEAD_LIMIT: usize = 16 << 10;
const HEADER_LIMIT: usize = 100;
const BODY_LIMIT: u64 = 1 << 20;
/// Between two requests (`keepAliveTimeout`), and for each piece of one.
const IDLE: Duration = Duration::from_secs(20);
/// `maxKeepAliveRequests`.
const REQUESTS: u32 = 100;
const WRITE: Duration = Duration::from_secs(20);

pub(super) struct Request {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    headers: Vec<(String, String)>,
    version: u8,
}

impl Request {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every line of that name; bytes beyond ASCII have become U+FFFD.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let same = move |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str())
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
    }

    fn persistence(&self, is_last: bool) -> Persistence {
        let asked = self.has_token("connection", "keep-alive");
        match self.version {
            _ if is_last || self.has_token("connection", "close") => Persistence::Close,
            0 if !asked => Persistence::Close,
            _ if asked => Persistence::Announced,
            _ => Persistence::Silent,
        }
    }
}

/// Whether the connection goes on, and whether that has to be said.
#[derive(Clone, Copy, PartialEq)]
enum Persistence {
    Close,
    Silent,
    Announced,
}

pub(super) struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Response {
    pub fn new(status: u16, kind: &str, body: impl Into<Bytes>) -> Response {
        Response { status, headers: vec![("Content-Type", kind.to_string())], body: body.into() }
    }

    pub fn json(value: &serde_json::Value) -> Response {
        Response::new(200, "application/json", value.to_string()).with("Cache-Control", "no-store")
    }

    /// A page with the status in words.
    pub fn plain(status: u16) -> Response {
        Response::new(status, "text/plain", format!("{status} {}\n", reason(status)))
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }
}

enum Trouble {
    /// The client went away, or was too slow.
    Gone,
    Refuse(u16),
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Trouble {
        Trouble::Gone
    }
}

/// Answers requests until one side has enough.
pub(super) async fn serve<F, R>(stream: TcpStream, answer: F)
where
    F: Fn(Request) -> R,
    R: Future<Output = Response>,
{
    serve_unless(stream, &AtomicBool::new(false), answer).await;
}

/// The same; what comes after `paused` is set waits for an answer until the process ends, and then sees a reset.
pub(super) async fn serve_unless<F, R>(mut stream: TcpStream, paused: &AtomicBool, answer: F)
where
    F: Fn(Request) -> R,
    R: Future<Output = Response>,
{
    let mut input = BytesMut::with_capacity(4096);
    for left in (0..REQUESTS).rev() {
        let read = read_request(&mut stream, &mut input).await;
        if paused.load(Ordering::SeqCst) {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            return std::future::pending().await;
        }
        let (bodiless, persistence, response) = match read {
            Ok(request) => {
                let (head, persistence) = (request.method == "HEAD", request.persistence(left == 0));
                (head, persistence, answer_or_connector(request, &answer).await)
            }
            Err(Trouble::Refuse(status)) => (false, Persistence::Close, Response::plain(status)),
            Err(Trouble::Gone) => return,
        };
        let open = persistence != Persistence::Close;
        let bytes = encode(&response, bodiless, persistence);
        let sent = timeout(WRITE, stream.write_all(&bytes)).await;
        if !open || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// `OPTIONS *` is for the server, not for one of its applications.
async fn answer_or_connector<F, R>(request: Request, answer: &F) -> Response
where
    F: Fn(Request) -> R,
    R: Future<Output = Response>,
{
    match (&request.target[..], &request.method[..]) {
        ("*", "OPTIONS") => {
            let allow = ("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS".to_string());
            Response { status: 200, headers: vec![allow], body: Bytes::new() }
        }
        ("*", _) => Response::plain(400),
        _ => answer(request).await,
    }
}

async fn read_request(stream: &mut TcpStream, input: &mut BytesMut) -> Result<Request, Trouble> {
    let request = loop {
        if let Some((request, length)) = parse(input)? {
            input.advance(length);
            break request;
        }
        more(stream, input).await?;
    };
    if request.version == 1 && request.all("host").count() != 1 {
        return Err(Trouble::Refuse(400));
    }
    if request.has_token("expect", "100-continue") {
        timeout(WRITE, stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")).await.map_err(|_| Trouble::Gone)??;
    }
    skip_body(&request, stream, input).await?;
    Ok(request)
}

async fn more(stream: &mut TcpStream, input: &mut BytesMut) -> Result<(), Trouble> {
    match timeout(IDLE, stream.read_buf(input)).await {
        Ok(Ok(read)) if read > 0 => Ok(()),
        _ => Err(Trouble::Gone),
    }
}

fn parse(input: &[u8]) -> Result<Option<(Request, usize)>, Trouble> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(input) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_LIMIT => length,
        Ok(httparse::Status::Partial) if input.len() < HEAD_LIMIT => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Trouble::Refuse(431)),
        Err(_) => return Err(Trouble::Refuse(400)),
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let request = Request {
        method: head.method.unwrap_or_default().to_string(),
        target: head.path.unwrap_or_default().to_string(),
        headers: head.headers.iter().map(|line| (line.name.to_string(), text(line.value))).collect(),
        version: head.version.unwrap_or(0),
    };
    Ok(Some((request, length)))
}

async fn skip_body(request: &Request, stream: &mut TcpStream, input: &mut BytesMut) -> Result<(), Trouble> {
    let lengths: Vec<&str> = request.all("content-length").collect();
    let codings: Vec<&str> = request.all("transfer-encoding").collect();
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(()),
        ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length = length.parse().ok().filter(|length| *length <= BODY_LIMIT);
            skip(length.ok_or(Trouble::Refuse(413))?, stream, input).await
        }
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => skip_chunks(stream, input).await,
        ([_, ..], []) => Err(Trouble::Refuse(501)),
        // Two ends: whoever is in front may have believed the other one.
        _ => Err(Trouble::Refuse(400)),
    }
}

async fn skip(mut length: u64, stream: &mut TcpStream, input: &mut BytesMut) -> Result<(), Trouble> {
    loop {
        let here = length.min(input.len() as u64);
        input.advance(here as usize);
        length -= here;
        if length == 0 {
            return Ok(());
        }
        more(stream, input).await?;
    }
}

async fn skip_chunks(stream: &mut TcpStream, input: &mut BytesMut) -> Result<(), Trouble> {
    let mut total = 0;
    loop {
        let size = loop {
            match httparse::parse_chunk_size(input) {
                Ok(httparse::Status::Complete((line, size))) => {
                    input.advance(line);
                    break size;
                }
                Ok(httparse::Status::Partial) if input.len() < HEAD_LIMIT => more(stream, input).await?,
                _ => return Err(Trouble::Refuse(400)),
            }
        };
        total = size.saturating_add(total);
        if total > BODY_LIMIT {
            return Err(Trouble::Refuse(413));
        }
        if size == 0 {
            return skip_trailers(stream, input).await;
        }
        skip(size + 2, stream, input).await?;
    }
}

async fn skip_trailers(stream: &mut TcpStream, input: &mut BytesMut) -> Result<(), Trouble> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        match httparse::parse_headers(input, &mut headers) {
            Ok(httparse::Status::Complete((length, _))) => {
                input.advance(length);
                return Ok(());
            }
            Ok(httparse::Status::Partial) if input.len() < HEAD_LIMIT => more(stream, input).await?,
            _ => return Err(Trouble::Refuse(400)),
        }
    }
}

fn encode(response: &Response, bodiless: bool, persistence: Persistence) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if response.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
    }
    head.push_str(&format!("Date: {}\r\n", httpdate::fmt_http_date(SystemTime::now())));
    head.push_str(match persistence {
        Persistence::Close => "Connection: close\r\n\r\n",
        Persistence::Silent => "\r\n",
        Persistence::Announced => "Keep-Alive: timeout=20\r\nConnection: keep-alive\r\n\r\n",
    });
    let mut bytes = head.into_bytes();
    if !bodiless {
        bytes.extend_from_slice(&response.body);
    }
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        303 => "See Other",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        _ => "Not Implemented",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::service::Service;
    use std::sync::Arc;

    /// Sends bytes to a server that answers with the target, and reads until it closes.
    async fn exchange(send: &[u8]) -> String {
        let answer = |request: Request| async move { Response::new(200, "text/plain", request.target) };
        let serve = Arc::new(move |stream| Box::pin(serve(stream, answer)) as _);
        let service = Service::start(0, serve).await.unwrap();
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        let mut reply = Vec::new();
        let (mut read, mut write) = stream.split();
        let _ = tokio::join!(write.write_all(send), read.read_to_end(&mut reply));
        String::from_utf8(reply).unwrap()
    }

    #[tokio::test]
    async fn pipelined_requests_with_bodies_of_both_kinds_are_told_apart() {
        let reply = exchange(
            b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
              POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n\
              HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n\
              GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 4, "{reply}");
        for (target, times) in [("/length", 1), ("/chunks", 1), ("/head", 0), ("/last", 1)] {
            assert_eq!(reply.matches(target).count(), times, "{reply}");
        }
    }

    #[tokio::test]
    async fn the_connector_answers_for_itself_and_says_how_long_it_keeps_a_connection_only_if_asked() {
        let star = exchange(
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n\
              GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(star.starts_with("HTTP/1.1 200 OK\r\nAllow: GET, HEAD,"), "{star}");
        assert_eq!(star.matches("Keep-Alive: timeout=20\r\nConnection: keep-alive\r\n").count(), 1, "{star}");
        assert_eq!(star.matches("HTTP/1.1 400 ").count(), 1, "{star}");
    }

    #[tokio::test]
    async fn the_hundredth_answer_is_the_last_one() {
        let reply = exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(101).as_bytes()).await;
        assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 100);
        assert_eq!(reply.matches("Connection: close").count(), 1);
        assert_eq!(reply.matches("Keep-Alive").count(), 0);
    }

    #[tokio::test]
    async fn what_is_malformed_or_too_much_is_refused_and_the_connection_closed() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(20_000));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101));
        for (send, status) in [
            ("nonsense\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            (&long, 431),
            (&many, 431),
        ] {
            let reply = exchange(send.as_bytes()).await;
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{send:.60}: {reply}");
        }
    }
}
