//! The integration tests' rig: real Tomcats, nginx, memcached and the edge itself as child processes, single-purpose
//! backends, and a client that shows exactly what came over the wire.
//!
//! It is here so that a test reads as prose: `Tomcat::start("tomcat1")`, `Edge::yaml(..).start()`,
//! `client::get(edge.address(), "/index.jsp")`. What always holds: every process dies with the test process, whatever
//! kills that one; every port is free and on loopback; every wait has a limit.

#![allow(dead_code)] // each part is complete by itself; not every test uses all of it

pub mod backend;
pub mod certificates;
pub mod client;
pub mod curl;
pub mod edge;
pub mod front;
pub mod grpc;
pub mod haproxy;
pub mod http2;
pub mod load;
pub mod memcached;
pub mod nginx;
pub mod origin;
mod parse;
pub mod ports;
pub mod process;
pub mod relay;
pub mod request;
pub mod response;
pub mod standin;
pub mod tls;
pub mod tomcat;
pub mod wait;
pub mod webapp;
pub mod websocket;

/// The nginx.conf of the deployment that edge replaces, as it was found.
pub const SEED_NGINX_CONF: &str = include_str!("../../conf/nginx.conf");

/// Whether there is time: `EDGE_TEST_LONG=1` makes the proofs under load as long as they should be before a release.
pub fn is_long() -> bool {
    std::env::var_os("EDGE_TEST_LONG").is_some_and(|value| value != "0")
}
