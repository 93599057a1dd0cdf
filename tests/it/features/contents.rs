//! Answers that are made of nothing: `empty_gif`, `stub_status`; and where connections to upstreams come from.

use super::setup::Feature;
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::ports;
use crate::support::request::get;

#[test]
fn the_picture_is_nginx_s() {
    Feature::new(
        "empty_gif",
        "server { listen {port}; location = /gif { empty_gif; } location /e/ { empty_gif; expires 1h; add_header X-A b; }
            location /sub { empty_gif; sub_filter_types *; sub_filter GIF gif; } }",
    )
    .get(&["/gif", "/e/x.txt", "/sub"])
    .ask("HEAD", "/gif", &[], "")
    .ask("POST", "/gif", &["Content-Length: 1"], "x")
    .get_with("/gif", &["If-Modified-Since: Mon, 28 Sep 1970 06:00:00 GMT"])
    .get_with("/gif", &["If-Modified-Since: Mon, 28 Sep 1970 06:00:01 GMT"])
    .get_with("/gif", &["If-Unmodified-Since: Mon, 28 Sep 1970 05:00:00 GMT"])
    .get_with("/gif", &["Range: bytes=0-3"])
    .check();
}

#[test]
fn the_status_has_nginx_s_head() {
    Feature::new(
        "stub_status",
        "server { listen {port}; location = /s { stub_status; } location = /on { stub_status on; } }",
    )
    .ask("HEAD", "/s", &[], "")
    .ask("HEAD", "/on", &[], "")
    .ask("POST", "/s", &["Content-Length: 0"], "")
    .check();
}

#[test]
fn the_status_counts_connections_and_requests() {
    let port = ports::free();
    let text =
        format!("events {{}}\nhttp {{ access_log off; server {{ listen {port}; location / {{ stub_status; }} }} }}");
    let edge = Edge::nginx_conf(&text, port).start();
    let mut idle = Client::connect(edge.address());
    idle.ask(&get("/")).expect("an answer");
    let mut client = Client::connect(edge.address());
    client.ask(&get("/")).expect("an answer");
    let answer = client.ask(&get("/")).expect("an answer");
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let numbers: Vec<u64> = body.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [active, accepted, handled, requests, reading, writing, waiting] = numbers[..] else { panic!("{body}") };
    assert_eq!((active, reading, writing, waiting), (2, 0, 1, 1), "{body}");
    assert_eq!((accepted, requests), (handled, 3), "{body}");
    assert!(accepted >= 2, "{body}");
}

#[test]
fn connections_come_from_the_address_that_is_said() {
    Feature::new(
        "proxy_bind",
        "server { listen {port}; proxy_bind 127.0.0.5;
            location / { proxy_pass http://127.0.0.1:{port2}; }
            location /off { proxy_bind off; proxy_pass http://127.0.0.1:{port2}; }
            location /var { proxy_bind $arg_from; proxy_pass http://127.0.0.1:{port2}; }
            location /wrong { proxy_bind 192.0.2.1; proxy_pass http://127.0.0.1:{port2}; } }
         server { listen {port2}; location / { return 200 $remote_addr; } }",
    )
    .get(&["/", "/off", "/var?from=127.0.0.7", "/var", "/var?from=nonsense", "/wrong", "/again"])
    .check();
}
