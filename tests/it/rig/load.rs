//! The load's own tests: each way in which a server can fail is seen and counted, and what is allowed is not.

use std::time::Duration;

use crate::support::backend::{self, Answer, Backend, Seen};
use crate::support::certificates::Authority;
use crate::support::client::{Client, Failure};
use crate::support::load::watch::Watch;
use crate::support::load::{Kind, Load, Question, Report, origin};
use crate::support::nginx::Nginx;
use crate::support::request;
use crate::support::tls::Tls;
use crate::support::{ports, wait};

const SOON: Duration = Duration::from_secs(10);

/// Two connections that expect "right" of this backend, until so many requests were made.
fn load_of(behaviour: impl Fn(&Seen, &mut Answer) + Send + Sync + 'static) -> Report {
    let backend = Backend::start(behaviour);
    let load = Load::to(backend.address())
        .connections(2)
        .patience(Duration::from_secs(1))
        .asking(|_| Question::get("/").expecting(200, "right"))
        .start();
    load.wait(SOON, "ten requests", |report| report.requests >= 10);
    load.finish()
}

#[test]
fn a_load_of_a_good_server_is_clean() {
    let origin = origin::start();
    let load = Load::to(origin.address())
        .connections(10)
        .asking(|turn| {
            Question::get(&format!("/item/{}", turn.count)).expecting(200, origin::item(turn.count)).checking(|seen| {
                (seen.answer.header("x-seen") == Some("none")).then_some(()).ok_or("another X-Seen".to_string())
            })
        })
        .start();
    load.wait(SOON, "a thousand answers", |report| report.answered >= 1_000);
    load.wait_round();
    let report = load.finish();
    report.assert_untouched(10);
    assert_eq!(report.requests, report.answered);
    assert_eq!(origin.connections(), 10);
}

#[test]
fn a_load_sees_connections_closed_without_a_word() {
    let report = load_of(|_, answer| {
        answer.write(backend::ok("right"));
        answer.close();
    });
    let closed = report.count(Kind::ClosedIdle) + report.count(Kind::Closed) + report.count(Kind::Broken);
    assert!(closed > 0 && report.announced == 0, "{report}");
    assert_eq!(closed, report.failed(), "{report}");

    let report = load_of(|_, answer| answer.close());
    assert_eq!((report.answered, report.count(Kind::Closed)), (0, report.requests), "{report}");
    let report = load_of(|_, answer| answer.reset());
    assert_eq!((report.answered, report.count(Kind::Broken)), (0, report.requests), "{report}");
}

#[test]
fn a_load_sees_an_idle_connection_being_closed() {
    let backend = Backend::start(|_, answer| {
        answer.write(backend::ok("right"));
        std::thread::sleep(Duration::from_millis(50));
        answer.close();
    });
    let load = Load::to(backend.address()).resting(SOON).start();
    load.wait(SOON, "the end of a connection", |report| report.count(Kind::ClosedIdle) == 1);
    drop(load);
}

#[test]
fn an_end_that_is_announced_is_counted_and_no_failure() {
    const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nright";
    let report = load_of(|_, answer| {
        answer.write(LAST);
        answer.close();
    });
    report.assert_clean();
    assert_eq!((report.announced, report.opened), (report.requests, report.requests), "{report}");

    // Announced and not done.
    let backend = Backend::answering(LAST);
    let load = Load::to(backend.address()).patience(Duration::from_millis(100)).start();
    load.wait(SOON, "a connection that is not closed", |report| report.count(Kind::End) > 0);
    assert_eq!(load.finish().announced, 0);
}

#[test]
fn a_load_whose_connection_is_told_to_go_ends() {
    let backend = Backend::start(|_, answer| {
        answer.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        answer.close();
    });
    let load = Load::to(backend.address()).connections(3).ending_when_told().start();
    assert!(wait::until(SOON, || load.is_over().then_some(())).is_some());
    let report = load.finish();
    report.assert_clean();
    assert_eq!((report.requests, report.announced), (3, 3));
}

#[test]
fn a_load_sees_answers_that_are_wrong() {
    let report = load_of(|_, answer| answer.write(backend::ok("wrong")));
    assert_eq!((report.answered, report.count(Kind::Wrong), report.opened), (0, report.requests, 2), "{report}");
    assert!(report.to_string().contains("Wrong, the first:"), "{report}");

    let report = load_of(|_, answer| answer.write(backend::answer(503, "text/plain", "right")));
    assert_eq!(report.count(Kind::Wrong), report.requests, "{report}");
    let report = load_of(|_, answer| {
        answer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nright");
        answer.close();
    });
    assert_eq!(report.count(Kind::Cut), report.requests, "{report}");
    let report = load_of(|_, answer| answer.write("HTTP/1.1 200\r\n\r\n"));
    assert_eq!(report.count(Kind::Malformed), report.requests, "{report}");
    let report = load_of(|_, answer| answer.write([backend::ok("right"), b"left".to_vec()].concat()));
    assert!(report.count(Kind::Unasked) > 0, "{report}");
}

#[test]
fn a_load_sees_a_server_that_is_not_there() {
    let dead = ports::dead();
    let load = Load::to(dead.address()).start();
    load.wait(SOON, "a refused connection", |report| report.count(Kind::Connect) > 2);
    assert_eq!(load.finish().requests, 0);
}

#[test]
fn a_watch_lives_as_long_as_its_messages_are_in_order() {
    let origin = origin::start();
    let events = Watch::events(origin.address(), None, "/events");
    let socket = Watch::websocket(origin.address(), None, "/ws");
    events.wait(20);
    socket.wait(20);
    assert!(events.finish().unwrap() >= 20);
    assert!(socket.finish().unwrap() >= 20);

    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = |number| format!("{:x}\r\n{}\r\n", origin::event(number).len(), origin::event(number));
    for (events, expected) in [
        (chunk(1) + &chunk(3), "in the place of"),
        (chunk(1) + &chunk(1), "in the place of"),
        (chunk(1) + "0\r\n\r\n", "it has ended"),
        (chunk(1), "closed"),
    ] {
        let backend = Backend::cutting_after(format!("{head}{events}"));
        let told = Watch::events(backend.address(), None, "/events").finish().unwrap_err();
        assert!(told.contains("after 1 messages") && told.contains(expected), "{told}");
    }
}

/// Debian's nginx with a certificate of this authority's for `shop.test`.
fn nginx(authority: &Authority) -> Nginx {
    let (port, issued) = (ports::free(), authority.server(&[request::HOST]));
    let (certificate, key) = (issued.certificate.display(), issued.key.display());
    Nginx::start(
        &format!(
            "events {{ }} http {{ access_log off; keepalive_requests 1000000; ssl_session_cache shared:a:1m; \
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; \
             location / {{ return 200 right; }} }} }}"
        ),
        port,
    )
}

#[test]
fn a_load_over_tls_counts_handshakes_and_sessions() {
    let authority = Authority::new("the test's");
    let nginx = nginx(&authority);
    let load_of = |tls: &Tls, each_time: bool| {
        let load = Load::to(nginx.address()).over(tls).connections(4);
        let load = load.asking(|_| Question::get("/").expecting(200, "right"));
        let load = if each_time { load.connecting_each_time().start() } else { load.start() };
        load.wait(SOON, "a hundred requests", |report| report.requests + report.failed() >= 100);
        load.finish()
    };
    load_of(&Tls::trusting(&authority).build(), false).assert_untouched(4);

    let report = load_of(&Tls::trusting(&authority).build(), true);
    report.assert_clean();
    assert_eq!((report.opened, report.resumed), (report.requests, 0), "{report}");
    let report = load_of(&Tls::trusting(&authority).reusing_sessions().build(), true);
    report.assert_clean();
    assert!(report.resumed > report.requests / 2, "{report}");

    for wrong in [
        Tls::trusting(&authority).named("other.test").build(),
        Tls::trusting(&Authority::new("somebody else's")).build(),
    ] {
        let report = load_of(&wrong, true);
        assert_eq!((report.requests, report.count(Kind::Handshake)), (0, report.failed()), "{report}");
    }
}

#[test]
fn the_client_speaks_tls() {
    let authority = Authority::new("the test's");
    let nginx = nginx(&authority);
    let tls = Tls::trusting(&authority).only(&rustls::version::TLS12).offering("http/1.1").build();
    let mut client = Client::connect_tls(nginx.address(), &tls);
    for _ in 0..3 {
        assert_eq!(client.ask(&request::get("/")).unwrap().text(), "right");
    }
    let agreed = client.tls().expect("a TLS connection");
    assert_eq!(agreed.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    assert_eq!(agreed.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let other = Client::try_connect_tls(nginx.address(), &tls.named("other.test"));
    assert!(matches!(other, Err(Failure::Broken(why)) if why.contains("certificate")));
}
