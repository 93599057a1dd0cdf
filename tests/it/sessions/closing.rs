//! Servers that close the connection which watches them with each question: many are looked at anew all the time.

use super::rig;
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::memcached::Memcached;
use crate::support::nginx::Nginx;
use crate::support::{ports, request};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CLIENTS: usize = 50;
/// Beside them, as many of the same server without sessions: what they wait is what the machine takes.
const OTHERS: usize = CLIENTS;
/// Several questions long.
const TIME: Duration = Duration::from_secs(4);
const LONGEST: Duration = Duration::from_secs(1);

#[test]
fn a_server_that_closes_whatever_is_asked_holds_no_request_up() {
    let _alone = rig::alone();
    let origin = ports::free();
    // nginx answers `OPTIONS *` with 400 and closes.
    let configuration = format!(
        "events {{ }} http {{ access_log off; keepalive_requests 1000000; server {{ listen 127.0.0.1:{origin}; \
         location / {{ return 200 yes; }} }} }}"
    );
    let _nginx = Nginx::start(&configuration, origin);
    let (memcached, port) = (Memcached::start(), ports::free());
    let servers = format!("servers: [{{ address: '127.0.0.1:{origin}', route: t1 }}]");
    let configuration = format!(
        "worker_processes: 2\nkeepalive_requests: 1000000\nerror_log: {{ path: logs/error.log, level: info }}\n\
         session_store: {{ msm: {{ memcached: {{ n1: '{}' }}, timeout: 2s }} }}\n\
         upstream:\n  bound: {{ session: msm, {servers} }}\n  plain: {{ {servers} }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - {{ match: /bound, proxy_pass: 'http://bound' }}\n      \
         - {{ match: /plain, proxy_pass: 'http://plain' }}\n",
        memcached.address(),
    );
    let edge = Edge::yaml(&configuration, port).start();
    let address = edge.address();
    let (bound, plain) = std::thread::scope(|scope| {
        let ask = |path: &'static str| scope.spawn(move || ask_on(address, path));
        let bound: Vec<_> = (0..CLIENTS).map(|_| ask("/bound")).collect();
        let plain: Vec<_> = (0..OTHERS).map(|_| ask("/plain")).collect();
        let join = |threads: Vec<std::thread::ScopedJoinHandle<'_, _>>| -> Vec<Asked> {
            threads.into_iter().map(|thread| thread.join().expect("a client does not panic")).collect()
        };
        (join(bound), join(plain))
    });
    let troubles: Vec<&String> = bound.iter().chain(&plain).filter_map(|asked| asked.trouble.as_ref()).collect();
    assert!(troubles.is_empty(), "{troubles:?}\n{}", edge.errors());
    let longest = |all: &[Asked]| all.iter().map(|asked| asked.longest).max().unwrap_or_default();
    assert!(
        longest(&bound) < LONGEST + 2 * longest(&plain),
        "{:?}, without sessions {:?}",
        longest(&bound),
        longest(&plain)
    );
    let asked: usize = bound.iter().map(|asked| asked.times).sum();
    assert!(asked > CLIENTS * 3, "hardly anything was asked: {asked}");
}

struct Asked {
    times: usize,
    longest: Duration,
    trouble: Option<String>,
}

/// One request after the other on one connection: some that may be repeated, and some that may not.
fn ask_on(edge: SocketAddr, path: &str) -> Asked {
    let (mut client, mut asked) = (Client::connect(edge), Asked { times: 0, longest: Duration::ZERO, trouble: None });
    let end = Instant::now() + TIME;
    while Instant::now() < end && asked.trouble.is_none() {
        let request = if asked.times % 3 == 0 { request::post(path, "a=b") } else { request::get(path) };
        let request = request.header("Cookie", "JSESSIONID=375F99F1A10C4B7D-n1.t1");
        let begun = Instant::now();
        match client.ask(&request) {
            Ok(answer) if answer.status() == 200 => {}
            Ok(answer) => asked.trouble = Some(answer.to_string()),
            Err(failure) => asked.trouble = Some(failure.to_string()),
        }
        asked.times += 1;
        asked.longest = asked.longest.max(begun.elapsed());
    }
    asked
}
