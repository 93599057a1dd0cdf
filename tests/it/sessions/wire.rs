//! Servers that do not speak plain HTTP from the first byte are watched, and asked to take sessions over, as requests reach them.

use super::visitor::{Keeps, Visitor};
use crate::support::certificates::Authority;
use crate::support::edge::Edge;
use crate::support::memcached::Memcached;
use crate::support::nginx::Nginx;
use crate::support::origin::Origin;
use crate::support::response::Response;
use crate::support::standin::Standin;
use crate::support::{ports, request};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longer than a server may leave questions without an answer.
const WHILE: Duration = Duration::from_millis(1500);
const SESSION: &str = "{ store: msm, suspect_after: 500ms }";

fn edge(memcached: &Memcached, servers: &[SocketAddr], session: &str, pass: &str) -> Edge {
    let port = ports::free();
    let listed = servers.iter().zip(1..).map(|(address, at)| format!("{{ address: '{address}', route: t{at} }}"));
    let configuration = format!(
        "error_log: {{ path: logs/error.log, level: info }}\n\
         session_store: {{ msm: {{ memcached: {{ n1: '{}' }}, timeout: 2s }} }}\n\
         upstream:\n  app: {{ session: {session}, servers: [{}] }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    location: [{{ match: /, {pass} }}]\n",
        memcached.address(),
        listed.collect::<Vec<_>>().join(", "),
    );
    Edge::yaml(&configuration, port).start()
}

fn ask(edge: &Edge, id: &str) -> Response {
    request::get("/x").header("Cookie", &format!("JSESSIONID={id}")).send(edge.address())
}

/// That its session's server answers all the time.
fn stays(edge: &Edge, id: &str) -> Response {
    let end = Instant::now() + WHILE;
    loop {
        let answer = ask(edge, id);
        assert_eq!(answer.status(), 200, "{answer}\n{}", edge.errors());
        if Instant::now() > end {
            assert!(!edge.errors().contains("session server"), "{}", edge.errors());
            return answer;
        }
    }
}

#[test]
fn servers_behind_tls_are_watched_and_asked_through_it() {
    let memcached = [Memcached::start()];
    // Somebody whose session is in memcached, under the route of a server that speaks TLS.
    let maker = Standin::start("t1", &memcached, &[]);
    let visitor = Visitor::begin(0, Keeps::Cookie, maker.address(), "n1");
    let authority = Authority::new("ours");
    let origin = || Origin::tls_http1(&authority.server(&["app.example"]));
    let (first, second) = (origin(), origin());
    let edge = edge(&memcached[0], &[first.address(), second.address()], SESSION, "proxy_pass: 'https://app'");
    stays(&edge, &visitor.id);
    assert!(second.calls().iter().all(|call| call.method == "OPTIONS"), "{:?}", second.calls());
    let dead = format!("session server {} of app is dead", first.address());
    drop(first);
    assert!(edge.wait_error(&dead), "{}", edge.errors());
    let answer = ask(&edge, &visitor.id);
    assert_eq!(answer.status(), 200, "{answer}\n{}", edge.errors());
    let calls = second.calls();
    let asked = calls.iter().any(|call| call.method == "HEAD" && call.path.ends_with("/WEB-INF/edge"));
    assert!(asked, "{calls:?}");
}

#[test]
fn servers_that_want_a_header_of_the_proxy_protocol_are_watched() {
    let (memcached, port) = (Memcached::start(), ports::free());
    let configuration = format!(
        "events {{ }} http {{ access_log off; server {{ listen 127.0.0.1:{port} proxy_protocol; location / {{ return 200 yes; }} }} }}"
    );
    let nginx = Nginx::start(&configuration, port);
    for version in ["v1", "v2"] {
        let pass = format!("proxy_pass: 'http://app', proxy_protocol: {version}");
        let edge = edge(&memcached, &[nginx.address()], SESSION, &pass);
        assert_eq!(stays(&edge, "ABC-n1.t1").text(), "yes");
    }
}

#[test]
fn a_server_that_says_who_it_is_is_asked_for_that() {
    let (memcached, port) = (Memcached::start(), ports::free());
    let configuration = format!(
        "events {{ }} http {{ access_log logs/access.log; server {{ listen 127.0.0.1:{port}; \
         location / {{ return 200 yes; }} location = /instance {{ return 200 seven; }} }} }}"
    );
    let nginx = Nginx::start(&configuration, port);
    let session = "{ store: msm, suspect_after: 500ms, instance: /instance }";
    let edge = edge(&memcached, &[nginx.address()], session, "proxy_pass: 'http://app'");
    stays(&edge, "ABC-n1.t1");
    let log = std::fs::read_to_string(nginx.file("logs/access.log")).expect("nginx's log");
    assert!(log.contains("GET /instance ") && !log.contains("OPTIONS"), "{log}");
}
