//! One connection from its preface to its last frame.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, Request};
use pingora_core::protocols::{IO, Stream};
use pingora_core::server::ShutdownWatch;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until, timeout};

use super::incoming::Incoming;
use super::meter::{Left, Meter, Socket};
use super::outgoing::Outgoing;
use super::request::{self, Framing};
use super::stream::{Below, Http2Stream};
use super::{Settings, StreamFacts, Trailers};
use crate::client::connection::next_serial;
use crate::client::waits;

/// What one stream holds of an answer that the socket has not taken.
const SEND_BUFFER: usize = 64 << 10;
/// The window of the whole connection: so many streams may send what they are allowed at once.
const BUSY_STREAMS: u32 = 8;
/// Streams that the client reset before anybody looked at them.
const UNSEEN_RESETS: usize = 20;
/// Streams that had to be reset for what the client did wrong.
const FAULTY_STREAMS: usize = 100;
/// How long a client may take to understand that the connection ends.
const FAREWELL: Duration = Duration::from_secs(5);
/// What of a client's bytes is thrown away meanwhile.
const THROWN_AWAY: usize = 1 << 20;

type Connection = h2::server::Connection<Socket, Bytes>;

/// Serves one HTTP/2 connection to its end: `each` gets every stream, and what its request must know of it, and has it
/// served by a task. When the server shuts down, or the listener is `gone`, what runs is finished.
pub async fn serve<F>(stream: Stream, settings: Settings, shutdown: ShutdownWatch, gone: impl Fn() -> bool, each: F)
where
    F: FnMut(Box<dyn IO>, StreamFacts),
{
    let serial = next_serial();
    let meter = Arc::new(Meter::default());
    let left = Left::default();
    let mut turn = Turn {
        serial,
        below: Arc::new(Below::of(&stream)),
        meter: meter.clone(),
        began: Instant::now(),
        idle: None,
        waits_for: 0,
        requests: 0,
        farewell: None,
        is_over: false,
        settings,
        gone,
        each,
    };
    let socket = Socket::new(stream, meter.clone(), left.clone());
    let hello = builder(&turn.settings).handshake(socket);
    match timeout(turn.settings.header_timeout, hello).await {
        Ok(Ok(mut connection)) => turn.run(&mut connection, &shutdown).await,
        Ok(Err(e)) => log::info!("*{serial} HTTP/2 connection ended before it began: {e}"),
        Err(_) => log::info!("*{serial} client timed out while sending its HTTP/2 preface"),
    }
    let stream = left.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(stream) = stream {
        // closing at once might reset the connection, and the client never see the last frames
        let _ = timeout(FAREWELL, throw_away(stream)).await;
    }
    // each stream knows by now that its client is gone, and has its own limits
    while meter.alive() > 0 {
        meter.changed().await;
    }
}

fn builder(settings: &Settings) -> Builder {
    const MAX_WINDOW: u32 = (1 << 31) - 1;
    let window = settings.initial_window.clamp(1, MAX_WINDOW);
    let mut builder = Builder::new();
    builder
        .initial_window_size(window)
        .initial_connection_window_size(window.saturating_mul(BUSY_STREAMS).clamp(65_535, MAX_WINDOW))
        .max_concurrent_streams(settings.max_concurrent_streams)
        .max_header_list_size(settings.max_header_list_size)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(Some(FAULTY_STREAMS));
    builder
}

async fn throw_away(mut stream: Stream) {
    let mut bytes = [0; 4096];
    let mut left = THROWN_AWAY;
    while let Ok(n @ 1..) = stream.read(&mut bytes).await {
        match left.checked_sub(n) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// What a connection waited for.
enum Step {
    Accepted(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
    Over(Option<h2::Error>),
    Changed,
    Shutdown,
    Late,
}

/// A connection and where it stands.
struct Turn<G, F> {
    serial: u64,
    below: Arc<Below>,
    meter: Arc<Meter>,
    settings: Settings,
    gone: G,
    each: F,
    began: Instant,
    /// Since when no stream runs.
    idle: Option<Instant>,
    /// What the socket had taken when it was last waited for.
    waits_for: u64,
    requests: u64,
    /// Since when the client knows that the connection ends.
    farewell: Option<Instant>,
    /// The connection ends now, whatever the client has still to say.
    is_over: bool,
}

impl<G: Fn() -> bool, F: FnMut(Box<dyn IO>, StreamFacts)> Turn<G, F> {
    async fn run(&mut self, connection: &mut Connection, shutdown: &ShutdownWatch) {
        let mut stopped = pin!(waits::signal(shutdown.clone()));
        let mut listens = true;
        loop {
            let until = self.deadline(connection);
            let late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => pending().await,
                }
            };
            let step = tokio::select! {
                biased;
                () = self.meter.changed() => Step::Changed,
                accepted = connection.accept() => match accepted {
                    Some(Ok(stream)) => Step::Accepted(Box::new(stream)),
                    Some(Err(e)) => Step::Over(Some(e)),
                    None => Step::Over(None),
                },
                () = &mut stopped, if listens => Step::Shutdown,
                () = late => Step::Late,
            };
            match step {
                Step::Accepted(stream) => self.take(connection, stream.0, stream.1),
                Step::Changed if self.meter.is_flooded() => self.end(connection, Reason::ENHANCE_YOUR_CALM),
                Step::Changed => {}
                Step::Shutdown => {
                    listens = false;
                    self.bid_farewell(connection);
                }
                Step::Late if self.is_over => return,
                Step::Late if self.is_sending(connection) => {}
                Step::Late => self.end(connection, Reason::NO_ERROR),
                Step::Over(e) => {
                    if let Some(e) = e {
                        log::info!("*{} HTTP/2 connection ended: {e}", self.serial);
                    }
                    return;
                }
            }
        }
    }

    /// Until when the connection may stay as it is. While streams run, they have limits of their own.
    fn deadline(&mut self, connection: &Connection) -> Option<Instant> {
        let farewell = self.farewell.map(|since| since + FAREWELL);
        if self.is_over {
            return farewell;
        }
        if self.meter.alive() > 0 {
            self.idle = None;
            return None;
        }
        let idle = *self.idle.get_or_insert_with(|| {
            self.waits_for = self.meter.written();
            Instant::now()
        });
        Some(match farewell {
            _ if connection.has_streams() => idle + self.settings.send_timeout,
            Some(farewell) => farewell.max(idle + FAREWELL),
            None if self.requests == 0 => self.began + self.settings.header_timeout,
            None => idle + self.settings.idle_timeout,
        })
    }

    /// Whether the client still takes, if slowly, what was left when its last stream's task ended.
    fn is_sending(&mut self, connection: &Connection) -> bool {
        let sends = connection.has_streams() && self.meter.written() > self.waits_for;
        if sends {
            self.idle = None;
        }
        sends
    }

    /// New requests belong on a new connection; what runs is finished.
    fn bid_farewell(&mut self, connection: &mut Connection) {
        if self.farewell.is_none() {
            self.farewell = Some(Instant::now());
            connection.graceful_shutdown();
        }
    }

    fn end(&mut self, connection: &mut Connection, reason: Reason) {
        if self.is_over {
            return;
        }
        if reason != Reason::NO_ERROR {
            log::info!("*{} http2 flood detected", self.serial);
        }
        self.is_over = true;
        self.farewell = Some(Instant::now());
        connection.abrupt_shutdown(reason);
    }

    fn take(&mut self, connection: &mut Connection, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        // `h2` counts streams the client has not closed; those it reset may still run here
        let most = self.settings.max_concurrent_streams as usize * 2;
        let late = self.requests >= self.settings.keepalive_requests + u64::from(self.settings.max_concurrent_streams);
        if self.meter.alive() >= most || late {
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        self.requests += 1;
        if self.requests >= self.settings.keepalive_requests || (self.gone)() {
            self.bid_farewell(connection);
        }
        let trailers = Trailers::default();
        let (parts, body) = request.into_parts();
        let (head, framing, refusal) = match request::write(&parts, body.is_end_stream()) {
            Ok((head, framing)) => (head, framing, None),
            Err(refusal) => (Bytes::new(), Framing::Plain, Some(refusal)),
        };
        let facts =
            StreamFacts { connection: self.serial, requests: self.requests, refusal, trailers: trailers.clone() };
        let incoming = Incoming::new(body, head, framing);
        let outgoing = Outgoing::new(respond, parts.method == Method::HEAD, trailers);
        let stream = Http2Stream::new(incoming, outgoing, self.below.clone(), self.meter.clone());
        (self.each)(Box::new(stream), facts);
    }
}
