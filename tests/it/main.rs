//! The integration tests: the program as it is installed, in front of real Tomcats, beside a real nginx.
//!
//! One binary, so that all tests share one pair of Tomcats. `tests/run` installs what they need.

#[path = "../support/mod.rs"]
mod support;

mod balancing;
mod cache;
mod converted;
mod demo;
mod dependencies;
mod differential;
mod documents;
mod failing;
mod features;
mod grpc;
mod hard;
mod health;
mod house;
mod http2;
mod lane;
mod limits;
mod messages;
mod msm;
mod process;
mod proxy_protocol;
mod purging;
mod reload;
mod rig;
mod rules;
mod seeing;
mod session_context;
mod session_nodes;
mod session_show;
mod session_visible;
mod sessions;
mod shipping;
mod short_way;
mod slices;
mod snapshots;
mod sticky;
mod tls;
mod tomcats;
mod upstream_http2;
mod upstream_keepalive;
mod upstream_timeouts;
mod upstream_tls;
