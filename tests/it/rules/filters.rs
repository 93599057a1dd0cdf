//! Rust code with a say over requests, in a program that embeds edge: this test's own, started once more.

use super::origin;
use crate::support::client::Client;
use crate::support::process::{self, Process};
use crate::support::request::{self, Request};
use crate::support::{ports, wait};
use async_trait::async_trait;
use edge::Filter;
use edge::rules::{Outcome, View};
use edge::server::Options;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the program that is started finds its configuration.
const FILE: &str = "EDGE_TEST_EMBEDDED";

struct Door;

#[async_trait]
impl Filter for Door {
    fn name(&self) -> &str {
        "door"
    }

    async fn request(&self, seen: View<'_>, outcome: &mut Outcome) {
        // Somebody is asked.
        tokio::task::yield_now().await;
        match seen.exchange.head.headers.get("x-badge") {
            Some(b"broken") => panic!("the door is broken"),
            Some(b"slow") => std::future::pending::<()>().await,
            Some(badge) => assert!(outcome.set_request_header("X-From-Rule", badge)),
            None => outcome.respond(401),
        }
        assert!(!outcome.set_request_header("Content-Length", "5"));
    }

    fn upstream_request(&self, seen: &View<'_>, outcome: &mut Outcome) {
        outcome.set_response_header("X-Upstream", seen.upstream.unwrap_or("-"));
    }

    fn response(&self, seen: &View<'_>, outcome: &mut Outcome) {
        let status = seen.response.map_or(0, |answer| answer.status.as_u16());
        outcome.set_response_header("X-Status", status.to_string());
        assert!(seen.exchange.path != b"/late", "too late");
    }

    fn log(&self, seen: &View<'_>, _: &mut Outcome) {
        println!("logged {} {}", String::from_utf8_lossy(&seen.exchange.path), seen.exchange.answer.status);
    }
}

/// Not a test but the program, where the environment says so.
#[test]
fn a_program_embeds_edge() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let options = Options {
        file: file.into(),
        prefix: None,
        offline: false,
        check_only: false,
        tomcats: Vec::new(),
        ..Options::default()
    };
    edge::server::serve_with(options, vec![Arc::new(Door)], || println!("ready")).unwrap();
}

#[test]
fn a_filter_decides_as_rules_do() {
    let origin = origin();
    let port = ports::free();
    let home = process::temporary_directory("embedded");
    std::fs::create_dir(home.path().join("logs")).unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    let file = home.path().join("edge.yaml");
    let text = format!(
        "worker_processes: 1\nupstream: {{ app: {{ servers: ['{}'] }} }}\nserver:\n  - listen: 127.0.0.1:{port}\n    rules:\n      \
         - {{ name: shut, when: request.path == '/shut', then: [{{ respond: 403 }}] }}\n    location: [{{ match: /, proxy_pass: 'http://app' }}]\n",
        origin.address()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "rules::filters::a_program_embeds_edge", "--nocapture"]).env(FILE, &file);
    let mut program = Process::start("embedded", command, &home.path().join("output"), libc::SIGTERM);
    let address = ports::local(port);
    program.wait_ready(Duration::from_secs(20), "its port accepted", || wait::accepts(address));

    let stranger = request::get("/a").send(address);
    assert_eq!((stranger.status(), stranger.header("X-Status")), (401, Some("401")));
    assert_eq!(origin.requests(), 0);
    let known = |request: Request| request.header("X-Badge", "seven").send(address);
    let page = known(request::get("/a"));
    assert_eq!(page.text(), "/a seven");
    assert_eq!((page.header("X-Status"), page.header("X-Upstream")), (Some("200"), Some("app")));
    // The rules have their say behind it.
    assert_eq!(known(request::get("/shut")).status(), 403);
    let output = wait::until(Duration::from_secs(10), || {
        Some(program.output()).filter(|output| output.contains("logged /shut 403"))
    });
    let output = output.expect("the request is logged");

    // Code of others that fails takes its own request with it at the most.
    let ask = |target: &str, badge: &str| request::get(target).header("X-Badge", badge).send(address);
    assert_eq!((ask("/a", "broken").status(), ask("/a", "seven").text().as_str()), (500, "/a seven"));
    let late = ask("/late", "seven");
    assert_eq!((late.status(), late.text().as_str(), late.header("X-Status")), (200, "/late seven", Some("200")));
    assert_eq!(ask("/a", "seven").status(), 200);
    let errors = || std::fs::read_to_string(home.path().join("logs/error.log")).unwrap_or_default() + &program.output();
    for told in ["the filter door has panicked: the door is broken", "panicked in the phase `response`: too late"] {
        let is_told = || errors().contains(told).then_some(());
        assert!(wait::until(Duration::from_secs(10), is_told).is_some(), "{told}: {}", errors());
    }
    if std::env::var_os("EDGE_TEST_LONG").is_some() {
        let begun = Instant::now();
        let mut client = Client::connect(address);
        client.set_patience(Duration::from_secs(80));
        let slow = request::get("/a").header("X-Badge", "slow");
        assert_eq!(client.ask(&slow).unwrap().status(), 500);
        assert!((60..70).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
    assert!(output.contains("logged /a 401") && output.contains("logged /a 200"), "{output}");
}
