//! Everything that can be too large is refused with its own status, as soon as that is sure, and is logged.

use std::time::Duration;

use super::{Neighbours, SOON, lines_with, plan};
use crate::support::backend::{self, Backend};
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::wait;

/// Names, bytes, and the status that the client is told.
fn offenders() -> Vec<(&'static str, Vec<u8>, u16)> {
    let get = |more: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n").into_bytes();
    let post = |more: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{more}\r\n\r\n{body}").into_bytes();
    let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
    let repeated = |line: &str, count: usize| get(&line.repeat(count));
    let long = |count: usize| "x".repeat(count);
    vec![
        ("a target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(9000)).into_bytes(), 414),
        ("a target without an end", format!("GET /{}", long(2 << 20)).into_bytes(), 414),
        ("a method", format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(9000)).into_bytes(), 414),
        ("a field", get(&format!("X: {}\r\n", long(9000))), 400),
        ("a name", get(&format!("{}: x\r\n", long(9000))), 400),
        ("a field without an end", format!("GET / HTTP/1.1\r\nX: {}", long(2 << 20)).into_bytes(), 400),
        ("a cookie", get(&format!("Cookie: a={}\r\n", long(9000))), 400),
        ("a host", format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", long(9000)).into_bytes(), 400),
        ("a head of large fields", repeated(&format!("X: {}\r\n", long(4000)), 20), 400),
        ("a head of many fields", repeated("X: y\r\n", 3000), 400),
        ("a body that is announced", post("Content-Length: 65537", "x"), 413),
        ("a body of all bytes there are", post("Content-Length: 9223372036854775807", "x"), 413),
        ("a length that is none", post("Content-Length: 18446744073709551616", "x"), 400),
        ("chunks", chunked(&format!("1000\r\n{}\r\n", long(4096)).repeat(20)), 413),
        ("a size that is none", chunked("ffffffffffffffffffff\r\nxxx"), 400),
        ("an extension", chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", long(9000))), 400),
        ("many extensions", chunked(&format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", long(1000)).repeat(40))), 400),
        ("a trailer", chunked(&format!("0\r\nX: {}\r\n\r\n", long(32 << 10))), 400),
        ("trailers", chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(200))), 400),
    ]
}

/// The status that comes back, and whether the connection ends with it.
fn told(edge: &Edge, bytes: &[u8]) -> (Result<u16, String>, bool) {
    let mut client = Client::connect(edge.address());
    client.set_patience(SOON);
    // It may answer and stop reading long before the end.
    let _ = client.try_write(bytes);
    let told = client.response("GET").map(|answer| answer.status()).map_err(|failure| failure.to_string());
    (told, client.wait_closed(SOON))
}

#[test]
fn whatever_is_too_large_is_refused_with_its_own_status() {
    let application = Backend::start(|_, answer| answer.write(backend::ok("app")));
    let edge = plan(&application, "", "    client_max_body_size: 64k\n    lingering_timeout: 1s\n", "").start();
    let neighbours = Neighbours::of(&edge);
    let mut wrong = Vec::new();
    let mut refused = 0;
    for (name, bytes, expected) in offenders() {
        let (told, closed) = told(&edge, &bytes);
        if told != Ok(expected) || !closed {
            wrong.push(format!("{name}: {told:?}, closed: {closed}; expected {expected}"));
        }
        refused += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(application.seen().iter().all(|seen| seen.target() == "/app"), "the application was bothered");
    // Some lines are written only when their connections have ended.
    let logged = || {
        [" 400 ", " 413 ", " 414 "].map(|status| lines_with(&edge, "logs/access.log", status, 0)).iter().sum::<usize>()
    };
    assert!(
        wait::until(SOON, || (logged() == refused).then_some(())).is_some(),
        "{} of {refused} are logged",
        logged()
    );
    neighbours.assert_unharmed();
}

/// The same from the other side: an application's head that is too large is no answer, and the next one is none the worse.
#[test]
fn an_answer_with_too_large_a_head_is_502_for_its_client_alone() {
    let application = Backend::start(|seen, answer| {
        let field =
            |length: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(length));
        match seen.target() {
            "/field" => answer.write(field(2 << 20)),
            "/fields" => {
                answer.write(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "X: y\r\n".repeat(20_000)))
            }
            "/endless" => {
                (0..400).for_each(|_| answer.write(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(64 << 10))))
            }
            _ => answer.write(backend::ok("app")),
        }
        if seen.target() != "/app" {
            answer.close();
        }
    });
    let edge = plan(&application, "", "", "        proxy_read_timeout: 5s\n").start();
    let neighbours = Neighbours::of(&edge);
    let memory = edge.resident_memory();
    for target in ["/field", "/fields", "/endless"] {
        assert_eq!(client::get(edge.address(), target).status(), 502, "{target}");
    }
    let grown = edge.resident_memory().saturating_sub(memory);
    assert!(grown < 64 << 10, "{grown} KiB for heads that were refused");
    std::thread::sleep(Duration::from_millis(100));
    neighbours.assert_unharmed();
}
