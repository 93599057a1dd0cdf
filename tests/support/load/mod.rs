//! Load that counts: connections that are kept, each answer checked wholly, and every connection's end accounted for.
//!
//! Programs for load, such as wrk, connect again without a word when a connection is closed: they prove nothing about
//! reloads. Here whatever the server did not announce is a failure, told with the first few of its kind.
//!
//! ```ignore
//! let load = Load::to(edge.address()).connections(50).asking(|turn| Question::get("/").expecting(200, "hello")).start();
//! …
//! load.finish().assert_clean();
//! ```

pub mod origin;
mod report;
pub mod watch;
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

pub use report::{Kind, Report};

use super::client::Failure;
use super::request::{self, Request};
use super::response::Response;
use super::tls::Tls;
use super::wait;
use wire::{Unopened, Wire};

/// How long an answer, a handshake or the end of a connection may take, unless a test says otherwise.
const PATIENCE: Duration = Duration::from_secs(15);

/// After a connection could not be opened, so that a dead server is not asked a million times.
const PAUSE: Duration = Duration::from_millis(20);

/// Which request is to be made: the `count`th of one of the connections.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub connection: usize,
    pub count: usize,
}

/// What came, and over what.
pub struct Seen<'a> {
    pub answer: &'a Response,
    /// The server's, on a connection with TLS.
    pub certificate: Option<&'a CertificateDer<'static>>,
}

type Check = Box<dyn FnOnce(&Seen) -> Result<(), String> + Send>;

/// A request and what its answer must be.
pub struct Question {
    request: Request,
    check: Check,
}

/// What is to be done; `start` does it.
pub struct Load {
    to: SocketAddr,
    tls: Option<Tls>,
    connections: usize,
    pause: Duration,
    patience: Duration,
    fresh: bool,
    ends_when_told: bool,
    ask: Arc<dyn Fn(Turn) -> Question + Send + Sync>,
}

/// Load that is going on.
pub struct Running {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    plan: Load,
    began: Instant,
    ended: AtomicBool,
    report: Mutex<Report>,
    /// How many requests of each connection are over.
    rounds: Vec<AtomicUsize>,
}

/// What becomes of a connection after an answer.
enum Then {
    GoOn,
    /// It was closed as announced.
    Told,
    /// It is of no use any more.
    Lost,
}

impl Question {
    pub fn new(request: Request) -> Question {
        Question { request, check: Box::new(|_| Ok(())) }
    }

    pub fn get(target: &str) -> Question {
        Self::new(request::get(target))
    }

    /// The status and the whole body.
    pub fn expecting(self, status: u16, body: impl Into<Vec<u8>>) -> Question {
        let body = body.into();
        self.checking(move |seen| match (seen.answer.status() == status, seen.answer.body == body) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("the status is not {status}")),
            (_, false) => Err(format!("the body is not {:?}", String::from_utf8_lossy(&body[..body.len().min(200)]))),
        })
    }

    /// One more thing that must hold.
    pub fn checking(self, check: impl FnOnce(&Seen) -> Result<(), String> + Send + 'static) -> Question {
        let before = self.check;
        Question { request: self.request, check: Box::new(move |seen| before(seen).and_then(|()| check(seen))) }
    }
}

impl Load {
    pub fn to(address: SocketAddr) -> Load {
        Load {
            to: address,
            tls: None,
            connections: 1,
            pause: Duration::ZERO,
            patience: PATIENCE,
            fresh: false,
            ends_when_told: false,
            ask: Arc::new(|_| Question::get("/")),
        }
    }

    pub fn over(mut self, tls: &Tls) -> Load {
        self.tls = Some(tls.clone());
        self
    }

    pub fn connections(mut self, count: usize) -> Load {
        self.connections = count;
        self
    }

    pub fn asking(mut self, ask: impl Fn(Turn) -> Question + Send + Sync + 'static) -> Load {
        self.ask = Arc::new(ask);
        self
    }

    /// Each connection is idle for this long between an answer and the next request; nothing may come meanwhile.
    pub fn resting(mut self, pause: Duration) -> Load {
        self.pause = pause;
        self
    }

    pub fn patience(mut self, limit: Duration) -> Load {
        self.patience = limit;
        self
    }

    /// A connection of its own for each request, which asks the server to close.
    pub fn connecting_each_time(mut self) -> Load {
        self.fresh = true;
        self
    }

    /// A connection that was closed as announced is not replaced: its listener has gone.
    pub fn ending_when_told(mut self) -> Load {
        self.ends_when_told = true;
        self
    }

    pub fn start(self) -> Running {
        let connections = self.connections;
        let shared = Arc::new(Shared {
            plan: self,
            began: Instant::now(),
            ended: AtomicBool::new(false),
            report: Mutex::default(),
            rounds: (0..connections).map(|_| AtomicUsize::new(0)).collect(),
        });
        let workers = (0..connections).map(|number| runtime().spawn(shared.clone().work(number))).collect();
        Running { shared, workers }
    }
}

impl Running {
    /// What has been counted so far.
    pub fn so_far(&self) -> Report {
        self.shared.lock().clone()
    }

    /// Waits until what has been counted is so; panics with the report if it does not become so.
    pub fn wait(&self, limit: Duration, what: &str, is_so: impl Fn(&Report) -> bool) {
        let found = wait::until(limit, || is_so(&self.so_far()).then_some(()));
        assert!(found.is_some(), "{what}: not within {limit:?}\n{}", self.so_far());
    }

    /// Waits until each connection has begun and ended a request from now on.
    pub fn wait_round(&self) {
        let counts = || -> Vec<usize> { self.shared.rounds.iter().map(|count| count.load(Ordering::SeqCst)).collect() };
        // The one that is going on may have begun before.
        let before = counts();
        self.wait(Duration::from_secs(30), "another round", |_| {
            counts().iter().zip(&before).all(|(now, before)| *now >= before + 2)
        });
    }

    /// Whether all connections have ended by themselves.
    pub fn is_over(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the answers that are due and tells what was counted.
    pub fn finish(mut self) -> Report {
        self.shared.ended.store(true, Ordering::SeqCst);
        let limit = 2 * self.shared.plan.patience;
        let ended = wait::until(limit, || self.is_over().then_some(()));
        assert!(ended.is_some(), "the load does not end:\n{}", self.so_far());
        for worker in self.workers.drain(..) {
            runtime().block_on(worker).expect("no check panics");
        }
        self.so_far()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    async fn work(self: Arc<Self>, connection: usize) {
        let mut turn = Turn { connection, count: 0 };
        while !self.is_over() {
            // Made before the connection is: what it expects may depend on when that began.
            let mut question = (self.plan.ask)(turn);
            let Some(mut wire) = self.open(turn).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            // At least one request: a connection that is opened for none would make the counts differ.
            let then = loop {
                let then = self.ask(&mut wire, question, turn).await;
                turn.count += 1;
                self.rounds[connection].fetch_add(1, Ordering::SeqCst);
                if !matches!(then, Then::GoOn) || self.is_over() || !self.rest(&mut wire, turn).await {
                    break then;
                }
                question = (self.plan.ask)(turn);
            };
            if matches!(then, Then::Told) && self.plan.ends_when_told {
                return;
            }
        }
    }

    async fn open(&self, turn: Turn) -> Option<Wire> {
        match Wire::open(self.plan.to, self.plan.tls.as_ref(), self.plan.patience).await {
            Ok(wire) => {
                let mut report = self.lock();
                report.opened += 1;
                report.resumed += usize::from(wire.resumed);
                Some(wire)
            }
            Err(Unopened::Unconnected(failure)) => self.fail(Kind::Connect, turn, "", &failure),
            Err(Unopened::Unshaken(failure)) => self.fail(Kind::Handshake, turn, "", &failure),
        }
    }

    async fn ask(&self, wire: &mut Wire, question: Question, turn: Turn) -> Then {
        let Question { request, check } = question;
        let request = if self.plan.fresh { request.header("Connection", "close") } else { request };
        self.lock().requests += 1;
        let at = Instant::now();
        let answer = match wire.ask(&request).await {
            Ok(answer) => answer,
            Err(failure) => {
                let kind = Kind::of(&failure);
                self.fail::<()>(kind, turn, &request.line(), &failure);
                return Then::Lost;
            }
        };
        let seen = Seen { answer: &answer, certificate: wire.certificate.as_ref() };
        match check(&seen) {
            Ok(()) => self.lock().count_answer(at.elapsed()),
            Err(why) => drop(self.fail::<()>(Kind::Wrong, turn, &request.line(), &format!("{why}:\n{answer}"))),
        }
        match wire.is_last(&answer) {
            false => Then::GoOn,
            true => self.see_end(wire, turn).await,
        }
    }

    /// A server that says that it closes must do so, and well.
    async fn see_end(&self, wire: &mut Wire, turn: Turn) -> Then {
        match wire.ends().await {
            Ok(()) if self.plan.fresh => {}
            Ok(()) => self.lock().announced += 1,
            Err(failure) => drop(self.fail::<()>(Kind::End, turn, "", &failure)),
        }
        Then::Told
    }

    /// Nothing may happen on an idle connection.
    async fn rest(&self, wire: &mut Wire, turn: Turn) -> bool {
        match wire.rests(self.plan.pause).await {
            Ok(()) => true,
            Err(failure) => {
                let kind = if matches!(failure, Failure::Closed) { Kind::ClosedIdle } else { Kind::Unasked };
                self.fail::<()>(kind, turn, "", &failure);
                false
            }
        }
    }

    fn fail<T>(&self, kind: Kind, turn: Turn, request: &str, what: &dyn std::fmt::Display) -> Option<T> {
        let Turn { connection, count } = turn;
        let at = self.began.elapsed().as_secs_f64();
        self.lock().fail(kind, format!("after {at:.3} s, connection {connection}, request {count} {request}\n{what}"));
        None
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One for the whole test process: hundreds of connections cost two threads.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("load").enable_all().build().expect("threads for the load")
    })
}
