//! Versions, names, plain HTTP in the wrong place, and connections over TLS that are kept, resumed or made anew.

use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::client::{Client, Failure};
use crate::support::curl::Curl;
use crate::support::front::Front;
use crate::support::load::watch::Watch;
use crate::support::load::{Load, Question, Turn, origin};
use crate::support::request::{self, HOST};
use crate::support::tls::Tls;
use crate::support::websocket::WebSocket;

use super::{Site, Stage, backend, curl, front};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn both_versions_are_spoken() {
    let stage = Stage::start(false);
    for (version, told) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
        let said = stage.curl().with([&format!("--tlsv{version}"), "--tls-max", version]).get("/own").expecting(200);
        assert_eq!(said.text(), format!("https HTTP/1.1 {told} {HOST} NONE"));
    }
    let said = stage.curl().get("/item/99").expecting(200);
    assert!(said.body == origin::item(99));
}

#[test]
fn a_version_that_is_not_configured_is_refused() {
    let (authority, backend) = (Authority::new("the test's"), backend());
    let issued = authority.server(&[HOST]);
    for (configured, spoken, other) in [("TLSv1.2", "1.2", "1.3"), ("TLSv1.3", "1.3", "1.2")] {
        let front = front(&[Site::tls(HOST, &issued).with("ssl_protocols", configured)], false, backend.address());
        let of = |version: &str| {
            curl(&front, &authority, HOST).with([&format!("--tlsv{version}"), "--tls-max", version]).get("/own")
        };
        assert!(of(spoken).expecting(200).text().contains(configured));
        let refused = of(other);
        assert_eq!((refused.code, refused.status), (35, 0), "{refused}");
        assert!(refused.complaint.contains("alert protocol version"), "{refused}");
    }
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let (authority, backend) = (Authority::new("the test's"), backend());
    let (a, b) = (authority.server(&["a.test"]), authority.server(&["b.test", "*.b.test"]));
    let sites = [Site::tls("a.test", &a), Site::tls("b.test *.b.test", &b)];
    let front = front(&sites, false, backend.address());
    for (name, server) in [("a.test", "a.test"), ("b.test", "b.test"), ("www.b.test", "b.test")] {
        let said = curl(&front, &authority, name).get("/own").expecting(200);
        assert_eq!(said.text().split(' ').nth(3), Some(server), "{said}");
    }
    // Nobody's name: the first server's certificate, which is not for it.
    let said = curl(&front, &authority, "c.test").get("/own");
    assert_eq!(said.code, 60, "{said}");
    let said = curl(&front, &authority, "c.test").with(["-k"]).get("/own").expecting(200);
    assert!(said.text().contains(" a.test "), "{said}");
    // No name at all: an address is none.
    let said = Curl::https("127.0.0.1", front.address()).with(["-k"]).get("/own").expecting(200);
    assert!(said.text().contains(" a.test "), "{said}");
}

#[test]
fn an_expired_certificate_is_shown_all_the_same() {
    let (authority, backend) = (Authority::new("the test's"), backend());
    let expired = authority.expired_server(&[HOST]);
    let front = front(&[Site::tls(HOST, &expired)], false, backend.address());
    let said = curl(&front, &authority, HOST).get("/own");
    assert!(said.code == 60 && said.complaint.contains("expired"), "{said}");
    curl(&front, &authority, HOST).with(["-k"]).get("/own").expecting(200);
}

#[test]
fn plain_http_to_the_https_port_is_told_so() {
    let stage = Stage::start(false);
    let said = Curl::http(HOST, stage.front.address()).get("/own").expecting(400);
    assert!(said.text().contains("The plain HTTP request was sent to HTTPS port"), "{said}");
    assert_eq!(said.header("connection"), Some("close"), "{said}");
    stage.curl().get("/own").expecting(200);
}

#[test]
fn garbage_in_the_place_of_a_handshake_ends_the_connection_and_harms_nobody() {
    let stage = Stage::start(true);
    let half_a_hello = [0x16, 0x03, 0x01, 0x01, 0x00, 0x01, 0x00, 0x00, 0xfc, 0x03, 0x03];
    for garbage in [vec![0x16; 4096], vec![0xff; 4096], half_a_hello.to_vec(), vec![]] {
        let mut client = Client::connect(stage.front.address());
        client.write(&garbage);
        client.half_close();
        assert!(client.wait_closed(SOON), "{:x?}…", &garbage[..garbage.len().min(8)]);
    }
    // Somebody who says nothing more holds up nobody.
    let mut silent = Client::connect(stage.front.address());
    silent.write(half_a_hello);
    stage.curl().get("/own").expecting(200);
    drop(silent);
}

#[test]
fn connections_over_tls_are_kept() {
    let stage = Stage::start(false);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = Tls::trusting(&stage.authority).only(version).build();
        let load = Load::to(stage.front.address()).over(&tls).connections(20);
        let ask = |turn: Turn| {
            let number = turn.count % 100;
            Question::get(&format!("/item/{number}")).expecting(200, origin::item(number))
        };
        let load = load.asking(ask).start();
        load.wait(SOON, "answers", |report| report.answered + report.failed() >= 2_000);
        load.finish().assert_untouched(20);
    }
}

#[test]
fn sessions_are_resumed_and_no_handshake_fails() {
    let stage = Stage::start(false);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = Tls::trusting(&stage.authority).only(version).reusing_sessions().build();
        let load = Load::to(stage.front.address()).over(&tls).connections(10).connecting_each_time();
        let load = load.asking(|_| Question::get("/item/1").expecting(200, origin::item(1))).start();
        load.wait(SOON, "handshakes", |report| report.answered + report.failed() >= 300);
        let report = load.finish();
        report.assert_clean();
        assert!(report.resumed > report.requests / 2, "{version:?}: {report}");
    }
}

#[test]
fn websockets_and_events_pass_over_tls() {
    let stage = Stage::start(false);
    let tls = Tls::trusting(&stage.authority).build();
    let mut socket = WebSocket::upgrade(Client::connect_tls(stage.front.address(), &tls), "/ws");
    for text in ["hello", "over", "TLS"] {
        socket.send(text);
        assert_eq!(socket.receive().unwrap(), text);
    }
    let to = stage.front.address();
    let mut watches = vec![Watch::websocket(to, Some(&tls), "/ws")];
    // nginx holds events back until a buffer is full.
    if !Front::is_nginx() {
        watches.push(Watch::events(to, Some(&tls), "/events"));
    }
    for watch in watches {
        watch.wait(30);
        assert!(watch.finish().unwrap_or_else(|failure| panic!("{failure}")) >= 30);
    }
}

#[test]
fn the_end_of_a_connection_is_said_in_tls_too() {
    let stage = Stage::start(false);
    let tls = Tls::trusting(&stage.authority).build();
    let mut client = Client::connect_tls(stage.front.address(), &tls);
    let answer = client.ask(&request::get("/item/3").header("Connection", "close")).unwrap();
    assert!(answer.body == origin::item(3) && answer.header("connection") == Some("close"), "{answer}");
    // Without a close_notify this is an error.
    assert_eq!(client.read(&mut [0; 16]).unwrap(), 0);
}

/// Otherwise a client cannot tell an end from a cut.
#[test]
fn an_idle_connection_ends_with_the_goodbye_of_tls() {
    let (authority, backend) = (Authority::new("the test's"), backend());
    let issued = authority.server(&[HOST]);
    let front = front(&[Site::tls(HOST, &issued).with("keepalive_timeout", "1s")], false, backend.address());
    let mut client = Client::connect_tls(front.address(), &Tls::trusting(&authority).build());
    assert_eq!(client.ask(&request::get("/own")).unwrap().status(), 200);
    assert!(matches!(client.response("GET"), Err(Failure::Closed)));
}
