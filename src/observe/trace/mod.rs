//! Traces: what is told to an OpenTelemetry collector of the requests that are sampled.
//!
//! ```text
//!   otlp   spans as OTLP has them, in JSON
//!   post   the request that takes them there
//! ```
//!
//! A thread of its own gathers spans and sends them; whoever has one puts it into a queue, or throws it away if that is full.
//! It is a plain thread that waits for its socket, so that a collector that is gone, slow or frozen has nobody else's time.
//!
//! What always holds: nobody waits for room in the queue; what a collector may take for a batch is limited; what is lost is
//! counted, and told once a minute.

mod otlp;
mod post;

pub use otlp::{Attribute, Kind, Span};
pub use post::{BadEndpoint, Endpoint, status_of};

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Requests whose spans wait to be sent.
const QUEUE: usize = 2048;
/// Spans that are sent at once.
const BATCH: usize = 512;
/// The first of them waits so long for others.
const GATHER: Duration = Duration::from_secs(1);
/// Lost spans are told of so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Over all exporters of the process.
static COUNTS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// What has become of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The collector has them.
    Sent,
    /// There was no room for them in the queue.
    Dropped,
    /// The collector did not take them.
    Failed,
}

impl Outcome {
    pub const ALL: [Outcome; 3] = [Outcome::Sent, Outcome::Dropped, Outcome::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Sent => "sent",
            Outcome::Dropped => "dropped",
            Outcome::Failed => "failed",
        }
    }

    fn count(self, spans: usize) {
        COUNTS[self as usize].fetch_add(spans as u64, Relaxed);
    }
}

/// How many spans each has become of.
pub fn counts() -> [(&'static str, u64); 3] {
    Outcome::ALL.map(|outcome| (outcome.as_str(), COUNTS[outcome as usize].load(Relaxed)))
}

/// Where spans go, and as whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub endpoint: Endpoint,
    pub service: String,
    /// How long the collector may take for a batch.
    pub timeout: Duration,
}

enum Message {
    Spans(Vec<Span>),
    /// All before it is to be sent now; whoever waits for that finds the other end gone.
    Flush(Sender<()>),
}

/// A thread that sends spans. It ends when nobody has it any more.
pub struct Exporter {
    queue: SyncSender<Message>,
}

impl Exporter {
    fn start(settings: Settings) -> io::Result<Exporter> {
        let (queue, messages) = sync_channel(QUEUE);
        thread::Builder::new().name("edge-trace".into()).spawn(move || Sending::new(settings).run(&messages))?;
        Ok(Exporter { queue })
    }

    /// Hands the spans of a request over.
    pub fn send(&self, spans: Vec<Span>) {
        let count = spans.len();
        if count > 0 && self.queue.try_send(Message::Spans(spans)).is_err() {
            Outcome::Dropped.count(count);
        }
    }

    /// Waits until what was handed over is sent, for so long at the most. For the end of the process.
    pub fn flush(&self, limit: Duration) {
        let (done, wait) = channel();
        match self.queue.try_send(Message::Flush(done)) {
            Ok(()) => drop(wait.recv_timeout(limit)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

/// The exporters of the configurations in use: a reload that changes nothing about traces keeps what waits in the queue.
#[derive(Default)]
pub struct Exporters(Mutex<Vec<(Settings, Weak<Exporter>)>>);

impl Exporters {
    pub fn of(&self, settings: &Settings) -> io::Result<Arc<Exporter>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, exporter)| exporter.strong_count() > 0);
        if let Some(known) = all.iter().find(|(known, _)| known == settings).and_then(|(_, e)| e.upgrade()) {
            return Ok(known);
        }
        let new = Arc::new(Exporter::start(settings.clone())?);
        all.push((settings.clone(), Arc::downgrade(&new)));
        Ok(new)
    }
}

impl std::fmt::Debug for Exporters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporters").finish_non_exhaustive()
    }
}

/// The thread's own.
struct Sending {
    settings: Settings,
    /// Lost since that was told.
    untold: usize,
    told: Option<Instant>,
}

impl Sending {
    fn new(settings: Settings) -> Sending {
        Sending { settings, untold: 0, told: None }
    }

    fn run(&mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let (batch, waiting) = gather(first, messages);
            if !batch.is_empty() {
                self.export(&batch);
            }
            drop(waiting);
        }
    }

    fn export(&mut self, batch: &[Span]) {
        let body = otlp::body(&self.settings.service, batch).to_string();
        match self.settings.endpoint.post(body.as_bytes(), self.settings.timeout) {
            Ok(()) => {
                Outcome::Sent.count(batch.len());
                // What was lost was told of.
                if self.told.take().is_some() {
                    let (endpoint, lost) = (&self.settings.endpoint, std::mem::take(&mut self.untold));
                    log::info!(target: "edge::notice", "trace: {endpoint} takes spans again; {lost} more were lost");
                }
            }
            Err(why) => {
                Outcome::Failed.count(batch.len());
                self.untold += batch.len();
                if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    let (endpoint, lost) = (&self.settings.endpoint, std::mem::take(&mut self.untold));
                    log::error!("trace: {endpoint} does not take spans: {why}; {lost} are lost");
                    self.told = Some(Instant::now());
                }
            }
        }
    }
}

/// What there is to be sent at once, and who waits for it.
fn gather(first: Message, messages: &Receiver<Message>) -> (Vec<Span>, Option<Sender<()>>) {
    let until = Instant::now() + GATHER;
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(message) = next.take() {
        match message {
            Message::Flush(waiting) => return (batch, Some(waiting)),
            Message::Spans(spans) => batch.extend(spans),
        }
        if batch.len() >= BATCH {
            break;
        }
        // Nothing more for now, or for good.
        next = messages.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
    }
    (batch, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    fn span() -> Span {
        Span::new([1; 16], [2; 8], Kind::Server, "GET /".into())
    }

    fn settings(port: u16) -> Settings {
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        Settings { endpoint, service: "edge".into(), timeout: Duration::from_secs(20) }
    }

    #[test]
    fn nobody_waits_for_a_collector_that_takes_nothing() {
        // It accepts, and reads not one byte.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let exporter = Exporter::start(settings(listener.local_addr().unwrap().port())).unwrap();
        let before = counts()[Outcome::Dropped as usize].1;
        let began = Instant::now();
        (0..QUEUE + 3 * BATCH).for_each(|_| exporter.send(vec![span()]));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert!(counts()[Outcome::Dropped as usize].1 > before);
        exporter.flush(Duration::ZERO);
    }

    #[test]
    fn what_was_handed_over_is_sent_before_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let exporter = Exporter::start(settings(listener.local_addr().unwrap().port())).unwrap();
        let collector = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut read = Vec::new();
            while !String::from_utf8_lossy(&read).contains("0202020202020202") {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&read));
                read.extend_from_slice(&piece[..count]);
            }
            io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&read).into_owned()
        });
        exporter.send(vec![span()]);
        exporter.flush(Duration::from_secs(20));
        assert!(collector.join().unwrap().starts_with("POST /v1/traces HTTP/1.1\r\n"));
    }

    #[test]
    fn an_exporter_is_kept_as_long_as_its_settings_are() {
        let exporters = Exporters::default();
        let first = exporters.of(&settings(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &exporters.of(&settings(1)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &exporters.of(&settings(2)).unwrap()));
    }
}
