//! Active health checks, over the program as it is installed.

use crate::support::backend::{self, Backend};
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::{ports, process, request, wait};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

const CHECK: &str = "{ uri: /ping, interval: 50ms, timeout: 2s }";

fn configuration(port: u16, servers: &[SocketAddr], check: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("'{server}'")).collect();
    let check = if check.is_empty() { String::new() } else { format!("health_check: {check}, ") };
    format!(
        "worker_processes: 2\nerror_log: {{ path: logs/error.log, level: info }}\nupstream:\n  \
         app: {{ {check}servers: [{}] }}\nserver:\n  - listen: 127.0.0.1:{port}\n    \
         location: [{{ match: /, proxy_pass: http://app }}]\n",
        servers.join(", ")
    )
}

fn edge(servers: &[&Backend], check: &str) -> Edge {
    let port = ports::free();
    let servers: Vec<SocketAddr> = servers.iter().map(|server| server.address()).collect();
    Edge::yaml(&configuration(port, &servers, check), port).start()
}

/// Answers requests with its name, checks with a status.
fn named(name: &'static str, health: u16) -> Backend {
    let backend = Backend::saying("");
    turn(&backend, name, health);
    backend
}

fn turn(backend: &Backend, name: &'static str, health: u16) {
    backend.now(move |seen, answer| match seen.target() {
        "/ping" => answer.write(backend::answer(health, "text/plain", "pong")),
        _ => answer.write(backend::ok(name)),
    });
}

fn count(edge: &Edge, text: &str) -> usize {
    edge.errors().matches(text).count()
}

/// Reads a new configuration and waits until it is in force.
fn reload(edge: &Edge, configuration: &str) {
    const DONE: &str = "the configuration was reloaded";
    let before = count(edge, DONE);
    edge.write_configuration(configuration);
    edge.signal(libc::SIGHUP);
    assert!(wait::until(SOON, || (count(edge, DONE) > before).then_some(())).is_some(), "{}", edge.errors());
}

/// How many of ten requests each of these names answered.
fn answers(edge: &Edge, names: [&str; 2]) -> [usize; 2] {
    let mut client = Client::connect(edge.address());
    let texts: Vec<String> = (0..10).map(|_| client.ask(&request::get("/")).unwrap().text()).collect();
    names.map(|name| texts.iter().filter(|text| *text == name).count())
}

#[test]
fn the_first_round_decides_before_a_request_can_come() {
    let (well, ill) = (named("well", 200), named("ill", 503));
    // Three in a row would be a long time: the first one counts nevertheless.
    let edge = edge(&[&well, &ill], "{ uri: /ping, interval: 1h, fall: 3, rise: 3 }");
    assert_eq!(answers(&edge, ["well", "ill"]), [10, 0]);
    assert_eq!((well.seen()[0].target(), ill.requests()), ("/ping", 1));
    let told = format!("upstream server {} of app is unhealthy: status 503", ill.address());
    assert!(edge.wait_error(&told), "{}", edge.errors());
}

#[test]
fn a_server_goes_and_comes_back_and_that_is_told_once() {
    let (stays, goes) = (named("stays", 200), named("goes", 200));
    let edge = edge(&[&stays, &goes], CHECK);
    assert_eq!(answers(&edge, ["stays", "goes"]), [5, 5]);

    turn(&goes, "goes", 500);
    assert!(edge.wait_error("is unhealthy: status 500"));
    assert_eq!(answers(&edge, ["stays", "goes"]), [10, 0]);
    let checks = goes.requests();
    assert!(goes.wait_requests(checks + 5), "it is still asked");
    assert_eq!(count(&edge, "is unhealthy"), 1, "{}", edge.errors());

    turn(&goes, "goes", 204);
    assert!(edge.wait_error(&format!("upstream server {} of app is healthy again", goes.address())));
    assert_eq!(answers(&edge, ["stays", "goes"]), [5, 5]);
    assert_eq!((count(&edge, "is unhealthy"), count(&edge, "healthy again")), (1, 1));
}

#[test]
fn if_no_server_is_healthy_the_answer_is_502_and_nobody_is_asked() {
    let (one, two) = (named("one", 404), named("two", 404));
    let edge = edge(&[&one, &two], CHECK);
    for _ in 0..3 {
        assert_eq!(client::get(edge.address(), "/app").status(), 502);
    }
    assert!(edge.wait_error("no live upstreams while connecting to upstream"));
    assert!([&one, &two].iter().all(|server| server.seen().iter().all(|seen| seen.target() == "/ping")));
    turn(&two, "two", 200);
    assert!(edge.wait_error("healthy again"));
    assert_eq!(client::get(edge.address(), "/app").text(), "two");
}

#[test]
fn a_reload_forgets_nothing_and_a_check_that_is_taken_out_is_forgotten() {
    let (well, ill) = (named("well", 200), named("ill", 503));
    let edge = edge(&[&well, &ill], CHECK);
    let servers = [well.address(), ill.address()];
    let port = edge.address().port();
    for _ in 0..4 {
        reload(&edge, &configuration(port, &servers, CHECK));
        assert_eq!(answers(&edge, ["well", "ill"]), [10, 0]);
    }
    // Other checks, the same verdict: until the first of them there is no gap either.
    reload(&edge, &configuration(port, &servers, "{ uri: /ping, interval: 60ms, fall: 2 }"));
    assert_eq!(answers(&edge, ["well", "ill"]), [10, 0]);
    assert_eq!(count(&edge, "is unhealthy"), 1, "{}", edge.errors());

    reload(&edge, &configuration(port, &servers, ""));
    assert_eq!(answers(&edge, ["well", "ill"]), [5, 5]);
    let asked = ill.requests();
    std::thread::sleep(Duration::from_millis(300));
    assert!(ill.requests() <= asked + 1, "nobody checks any more");
}

#[test]
fn a_server_that_a_reload_brings_is_checked_at_once() {
    let (well, ill) = (named("well", 200), named("ill", 503));
    let edge = edge(&[&well], "{ uri: /ping, interval: 1h }");
    let port = edge.address().port();
    reload(&edge, &configuration(port, &[well.address(), ill.address()], "{ uri: /ping, interval: 1h }"));
    assert!(edge.wait_error("is unhealthy: status 503"));
    assert_eq!(answers(&edge, ["well", "ill"]), [10, 0]);
    assert_eq!(well.seen().iter().filter(|seen| seen.target() == "/ping").count(), 1, "it was checked before");
}

#[test]
fn a_check_says_who_asks_and_takes_the_fields_it_is_given() {
    let backend = named("x", 200);
    let _edge = edge(&[&backend], "{ uri: '/ping?a=b', headers: { X-Check: 'yes' } }");
    let seen = &backend.seen()[0];
    assert!(seen.head.starts_with("GET /ping?a=b HTTP/1.1\r\n"), "{}", seen.head);
    let fields = ["host", "x-check", "connection"].map(|name| seen.header(name));
    assert_eq!(fields, [Some("app"), Some("yes"), Some("close")]);
    assert!(seen.header("user-agent").is_some_and(|agent| agent.contains("health check")), "{}", seen.head);
    let other = named("x", 200);
    let _edge = edge(&[&other], "{ headers: { host: www.shop.test } }");
    assert_eq!(other.seen()[0].all("host"), ["www.shop.test"]);
}

#[test]
fn the_body_and_the_statuses_say_who_is_well() {
    for (check, well) in [
        ("{ uri: /ping, status: 418 }", true),
        ("{ uri: /ping, status: [200, 400-420] }", true),
        ("{ uri: /ping }", false),
        ("{ uri: /ping, status: 418, body: '^po+ng$' }", true),
        ("{ uri: /ping, status: 418, body: 'ping' }", false),
        ("tcp", true),
    ] {
        let backend = named("x", 418);
        let edge = edge(&[&backend], check);
        assert_eq!(client::get(edge.address(), "/").status(), if well { 200 } else { 502 }, "{check}");
    }
}

#[test]
fn an_nginx_conf_has_it_as_a_directive_of_the_upstream() {
    let (well, ill, port) = (named("well", 200), named("ill", 503), ports::free());
    let configuration = format!(
        "error_log logs/error.log info;\nevents {{ }}\nhttp {{ upstream app {{ least_conn; zone app 64k;\n\
         server {}; server {};\nhealth_check uri=/ping interval=50ms fails=2 passes=1; }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; }} }} }}\n",
        well.address(),
        ill.address()
    );
    let edge = Edge::nginx_conf(&configuration, port).start();
    assert_eq!(answers(&edge, ["well", "ill"]), [10, 0]);
}

#[test]
fn a_server_that_never_answers_holds_up_the_start_for_its_timeout_only() {
    let (mute, well) = (Backend::silent(), named("well", 200));
    let began = Instant::now();
    let edge = edge(&[&mute, &well], "{ uri: /ping, timeout: 700ms, interval: 1h }");
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
    assert!(edge.wait_error("is unhealthy: no answer within 700ms"), "{}", edge.errors());
    assert_eq!(answers(&edge, ["well", ""]), [10, 0]);
}

#[test]
fn a_start_that_waits_can_be_ended() {
    let mute = Backend::silent();
    let home = process::temporary_directory("health");
    std::fs::create_dir(home.path().join("logs")).unwrap();
    let file = home.path().join("edge.yaml");
    std::fs::write(&file, configuration(ports::free(), &[mute.address()], "{ timeout: 60s }")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
    command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut edge = command.spawn().unwrap();
    assert!(mute.wait_requests(1), "it checks before it listens");
    // SAFETY: a plain system call, on a child that was not waited for yet.
    assert_eq!(unsafe { libc::kill(edge.id() as i32, libc::SIGTERM) }, 0);
    let ended = wait::until(SOON, || edge.try_wait().unwrap());
    if ended.is_none() {
        let _ = edge.kill();
        let _ = edge.wait();
    }
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
}
