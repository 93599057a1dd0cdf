//! Bodies of requests: how large, when they are asked for.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::backends::Act;
use super::setup::Feature;
use crate::differential::case;
use crate::support::edge::Edge;
use crate::support::{ports, wait};

const TEXT: &str = r#"server { listen {port}; client_max_body_size 10; root {files};
    location /p/ { proxy_pass http://{a}; }
    location /s/ { proxy_request_buffering off; proxy_pass http://{a}; }
    location /t/ { return 200 "text\n"; }
    location /f/ { alias {files}/; }
    location /any/ { client_max_body_size 0; proxy_pass http://{a}; }
    location /more/ { client_max_body_size 1k; proxy_pass http://{a}; }
    location /404/ { return 404; }
    location /301/ { return 301 /x; }
    location /dead/ { proxy_pass http://{dead}; }
}"#;

#[test]
fn bodies_may_be_so_large() {
    let chunks = |length: usize| format!("{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
    let mut feature = Feature::new("client_max_body_size", TEXT).backend(&[]);
    for place in ["/p/", "/s/", "/t/", "/f/a.txt", "/any/", "/more/", "/404/", "/301/", "/dead/", "/none/"] {
        for length in [10, 11, 1025] {
            feature = feature.case(case::ask(
                &format!("{place} {length}"),
                "POST",
                place,
                &[&format!("Content-Length: {length}")],
                &"x".repeat(length),
            ));
            feature = feature.case(case::ask(
                &format!("{place} {length} in chunks"),
                "POST",
                place,
                &["Transfer-Encoding: chunked"],
                &chunks(length),
            ));
        }
    }
    feature
        .case(case::ask(
            "several chunks",
            "POST",
            "/p/",
            &["Transfer-Encoding: chunked"],
            "6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n",
        ))
        .case(case::ask("announced only", "POST", "/p/", &["Content-Length: 99999999999"], ""))
        .case(case::ask("a chunk announced only", "POST", "/p/", &["Transfer-Encoding: chunked"], "fffffffff\r\n"))
        .check();
}

#[test]
fn bodies_are_asked_for() {
    let mut feature = Feature::new("Expect", TEXT)
        .backend(&[("/refused", Act::Cut("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"))]);
    for place in ["/p/x", "/p/refused", "/s/x", "/t/", "/f/a.txt", "/404/", "/301/", "/dead/", "/none"] {
        let head = |more: &str| {
            format!("POST {place} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{more}\r\n\r\n").into_bytes()
        };
        feature = feature.case(case::expecting(place, head("Content-Length: 3"), b"abc"));
        feature = feature.case(case::expecting(
            &format!("{place} in chunks"),
            head("Transfer-Encoding: chunked"),
            b"3\r\nabc\r\n0\r\n\r\n",
        ));
        feature =
            feature.case(case::expecting(&format!("{place} too large"), head("Content-Length: 11"), b"abcdefghijk"));
    }
    feature
        .case(case::expecting(
            "other",
            b"POST /p/x HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\n".to_vec(),
            b"abc",
        ))
        .case(case::expecting(
            "1.0",
            b"POST /p/x HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n".to_vec(),
            b"abc",
        ))
        .case(case::ask("at once", "POST", "/p/x", &["Expect: 100-continue", "Content-Length: 3"], "abc"))
        .case(case::ask("none", "GET", "/p/x", &["Expect: 100-continue"], ""))
        .check();
}

#[test]
fn bodies_that_are_wrong() {
    let mut feature = Feature::new("wrong bodies", TEXT).backend(&[]);
    let wrong = [
        ("no hex", "x\r\n"),
        ("no end of a chunk", "3\r\nabcd\r\n0\r\n\r\n"),
        ("a bare line feed", "3\nabc\n0\n\n"),
        ("a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a space before", " 3\r\nabc\r\n0\r\n\r\n"),
        ("a space after", "3 \r\nabc\r\n0\r\n\r\n"),
        ("an overflow", "fffffffffffffffff\r\nabc\r\n"),
        ("an extension", "3;a=\"b\"\r\nabc\r\n0;x\r\n\r\n"),
        ("trailers", "3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
        ("an empty size", "\r\nabc\r\n"),
    ];
    for place in ["/p/", "/t/", "/s/"] {
        for (name, body) in wrong {
            feature = feature.case(case::ask(
                &format!("{place} {name}"),
                "POST",
                place,
                &["Transfer-Encoding: chunked"],
                body,
            ));
        }
    }
    feature
        .case(case::half_closed("a cut body", b"POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"))
        .case(case::half_closed(
            "a cut body nobody wants",
            b"POST /t/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        ))
        .case(case::ask(
            "both",
            "POST",
            "/p/",
            &["Content-Length: 3", "Transfer-Encoding: chunked"],
            "3\r\nabc\r\n0\r\n\r\n",
        ))
        .case(case::ask("two lengths", "POST", "/p/", &["Content-Length: 3", "Content-Length: 3"], "abc"))
        .case(case::ask(
            "two codings",
            "POST",
            "/p/",
            &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            "0\r\n\r\n",
        ))
        .case(case::ask("identity", "POST", "/p/", &["Transfer-Encoding: identity"], ""))
        .case(case::ask("Chunked", "POST", "/p/", &["Transfer-Encoding: Chunked"], "3\r\nabc\r\n0\r\n\r\n"))
        .lines("1.0 chunked", &["POST /p/ HTTP/1.0", "Transfer-Encoding: chunked", "", "3\r\nabc\r\n0"])
        .check();
}

#[test]
fn requests_in_a_row() {
    let get = |target: &str| case::ask_bytes("GET", target, &[], "");
    let head = |target: &str| case::ask_bytes("HEAD", target, &[], "");
    let post = |target: &str| case::ask_bytes("POST", target, &["Content-Length: 3"], "abc");
    let chunked =
        |target: &str| case::ask_bytes("POST", target, &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n");
    let close = |target: &str| case::ask_bytes("GET", target, &["Connection: close"], "");
    Feature::new("pipelining", TEXT)
        .backend(&[])
        .case(case::pipelined(
            "gets",
            &[get("/p/1"), get("/t/"), get("/f/a.txt"), get("/404/"), get("/301/"), get("/p/2")],
        ))
        .case(case::pipelined(
            "heads",
            &[head("/p/1"), head("/t/"), head("/f/a.txt"), head("/404/"), head("/301/"), get("/p/2")],
        ))
        .case(case::pipelined(
            "posts",
            &[post("/p/1"), post("/t/"), post("/f/a.txt"), post("/404/"), post("/301/"), post("/s/1"), get("/p/2")],
        ))
        .case(case::pipelined(
            "chunks",
            &[chunked("/p/1"), chunked("/t/"), chunked("/404/"), chunked("/s/1"), get("/p/2")],
        ))
        .case(case::pipelined("dead", &[get("/dead/"), get("/t/"), get("/dead/"), get("/p/1")]))
        .case(case::pipelined(
            "a file between",
            &[get("/f/big.txt"), get("/p/1"), get("/f/big.txt"), head("/f/big.txt"), get("/t/")],
        ))
        .case(case::pipelined("close at the end", &[get("/p/1"), close("/t/")]))
        .check();
}

/// A head with its page is one write: a client that closes at once takes one, and the second would fail.
#[test]
fn a_413_is_logged_with_what_was_sent_to_a_client_that_has_closed() {
    let port = ports::free();
    let text = format!(
        "events {{}} http {{ log_format l '$status $body_bytes_sent $request_completion'; access_log logs/l.log l; client_max_body_size 10;
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:1; }} }} }}"
    );
    let edge = Edge::nginx_conf(&text, port).start();
    for more in
        ["Content-Length: 300\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n20\r\n01234567890123456789012345678901\r\n"]
    {
        let mut client = TcpStream::connect(edge.address()).expect("a connection");
        client.write_all(format!("POST / HTTP/1.1\r\nHost: a\r\n{more}").as_bytes()).expect("a request");
    }
    let lines = || std::fs::read_to_string(edge.file("logs/l.log")).ok().filter(|log| log.lines().count() == 2);
    let log = wait::until(Duration::from_secs(10), lines).expect("two lines in the log");
    for line in log.lines() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("413"), "{log}");
        assert!(words.next().is_some_and(|sent| sent.parse::<u64>().is_ok_and(|sent| sent > 100)), "{log}");
        assert_eq!(words.next(), Some("OK"), "{log}");
    }
}
