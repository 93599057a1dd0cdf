//! `edge demo`, as somebody tries it who has nothing but the binary.

use crate::support::process::{self, Process};
use crate::support::response::Response;
use crate::support::standin::{Session, Tally};
use crate::support::{client, ports, request, wait};
use std::net::SocketAddr;
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
        Demo::start_with(&[])
    }

    fn start_with(options: &[&str]) -> Demo {
        let home = process::temporary_directory("demo");
        let port = ports::free();
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.args(["demo", "--port", &port.to_string()]).args(options);
        let process = Process::start("the demo", command, &home.path().join("output"), libc::SIGKILL);
        let ready = wait::until(Duration::from_secs(20), || process.output().contains("Ctrl-C").then_some(()));
        assert!(ready.is_some(), "{}", process.output());
        Demo { process, port, _home: home }
    }

    fn edge(&self) -> SocketAddr {
        ports::local(self.port)
    }

    fn config(&self) -> serde_json::Value {
        client::get(self.edge(), "/demo/config.json").json()
    }

    /// As the page's buttons: `stop` or `start`.
    fn steer(&self, config: &serde_json::Value, route: &str, verb: &str) {
        let control = config["control"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let press = request::post(&format!("/demo/apps/{route}/{verb}"), "").host(&control);
        let answer = press.header("Origin", config["origin"].as_str().unwrap()).send(control.parse().unwrap());
        assert_eq!(answer.status(), 200, "{answer}");
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

const ROUNDS: usize = 20;
const AT_ONCE: usize = 6;

/// Again and again the application that has the session is stopped, and several updates come at once.
fn failovers(options: &[&str]) -> Tally {
    let demo = Demo::start_with(options);
    // As the page does, once: an application that was just stopped may be asked for it.
    let config = demo.config();
    let mut session = Session::new(0);
    session.update(demo.edge());
    for round in 0..ROUNDS {
        let owner = session.id.rsplit('.').next().unwrap().to_owned();
        demo.steer(&config, &owner, "stop");
        session.burst(&[demo.edge(); AT_ONCE]);
        // Nobody waits without the takeover: the other application may not be back yet.
        let moves = options.is_empty();
        assert!(!moves || !session.id.ends_with(&format!(".{owner}")), "round {round}: still at {owner}");
        demo.steer(&config, &owner, "start");
    }
    session.tally(&[demo.edge()])
}

#[test]
fn a_stopped_application_s_session_goes_on_and_nothing_is_lost() {
    assert_eq!(failovers(&[]), Tally { acknowledged: 1 + ROUNDS * AT_ONCE, ..Tally::default() });
}

/// What the other test would find if the applications repaired it themselves.
#[test]
fn without_the_takeover_updates_are_lost() {
    let tally = failovers(&["--takeover", "off"]);
    assert!(tally.lost > 0 && tally.acknowledged > ROUNDS, "{tally:?}");
}

#[test]
fn the_page_can_switch_the_takeover_off_and_is_told_where_it_cannot() {
    let demo = Demo::start();
    assert_eq!(demo.config()["takeover"], serde_json::json!({ "on": "", "off": "/off" }));
    let answer = request::post("/off/count", "").send(demo.edge());
    assert_eq!((answer.status(), &answer.json()["path"]), (200, &"/count".into()));
    assert!(answer.header("set-cookie").unwrap().contains("Path=/;"), "{answer}");
    let without = Demo::start_with(&["--takeover", "off"]);
    assert_eq!(without.config()["takeover"], serde_json::json!({ "on": null, "off": "" }));
}
