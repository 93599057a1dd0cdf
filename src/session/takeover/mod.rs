//! One request takes a session over, the others follow it.
//!
//! ```text
//!   world      what is needed from outside: servers, nodes, somebody who asks
//!   settings   how an upstream's sessions are kept
//!   step       the decision: id, record and views in, one of five steps out
//!   pick       which server takes it: rendezvous
//!   taking     one session on its way, step by step
//!   moving     who is to take it
//!   gate       the first request: a probe, or the client's own
//!   books      records and copies of sessions in memcached
//!   lease      who acts, of all edges        locks     the same on this one
//!   turn       non-sticky: one request of a session at a time
//!   place      where sessions are known to be
//!   ground     what they all stand on
//!   counts     a name for each case
//! ```
//!
//! It is here because MSM hands a session from one Tomcat to another only if one request comes first and alone: two at
//! once, at two servers or at one, each load a copy and count on it, and the others find nothing.
//!
//! What always holds: a session is asked for at one server only, the one its record names or all edges come to; nobody passes
//! while it is being taken over; a record is changed by whoever has the lease, by compare-and-swap.

mod books;
pub mod counts;
pub mod gate;
pub(super) mod ground;
mod lease;
mod locks;
mod moving;
mod pick;
pub(super) mod place;
mod recent;
pub mod settings;
mod step;
mod stored;
pub(super) mod taking;
pub mod turn;
pub mod world;

pub use counts::{Cause, Counts, Lost};
pub use gate::Gate;
pub use settings::{Context, Ignore, Mode, Settings};
pub use taking::Why;
pub use turn::Turn;
pub use world::{Carried, Moved, NodeView, Probe, Probed, Server, SetCookie, State, View, World};

pub(super) use pick::balance;
pub(super) use step::{NODE_SETTLES, preference};

/// A value as MSM stores it, for tests.
#[cfg(test)]
pub(super) fn stored_value(id: &str, attributes: &[u8]) -> Vec<u8> {
    stored::tests::value(id, 0, b"", attributes)
}
