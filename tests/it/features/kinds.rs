//! Answers of every shape an application may give.

use super::backends::{Act, Table};
use super::setup::Feature;

const SHAPES: Table = &[
    ("/100", Act::Say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/103", Act::Say("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/101", Act::Cut("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello")),
    ("/nolength", Act::Cut("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")),
    ("/nothing", Act::Cut("HTTP/1.1 200 OK\r\n\r\n")),
    ("/short", Act::Cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")),
    ("/long", Act::Cut("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nmuch longer")),
    ("/204body", Act::Cut("HTTP/1.1 204 None\r\nContent-Length: 3\r\n\r\nabc")),
    ("/204", Act::Say("HTTP/1.1 204 None\r\nX-A: 1\r\n\r\n")),
    ("/304body", Act::Cut("HTTP/1.1 304 Same\r\nContent-Length: 3\r\nETag: \"x\"\r\n\r\nabc")),
    ("/304", Act::Say("HTTP/1.1 304 Same\r\nETag: \"x\"\r\nContent-Type: a/b\r\n\r\n")),
    ("/299", Act::Say("HTTP/1.1 299 Odd Thing\r\nContent-Length: 2\r\n\r\nok")),
    ("/599", Act::Say("HTTP/1.1 599 Very Odd\r\nContent-Length: 2\r\n\r\nok")),
    ("/999", Act::Say("HTTP/1.1 999 Nines\r\nContent-Length: 2\r\n\r\nok")),
    ("/reasonless", Act::Say("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")),
    ("/noreason", Act::Say("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok")),
    ("/reason", Act::Say("HTTP/1.1 200 All Is Well Here!\r\nContent-Length: 2\r\n\r\nok")),
    ("/404reason", Act::Say("HTTP/1.1 404 Nowhere To Be Seen\r\nContent-Length: 2\r\n\r\nok")),
    ("/chunked", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")),
    ("/chunkempty", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    (
        "/trailers",
        Act::Say(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
        ),
    ),
    ("/chunkcut", Act::Cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")),
    ("/chunkbad", Act::Cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")),
    ("/chunkgzip", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")),
    (
        "/both",
        Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    ),
    ("/twolengths", Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")),
    ("/differing", Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok")),
    ("/badlength", Act::Say("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok")),
    ("/negative", Act::Say("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok")),
    ("/10length", Act::Cut("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/10end", Act::Cut("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nuntil the end")),
    ("/10chunked", Act::Cut("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")),
    ("/09", Act::Cut("no head at all")),
    ("/barelf", Act::Say("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")),
    ("/badfield", Act::Say("HTTP/1.1 200 OK\r\nBad Field: 1\r\nContent-Length: 2\r\n\r\nok")),
    ("/nocolon", Act::Say("HTTP/1.1 200 OK\r\nnocolon\r\nContent-Length: 2\r\n\r\nok")),
    ("/spacecolon", Act::Say("HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 2\r\n\r\nok")),
    ("/folded", Act::Say("HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok")),
    ("/utf8", Act::Say("HTTP/1.1 200 OK\r\nX-A: \u{fc}\r\nContent-Length: 2\r\n\r\nok")),
    ("/nul", Act::Say("HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok")),
    ("/control", Act::Say("HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok")),
    ("/http12", Act::Say("HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/http2", Act::Say("HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/status20", Act::Say("HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/status2000", Act::Say("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/status099", Act::Say("HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/closing", Act::Cut("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")),
    ("/cuthead", Act::Cut("HTTP/1.1 200 OK\r\nX-A: 1\r\n")),
    ("/hangup", Act::Cut("")),
    ("/reset", Act::Reset),
    ("/crlffirst", Act::Say("\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    ("/gzipped", Act::Say("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok")),
    ("/range", Act::Say("HTTP/1.1 206 Part\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nok")),
    ("/416", Act::Say("HTTP/1.1 416 No\r\nContent-Range: bytes */9\r\nContent-Length: 2\r\n\r\nok")),
];

/// nginx takes these for HTTP/0.9, whose end it waits for in vain.
const NO_HTTP: &[&str] = &["/09", "/http2", "/status20", "/status2000", "/crlffirst"];

fn shaped(name: &'static str, setting: &str, lines: impl Fn(&str) -> Vec<String>) {
    let text = format!("server {{ listen {{port}}; {setting} location / {{ proxy_pass http://{{a}}; }} }}");
    let mut feature = Feature::new(name, &text).backend(SHAPES);
    for (target, _) in SHAPES.iter().filter(|(target, _)| name == "shapes" || !NO_HTTP.contains(target)) {
        let lines = lines(target);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        feature = feature.lines(target, &lines);
    }
    feature.check();
}

fn head(line: &str) -> Vec<String> {
    vec![line.into(), "Host: shape.test".into()]
}

#[test]
fn answers_of_every_shape() {
    shaped("shapes", "", |target| head(&format!("GET {target} HTTP/1.1")));
}

#[test]
fn answers_of_every_shape_to_head() {
    shaped("shapes to HEAD", "", |target| head(&format!("HEAD {target} HTTP/1.1")));
}

#[test]
fn answers_of_every_shape_to_http_1_0() {
    shaped("shapes to 1.0", "", |target| head(&format!("GET {target} HTTP/1.0")));
}

#[test]
fn answers_of_every_shape_to_http_1_0_that_is_kept() {
    shaped("shapes to 1.0 kept", "", |target| {
        let mut lines = head(&format!("GET {target} HTTP/1.0"));
        lines.push("Connection: keep-alive".into());
        lines
    });
}

#[test]
fn answers_of_every_shape_without_buffering() {
    shaped("shapes unbuffered", "proxy_buffering off;", |target| head(&format!("GET {target} HTTP/1.1")));
}

#[test]
fn answers_of_every_shape_that_are_compressed() {
    shaped("shapes compressed", "gzip on; gzip_types *; gzip_min_length 0;", |target| {
        let mut lines = head(&format!("GET {target} HTTP/1.1"));
        lines.push("Accept-Encoding: gzip".into());
        lines
    });
}

#[test]
fn long_heads_of_answers() {
    // Leaked once per run: a table is static.
    let long = |length: usize| -> &'static str {
        let text = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(length));
        Box::leak(text.into_boxed_str())
    };
    let table: Table = Box::leak(Box::new([
        ("/3k", Act::Say(long(3_000))),
        ("/5k", Act::Say(long(5_000))),
        ("/20k", Act::Say(long(20_000))),
    ]));
    Feature::new(
        "long heads of answers",
        "server { listen {port}; location / { proxy_pass http://{a}; } location /big/ { proxy_buffer_size 32k; proxy_buffers 8 32k; proxy_pass http://{a}/; } }",
    )
    .backend(table)
    .get(&["/3k", "/5k", "/20k", "/big/5k", "/big/20k"])
    .check();
}
