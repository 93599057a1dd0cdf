//! Stand-ins for Tomcats with memcached-session-manager (`edge demo application`), processes that can be killed, frozen and
//! terminated, and clients that know afterwards which of their updates are gone.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

use super::memcached::Memcached;
use super::process::{self, Process};
use super::request::{self, Request};
use super::response::Response;
use super::{ports, wait};

const START: Duration = Duration::from_secs(20);

/// Which node a new session gets is left to chance, unless a request says so: `n2`, or `n2 n1` if it makes two.
pub const WISHES: &str = "X-Memcached-Nodes";

pub struct Standin {
    pub name: String,
    port: u16,
    arguments: Vec<String>,
    process: Process,
    home: tempfile::TempDir,
}

impl Standin {
    /// Starts one with these nodes, `n1`, `n2` and so on, and further options.
    pub fn start(name: &str, nodes: &[Memcached], more: &[&str]) -> Standin {
        let node = |(at, node): (usize, &Memcached)| format!("n{}:{}", at + 1, node.address());
        Self::start_with(name, &nodes.iter().enumerate().map(node).collect::<Vec<_>>().join(","), more)
    }

    /// The same, with the nodes as they are written.
    pub fn start_with(name: &str, nodes: &str, more: &[&str]) -> Standin {
        let words = ["demo", "application", "--route", name, "--memcached", nodes];
        let arguments: Vec<String> = words.iter().chain(more).map(ToString::to_string).collect();
        let (port, home) = (ports::free(), process::temporary_directory(name));
        let process = run(name, port, &arguments, &home);
        Standin { name: name.to_string(), port, arguments, process, home }
    }

    pub fn address(&self) -> SocketAddr {
        ports::local(self.port)
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Looks dead: connections are accepted and nothing is answered.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    pub fn thaw(&self) {
        self.process.signal(libc::SIGCONT);
    }

    /// Tells it to end; it takes a while (`wait_end`).
    pub fn terminate(&self) {
        self.process.signal(libc::SIGTERM);
    }

    pub fn wait_end(&mut self) {
        let ended = self.process.wait_end(Duration::from_secs(10));
        assert!(ended.is_some(), "{} does not end", self.name);
    }

    /// Starts it again on its port, with an empty memory.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(&self.name, self.port, &self.arguments, &self.home);
    }

    /// A request with this session id, if it is one.
    pub fn ask(&self, request: Request, id: &str) -> Response {
        with_id(request, id).send(self.address())
    }
}

fn run(name: &str, port: u16, arguments: &[String], home: &tempfile::TempDir) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
    command.args(arguments).args(["--listen", &ports::local(port).to_string()]);
    let mut process = Process::start(name, command, &home.path().join("output"), libc::SIGKILL);
    process.wait_ready(START, "it listened", || wait::accepts(ports::local(port)));
    process
}

fn with_id(request: Request, id: &str) -> Request {
    match id {
        "" => request,
        id => request.header("Cookie", &format!("JSESSIONID={id}")),
    }
}

/// The session id that an answer sets.
pub fn new_id(answer: &Response) -> Option<String> {
    let cookie = answer.head.headers.all("set-cookie").last()?;
    Some(cookie.strip_prefix("JSESSIONID=")?.split(';').next()?.to_string())
}

/// A visitor who counts, and remembers each update that was acknowledged.
#[derive(Default)]
pub struct Session {
    name: usize,
    /// Empty before the first answer.
    pub id: String,
    sent: usize,
    acknowledged: Vec<String>,
    new_empty: usize,
    failed: usize,
}

/// What became of all updates of some sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub acknowledged: usize,
    /// Acknowledged, and in no session any more.
    pub lost: usize,
    /// In the session more than once.
    pub doubled: usize,
    /// Answers that came from a new session, where there was one.
    pub new_empty: usize,
    /// Requests without an answer, or with another status than 200.
    pub failed: usize,
}

impl Session {
    pub fn new(name: usize) -> Session {
        Session { name, ..Session::default() }
    }

    /// A session that has begun at `to`, stored on that node.
    pub fn begun(name: usize, to: SocketAddr, node: &str) -> Session {
        let mut session = Session::new(name);
        let answer = session.request(0).header(WISHES, node).try_send(to);
        session.sent = 1;
        session.note(0, answer.ok());
        assert!(session.id.contains(&format!("-{node}")), "{} is not on {node}", session.id);
        session
    }

    /// One update, with the id of the last answer.
    pub fn update(&mut self, to: SocketAddr) {
        self.burst(&[to]);
    }

    /// Updates at the same time, all with the id of the last answer before.
    pub fn burst(&mut self, to: &[SocketAddr]) {
        let start = Barrier::new(to.len());
        let first = self.sent;
        self.sent += to.len();
        let answers: Vec<Option<Response>> = std::thread::scope(|scope| {
            let threads = to.iter().enumerate().map(|(at, to)| {
                let (request, start) = (self.request(first + at), &start);
                scope.spawn(move || {
                    start.wait();
                    request.try_send(*to).ok()
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join().expect("a client does not panic")).collect()
        });
        for (at, answer) in answers.into_iter().enumerate() {
            self.note(first + at, answer);
        }
    }

    fn token(&self, at: usize) -> String {
        format!("{}-{at}", self.name)
    }

    fn request(&self, at: usize) -> Request {
        with_id(request::post(&format!("/count?token={}", self.token(at)), ""), &self.id)
    }

    fn note(&mut self, at: usize, answer: Option<Response>) {
        let Some(answer) = answer.filter(|answer| answer.status() == 200) else {
            self.failed += 1;
            return;
        };
        let is_first = self.id.is_empty();
        if answer.json()["new"] == true && !is_first {
            // Whatever its cookie says, this browser's session is the one it has.
            self.new_empty += 1;
        } else if let Some(id) = new_id(&answer) {
            self.id = id;
        }
        self.acknowledged.push(self.token(at));
    }

    /// Asks these servers, and believes the one that knows most.
    pub fn tally(&self, owners: &[SocketAddr]) -> Tally {
        let held = owners.iter().map(|owner| tokens(*owner, &self.id)).max_by_key(Vec::len).unwrap_or_default();
        let times = |token: &String| held.iter().filter(|held| *held == token).count();
        Tally {
            acknowledged: self.acknowledged.len(),
            lost: self.acknowledged.iter().filter(|token| times(token) == 0).count(),
            doubled: self.acknowledged.iter().filter(|token| times(token) > 1).count(),
            new_empty: self.new_empty,
            failed: self.failed,
        }
    }
}

fn tokens(owner: SocketAddr, id: &str) -> Vec<String> {
    let Ok(answer) = with_id(request::get("/tokens"), id).try_send(owner) else { return Vec::new() };
    let tokens = answer.json()["tokens"].as_array().cloned().unwrap_or_default();
    tokens.iter().filter_map(|token| token.as_str().map(str::to_string)).collect()
}

/// The tallies of all sessions together.
pub fn tally(sessions: &[Session], owners: &[SocketAddr]) -> Tally {
    let mut sum = Tally::default();
    for one in sessions.iter().map(|session| session.tally(owners)) {
        sum.acknowledged += one.acknowledged;
        sum.lost += one.lost;
        sum.doubled += one.doubled;
        sum.new_empty += one.new_empty;
        sum.failed += one.failed;
    }
    sum
}
