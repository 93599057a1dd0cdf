//! Requests that two readers could understand differently are refused, or written anew with one meaning; nothing behind
//! them on the connection is ever taken for a request of its own. The same for answers.

use super::{Neighbours, SOON, plan};
use crate::support::backend::{self, Backend};
use crate::support::client::{self, Client};
use crate::support::request;

/// What would be smuggled.
const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

const REFUSED: u16 = 400;

/// Requests that are refused, and end their connection.
fn refused() -> Vec<(&'static str, String, u16)> {
    let post = |fields: &str, body: &str| format!("POST /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}");
    let get = |fields: &str| format!("GET /x HTTP/1.1\r\n{fields}\r\n\r\n");
    let chunks = "0\r\n\r\n";
    let one = |name, fields: &str| (name, post(fields, chunks), REFUSED);
    vec![
        one("a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        one("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        one("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
        one("a length twice", "Content-Length: 5\r\nContent-Length: 5"),
        one("a list of lengths", "Content-Length: 5, 5"),
        one("a length with a sign", "Content-Length: +5"),
        one("a negative length", "Content-Length: -5"),
        one("a length in hexadecimals", "Content-Length: 0x5"),
        one("a length with a space", "Content-Length: 5 5"),
        one("an empty length", "Content-Length:"),
        one("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        one("chunked and identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("a list of codings", post("Transfer-Encoding: gzip, chunked", chunks), 501),
        ("chunked in a list", post("Transfer-Encoding: chunked, chunked", chunks), 501),
        ("another coding", post("Transfer-Encoding: xchunked", chunks), 501),
        ("identity", post("Transfer-Encoding: identity", ""), 501),
        ("an empty coding", post("Transfer-Encoding:", ""), 501),
        one("a vertical tab before chunked", "Transfer-Encoding: \x0bchunked"),
        one("a folded coding", "Transfer-Encoding:\r\n chunked"),
        one("a folded field", "X-A: b\r\n Transfer-Encoding: chunked"),
        one("a folded field with a tab", "X-A: b\r\n\tc"),
        one("a space before the colon", "Transfer-Encoding : chunked"),
        one("a space before the colon of a length", "Content-Length : 5"),
        one("a space before the name", " Content-Length: 5"),
        one("a bare CR in a value", "X-A: b\rTransfer-Encoding: chunked"),
        one("a bare CR before a line end", "X-A: b\r\r"),
        one("a NUL in a value", "X-A: b\0c"),
        one("no colon", "Transfer-Encoding chunked"),
        (
            "chunks in HTTP/1.0",
            format!("POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
            REFUSED,
        ),
        ("two hosts", get("Host: a\r\nHost: b"), REFUSED),
        ("a host twice", get("Host: a\r\nHost: a"), REFUSED),
        ("no host", get("X-A: b"), REFUSED),
        ("a host with a slash", get("Host: a/b"), REFUSED),
        ("a host with a user", get("Host: u@a"), REFUSED),
        ("a host with a space", get("Host: a b"), REFUSED),
        ("a host with two dots", get("Host: a..b"), REFUSED),
        ("a host with a NUL", get("Host: a\0b"), REFUSED),
        ("a host that is not closed", get("Host: [::1"), REFUSED),
        ("a port that is none", get("Host: a:80:80"), REFUSED),
        ("the form of an authority", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n".into(), 405),
        ("a target without a slash", "GET x HTTP/1.1\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("a target above the root", "GET /../x HTTP/1.1\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("a target with a NUL", "GET /x%00y HTTP/1.1\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("a space in the target", "GET /x y HTTP/1.1\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("a line of two requests", "GET /x HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("a version that is none", "GET /x HTTP/1.1x\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("a version to come", "GET /x HTTP/3.0\r\nHost: a\r\n\r\n".into(), 505),
        ("a method in lower case", "get /x HTTP/1.1\r\nHost: a\r\n\r\n".into(), REFUSED),
        ("a chunk with a bare LF", post("Transfer-Encoding: chunked", "0\n\n"), REFUSED),
        ("a chunk's size with 0x", post("Transfer-Encoding: chunked", "0x0\r\n\r\n"), REFUSED),
        ("a chunk's size with a sign", post("Transfer-Encoding: chunked", "+0\r\n\r\n"), REFUSED),
        ("a chunk that is longer than it says", post("Transfer-Encoding: chunked", "1\r\nab\r\n0\r\n\r\n"), REFUSED),
        ("an extension with a bare CR", post("Transfer-Encoding: chunked", "0;a\rb\r\n\r\n"), REFUSED),
        ("an extension with a bare LF", post("Transfer-Encoding: chunked", "0;a\nb\r\n\r\n"), REFUSED),
        ("a trailer that is folded", post("Transfer-Encoding: chunked", "0\r\nA: b\r\n c\r\n\r\n"), REFUSED),
        ("a trailer without a colon", post("Transfer-Encoding: chunked", "0\r\nA\r\n\r\n"), REFUSED),
    ]
}

#[test]
fn a_request_of_two_meanings_is_refused_and_nothing_behind_it_is_read() {
    let application = Backend::echo();
    let edge = plan(&application, "", "    lingering_timeout: 1s\n", "").start();
    let mut wrong = Vec::new();
    for (name, request, expected) in refused() {
        let mut client = Client::connect(edge.address());
        client.set_patience(SOON);
        let _ = client.try_write([request.as_str(), BEHIND].concat().as_bytes());
        client.half_close();
        let told = client.response("GET").map(|answer| answer.status()).map_err(|failure| failure.to_string());
        let ended = client.wait_closed(SOON) && client.left_over().is_empty();
        if told != Ok(expected) || !ended {
            wrong.push(format!("{name}: {told:?}, ended: {ended}; expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let seen: Vec<String> = application.seen().into_iter().map(|seen| seen.head).collect();
    assert!(seen.is_empty(), "the application has seen {seen:#?}");
}

/// Odd and allowed: what the application gets has one meaning, and what follows is a request of its own.
#[test]
fn what_is_odd_and_clear_is_written_anew() {
    let application = Backend::echo();
    let edge = plan(&application, "", "", "").start();
    let chunked = "Transfer-Encoding: CHUNKED";
    let odd: [(&str, String, usize); 8] = [
        (
            "extensions",
            format!("POST /x HTTP/1.1\r\nHost: a\r\n{chunked}\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"),
            5,
        ),
        (
            "zeros before a size",
            format!("POST /x HTTP/1.1\r\nHost: a\r\n{chunked}\r\n\r\n00005\r\nhello\r\n000\r\n\r\n"),
            5,
        ),
        (
            "trailers that mean something",
            format!("POST /x HTTP/1.1\r\nHost: a\r\n{chunked}\r\n\r\n0\r\nContent-Length: 9\r\nHost: b\r\n\r\n"),
            0,
        ),
        (
            "a request in a body",
            format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{BEHIND}", BEHIND.len()),
            BEHIND.len(),
        ),
        (
            "names with an underscore",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent_Length: 50\r\nContent-Length: 5\r\n\r\nhello".into(),
            5,
        ),
        ("the whole address", "GET http://b.test/x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 0),
        ("a length of nothing", "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".into(), 0),
        ("line ends without CR, as nginx takes them", "GET /x HTTP/1.1\nHost: a\n\n".into(), 0),
    ];
    for (at, (name, request, length)) in odd.into_iter().enumerate() {
        let mut client = Client::connect(edge.address());
        client.write([request.as_str(), "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"].concat());
        let first = client.response("GET").unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(
            (first.status(), first.json()["body_length"].as_u64()),
            (200, Some(length as u64)),
            "{name}: {first}"
        );
        let second = client.response("GET").unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(
            second.json()["head"].as_str().is_some_and(|head| head.starts_with("GET /second ")),
            "{name}: {second}"
        );
        let seen = application.seen();
        assert_eq!(seen.len(), 2 * (at + 1), "{name}: {seen:#?}");
        let head = &seen[2 * at];
        let framings = head.all("content-length").len() + head.all("transfer-encoding").len();
        assert!(framings <= 1 && (framings == 1 || length == 0), "{name}: {}", head.head);
        assert_eq!(head.all("host").len(), 1, "{name}: {}", head.head);
        assert!(!head.head.to_lowercase().contains("content_length"), "{name}: {}", head.head);
    }
}

/// An application that answers twice, or in two meanings, harms whoever asked it and nobody else.
#[test]
fn an_answer_of_two_meanings_reaches_nobody_else() {
    const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let answers = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\nok{POISON}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{POISON}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{POISON}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{POISON}"),
        format!("HTTP/1.1 204 No Content\r\n\r\n{POISON}"),
        format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n{POISON}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{POISON}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n{POISON}"),
        format!("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok{POISON}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok{POISON}"),
        format!("HTTP/1.1 200 OK\r\nX: a\rContent-Length: 90\r\nContent-Length: 2\r\n\r\nok{POISON}"),
        format!("{POISON}{POISON}"),
        format!("HTTP/1.1 100 Continue\r\n\r\n{POISON}{POISON}"),
    ];
    let odd = answers.clone();
    let application = Backend::start(move |seen, answer| match seen.target().strip_prefix("/odd/") {
        Some(number) => answer.write(&odd[number.parse::<usize>().expect("a number")]),
        None => answer.write(backend::ok("app")),
    });
    let edge = plan(&application, "", "", "        proxy_read_timeout: 2s\n").start();
    let neighbours = Neighbours::of(&edge);
    for (at, _) in answers.iter().enumerate() {
        // Its own answer may be anything, as long as it ends.
        for method in ["GET", "HEAD"] {
            let mut client = Client::connect(edge.address());
            client.set_patience(SOON);
            let _ = client.ask(&request::Request::new(method, &format!("/odd/{at}")));
        }
        for _ in 0..4 {
            let next = client::get(edge.address(), "/app");
            assert_eq!((next.status(), next.text().as_str()), (200, "app"), "after {:?}", answers[at]);
        }
    }
    neighbours.assert_unharmed();
    assert!(!edge.errors().contains("panicked"), "{}", edge.errors());
}
