//! Logs that take nothing: a full disk, a pipe that nobody reads. Requests, signals and the other logs go on.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request;
use crate::support::{ports, wait};

use super::{SOON, lines, reload, saying};

fn make_pipe(path: &Path) {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is a C string that lives for the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

/// Far more lines than a pipe holds.
fn ask_often(edge: &Edge) {
    let mut client = Client::connect(edge.address());
    client.set_patience(Duration::from_secs(5));
    let long = "x".repeat(500);
    for at in 0..900 {
        let answer = client.ask(&request::get(&format!("/{at}?{long}")));
        assert_eq!(answer.unwrap_or_else(|e| panic!("request {at}: {e}")).status(), 200);
    }
}

/// An edge whose access log is a pipe that is open and full; the file keeps it open.
fn start_with_a_full_pipe() -> (Edge, File) {
    let (port, directory) = (ports::free(), crate::support::process::lasting_directory("pipe"));
    let pipe = directory.join("access.pipe");
    make_pipe(&pipe);
    // Open for both, so that neither side waits for the other.
    let nobody_reads = File::options().read(true).write(true).open(&pipe).unwrap();
    let logs = format!("[{{ path: {} }}, {{ path: logs/plain.log }}]", pipe.display());
    let edge = Edge::yaml(&format!("access_log: {logs}\n{}", saying(port, "a")), port).start();
    ask_often(&edge);
    (edge, nobody_reads)
}

#[test]
fn a_pipe_that_nobody_reads_does_not_stop_requests() {
    let (edge, _pipe) = start_with_a_full_pipe();
    assert_eq!(client::get(edge.address(), "/after").status(), 200);
}

#[test]
fn a_pipe_that_nobody_reads_does_not_stop_the_other_logs() {
    let (edge, _pipe) = start_with_a_full_pipe();
    client::get(edge.address(), "/after");
    let plain = lines(&edge, "logs/plain.log", 901);
    assert!(plain[900].contains("GET /after "), "{}", plain[900]);
    edge.signal(libc::SIGUSR1);
    assert!(edge.wait_error("reopening logs"));
}

#[test]
fn a_pipe_that_nobody_reads_does_not_stop_signals() {
    let (mut edge, _pipe) = start_with_a_full_pipe();
    // So that it is seen when USR1 has been obeyed; whether it is, another test asks.
    std::fs::rename(edge.file("logs/plain.log"), edge.file("logs/plain.log.1")).unwrap();
    edge.signal(libc::SIGUSR1);
    wait::until(Duration::from_secs(1), || edge.file("logs/plain.log").exists().then_some(()));
    let at = Instant::now();
    edge.signal(libc::SIGQUIT);
    assert!(edge.wait_end(SOON).is_some(), "QUIT is not obeyed");
    assert!(at.elapsed() < Duration::from_secs(5), "{:?}", at.elapsed());
}

/// To open a pipe for writing means to wait for a reader.
#[test]
fn a_pipe_that_nobody_opened_is_not_waited_for() {
    let port = ports::free();
    let mut edge = Edge::yaml(&saying(port, "a"), port).start();
    make_pipe(&edge.file("logs/access.pipe"));
    edge.write_configuration(&format!("access_log: logs/access.pipe\n{}", saying(port, "b")));
    edge.signal(libc::SIGHUP);
    let told = wait::until(SOON, || {
        let errors = edge.errors();
        ["not reloaded", "was reloaded"].iter().any(|text| errors.contains(text)).then_some(())
    });
    edge.signal(libc::SIGTERM);
    assert!(edge.wait_end(Duration::from_secs(5)).is_some(), "TERM is not obeyed");
    assert!(told.is_some(), "the reload waits for somebody to read the log");
}

#[test]
fn a_full_disk_does_not_stop_requests_and_is_tried_again() {
    let port = ports::free();
    let edge = Edge::yaml(&format!("access_log: /dev/full\n{}", saying(port, "a")), port).start();
    ask_often(&edge);
    reload(&edge, &format!("access_log: logs/a.log\n{}", saying(port, "b")));
    assert_eq!(client::get(edge.address(), "/after").text(), "b");
    assert_eq!(lines(&edge, "logs/a.log", 1).len(), 1);
}

/// Lines that are lost are counted, and that they are is told.
#[test]
fn lost_lines_are_told_in_the_error_log() {
    let port = ports::free();
    let edge = Edge::yaml(&format!("access_log: /dev/full\n{}", saying(port, "a")), port).start();
    ask_often(&edge);
    let told = wait::until(SOON, || edge.errors().contains("/dev/full").then_some(()));
    assert!(told.is_some(), "nobody is told that /dev/full takes nothing:\n{}", edge.errors());
    assert!(edge.errors().lines().count() < 50, "each lost line is told of");
}
