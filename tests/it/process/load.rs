//! Reloads under load: nobody is refused, no connection is closed, and nothing of what was is left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request;
use crate::support::{ports, wait};

use super::{HEAD, SOON, one_more_saying, reload};

/// What a client saw.
#[derive(Default)]
struct Seen {
    asked: usize,
    failed: Vec<String>,
    /// Which configuration answered last, and how often it was an older one than before.
    turn: usize,
    backward: usize,
}

fn configuration(port: u16, extra: u16, backend: &Backend, turn: usize) -> String {
    let upstream = format!("upstream:\n  app: {{ servers: ['{}'] }}\n", backend.address());
    let server = format!(
        "server:\n  - listen: 127.0.0.1:{port}\n    keepalive_requests: 100000000\n    add_header: {{ X-Turn: {turn} }}\n    \
         location:\n      - {{ match: /, return: {{ status: 200, text: own }} }}\n      \
         - {{ match: /app, proxy_pass: 'http://app' }}\n"
    );
    // Every other configuration has a listener more.
    let extra = if turn % 2 == 1 { one_more_saying(extra, "extra") } else { String::new() };
    format!("{HEAD}{upstream}{server}{extra}")
}

fn ask_until(ended: &AtomicBool, edge: &Edge, target: &str, expected: &str) -> Seen {
    let mut seen = Seen::default();
    let mut client = Client::connect(edge.address());
    while !ended.load(Ordering::Relaxed) {
        seen.asked += 1;
        let problem = match client.ask(&request::get(target)) {
            Ok(answer) if answer.status() == 200 && answer.text() == expected => {
                let turn = answer.header("x-turn").and_then(|t| t.parse().ok()).unwrap_or(0);
                seen.backward += usize::from(turn < seen.turn);
                seen.turn = turn;
                (answer.header("connection") != Some("keep-alive"))
                    .then(|| format!("{:?}", answer.head.headers.get("connection")))
            }
            Ok(answer) => Some(format!("{answer}")),
            Err(failure) => Some(failure.to_string()),
        };
        if let Some(problem) = problem {
            seen.failed.push(problem);
            client = Client::connect(edge.address());
        }
    }
    seen
}

#[test]
fn under_load_no_request_fails_and_no_connection_is_closed() {
    const RELOADS: usize = 30;
    let (port, extra, backend) = (ports::free(), ports::free(), Backend::saying("app"));
    let edge = Edge::yaml(&configuration(port, extra, &backend, 0), port).start();
    let ended = AtomicBool::new(false);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let (edge, ended) = (&edge, &ended);
        let threads: Vec<_> = (0..20)
            .map(|number| {
                let (target, expected) = if number % 2 == 0 { ("/", "own") } else { ("/app", "app") };
                scope.spawn(move || ask_until(ended, edge, target, expected))
            })
            .collect();
        for turn in 1..=RELOADS {
            reload(edge, &configuration(port, extra, &backend, turn));
        }
        // Until everybody has been answered by the last one.
        assert_eq!(client::get(edge.address(), "/").header("x-turn"), Some("30"));
        std::thread::sleep(Duration::from_millis(300));
        ended.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for one in &seen {
        assert!(one.failed.is_empty(), "{} of {} failed: {:#?}", one.failed.len(), one.asked, &one.failed[..1]);
        assert_eq!((one.turn, one.backward), (RELOADS, 0));
        assert!(one.asked > RELOADS, "{}", one.asked);
    }
    assert!(!edge.errors().contains("panicked"), "{}", edge.errors());
}

fn count(edge: &Edge, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{}/{what}", edge.id())).unwrap().count()
}

/// What a process holds once it is at rest: the least of what is seen within a moment.
fn held(edge: &Edge, what: &str, at_most: usize) -> usize {
    wait::until(SOON, || Some(count(edge, what)).filter(|count| *count <= at_most)).unwrap_or_else(|| count(edge, what))
}

fn left_open(edge: &Edge) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", edge.id())).unwrap().flatten();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let mut all: Vec<String> = targets.map(|path| path.display().to_string()).collect();
    all.sort();
    all
}

#[test]
fn a_hundred_reloads_leave_nothing_behind() {
    let (port, extra, backend) = (ports::free(), ports::free(), Backend::saying("app"));
    let edge = Edge::yaml(&configuration(port, extra, &backend, 0), port).start();
    let turn = |turn: usize| {
        reload(&edge, &configuration(port, extra, &backend, turn));
        assert_eq!(client::get(edge.address(), "/app").text(), "app");
    };
    (1..=10).for_each(turn);
    let (files, threads) = (count(&edge, "fd"), count(&edge, "task"));
    (11..=110).for_each(turn);
    // A connection to the upstream may be kept, another be in its last moments.
    assert!(
        held(&edge, "fd", files + 2) <= files + 2,
        "from {files} to {}: {:#?}",
        count(&edge, "fd"),
        left_open(&edge)
    );
    assert!(held(&edge, "task", threads) <= threads + 1, "from {threads} to {}", count(&edge, "task"));
}

/// A name with a date in it, as people write them: the logs that are not used any more are closed.
#[test]
fn logs_that_are_not_configured_any_more_are_closed() {
    let port = ports::free();
    let with = |name: &str| format!("access_log: logs/{name}.log\n{}", super::saying(port, "a"));
    let edge = Edge::yaml(&with("first"), port).start();
    let before = count(&edge, "fd");
    for turn in 0..20 {
        reload(&edge, &with(&turn.to_string()));
        client::get(edge.address(), "/");
    }
    assert!(
        held(&edge, "fd", before + 2) <= before + 2,
        "from {before} to {}: {:#?}",
        count(&edge, "fd"),
        left_open(&edge)
    );
}

#[test]
fn reloads_that_are_refused_leave_nothing_behind() {
    let (port, extra, backend) = (ports::free(), ports::free(), Backend::saying("app"));
    let edge = Edge::yaml(&configuration(port, extra, &backend, 0), port).start();
    let taken = std::net::TcpListener::bind(ports::local(extra)).unwrap();
    super::reload_in_vain(&edge, &configuration(port, extra, &backend, 1));
    let (files, threads) = (count(&edge, "fd"), count(&edge, "task"));
    for turn in 0..30 {
        super::reload_in_vain(&edge, &configuration(port, extra, &backend, 2 * turn + 1));
        super::reload_in_vain(&edge, "nonsense");
    }
    assert!(
        held(&edge, "fd", files + 2) <= files + 2,
        "from {files} to {}: {:#?}",
        count(&edge, "fd"),
        left_open(&edge)
    );
    assert!(held(&edge, "task", threads) <= threads + 1, "from {threads} to {}", count(&edge, "task"));
    drop(taken);
    reload(&edge, &configuration(port, extra, &backend, 61));
    assert_eq!(client::get(ports::local(extra), "/").text(), "extra");
}

/// Signals that come faster than configurations can be read: the last file counts.
#[test]
fn a_storm_of_signals_ends_with_the_last_configuration() {
    let port = ports::free();
    let edge = Edge::yaml(&super::saying(port, "0"), port).start();
    for turn in 1..=50 {
        edge.write_configuration(&super::saying(port, &turn.to_string()));
        edge.signal(libc::SIGHUP);
        edge.signal(libc::SIGUSR1);
    }
    let last = wait::until(SOON, || (client::get(edge.address(), "/").text() == "50").then_some(()));
    assert!(last.is_some(), "{}", edge.errors());
}
