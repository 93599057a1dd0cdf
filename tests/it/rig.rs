//! The rig's own tests: a strict client that believed anything, or a backend that did not do what it says, would make
//! every other test worthless.

mod load;

use std::time::Duration;

use crate::support::backend::{self, Backend};
use crate::support::client::{self, Client, Failure};
use crate::support::memcached::Memcached;
use crate::support::nginx::Nginx;
use crate::support::request::{self, Request};
use crate::support::{ports, tomcat, wait};

fn ask(backend: &Backend, target: &str) -> Result<crate::support::response::Response, Failure> {
    request::get(target).try_send(backend.address())
}

#[test]
fn a_dead_port_refuses() {
    let dead = ports::dead();
    assert!(!wait::accepts(dead.address()));
    assert!(matches!(Client::try_connect(dead.address()), Err(Failure::Broken(_))));
}

#[test]
fn the_client_reads_lengths_chunks_and_trailers() {
    let plain = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-a: 1\r\nx-A: 2\r\n\r\nabc");
    let answer = ask(&plain, "/").unwrap();
    assert_eq!(answer.text(), "abc");
    assert_eq!(answer.head.headers.0[1], ("X-a".to_string(), "1".to_string()));
    assert_eq!(answer.head.headers.all("X-A").collect::<Vec<_>>(), ["1", "2"]);

    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = Backend::answering(format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 9\r\n\r\n"));
    let answer = ask(&chunked, "/").unwrap();
    assert_eq!((answer.text().as_str(), answer.trailers.get("x-t")), ("abcde", Some("9")));
}

#[test]
fn the_client_sees_interim_answers() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let backend = Backend::answering([early.as_bytes(), &backend::ok("done")].concat());
    let answer = ask(&backend, "/").unwrap();
    assert_eq!((answer.interim.len(), answer.interim[0].status, answer.text().as_str()), (1, 103, "done"));
}

#[test]
fn the_client_never_takes_a_cut_for_an_end() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        let backend = Backend::cutting_after(cut);
        assert!(matches!(ask(&backend, "/"), Err(Failure::Cut(..))), "{cut:?}");
    }
    let backend = Backend::cutting_after("HTTP/1.1 200 OK\r\nContent-");
    assert!(matches!(ask(&backend, "/"), Err(Failure::Malformed(_))));
    assert!(matches!(ask(&Backend::hanging_up(), "/"), Err(Failure::Closed)));
    assert!(matches!(ask(&Backend::resetting(), "/"), Err(Failure::Broken(_))));
}

#[test]
fn the_client_refuses_what_is_not_http() {
    for wrong in [
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : c\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let backend = Backend::answering(wrong);
        assert!(matches!(ask(&backend, "/"), Err(Failure::Malformed(_))), "{wrong:?}");
    }
}

#[test]
fn the_client_gives_up_waiting() {
    let backend = Backend::silent();
    let mut client = Client::connect(backend.address());
    client.set_patience(Duration::from_millis(100));
    assert!(matches!(client.ask(&request::get("/")), Err(Failure::Timeout(_))));
    assert!(client.is_open());
}

#[test]
fn a_backend_counts_and_shows_what_it_saw() {
    let backend = Backend::echo();
    let mut client = Client::connect(backend.address());
    let chunked = Request::new("PUT", "/a?b").chunked(&[b"abc", b"de"]);
    let seen = client.ask(&chunked).unwrap().json();
    assert_eq!((seen["body_length"].as_u64(), seen["whole"].as_bool()), (Some(5), Some(true)));
    assert!(seen["head"].as_str().unwrap().starts_with("PUT /a?b HTTP/1.1\r\nHost: shop.test\r\n"));
    client.ask(&request::post("/b", "xyz")).unwrap();
    assert_eq!((backend.connections(), backend.requests(), backend.open_connections()), (1, 2, 1));
    assert_eq!(backend.seen()[1].body, b"xyz");
    drop(client);
    assert!(wait::until(Duration::from_secs(5), || (backend.open_connections() == 0).then_some(())).is_some());
}

#[test]
fn a_stalling_and_a_dripping_backend_do_so() {
    let backend = Backend::dripping(backend::ok("slowly"), Duration::from_millis(1));
    assert_eq!(ask(&backend, "/").unwrap().text(), "slowly");
    let backend = Backend::stalling_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    let mut client = Client::connect(backend.address());
    client.set_patience(Duration::from_millis(200));
    client.write(request::get("/").bytes());
    assert_eq!(client.head("GET").unwrap().status, 200);
    assert_eq!(client.piece().unwrap().unwrap(), b"abc");
    assert!(matches!(client.piece(), Err(Failure::Timeout(_))));
}

#[test]
fn a_restarted_memcached_has_forgotten_everything() {
    let mut memcached = Memcached::start();
    let say = |memcached: &Memcached, line: &str| {
        use std::io::{Read, Write};
        let client = Client::connect(memcached.address());
        let mut stream = client.stream();
        stream.write_all(line.as_bytes()).unwrap();
        let mut answer = [0; 100];
        let count = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    };
    assert_eq!(say(&memcached, "set a 0 0 1\r\nx\r\n"), "STORED\r\n");
    assert_eq!(say(&memcached, "get a\r\n"), "VALUE a 0 1\r\nx\r\nEND\r\n");
    memcached.restart();
    assert_eq!(say(&memcached, "get a\r\n"), "END\r\n");
}

#[test]
fn nginx_checks_configurations() {
    assert_eq!(Nginx::check("events {} http { server { listen 127.0.0.1:1; } }"), Ok(()));
    let complaint = Nginx::check("events {} http { servr { } }").unwrap_err();
    assert!(complaint.contains("unknown directive \"servr\""), "{complaint}");
}

#[test]
fn a_tomcat_can_be_killed_frozen_and_restarted() {
    let mut tomcat = tomcat::Tomcat::start("own");
    tomcat.kill();
    assert!(!wait::accepts(tomcat.address()));
    tomcat.restart();
    assert_eq!(client::get(tomcat.address(), "/whoami").text(), "own");
    tomcat.freeze();
    let mut client = Client::connect(tomcat.address());
    client.set_patience(Duration::from_millis(300));
    let frozen = client.ask(&request::get("/whoami")).map(|answer| answer.status());
    assert!(matches!(frozen, Err(Failure::Timeout(_))), "{frozen:?}");
    tomcat.thaw();
    assert_eq!(client::get(tomcat.address(), "/whoami").text(), "own");
    tomcat.stop();
    assert!(!wait::accepts(tomcat.address()));
}

#[test]
fn a_tomcat_says_how_busy_it_is() {
    let tomcat = tomcat::Tomcat::start("busy");
    let idle = tomcat.load();
    assert_eq!((idle.busy_threads, idle.connections), (0, 0), "{idle:?}");
    let slow: Vec<Client> = (0..5)
        .map(|_| {
            let mut client = Client::connect(tomcat.address());
            client.write(request::get("/slow?ms=1500").bytes());
            client
        })
        .collect();
    let busy = wait::until(Duration::from_secs(1), || (tomcat.load().busy_threads == 5).then_some(()));
    assert!(busy.is_some(), "{:?}", tomcat.load());
    assert_eq!(tomcat.load().connections, 5);
    drop(slow);
}
