//! The process: signals, reloads, logs, the pid file. What nginx's master process does, edge does in one process, and
//! nobody who is being served notices.

mod background;
mod caches;
mod commands;
mod control;
mod formats;
mod keeper;
mod limits;
mod load;
mod malformed;
mod nginx;
mod pids;
mod reload;
mod reopen;
mod stop;
mod stuck;
mod tls;
mod upgrade;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::backend::{self, Backend};
use crate::support::edge::Edge;
use crate::support::wait;

/// Long enough for whatever happens at once, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Keys that every configuration here begins with: one quick worker, an error log that tells all.
const HEAD: &str = "worker_processes: 2\nerror_log: { path: logs/error.log, level: info }\n";

/// One server on `port` that answers everything with `text`.
fn saying(port: u16, text: &str) -> String {
    format!("{HEAD}{}", server_saying(port, text))
}

fn server_saying(port: u16, text: &str) -> String {
    format!("server:\n{}", one_more_saying(port, text))
}

/// A further item of the list of servers.
fn one_more_saying(port: u16, text: &str) -> String {
    format!("  - listen: 127.0.0.1:{port}\n    return: {{ status: 200, text: '{text}' }}\n")
}

fn passing_to(port: u16, backend: &Backend, more: &str) -> String {
    format!(
        "{HEAD}server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - match: /\n        proxy_pass: http://{}\n{more}",
        backend.address()
    )
}

/// How often the error log holds a text.
fn count_errors(edge: &Edge, text: &str) -> usize {
    edge.errors().matches(text).count()
}

/// Reads the configuration again, which must succeed, and waits until it is in force.
pub fn reload(edge: &Edge, configuration: &str) {
    const DONE: &str = "the configuration was reloaded";
    let before = count_errors(edge, DONE);
    edge.write_configuration(configuration);
    edge.signal(libc::SIGHUP);
    let done = wait::until(SOON, || (count_errors(edge, DONE) > before).then_some(()));
    assert!(done.is_some(), "not reloaded:\n{}", edge.errors());
}

/// Reads the configuration again, which must be refused, and waits until that is told.
pub fn reload_in_vain(edge: &Edge, configuration: &str) {
    const REFUSED: &str = "the configuration was not reloaded";
    let before = count_errors(edge, REFUSED);
    edge.write_configuration(configuration);
    edge.signal(libc::SIGHUP);
    let told = wait::until(SOON, || (count_errors(edge, REFUSED) > before).then_some(()));
    assert!(told.is_some(), "not refused:\n{}", edge.errors());
}

/// Waits until a file has this many lines, and gives them.
fn lines(edge: &Edge, file: &str, count: usize) -> Vec<String> {
    let read = || std::fs::read(edge.file(file)).unwrap_or_default();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let found = wait::until(SOON, || {
        let text = text(read());
        (text.lines().count() >= count && text.ends_with('\n')).then_some(text)
    });
    let found = found.unwrap_or_else(|| {
        let text = text(read());
        let last = text.lines().last().unwrap_or_default().chars().take(200).collect::<String>();
        panic!("{file} has {} lines instead of {count}, the last {last:?}", text.lines().count())
    });
    found.lines().map(str::to_owned).collect()
}

/// A backend that answers each request only once it is told to.
struct Held {
    backend: Backend,
    go: Sender<()>,
}

impl Held {
    fn start() -> Held {
        let (go, wait): (Sender<()>, Receiver<()>) = channel();
        let wait = Arc::new(Mutex::new(wait));
        let backend = Backend::start(move |_, answer| {
            let told = wait.lock().unwrap().recv_timeout(Duration::from_secs(30));
            if told.is_ok() {
                answer.write(backend::ok("late"));
            }
        });
        Held { backend, go }
    }

    /// Lets one request have its answer.
    fn let_go(&self) {
        self.go.send(()).unwrap();
    }
}
