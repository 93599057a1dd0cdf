//! A small `ProxyHttp` and the loop that an owner writes around it.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{GetSocketDigest, SocketDigest, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, HttpProxy, ProxyHttp, Session, http_proxy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::client::*;

/// A front that answers `/direct…` itself, collects the body of `/collect…`, and streams all else, to its upstreams in
/// turn.
pub struct Front {
    upstreams: Vec<SocketAddr>,
    next: AtomicUsize,
    log: Arc<Log>,
}

/// A line for each request.
#[derive(Default)]
pub struct Log {
    lines: Mutex<Vec<String>>,
    logged: Notify,
}

impl Log {
    /// The lines, once there are as many.
    pub async fn lines(&self, count: usize) -> Vec<String> {
        loop {
            let logged = self.logged.notified();
            let lines = self.lines.lock().unwrap().clone();
            if lines.len() >= count {
                return lines;
            }
            logged.await;
        }
    }
}

#[derive(Default)]
pub struct Ctx {
    connection: Option<Arc<Connection>>,
    body: Option<Body>,
    tries: usize,
    /// How much of the body went to the upstream.
    sent: usize,
}

impl Ctx {
    fn connection(&self) -> &Arc<Connection> {
        self.connection.as_ref().unwrap()
    }
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        ctx.connection = session.digest().and_then(Connection::of).cloned();
        session.set_read_timeout(None);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let connection = ctx.connection().clone();
        let target = connection.head().unwrap().target.clone();
        if target.starts_with(b"/collect") {
            let limits = BodyLimits { max_size: Some(64 << 20), ..BodyLimits::default() };
            let body = connection.collect_body(&limits).await;
            ctx.body = Some(body.map_err(|e| Error::explain(ErrorType::HTTPStatus(e.status()), e.to_string()))?);
        }
        if !target.starts_with(b"/direct") {
            return Ok(false);
        }
        if !connection.discard_body() {
            session.set_keepalive(None);
        }
        session.drain_request_body().await?;
        let mut answer = ResponseHeader::build(200, None)?;
        answer.insert_header(header::CONTENT_LENGTH, target.len())?;
        session.write_response_header(Box::new(answer), false).await?;
        session.write_response_body(Some(target), true).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        ctx.tries += 1;
        ctx.sent = 0;
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let address = self.upstreams[next % self.upstreams.len()];
        Ok(Box::new(HttpPeer::new(address, false, String::new())))
    }

    async fn upstream_request_filter(&self, _: &mut Session, request: &mut RequestHeader, ctx: &mut Ctx) -> Result<()> {
        if let Some(body) = &ctx.body {
            request.remove_header(&header::TRANSFER_ENCODING);
            request.insert_header(header::CONTENT_LENGTH, body.bytes.len())?;
        }
        if request.headers.contains_key(header::UPGRADE) {
            // Pingora was told of a body that has not ended.
            request.remove_header(&header::TRANSFER_ENCODING);
            request.insert_header(header::CONTENT_LENGTH, 0)?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        data: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if let (Some(body), Some(bytes)) = (&ctx.body, data.as_mut().filter(|b| !b.is_empty())) {
            let to = (ctx.sent + bytes.len() * body.piece()).min(body.bytes.len());
            *bytes = body.bytes.slice(ctx.sent..to);
            ctx.sent = to;
        }
        Ok(())
    }

    async fn response_filter(&self, _: &mut Session, response: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        if response.status == 101 {
            ctx.connection().upgrade();
        }
        Ok(())
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut e: Box<Error>,
        ctx: &mut Ctx,
        reused: bool,
    ) -> Box<Error> {
        e.retry.decide_reuse(reused);
        let upstream = *e.esource() == ErrorSource::Upstream;
        e.set_retry(
            upstream && ctx.tries < 3 && session.response_written().is_none() && !session.retry_buffer_truncated(),
        );
        e
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, ctx: &mut Ctx) -> FailToProxy {
        let status = match (ctx.connection().body_error(), e.etype()) {
            (Some(error), _) => error.status(),
            (None, ErrorType::HTTPStatus(status)) => *status,
            _ if *e.esource() == ErrorSource::Downstream => 499,
            _ => 502,
        };
        if status != 499 {
            session.respond_error(status).await.unwrap();
        }
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, e: Option<&Error>, ctx: &mut Ctx) {
        let connection = ctx.connection();
        let drained = connection.drained().await.is_ok();
        let head = connection.head().unwrap();
        let status = session.response_written().map_or(499, |r| r.status.as_u16());
        let line = format!(
            "{} {status} sent={} drained={drained} error={}",
            head.line.escape_ascii(),
            connection.take_sent(),
            e.map_or("none".into(), ToString::to_string)
        );
        self.log.lines.lock().unwrap().push(line);
        self.log.logged.notify_one();
    }
}

/// The loop, as the owner of the listener writes it.
async fn serve(
    proxy: Arc<HttpProxy<Front>>,
    stream: Stream,
    facts: Facts,
    settings: Arc<Settings>,
    shutdown: ShutdownWatch,
) {
    let mut client = Client::new(stream, facts, settings.clone());
    loop {
        let head = match client.read_head(&settings, &shutdown).await {
            Ok(Some(head)) => Arc::new(head),
            Ok(None) => return,
            Err(refusal) if refusal.answered => {
                let answer = format!("HTTP/1.1 {} Refused\r\nConnection: close\r\n\r\n", refusal.status);
                return client.refuse(answer.into()).await;
            }
            Err(_) => return,
        };
        client.present(head);
        let session = ServerSession::new_http1(Box::new(client));
        let Some(reused) = proxy.process_new_http(session, &shutdown).await else {
            return;
        };
        client = Client::from_stream(reused.consume().0).unwrap();
        if !client.finish_request().await {
            return client.close().await;
        }
    }
}

/// A client's end of a served connection, and what its requests left in the log.
pub struct Served {
    pub peer: TcpStream,
    pub log: Arc<Log>,
    pub _switch: watch::Sender<bool>,
}

pub async fn served(upstreams: Vec<SocketAddr>, settings: Settings) -> Served {
    let (proxy, log) = proxy(upstreams);
    let (peer, stream, facts) = accepted().await;
    let (switch, shutdown) = watch::channel(false);
    tokio::spawn(serve(proxy, stream, facts, Arc::new(settings), shutdown));
    Served { peer, log, _switch: switch }
}

/// The same over HTTP/2, until its client closes.
pub async fn served_http2(upstreams: Vec<SocketAddr>) -> Served {
    let (proxy, log) = proxy(upstreams);
    let (peer, stream, facts) = accepted().await;
    let (switch, shutdown) = watch::channel(false);
    let stops = shutdown.clone();
    let each = move |stream, of| {
        let settings = Arc::new(Settings::default());
        tokio::spawn(serve(proxy.clone(), stream, facts.of_stream(of), settings, shutdown.clone()));
    };
    tokio::spawn(http2::serve(stream, http2::Settings::default(), stops, || false, each));
    Served { peer, log, _switch: switch }
}

fn proxy(upstreams: Vec<SocketAddr>) -> (Arc<HttpProxy<Front>>, Arc<Log>) {
    let log = Arc::new(Log::default());
    let front = Front { upstreams, next: AtomicUsize::new(0), log: log.clone() };
    (Arc::new(http_proxy(&Arc::new(ServerConf::default()), front)), log)
}

async fn accepted() -> (TcpStream, Stream, Facts) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let socket = SocketDigest::from_raw_fd(accepted.as_raw_fd());
    let mut stream = pingora_core::protocols::l4::stream::Stream::from(accepted);
    stream.set_socket_digest(socket);
    let stream: Stream = Box::new(stream);
    let facts = Facts::of(&*stream, Arc::new(()));
    (peer, stream, facts)
}
