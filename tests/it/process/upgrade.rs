//! USR2: a new binary takes over, and no request fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::client;
use crate::support::edge::Edge;
use crate::support::{ports, wait};

use super::control::{start, tell};
use super::{SOON, reload, saying};

/// The new binary of a test, which does not outlive it.
pub struct Successor(i32);

impl Successor {
    fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers.
        unsafe { libc::kill(self.0, signal) };
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        self.signal(libc::SIGTERM);
        wait::until(SOON, || (!std::fs::exists(format!("/proc/{}", self.0)).unwrap()).then_some(()));
    }
}

fn number_in(edge: &Edge, file: &str) -> Option<i32> {
    std::fs::read_to_string(edge.file(file)).ok()?.trim().parse().ok()
}

/// Tells the edge to hand over, and waits until the new binary serves.
pub fn hand_over(edge: &Edge) -> Successor {
    edge.signal(libc::SIGUSR2);
    let new = wait::until(SOON, || number_in(edge, "logs/edge.pid").filter(|id| *id != edge.id() as i32));
    let new = Successor(new.unwrap_or_else(|| panic!("no new pid file:\n{}", edge.errors())));
    assert_eq!(number_in(edge, "logs/edge.pid.oldbin"), Some(edge.id() as i32));
    new
}

/// The old one's pid file is in its place again.
fn is_undone(edge: &Edge) -> bool {
    let own = || (number_in(edge, "logs/edge.pid") == Some(edge.id() as i32)).then_some(());
    wait::until(SOON, own).is_some() && !edge.file("logs/edge.pid.oldbin").exists()
}

fn users() -> &'static [&'static str] {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 { &["", "user: nobody\n"] } else { &[""] }
}

#[test]
fn a_new_binary_takes_over_and_no_request_fails() {
    for user in users() {
        let port = ports::free();
        let mut edge = start(&format!("{user}{}", saying(port, "a")), port);
        let (ended, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        let ask = || {
            let mut failed = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                match client::try_get(ports::local(port), "/") {
                    Ok(answer) if answer.text() == "a" => {}
                    Ok(other) => failed.push(other.to_string()),
                    Err(failure) => failed.push(failure.to_string()),
                }
                asked.fetch_add(1, Ordering::Relaxed);
            }
            failed
        };
        let more = || {
            let enough = asked.load(Ordering::Relaxed) + 200;
            assert!(wait::until(SOON, || (asked.load(Ordering::Relaxed) >= enough).then_some(())).is_some());
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            more();
            let new = hand_over(&edge);
            more();
            edge.signal(libc::SIGQUIT);
            let old = edge.wait_end(SOON);
            more();
            ended.store(true, Ordering::Relaxed);
            for thread in threads {
                let failed = thread.join().unwrap();
                assert!(failed.is_empty(), "{} failed: {}\n{}", failed.len(), failed[0], edge.errors());
            }
            assert!(old.expect("the old one ends").success());
            assert_eq!(number_in(&edge, "logs/edge.pid"), Some(new.0));
            assert!(!edge.file("logs/edge.pid.oldbin").exists());
            // The new one is told and reloads as any other.
            let said = tell(&edge, "reload");
            assert!(said.status.success(), "{}", said.stderr);
            new.signal(libc::SIGQUIT);
            assert!(wait::until(SOON, || (!edge.file("logs/edge.pid").exists()).then_some(())).is_some());
            assert!(!wait::accepts(ports::local(port)));
        });
    }
}

#[test]
fn term_to_the_new_one_lets_the_old_one_go_on() {
    for user in users() {
        let port = ports::free();
        let edge = start(&format!("{user}{}", saying(port, "a")), port);
        for _ in 0..2 {
            let new = hand_over(&edge);
            new.signal(libc::SIGTERM);
            assert!(is_undone(&edge), "{}", edge.errors());
            assert!(edge.wait_error("the new binary has ended"));
            assert_eq!(client::get(edge.address(), "/").text(), "a");
            let answers = wait::until(SOON, || tell(&edge, "reload").status.success().then_some(()));
            assert!(answers.is_some(), "the control socket is not the old one's again:\n{}", edge.errors());
        }
    }
}

#[test]
fn a_new_binary_that_fails_to_start_changes_nothing() {
    for user in users() {
        let port = ports::free();
        let edge = start(&format!("{user}{}", saying(port, "a")), port);
        edge.write_configuration("nonsense: 1\n");
        edge.signal(libc::SIGUSR2);
        assert!(edge.wait_error("the new binary has ended"), "{}", edge.errors());
        assert!(is_undone(&edge), "{}", edge.errors());
        assert_eq!(client::get(edge.address(), "/").text(), "a");
        reload(&edge, &format!("{user}{}", saying(port, "b")));
        assert_eq!(client::get(edge.address(), "/").text(), "b");
    }
}

#[test]
fn a_unix_listener_goes_over_and_one_that_is_not_named_is_closed() {
    let (port, gone) = (ports::free(), ports::free());
    let unix = "  - listen: unix:logs/listen.sock\n    return: 204\n";
    let before = saying(port, "a") + unix + &super::one_more_saying(gone, "gone");
    let mut edge = Edge::yaml(&before, port).also_on(gone).start();
    assert!(wait::until(SOON, || number_in(&edge, "logs/edge.pid")).is_some());
    edge.write_configuration(&(saying(port, "a") + unix));
    let _new = hand_over(&edge);
    edge.signal(libc::SIGQUIT);
    assert!(edge.wait_end(SOON).is_some());
    assert!(std::os::unix::net::UnixStream::connect(edge.file("logs/listen.sock")).is_ok());
    assert!(!wait::accepts(ports::local(gone)));
    assert_eq!(client::get(edge.address(), "/").text(), "a");
}

#[test]
fn a_second_usr2_is_told_that_it_is_too_many() {
    let port = ports::free();
    let edge = start(&saying(port, "a"), port);
    let new = hand_over(&edge);
    edge.signal(libc::SIGUSR2);
    assert!(edge.wait_error("USR2: a new binary runs already"), "{}", edge.errors());
    assert_eq!(number_in(&edge, "logs/edge.pid"), Some(new.0));
}
