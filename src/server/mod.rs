//! The process: it reads the configuration, listens, obeys signals and ends when the last request has.
//!
//! ```text
//! start       which processes there are: background (-d), keeper, worker
//!   background  `-d`
//!   keeper      the process that stays root, where there is a `user`
//!   privileges  who `user` is, and how to become it
//!   limits      how many files may be open
//!   early       `-e`: the error log that is there before the configuration is read
//! load        file → snapshot, for the start, for HUP and for `edge -t`
//! running     what is in force, and how a reload exchanges it
//!   sockets     opened, inherited, adjusted
//!   listeners   sockets that come and go with the configuration
//!   pid         the pid file
//!   control     the control socket: commands with an answer
//!   successor   USR2: a new binary takes over
//! front       one connection: heads read and checked, requests handed to Pingora
//! signals     HUP, USR1, USR2, QUIT, TERM, INT
//! ```

mod background;
pub mod control;
mod early;
mod front;
mod keeper;
mod limits;
mod listeners;
pub mod load;
mod open;
mod pid;
mod privileges;
mod running;
mod signals;
mod sockets;
mod start;
mod successor;

pub use early::EarlyLog;
pub use load::{Loaded, Options};
pub use pid::running_pid;
pub use start::{hide_authorities, run};

use crate::health::Checks;
use crate::observe::{self, errors};
use crate::proxy::api;
use crate::proxy::rules::Filter;
use crate::proxy::sessions::Kept;
use crate::proxy::snapshot::Snapshot;
use crate::system;
use arc_swap::ArcSwap;
use background::Background;
use control::Desk;
use front::Front;
use load::Loader;
use running::Running;
use signals::{Order, Orders};
use sockets::Inherited;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long the collector of traces is waited for at the end.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// Why the process could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The mistakes were shown already.
    #[error("the configuration has mistakes")]
    Configuration,
    #[error("{0}")]
    Bind(#[from] listeners::BindError),
    #[error("{what}: {error}")]
    System { what: String, error: std::io::Error },
}

impl Failure {
    fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
        let what = what.into();
        move |error| Failure::System { what, error }
    }
}

/// What a process is given by the one it comes from.
#[derive(Default)]
struct Heritage {
    /// The sockets of the binary before; `None`: it is no new binary.
    sockets: Option<Inherited>,
    /// It runs in the background, or will as soon as it is ready.
    background: Option<Background>,
}

/// Serves in this process and as this user, until a signal ends it. `ready` is called once every listener is bound.
pub fn serve_here(options: Options, ready: impl FnOnce()) -> Result<(), Failure> {
    serve_with(options, Vec::new(), ready)
}

/// The same with Rust code that has a say over requests, for programs that embed edge.
pub fn serve_with(options: Options, filters: Vec<Arc<dyn Filter>>, ready: impl FnOnce()) -> Result<(), Failure> {
    errors::install();
    serve(Loader::new(options).with_filters(filters), Heritage::default(), ready)
}

fn serve(loader: Loader, heritage: Heritage, ready: impl FnOnce()) -> Result<(), Failure> {
    let predecessor = heritage.sockets.as_ref().and_then(Inherited::predecessor);
    let early = EarlyLog::open(loader.options());
    let loader = loader.succeeding(predecessor);
    let loaded = loader.load();
    eprint!("{}", loaded.diagnostics);
    early.tell_all(&loaded.diagnostics);
    let snapshot = loaded.into_snapshot().ok_or(Failure::Configuration)?;
    system::give_memory_back();
    limits::raise(snapshot.process.nofile);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(snapshot.process.workers)
        .thread_name("edge")
        .enable_all()
        .build()
        .map_err(Failure::system("no threads could be started"))?;
    let outcome = runtime.block_on(obey(loader, snapshot, heritage, ready));
    // What still holds a thread (a slow name server, a disk) must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    observe::flush();
    outcome
}

/// Opens everything and does what signals and commands say, to the end.
async fn obey(
    loader: Loader,
    snapshot: Arc<Snapshot>,
    heritage: Heritage,
    ready: impl FnOnce(),
) -> Result<(), Failure> {
    let mut orders = Orders::listen().map_err(Failure::system("signals"))?;
    let (stop, shutdown) = watch::channel(false);
    let front = Front::new(snapshot.process.workers, snapshot.process.connections, shutdown);
    let checks = Checks::new(loader.upstreams().clone());
    tokio::select! {
        () = checks.begin(&snapshot.upstreams) => {}
        () = orders.end() => return Ok(()),
    }
    let checks = Arc::new(checks);
    let sessions = Arc::new(Kept::default());
    sessions.begin(&snapshot.sessions).await;
    let (reloads, mut asked) = mpsc::channel(1);
    let desk = Arc::new(Desk { snapshot: ArcSwap::new(snapshot.clone()), reloads });
    let names = loader.upstreams().clone();
    let in_background = heritage.background.is_some();
    api::begin();
    let mut running = Running::open(loader, heritage.sockets, front, desk, checks.clone(), sessions.clone())?;
    log::info!(target: "edge::notice", "edge {} serves with {} threads", env!("CARGO_PKG_VERSION"), snapshot.process.workers);
    drop(snapshot);
    start::tell_ready(heritage.background);
    ready();
    let resolving = tokio::spawn(async move { names.keep_resolving().await });
    let checking = tokio::spawn(async move { checks.keep_checking().await });
    let following = tokio::spawn(async move { sessions.keep_following().await });
    let graceful = loop {
        tokio::select! {
            order = orders.next() => match order {
                Order::Reload => drop(running.reload()),
                Order::Reopen => running.reopen(),
                Order::Upgrade => running.upgrade(in_background),
                Order::ChildEnded => running.child_ended(),
                Order::Quit => break true,
                Order::Stop => break false,
            },
            // Who has gone meanwhile finds the outcome in the error log.
            Some(done) = asked.recv() => drop(done.send(running.reload())),
        }
    };
    resolving.abort();
    running.close().await;
    let _ = stop.send(true);
    if graceful {
        log::info!(target: "edge::notice", "gracefully shutting down");
        end_gracefully(&running.front, &mut orders, running.snapshot.process.shutdown_timeout).await;
    }
    checking.abort();
    following.abort();
    flush_traces(&running).await;
    log::info!(target: "edge::notice", "exit");
    Ok(())
}

/// What the last requests were is told, unless the collector takes its time.
async fn flush_traces(running: &Running) {
    let tracing = running.snapshot.tracing.as_ref();
    let Some(exporter) = tracing.and_then(|tracing| tracing.exporter.clone()) else { return };
    // A thread that may wait; if it breaks off, so do the spans.
    let _ = tokio::task::spawn_blocking(move || exporter.flush(LAST_SPANS)).await;
}

/// Waits for the last request, at the most for `worker_shutdown_timeout`, or until told a second time.
async fn end_gracefully(front: &Front, orders: &mut Orders, limit: Duration) {
    let hurry = async { while !matches!(orders.next().await, Order::Stop | Order::Quit) {} };
    tokio::select! {
        () = front.idle() => {}
        () = hurry => log::info!(target: "edge::notice", "told to stop at once"),
        () = tokio::time::sleep(limit) => {
            log::warn!("{} connections are still open after {limit:?}, they are closed", front.connections());
        }
    }
}
