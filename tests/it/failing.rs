//! Servers that fail, and what a request does then, where nginx is no measure or no case of another module looks.

use crate::support::backend::{self, Backend};
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::{client, ports, request, wait};
use std::time::{Duration, Instant};

fn edge(servers: &[&Backend], parameters: &str, keys: &str) -> Edge {
    let port = ports::free();
    let servers: Vec<String> =
        servers.iter().map(|server| format!("      - {{ address: '{}'{parameters} }}\n", server.address())).collect();
    let configuration = format!(
        "upstream:\n  app:\n    servers:\n{}server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - match: /\n        \
         proxy_pass: http://app\n{keys}",
        servers.concat()
    );
    Edge::yaml(&configuration, port).start()
}

/// Hangs up, but only after a while.
fn hanging_up_after(time: Duration) -> Backend {
    Backend::start(move |_, answer| {
        std::thread::sleep(time);
        answer.close();
    })
}

#[test]
fn passive_failures_never_empty_a_pool() {
    let (first, second) = (Backend::hanging_up(), Backend::hanging_up());
    let edge = edge(&[&first, &second], ", max_fails: 1, fail_timeout: 1h", "");
    let mut client = Client::connect(edge.address());
    for number in 0..4 {
        assert_eq!(client.ask(&request::get("/")).unwrap().status(), 502, "request {number}");
    }
    // Each is marked as failed for an hour. One comes back: it is asked, at the latest after the other was.
    second.now(|_, answer| answer.write(backend::ok("back")));
    let answers: Vec<u16> = (0..2).map(|_| client.ask(&request::get("/")).unwrap().status()).collect();
    assert!(answers.contains(&200), "{answers:?}");
    for number in 0..6 {
        let answer = client.ask(&request::get("/")).unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "back"), "request {number}");
    }
}

#[test]
fn after_proxy_next_upstream_timeout_no_other_server_is_asked() {
    let (slow, other) = (hanging_up_after(Duration::from_millis(300)), Backend::saying("other"));
    let servers = [&slow, &other];
    let strict = edge(&servers, ", max_fails: 0", "        proxy_next_upstream_timeout: 100ms\n");
    let began = Instant::now();
    let answers: Vec<u16> = (0..4).map(|_| client::get(strict.address(), "/").status()).collect();
    assert_eq!(
        answers.iter().filter(|status| **status == 502).count(),
        2,
        "those that came to the slow one: {answers:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!((slow.requests(), other.requests()), (2, 2));

    let lax = edge(&servers, ", max_fails: 0", "        proxy_next_upstream_timeout: 20s\n");
    for _ in 0..4 {
        assert_eq!(client::get(lax.address(), "/").text(), "other");
    }
}

#[test]
fn a_post_goes_on_after_bytes_were_sent_only_where_that_is_allowed() {
    for (keys, expected) in [("", 502), ("        proxy_next_upstream: [error, timeout, non_idempotent]\n", 200)] {
        let (first, other) = (Backend::hanging_up(), Backend::echo());
        let edge = edge(&[&first, &other], ", max_fails: 0", keys);
        let answers: Vec<u16> = (0..2).map(|_| request::post("/", "once").send(edge.address()).status()).collect();
        assert!(answers.contains(&expected) && answers.contains(&200), "{answers:?}");
        assert!(other.seen().iter().all(|seen| seen.body == b"once"), "the body is whole each time");
        assert_eq!(first.requests(), 1, "it is asked in turn");
    }
}

#[test]
fn the_answer_of_the_last_server_passes() {
    let says = |text: &'static str| Backend::answering(backend::answer(503, "text/plain", text));
    let (first, second) = (says("first is full"), says("second is full"));
    let edge = edge(&[&first, &second], ", max_fails: 0", "        proxy_next_upstream: [http_503]\n");
    let answer = client::get(edge.address(), "/");
    assert_eq!((answer.status(), answer.text().as_str()), (503, "second is full"));
    let answer = client::get(edge.address(), "/");
    assert_eq!((answer.status(), answer.text().as_str()), (503, "first is full"), "they take turns");
    assert_eq!((first.requests(), second.requests()), (2, 2));
}

#[test]
fn tries_are_counted_with_the_first() {
    let servers = [Backend::hanging_up(), Backend::hanging_up(), Backend::hanging_up()];
    for (tries, asked) in [(1, 1), (2, 2), (3, 3), (0, 3)] {
        let keys = format!("        proxy_next_upstream_tries: {tries}\n");
        let edge = edge(&servers.each_ref(), ", max_fails: 0", &keys);
        let before: usize = servers.iter().map(Backend::requests).sum();
        assert_eq!(client::get(edge.address(), "/").status(), 502);
        assert_eq!(servers.iter().map(Backend::requests).sum::<usize>() - before, asked, "tries: {tries}");
    }
}

/// However much of a body has come, at once or as it arrives, and whatever Pingora still holds of it.
#[test]
fn a_client_that_leaves_while_the_application_works_is_noticed() {
    let silent = Backend::silent();
    for buffering in ["on", "off"] {
        let keys = format!(
            "        proxy_request_buffering: {buffering}\n        client_max_body_size: 0\n        client_body_buffer_size: 16k\n"
        );
        let edge = edge(&[&silent], "", &keys);
        for size in [0, 10, 300 << 10, 3 << 20] {
            let before = silent.requests();
            let mut client = Client::connect(edge.address());
            client.write(request::post("/", vec![b'x'; size]).bytes());
            assert!(silent.wait_requests(before + 1), "{size}");
            assert_eq!(silent.seen()[before].body.len(), size);
            drop(client);
            let left = wait::until(Duration::from_secs(5), || (silent.open_connections() == 0).then_some(()));
            assert!(left.is_some(), "after {size} bytes, buffering {buffering}");
        }
    }
}

/// As nginx: where the request went, not where it came to.
#[test]
fn the_error_log_names_the_uri_that_the_server_was_asked_for() {
    let (dead, port) = (ports::dead(), ports::free());
    let text = format!(
        "server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - match: /outside/\n        proxy_pass: http://{}/inside/\n",
        dead.address()
    );
    let edge = Edge::yaml(&text, port).start();
    assert_eq!(client::get(edge.address(), "/outside/a%20b?c=d").status(), 502);
    let expected = format!("upstream: \"http://{}/inside/a%20b?c=d\"", dead.address());
    assert!(edge.wait_error(&expected), "{}", edge.errors());
}
