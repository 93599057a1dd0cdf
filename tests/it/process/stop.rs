//! QUIT waits for whoever is being served, TERM and INT do not; the pid file stands for exactly as long as edge runs.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::messages::Desk;
use crate::support::backend::Backend;
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request;
use crate::support::{ports, wait};

use super::{Held, SOON, passing_to, saying};

fn refuses(port: u16) -> bool {
    wait::until(SOON, || (!wait::accepts(ports::local(port))).then_some(())).is_some()
}

fn ends(edge: &mut Edge, limit: Duration) -> ExitStatus {
    edge.wait_end(limit).unwrap_or_else(|| panic!("edge does not end:\n{}", edge.errors()))
}

#[test]
fn quit_waits_for_a_request_and_closes_idle_connections_at_once() {
    let (port, held) = (ports::free(), Held::start());
    let mut edge = Edge::yaml(&passing_to(port, &held.backend, ""), port).start();
    let mut idle = Client::connect(edge.address());
    held.let_go();
    assert_eq!(idle.ask(&request::get("/")).unwrap().text(), "late");
    let mut fresh = Client::connect(edge.address());
    let mut busy = Client::connect(edge.address());
    busy.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(2));

    edge.signal(libc::SIGQUIT);
    assert!(idle.wait_closed(SOON), "an idle connection stays");
    assert!(fresh.wait_closed(SOON), "a connection without a request stays");
    assert!(refuses(port), "the port is still listened on");
    assert!(edge.wait_end(Duration::from_millis(300)).is_none(), "edge did not wait for the request");

    held.let_go();
    let answer = busy.response("GET").unwrap();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("late", Some("close")));
    assert!(busy.wait_closed(SOON));
    assert!(ends(&mut edge, SOON).success());
}

/// A body that is still being sent is a request in flight as well.
#[test]
fn quit_waits_for_a_body() {
    let (port, held) = (ports::free(), Held::start());
    let mut edge = Edge::yaml(&passing_to(port, &held.backend, ""), port).start();
    let mut client = Client::connect(edge.address());
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    // Its head has been read once a second request on another connection has been answered.
    held.let_go();
    assert_eq!(client::get(edge.address(), "/").text(), "late");
    edge.signal(libc::SIGQUIT);
    assert!(refuses(port));
    client.write("def");
    held.let_go();
    assert_eq!(client.response("POST").unwrap().text(), "late");
    assert_eq!(held.backend.seen()[1].body, b"abcdef");
    assert!(ends(&mut edge, SOON).success());
}

#[test]
fn term_and_int_end_at_once() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let (port, held) = (ports::free(), Held::start());
        let mut edge = Edge::yaml(&passing_to(port, &held.backend, ""), port).start();
        let mut busy = Client::connect(edge.address());
        busy.write(request::get("/slow").bytes());
        assert!(held.backend.wait_requests(1));
        let at = Instant::now();
        edge.signal(signal);
        assert!(ends(&mut edge, SOON).success());
        assert!(at.elapsed() < Duration::from_secs(3), "{:?}", at.elapsed());
        assert!(busy.wait_closed(SOON));
    }
}

#[test]
fn term_hurries_a_graceful_stop() {
    let (port, held) = (ports::free(), Held::start());
    let mut edge = Edge::yaml(&passing_to(port, &held.backend, ""), port).start();
    let mut busy = Client::connect(edge.address());
    busy.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(1));
    edge.signal(libc::SIGQUIT);
    assert!(refuses(port));
    edge.signal(libc::SIGTERM);
    assert!(ends(&mut edge, Duration::from_secs(5)).success());
}

#[test]
fn a_second_quit_hurries_as_well() {
    let (port, held) = (ports::free(), Held::start());
    let mut edge = Edge::yaml(&passing_to(port, &held.backend, ""), port).start();
    let mut busy = Client::connect(edge.address());
    busy.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(1));
    edge.signal(libc::SIGQUIT);
    assert!(refuses(port));
    assert!(edge.wait_end(Duration::from_millis(300)).is_none());
    edge.signal(libc::SIGQUIT);
    assert!(ends(&mut edge, Duration::from_secs(5)).success());
}

/// A websocket has no last request: it is served until the limit.
#[test]
fn an_upgraded_connection_is_served_until_the_limit_of_a_graceful_stop() {
    let port = ports::free();
    let backend = Backend::start(|_, answer| {
        answer.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello");
        answer.stall();
    });
    let upgrade = "        proxy_set_header: { Upgrade: $http_upgrade, Connection: upgrade }\n";
    let configuration = format!("worker_shutdown_timeout: 1s\n{}", passing_to(port, &backend, upgrade));
    let mut edge = Edge::yaml(&configuration, port).start();
    let mut socket = Client::connect(edge.address());
    socket.write(request::get("/").header("Upgrade", "echo").header("Connection", "upgrade").bytes());
    assert_eq!(socket.head("GET").unwrap().status, 101);
    let at = Instant::now();
    edge.signal(libc::SIGQUIT);
    assert!(refuses(port));
    assert!(socket.is_open() && edge.wait_end(Duration::from_millis(300)).is_none(), "it was not waited for");
    assert!(ends(&mut edge, Duration::from_secs(5)).success());
    assert!(at.elapsed() >= Duration::from_millis(900), "{:?}", at.elapsed());
}

#[test]
fn a_graceful_stop_has_a_limit() {
    let (port, held) = (ports::free(), Held::start());
    let configuration = format!("worker_shutdown_timeout: 500ms\n{}", passing_to(port, &held.backend, ""));
    let mut edge = Edge::yaml(&configuration, port).start();
    let mut busy = Client::connect(edge.address());
    busy.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(1));
    edge.signal(libc::SIGQUIT);
    assert!(ends(&mut edge, Duration::from_secs(5)).success());
    assert!(edge.errors().contains("1 connections are still open after 500ms"), "{}", edge.errors());
}

/// The time that counts is the one of the configuration in force, not of the first one.
#[test]
fn a_reload_changes_the_limit_of_a_graceful_stop() {
    let (port, held) = (ports::free(), Held::start());
    let mut edge = Edge::yaml(&passing_to(port, &held.backend, ""), port).start();
    super::reload(&edge, &format!("worker_shutdown_timeout: 500ms\n{}", passing_to(port, &held.backend, "")));
    let mut busy = Client::connect(edge.address());
    busy.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(1));
    edge.signal(libc::SIGQUIT);
    assert!(ends(&mut edge, Duration::from_secs(5)).success());
}

#[test]
fn the_pid_file_is_there_as_long_as_edge_runs() {
    for signal in [libc::SIGQUIT, libc::SIGTERM] {
        let port = ports::free();
        let mut edge = Edge::yaml(&format!("pid: somewhere/else/edge.pid\n{}", saying(port, "a")), port).start();
        let written = || std::fs::read_to_string(edge.file("somewhere/else/edge.pid")).ok();
        let expected = format!("{}\n", edge.id());
        assert!(wait::until(SOON, || (written()? == expected).then_some(())).is_some(), "{:?}", written());
        edge.signal(signal);
        ends(&mut edge, SOON);
        assert!(!edge.file("somewhere/else/edge.pid").exists());
    }
}

/// As nginx: where the configuration says from now on, there `edge -s` looks for it.
#[test]
fn a_reload_moves_the_pid_file() {
    let port = ports::free();
    let edge = Edge::yaml(&format!("pid: old.pid\n{}", saying(port, "a")), port).start();
    assert!(wait::until(SOON, || edge.file("old.pid").exists().then_some(())).is_some());
    super::reload(&edge, &format!("pid: new.pid\n{}", saying(port, "a")));
    let moved = wait::until(SOON, || (!edge.file("old.pid").exists()).then_some(()));
    assert!(moved.is_some(), "the old file is still there");
    assert_eq!(std::fs::read_to_string(edge.file("new.pid")).ok(), Some(format!("{}\n", edge.id())));
}

#[test]
fn a_pid_file_left_by_a_crash_is_no_obstacle() {
    let port = ports::free();
    let mut edge = Edge::yaml(&saying(port, "a"), port).start();
    edge.restart();
    let written = || std::fs::read_to_string(edge.file("logs/edge.pid")).unwrap_or_default();
    let expected = format!("{}\n", edge.id());
    assert!(wait::until(SOON, || (written() == expected).then_some(())).is_some(), "{:?}", written());
    assert_eq!(client::get(edge.address(), "/").text(), "a");
}

#[test]
fn a_second_edge_on_the_same_port_says_so_and_leaves_the_first_alone() {
    let port = ports::free();
    let edge = Edge::yaml(&saying(port, "first"), port).start();
    let has_pid = || std::fs::read_to_string(edge.file("logs/edge.pid")).ok().filter(|text| !text.is_empty());
    let pid = wait::until(SOON, has_pid).unwrap();
    let file = edge.file("edge.yaml");
    let said = Desk::new().edge(&["-c", file.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(1));
    let told = format!("edge: cannot listen on 127.0.0.1:{port}: Address already in use");
    assert!(said.stderr.contains(&told), "{}", said.stderr);
    assert_eq!(client::get(edge.address(), "/").text(), "first");
    assert_eq!(std::fs::read_to_string(edge.file("logs/edge.pid")).unwrap(), pid);
}

#[test]
fn a_start_with_a_mistake_says_so_and_makes_nothing() {
    let desk = Desk::new().with("edge.yaml", "access_log: logs/a.log\nserver: [{ listen: 127.0.0.1:0, lisen: 1 }]\n");
    let said = desk.edge(&["-c", "edge.yaml"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("edge.yaml:2:33: error: unknown key `lisen`"), "{}", said.stderr);
    assert!(!desk.path("logs/edge.pid").exists());
}

/// Who asks again and again is told with an answer, instead of losing a request to a close that crosses it.
#[test]
fn a_connection_that_was_busy_a_moment_ago_is_told_with_its_next_answer() {
    let port = ports::free();
    let mut edge = Edge::yaml(&saying(port, "a"), port).start();
    let mut busy = Client::connect(edge.address());
    assert_eq!(busy.ask(&request::get("/")).unwrap().header("connection"), Some("keep-alive"));
    edge.signal(libc::SIGQUIT);
    assert!(edge.wait_error("gracefully shutting down"));
    let last = busy.ask(&request::get("/")).unwrap();
    assert_eq!((last.text().as_str(), last.header("connection")), ("a", Some("close")));
    assert!(edge.wait_end(SOON).expect("edge ends").success());
}
