//! `edge demo`, as somebody tries it who has nothing but the binary.

use crate::support::process::{self, Process};
use crate::support::response::Response;
use crate::support::{client, ports, request, wait};
use std::process::Command;
use std::time::Duration;

/// A demo on a free port, and what it says of itself.
struct Demo {
    process: Process,
    port: u16,
    _home: tempfile::TempDir,
}

impl Demo {
    fn start() -> Demo {
        let home = process::temporary_directory("demo");
        let port = ports::free();
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.args(["demo", "--port", &port.to_string()]);
        let process = Process::start("the demo", command, &home.path().join("output"), libc::SIGKILL);
        let ready = wait::until(Duration::from_secs(20), || process.output().contains("Ctrl-C").then_some(()));
        assert!(ready.is_some(), "{}", process.output());
        Demo { process, port, _home: home }
    }

    fn count(&self, cookie: Option<&str>) -> Response {
        let mut post = request::post("/count", "");
        if let Some(cookie) = cookie {
            post = post.header("Cookie", cookie);
        }
        post.send(ports::local(self.port))
    }
}

#[test]
fn the_demo_shows_a_page_and_counts() {
    let mut demo = Demo::start();
    assert!(
        demo.process.output().contains(&format!("http://127.0.0.1:{}/demo", demo.port)),
        "{}",
        demo.process.output()
    );
    let page = client::get(ports::local(demo.port), "/demo");
    assert_eq!(page.status(), 200);
    assert!(page.text().contains("<!doctype html>"));

    let first = demo.count(None);
    let cookie = first.header("set-cookie").expect("a session").split(';').next().unwrap().to_owned();
    assert_eq!(first.json()["counter"], 1);
    assert!(cookie.starts_with("JSESSIONID=") && cookie.contains("-n1.t"), "{cookie}");
    demo.process.signal(libc::SIGINT);
    assert!(demo.process.wait_end(Duration::from_secs(5)).is_some(), "Ctrl-C ends it");
}

#[test]
fn a_second_demo_on_the_same_port_says_what_to_do() {
    let demo = Demo::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
    let second = command.args(["demo", "--port", &demo.port.to_string()]).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("cannot listen on") && said.contains("--port 0"), "{said}");
}
