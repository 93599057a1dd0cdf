//! Too many: from one address, and in all. Those beyond the limit are told so at once, and the limit is one address's.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::{Neighbours, SOON, application, descriptors, lines_with, plan};
use crate::support::backend::{self, Backend};
use crate::support::client::{self, Client};
use crate::support::{request, wait};

#[test]
fn one_address_has_its_share_and_others_have_theirs() {
    const SHARE: usize = 5;
    const OFFENDERS: usize = 60;
    let application = Backend::start(|seen, answer| match seen.target() {
        "/held" => answer.stall(),
        _ => answer.write(backend::ok("app")),
    });
    let zone = "limit_conn_zone: { address: { key: $binary_remote_addr, size: 1m } }\nlimit_conn_status: 429\n";
    let limit = format!("    limit_conn: {{ address: {SHARE} }}\n");
    let edge = plan(&application, zone, &limit, "").start();
    // They have an address of their own, and its whole share would be four of five.
    let neighbours = Neighbours::of(&edge);
    let crowd = Ipv4Addr::new(127, 0, 0, 2);
    let mut offenders: Vec<Client> = (0..OFFENDERS)
        .map(|_| {
            let mut client = Client::connect_from(crowd, edge.address());
            client.write(request::get("/held").bytes());
            client
        })
        .collect();
    let mut refused = 0;
    let told = wait::until(SOON, || {
        refused += offenders
            .extract_if(.., |client| client.wait_readable(Duration::from_millis(1)))
            .map(|mut client| client.response("GET").expect("a refusal").status())
            .filter(|status| *status == 429)
            .count();
        (refused == OFFENDERS - SHARE).then_some(())
    });
    assert!(told.is_some() && offenders.len() == SHARE, "{refused} were refused, {} are held", offenders.len());
    assert_eq!(application.seen().iter().filter(|seen| seen.target() == "/held").count(), SHARE);
    assert!(edge.wait_error("limiting connections by zone \"address\""));
    let third = Client::connect_from(Ipv4Addr::new(127, 0, 0, 3), edge.address())
        .ask(&request::get("/app"))
        .expect("an answer");
    assert_eq!((third.status(), third.text().as_str()), (200, "app"));

    drop(offenders);
    let again = || {
        Client::connect_from(crowd, edge.address())
            .ask(&request::get("/app"))
            .is_ok_and(|answer| answer.status() == 200)
    };
    assert!(wait::until(SOON, || again().then_some(())).is_some(), "the address is never let in again");
    neighbours.assert_unharmed();
}

#[test]
fn beyond_worker_connections_newcomers_are_let_go_and_the_others_stay() {
    const MOST: usize = 50;
    let application = application();
    let edge = plan(&application, &format!("worker_connections: {MOST}\n"), "", "").start();
    let neighbours = Neighbours::of(&edge);
    let before = descriptors(&edge);
    let flood: Vec<TcpStream> =
        (0..400).map(|_| TcpStream::connect(edge.address()).expect("room in the queue")).collect();
    assert!(lines_with(&edge, "logs/error.log", "worker_connections are not enough", 300) >= 300, "{}", edge.errors());
    assert!(descriptors(&edge) <= before + MOST, "{} descriptors, {before} before", descriptors(&edge));
    drop(flood);
    let again = || client::try_get(edge.address(), "/own").is_ok_and(|answer| answer.status() == 200);
    assert!(wait::until(SOON, || again().then_some(())).is_some(), "nobody is let in again");
    neighbours.assert_unharmed();
}
