//! Connections to upstreams: how many are kept, for how long, for how many requests, and under whose name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::backend::{self, Backend};
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::tomcat::Tomcat;
use crate::support::{ports, request, wait};
use std::io::{Read, Write};
use std::net::TcpListener;

fn edge(server: SocketAddr, upstream: &str, location: &str) -> Edge {
    let port = ports::free();
    let text = format!(
        "upstream:\n  app: {{ servers: ['{server}'], {upstream} }}\nserver:\n  - listen: 127.0.0.1:{port}\n    location:\n      \
         - match: /\n        proxy_pass: http://app\n        {location}\n"
    );
    Edge::yaml(&text, port).start()
}

#[test]
fn a_connection_is_closed_after_keepalive_requests() {
    let backend = Backend::saying("x");
    let edge = edge(backend.address(), "keepalive_requests: 5", "");
    let mut client = Client::connect(edge.address());
    for _ in 0..20 {
        assert_eq!(client.ask(&request::post("/", "x")).unwrap().status(), 200);
    }
    assert_eq!((backend.requests(), backend.connections()), (20, 4));
}

#[test]
fn answers_without_a_body_count_too() {
    let backend = Backend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let edge = edge(backend.address(), "keepalive_requests: 5", "");
    let mut client = Client::connect(edge.address());
    for _ in 0..10 {
        assert_eq!(client.ask(&request::get("/")).unwrap().status(), 204);
    }
    assert_eq!((backend.requests(), backend.connections()), (10, 2));
}

#[test]
fn no_more_idle_connections_are_kept_than_keepalive_says() {
    let backend = Backend::start(|_, answer| {
        std::thread::sleep(Duration::from_millis(200));
        answer.write(backend::ok("x"));
    });
    let edge = edge(backend.address(), "keepalive: 3", "");
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert_eq!(crate::support::client::get(edge.address(), "/").status(), 200));
        }
    });
    assert!(backend.connections() >= 8, "{}", backend.connections());
    let left = wait::until(Duration::from_secs(5), || (backend.open_connections() <= 3).then_some(()));
    assert!(left.is_some(), "{} are open", backend.open_connections());
    assert_eq!(backend.open_connections(), 3, "so many are kept");
}

#[test]
fn keepalive_0_says_close() {
    let backend = Backend::saying("x");
    let edge = edge(backend.address(), "keepalive: 0", "");
    let mut client = Client::connect(edge.address());
    for _ in 0..3 {
        assert_eq!(client.ask(&request::get("/")).unwrap().status(), 200);
    }
    assert_eq!(backend.connections(), 3);
    assert_eq!(backend.seen()[0].header("connection"), Some("close"));
}

#[test]
fn a_server_that_announces_its_timeout_is_believed() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nKeep-Alive: timeout=1\r\n\r\nx");
    let edge = edge(backend.address(), "keepalive_timeout: 60s", "");
    let mut client = Client::connect(edge.address());
    for pause in [0, 0, 0, 700, 0, 0, 700] {
        std::thread::sleep(Duration::from_millis(pause));
        assert_eq!(client.ask(&request::post("/", "x")).unwrap().status(), 200);
    }
    assert_eq!((backend.requests(), backend.connections()), (7, 3));
    let closed = wait::until(Duration::from_secs(5), || (backend.open_connections() == 0).then_some(()));
    assert!(closed.is_some(), "nothing lies idle longer than was announced");
}

/// Tomcat waits a second for the next request, and the client asks every second: each request comes when Tomcat closes.
#[test]
fn posts_in_the_moment_in_which_tomcat_closes_are_run_once_each() {
    let tomcat = Tomcat::plan("once").keep_alive(Duration::from_secs(1)).start();
    let edge = edge(tomcat.address(), "keepalive_timeout: 60s", "");
    let mut client = Client::connect(edge.address());
    let before = tomcat.load().requests;
    for number in 0..20 {
        let answer = client.ask(&request::post("/echo", format!("{number}"))).unwrap();
        assert_eq!(answer.status(), 200, "POST {number}: {}", edge.errors());
        std::thread::sleep(Duration::from_millis(990 + number % 5 * 5));
    }
    assert_eq!(tomcat.load().requests - before, 20, "each was run exactly once");
    assert!(!edge.errors().contains("upstream"), "{}", edge.errors());
}

/// A server that reads a PROXY protocol header before requests and answers each with the client's port it read.
fn behind_a_header() -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind(ports::local(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(Mutex::new(0));
    let counted = connections.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            *counted.lock().unwrap() += 1;
            std::thread::spawn(move || {
                let mut arrived = Vec::new();
                let mut buffer = [0; 4096];
                let mut client = None;
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    arrived.extend_from_slice(&buffer[..n]);
                    if client.is_none() {
                        client = take_header(&mut arrived);
                    }
                    while let (Some(client), Some(end)) = (client, arrived.windows(4).position(|w| w == b"\r\n\r\n")) {
                        arrived.drain(..end + 4);
                        let text = client.to_string();
                        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
                        let _ = stream.write_all(answer.as_bytes());
                    }
                }
            });
        }
    });
    (address, connections)
}

fn take_header(arrived: &mut Vec<u8>) -> Option<SocketAddr> {
    if arrived.starts_with(b"PROXY ") {
        let end = arrived.windows(2).position(|w| w == b"\r\n")?;
        let line = String::from_utf8(arrived.drain(..end + 2).collect()).unwrap();
        let words: Vec<&str> = line.trim().split(' ').collect();
        return Some(format!("{}:{}", words[2], words[4]).parse().unwrap());
    }
    let (address, length) = {
        let header = ppp::v2::Header::try_from(arrived.as_slice()).ok()?;
        let ppp::v2::Addresses::IPv4(addresses) = header.addresses else { panic!("{header:?}") };
        (SocketAddr::from((addresses.source_address, addresses.source_port)), header.len())
    };
    arrived.drain(..length);
    Some(address)
}

#[test]
fn no_request_goes_under_another_clients_proxy_header() {
    for version in ["v1", "v2"] {
        let (server, connections) = behind_a_header();
        let edge = edge(server, "keepalive: 16", &format!("proxy_protocol: {version}"));
        let mut clients = [Client::connect(edge.address()), Client::connect(edge.address())];
        for _ in 0..5 {
            for client in &mut clients {
                let own = client.stream().local_addr().unwrap().to_string();
                assert_eq!(client.ask(&request::get("/")).unwrap().text(), own, "{version}");
            }
        }
        assert_eq!(*connections.lock().unwrap(), 2, "each client's connection is kept");
    }
}
