//! Slowloris, in its three kinds. Who sends or reads too slowly is let go when its time is over; the application hears nothing
//! of it, and nothing of it stays.

use std::time::{Duration, Instant};

use super::{Neighbours, SOON, application, descriptors, lines_with, plan};
use crate::support::backend::{self, Backend};
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::{request, wait};

const TIMEOUTS: &str = "    client_header_timeout: 1s\n    client_body_timeout: 1s\n    send_timeout: 1s\n";

/// Sends a byte on each from time to time until all are closed.
fn drip_until_closed(mut open: Vec<Client>) {
    let begun = Instant::now();
    while !open.is_empty() {
        assert!(begun.elapsed() < SOON, "{} connections are still open after {:?}", open.len(), begun.elapsed());
        open.retain_mut(|client| client.try_write(b"X").is_ok() && client.is_open());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn begin(edge: &Edge, count: usize, with: impl Fn(usize) -> Vec<u8>) -> Vec<Client> {
    let client = |number| {
        let mut client = Client::connect(edge.address());
        client.write(with(number));
        client
    };
    (0..count).map(client).collect()
}

#[test]
fn heads_that_drip_are_let_go_in_time() {
    const OFFENDERS: usize = 300;
    let application = application();
    let edge = plan(&application, "", TIMEOUTS, "").start();
    let neighbours = Neighbours::of(&edge);
    let before = descriptors(&edge);
    let beginnings: [&[u8]; 3] = [b"GE", b"GET /slow HTTP/1.1\r\nX", b"GET /slow HTTP/1.1\r\nHost: a\r\nX-A: "];
    drip_until_closed(begin(&edge, OFFENDERS, |number| beginnings[number % beginnings.len()].to_vec()));
    assert_eq!(lines_with(&edge, "logs/access.log", " 408 ", OFFENDERS), OFFENDERS);
    assert!(edge.wait_error("client timed out while reading client request headers"));
    assert!(application.seen().iter().all(|seen| seen.target() != "/slow"));
    let freed = wait::until(SOON, || (descriptors(&edge) <= before + 2).then_some(()));
    assert!(freed.is_some(), "from {before} descriptors to {}", descriptors(&edge));
    neighbours.assert_unharmed();
}

#[test]
fn bodies_that_stop_are_let_go_in_time_and_reach_no_application() {
    const OFFENDERS: usize = 150;
    let application = application();
    let edge = plan(&application, "", TIMEOUTS, "").start();
    let neighbours = Neighbours::of(&edge);
    let beginnings: [&[u8]; 3] = [
        b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome",
        b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nsome",
        b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\nX",
    ];
    let mut stopped = begin(&edge, OFFENDERS, |number| beginnings[number % beginnings.len()].to_vec());
    for client in &mut stopped {
        assert!(client.wait_closed(SOON), "a client that sends nothing is waited for");
    }
    assert_eq!(lines_with(&edge, "logs/access.log", " 408 ", OFFENDERS), OFFENDERS);
    assert!(application.seen().iter().all(|seen| seen.target() != "/slow"));
    neighbours.assert_unharmed();
}

/// What nobody reads is kept for `send_timeout`, in files rather than in memory, and then thrown away.
#[test]
fn answers_that_nobody_reads_are_thrown_away_in_time() {
    const OFFENDERS: usize = 40;
    const SIZE: usize = 4 << 20;
    let large = backend::ok(&"x".repeat(SIZE));
    let application = Backend::start(move |seen, answer| match seen.target() {
        "/large" => answer.write(&large),
        _ => answer.write(backend::ok("app")),
    });
    let edge = plan(&application, "", TIMEOUTS, "").start();
    let neighbours = Neighbours::of(&edge);
    let (before, memory) = (descriptors(&edge), edge.resident_memory());
    let readers: Vec<Client> = (0..OFFENDERS)
        .map(|_| {
            let mut client = Client::connect_narrowly(edge.address());
            client.write(request::get("/large").bytes());
            client
        })
        .collect();
    assert!(application.wait_requests(OFFENDERS));
    let mut most = memory;
    let freed = wait::until(SOON, || {
        most = most.max(edge.resident_memory());
        let over = lines_with(&edge, "logs/access.log", "/large", 0) == OFFENDERS;
        // Connections to the application are kept.
        let held = descriptors(&edge) - application.open_connections().min(OFFENDERS + Neighbours::COUNT);
        (over && held <= before).then_some(())
    });
    assert!(freed.is_some(), "from {before} descriptors to {}\n{}", descriptors(&edge), edge.errors());
    println!("{OFFENDERS} answers of {} KiB that nobody reads: {} KiB of memory", SIZE >> 10, most - memory);
    assert!(most - memory < OFFENDERS * (SIZE >> 10) / 2, "from {memory} KiB to {most} KiB");
    drop(readers);
    neighbours.assert_unharmed();
}
