//! Which server a request gets, against Debian's nginx (one worker): the same upstream, the same backends on the same ports,
//! the same requests one after the other, first through nginx and then through edge, compared one by one. Chance is compared
//! by its distribution; what Debian's nginx has not, by its definition.

mod chance;
mod farm;
mod least_time;

use farm::{Step, compare};
use std::net::Ipv4Addr;
use std::time::Duration;

/// As often as it takes to see a whole turn of the weights, with a server that dies and comes back. nginx counts whole
/// seconds: after 2.3 of them a `fail_timeout` of 1 is over for both.
fn death_and_return(ask: impl Fn(usize) -> Step) -> Vec<Step> {
    let asks = |from: usize, to: usize| (from..to).map(&ask).collect::<Vec<_>>();
    let mut steps = asks(0, 20);
    steps.push(Step::Die('b'));
    steps.extend(asks(20, 40));
    steps.push(Step::Return('b'));
    steps.extend(asks(40, 50));
    steps.push(Step::Wait(Duration::from_millis(2300)));
    steps.extend(asks(50, 80));
    steps
}

fn plain(_: usize) -> Step {
    Step::Ask("/".into())
}

fn keyed(n: usize) -> Step {
    Step::Ask(format!("/key/{}", n * 7919 % 61))
}

/// `ip_hash` looks at the first three octets.
fn from_network(n: usize) -> Step {
    Step::AskFrom(Ipv4Addr::new(127, (n * 37 % 250) as u8, (n * 11 % 250) as u8, 1 + (n % 200) as u8))
}

const WEIGHED: &str =
    "server {a} weight=3 fail_timeout=1s; server {b} weight=2 fail_timeout=1s; server {c} fail_timeout=1s;";

#[test]
fn round_robin_by_weight_is_nginx_s() {
    compare(&format!("{WEIGHED} server {{d}} backup;"), &death_and_return(plain));
}

#[test]
fn a_backup_stands_in_as_in_nginx() {
    let mut steps = vec![plain(0); 4];
    steps.extend([Step::Die('a'), Step::Die('b')]);
    steps.extend(vec![plain(0); 8]);
    steps.extend([Step::Return('a'), Step::Return('b'), Step::Wait(Duration::from_millis(2300))]);
    steps.extend(vec![plain(0); 12]);
    let servers =
        "server {a} weight=2 fail_timeout=1s; server {b} fail_timeout=1s; server {c} backup; server {d} backup;";
    compare(servers, &steps);
    compare(&format!("least_conn; {servers}"), &steps);
}

#[test]
fn least_conn_is_nginx_s() {
    compare(&format!("least_conn; {WEIGHED} server {{d}} backup;"), &death_and_return(plain));
}

#[test]
fn least_conn_with_requests_in_flight_is_nginx_s() {
    for servers in [
        "least_conn; server {a}; server {b}; server {c};",
        "least_conn; server {a} weight=3; server {b} weight=2; server {c};",
        "least_conn; server {a} weight=4; server {b} max_conns=1; server {c} weight=2 max_conns=3;",
    ] {
        let mut steps = Vec::new();
        for round in 0..7 {
            steps.push(Step::Hold);
            steps.extend((0..=round % 3).map(plain));
        }
        steps.push(Step::LetGo);
        steps.extend((0..7).map(plain));
        compare(servers, &steps);
    }
}

#[test]
fn round_robin_leaves_full_servers_out_as_nginx_does() {
    // Without a zone of shared memory nginx counts connections in each worker; there is one.
    let mut steps = vec![Step::Hold, Step::Hold, Step::Hold];
    steps.extend((0..6).map(plain));
    steps.push(Step::LetGo);
    steps.extend((0..6).map(plain));
    compare("server {a} max_conns=1; server {b} max_conns=1; server {c};", &steps);
}

#[test]
fn ip_hash_is_nginx_s() {
    compare(&format!("ip_hash; {WEIGHED}"), &death_and_return(from_network));
    compare(
        "ip_hash; server {a}; server {b} fail_timeout=1s; server {c} down; server {d};",
        &death_and_return(from_network),
    );
}

#[test]
fn hash_is_nginx_s() {
    compare(&format!("hash $request_uri; {WEIGHED}"), &death_and_return(keyed));
    compare(
        "hash $uri$is_args$args; server {a} down; server {b} fail_timeout=1s; server {c};",
        &death_and_return(keyed),
    );
}

#[test]
fn consistent_hash_is_nginx_s() {
    compare(&format!("hash $request_uri consistent; {WEIGHED}"), &death_and_return(keyed));
    compare(
        "hash x$uri consistent; server {a}; server {b} fail_timeout=1s; server localhost:{d_port}; server {c} down;",
        &death_and_return(keyed),
    );
}
