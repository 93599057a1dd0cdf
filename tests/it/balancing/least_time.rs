//! `least_time`, which Debian's nginx has not: the server whose answers come soonest gets the requests.

use crate::support::backend::{Answer, Backend, Seen};
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::{ports, request};
use std::time::Duration;

const LATE: Duration = Duration::from_millis(120);

/// The head or the body of its answers is late.
fn late(name: &'static str, head: bool, body: bool) -> Backend {
    Backend::start(move |_: &Seen, answer: &mut Answer| {
        std::thread::sleep(if head { LATE } else { Duration::ZERO });
        answer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", name.len()));
        std::thread::sleep(if body { LATE } else { Duration::ZERO });
        answer.write(name);
    })
}

/// Who answered, of 24 requests one after the other.
fn answers(balance: &str, backends: &[&Backend]) -> Vec<String> {
    let port = ports::free();
    let servers: Vec<String> = backends.iter().map(|backend| format!("'{}'", backend.address())).collect();
    let configuration = format!(
        "upstream:\n  app: {{ balance: {balance}, servers: [{}] }}\nserver:\n  - listen: 127.0.0.1:{port}\n    \
         location: [{{ match: /, proxy_pass: http://app }}]\n",
        servers.join(", ")
    );
    let edge = Edge::yaml(&configuration, port).start();
    let mut client = Client::connect(edge.address());
    (0..24).map(|_| client.ask(&request::get("/")).unwrap().text()).collect()
}

#[test]
fn the_time_until_the_head_and_the_time_until_the_end_are_told_apart() {
    let (late_head, late_body) = (late("late head", true, false), late("late body", false, true));
    for (balance, winner) in [("{ least_time: header }", "late body"), ("{ least_time: last_byte }", "")] {
        let answers = answers(balance, &[&late_head, &late_body]);
        let won = answers.iter().filter(|answer| *answer == "late body").count();
        match winner {
            // A server nobody has asked yet counts as quick.
            "late body" => assert!(won >= 22, "{answers:?}"),
            // Their ends are equally late: they take turns.
            _ => assert!((6..=18).contains(&won), "{answers:?}"),
        }
    }
}

#[test]
fn the_quicker_server_gets_the_requests() {
    let (slow, quick) = (late("slow", true, true), late("quick", false, false));
    for balance in ["{ least_time: header }", "{ least_time: last_byte }"] {
        let answers = answers(balance, &[&slow, &quick]);
        assert!(answers.iter().filter(|answer| *answer == "quick").count() >= 22, "{balance}: {answers:?}");
        assert!(answers.iter().any(|answer| answer == "slow"), "it is asked once: {answers:?}");
    }
}
