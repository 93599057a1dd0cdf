//! Connections that are kept and say nothing cost a little memory each, no time, and slow nobody.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Neighbours, SOON, allow_many_files, application, descriptors, plan, processor_time};
use crate::support::client;
use crate::support::edge::Edge;
use crate::support::wait;

const WANTED: usize = 10_000;
/// What one may cost: its task and its connection. A build for tests may take a little more.
const MOST: usize = if cfg!(debug_assertions) { 13 << 10 } else { 12 << 10 };

/// One request, so that whatever a connection is ever going to need was made.
fn open(edge: &Edge) -> TcpStream {
    let mut stream = TcpStream::connect(edge.address()).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a limit");
    stream
        .write_all(b"GET /own HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nUser-Agent: idle\r\n\r\n")
        .expect("a request is sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nown") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).expect("an answer");
        assert!(count > 0, "no whole answer: {}", answer.escape_ascii());
        answer.extend_from_slice(&piece[..count]);
    }
    stream
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_slow_nobody() {
    let allowed = allow_many_files();
    // Other tests have files as well.
    let count = WANTED.min(allowed.saturating_sub(2000));
    if count < WANTED {
        println!("this user may open {allowed} files: {count} connections instead of {WANTED}");
    }
    let application = application();
    let edge = plan(&application, "worker_connections: 20000\n", "    keepalive_timeout: 300s\n", "").start();
    let before = descriptors(&edge);
    // The first ones also pay for what all of them share.
    let first = count / 10;
    let mut idle: Vec<TcpStream> = (0..first).map(|_| open(&edge)).collect();
    let memory = edge.resident_memory();
    idle.extend((first..count).map(|_| open(&edge)));
    let grown = edge.resident_memory().saturating_sub(memory) << 10;
    let each = grown / (count - first);
    println!("{count} idle connections: {each} bytes of memory each");
    assert!(each <= MOST, "{each} bytes of memory for each idle connection");
    assert!(descriptors(&edge) >= count, "{} descriptors for {count} connections", descriptors(&edge));

    let used = processor_time(&edge);
    std::thread::sleep(Duration::from_secs(1));
    let used = processor_time(&edge) - used;
    assert!(used < Duration::from_millis(150), "idle connections took {used:?} of processor time in a second");
    Neighbours::of(&edge).assert_unharmed();
    assert_eq!(client::get(edge.address(), "/own").text(), "own");

    drop(idle);
    let freed = wait::until(SOON, || (descriptors(&edge) <= before + 10).then_some(()));
    assert!(freed.is_some(), "from {before} descriptors to {}", descriptors(&edge));
}
