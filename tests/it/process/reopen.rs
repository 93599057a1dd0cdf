//! USR1, as logrotate sends it: the old file is moved away, lines go on in a new one, and none is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request;
use crate::support::{ports, wait};

use super::{SOON, lines, reload_in_vain, saying};

fn reopen(edge: &Edge, file: &str) {
    edge.signal(libc::SIGUSR1);
    let made = wait::until(SOON, || edge.file(file).exists().then_some(()));
    assert!(made.is_some(), "{file} is not made again:\n{}", edge.errors());
}

#[test]
fn new_lines_go_to_a_new_file() {
    let port = ports::free();
    let edge = Edge::yaml(&saying(port, "a"), port).start();
    client::get(edge.address(), "/old");
    assert_eq!(lines(&edge, "logs/access.log", 1).len(), 1);
    for log in ["access", "error"] {
        std::fs::rename(edge.file(&format!("logs/{log}.log")), edge.file(&format!("logs/{log}.log.1"))).unwrap();
    }
    // Until edge is told, the old files go on.
    client::get(edge.address(), "/still");
    assert_eq!(lines(&edge, "logs/access.log.1", 2).len(), 2);
    assert!(!edge.file("logs/access.log").exists());

    reopen(&edge, "logs/access.log");
    client::get(edge.address(), "/new");
    let new = lines(&edge, "logs/access.log", 1);
    assert!(new.len() == 1 && new[0].contains("GET /new "), "{new:?}");
    reload_in_vain(&edge, "nonsense");
    assert!(lines(&edge, "logs/error.log", 1).iter().any(|line| line.contains("not reloaded")));
    assert_eq!(lines(&edge, "logs/access.log.1", 2).len(), 2);
}

#[test]
fn no_line_is_lost_while_logs_are_rotated() {
    const CLIENTS: usize = 4;
    const TURNS: usize = 10;
    let port = ports::free();
    let configuration = format!(
        "keepalive_requests: 1000000\nlog_format: {{ id: $arg_id }}\naccess_log: {{ path: logs/id.log, format: id }}\n{}",
        saying(port, "a")
    );
    let edge = Edge::yaml(&configuration, port).start();
    let ended = AtomicBool::new(false);
    let sent: Vec<usize> = std::thread::scope(|scope| {
        let work = |number: usize| {
            let (edge, ended) = (&edge, &ended);
            move || {
                let mut client = Client::connect(edge.address());
                let mut count = 0;
                while !ended.load(Ordering::Relaxed) {
                    client.ask(&request::get(&format!("/?id={number}-{count}"))).unwrap();
                    count += 1;
                }
                count
            }
        };
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(work(number))).collect();
        for turn in 0..TURNS {
            let grown = wait::until(SOON, || std::fs::metadata(edge.file("logs/id.log")).ok().filter(|m| m.len() > 0));
            assert!(grown.is_some());
            std::fs::rename(edge.file("logs/id.log"), edge.file(&format!("logs/id.log.{turn}"))).unwrap();
            reopen(&edge, "logs/id.log");
        }
        ended.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all = || {
        let files = (0..TURNS).map(|turn| format!("logs/id.log.{turn}")).chain(["logs/id.log".to_owned()]);
        files.map(|file| std::fs::read_to_string(edge.file(&file)).unwrap()).collect::<String>()
    };
    let total: usize = sent.iter().sum();
    wait::until(SOON, || (all().lines().count() >= total).then_some(()));
    let mut seen: HashMap<String, usize> = HashMap::new();
    all().lines().for_each(|line| *seen.entry(line.to_owned()).or_default() += 1);
    for (number, count) in sent.iter().enumerate() {
        for at in 0..*count {
            assert_eq!(seen.get(&format!("{number}-{at}")), Some(&1), "{number}-{at} of {count}");
        }
    }
    assert_eq!(seen.len(), total);
}

#[test]
fn a_log_that_cannot_be_opened_anew_goes_on_as_it_was() {
    let port = ports::free();
    let edge = Edge::yaml(&format!("access_log: logs/deep/a.log\n{}", saying(port, "a")), port).start();
    client::get(edge.address(), "/1");
    assert_eq!(lines(&edge, "logs/deep/a.log", 1).len(), 1);
    std::fs::rename(edge.file("logs/deep"), edge.file("logs/moved")).unwrap();
    std::fs::write(edge.file("logs/deep"), "in the way").unwrap();
    edge.signal(libc::SIGUSR1);
    assert!(edge.wait_error("deep/a.log could not be opened anew"));
    client::get(edge.address(), "/2");
    assert_eq!(lines(&edge, "logs/moved/a.log", 2).len(), 2);
}

#[test]
fn what_was_logged_is_written_before_edge_ends() {
    for signal in [libc::SIGQUIT, libc::SIGTERM] {
        let port = ports::free();
        let mut edge = Edge::yaml(&saying(port, "a"), port).start();
        let mut client = Client::connect(edge.address());
        for at in 0..200 {
            client.ask(&request::get(&format!("/{at}"))).unwrap();
        }
        drop(client);
        edge.signal(signal);
        assert!(edge.wait_end(SOON).is_some());
        let text = std::fs::read_to_string(edge.file("logs/access.log")).unwrap();
        assert_eq!(text.lines().count(), 200);
    }
}
