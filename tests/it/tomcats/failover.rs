//! Connections to Tomcat: kept, given up in time, and replaced when a Tomcat dies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::{self, Client};
use crate::support::request::{self, Request};
use crate::support::tomcat::Tomcat;
use crate::support::wait;

use super::front;

#[test]
fn connections_to_tomcat_are_used_again_and_given_up_before_tomcat_does() {
    // Tomcat would keep them for a minute here: that they go earlier is the edge's doing.
    let tomcat = Tomcat::plan("kept").keep_alive(Duration::from_secs(60)).start();
    let front = front(&[tomcat.address()]);
    let before = tomcat.load();
    let mut client = Client::connect(front.address());
    for number in 0..60 {
        let post = request::post("/echo", format!("body {number}"));
        let request = if number % 2 == 0 { request::get("/page.html") } else { post };
        assert_eq!(client.ask(&request).unwrap().status(), 200);
    }
    let after = tomcat.load();
    assert!(after.requests >= before.requests + 60, "{before:?} {after:?}");
    assert!((1..=2).contains(&after.connections), "60 requests one after the other made connections: {after:?}");

    // Tomcat's default is 20 seconds: whoever holds a connection longer meets its end with a request in hand.
    let limit = Duration::from_secs(19);
    let given_up = wait::until(limit, || (tomcat.load().connections == 0).then_some(()));
    assert!(given_up.is_some(), "after {limit:?} of idleness: {:?}", tomcat.load());
}

#[test]
fn no_request_fails_when_tomcat_closes_idle_connections() {
    let tomcat = Tomcat::plan("short").keep_alive(Duration::from_millis(150)).start();
    let front = front(&[tomcat.address(), tomcat.address()]);
    let mut client = Client::connect(front.address());
    for number in 0..60_u64 {
        let answer = client.ask(&request::get("/whoami")).unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "short"), "request {number}");
        // Around the moment in which Tomcat closes.
        std::thread::sleep(Duration::from_millis(135 + number % 30));
    }
}

#[test]
fn when_a_tomcat_is_killed_no_idempotent_request_fails() {
    let mut first = Tomcat::start("one");
    let second = Tomcat::start("two");
    let front = front(&[first.address(), second.address()]);
    let address = front.address();
    let ended = AtomicBool::new(false);
    let ask = |worker: usize| {
        let mut client = Client::connect(address);
        let mut count = 0;
        while !ended.load(Ordering::SeqCst) {
            let request = match (worker + count) % 3 {
                0 => request::get("/slow?ms=40"),
                1 => request::get("/whoami"),
                _ => Request::new("PUT", "/echo").body("again and again"),
            };
            let answer = client.ask(&request).unwrap_or_else(|failure| panic!("request {count}: {failure}"));
            assert_eq!(answer.status(), 200, "request {count}\n{answer}");
            count += 1;
        }
        count
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6).map(|worker| scope.spawn(move || ask(worker))).collect();
        std::thread::sleep(Duration::from_millis(500));
        first.kill();
        std::thread::sleep(Duration::from_millis(1_500));
        ended.store(true, Ordering::SeqCst);
        let counts: Vec<usize> = workers.into_iter().map(|worker| worker.join().expect("no request fails")).collect();
        assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    });

    assert_eq!(client::get(address, "/whoami").text(), "two");
    first.restart();
    let back = wait::until(Duration::from_secs(10), || (client::get(address, "/whoami").text() == "one").then_some(()));
    assert!(back.is_some(), "the restarted Tomcat is not used again");
}

#[test]
fn when_all_tomcats_are_dead_the_answer_is_502_at_once() {
    let mut tomcat = Tomcat::start("only");
    let front = front(&[tomcat.address()]);
    assert_eq!(client::get(front.address(), "/whoami").status(), 200);
    tomcat.kill();
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(client::get(front.address(), "/whoami").status(), 502);
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    tomcat.restart();
    let back = wait::until(Duration::from_secs(10), || {
        (client::get(front.address(), "/whoami").status() == 200).then_some(())
    });
    assert!(back.is_some(), "the restarted Tomcat is not used again");
}
