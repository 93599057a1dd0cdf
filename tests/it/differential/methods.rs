//! Methods, versions, and what becomes of the connection.

use std::time::Duration;

use super::case::{Case, HOST, ask, ask_bytes, get_with, half_closed, in_pieces, lines, pipelined, raw, request};

pub fn all() -> Vec<Case> {
    [methods(), versions(), connections(), pipelines(), fragments()].into_iter().flatten().collect()
}

fn methods() -> Vec<Case> {
    let known = ["GET", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"];
    let others = ["TRACE", "CONNECT", "FOO", "PURGE", "get", "Get", "M-SEARCH", "G_T", "GET1", "G", "G.T", "G{T"];
    let mut cases: Vec<Case> = known.iter().chain(&others).map(|method| plain(method, "/echo/m.jsp")).collect();
    cases
        .extend(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"].map(|method| plain(method, "/page.html")));
    cases.extend(["HEAD", "POST", "PUT", "OPTIONS"].map(|method| plain(method, "/css/site.css?u={u}")));
    for target in
        ["/", "/index.jsp", "/docs", "/none", "/big?kb=100", "/chunked?n=3", "/status/500", "/js/big.js?u={u}"]
    {
        cases.push(plain("HEAD", target));
    }
    cases.push(ask("method: POST without a length", "POST", "/echo/m", &[], ""));
    cases.push(ask("method: POST of nothing", "POST", "/echo/m", &["Content-Length: 0"], ""));
    let long = "A".repeat(200);
    cases.push(ask("method: a long one", &long, "/echo/m", &[], ""));
    cases.push(lines("method: CONNECT to an authority", &["CONNECT 172.168.1.221:443 HTTP/1.1", "Host: a"]));
    cases
}

fn plain(method: &str, target: &str) -> Case {
    ask(&format!("method: {method} {target}"), method, target, &[], "")
}

fn versions() -> Vec<Case> {
    let host = format!("Host: {HOST}");
    let line = |name: &str, all: &[&str]| lines(&format!("version: {name}"), all);
    vec![
        line("1.0", &["GET /echo/v HTTP/1.0", &host]),
        line("1.0 with keep-alive", &["GET /echo/v HTTP/1.0", &host, "Connection: keep-alive"]),
        line("1.0 with keep-alive in capitals", &["GET /echo/v HTTP/1.0", &host, "Connection: Keep-Alive"]),
        line("1.0 with close", &["GET /echo/v HTTP/1.0", &host, "Connection: close"]),
        line("1.0, no length beforehand", &["GET /chunked?n=3 HTTP/1.0", &host]),
        line("1.0 with keep-alive, no length", &["GET /chunked?n=3 HTTP/1.0", &host, "Connection: keep-alive"]),
        line("1.0, a file", &["GET /page.html HTTP/1.0", &host]),
        line("1.0, a file, kept alive", &["GET /page.html HTTP/1.0", &host, "Connection: keep-alive"])
            .then(request(&["GET /echo/v HTTP/1.0", &host, "Connection: keep-alive"])),
        line("1.0, a script", &["GET /js/small.js?u={u} HTTP/1.0", &host]),
        line("1.0, HEAD", &["HEAD /page.html HTTP/1.0", &host]),
        line("1.0, POST", &["POST /echo/v HTTP/1.0", &host, "Content-Length: 0"]),
        line("1.0, none there", &["GET /none HTTP/1.0", &host]),
        line("1.0, gzip asked for", &["GET /docs/long.txt HTTP/1.0", &host, "Accept-Encoding: gzip"]),
        line("1.0, chunked body", &["POST /echo/v HTTP/1.0", &host, "Transfer-Encoding: chunked", "", "0"]),
        line("1.0, expecting", &["GET /echo/v HTTP/1.0", &host, "Expect: 100-continue"]),
        line("0.9", &["GET /page.html"]),
        line("1.2", &["GET /echo/v HTTP/1.2", &host]),
        line("1.9", &["GET /echo/v HTTP/1.9", &host]),
        line("2.0", &["GET /echo/v HTTP/2.0", &host]),
        line("3.0", &["GET /echo/v HTTP/3.0", &host]),
        line("0.9 by name", &["GET /echo/v HTTP/0.9", &host]),
        line("1", &["GET /echo/v HTTP/1", &host]),
        line("1.", &["GET /echo/v HTTP/1.", &host]),
        line("1.10", &["GET /echo/v HTTP/1.10", &host]),
        line("01.1", &["GET /echo/v HTTP/01.1", &host]),
        line("1.01", &["GET /echo/v HTTP/1.01", &host]),
        line("lower case", &["GET /echo/v http/1.1", &host]),
        line("another protocol", &["GET /echo/v HTCPCP/1.0", &host]),
        line("a space after it", &["GET /echo/v HTTP/1.1 ", &host]),
        raw("version: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        raw("version: a TLS hello", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n"),
    ]
}

fn connections() -> Vec<Case> {
    let with = |name: &str, headers: &[&str]| get_with(&format!("connection: {name}"), "/echo/k", headers);
    vec![
        with("nothing said", &[]),
        with("close", &["Connection: close"]),
        with("Close in capitals", &["Connection: CLOSE"]),
        with("keep-alive", &["Connection: keep-alive"]),
        with("an unknown word", &["Connection: foo"]),
        with("close among others", &["Connection: foo, close"]),
        with("names a header", &["Connection: X-Secret", "X-Secret: 1"]),
        with("names the host", &["Connection: Host"]),
        with("a Keep-Alive header", &["Connection: keep-alive", "Keep-Alive: timeout=5"]),
        with("Proxy-Connection", &["Proxy-Connection: keep-alive"]),
        with("upgrade to something unknown", &["Connection: Upgrade", "Upgrade: foo"]),
        with("upgrade to h2c", &["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]),
        with("TE", &["Connection: TE", "TE: trailers"]),
        get_with("connection: close, a file", "/page.html", &["Connection: close"]),
        get_with("connection: close, none there", "/none", &["Connection: close"]),
        get_with("connection: close, no length", "/chunked?n=2", &["Connection: close"]),
        get_with("connection: ten requests", "/echo/k0", &[])
            .then(ask_bytes("GET", "/echo/k1", &[], ""))
            .then(ask_bytes("HEAD", "/page.html", &[], ""))
            .then(ask_bytes("POST", "/echo/k2", &["Content-Length: 3"], "abc"))
            .then(ask_bytes("GET", "/none", &[], ""))
            .then(ask_bytes("GET", "/chunked?n=3", &[], ""))
            .then(ask_bytes("GET", "/status/304", &[], ""))
            .then(ask_bytes("GET", "/status/204", &[], ""))
            .then(ask_bytes("PUT", "/echo/k3", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"))
            .then(ask_bytes("GET", "/echo/k4", &[], "")),
        get_with("connection: the third closes", "/echo/k0", &[])
            .then(ask_bytes("GET", "/echo/k1", &[], ""))
            .then(ask_bytes("GET", "/echo/k2", &["Connection: close"], "")),
        get_with("connection: an empty line between", "/echo/k0", &[])
            .then([b"\r\n".as_slice(), &ask_bytes("GET", "/echo/k1", &[], "")].concat()),
        get_with("connection: a body that was not announced", "/echo/k0", &[]).then("surprise"),
        get_with("connection: a bad request second", "/echo/k0", &[]).then("GET /echo HTTP/1.1\r\n\r\n"),
    ]
}

fn pipelines() -> Vec<Case> {
    let get = |target: &str| ask_bytes("GET", target, &[], "");
    vec![
        pipelined("pipeline: two", &[get("/echo/p1"), get("/echo/p2")]),
        pipelined("pipeline: five", &["/echo/1", "/page.html", "/none", "/chunked?n=2", "/echo/5"].map(get)),
        pipelined(
            "pipeline: with a body",
            &[ask_bytes("POST", "/echo/p1", &["Content-Length: 5"], "hello"), get("/echo/p2")],
        ),
        pipelined(
            "pipeline: with chunks",
            &[
                ask_bytes("POST", "/echo/p1", &["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
                get("/echo/p2"),
            ],
        ),
        pipelined("pipeline: HEAD first", &[ask_bytes("HEAD", "/page.html", &[], ""), get("/echo/p2")]),
        pipelined(
            "pipeline: close in the middle",
            &[get("/echo/p1"), ask_bytes("GET", "/echo/p2", &["Connection: close"], ""), get("/echo/p3")],
        ),
        pipelined(
            "pipeline: a bad request in the middle",
            &[get("/echo/p1"), b"GET /echo/p2 HTTP/1.1\r\n\r\n".to_vec(), get("/echo/p3")],
        ),
        pipelined("pipeline: scripts and pages", &["/js/small.js?u={u}", "/index.jsp", "/css/site.css?u={u}"].map(get)),
    ]
}

fn fragments() -> Vec<Case> {
    let head = ask_bytes("GET", "/echo/f", &["X-A: b"], "");
    let short = Duration::from_millis(2);
    let bytes: Vec<&[u8]> = head.chunks(1).collect();
    let (front, back) = head.split_at(20);
    let post = ask_bytes("POST", "/echo/f", &["Content-Length: 10"], "0123456789");
    let (most, rest) = post.split_at(post.len() - 4);
    let chunks = ask_bytes("POST", "/echo/f", &["Transfer-Encoding: chunked"], "a\r\n0123456789\r\n0\r\n\r\n");
    let chunk_bytes: Vec<&[u8]> = chunks.chunks(3).collect();
    vec![
        in_pieces("pieces: a head byte by byte", &bytes, short),
        in_pieces("pieces: a head in two", &[front, back], Duration::from_millis(50)),
        in_pieces("pieces: a body in two", &[most, rest], Duration::from_millis(50)),
        in_pieces("pieces: chunks in threes", &chunk_bytes, short),
        half_closed("pieces: nothing at all", ""),
        half_closed("pieces: half a head", &head[..25]),
        half_closed("pieces: half a request line", "GET /ec"),
        half_closed("pieces: half a body", &post[..post.len() - 4]),
        raw("pieces: lines without CR", format!("GET /echo/f HTTP/1.1\nHost: {HOST}\n\n")),
        raw("pieces: CR without LF", format!("GET /echo/f HTTP/1.1\rHost: {HOST}\r\r\n\r\n")),
    ]
}
