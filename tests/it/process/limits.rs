//! Limits and reloads: what was counted stays counted.

use crate::support::client;
use crate::support::edge::Edge;
use crate::support::{ports, wait};

use crate::messages::Desk;

use super::{HEAD, SOON, reload, reload_in_vain};

fn limited(port: u16, zone: &str, more: &str) -> String {
    format!(
        "{HEAD}limit_req_zone: {{ login: {zone} }}\nserver:\n  - listen: 127.0.0.1:{port}\n    limit_req: {{ zone: login, burst: 1, nodelay: true }}\n    \
         limit_req_status: 429\n{more}"
    )
}

#[test]
fn counts_outlive_a_reload_but_not_another_size() {
    let port = ports::free();
    let usual = limited(port, "{ key: $server_port, size: 1m, rate: 1/h }", "");
    let edge = Edge::yaml(&usual, port).start();
    let status = || client::get(edge.address(), "/").status();
    assert_eq!([status(), status(), status()], [404, 404, 429]);
    reload(&edge, &usual);
    assert_eq!(status(), 429);
    // Another rate, another burst, the same counts.
    let other = limited(port, "{ key: $server_port, size: 1m, rate: 2/h }", "").replace("burst: 1", "burst: 2");
    reload(&edge, &other);
    assert_eq!([status(), status()], [404, 429]);
    let by_host = limited(port, "{ key: $host, size: 1m, rate: 2/h }", "");
    reload_in_vain(&edge, &by_host);
    let said = "the zone `login` counts by `$host`, but in the configuration in force it counts by `$server_port`";
    assert!(edge.errors().contains(said), "{}", edge.errors());
    assert_eq!(status(), 429);
    let larger = limited(port, "{ key: $server_port, size: 2m, rate: 1/h }", "");
    reload(&edge, &larger);
    assert_eq!([status(), status(), status()], [404, 404, 429]);
}

#[test]
fn a_full_zone_forgets_and_refuses_nobody_new() {
    let port = ports::free();
    let edge = Edge::yaml(&limited(port, "{ key: $arg_k, size: 32k, rate: 1/h }", ""), port).start();
    let status = |key: usize| client::get(edge.address(), &format!("/?k={key}")).status();
    assert_eq!([status(0), status(0), status(0)], [404, 404, 429]);
    for key in 1..300 {
        assert_eq!(status(key), 404, "{key}");
    }
    assert_eq!(status(0), 404);
    let told = wait::until(SOON, || {
        edge.errors().contains("limiting requests, excess: 2.000 by zone \"login\"").then_some(())
    });
    assert!(told.is_some(), "{}", edge.errors());
}

#[test]
fn explain_tells_what_is_counted() {
    let text = "limit_req_zone: { a: { key: $remote_addr, size: 1m, rate: 5r/s }, b: { key: $arg_k, size: 1m, rate: 3/h } }\n\
                limit_conn_zone: { c: { key: $server_port, size: 1m } }\n\
                server: [{ listen: 8080, limit_req: [a, { zone: b, burst: 4 }], limit_conn: { c: 7 } }]\n";
    let said = Desk::new().with("edge.yaml", text).edge(&["explain", "GET", "http://a.test:8080/"]);
    assert!(said.status.success(), "{}", said.stderr);
    let told: Vec<&str> = said.stdout.lines().map(str::trim_start).filter(|line| line.starts_with("limit_")).collect();
    assert_eq!(
        told,
        [
            "limit_req  5/s, burst 0, in zone `a`, by `127.0.0.1`",
            "limit_req  3/h, burst 4, in zone `b`, not counted: its key is empty",
            "limit_conn 7 in zone `c`, by `8080`",
        ]
    );
}
