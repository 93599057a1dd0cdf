//! The edge in front of real Tomcats: whatever they answer arrives, neither slow clients nor dead servers show.
//!
//! With `EDGE_TEST_FRONT=nginx` the same tests run against Debian's nginx.

mod failover;
mod killed;
mod load;
mod routes;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::client::{self, Client, Failure};
use crate::support::front::{Configuration, Front};
use crate::support::request::{self, Request};
use crate::support::response::sha256;
use crate::support::websocket::WebSocket;
use crate::support::{ports, tomcat, webapp};

/// A front of these servers, with the plainest configuration that lets through all they can do.
fn front(servers: &[SocketAddr]) -> Front {
    let port = ports::free();
    let in_yaml: String = servers
        .iter()
        .map(|address| format!("      - {{ address: '{address}', max_fails: 1, fail_timeout: 1s }}\n"))
        .collect();
    let in_conf: String =
        servers.iter().map(|address| format!("server {address} max_fails=1 fail_timeout=1s; ")).collect();
    Front::start(&Configuration {
        port,
        edge_yaml: format!(
            "client_max_body_size: 64m
upstream:
  app:
    servers:
{in_yaml}server:
  - listen: 127.0.0.1:{port}
    location:
      - match: /
        proxy_pass: http://app
        proxy_set_header: {{ Host: $http_host }}
      - match: /ws
        proxy_pass: http://app
        proxy_set_header: {{ Host: $http_host, Upgrade: $http_upgrade, Connection: upgrade }}
"
        ),
        nginx_conf: format!(
            "worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  include mime.types;
  client_max_body_size 64m;
  client_body_buffer_size 128k;
  gzip on; gzip_types text/plain text/event-stream;
  upstream app {{ {in_conf} keepalive 32; keepalive_timeout 15s; }}
  server {{
    listen 127.0.0.1:{port};
    access_log off;
    proxy_http_version 1.1;
    location / {{ proxy_pass http://app; proxy_set_header Host $http_host; proxy_set_header Connection ''; }}
    location /ws {{
      proxy_pass http://app;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }}
  }}
}}
"
        ),
    })
}

fn front_of_the_pair() -> Front {
    front(&[tomcat::pair()[0].address(), tomcat::pair()[1].address()])
}

/// What `/big` and `/chunked` send.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| b'a' + (at % 23) as u8).collect()
}

#[test]
fn the_tomcats_are_used_in_turn() {
    let front = front_of_the_pair();
    let answers: Vec<String> = (0..10).map(|_| client::get(front.address(), "/whoami").text()).collect();
    let first = answers.iter().filter(|route| *route == "tomcat1").count();
    assert_eq!(first, 5, "{answers:?}");
    assert!(answers.windows(2).all(|two| two[0] != two[1]), "{answers:?}");
}

#[test]
fn pages_actions_and_assets_arrive_as_tomcat_sends_them() {
    let front = front_of_the_pair();
    for target in [
        "/",
        "/index.jsp",
        "/shop/list.action",
        "/page.html",
        "/css/site.css",
        "/js/small.js",
        "/js/big.js",
        "/img/logo.png",
        "/img/dot.gif",
        "/img/photo.jpg",
        "/docs/empty.txt",
        "/docs/with%20space%20and%20%C3%BC.txt",
        "/none",
    ] {
        let direct = client::get(tomcat::pair()[0].address(), target);
        let through = client::get(front.address(), target);
        assert_eq!(through.status(), direct.status(), "{target}\n{through}");
        assert_eq!(through.body, direct.body, "{target}");
        for name in ["content-type", "etag", "last-modified", "content-language"] {
            assert_eq!(through.header(name), direct.header(name), "{target}: {name}\n{through}");
        }
    }
    assert!(client::get(front.address(), "/index.jsp").text().contains("six times seven is 42"));
    assert_eq!(client::get(front.address(), "/js/big.js").body.len(), webapp::BIG_JS);
}

#[test]
fn every_status_passes() {
    let front = front_of_the_pair();
    let mut client = Client::connect(front.address());
    for status in (200..=208).chain(300..=308).chain(400..=431).chain([451, 500, 501, 502, 503, 504, 505, 507, 599]) {
        let target = format!("/status/{status}?h=X-Marker:m{status}");
        let answer = client.ask(&request::get(&target)).unwrap_or_else(|failure| panic!("{status}: {failure}"));
        assert_eq!(answer.status(), status, "{answer}");
        assert_eq!(answer.header("X-Marker"), Some(format!("m{status}").as_str()), "{answer}");
        // 205 is answered without a body by some, with it by others: RFC 9110 forbids it, Tomcat sends it.
        if ![204, 205, 304].contains(&status) {
            assert_eq!(answer.text(), format!("status {status}\n"));
        }
    }
}

#[test]
fn head_tells_the_length_and_keeps_the_connection() {
    let front = front_of_the_pair();
    let mut client = Client::connect(front.address());
    for (target, length) in [("/page.html", None), ("/big?kb=300", Some(300 * 1024)), ("/img/logo.png", None)] {
        let head = client.ask(&request::head(target)).unwrap();
        let whole = client.ask(&request::get(target)).unwrap();
        let expected = length.unwrap_or(whole.body.len());
        assert_eq!(head.header("content-length"), Some(expected.to_string().as_str()), "{target}\n{head}");
        assert_eq!(whole.body.len(), expected);
    }
}

#[test]
fn a_slow_answer_is_waited_for() {
    let front = front_of_the_pair();
    let start = Instant::now();
    assert_eq!(client::get(front.address(), "/slow?ms=700").text(), "slow\n");
    assert!(start.elapsed() >= Duration::from_millis(700));
}

#[test]
fn a_cut_answer_never_looks_whole() {
    let front = front_of_the_pair();
    for how in ["length", "chunked"] {
        for after in [1, 2_000, 100_000, 1_000_000] {
            let mut client = Client::connect(front.address());
            let outcome = client.ask(&request::get(&format!("/cut?after={after}&how={how}")));
            match outcome {
                Err(Failure::Cut(part, _)) => {
                    assert_eq!(part.status(), 200);
                    assert!(pattern(after).starts_with(&part.body), "{how} {after}: other bytes than were sent");
                }
                // A proxy that has seen the cut before it has sent anything may say so.
                Ok(answer) if answer.status() == 502 => {}
                Ok(answer) => panic!("{how} {after}: a clean end\n{answer}"),
                Err(failure) => panic!("{how} {after}: {failure}"),
            }
        }
    }
}

#[test]
fn chunks_pass_both_ways() {
    let front = front_of_the_pair();
    let mut client = Client::connect(front.address());
    for (pieces, size) in [(1, 1), (5, 1_000), (50, 10), (20, 50_000)] {
        let answer = client.ask(&request::get(&format!("/chunked?n={pieces}&size={size}"))).unwrap();
        assert_eq!(answer.sha256(), sha256(&pattern(pieces * size)), "{pieces} × {size}");
        let body = pattern(size);
        let parts: Vec<&[u8]> = (0..pieces).map(|_| body.as_slice()).collect();
        let seen = client.ask(&Request::new("POST", "/echo").chunked(&parts)).unwrap().json();
        assert_eq!(seen["body_length"], pieces * size);
        assert_eq!(seen["body_sha256"], sha256(&body.repeat(pieces)));
    }
}

#[test]
fn big_bodies_arrive_whole_both_ways() {
    let front = front_of_the_pair();
    let body: Vec<u8> = (0..16_u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let seen = request::post("/echo", body.clone()).send(front.address()).json();
    assert_eq!((&seen["body_length"], &seen["body_sha256"]), (&body.len().into(), &sha256(&body).into()));

    let parts: Vec<&[u8]> = body.chunks(70_001).collect();
    let seen = Request::new("PUT", "/echo").chunked(&parts).send(front.address()).json();
    assert_eq!((&seen["body_length"], &seen["body_sha256"]), (&body.len().into(), &sha256(&body).into()));

    let answer = client::get(front.address(), "/big?kb=16384");
    assert_eq!(answer.header("content-length"), Some("16777216"));
    assert!(answer.body == pattern(16 << 20), "other bytes than were sent");
}

#[test]
fn events_arrive_as_they_are_sent() {
    let front = front_of_the_pair();
    // nginx holds events back unless the application asks it not to.
    let target = if Front::is_nginx() { "/events?n=5&ms=300&unbuffered=1" } else { "/events?n=5&ms=300" };
    let mut client = Client::connect(front.address());
    client.write(request::get(target).header("Accept", "text/event-stream").bytes());
    let head = client.head("GET").unwrap();
    assert_eq!(head.headers.get("content-type"), Some("text/event-stream;charset=UTF-8"), "{head}");
    let mut arrivals: Vec<(String, Instant)> = Vec::new();
    while let Some(piece) = client.piece().unwrap() {
        arrivals.push((String::from_utf8_lossy(&piece).into_owned(), Instant::now()));
    }
    let texts: Vec<&str> = arrivals.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n", "data: 4\n\n", "data: 5\n\n"]);
    for two in arrivals.windows(2) {
        let gap = two[1].1 - two[0].1;
        assert!(gap > Duration::from_millis(150), "{:?} came {gap:?} after the one before", two[1].0);
    }
}

#[test]
fn events_are_not_held_back_by_compression() {
    let front = front_of_the_pair();
    let target = "/events?n=3&ms=500&unbuffered=1";
    let mut client = Client::connect(front.address());
    client.write(request::get(target).header("Accept-Encoding", "gzip, br, zstd").bytes());
    let start = Instant::now();
    client.head("GET").unwrap();
    // Compressed or not: something of the body comes before the second event has been sent.
    assert!(!client.piece().unwrap().unwrap().is_empty());
    assert!(start.elapsed() < Duration::from_millis(400), "the first event came after {:?}", start.elapsed());
}

#[test]
fn a_websocket_works_through_the_edge() {
    let front = front_of_the_pair();
    let mut socket = WebSocket::connect(front.address(), "/ws");
    for text in ["hello", "", "ü€", &"long ".repeat(1_000)] {
        socket.send(text);
        assert_eq!(socket.receive().unwrap(), text);
    }
    // Quiet for a while, and it is still there.
    std::thread::sleep(Duration::from_millis(1_500));
    socket.send("still there?");
    assert_eq!(socket.receive().unwrap(), "still there?");
    assert!(socket.close());
}

#[test]
fn many_websockets_live_beside_each_other() {
    let front = front_of_the_pair();
    let mut sockets: Vec<WebSocket> = (0..40).map(|_| WebSocket::connect(front.address(), "/ws")).collect();
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send(&format!("I am {number}"));
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(socket.receive().unwrap(), format!("I am {number}"));
    }
}

#[test]
fn a_session_counts_on() {
    // One Tomcat: whose session it is does not matter here, only that the cookie passes both ways.
    let front = front(&[tomcat::pair()[0].address()]);
    let first = client::get(front.address(), "/count");
    let cookie = first.header("set-cookie").expect("a session cookie").split(';').next().unwrap().to_string();
    assert!(cookie.starts_with("JSESSIONID=") && cookie.ends_with(".tomcat1"), "{cookie}");
    for count in 2..5 {
        let answer = request::get("/count").header("Cookie", &cookie).send(front.address());
        assert!(answer.text().starts_with(&format!("{count} ")), "{answer}");
    }
}
