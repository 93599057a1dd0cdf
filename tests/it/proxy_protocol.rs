//! The PROXY protocol from end to end: what a balancer says of its client is known to servers and the log, alone and before TLS
//! and HTTP/2, and edge says it to the next.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::certificates::Authority;
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::http2::{self, Http2};
use crate::support::nginx::Nginx;
use crate::support::request::{self, HOST};
use crate::support::tls::Tls;
use crate::support::{ports, wait};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.9 4711 443\r\n";
const V1_IPV6: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::9 4711 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x09\x12\x67\x01\xbb";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// What each of these says, in the order of [`TOLD`].
const HEADERS: [(&[u8], &str); 4] = [
    (V1, "192.0.2.7 4711 198.51.100.9 443"),
    (V1_IPV6, "2001:db8::7 4711 2001:db8::9 443"),
    (V2, "192.0.2.7 4711 198.51.100.9 443"),
    (V2_LOCAL, ""),
];

const TOLD: &str = "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";

/// An edge that passes everything on and says what it was told, with these keys of `listen` and of the server.
fn edge(backend: SocketAddr, listen: &str, keys: &str) -> Edge {
    let port = ports::free();
    let text = format!(
        "error_log: {{ path: logs/error.log, level: info }}\nlog_format: {{ told: '$remote_addr [{TOLD}] $request_uri $status' }}\n\
         access_log: {{ path: logs/access.log, format: told }}\nclient_header_timeout: 1s\nserver:\n  \
         - listen: {{ address: '127.0.0.1:{port}', proxy_protocol: true{listen} }}\n{keys}    location:\n      - match: /\n        \
         proxy_pass: http://{backend}\n        proxy_set_header: {{ X-Told: '{TOLD}', X-Real-IP: $remote_addr }}\n"
    );
    Edge::yaml(&text, port).start()
}

fn logged(edge: &Edge, line: &str) -> bool {
    let read = || std::fs::read_to_string(edge.file("logs/access.log")).unwrap_or_default();
    let found = wait::until(Duration::from_secs(5), || read().lines().any(|l| l == line).then_some(()));
    found.is_some() || panic!("no {line:?}:\n{}", read())
}

/// What the application was told of the last request.
fn told(backend: &Backend) -> String {
    let seen = backend.seen().pop().expect("a request");
    assert_eq!(seen.header("x-real-ip"), Some("127.0.0.1"), "the socket's own address is not replaced");
    seen.header("x-told").unwrap_or_default().trim().to_owned()
}

#[test]
fn what_a_header_says_is_known_to_the_application_and_the_log() {
    let backend = Backend::saying("a");
    let edge = edge(backend.address(), "", "");
    for (at, (header, expected)) in HEADERS.into_iter().enumerate() {
        let mut client = Client::connect(edge.address());
        client.write(header);
        // It holds for all requests of the connection.
        for number in 0..2 {
            let target = format!("/{at}/{number}");
            assert_eq!(client.ask(&request::get(&target)).unwrap().text(), "a");
            assert_eq!(told(&backend), expected);
            let in_log = if expected.is_empty() { "- - - -" } else { expected };
            assert!(logged(&edge, &format!("127.0.0.1 [{in_log}] {target} 200")));
        }
    }
}

/// A certificate of the authority's for [`HOST`], as the server's keys.
fn tls_keys(authority: &Authority) -> String {
    let issued = authority.server(&[HOST]);
    let (certificate, key) = (issued.certificate.display(), issued.key.display());
    format!("    http2: on\n    ssl_certificate: {certificate}\n    ssl_certificate_key: {key}\n")
}

#[test]
fn it_comes_before_tls() {
    let (authority, backend) = (Authority::new("the test's"), Backend::saying("a"));
    let edge = edge(backend.address(), ", ssl: true", &tls_keys(&authority));
    let plan = || Tls::trusting(&authority);
    for (header, expected) in HEADERS {
        let connect = || {
            let mut stream = std::net::TcpStream::connect(edge.address()).unwrap();
            std::io::Write::write_all(&mut stream, header).unwrap();
            stream
        };
        let mut wire = plan().build().connect(connect()).unwrap();
        std::io::Write::write_all(&mut wire, &request::get("/tls").header("Connection", "close").bytes()).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut wire, &mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert_eq!(told(&backend), expected);

        let socket = connect();
        socket.set_nonblocking(true).unwrap();
        http2::run(async {
            let socket = tokio::net::TcpStream::from_std(socket).unwrap();
            let connection = Http2::open_on(socket, Some(&plan().offering("h2").build())).await;
            assert_eq!(connection.get("/h2").await.unwrap().text(), "a");
        });
        assert_eq!(told(&backend), expected);
    }
}

#[test]
fn it_comes_before_http2_without_tls() {
    let backend = Backend::saying("a");
    let edge = edge(backend.address(), "", "    http2: on\n");
    for (header, expected) in HEADERS {
        http2::run(async {
            let mut socket = tokio::net::TcpStream::connect(edge.address()).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut socket, header).await.unwrap();
            let connection = Http2::open_on(socket, None).await;
            for _ in 0..3 {
                assert_eq!(connection.get("/h2c").await.unwrap().text(), "a");
                assert_eq!(told(&backend), expected);
            }
        });
    }
}

#[test]
fn a_connection_without_a_good_header_is_closed_and_told_as_by_nginx() {
    let backend = Backend::saying("a");
    let edge = edge(backend.address(), "", "");
    let port = ports::free();
    let nginx = Nginx::start(
        &format!(
            "error_log logs/error.log info; events {{ }} \
             http {{ access_log off; server {{ listen 127.0.0.1:{port} proxy_protocol; return 200 a; }} }}"
        ),
        port,
    );
    let wrong: [&[u8]; 3] =
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP9 1.2.3.4 5.6.7.8 1 2\r\n\r\n", &V2[..13]];
    for bytes in wrong {
        for address in [edge.address(), nginx.address()] {
            let mut client = Client::connect(address);
            client.write(bytes);
            client.half_close();
            assert!(client.wait_closed(Duration::from_secs(5)), "{}", bytes.escape_ascii());
        }
    }
    let ending = |port| format!(" while reading PROXY protocol, client: 127.0.0.1, server: 127.0.0.1:{port}");
    let own = ending(edge.address().port());
    let broken = |errors: &str| {
        let lines = errors.lines().filter(|l| l.contains("[error]") && l.contains("broken header: \""));
        lines.filter(|line| line.ends_with(&own)).count()
    };
    let told = wait::until(Duration::from_secs(5), || (broken(&edge.errors()) == 3).then_some(()));
    assert!(told.is_some(), "{}", edge.errors());
    assert!(edge.errors().contains("broken header: \"GET / HTTP/1.1\" while"));
    let log = std::fs::read_to_string(nginx.file("logs/error.log")).unwrap_or_default();
    assert!(log.contains("broken header: \"GET / HTTP/1.1") && log.contains(&ending(port)), "{log}");
    assert_eq!(backend.requests(), 0);
}

/// Balancers look whether somebody is there: that is no error.
#[test]
fn a_connection_that_says_nothing_is_no_error() {
    let backend = Backend::saying("a");
    let edge = edge(backend.address(), "", "");
    drop(Client::connect(edge.address()));
    assert!(edge.wait_error("client closed connection while reading PROXY protocol, client: 127.0.0.1"));
    assert!(!edge.errors().contains("[error]"), "{}", edge.errors());
}

#[test]
fn a_header_may_come_slowly() {
    let backend = Backend::saying("a");
    let edge = edge(backend.address(), "", "");
    for (header, expected) in HEADERS {
        let mut client = Client::connect(edge.address());
        client.write_byte_by_byte(header, Duration::from_millis(5));
        assert_eq!(client.ask(&request::get("/slow")).unwrap().text(), "a");
        assert_eq!(told(&backend), expected);
    }
}

#[test]
fn half_a_header_is_not_waited_for_longer_than_for_a_head() {
    let backend = Backend::saying("a");
    let edge = edge(backend.address(), "", "");
    let began = Instant::now();
    let clients: Vec<Client> = [&b""[..], &V1[..20], &V2[..20]]
        .into_iter()
        .map(|half| {
            let mut client = Client::connect(edge.address());
            client.write(half);
            client
        })
        .collect();
    for mut client in clients {
        assert!(client.wait_closed(Duration::from_secs(10)));
    }
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert!(edge.wait_error("client timed out (110: Connection timed out) while reading PROXY protocol"));
}

/// The second edge knows of the first one's client what the first one knows.
#[test]
fn one_edge_tells_another() {
    let backend = Backend::saying("a");
    let second = edge(backend.address(), "", "");
    for version in ["v1", "v2"] {
        let port = ports::free();
        let first = Edge::yaml(
            &format!(
                "server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - match: /\n        proxy_protocol: {version}\n        \
                 proxy_pass: http://{}\n",
                second.address()
            ),
            port,
        )
        .start();
        // Two clients by turns: no connection tells of another's.
        let mut clients = [(); 2].map(|()| Client::connect(first.address()));
        for _ in 0..3 {
            for client in &mut clients {
                assert_eq!(client.ask(&request::get("/two")).unwrap().text(), "a");
                let source = client.stream().local_addr().unwrap();
                assert_eq!(told(&backend), format!("127.0.0.1 {} 127.0.0.1 {port}", source.port()), "{version}");
            }
        }
    }
}
