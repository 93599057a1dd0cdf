//! TLS and the process: keys that only root may read come with a reload, mistakes in them change nothing and are told, and a
//! change of binaries fails no request over TLS.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::certificates::{Authority, Issued};
use crate::support::client::{self, Client};
use crate::support::edge::{Edge, Plan};
use crate::support::http2::{self, Http2};
use crate::support::load::{Kind, Load, Question, Running, origin};
use crate::support::origin::Origin;
use crate::support::request::{self, HOST};
use crate::support::tls::Tls;
use crate::support::{is_long, ports, wait};

use super::control::tell;
use super::keeper::{as_nobody, is_root};
use super::upgrade::hand_over;
use super::{HEAD, Held, SOON, reload_in_vain, saying};

/// A further server, with TLS.
fn one_more_secure(port: u16, text: &str) -> String {
    format!(
        "  - listen: {{ address: '127.0.0.1:{port}', ssl: true }}\n    ssl_certificate: secret/a.pem\n    \
         ssl_certificate_key: secret/a.key\n    return: {{ status: 200, text: '{text}' }}\n"
    )
}

/// Certificate and key as a package puts them there: for root alone.
fn install(edge: &Edge, issued: &Issued) {
    std::fs::create_dir_all(edge.file("secret")).unwrap();
    issued.install(&edge.file("secret/a.pem"), &edge.file("secret/a.key"));
    for (name, mode) in [("secret/a.key", 0o600), ("secret/a.pem", 0o600), ("secret", 0o700)] {
        std::fs::set_permissions(edge.file(name), std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(std::fs::metadata(edge.file(name)).unwrap().uid(), 0);
    }
}

/// Waits for the control socket, and reloads; what was said.
fn reload_told(edge: &Edge, configuration: &str) -> crate::messages::Said {
    edge.write_configuration(configuration);
    assert!(wait::until(SOON, || edge.file("logs/edge.sock").exists().then_some(())).is_some());
    tell(edge, "reload")
}

#[test]
fn a_reload_adds_a_listener_whose_key_only_root_may_read() {
    if !is_root() {
        return;
    }
    let (port, secure, authority) = (ports::free(), ports::free(), Authority::new("the test's"));
    let edge = Edge::yaml(&as_nobody(&saying(port, "old")), port).start();
    let (first, second) = (authority.server(&[HOST]), authority.server(&[HOST]));
    let tls = Tls::trusting(&authority).build();
    for (issued, text) in [(first, "first"), (second, "second")] {
        install(&edge, &issued);
        let said = reload_told(&edge, &as_nobody(&(saying(port, text) + &one_more_secure(secure, text))));
        assert!(said.status.success(), "{}", said.stderr);
        assert_eq!(client::get(edge.address(), "/").text(), text);
        let mut client = Client::connect_tls(ports::local(secure), &tls);
        let shown = client.tls().and_then(|tls| tls.peer_certificates()?.first().cloned());
        assert!(shown == Some(issued.der()), "not the new certificate");
        assert_eq!(client.ask(&request::get("/")).unwrap().text(), text);
    }
}

/// The same of the key that edge shows to an upstream, and of the authorities it trusts.
#[test]
fn a_reload_reads_the_key_for_an_upstream_that_only_root_may_read() {
    if !is_root() {
        return;
    }
    let (port, authority) = (ports::free(), Authority::new("the test's"));
    let origin = Origin::mutual(&authority.server(&["app"]), &authority);
    let edge = Edge::yaml(&as_nobody(&saying(port, "old")), port).start();
    install(&edge, &authority.client("edge"));
    std::fs::write(edge.file("secret/ca.pem"), authority.pem()).unwrap();
    let said = reload_told(
        &edge,
        &as_nobody(&format!(
            "{HEAD}server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - match: /\n        proxy_pass: https://{}\n        \
             proxy_ssl_name: app\n        proxy_ssl_verify: on\n        proxy_ssl_trusted_certificate: secret/ca.pem\n        \
             proxy_ssl_certificate: secret/a.pem\n        proxy_ssl_certificate_key: secret/a.key\n",
            origin.address()
        )),
    );
    assert!(said.status.success(), "{}", said.stderr);
    let answer = client::get(edge.address(), "/");
    assert!(answer.text().ends_with("certified=true"), "{answer}");
}

#[test]
fn a_key_that_is_missing_or_none_changes_nothing_and_is_told_with_its_place() {
    let (port, secure, authority) = (ports::free(), ports::free(), Authority::new("the test's"));
    let user = if is_root() { "user: nobody\n" } else { "" };
    let edge = Edge::yaml(&format!("{user}{}", saying(port, "old")), port).start();
    install(&edge, &authority.server(&[HOST]));
    let configuration = format!("{user}{}{}", saying(port, "new"), one_more_secure(secure, "new"));
    let line = 1 + configuration.lines().position(|line| line.contains("ssl_certificate_key")).unwrap();
    let place = format!("edge.yaml:{line}:26: error: ");
    let key = edge.file("secret/a.key");
    let other = authority.server(&[HOST]).key_pem();
    for (content, why) in [
        (None, "a.key cannot be read: No such file or directory"),
        (Some("no key at all"), "a.key` holds no private key: nothing in it is PEM"),
        (Some(other.as_str()), "a.key` does not belong to the certificate"),
    ] {
        match content {
            None => std::fs::remove_file(&key).unwrap(),
            Some(text) => std::fs::write(&key, text).unwrap(),
        }
        let said = reload_told(&edge, &configuration);
        assert_eq!(said.status.code(), Some(1), "{why}: {}", said.stderr);
        let told = said.stderr.lines().any(|line| line.contains(&place) && line.contains(why));
        assert!(told, "expected `{place}…{why}`:\n{}", said.stderr);
        // By the signal alone, the log says the same.
        reload_in_vain(&edge, &configuration);
        assert!(edge.errors().lines().any(|line| line.contains(&place) && line.contains(why)), "{}", edge.errors());
        assert_eq!(client::get(edge.address(), "/").text(), "old");
        assert!(!wait::accepts(ports::local(secure)));
    }
}

/// An edge that answers over TLS, itself and by an application.
fn secure_front(user: &str, port: u16, issued: &Issued, application: std::net::SocketAddr) -> Plan {
    let text = format!(
        "{user}{HEAD}access_log: off\nkeepalive_requests: 1000000000\nserver:\n  \
         - listen: {{ address: '127.0.0.1:{port}', ssl: true }}\n    http2: on\n    ssl_certificate: a.pem\n    \
         ssl_certificate_key: a.key\n    ssl_session_cache: shared:a:1m\n    location:\n      \
         - {{ match: /item/, proxy_pass: 'http://{application}' }}\n      \
         - {{ match: /, return: {{ status: 200, text: own }} }}\n"
    );
    let plan = Edge::yaml(&text, port).with_file("a.pem", issued.certificate_pem());
    plan.with_file("a.key", issued.key_pem())
}

fn load(port: u16, tls: &Tls, connections: usize) -> Load {
    Load::to(ports::local(port)).over(tls).connections(connections).asking(|turn| match turn.count % 2 {
        0 => Question::get("/").expecting(200, "own"),
        _ => Question::get(&format!("/item/{}", turn.count % 50)).expecting(200, origin::item(turn.count % 50)),
    })
}

#[test]
fn a_change_of_binaries_fails_no_request_over_tls() {
    let users: &[&str] = if is_root() { &["", "user: nobody\n"] } else { &[""] };
    let turns = if is_long() { 10 } else { 2 };
    for user in users {
        let (port, authority, application) = (ports::free(), Authority::new("the test's"), origin::start());
        let issued = authority.server(&[HOST]);
        for _ in 0..turns {
            change_binaries(user, port, &authority, &issued, application.address());
        }
    }
}

fn change_binaries(user: &str, port: u16, authority: &Authority, issued: &Issued, application: std::net::SocketAddr) {
    let mut edge = secure_front(user, port, issued, application).start();
    assert!(wait::until(SOON, || edge.file("logs/edge.pid").exists().then_some(())).is_some());
    let tls = Tls::trusting(authority).build();
    let resuming = Tls::trusting(authority).reusing_sessions().build();
    let loads: [Running; 3] = [
        load(port, &tls, 10).start(),
        load(port, &tls, 4).connecting_each_time().start(),
        load(port, &resuming, 4).connecting_each_time().start(),
    ];
    let rounds = || loads.iter().for_each(Running::wait_round);
    rounds();
    let _new = hand_over(&edge);
    rounds();
    edge.signal(libc::SIGQUIT);
    assert!(edge.wait_end(SOON).expect("the old one ends").success(), "{}", edge.errors());
    rounds();
    for load in loads {
        let report = load.finish();
        // An idle connection may be closed at any time, but in good order.
        let failed = report.failed() - report.count(Kind::ClosedIdle);
        assert!(failed == 0 && report.answered == report.requests, "{report}\n{}", edge.errors());
        assert!(report.requests > 0);
    }
}

/// The old binary finishes what runs on a connection of HTTP/2, says that it is the last of it, and ends.
#[test]
fn a_stream_that_runs_outlives_a_change_of_binaries() {
    let (port, authority, held) = (ports::free(), Authority::new("the test's"), Held::start());
    let issued = authority.server(&[HOST]);
    let mut edge = secure_front("", port, &issued, held.backend.address()).start();
    assert!(wait::until(SOON, || edge.file("logs/edge.pid").exists().then_some(())).is_some());
    let tls = Tls::trusting(&authority).offering("h2").build();
    http2::run(async {
        let old = Http2::open(ports::local(port), Some(&tls)).await;
        let mut running = old.begin("GET", "/item/1", &[]).await;
        running.up.end().unwrap();
        assert!(held.backend.wait_requests(1));
        let _new = tokio::task::block_in_place(|| hand_over(&edge));
        edge.signal(libc::SIGQUIT);
        // It is said when nothing more is accepted: whoever connects now comes to the new one.
        assert!(edge.wait_error("gracefully shutting down"), "{}", edge.errors());
        let new = Http2::open(ports::local(port), Some(&tls)).await;
        for _ in 0..20 {
            assert_eq!(new.get("/").await.unwrap().text(), "own");
        }
        held.let_go();
        let answer = running.down.whole().await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "late"));
        drop(old);
        assert!(edge.wait_end(SOON).expect("the old one ends").success(), "{}", edge.errors());
        assert_eq!(new.get("/").await.unwrap().text(), "own");
    });
}
