//! The process: it reads the configuration, listens, obeys signals and ends when the last request has.
//!
//! ```text
//! load        file → snapshot, for the start, for HUP and for `edge -t`
//! listeners   sockets that come and go with the configuration
//! front       one connection: heads read and checked, requests handed to Pingora
//! signals     HUP, USR1, QUIT, TERM, INT
//! process     pid file, user, limits
//! ```

mod front;
mod listeners;
mod open;
pub mod load;
mod process;
mod signals;

pub use load::{Loaded, Options};

use crate::config::Severity;
use crate::config::diagnostics::plain;
use crate::health::Checks;
use crate::observe::{self, errors};
use crate::proxy::snapshot::Snapshot;
use front::Front;
use listeners::Listeners;
use signals::{Order, Orders};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

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

/// Runs in the foreground until a signal ends it. `ready` is called once every listener is bound.
pub fn run(options: Options, ready: impl FnOnce()) -> Result<(), Failure> {
    errors::install();
    let loader = load::Loader::new(options);
    let loaded = loader.load();
    eprint!("{}", loaded.diagnostics);
    let snapshot = loaded.snapshot.ok_or(Failure::Configuration)?;
    process::raise_limits(&snapshot.process);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(snapshot.process.workers)
        .thread_name("edge")
        .enable_all()
        .build()
        .map_err(Failure::system("no threads could be started"))?;
    let outcome = runtime.block_on(serve(&loader, snapshot, ready));
    // What still holds a thread (a slow name server, a disk) must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    observe::flush();
    outcome
}

async fn serve(loader: &load::Loader, snapshot: Arc<Snapshot>, ready: impl FnOnce()) -> Result<(), Failure> {
    let mut orders = Orders::listen().map_err(Failure::system("signals"))?;
    let (stop, shutdown) = watch::channel(false);
    let front = Arc::new(Front::new(snapshot.process.workers, snapshot.process.connections, shutdown));
    let checks = Arc::new(Checks::new(loader.upstreams().clone()));
    tokio::select! {
        () = checks.begin(&snapshot.upstreams) => {}
        () = orders.end() => return Ok(()),
    }
    let mut listeners = Listeners::default();
    listeners.apply(&snapshot, &front)?;
    errors::use_log(snapshot.process.error_log.clone());
    process::drop_privileges(&snapshot.process)?;
    let mut pid = process::PidFile::write(&snapshot.process.pid)?;
    log::info!(target: "edge::notice", "edge {} serves with {} threads", env!("CARGO_PKG_VERSION"), snapshot.process.workers);
    ready();
    let names = loader.upstreams().clone();
    let resolving = tokio::spawn(async move { names.keep_resolving().await });
    let following = checks.clone();
    let checking = tokio::spawn(async move { following.keep_checking().await });
    let mut current = snapshot;
    let graceful = loop {
        match orders.next().await {
            Order::Reload => {
                if let Some(new) = reload(loader, &mut listeners, &front) {
                    if let Err(e) = pid.move_to(&new.process.pid) {
                        log::error!("{e}");
                    }
                    if new.process.workers != current.process.workers {
                        log::warn!("`worker_processes` counts from the next start on");
                    }
                    checks.apply(&new.upstreams);
                    current = new;
                }
            }
            Order::Reopen => reopen(),
            Order::Upgrade => log::warn!("USR2: this version cannot hand over to a new binary; nothing is done"),
            Order::Quit => break true,
            Order::Stop => break false,
        }
    };
    resolving.abort();
    listeners.close();
    let _ = stop.send(true);
    if graceful {
        log::info!(target: "edge::notice", "gracefully shutting down");
        end_gracefully(&front, &mut orders, current.process.shutdown_timeout).await;
    }
    checking.abort();
    log::info!(target: "edge::notice", "exit");
    Ok(())
}

/// Waits for the last request, at the most for `worker_shutdown_timeout`, or until told to hurry.
async fn end_gracefully(front: &Front, orders: &mut Orders, limit: Duration) {
    let hurry = async { while orders.next().await != Order::Stop {} };
    tokio::select! {
        () = front.idle() => {}
        () = hurry => log::info!(target: "edge::notice", "told to stop at once"),
        () = tokio::time::sleep(limit) => {
            log::warn!("{} connections are still open after {limit:?}, they are closed", front.connections());
        }
    }
}

/// Puts a new configuration in force, or says what is wrong and changes nothing.
fn reload(loader: &load::Loader, listeners: &mut Listeners, front: &Arc<Front>) -> Option<Arc<Snapshot>> {
    let loaded = loader.load();
    for (severity, text) in loaded.diagnostics.each() {
        for line in text.lines() {
            match severity {
                Severity::Error => log::error!("{line}"),
                Severity::Warning => log::warn!("{line}"),
            }
        }
    }
    let Some(snapshot) = loaded.snapshot else {
        log::error!("the configuration was not reloaded: it has mistakes; the one before stays in force");
        return None;
    };
    if let Err(e) = listeners.apply(&snapshot, front) {
        log::error!("the configuration was not reloaded: {e}; the one before stays in force");
        return None;
    }
    errors::use_log(snapshot.process.error_log.clone());
    log::info!(target: "edge::notice", "the configuration was reloaded");
    Some(snapshot)
}

fn reopen() {
    log::info!(target: "edge::notice", "reopening logs");
    for (path, e) in observe::reopen() {
        log::error!("the log {} could not be opened anew, the old file goes on: {e}", path.display());
    }
}

/// The pid a running edge of this configuration has written.
pub fn running_pid(path: &PathBuf) -> Result<i32, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
    let number = text.trim().parse().ok().filter(|pid: &i32| *pid > 0);
    number.ok_or_else(|| format!("{} holds no number of a process", path.display()))
}
