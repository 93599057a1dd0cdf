//! One connection from its first byte to its last: heads are read and checked, requests handed to Pingora's `HttpProxy`.

use super::open::{Opened, local_of, open};
use crate::client::{self, Client, Facts, http2};
use crate::proxy::snapshot::Http2;
use crate::proxy::{self, Edge, Errands, Lane, Pool, Slot, Went};
use crate::variables::counts::{self, Held};
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::protocols::{GetSocketDigest, SocketDigest};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

/// Idle connections to upstreams that Pingora keeps, over all of them.
const UPSTREAM_POOL: usize = 4096;

/// Requests of edge's own at once.
const ERRANDS: usize = 256;
/// How long one of them waits for its turn.
const ERRANDS_TURN: Duration = Duration::from_secs(60);

/// All connections, and the one proxy behind them.
pub struct Front {
    proxy: Arc<HttpProxy<Edge>>,
    /// Idle connections to upstreams that Pingora does not know.
    pool: Arc<Pool>,
    shutdown: ShutdownWatch,
    /// What the watch said when it was new.
    ended: bool,
    /// `worker_connections`
    most: AtomicUsize,
    open: AtomicUsize,
    closed: Notify,
    errands: Arc<Semaphore>,
    own: Weak<Front>,
}

impl Front {
    pub fn new(workers: usize, most: u32, shutdown: ShutdownWatch) -> Arc<Front> {
        let conf = ServerConf {
            threads: workers,
            upstream_keepalive_pool_size: UPSTREAM_POOL,
            // Edge counts tries itself; this only keeps Pingora from stopping before.
            max_retries: usize::MAX,
            ..ServerConf::default()
        };
        let mut proxy = HttpProxy::new(Edge, Arc::new(conf));
        proxy.handle_init_modules();
        let ended = *shutdown.borrow();
        Arc::new_cyclic(|own| Front {
            proxy: Arc::new(proxy),
            ended,
            pool: Arc::default(),
            shutdown,
            most: AtomicUsize::new(most as usize),
            open: AtomicUsize::new(0),
            closed: Notify::new(),
            errands: Arc::new(Semaphore::new(ERRANDS)),
            own: own.clone(),
        })
    }

    /// `worker_connections` of a new configuration. Connections beyond it that are open already stay.
    pub fn set_most(&self, most: u32) {
        self.most.store(most as usize, Ordering::Relaxed);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until no connection is open.
    pub async fn idle(&self) {
        loop {
            let closed = self.closed.notified();
            if self.connections() == 0 {
                return;
            }
            closed.await;
        }
    }

    /// Serves a connection on a task of its own.
    pub fn take(self: &Arc<Self>, mut stream: Socket, slot: &Arc<Slot>) {
        let most = self.most.load(Ordering::Relaxed);
        counts::accepted();
        if self.open.fetch_add(1, Ordering::AcqRel) >= most {
            self.open.fetch_sub(1, Ordering::AcqRel);
            log::error!(target: "edge::alert", "{most} worker_connections are not enough");
            return;
        }
        stream.set_socket_digest(SocketDigest::from_raw_fd(stream.as_raw_fd()));
        let counted = Counted { front: self.clone(), _active: Held::active() };
        let slot = slot.clone();
        // A task is as large as the largest thing it ever waits for, and most of the time it waits for the next request: what
        // is rare, or done once, has its room only while it is done.
        tokio::spawn(async move {
            let Some(opened) = Box::pin(open(stream, &slot)).await else { return };
            match opened.http2 {
                None => counted.front.serve(opened.stream, opened.facts, slot).await,
                Some(_) => Box::pin(counted.front.serve_http2(opened, slot)).await,
            }
        });
    }

    /// Whether edge shuts down. Before anything was said of that, which is nearly always, no lock is taken.
    fn is_ending(&self) -> bool {
        match self.shutdown.has_changed() {
            Ok(false) => self.ended,
            Ok(true) | Err(_) => *self.shutdown.borrow(),
        }
    }

    /// Every stream of the connection is served as if it were one of its own.
    async fn serve_http2(self: &Arc<Self>, opened: Opened, slot: Arc<Slot>) {
        let Opened { stream, facts, http2: Some(limits) } = opened else { return };
        let heads = slot.bound().virtual_for(local_of(&facts)).default.client.clone();
        let settings = http2_settings(&heads, limits);
        let listener = slot.clone();
        let gone = move || listener.is_gone();
        http2::serve(stream, settings, self.shutdown.clone(), gone, |stream, of| {
            let (front, facts, slot) = (self.clone(), facts.of_stream(of), slot.clone());
            tokio::spawn(async move { front.serve(stream, facts, slot).await });
        })
        .await;
    }

    async fn serve(&self, stream: Stream, facts: Facts, slot: Arc<Slot>) {
        let local = local_of(&facts);
        let settings = || slot.peek(|bound| bound.virtual_for(local).default.client.clone());
        let mut client = Client::new(stream, facts, settings());
        let mut lane = Lane::new(&self.pool);
        loop {
            let head = match client.read_head(&settings(), &self.shutdown).await {
                Ok(Some(head)) => Arc::new(head),
                // With TLS's goodbye, so that nobody takes it for a cut.
                Ok(None) => return client.close().await,
                Err(refusal) => {
                    let answer = Box::pin(proxy::refusal(&refusal, client.connection(), &slot)).await;
                    return match refusal.answered {
                        true => client.refuse(answer).await,
                        false => client.close().await,
                    };
                }
            };
            if client.connection().facts().errand.is_none() {
                counts::requested();
            }
            client.begin(head);
            match proxy::answer(&mut client, &slot, &mut lane, self.is_ending()).await {
                Went::Answered if client.finish_request().await => continue,
                Went::Answered => return client.close().await,
                // Without TLS's goodbye: what came of an answer is not to be taken for the whole.
                Went::Broken => return,
                Went::On => {}
            }
            client.hand_over();
            let spare = client.spare();
            let session = ServerSession::new_http1(Box::new(client));
            let reused = self.proxy.process_new_http(session, &self.shutdown).await;
            let back = match reused {
                Some(stream) => Client::from_stream(stream.consume().0).ok(),
                None => spare.revive(),
            };
            match back {
                Some(back) => client = back,
                None => return,
            }
            if !client.finish_request().await {
                return client.close().await;
            }
        }
    }
}

impl Errands for Front {
    fn run(&self, stream: Stream, facts: Facts, slot: Arc<Slot>, is_awaited: bool) {
        let Some(front) = self.own.upgrade() else { return };
        let room = self.errands.clone();
        let permit = room.clone().try_acquire_owned().ok();
        // Nobody waits for it: what is too much is left for the next request to send for.
        if permit.is_none() && !is_awaited {
            return;
        }
        tokio::spawn(async move {
            let permit = match permit {
                Some(permit) => Ok(Ok(permit)),
                None => timeout(ERRANDS_TURN, room.acquire_owned()).await,
            };
            if let Ok(Ok(permit)) = permit {
                front.serve(stream, facts, slot).await;
                drop(permit);
            }
        });
    }
}

/// Both versions of HTTP have the same limits.
fn http2_settings(heads: &client::Settings, limits: Http2) -> http2::Settings {
    let (number, size) = heads.large_client_header_buffers;
    // What HTTP/2 counts more for a head than its bytes (RFC 9113 6.5.2); beyond it no page can say what is wrong.
    let framed = number.saturating_mul(size).saturating_mul(2).max(64 << 10);
    http2::Settings {
        max_concurrent_streams: limits.max_concurrent_streams,
        max_header_list_size: u32::try_from(framed).unwrap_or(u32::MAX),
        initial_window: limits.window,
        header_timeout: heads.client_header_timeout,
        idle_timeout: heads.keepalive_timeout,
        send_timeout: heads.buffering.send_timeout,
        keepalive_requests: limits.keepalive_requests,
    }
}

/// An open connection, counted until it is dropped.
struct Counted {
    front: Arc<Front>,
    /// Told by `stub_status` as long.
    _active: Held,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.front.open.fetch_sub(1, Ordering::AcqRel);
        self.front.closed.notify_waiters();
    }
}
