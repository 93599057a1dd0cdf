//! No descriptors left: who is served goes on being served, the others wait, and edge says so from time to time instead of
//! turning in circles.

use std::net::TcpStream;
use std::time::Duration;

use super::{Neighbours, SOON, descriptors, lines_with, plan, processor_time};
use crate::support::backend::{self, Backend};
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::{request, wait};

/// How many files the process may have open from now on.
fn limit_files(edge: &Edge, most: usize) {
    let limit = libc::rlimit { rlim_cur: most as u64, rlim_max: 20_000 };
    // SAFETY: a plain system call on a value that lives during it; the process is not reaped yet.
    let done =
        unsafe { libc::prlimit(edge.id().cast_signed(), libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn without_descriptors_nobody_who_is_served_notices() {
    const SPARE: usize = 10;
    let application = Backend::start(|seen, answer| {
        if seen.target() == "/late" {
            std::thread::sleep(Duration::from_millis(300));
        }
        answer.write(backend::ok("app"));
    });
    let edge = plan(&application, "", "", "").start();
    // As many connections to the application as the neighbours are ever going to need.
    let mut late: Vec<Client> = (0..4).map(|_| Client::connect(edge.address())).collect();
    late.iter_mut().for_each(|client| client.write(request::get("/late").bytes()));
    late.iter_mut().for_each(|client| assert_eq!(client.response("GET").expect("an answer").text(), "app"));
    drop(late);
    let neighbours = Neighbours::of(&edge);
    let before = descriptors(&edge);
    limit_files(&edge, before + SPARE);
    let mut flood: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(edge.address()).expect("room in the queue")).collect();
    assert_eq!(lines_with(&edge, "logs/error.log", "accept failed: Too many open files", 1), 1, "{}", edge.errors());

    let used = processor_time(&edge);
    std::thread::sleep(Duration::from_secs(2));
    let used = processor_time(&edge) - used;
    // The neighbours' requests are in it: some hundreds of them.
    assert!(used < Duration::from_millis(1200), "{used:?} of processor time in two seconds");
    let told = lines_with(&edge, "logs/error.log", "accept failed", 1);
    assert!(told <= 2, "told {told} times in two seconds");
    // The limit is for numbers: those that were higher already stay.
    assert!(descriptors(&edge) <= before + SPARE + 20, "{before} descriptors before, {}", descriptors(&edge));

    // Those that wait in the queue are served as soon as others have gone.
    let last = flood.pop().expect("a hundred of them");
    drop(flood);
    let served =
        wait::until(SOON, || client::try_get(edge.address(), "/own").is_ok_and(|a| a.text() == "own").then_some(()));
    assert!(served.is_some(), "nobody new is served:\n{}", edge.errors());
    drop(last);
    limit_files(&edge, 20_000);
    assert_eq!(client::get(edge.address(), "/app").text(), "app");
    let freed = wait::until(SOON, || (descriptors(&edge) <= before + 4).then_some(()));
    assert!(freed.is_some(), "from {before} descriptors to {}", descriptors(&edge));
    neighbours.assert_unharmed();
}
