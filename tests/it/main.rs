//! The integration tests: the program as it is installed, in front of real Tomcats, beside a real nginx.
//!
//! One binary, so that all tests share one pair of Tomcats. `tests/run` installs what they need.

#[path = "../support/mod.rs"]
mod support;

mod demo;
mod differential;
mod features;
mod house;
mod messages;
mod process;
mod rig;
mod snapshots;
mod tomcats;
mod upstream_http2;
mod upstream_keepalive;
mod upstream_timeouts;
mod upstream_tls;
