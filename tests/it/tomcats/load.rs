//! Slow clients: what they hold is the edge's memory, not Tomcat's threads.
//!
//! Each test begins with a few slow clients that are connected to Tomcat itself and do hold its threads: otherwise it
//! would prove nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::request;
use crate::support::response::sha256;
use crate::support::tomcat::Tomcat;
use crate::support::wait;

use super::{front, pattern};

const CLIENTS: usize = 500;

/// How many clients of the control group are connected to Tomcat itself.
const DIRECT: usize = 10;

/// The most threads of Tomcat's that may be busy while clients are slow.
const FEW: usize = 2;

#[test]
fn slow_uploads_hold_no_threads_of_tomcat() {
    const STEPS: usize = 20;
    let tomcat = Tomcat::start("uploads");
    let front = front(&[tomcat.address()]);
    let body = pattern(100 * 1024);
    let pieces: Vec<&[u8]> = body.chunks(body.len().div_ceil(STEPS)).collect();

    let direct = begin_uploads(tomcat.address(), DIRECT, &body, pieces[0]);
    let held = wait::until(Duration::from_secs(5), || (tomcat.load().busy_threads == DIRECT).then_some(()));
    assert!(held.is_some(), "the control group holds no threads: {:?}", tomcat.load());
    drop(direct);
    let freed = wait::until(Duration::from_secs(10), || (tomcat.load().busy_threads == 0).then_some(()));
    assert!(freed.is_some(), "{:?}", tomcat.load());

    let mut uploads = begin_uploads(front.address(), CLIENTS, &body, pieces[0]);
    let mut most_busy = 0;
    for piece in &pieces[1..STEPS - 1] {
        let step = Instant::now();
        for upload in &mut uploads {
            upload.write(piece);
        }
        most_busy = most_busy.max(tomcat.load().busy_threads);
        std::thread::sleep(Duration::from_millis(150).saturating_sub(step.elapsed()));
        most_busy = most_busy.max(tomcat.load().busy_threads);
    }
    assert!(most_busy <= FEW, "{most_busy} threads were busy with slow uploads");

    for upload in &mut uploads {
        upload.write(pieces[STEPS - 1]);
    }
    let checksum = sha256(&body);
    for upload in &mut uploads {
        let seen = upload.response("POST").unwrap().json();
        assert_eq!((&seen["body_length"], &seen["body_sha256"]), (&body.len().into(), &checksum.clone().into()));
    }
}

fn begin_uploads(to: SocketAddr, count: usize, body: &[u8], first: &[u8]) -> Vec<Client> {
    let head = request::post("/echo", body).head_bytes();
    (0..count)
        .map(|_| {
            let mut client = Client::connect(to);
            client.write([&head, first].concat());
            client
        })
        .collect()
}

#[test]
fn slow_readers_hold_no_threads_of_tomcat() {
    let tomcat = Tomcat::plan("readers").small_send_buffers().start();
    let front = front(&[tomcat.address()]);

    let direct = begin_reading(tomcat.address(), DIRECT);
    // They stay busy: it is not just that 1 MiB takes a moment.
    let held = wait::until(Duration::from_secs(5), || (tomcat.load().busy_threads == DIRECT).then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    assert!(held.is_some() && tomcat.load().busy_threads == DIRECT, "the control group holds no threads");
    drop(direct);
    let freed = wait::until(Duration::from_secs(10), || (tomcat.load().busy_threads == 0).then_some(()));
    assert!(freed.is_some(), "{:?}", tomcat.load());

    let mut readers = begin_reading(front.address(), CLIENTS);
    // All answers are made, which takes Tomcat some seconds; meanwhile each client has read a few KiB of its 1 MiB.
    let expected = tomcat.load().requests + CLIENTS / 2;
    let mut sips = 0;
    let free = wait::until(Duration::from_secs(40), || {
        sips += 1;
        readers.iter_mut().for_each(|reader| reader.sip(256));
        let load = tomcat.load();
        (load.requests > expected && load.busy_threads <= FEW).then_some(())
    });
    assert!(free.is_some(), "slow readers hold threads: {:?}", tomcat.load());
    for _ in 0..10 {
        readers.iter_mut().for_each(|reader| reader.sip(256));
        let load = tomcat.load();
        assert!(load.busy_threads <= FEW, "{load:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(sips * 256 < 512 * 1024, "the readers were not slow: {sips} sips");

    let expected = pattern(1 << 20);
    for mut reader in readers.into_iter().step_by(10) {
        reader.hurry();
        assert!(reader.response("GET").unwrap().body == expected, "other bytes than were sent");
    }
}

fn begin_reading(to: SocketAddr, count: usize) -> Vec<Client> {
    (0..count)
        .map(|_| {
            let mut client = Client::connect_narrowly(to);
            client.write(request::get("/big?kb=1024").bytes());
            client
        })
        .collect()
}
