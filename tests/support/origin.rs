//! A backend that speaks TLS, HTTP/2, or both, and remembers what it was asked and how.
//!
//! Over HTTP/1 it answers 200 with what [`Call::told`] says, over HTTP/2 what the path asks for: `/echo` the body, `/back` each
//! piece of the body as it comes and then `grpc-status: 0`, `/only` trailers alone, `/refuse` a refusal of the first such
//! stream, `/status/NNN` that status, `/kept/NNN` [`LONG`] bytes for so many seconds and 304 to whoever has them, `/broken` a part of
//! as many, `/test.Echo/…` the calls of [`super::grpc::service`].

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Issued};
use super::grpc::service::Service;
use super::ports;

/// Bytes of an answer that may be kept.
pub const LONG: usize = 300_000;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Which connection it came over, from 1.
    pub connection: usize,
    pub http2: bool,
    pub method: String,
    /// `:path` and `:authority`, or target and `Host`.
    pub path: String,
    pub authority: String,
    pub scheme: String,
    pub headers: Vec<(String, String)>,
    pub body_length: usize,
    /// The name that was sent with the handshake.
    pub sni: Option<String>,
    /// Whether a certificate was shown.
    pub certified: bool,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn told(&self) -> String {
        let sni = self.sni.as_deref().unwrap_or("-");
        let protocol = if self.http2 { "h2" } else { "h1" };
        format!("{protocol} {} sni={sni} certified={}", self.authority, self.certified)
    }
}

#[derive(Default)]
struct Seen {
    calls: Mutex<Vec<Call>>,
    connections: AtomicUsize,
    refusals: AtomicUsize,
    service: Service,
}

pub struct Origin {
    address: SocketAddr,
    seen: Arc<Seen>,
    _runtime: Runtime,
}

impl Origin {
    /// HTTP/2 without TLS.
    pub fn h2c() -> Origin {
        Self::start(None)
    }

    /// TLS, with HTTP/2 and HTTP/1.1 to choose from.
    pub fn tls(identity: &Issued) -> Origin {
        Self::start(Some(Self::config(identity, None, &["h2", "http/1.1"])))
    }

    /// TLS without a word of HTTP/2.
    pub fn tls_http1(identity: &Issued) -> Origin {
        Self::start(Some(Self::config(identity, None, &[])))
    }

    /// TLS, for those only who show a certificate of this authority.
    pub fn mutual(identity: &Issued, clients: &Authority) -> Origin {
        Self::start(Some(Self::config(identity, Some(clients), &["http/1.1"])))
    }

    fn config(identity: &Issued, clients: Option<&Authority>, protocols: &[&str]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut store = RootCertStore::empty();
                store.add(authority.der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
                builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(vec![identity.der()], identity.key_der()).unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        config
    }

    fn start(tls: Option<ServerConfig>) -> Origin {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = ports::local(ports::free());
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let seen = Arc::new(Seen::default());
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        runtime.spawn(listen(listener, acceptor, seen.clone()));
        Origin { address, seen, _runtime: runtime }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn calls(&self) -> Vec<Call> {
        self.seen.calls.lock().unwrap().clone()
    }

    pub fn last(&self) -> Call {
        self.calls().pop().expect("a call")
    }

    /// Refuses no stream.
    pub fn refuse_none(&self) {
        self.seen.refusals.store(1, Ordering::SeqCst);
    }

    /// What it does for gRPC.
    pub fn service(&self) -> &Service {
        &self.seen.service
    }

    /// Connections over which a handshake went well.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

async fn listen(listener: TcpListener, acceptor: Option<TlsAcceptor>, seen: Arc<Seen>) {
    while let Ok((socket, _)) = listener.accept().await {
        // A test's errors are what the edge says of them.
        drop(tokio::spawn(serve(socket, acceptor.clone(), seen.clone())));
    }
}

async fn serve(socket: TcpStream, acceptor: Option<TlsAcceptor>, seen: Arc<Seen>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut facts = Call::default();
    let Some(acceptor) = acceptor else {
        facts.connection = seen.connections.fetch_add(1, Ordering::SeqCst) + 1;
        return serve_http2(socket, facts, seen).await;
    };
    let stream = acceptor.accept(socket).await?;
    let tls = stream.get_ref().1;
    facts.sni = tls.server_name().map(str::to_owned);
    facts.certified = tls.peer_certificates().is_some();
    facts.connection = seen.connections.fetch_add(1, Ordering::SeqCst) + 1;
    match tls.alpn_protocol() {
        Some(b"h2") => serve_http2(stream, facts, seen).await,
        _ => serve_http1(stream, facts, seen).await,
    }
}

async fn serve_http1(mut stream: impl AsyncRead + AsyncWrite + Unpin, facts: Call, seen: Arc<Seen>) -> io::Result<()> {
    let mut arrived = Vec::new();
    loop {
        while !arrived.windows(4).any(|four| four == b"\r\n\r\n") {
            if stream.read_buf(&mut arrived).await? == 0 {
                return Ok(());
            }
        }
        let end = arrived.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(arrived.drain(..end).collect()).unwrap();
        let mut call = facts.clone();
        let mut words = head.split(' ');
        call.method = words.next().unwrap_or_default().into();
        call.path = words.next().unwrap_or_default().into();
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        call.headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        call.authority = call.header("host").unwrap_or_default().into();
        call.body_length = call.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        while arrived.len() < call.body_length {
            stream.read_buf(&mut arrived).await?;
        }
        arrived.drain(..call.body_length);
        let told = call.told();
        seen.calls.lock().unwrap().push(call);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len());
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
}

async fn serve_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    facts: Call,
    seen: Arc<Seen>,
) -> io::Result<()> {
    let mut connection = h2::server::handshake(stream).await.map_err(io::Error::other)?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted.map_err(io::Error::other)?;
        drop(tokio::spawn(answer(request, respond, facts.clone(), seen.clone())));
    }
    Ok(())
}

type Respond = h2::server::SendResponse<Bytes>;

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: Respond,
    mut call: Call,
    seen: Arc<Seen>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    call.http2 = true;
    call.method = head.method.to_string();
    call.path = head.uri.path().to_owned();
    call.authority = head.uri.authority().map(ToString::to_string).unwrap_or_default();
    call.scheme = head.uri.scheme_str().unwrap_or_default().to_owned();
    let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    call.headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    if let Some(method) = call.path.strip_prefix("/test.Echo/").map(str::to_owned) {
        seen.calls.lock().unwrap().push(call);
        seen.service.answer(&method, body, respond).await;
        return Ok(());
    }
    if call.path == "/back" {
        seen.calls.lock().unwrap().push(call);
        return send_back(body, respond).await;
    }
    if call.path == "/refuse" && seen.refusals.fetch_add(1, Ordering::SeqCst) == 0 {
        respond.send_reset(h2::Reason::REFUSED_STREAM);
        return Ok(());
    }
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        let _ = body.flow_control().release_capacity(piece.len());
        whole.extend_from_slice(&piece);
    }
    call.body_length = whole.len();
    if call.path == "/broken" || call.path.starts_with("/kept/") {
        let (path, known) = (call.path.clone(), call.header("if-none-match") == Some("\"k\""));
        seen.calls.lock().unwrap().push(call);
        return send_kept(&path, known, respond).await;
    }
    let (path, told) = (call.path.clone(), call.told());
    seen.calls.lock().unwrap().push(call);
    if path == "/only" {
        let head = http::Response::builder().header("content-type", "application/grpc").header("grpc-status", "12");
        respond.send_response(head.body(()).unwrap(), true)?;
        return Ok(());
    }
    let status = path.strip_prefix("/status/").map_or(200, |status| status.parse().unwrap());
    let mut stream = respond.send_response(http::Response::builder().status(status).body(()).unwrap(), false)?;
    let content = if path == "/echo" { whole } else { told.into_bytes() };
    send(&mut stream, content.into(), true).await
}

async fn send_kept(path: &str, known: bool, mut respond: Respond) -> Result<(), h2::Error> {
    let seconds = path.strip_prefix("/kept/").unwrap_or("600");
    let head = http::Response::builder()
        .status(if known { 304 } else { 200 })
        .header("cache-control", format!("max-age={seconds}"))
        .header("accept-ranges", "bytes")
        .header("etag", "\"k\"")
        .header("x-kept", "yes");
    if known {
        return respond.send_response(head.body(()).unwrap(), true).map(drop);
    }
    let mut stream = respond.send_response(head.header("content-length", LONG).body(()).unwrap(), false)?;
    let content: Vec<u8> = (0..LONG).map(|i| (i * 7 % 251) as u8).collect();
    if path != "/broken" {
        return send(&mut stream, content.into(), true).await;
    }
    send(&mut stream, content[..LONG / 3].to_vec().into(), false).await?;
    // What was sent is on its way before the end of it.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    stream.send_reset(h2::Reason::INTERNAL_ERROR);
    Ok(())
}

/// Each piece as it comes; at the end the trailers of a call that went well.
async fn send_back(mut body: h2::RecvStream, mut respond: Respond) -> Result<(), h2::Error> {
    let head = http::Response::builder().header("content-type", "application/grpc");
    let mut stream = respond.send_response(head.body(()).unwrap(), false)?;
    while let Some(piece) = body.data().await {
        let piece = piece?;
        let _ = body.flow_control().release_capacity(piece.len());
        send(&mut stream, piece, false).await?;
    }
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    stream.send_trailers(trailers)
}

/// Sends as the windows allow.
pub async fn send(stream: &mut h2::SendStream<Bytes>, mut content: Bytes, last: bool) -> Result<(), h2::Error> {
    while !content.is_empty() {
        stream.reserve_capacity(content.len());
        let Some(room) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
        let piece = content.split_to(room?.min(content.len()));
        let done = content.is_empty() && last;
        stream.send_data(piece, done)?;
        if done {
            return Ok(());
        }
    }
    if last { stream.send_data(Bytes::new(), true) } else { Ok(()) }
}
