//! `edge -s SIGNAL`, and what it says when there is nobody to tell.

use std::time::Duration;

use crate::messages::{Desk, Said};
use crate::support::client;
use crate::support::edge::Edge;
use crate::support::{ports, wait};

use super::{SOON, count_errors, saying};

pub fn tell(edge: &Edge, signal: &str) -> Said {
    let file = edge.file("edge.yaml");
    Desk::new().edge(&["-s", signal, "-c", file.to_str().unwrap()])
}

/// An edge that has written its pid file.
pub fn start(configuration: &str, port: u16) -> Edge {
    let edge = Edge::yaml(configuration, port).start();
    let number = || std::fs::read_to_string(edge.file("logs/edge.pid")).ok()?.trim().parse::<u32>().ok();
    assert_eq!(wait::until(SOON, number), Some(edge.id()));
    edge
}

#[test]
fn a_running_edge_is_told_to_reload_reopen_and_quit() {
    let port = ports::free();
    let mut edge = start(&saying(port, "old"), port);
    edge.write_configuration(&saying(port, "new"));
    let said = tell(&edge, "reload");
    assert!(said.status.success() && said.stderr.is_empty(), "{}", said.stderr);
    let new = wait::until(SOON, || (client::get(edge.address(), "/").text() == "new").then_some(()));
    assert!(new.is_some());

    let log = edge.file("logs/access.log");
    std::fs::rename(&log, edge.file("logs/access.log.1")).unwrap();
    assert!(tell(&edge, "reopen").status.success());
    assert!(wait::until(SOON, || log.exists().then_some(())).is_some());

    assert!(tell(&edge, "quit").status.success());
    assert!(edge.wait_end(SOON).expect("edge ends").success());
    assert!(edge.errors().contains("gracefully shutting down"), "{}", edge.errors());
}

#[test]
fn a_running_edge_is_told_to_stop() {
    let port = ports::free();
    let mut edge = start(&saying(port, "a"), port);
    assert!(tell(&edge, "stop").status.success());
    assert!(edge.wait_end(SOON).expect("edge ends").success());
}

#[test]
fn a_reload_of_a_broken_file_is_refused_where_somebody_reads_it() {
    let port = ports::free();
    let edge = start(&saying(port, "old"), port);
    edge.write_configuration(&(saying(port, "new") + "    servername: a\n"));
    let said = tell(&edge, "reload");
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("error: unknown key `servername`"), "{}", said.stderr);
    assert!(said.stderr.ends_with("edge: nothing was reloaded: the configuration has mistakes\n"), "{}", said.stderr);
    assert_eq!(client::get(edge.address(), "/").text(), "old");
    assert_eq!(count_errors(&edge, "was reloaded"), 0);
}

/// Whatever the file has become meanwhile: edge can be stopped.
#[test]
fn a_broken_file_does_not_keep_edge_from_being_stopped() {
    for broken in ["server: [", "", "nonsense: 1\n"] {
        let port = ports::free();
        let mut edge = start(&saying(port, "a"), port);
        edge.write_configuration(broken);
        let said = tell(&edge, "stop");
        assert!(said.status.success(), "{broken:?}: {}", said.stderr);
        assert!(edge.wait_end(SOON).is_some());
    }
}

#[test]
fn nobody_to_tell_is_told() {
    let desk = Desk::new().with("edge.yaml", "pid: run/edge.pid\nserver: [{ listen: 8080 }]\n");
    for signal in ["reload", "quit", "stop", "reopen"] {
        let said = desk.edge(&["-s", signal, "-c", "edge.yaml"]);
        assert_eq!(said.status.code(), Some(1));
        assert_eq!(said.stderr, "edge: is edge running? ./run/edge.pid: No such file or directory\n");
    }
    // Left by a crash: the number of a process that has ended.
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    desk.put("run/edge.pid", format!("{}\n", ended.id()));
    let said = desk.edge(&["-s", "quit", "-c", "edge.yaml"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains(&format!("{}", ended.id())), "{}", said.stderr);
    assert!(said.stderr.contains("No such process"), "{}", said.stderr);
    for content in ["", "abc\n", "-1\n", "0\n", "99999999999999999999\n"] {
        desk.put("run/edge.pid", content);
        let said = desk.edge(&["-s", "stop", "-c", "edge.yaml"]);
        assert_eq!(said.status.code(), Some(1), "{content:?}");
        assert!(said.stderr.contains("run/edge.pid holds no number of a process"), "{content:?}: {}", said.stderr);
    }
}

#[test]
fn a_signal_that_is_none_is_told() {
    let said = Desk::new().edge(&["-s", "relaod"]);
    assert_eq!(said.status.code(), Some(1));
    for expected in ["relaod", "reload", "quit", "stop", "reopen"] {
        assert!(said.stderr.contains(expected), "{}", said.stderr);
    }
    assert!(said.stderr.len() < 1000);
}

/// `edge -s` only looks at the configuration: nothing is created, nothing is waited for.
#[test]
fn telling_makes_no_files() {
    let desk = Desk::new().with("edge.yaml", "access_log: logs/a.log\nserver: [{ listen: 8080 }]\n");
    let at = std::time::Instant::now();
    desk.edge(&["-s", "reload", "-c", "edge.yaml"]);
    assert!(at.elapsed() < Duration::from_secs(5));
    assert!(!desk.path("logs").exists());
}
