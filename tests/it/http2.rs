//! Requests of HTTP/2 that go to upstreams: what is retried, replayed and given up is the same as over HTTP/1.1.

use std::time::Duration;

use crate::support::backend::{self, Backend};
use crate::support::certificates::Authority;
use crate::support::edge::Edge;
use crate::support::http2::{self, Http2};
use crate::support::request::HOST;
use crate::support::tls::Tls;
use crate::support::{ports, wait};

/// An edge that passes everything to these servers in their order; `max_fails: 0`, so that all are asked each time.
struct Stage {
    edge: Edge,
    tls: Tls,
}

impl Stage {
    fn start(servers: &[std::net::SocketAddr], keys: &str) -> Stage {
        let authority = Authority::new("the test's");
        let (issued, port) = (authority.server(&[HOST]), ports::free());
        // The first has the weight: it is asked first.
        let server = |(at, address): (usize, &std::net::SocketAddr)| {
            let weight = if at == 0 { 100 } else { 1 };
            format!("{{ address: '{address}', max_fails: 0, weight: {weight} }}")
        };
        let servers: Vec<String> = servers.iter().enumerate().map(server).collect();
        let text = format!(
            "worker_processes: 2\nclient_max_body_size: 0\nclient_body_buffer_size: 16k\n\
             error_log: {{ path: logs/error.log, level: info }}\n\
             log_format: {{ short: '$request_uri $status $upstream_status' }}\n\
             access_log: {{ path: logs/access.log, format: short }}\nupstream:\n  app: {{ servers: [{}] }}\n\
             server:\n  - listen: {{ address: '127.0.0.1:{port}', ssl: true }}\n    http2: on\n    ssl_certificate: a.pem\n    \
             ssl_certificate_key: a.key\n    location:\n      - match: /\n        proxy_pass: http://app\n{keys}",
            servers.join(", ")
        );
        let plan = Edge::yaml(&text, port).with_file("a.pem", issued.certificate_pem());
        let edge = plan.with_file("a.key", issued.key_pem()).start();
        Stage { edge, tls: Tls::trusting(&authority).offering("h2").build() }
    }

    async fn connect(&self) -> Http2 {
        Http2::open(self.edge.address(), Some(&self.tls)).await
    }

    fn wait_logged(&self, line: &str) {
        let read = || std::fs::read_to_string(self.edge.file("logs/access.log")).unwrap_or_default();
        let found = wait::until(Duration::from_secs(5), || read().lines().any(|l| l == line).then_some(()));
        assert!(found.is_some(), "no {line:?}:\n{}", read());
    }
}

/// More than is kept in memory, and of no use if a piece is missing.
fn body() -> Vec<u8> {
    (0..700_000).map(|i| (i * 31 % 253) as u8).collect()
}

#[test]
fn a_body_goes_to_the_next_server_where_the_first_is_dead() {
    let (dead, alive) = (ports::dead(), Backend::saying("alive"));
    let stage = Stage::start(&[dead.address(), alive.address()], "");
    http2::run(async {
        let connection = stage.connect().await;
        for method in ["POST", "PUT", "PATCH"] {
            let answer = connection.ask(method, "/dead", &body()).await.unwrap();
            assert_eq!((answer.status(), answer.text().as_str()), (200, "alive"));
            let seen = alive.seen().pop().unwrap();
            assert!(seen.method() == method && seen.whole && seen.body == body());
        }
    });
    stage.wait_logged("/dead 200 502, 200");
}

/// The first server has read the request when it hangs up.
#[test]
fn only_what_may_be_sent_twice_is_sent_again() {
    let (first, second) = (Backend::hanging_up(), Backend::saying("second"));
    let servers = [first.address(), second.address()];
    let stage = Stage::start(&servers, "");
    http2::run(async {
        let connection = stage.connect().await;
        let answer = connection.ask("PUT", "/put", &body()).await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "second"));
        assert!(second.seen()[0].whole && second.seen()[0].body == body());
        let answer = connection.ask("POST", "/post", &body()).await.unwrap();
        assert_eq!((answer.status(), second.requests()), (502, 1));
    });
    stage.wait_logged("/put 200 502, 200");
    stage.wait_logged("/post 502 502");

    let stage = Stage::start(&servers, "        proxy_next_upstream: [error, non_idempotent]\n");
    http2::run(async {
        let answer = stage.connect().await.ask("POST", "/post", &body()).await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "second"));
        assert!(second.seen()[1].whole && second.seen()[1].body == body());
    });
}

#[test]
fn the_last_servers_own_answer_passes() {
    let say = |text: &str| Backend::answering(backend::answer(503, "text/plain", text));
    let (one, two) = (say("one is busy"), say("two is busy"));
    let servers = [one.address(), two.address()];
    let stage = Stage::start(&servers, "        proxy_next_upstream: http_503\n");
    http2::run(async {
        let connection = stage.connect().await;
        let answer = connection.get("/busy").await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (503, "two is busy"));
        let answer = connection.ask("PUT", "/busy", &body()).await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (503, "two is busy"));
        assert!(one.seen()[1].body == body() && two.seen()[1].body == body());
    });
    stage.wait_logged("/busy 503 503, 503");

    let stage = Stage::start(&servers, "        proxy_next_upstream: http_503\n        proxy_next_upstream_tries: 1\n");
    http2::run(async {
        let answer = stage.connect().await.get("/once").await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (503, "one is busy"));
    });
    stage.wait_logged("/once 503 503");
}

#[test]
fn a_silent_server_is_left_for_another_in_time() {
    let (silent, second) = (Backend::silent(), Backend::saying("second"));
    let stage = Stage::start(&[silent.address(), second.address()], "        proxy_read_timeout: 300ms\n");
    http2::run(async {
        let answer = stage.connect().await.ask("PUT", "/late", &body()).await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "second"));
        assert!(second.seen()[0].body == body());
    });
    stage.wait_logged("/late 200 504, 200");
}

fn closes(backend: &Backend) -> bool {
    wait::until(Duration::from_secs(5), || (backend.open_connections() == 0).then_some(())).is_some()
}

#[test]
fn a_request_that_the_client_gives_up_is_given_up_upstream() {
    let (silent, other) = (Backend::silent(), Backend::saying("other"));
    let stage = Stage::start(&[silent.address(), other.address()], "");
    http2::run(async {
        let connection = stage.connect().await;
        for (number, body) in [&b""[..], &body()].into_iter().enumerate() {
            let mut exchange = connection.begin("PUT", "/given-up", &[]).await;
            exchange.up.send(body).await.unwrap();
            exchange.up.end().unwrap();
            assert!(silent.wait_requests(number + 1));
            exchange.up.cancel();
            assert!(closes(&silent), "{}", stage.edge.errors());
        }
        // Nobody else was asked instead, and the connection goes on.
        assert_eq!(other.requests(), 0);
        silent.now(|_, answer| answer.write(backend::ok("awake")));
        assert_eq!(connection.get("/after").await.unwrap().text(), "awake");
    });
    let read = || std::fs::read_to_string(stage.edge.file("logs/access.log")).unwrap_or_default();
    let both = || (read().matches("/given-up 499 ").count() == 2).then_some(());
    assert!(wait::until(Duration::from_secs(5), both).is_some(), "{}", read());
}

#[test]
fn an_answer_that_the_client_gives_up_is_given_up_upstream() {
    let stalling = Backend::stalling_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    let stage = Stage::start(&[stalling.address()], "        proxy_buffering: off\n");
    http2::run(async {
        let connection = stage.connect().await;
        let mut exchange = connection.begin("GET", "/begun", &[]).await;
        exchange.up.end().unwrap();
        assert_eq!(exchange.down.head().await.unwrap().status, 200);
        assert_eq!(exchange.down.piece().await.unwrap().unwrap(), "abc");
        exchange.up.cancel();
        assert!(closes(&stalling), "{}", stage.edge.errors());
        stage.wait_logged("/begun 200 200");
    });
}

/// What of a body has come is not for an upstream: nobody knows the rest.
#[test]
fn a_request_that_is_given_up_while_it_is_sent_reaches_nobody() {
    let backend = Backend::saying("a");
    let stage = Stage::start(&[backend.address()], "");
    http2::run(async {
        let connection = stage.connect().await;
        let mut exchange = connection.begin("POST", "/half", &[]).await;
        exchange.up.send(&body()[..100_000]).await.unwrap();
        exchange.up.cancel();
        stage.wait_logged("/half 499 -");
        assert_eq!(connection.get("/after").await.unwrap().text(), "a");
    });
    assert_eq!(backend.requests(), 1);
}
