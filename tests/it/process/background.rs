//! `edge -d`: what was started ends when everything is bound, or says what is wrong.

use std::net::TcpListener;

use crate::messages::Desk;
use crate::support::{client, ports, wait};

use super::{SOON, saying};

/// An edge in the background, which no test leaves behind.
struct Daemon<'d>(&'d Desk);

impl Daemon<'_> {
    fn id(&self) -> Option<i32> {
        std::fs::read_to_string(self.0.path("logs/edge.pid")).ok()?.trim().parse().ok()
    }

    fn end(&self, signal: i32) -> bool {
        let Some(id) = self.id() else { return false };
        // SAFETY: kill takes two numbers.
        unsafe { libc::kill(id, signal) };
        wait::until(SOON, || (!self.0.path("logs/edge.pid").exists()).then_some(())).is_some()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        self.end(libc::SIGTERM);
    }
}

fn users() -> &'static [&'static str] {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 { &["", "user: nobody\n"] } else { &[""] }
}

#[test]
fn it_serves_when_what_was_started_has_ended() {
    for user in users() {
        let port = ports::free();
        let desk = Desk::new().with("edge.yaml", format!("{user}{}", saying(port, "here")));
        let daemon = Daemon(&desk);
        let said = desk.edge(&["-d", "-c", "edge.yaml"]);
        assert!(said.status.success(), "{}", said.stderr);
        // No waiting: that is the promise.
        assert_eq!(client::get(ports::local(port), "/").text(), "here");
        let id = daemon.id().expect("the pid file is there");
        // SAFETY: getsid and getpgid take a number.
        assert_eq!(unsafe { libc::getsid(id) }, unsafe { libc::getpgid(id) });
        for standard in 0..3 {
            let target = std::fs::read_link(format!("/proc/{id}/fd/{standard}")).unwrap();
            assert_eq!(target.to_str(), Some("/dev/null"));
        }
        let said = desk.edge(&["-s", "reload", "-c", "edge.yaml"]);
        assert!(said.status.success(), "{}", said.stderr);
        assert!(daemon.end(libc::SIGQUIT), "it does not end");
        assert!(!wait::accepts(ports::local(port)));
    }
}

#[test]
fn what_is_wrong_is_printed_and_the_status_is_1() {
    for user in users() {
        let port = ports::free();
        let _taken = TcpListener::bind(ports::local(port)).unwrap();
        let desk = Desk::new().with("edge.yaml", format!("{user}{}", saying(port, "a")));
        let said = desk.edge(&["-d", "-c", "edge.yaml"]);
        assert_eq!(said.status.code(), Some(1));
        let told = format!("edge: cannot listen on 127.0.0.1:{port}: Address already in use");
        assert!(said.stderr.contains(&told), "{}", said.stderr);
        assert!(!desk.path("logs/edge.pid").exists());

        let desk = Desk::new().with("edge.yaml", format!("{user}server: [{{ lisen: 80 }}]\n"));
        let said = desk.edge(&["-d", "-c", "edge.yaml"]);
        assert_eq!(said.status.code(), Some(1));
        assert!(said.stderr.contains("error: unknown key `lisen`"), "{}", said.stderr);
    }
}

/// Nobody reads the stderr of a new binary in the background: what it says there is in the error log.
#[test]
fn a_new_binary_that_fails_says_why_in_the_error_log() {
    for user in users() {
        let port = ports::free();
        let desk = Desk::new().with("edge.yaml", format!("{user}{}", saying(port, "here")));
        let daemon = Daemon(&desk);
        assert!(desk.edge(&["-d", "-c", "edge.yaml"]).status.success());
        desk.put("edge.yaml", format!("{user}{}    servername: a\n", saying(port, "here")));
        let id = daemon.id().unwrap();
        // SAFETY: kill takes two numbers.
        unsafe { libc::kill(id, libc::SIGUSR2) };
        let log = || std::fs::read_to_string(desk.path("logs/error.log")).unwrap_or_default();
        let told = ["unknown key `servername`", "the new binary has ended"];
        let all = wait::until(SOON, || told.iter().all(|text| log().contains(text)).then_some(()));
        assert!(all.is_some(), "{}", log());
        assert_eq!(client::get(ports::local(port), "/").text(), "here");
        assert!(wait::until(SOON, || (daemon.id() == Some(id)).then_some(())).is_some());
    }
}

#[test]
fn a_new_binary_takes_over_in_the_background() {
    for user in users() {
        let port = ports::free();
        let desk = Desk::new().with("edge.yaml", format!("{user}{}", saying(port, "here")));
        let daemon = Daemon(&desk);
        assert!(desk.edge(&["-d", "-c", "edge.yaml"]).status.success());
        let old = daemon.id().unwrap();
        // SAFETY: kill takes two numbers.
        unsafe { libc::kill(old, libc::SIGUSR2) };
        assert!(wait::until(SOON, || daemon.id().filter(|id| *id != old)).is_some());
        // SAFETY: as above.
        unsafe { libc::kill(old, libc::SIGQUIT) };
        let gone = wait::until(SOON, || (!desk.path("logs/edge.pid.oldbin").exists()).then_some(()));
        assert!(gone.is_some());
        assert_eq!(client::get(ports::local(port), "/").text(), "here");
        assert!(daemon.end(libc::SIGQUIT));
    }
}

#[test]
fn a_user_that_is_none_is_told() {
    if users().len() == 1 {
        eprintln!("not tested: only root can");
        return;
    }
    let desk = Desk::new().with("edge.yaml", format!("user: nobdy\n{}", saying(ports::free(), "a")));
    let said = desk.edge(&["-c", "edge.yaml"]);
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(said.stderr, "edge: `user: nobdy`: there is no user `nobdy`\n");
}
