//! Upstreams that do not connect, do not read, do not answer: each wait has its limit, and the next server its chance.

use crate::support::backend::Backend;
use crate::support::edge::Edge;
use crate::support::response::Response;
use crate::support::{client, ports, request};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An address whose queue of connections is full: connecting to it gets no answer.
struct Full {
    address: SocketAddr,
    _listener: Socket,
    _queue: Vec<TcpStream>,
}

fn full() -> Full {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&ports::local(0).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let patience = Duration::from_millis(300);
    let queue: Vec<TcpStream> = (0..64).map_while(|_| TcpStream::connect_timeout(&address, patience).ok()).collect();
    assert!(queue.len() < 64, "the queue is never full");
    Full { address, _listener: listener, _queue: queue }
}

fn edge(servers: &[SocketAddr], limits: &str) -> Edge {
    let port = ports::free();
    let servers: String = servers.iter().map(|s| format!("      - '{s}'\n")).collect();
    let configuration = format!(
        "client_max_body_size: 0\nupstream:\n  app:\n    servers:\n{servers}server:\n  - listen: 127.0.0.1:{port}\n    \
         location:\n      - match: /\n        proxy_pass: http://app\n{limits}"
    );
    Edge::yaml(&configuration, port).start()
}

fn timed(ask: impl FnOnce() -> Response) -> (Response, Duration) {
    let start = Instant::now();
    (ask(), start.elapsed())
}

#[test]
fn a_server_that_does_not_connect_is_504_after_proxy_connect_timeout() {
    let full = full();
    let edge = edge(&[full.address], "        proxy_connect_timeout: 400ms\n");
    let (answer, took) = timed(|| client::get(edge.address(), "/"));
    assert_eq!(answer.status(), 504);
    assert!(took >= Duration::from_millis(350) && took < Duration::from_secs(3), "{took:?}");
    assert!(edge.wait_error("while connecting to upstream"), "{}", edge.errors());
}

#[test]
fn after_proxy_connect_timeout_the_next_server_is_asked() {
    let full = full();
    let other = Backend::saying("other");
    let edge = edge(&[full.address, other.address()], "        proxy_connect_timeout: 300ms\n");
    for _ in 0..3 {
        let answer = request::post("/", "body").send(edge.address());
        assert_eq!((answer.status(), answer.text()), (200, "other".into()));
    }
}

#[test]
fn a_server_that_does_not_read_is_504_after_proxy_send_timeout() {
    // It accepts through its queue and never reads: what the kernel's buffers do not take is not taken at all.
    let listener = std::net::TcpListener::bind(ports::local(0)).unwrap();
    // Pingora then still waits for an answer the server may have given early, for as long as for any answer.
    let limits = "        proxy_send_timeout: 400ms\n        proxy_read_timeout: 600ms\n";
    let edge = edge(&[listener.local_addr().unwrap()], limits);
    let (answer, took) = timed(|| request::post("/", vec![b'x'; 32 << 20]).send(edge.address()));
    assert_eq!(answer.status(), 504);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn a_server_that_does_not_answer_is_504_after_proxy_read_timeout() {
    let listener = std::net::TcpListener::bind(ports::local(0)).unwrap();
    let edge = edge(&[listener.local_addr().unwrap()], "        proxy_read_timeout: 400ms\n");
    let (answer, took) = timed(|| client::get(edge.address(), "/"));
    assert_eq!(answer.status(), 504);
    assert!(took >= Duration::from_millis(350) && took < Duration::from_secs(3), "{took:?}");
}
