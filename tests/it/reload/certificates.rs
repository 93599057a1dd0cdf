//! Certificates that are exchanged under load: nobody's handshake fails, whoever connects after a reload sees the new
//! certificate, and connections that are open go on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::process::{reload, reload_in_vain};
use crate::support::certificates::{Authority, Issued};
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::load::watch::Watch;
use crate::support::load::{Load, Question, Running, origin};
use crate::support::request::{self, HOST};
use crate::support::tls::Tls;
use crate::support::{is_long, ports};

use super::Clock;

/// Each of these many turns has the certificate `turn % 2`, written to the files edge reads.
struct Stage {
    edge: Edge,
    port: u16,
    origin: std::net::SocketAddr,
    pairs: [Issued; 2],
    clocks: Vec<Arc<Clock>>,
}

fn configuration(port: u16, origin: std::net::SocketAddr, turn: usize) -> String {
    format!(
        "worker_processes: 2
error_log: {{ path: logs/error.log, level: notice }}
access_log: off
keepalive_requests: 1000000000
server:
  - listen: {{ address: '127.0.0.1:{port}', ssl: true }}
    server_name: [{HOST}]
    ssl_certificate: server.pem
    ssl_certificate_key: server.key
    add_header: {{ X-Turn: {turn} }}
    location:
      - {{ match: /, proxy_pass: 'http://{origin}' }}
      - {{ match: = /ws, proxy_pass: 'http://{origin}', proxy_set_header: {{ Upgrade: $http_upgrade, Connection: upgrade }} }}
"
    )
}

impl Stage {
    fn start(authority: &Authority, origin: std::net::SocketAddr) -> Stage {
        let pairs = [(); 2].map(|()| authority.server(&[HOST]));
        let port = ports::free();
        let read = |path: &std::path::Path| std::fs::read(path).unwrap();
        let edge = Edge::yaml(&configuration(port, origin, 0), port)
            .with_file("server.pem", read(&pairs[0].certificate))
            .with_file("server.key", read(&pairs[0].key))
            .start();
        Stage { edge, port, origin, pairs, clocks: Vec::new() }
    }

    /// Load whose answers are whole and of a configuration that may be in force; with `sees_new`, so is the certificate.
    fn load(&mut self, tls: &Tls, connections: usize, each_time: bool, sees_new: bool) -> Running {
        let clock = Clock::start(connections);
        self.clocks.push(clock.clone());
        let ders = [self.pairs[0].der(), self.pairs[1].der()];
        let load = Load::to(ports::local(self.port)).over(tls).connections(connections);
        let load = load.asking(move |turn| {
            let (clock, since, number) = (clock.clone(), clock.now(), turn.count % 100);
            let ders = ders.clone();
            Question::get(&format!("/item/{number}")).expecting(200, origin::item(number)).checking(move |seen| {
                clock.check(turn.connection, since, seen)?;
                let range = clock.range(since);
                let is_one = |turn: usize| seen.certificate == Some(&ders[turn % 2]);
                match !sees_new || range.clone().any(is_one) {
                    true => Ok(()),
                    false => Err(format!("not the certificate of {range:?}")),
                }
            })
        });
        if each_time { load.connecting_each_time().start() } else { load.start() }
    }

    fn install(&self, certificate: &Issued, key: &Issued) {
        std::fs::copy(&certificate.certificate, self.edge.file("server.pem")).unwrap();
        std::fs::copy(&key.key, self.edge.file("server.key")).unwrap();
    }

    fn turn(&self, turn: usize) {
        let (old, new) = (&self.pairs[(turn + 1) % 2], &self.pairs[turn % 2]);
        if turn.is_multiple_of(5) {
            // Somebody forgot the key.
            self.install(new, old);
            reload_in_vain(&self.edge, &configuration(self.port, self.origin, 999_999));
        }
        self.install(new, new);
        self.clocks.iter().for_each(|clock| clock.begun.store(turn, Ordering::SeqCst));
        reload(&self.edge, &configuration(self.port, self.origin, turn));
        self.clocks.iter().for_each(|clock| clock.in_force.store(turn, Ordering::SeqCst));
    }
}

#[test]
fn certificates_are_exchanged_under_load() {
    let turns = if is_long() { 100 } else { 20 };
    let (authority, origin) = (Authority::new("the test's"), origin::start());
    let mut stage = Stage::start(&authority, origin.address());
    let tls = Tls::trusting(&authority).build();
    let kept = stage.load(&tls, 20, false, false);
    let anew = stage.load(&tls, 4, true, true);
    // A session that goes on shows no certificate: only that it fails for nobody counts.
    let resuming = stage.load(&Tls::trusting(&authority).reusing_sessions().build(), 4, true, false);
    let (to, over) = (stage.edge.address(), Some(&tls));
    let (events, socket) = (Watch::events(to, over, "/events"), Watch::websocket(to, over, "/ws"));
    for turn in 1..=turns {
        stage.turn(turn);
        let mut client = Client::connect_tls(to, &tls);
        let seen = client.tls().and_then(|tls| tls.peer_certificates()?.first().cloned());
        assert!(seen == Some(stage.pairs[turn % 2].der()), "the certificate of turn {turn} is not the new one");
        assert_eq!(client.ask(&request::get("/item/1")).unwrap().header("x-turn"), Some(turn.to_string().as_str()));
        anew.wait_round();
        std::thread::sleep(Duration::from_millis(200));
    }
    kept.wait_round();
    kept.finish().assert_untouched(20);
    let report = anew.finish();
    report.assert_clean();
    assert_eq!((report.resumed, report.opened), (0, report.requests), "{report}");
    let report = resuming.finish();
    report.assert_clean();
    assert!(report.resumed > report.requests / 2, "sessions end with a reload: {report}");
    for watch in [events, socket] {
        let count = watch.finish().unwrap_or_else(|failure| panic!("{failure}"));
        assert!(count > turns, "{count}");
    }
}
