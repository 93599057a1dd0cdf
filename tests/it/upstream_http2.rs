//! HTTP/2 to upstreams, over TLS and without, and gRPC, which is nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use crate::support::certificates::Authority;
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::origin::Origin;
use crate::support::request::{self, Request};
use crate::support::{ports, response};

fn edge(top: &str, locations: &[(&str, &str)]) -> Edge {
    let port = ports::free();
    let locations: String = locations
        .iter()
        .map(|(path, keys)| {
            let keys: String = keys.lines().map(|line| format!("        {}\n", line.trim())).collect();
            format!("      - match: {path}\n{keys}")
        })
        .collect();
    let top = format!("client_max_body_size: 0\nclient_body_buffer_size: 64k\n{top}");
    Edge::yaml(&format!("{top}server:\n  - listen: 127.0.0.1:{port}\n    location:\n{locations}"), port).start()
}

fn over(origin: &Origin, scheme: &str) -> Edge {
    let keys = format!("proxy_pass: {scheme}://{}\nproxy_http_version: 2", origin.address());
    edge("", &[("/", &keys)])
}

#[test]
fn bodies_of_all_sizes_go_up_and_come_back() {
    let plain = Origin::h2c();
    let secure = Origin::tls(&Authority::new("a").server(&["a"]));
    for (origin, scheme) in [(&plain, "http"), (&secure, "https")] {
        let edge = over(origin, scheme);
        let mut client = Client::connect(edge.address());
        for size in [0, 1, 300 << 10, 5 << 20] {
            let body: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
            let answer = client.ask(&request::post("/echo", body.clone())).unwrap();
            assert_eq!(answer.status(), 200, "{}", edge.errors());
            assert_eq!(answer.sha256(), response::sha256(&body), "{size}");
            let call = origin.last();
            assert!(call.http2 && call.scheme == scheme && call.authority == origin.address().to_string(), "{call:?}");
            assert_eq!(call.header("content-length"), Some(size.to_string().as_str()));
            for none in ["transfer-encoding", "connection", "host", "keep-alive", "upgrade", "te"] {
                assert_eq!(call.header(none), None, "{none}");
            }
            let pieces: Vec<&[u8]> = body.chunks(100 << 10).collect();
            let chunked = Request::new("PUT", "/echo").chunked(&pieces);
            let answer = client.ask(&chunked).unwrap();
            assert_eq!(answer.sha256(), response::sha256(&body), "{size} in chunks");
        }
        let answer = client.ask(&request::head("/x")).unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(origin.connections(), 1, "one connection, kept");
    }
}

#[test]
fn fields_that_http2_has_no_place_for_are_not_sent() {
    let origin = Origin::h2c();
    let keys = format!(
        "proxy_pass: http://{}\nproxy_http_version: 2\nproxy_set_header: {{ Connection: upgrade, Upgrade: $http_upgrade, \
         Host: '', X-A: b }}",
        origin.address()
    );
    let edge = edge("", &[("/", &keys)]);
    let ask = request::get("/x")
        .header("Connection", "Upgrade, X-Mine")
        .header("Upgrade", "websocket")
        .header("Keep-Alive", "timeout=5")
        .header("TE", "gzip");
    assert_eq!(ask.send(edge.address()).status(), 200, "{}", edge.errors());
    let call = origin.last();
    let names: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-a"], "{call:?}");
    assert_eq!(call.authority, origin.address().to_string());
}

#[test]
fn a_server_that_speaks_no_http2_is_spoken_to_in_its_language() {
    let origin = Origin::tls_http1(&Authority::new("a").server(&["a"]));
    let edge = over(&origin, "https");
    let mut client = Client::connect(edge.address());
    for _ in 0..2 {
        let answer = client.ask(&request::post("/x", "body")).unwrap();
        assert!(answer.text().starts_with("h1 "), "{}", answer.text());
    }
    assert_eq!(origin.last().body_length, 4);
}

#[test]
fn a_refused_stream_is_tried_again_even_a_post() {
    let (one, two) = (Origin::h2c(), Origin::h2c());
    let top = format!("upstream:\n  app:\n    servers: ['{}', '{}']\n", one.address(), two.address());
    let edge = edge(&top, &[("/", "proxy_pass: http://app\nproxy_http_version: 2")]);
    two.refuse_none();
    for _ in 0..3 {
        let answer = request::post("/refuse", vec![b'x'; 300 << 10]).send(edge.address());
        assert_eq!(answer.status(), 200, "{}", edge.errors());
    }
    assert_eq!(one.calls().len() + two.calls().len(), 3);
    assert!(one.calls().iter().chain(&two.calls()).all(|call| call.body_length == 300 << 10));
}

/// Says on each connection, once a stream was opened: goodbye, I have begun nothing.
fn leaving() -> SocketAddr {
    let listener = TcpListener::bind(ports::local(0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).unwrap();
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap(); // SETTINGS
            let mut head = [0; 9];
            while stream.read_exact(&mut head).is_ok() {
                let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
                stream.read_exact(&mut payload).unwrap();
                if head[3] == 1 {
                    // HEADERS: GOAWAY, last stream 0, no error
                    stream.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
                }
            }
        }
    });
    address
}

#[test]
fn a_server_that_leaves_without_having_begun_costs_no_post() {
    let (leaving, staying) = (leaving(), Origin::h2c());
    let top = format!("upstream:\n  app:\n    servers: ['{leaving}', '{}']\n", staying.address());
    let edge = edge(&top, &[("/", "proxy_pass: http://app\nproxy_http_version: 2")]);
    for _ in 0..3 {
        let answer = request::post("/echo", "once").send(edge.address());
        assert_eq!((answer.status(), answer.text().as_str()), (200, "once"), "{}", edge.errors());
    }
    assert_eq!(staying.calls().len(), 3);
}

#[test]
fn connections_of_http2_are_kept_and_counted_like_others() {
    let origin = Origin::h2c();
    let top = format!("upstream:\n  app: {{ servers: ['{}'], keepalive_requests: 5 }}\n", origin.address());
    let keys = "proxy_pass: http://app\nproxy_http_version: 2";
    let edge = edge(&top, &[("/", keys), ("/back", "grpc_pass: app")]);
    let mut client = Client::connect(edge.address());
    for _ in 0..10 {
        assert_eq!(client.ask(&request::post("/echo", "body")).unwrap().text(), "body");
    }
    assert!((2..=3).contains(&origin.connections()), "{}", origin.connections());
    for _ in 0..10 {
        // An answer that begins before the call has ended may close the client's connection.
        assert_eq!(request::post("/back", "call").send(edge.address()).text(), "call", "{}", edge.errors());
    }
    // Who meets a connection that is being closed takes a new one, which may be one too many.
    assert!((4..=6).contains(&origin.connections()), "with trailers too: {}", origin.connections());
    let before = origin.connections();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(client::get(edge.address(), "/x").status(), 200));
        }
    });
    assert!(origin.connections() > before, "one request at a time on each");
    let calls = origin.calls();
    let most = (1..=origin.connections()).map(|c| calls.iter().filter(|call| call.connection == c).count()).max();
    assert!(most <= Some(5), "{most:?}");
}

#[test]
fn statuses_lead_to_the_next_server_as_over_http1() {
    let (one, two) = (Origin::h2c(), Origin::h2c());
    let top = format!("upstream:\n  app:\n    servers: ['{}', '{}']\n", one.address(), two.address());
    let keys = "proxy_pass: http://app\nproxy_http_version: 2\nproxy_next_upstream: http_503\n\
                add_header: { X-Tries: { value: $upstream_status, always: true } }";
    let edge = edge(&top, &[("/", keys)]);
    let answer = client::get(edge.address(), "/status/503");
    assert_eq!((answer.status(), answer.header("x-tries")), (503, Some("503, 503")));
    assert_eq!((one.calls().len(), two.calls().len()), (1, 1));
}

#[test]
fn a_body_set_by_the_configuration_does_not_go_with_http2() {
    let desk = crate::messages::Desk::new().with(
        "edge.yaml",
        "proxy_set_body: x\nproxy_http_version: 2\nserver: [{ listen: 8080, location: [{ match: /, proxy_pass: 'http://127.0.0.1:1' }] }]\n",
    );
    let said = desk.check("edge.yaml");
    assert!(said.stderr.contains("`proxy_set_body` does not go with `proxy_http_version: 2`"), "{}", said.stderr);
}

#[test]
fn a_grpc_call_streams_in_both_directions_at_once() {
    let origin = Origin::h2c();
    let edge = edge("", &[("/", &format!("grpc_pass: grpc://{}", origin.address()))]);
    let mut client = Client::connect(edge.address());
    client.write(
        "POST /back HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    // Nothing of the body is there yet, and the answer begins.
    let head = client.head("POST").unwrap();
    assert_eq!((head.status, head.headers.get("content-type")), (200, Some("application/grpc")));
    for number in 0..5 {
        let piece = format!("piece {number}");
        client.write(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(client.piece().unwrap(), Some(piece.into_bytes()));
    }
    client.write("0\r\n\r\n");
    assert_eq!(client.piece().unwrap(), None);
    let call = origin.last();
    assert_eq!((call.header("te"), call.header("content-length")), (Some("trailers"), None));
    assert_eq!((call.scheme.as_str(), call.authority), ("http", origin.address().to_string()));
}

#[test]
fn an_answer_of_trailers_alone_passes() {
    let origin = Origin::h2c();
    let edge = edge("", &[("/", &format!("grpc_pass: {}", origin.address()))]);
    let mut client = Client::connect(edge.address());
    for _ in 0..2 {
        let answer = client.ask(&request::post("/only", "call").header("TE", "trailers")).unwrap();
        assert_eq!((answer.status(), answer.header("grpc-status")), (200, Some("12")));
        assert_eq!(answer.text(), "");
    }
}

#[test]
fn grpc_over_tls_needs_a_server_that_agrees_to_http2() {
    let authority = Authority::new("a");
    let (good, old) = (Origin::tls(&authority.server(&["a"])), Origin::tls_http1(&authority.server(&["a"])));
    let to =
        |origin: &Origin| format!("grpc_pass: grpcs://{}\ngrpc_set_header: {{ X-A: b, Host: app }}", origin.address());
    let edge = edge("", &[("/good", &to(&good)), ("/old", &to(&old))]);
    assert_eq!(request::post("/good", "call").send(edge.address()).status(), 200, "{}", edge.errors());
    let call = good.last();
    assert!(call.http2 && call.scheme == "https" && call.authority == "app", "{call:?}");
    assert_eq!(call.header("x-a"), Some("b"));
    assert_eq!(request::post("/old", "call").send(edge.address()).status(), 502);
    assert!(edge.wait_error("does not agree to HTTP/2"), "{}", edge.errors());
    assert!(edge.wait_error(&format!("upstream: \"grpcs://{}/old\"", old.address())), "{}", edge.errors());
}

#[test]
fn a_grpc_upstream_that_does_not_answer_is_504_after_its_own_timeout() {
    let silent = crate::support::backend::Backend::silent();
    let dead = ports::dead();
    let edge = edge(
        "proxy_read_timeout: 60s\n",
        &[
            ("/silent", &format!("grpc_pass: grpc://{}\ngrpc_read_timeout: 300ms", silent.address())),
            ("/dead", &format!("grpc_pass: grpc://{}", dead.address())),
        ],
    );
    assert_eq!(request::post("/silent", "call").send(edge.address()).status(), 504);
    assert_eq!(request::post("/dead", "call").send(edge.address()).status(), 502);
    assert!(
        edge.wait_error("connect() failed (111: Connection refused) while connecting to upstream"),
        "{}",
        edge.errors()
    );
}
