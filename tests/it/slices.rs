//! `slice`, against Debian's nginx: the same configuration, the same origin; what the client gets, and what the origin is
//! asked for.

use crate::support::backend::{Answer, Backend, Seen};
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::request::{self, Request};
use crate::support::response::Response;
use crate::support::{ports, wait};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SLICE: usize = 1024;
/// Nine slices and a bit.
const LENGTH: usize = 9 * SLICE + 100;

/// No two slices are alike, and none is like that of another version.
fn content(version: usize) -> Vec<u8> {
    (0..LENGTH).map(|at| (at / 7 + at % 251 + version * 83) as u8).collect()
}

fn configuration(port: u16, origin: SocketAddr, more: &str) -> String {
    format!(
        "worker_processes 1;\nerror_log logs/error.log info;\npid logs/it.pid;\nevents {{ worker_connections 512; }}\n\
         http {{ access_log off; proxy_cache_path cache levels=1:2 keys_zone=z:1m use_temp_path=off;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ slice 1k; proxy_cache z; proxy_cache_key $uri$slice_range; \
         proxy_set_header Range $slice_range; proxy_http_version 1.1; proxy_cache_valid 200 206 1h; \
         add_header X-Cache $upstream_cache_status; {more} proxy_pass http://{origin}; }} }} }}\n"
    )
}

/// An origin that knows ranges, but below `/whole`; `/none` is not there.
fn origin() -> Backend {
    Backend::start(|seen, answer| match seen.target() {
        "/none" => answer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"),
        "/whole" => whole(&content(0), answer),
        _ => ranged(&content(0), "\"v0\"", "", seen, answer),
    })
}

fn whole(content: &[u8], answer: &mut Answer) {
    answer.write(format!("HTTP/1.1 200 OK\r\nETag: \"w\"\r\nContent-Length: {}\r\n\r\n", content.len()));
    answer.write(content);
}

fn ranged(content: &[u8], tag: &str, more: &str, seen: &Seen, answer: &mut Answer) {
    let length = content.len();
    let asked = seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = asked else { return whole(content, answer) };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    if first >= length {
        return answer.write(format!(
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{length}\r\nContent-Length: 0\r\n\r\n"
        ));
    }
    let part = &content[first..length.min(last + 1)];
    answer.write(format!(
        "HTTP/1.1 206 Partial Content\r\nETag: {tag}\r\nAccept-Ranges: bytes\r\nContent-Type: text/plain\r\n{more}\
         Content-Range: bytes {first}-{}/{length}\r\nContent-Length: {}\r\n\r\n",
        first + part.len() - 1,
        part.len()
    ));
    answer.write(part);
}

fn edge(origin: &Backend, more: &str) -> Edge {
    let port = ports::free();
    Edge::nginx_conf(&configuration(port, origin.address(), more), port).start()
}

fn ranges(origin: &Backend) -> Vec<String> {
    origin.seen().iter().map(|seen| seen.header("range").unwrap_or("-").to_owned()).collect()
}

fn told(answer: &Response) -> String {
    let names = ["Content-Length", "Content-Range", "ETag", "Content-Type", "X-Cache"];
    let fields = names.map(|name| format!("{name}: {}", answer.header(name).unwrap_or("-")));
    format!("{} {} {} bytes {}", answer.status(), fields.join(", "), answer.body.len(), &answer.sha256()[..8])
}

#[test]
fn a_client_gets_what_nginx_would_give_and_the_origin_is_asked_for_the_same_parts() {
    let asked: &[(&str, Request)] = &[
        ("a part", request::get("/a").header("Range", "bytes=2000-2999")),
        ("the same part again", request::get("/a").header("Range", "bytes=2000-2999")),
        ("all, partly there", request::get("/a")),
        ("all, there", request::get("/a")),
        ("one byte", request::get("/a").header("Range", "bytes=1024-1024")),
        ("the end of what is there", request::get("/a").header("Range", "bytes=-50")),
        ("from a place on", request::get("/b").header("Range", "bytes=8192-")),
        ("a HEAD", request::head("/c")),
        ("If-Range of the version", request::get("/a").header("Range", "bytes=5-9").header("If-Range", "\"v0\"")),
        ("If-Range of another", request::get("/a").header("Range", "bytes=5-9").header("If-Range", "\"x\"")),
        ("If-None-Match", request::get("/a").header("If-None-Match", "\"v0\"")),
        ("an origin without ranges", request::get("/whole")),
        ("an origin without ranges, again", request::get("/whole")),
    ];
    let (of_nginx, of_edge) = (origin(), origin());
    let port = ports::free();
    let nginx = Nginx::start(&configuration(port, of_nginx.address(), ""), port);
    let edge = edge(&of_edge, "");
    for (name, request) in asked {
        let (expected, found) = (request.send(nginx.address()), request.send(edge.address()));
        assert_eq!(told(&found), told(&expected), "{name}");
        // What a client has, it may have before nginx or edge has stored it.
        let soon = wait::until(Duration::from_secs(5), || (ranges(&of_edge) == ranges(&of_nginx)).then_some(()));
        assert!(soon.is_some(), "{name}: {:?} and not {:?}", ranges(&of_edge), ranges(&of_nginx));
    }
}

#[test]
fn ranges_of_every_size_are_exact() {
    let origin = origin();
    let edge = edge(&origin, "");
    let all = content(0);
    for (from, to) in [(0, 0), (1023, 1024), (1024, 2047), (1000, 5000), (LENGTH - 1, LENGTH - 1), (0, LENGTH - 1)] {
        let answer = request::get("/x").header("Range", &format!("bytes={from}-{to}")).send(edge.address());
        assert_eq!((answer.status(), answer.body.as_slice()), (206, &all[from..=to]), "{from}-{to}");
    }
    assert_eq!(request::get("/x").send(edge.address()).body, all);
    let mut asked = ranges(&origin);
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), origin.requests(), "no part was fetched twice: {:?}", ranges(&origin));
}

#[test]
fn behind_the_end_there_is_nothing() {
    let origin = origin();
    let edge = edge(&origin, "");
    let answer = request::get("/x").header("Range", "bytes=99999-").send(edge.address());
    assert_eq!(answer.status(), 416);
    assert_eq!(answer.header("Content-Range"), Some(&*format!("bytes */{LENGTH}")));
}

#[test]
fn versions_are_never_mixed() {
    let version = Arc::new(AtomicUsize::new(0));
    let current = version.clone();
    let origin = Backend::start(move |seen, answer| {
        let version = current.load(Ordering::SeqCst);
        ranged(&content(version), &format!("\"v{version}\""), "", seen, answer);
    });
    let edge = edge(&origin, "");
    let first = request::get("/x").header("Range", "bytes=0-2047").send(edge.address());
    assert_eq!(first.body, content(0)[..2048]);
    version.store(1, Ordering::SeqCst);
    let mut client = Client::connect(edge.address());
    client.write(request::get("/x").bytes());
    assert_eq!(client.head("GET").unwrap().status, 200);
    let mut body = Vec::new();
    let end = loop {
        match client.piece() {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            end => break end,
        }
    };
    assert!(end.is_err(), "the answer must not look whole");
    assert_eq!(body, content(0)[..2048]);
    let why = "etag mismatch in slice response";
    assert!(edge.wait_error(why), "{}", edge.errors());
    // And it does not stay so: what is stored of the old version is fetched anew.
    let after = request::get("/x").send(edge.address());
    assert_eq!((after.status(), after.body == content(1)), (200, true));
    let asked = origin.requests();
    assert!(request::get("/x").send(edge.address()).body == content(1));
    assert_eq!(origin.requests(), asked, "all of it is stored");
}

#[test]
fn what_may_not_be_stored_is_passed_as_a_whole() {
    let origin = Backend::start(|seen, answer| match seen.target() {
        "/none" => answer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"),
        _ => ranged(&content(0), "\"v0\"", "Cache-Control: private\r\n", seen, answer),
    });
    let edge = edge(&origin, "");
    for _ in 0..2 {
        let answer = request::get("/x").send(edge.address());
        assert_eq!((answer.status(), answer.body == content(0)), (200, true));
        let missing = request::get("/none").send(edge.address());
        assert_eq!((missing.status(), missing.text().as_str()), (404, "none"));
    }
}

#[test]
fn an_origin_that_answers_with_another_part_is_not_believed() {
    let origin = Backend::start(|_, answer| {
        answer.write(
            "HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nContent-Range: bytes 5-9/100\r\nContent-Length: 5\r\n\r\nabcde",
        );
    });
    let edge = edge(&origin, "");
    assert_eq!(request::get("/x").send(edge.address()).status(), 502);
    assert!(edge.wait_error("unexpected range in slice response"), "{}", edge.errors());
}

#[test]
fn many_clients_share_the_parts_that_are_fetched() {
    let origin = Backend::start(|seen, answer| {
        std::thread::sleep(Duration::from_millis(20));
        ranged(&content(0), "\"v0\"", "", seen, answer);
    });
    let edge = edge(&origin, "");
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| request::get("/x").send(edge.address()).body)).collect();
        for asked in asking {
            assert_eq!(asked.join().unwrap(), content(0));
        }
    });
    assert_eq!(origin.requests(), LENGTH.div_ceil(SLICE), "{:?}", ranges(&origin));
}

#[test]
fn a_purge_of_an_address_reaches_all_its_parts() {
    let origin = origin();
    let edge = edge(&origin, "");
    assert_eq!(request::get("/x").send(edge.address()).body, content(0));
    let file = edge.file("nginx.conf");
    let list = ["cache", "ls", "--json", "-c", file.to_str().unwrap()];
    let is_stored = || (crate::messages::Desk::new().edge(&list).stdout.lines().count() == 10).then_some(());
    assert!(wait::until(Duration::from_secs(10), is_stored).is_some());
    let purge = ["cache", "purge", "http://shop.test/x", "-c", file.to_str().unwrap()];
    let said = crate::messages::Desk::new().edge(&purge);
    assert_eq!(said.stdout, "10 purged\n", "{}", said.stderr);
    assert_eq!(request::get("/x").send(edge.address()).body, content(0));
    assert_eq!(origin.requests(), 20);
}

#[test]
fn more_parts_than_are_fetched_at_once_wait_for_their_turn() {
    const CLIENTS: usize = 300;
    let origin = Backend::start(|seen, answer| {
        std::thread::sleep(Duration::from_millis(100));
        ranged(&content(0)[..2 * SLICE], "\"v0\"", "", seen, answer);
    });
    let edge = edge(&origin, "");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(edge.address())).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        client.write(request::get(&format!("/{at}")).bytes());
    }
    for (at, client) in clients.iter_mut().enumerate() {
        let answer = client.response("GET").unwrap_or_else(|e| panic!("{at}: {e}"));
        assert!(answer.status() == 200 && answer.body == content(0)[..2 * SLICE], "{at}");
    }
    assert_eq!(origin.requests(), 2 * CLIENTS, "none was asked for as a whole");
}
