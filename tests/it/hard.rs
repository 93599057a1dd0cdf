//! Hardness: whatever somebody does ends in a clear error for that one, and nobody else notices.
//!
//! Each test here starts edge as it is installed, lets offenders do one thing over plain sockets, and has neighbours beside
//! them ([`Neighbours`]): clients that keep their connections, whose every answer must be right, and soon there.
//!
//! | what | where |
//! |---|---|
//! | heads and bodies that drip, answers that nobody reads | `slow` |
//! | thousands of idle connections | `idle` |
//! | targets, fields, heads, bodies, chunks, trailers, answers that are too large | `large` |
//! | requests and answers of two meanings | `smuggled` |
//! | too many from one address, too many at all | `crowd` |
//! | no descriptors left | `descriptors` |
//! | no room for logs | `disk` |
//! | all kinds of work for minutes, memory and descriptors watched | `soak` |
//!
//! What stands elsewhere and is not repeated: every head, host, target and framing beside nginx's outcome (`differential::`,
//! `features::heads`, `features::bodies`, `features::timeouts`, `client::parse::tests`, `client::tests::bodies`); floods of
//! HTTP/2 (`client::http2::tests::limits`); slow clients and Tomcat's threads (`tomcats::load`); rates (`features::limits`,
//! `limits`); logs that block and /dev/full (`process::stuck`); full disks, damage and crashes of the cache
//! (`cache::store::tests`); hostile configurations (`messages::hostile`); requests that only look allowed (`rules::ways`).
//! Bytes that nobody thought of are in `src/fuzzing`.

mod crowd;
mod descriptors;
mod disk;
mod idle;
mod large;
mod slow;
mod smuggled;
mod soak;

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::backend::{self, Backend};
use crate::support::edge::{Edge, Plan};
use crate::support::load::{Load, Question, Running};
use crate::support::{ports, wait};

/// In which everything that is due has happened, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// The longest a neighbour may wait. It is for machines that are busy with other tests; most wait for a millisecond.
const PATIENCE: Duration = Duration::from_secs(8);

/// What every edge here begins with.
const HEAD: &str =
    "worker_processes: 2\nerror_log: { path: logs/error.log, level: info }\nkeepalive_requests: 100000000\n";

/// An edge that answers `/own` itself and asks an application for everything else.
fn configuration(port: u16, application: SocketAddr, top: &str, server: &str, location: &str) -> String {
    format!(
        "{HEAD}{top}upstream:\n  app: {{ servers: ['{application}'] }}\nserver:\n  - listen: 127.0.0.1:{port}\n{server}    location:\n      \
         - match: = /own\n        return: {{ status: 200, text: own }}\n      - match: /\n        proxy_pass: http://app\n{location}"
    )
}

fn plan(application: &Backend, top: &str, server: &str, location: &str) -> Plan {
    let port = ports::free();
    Edge::yaml(&configuration(port, application.address(), top, server, location), port)
}

/// Says `app` to everybody.
fn application() -> Backend {
    Backend::start(|_, answer| answer.write(backend::ok("app")))
}

/// Clients that do nothing wrong.
struct Neighbours(Running);

impl Neighbours {
    const COUNT: usize = 4;

    fn of(edge: &Edge) -> Neighbours {
        let ask = |turn: crate::support::load::Turn| match turn.connection % 2 {
            0 => Question::get("/own").expecting(200, "own"),
            _ => Question::get("/app").expecting(200, "app"),
        };
        let load = Load::to(edge.address()).connections(Self::COUNT).resting(Duration::from_millis(10)).asking(ask);
        let running = load.start();
        running.wait(SOON, "the neighbours' first answers", |report| report.answered >= 2 * Self::COUNT);
        Neighbours(running)
    }

    /// They were answered all the time, rightly and soon, on the connections they began with.
    fn assert_unharmed(self) {
        self.0.wait_round();
        let report = self.0.finish();
        report.assert_untouched(Self::COUNT);
        assert!(report.longest < PATIENCE, "a neighbour waited for {:?}:\n{report}", report.longest);
    }
}

/// Descriptors that the process has open.
fn descriptors(edge: &Edge) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", edge.id())).expect("a process that runs").count()
}

/// The processor time that the process has used.
fn processor_time(edge: &Edge) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", edge.id())).expect("a process that runs");
    let behind_name = stat.rsplit_once(") ").expect("a name in brackets").1;
    let ticks: u64 = behind_name.split(' ').skip(11).take(2).map(|word| word.parse::<u64>().expect("a number")).sum();
    // SAFETY: sysconf has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.unsigned_abs();
    Duration::from_millis(ticks * 1000 / per_second)
}

/// How many lines of a log have this text, once there are as many as that.
fn lines_with(edge: &Edge, file: &str, text: &str, at_least: usize) -> usize {
    let count = || {
        let log = std::fs::read(edge.file(file)).unwrap_or_default();
        String::from_utf8_lossy(&log).lines().filter(|line| line.contains(text)).count()
    };
    wait::until(SOON, || Some(count()).filter(|count| *count >= at_least)).unwrap_or_else(count)
}

/// As many files as this user may have, for a test that opens thousands of connections; says how many that are.
fn allow_many_files() -> usize {
    // SAFETY: plain system calls on a value that lives during them.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    }
}
