//! Waiting, and giving up.

use std::time::Duration;

use super::backends::Act;
use super::setup::Feature;
use crate::differential::case;

#[test]
fn an_application_that_is_slow_is_given_up() {
    Feature::new(
        "proxy_read_timeout",
        r#"server { listen {port}; error_page 504 /late;
            location / { proxy_read_timeout 400ms; proxy_pass http://{a}; }
            location /plain/ { proxy_read_timeout 400ms; error_page 404 /x; proxy_pass http://{a}/; }
            location /late { return 200 "late $upstream_status\n"; }
            location /nobuf/ { proxy_buffering off; proxy_read_timeout 400ms; proxy_pass http://{a}/; }
        }"#,
    )
    .backend(&[
        ("/stall", Act::Stall),
        ("/half", Act::SayAndStall("HTTP/1.1 200 OK\r\nContent-Le")),
        ("/body", Act::SayAndStall("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")),
        ("/chunk", Act::SayAndStall("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")),
        ("/end", Act::SayAndStall("HTTP/1.1 200 OK\r\n\r\nabc")),
        ("/in-time", Act::Late(200, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")),
    ])
    .get(&["/stall", "/half", "/body", "/chunk", "/end", "/in-time", "/plain/stall", "/nobuf/body"])
    .ask("POST", "/stall", &["Content-Length: 3"], "abc")
    .ask("HEAD", "/stall", &[], "")
    .check();
}

#[test]
fn a_client_that_is_slow_is_given_up() {
    let pause = Duration::from_millis(2500);
    let text = r#"server { listen {port}; client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; error_page 408 /slow;
            location / { proxy_pass http://{a}; }
            location /slow { return 200 "slow\n"; }
            location /text { return 200 "text\n"; }
            location /stream/ { proxy_request_buffering off; proxy_pass http://{a}; }
        }"#;
    let line = b"GET / HTTP/1.1\r\n";
    let post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    let text_post = b"POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    let stream = b"POST /stream/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    Feature::new("client timeouts", text)
        .backend(&[])
        .without_probes()
        .case(case::in_pieces("half a line", &[b"GET / HT", b"TP/1.1\r\nHost: a\r\n\r\n"], pause))
        .case(case::in_pieces("half a head", &[line, b"Host: a\r\n\r\n"], pause))
        .case(case::in_pieces("half a body", &[post, b"defghi"], pause))
        .case(case::in_pieces("half a body that is not wanted", &[text_post, b"defghi"], pause))
        .case(case::in_pieces("half a body that is streamed", &[stream, b"defghi"], pause))
        .case(case::in_pieces(
            "half a chunk",
            &[b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", b"defghi\r\n0\r\n\r\n"],
            pause,
        ))
        .case(case::in_pieces(
            "slow but steady",
            &[b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", b"def", b"ghi"],
            Duration::from_millis(600),
        ))
        .case(case::get("idle too long", "/text").then_after(pause, b"GET /text HTTP/1.1\r\nHost: a\r\n\r\n"))
        .case(
            case::get("idle not too long", "/text")
                .then_after(Duration::from_millis(200), b"GET /text HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .check();
}

#[test]
fn connections_are_kept_as_told() {
    let again: &[u8] = b"GET /usual HTTP/1.1\r\nHost: a\r\n\r\n";
    Feature::new(
        "keepalive",
        r#"server { listen {port}; keepalive_timeout 5s 7s;
            location / { return 200 "usual\n"; }
            location /usual { proxy_pass http://{a}; }
            location /never { keepalive_timeout 0; return 200 never; }
            location /three { keepalive_requests 3; return 200 three; }
            location /none { keepalive_timeout 5s; return 200 none; }
            location /told0 { keepalive_timeout 5s 0; return 200 told; }
            location /f/ { alias {files}/; }
            location /404 { return 404; }
            location /pnever { keepalive_timeout 0; proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[])
    .get(&["/", "/usual", "/never", "/three", "/none", "/told0", "/f/a.txt", "/f/dir", "/404", "/pnever"])
    .case(
        case::get("three of three", "/three")
            .then(b"GET /three HTTP/1.1\r\nHost: a\r\n\r\n")
            .then(b"GET /three HTTP/1.1\r\nHost: a\r\n\r\n"),
    )
    .case(case::get("two of three", "/three").then(b"GET /three HTTP/1.1\r\nHost: a\r\n\r\n"))
    .case(case::get("two", "/usual").then(again))
    .lines("1.0", &["GET / HTTP/1.0"])
    .lines("1.0 kept", &["GET / HTTP/1.0", "Connection: keep-alive"])
    .lines("1.0 kept in upper case", &["GET / HTTP/1.0", "Connection: Keep-Alive"])
    .lines("1.0 file kept", &["GET /f/a.txt HTTP/1.0", "Connection: keep-alive"])
    .lines("1.0 application kept", &["GET /usual HTTP/1.0", "Connection: keep-alive"])
    .lines("1.0 error kept", &["GET /404 HTTP/1.0", "Connection: keep-alive"])
    .lines("1.0 redirect kept", &["GET /f/dir HTTP/1.0", "Connection: keep-alive"])
    .lines("close", &["GET / HTTP/1.1", "Host: a", "Connection: close"])
    .lines("CLOSE", &["GET / HTTP/1.1", "Host: a", "Connection: CLOSE"])
    .lines("close among others", &["GET / HTTP/1.1", "Host: a", "Connection: x, close"])
    .lines("close and keep", &["GET / HTTP/1.1", "Host: a", "Connection: keep-alive, close"])
    .lines("HEAD 1.0 kept", &["HEAD /usual HTTP/1.0", "Connection: keep-alive"])
    .check();
}
