//! Requests that are none have a line as well: the same that nginx gives them.

use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::{ports, wait};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{HEAD, SOON};

/// Each on a connection of its own, whose sending side is closed after it.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let long = "x".repeat(9_000);
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("no URI", text("GET\r\n\r\n")),
        ("a word for a version", text("GET / HTP/1.1\r\nHost: a\r\n\r\n")),
        ("an unknown version", text("GET / HTTP/3.1\r\nHost: a\r\n\r\n")),
        ("a method in small letters", text("get / HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("a path without a slash", text("GET a HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("no host", text("GET / HTTP/1.1\r\n\r\n")),
        ("two hosts", text("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")),
        ("a host that is none", text("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")),
        ("a field with a space in its name", text("GET / HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n")),
        ("a zero byte in a field", b"GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n".to_vec()),
        ("two lengths", text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx")),
        ("a length that is none", text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\nx")),
        (
            "a length and chunks",
            text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("an unknown encoding", text("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\nx")),
        (
            "a chunk that is none",
            text("POST /chunk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n"),
        ),
        (
            "a chunk without its end",
            text("POST /end HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n"),
        ),
        ("a line that is too long", text(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"))),
        ("a field that is too long", text(&format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n"))),
        ("a path above the root", text("GET /../a HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("half an escape", text("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("TRACE", text("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("a body that is too large", text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\nx")),
        ("half a line", text("GET / HT")),
        ("half a head", text("GET / HTTP/1.1\r\nHost: a\r\n")),
        ("nothing", Vec::new()),
        ("only line ends", text("\r\n\r\n")),
    ]
}

/// The line each request leaves in the log, nothing where there is none; a good request marks the end of each.
fn logged(to: SocketAddr, log: PathBuf) -> Vec<String> {
    let read = || String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    let mut found = Vec::new();
    let mut before = read().len();
    for (at, (what, bytes)) in requests().into_iter().enumerate() {
        let mut client = Client::connect(to);
        client.write(bytes);
        client.half_close();
        assert!(client.wait_closed(SOON), "{what}: {to} does not close");
        let mark = format!("\"GET /mark{at} HTTP/1.1\" 200\n");
        crate::support::client::get(to, &format!("/mark{at}"));
        let all = wait::until(SOON, || Some(read()).filter(|text| text.contains(&mark)));
        let all = all.unwrap_or_else(|| panic!("{what}: no mark in\n{}", read()));
        found.push(shortened(&all[before..].replace(&mark, "")));
        before = all.len();
    }
    found
}

#[test]
fn requests_that_are_none_are_logged_as_nginx_logs_them() {
    let backend = Backend::saying("hello");
    let (port, other) = (ports::free(), ports::free());
    let edge = Edge::yaml(
        &format!(
            "{HEAD}log_format: {{ short: '\"$request\" $status' }}\naccess_log: {{ path: logs/a.log, format: short }}\nserver:\n  \
             - listen: 127.0.0.1:{port}\n    location: [{{ match: /, proxy_pass: 'http://{}' }}]\n",
            backend.address()
        ),
        port,
    )
    .start();
    let nginx = Nginx::start(
        &format!(
            "events {{ }} http {{ log_format short '\"$request\" $status'; access_log logs/a.log short;
             server {{ listen 127.0.0.1:{other}; location / {{ proxy_pass http://{}; }} }} }}",
            backend.address()
        ),
        other,
    );
    let ours = logged(edge.address(), edge.file("logs/a.log"));
    let theirs = logged(nginx.address(), nginx.file("logs/a.log"));
    let differences: Vec<String> = requests()
        .iter()
        .zip(ours.iter().zip(&theirs))
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|((what, _), (ours, theirs))| format!("{what}: edge {ours:?}, nginx {theirs:?}"))
        .collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    // Both could be wrong in the same way: most of these are 400.
    assert!(ours.iter().filter(|line| line.ends_with(" 400\n")).count() >= 12, "{ours:#?}");
}

/// nginx logs a line that is too long as far as it has read it, edge only its beginning.
fn shortened(line: &str) -> String {
    let run = "x".repeat(100);
    match (line.find(&run), line.rfind(&run)) {
        (Some(from), Some(to)) => format!("{}…{}", &line[..from], line[to + run.len()..].trim_start_matches('x')),
        _ => line.to_owned(),
    }
}
