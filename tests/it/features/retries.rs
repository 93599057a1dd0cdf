//! `proxy_next_upstream`, `max_fails`, and how often applications are asked.

use super::backends::{Act, Table};
use super::setup::Feature;

const FAILS: Table = &[
    ("/500", Act::Say("HTTP/1.1 500 A\r\nContent-Length: 1\r\n\r\nA")),
    ("/502", Act::Say("HTTP/1.1 502 A\r\nContent-Length: 1\r\n\r\nA")),
    ("/503", Act::Say("HTTP/1.1 503 A\r\nContent-Length: 1\r\n\r\nA")),
    ("/504", Act::Say("HTTP/1.1 504 A\r\nContent-Length: 1\r\n\r\nA")),
    ("/403", Act::Say("HTTP/1.1 403 A\r\nContent-Length: 1\r\n\r\nA")),
    ("/404", Act::Say("HTTP/1.1 404 A\r\nContent-Length: 1\r\n\r\nA")),
    ("/429", Act::Say("HTTP/1.1 429 A\r\nContent-Length: 1\r\n\r\nA")),
    ("/hangup", Act::Cut("")),
    ("/garbage", Act::Cut("garbage\r\n\r\n")),
    ("/stall", Act::Stall),
    ("/cut", Act::Cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")),
];

const FAILURES: &[&str] = &["500", "502", "503", "504", "403", "404", "429", "hangup", "garbage", "stall", "cut"];

fn retried(name: &'static str, setting: &str, failures: &[&str], both: bool) {
    let text = format!(
        "upstream app {{ server {{a}} max_fails=0; server {{b}} max_fails=0 backup; }} \
         server {{ listen {{port}}; proxy_read_timeout 300ms; {setting} location / {{ proxy_pass http://app; }} }}"
    );
    let feature = Feature::new(name, &text).backend(FAILS);
    let mut feature = feature.backend(if both { FAILS } else { &[] }).without_probes();
    for failure in failures {
        for method in ["GET", "POST", "HEAD", "PUT", "DELETE"] {
            if method == "GET" || method == "POST" || *failure == "502" || *failure == "hangup" {
                feature = feature.ask(method, &format!("/{failure}"), &["Content-Length: 3"], "abc");
            }
        }
    }
    feature.check();
}

#[test]
fn the_next_server_is_asked_as_usual() {
    retried("next upstream by default", "", FAILURES, false);
}

#[test]
fn the_next_server_is_asked_for_every_reason() {
    let all = "proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429;";
    retried("next upstream for all", all, FAILURES, false);
}

#[test]
fn the_next_server_is_asked_for_requests_that_are_not_idempotent() {
    retried(
        "next upstream non_idempotent",
        "proxy_next_upstream error timeout http_502 http_404 non_idempotent;",
        &["502", "404", "hangup", "stall", "garbage"],
        false,
    );
}

#[test]
fn no_other_server_is_asked() {
    retried("next upstream off", "proxy_next_upstream off;", &["502", "hangup", "stall"], false);
}

#[test]
fn all_servers_fail() {
    retried("all servers fail", "proxy_next_upstream error timeout invalid_header http_500 http_404;", FAILURES, true);
}

#[test]
fn tries_are_counted() {
    Feature::new(
        "tries",
        r#"upstream app { server {dead}; server {a} max_fails=0; server {b} max_fails=0; }
        upstream two { server {a} max_fails=0; server {b} max_fails=0; server {dead} backup; }
        server { listen {port};
            location /one/ { proxy_next_upstream_tries 1; proxy_next_upstream http_500; proxy_pass http://two/; }
            location /two/ { proxy_next_upstream_tries 2; proxy_next_upstream http_500; proxy_pass http://two/; }
            location /any/ { proxy_next_upstream http_500; proxy_pass http://two/; }
        }"#,
    )
    .backend(FAILS)
    .backend(FAILS)
    .without_probes()
    .get(&["/one/500", "/one/500?2", "/two/500", "/two/500?2", "/any/500", "/any/ok", "/any/500?2"])
    .check();
}

#[test]
fn an_error_page_asks_the_upstream_anew() {
    Feature::new(
        "retries behind error_page",
        r#"upstream app { server {a} max_fails=0; server {b} max_fails=0; }
        server { listen {port}; proxy_http_version 1.0;
            location / { proxy_next_upstream_tries 2; proxy_pass http://app; error_page 502 = /instead; }
            location /instead { proxy_next_upstream_tries 2; proxy_pass http://app/fine; }
        }"#,
    )
    .backend(FAILS)
    .backend(FAILS)
    .without_probes()
    .get(&["/hangup", "/hangup?2", "/fine", "/hangup?3"])
    .check();
}

#[test]
fn failing_servers_are_left_out() {
    let mut feature = Feature::new(
        "max_fails",
        r#"upstream app { server {a} max_fails=2 fail_timeout=60s; server {b}; }
        upstream alone { server {a} max_fails=1; }
        upstream never { server {a} max_fails=0; server {b}; }
        upstream down { server {a} down; server {b}; }
        upstream weights { server {a} weight=3; server {b}; }
        upstream deads { server {dead}; server {b}; }
        server { listen {port}; proxy_next_upstream error http_500;
            location /app/ { proxy_pass http://app/; }
            location /alone/ { proxy_pass http://alone/; }
            location /never/ { proxy_pass http://never/; }
            location /down/ { proxy_pass http://down/; }
            location /weights/ { proxy_pass http://weights/; }
            location /deads/ { proxy_pass http://deads/; }
        }"#,
    )
    .backend(FAILS)
    .backend(&[])
    .without_probes();
    for target in ["/app/500", "/alone/500", "/never/500", "/down/500", "/weights/ok", "/deads/ok"] {
        for number in 0..8 {
            feature = feature.get(&[&format!("{target}?{number}")]);
        }
    }
    feature.check();
}

#[test]
fn servers_are_asked_in_turn() {
    let mut feature = Feature::new(
        "balancing",
        r#"upstream rr { server {a}; server {b}; }
        upstream w { server {a} weight=5; server {b} weight=2; }
        upstream lc { least_conn; server {a}; server {b} weight=2; }
        upstream ih { ip_hash; server {a}; server {b}; }
        upstream bk { server {a}; server {b} backup; }
        server { listen {port};
            location /rr/ { proxy_pass http://rr/; } location /w/ { proxy_pass http://w/; } location /lc/ { proxy_pass http://lc/; }
            location /ih/ { proxy_pass http://ih/; } location /bk/ { proxy_pass http://bk/; }
        }"#,
    )
    .backend(&[])
    .backend(&[])
    .without_probes();
    for place in ["rr", "w", "lc", "ih", "bk"] {
        for number in 0..9 {
            feature = feature.get(&[&format!("/{place}/{number}")]);
        }
    }
    feature.check();
}
