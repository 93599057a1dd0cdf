//! Started by root with a `user`: the worker is that user at once, and the keeper gives it what the configuration names.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request;
use crate::support::{ports, wait};

use super::control::tell;
use super::{Held, SOON, count_errors, lines, one_more_saying, passing_to, reload, reload_in_vain, saying};

const NOBODY: u32 = 65534;

/// Only root has something to keep.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("not tested: only root can");
    }
    root
}

pub fn as_nobody(configuration: &str) -> String {
    format!("user: nobody\n{configuration}")
}

/// The one child of a process.
fn child_of(process: u32) -> Option<u32> {
    let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    list.split_whitespace().next()?.parse().ok()
}

fn worker(edge: &Edge) -> u32 {
    wait::until(SOON, || child_of(edge.id())).expect("a worker")
}

fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // A process that nobody has waited for yet is over as well.
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

fn ends(process: u32) -> bool {
    wait::until(SOON, || (!runs(process)).then_some(())).is_some()
}

fn status_of(process: u32, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A directory into which only root may look.
fn make_closed(edge: &Edge, name: &str) {
    std::fs::create_dir(edge.file(name)).unwrap();
    std::fs::set_permissions(edge.file(name), std::fs::Permissions::from_mode(0o700)).unwrap();
}

fn write_secret(edge: &Edge, name: &str, text: &str) {
    std::fs::write(edge.file(name), text).unwrap();
    std::fs::set_permissions(edge.file(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_worker_is_the_user_and_can_become_nobody_else() {
    if !is_root() {
        return;
    }
    let port = ports::free();
    let edge = Edge::yaml(&as_nobody(&saying(port, "a")), port).start();
    let worker = worker(&edge);
    assert_eq!(status_of(worker, "Uid"), format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}"));
    assert_eq!(status_of(worker, "Gid"), format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}"));
    assert_eq!(status_of(worker, "NoNewPrivs"), "1");
    assert_eq!(status_of(worker, "CapPrm"), "0000000000000000");
    assert_eq!((status_of(edge.id(), "Uid"), status_of(edge.id(), "Threads")), ("0 0 0 0".into(), "1".into()));
}

/// The directory of the test belongs to root and is closed to all others, so that everything goes through the keeper.
#[test]
fn a_reload_adds_a_port_below_1024_and_reads_what_only_root_may() {
    if !is_root() {
        return;
    }
    let (port, low) = (ports::free(), ports::free_for_root());
    let edge = Edge::yaml(&as_nobody(&saying(port, "old")), port).start();
    make_closed(&edge, "closed");
    write_secret(&edge, "closed/secret", "hush");
    write_secret(&edge, "closed/a.part.yaml", &format!("server:\n{}", one_more_saying(low, "below")));
    let answer = "    add_header: { X-Secret: '${file:closed/secret}' }\n    access_log: closed/deep/a.log\n";
    reload(&edge, &as_nobody(&format!("include: closed/*.part.yaml\n{}{answer}", saying(port, "new"))));
    assert_eq!(client::get(ports::local(low), "/").text(), "below");
    let new = client::get(edge.address(), "/x");
    assert_eq!((new.text().as_str(), new.header("x-secret")), ("new", Some("hush")));
    assert!(lines(&edge, "closed/deep/a.log", 1)[0].contains("GET /x "));
    let log = std::fs::metadata(edge.file("closed/deep/a.log")).unwrap();
    let directory = std::fs::metadata(edge.file("closed/deep")).unwrap();
    assert_eq!((log.uid(), directory.uid()), (NOBODY, NOBODY));
    assert_eq!(status_of(worker(&edge), "Uid"), format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}"));
}

#[test]
fn logs_in_a_closed_directory_are_reopened_whatever_has_become_of_the_file() {
    if !is_root() {
        return;
    }
    let port = ports::free();
    let edge = Edge::yaml(&as_nobody(&saying(port, "a")), port).start();
    client::get(edge.address(), "/1");
    lines(&edge, "logs/access.log", 1);
    std::fs::rename(edge.file("logs/access.log"), edge.file("logs/access.log.1")).unwrap();
    // Half edited, and not yet reloaded.
    edge.write_configuration("server: [");
    edge.signal(libc::SIGUSR1);
    assert!(wait::until(SOON, || edge.file("logs/access.log").exists().then_some(())).is_some(), "{}", edge.errors());
    client::get(edge.address(), "/2");
    assert!(lines(&edge, "logs/access.log", 1)[0].contains("GET /2 "));
}

/// A link that the user could have put there leads root nowhere.
#[test]
fn a_log_that_leads_elsewhere_is_refused() {
    if !is_root() {
        return;
    }
    let port = ports::free();
    let edge = Edge::yaml(&as_nobody(&saying(port, "a")), port).start();
    std::fs::create_dir(edge.file("theirs")).unwrap();
    write_secret(&edge, "victim", "");
    std::os::unix::fs::symlink(edge.file("victim"), edge.file("theirs/a.log")).unwrap();
    std::os::unix::fs::chown(edge.file("theirs"), Some(NOBODY), Some(NOBODY)).unwrap();
    reload_in_vain(&edge, &as_nobody(&format!("access_log: theirs/a.log\n{}", saying(port, "b"))));
    assert!(edge.errors().contains("theirs/a.log cannot be opened: Permission denied"), "{}", edge.errors());
    assert_eq!(client::get(edge.address(), "/").text(), "a");
}

#[test]
fn the_pid_file_is_the_keepers_and_goes_with_it() {
    if !is_root() {
        return;
    }
    let port = ports::free();
    let mut edge = Edge::yaml(&as_nobody(&saying(port, "a")), port).start();
    let written = || std::fs::read_to_string(edge.file("logs/edge.pid")).ok();
    assert!(
        wait::until(SOON, || (written()? == format!("{}\n", edge.id())).then_some(())).is_some(),
        "{:?}",
        written()
    );
    let socket = wait::until(SOON, || std::fs::metadata(edge.file("logs/edge.sock")).ok()).unwrap();
    assert_eq!((socket.uid(), socket.permissions().mode() & 0o777), (NOBODY, 0o600));
    let said = tell(&edge, "reload");
    assert!(said.status.success(), "{}", said.stderr);
    assert!(tell(&edge, "quit").status.success());
    assert!(edge.wait_end(SOON).expect("edge ends").success());
    assert!(!edge.file("logs/edge.pid").exists() && !edge.file("logs/edge.sock").exists());
}

#[test]
fn a_unix_listener_in_a_closed_directory_comes_and_goes() {
    if !is_root() {
        return;
    }
    let port = ports::free();
    let edge = Edge::yaml(&as_nobody(&saying(port, "a")), port).start();
    let path = edge.file("logs/listen.sock");
    let unix = format!("  - listen: 'unix:{}'\n    return: 204\n", path.display());
    reload(&edge, &as_nobody(&(saying(port, "b") + &unix)));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    reload(&edge, &as_nobody(&saying(port, "c")));
    assert!(!path.exists());
}

#[test]
fn a_killed_keeper_takes_the_worker_with_it_after_the_last_request() {
    if !is_root() {
        return;
    }
    let (port, held) = (ports::free(), Held::start());
    let edge = Edge::yaml(&as_nobody(&passing_to(port, &held.backend, "")), port).start();
    let worker = worker(&edge);
    let mut busy = Client::connect(edge.address());
    busy.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(1));
    edge.signal(libc::SIGKILL);
    assert!(wait::until(SOON, || (!wait::accepts(edge.address())).then_some(())).is_some(), "it still listens");
    assert!(runs(worker));
    held.let_go();
    assert_eq!(busy.response("GET").unwrap().text(), "late");
    assert!(ends(worker));
}

#[test]
fn a_killed_worker_is_told_of_and_edge_fails() {
    if !is_root() {
        return;
    }
    let port = ports::free();
    let mut edge = Edge::yaml(&as_nobody(&saying(port, "a")), port).start();
    let worker = worker(&edge);
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(worker as i32, libc::SIGKILL) };
    let status = edge.wait_end(SOON).expect("the keeper ends");
    assert_eq!((status.code(), status.signal()), (Some(1), None));
    let told = format!("the worker process {worker} was killed by signal 9");
    assert!(count_errors(&edge, &told) > 0, "{}", edge.errors());
    assert!(!edge.file("logs/edge.pid").exists() && !edge.file("logs/edge.sock").exists());
}

#[test]
fn quit_and_term_reach_the_worker() {
    if !is_root() {
        return;
    }
    let backend = Backend::saying("b");
    for signal in [libc::SIGQUIT, libc::SIGTERM, libc::SIGINT] {
        let port = ports::free();
        let mut edge = Edge::yaml(&as_nobody(&passing_to(port, &backend, "")), port).start();
        assert_eq!(client::get(edge.address(), "/").text(), "b");
        let worker = worker(&edge);
        edge.signal(signal);
        assert!(edge.wait_end(Duration::from_secs(5)).expect("edge ends").success());
        assert!(!runs(worker));
    }
}
