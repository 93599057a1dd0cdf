//! `edge session show`: what memcached holds of a session, read from the nodes that the configuration names.
//!
//! `show` asks memcached itself, not a running edge: what it prints is what a Tomcat would find. Nothing is changed. `stats` asks
//! a running edge for what it has counted.

mod show;

use super::upstream::{ask, show as tell};
use super::{Configuration, fail};
use crate::proxy::snapshot;
use crate::session::id::Id;
use crate::session::layout::Layout;
use crate::session::store::{Store, StoreSettings};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Session {
    /// Print node, times, user, lock and backup of a session; ends with 1 if there is none that a Tomcat would go on with
    Show(Show),
    /// Say what became of sessions since edge watches over them: taken over, waited for, lost, each by its cause
    Stats {
        /// Only of this upstream
        upstream: Option<String>,
        /// One object of JSON for each upstream
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args, Debug)]
pub(super) struct Show {
    /// The session's id, as the cookie has it
    id: String,
    /// Which of the stores, where the configuration names several
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    /// How memcached-session-manager keeps sessions; not sticky: with a validity, a backup and locks
    #[arg(long, value_enum, default_value = "sticky")]
    mode: Mode,
    /// The storage key prefix as it stands in the keys, such as `shop_`
    #[arg(long = "prefix", value_name = "PREFIX", default_value = "")]
    key_prefix: String,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
enum Mode {
    Sticky,
    NonSticky,
}

/// A person can wait longer than a request.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(command: &Session, configuration: &Configuration) -> ExitCode {
    let show = match command {
        Session::Show(show) => show,
        Session::Stats { upstream, json } => {
            return run_stats(configuration, upstream.as_deref().unwrap_or_default(), *json);
        }
    };
    match run_show(show, configuration) {
        Ok(found) => {
            print!("{}", found.text);
            if found.is_resumable { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => fail(why),
    }
}

fn run_stats(configuration: &Configuration, upstream: &str, json: bool) -> ExitCode {
    let answer = match ask(configuration, &["session", "stats", upstream]) {
        Ok(answer) => answer,
        Err(why) => return fail(why),
    };
    if json || answer.failure.is_some() {
        return tell(&answer);
    }
    for line in answer.out.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        println!("{}:", line["upstream"].as_str().unwrap_or_default());
        for (name, count) in line["sessions"].as_object().into_iter().flatten() {
            println!("  {name:<26}{:>10}", count.as_u64().unwrap_or_default());
        }
    }
    ExitCode::SUCCESS
}

fn run_show(show: &Show, configuration: &Configuration) -> Result<show::Found, String> {
    let id = Id::parse(show.id.as_bytes()).ok_or_else(|| {
        format!(
            "`{}` can be no session id: expected at most 200 bytes without spaces, quotes and slashes",
            show.id.escape_debug()
        )
    })?;
    let layout = Layout::with_prefix(show.key_prefix.as_str());
    layout
        .backup_validity(&id)
        .ok_or("the prefix is too long for a key of memcached, or has bytes that none may have")?;
    if let Some(warning) = layout.warning() {
        eprintln!("edge: {warning}");
    }
    let mut settings = settings(show.store.as_deref(), configuration)?;
    settings.limits.timeout = settings.limits.timeout.max(PATIENCE);
    let asked = show::Asked { id, layout, non_sticky: show.mode == Mode::NonSticky, now: now() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let found = runtime.block_on(async { show::look(&Store::new(settings), &asked).await });
    // A name server that does not answer holds a thread: it is not waited for.
    runtime.shutdown_background();
    Ok(found)
}

/// The store that is meant.
fn settings(named: Option<&str>, configuration: &Configuration) -> Result<StoreSettings, String> {
    // Only the stores are compiled: whoever asks may not be allowed to read the keys of certificates.
    let read = configuration.options(true).read();
    let mut diagnostics = read.diagnostics;
    let stores = snapshot::session_stores(&read.raw, &mut diagnostics);
    let file = configuration.file.display();
    if diagnostics.has_errors() {
        eprint!("{diagnostics}");
        return Err(format!("{file} has mistakes"));
    }
    let names = || stores.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (named, stores.len()) {
        (_, 0) => Err(format!(
            "{file} names no `session_store`: write `session_store: {{ msm: {{ memcached: {{ n1: 'host:11211' }} }} }}`"
        )),
        (Some(name), _) => {
            stores.get(name).cloned().ok_or_else(|| format!("{file} has no session store `{name}`, but {}", names()))
        }
        (None, 1) => stores.values().next().cloned().ok_or_else(String::new),
        (None, _) => Err(format!("{file} has several session stores ({}): say which with --store", names())),
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
