//! Sessions on a request's way: whose server it goes to, under which id, and what its answer says of that.
//!
//! ```text
//!   place    before a server is chosen: where the session is
//!   carry    the request and the answer with the id that holds now
//!   route    the id of a session whose server is gone gets the route of another, where nobody else does that
//!   newcomer who has no session goes to a server that is there
//!   sticky   clients that are bound to servers without sessions
//!   probe    the question that makes a Tomcat take a session over
//!   wire     how the servers are spoken to: TLS, the PROXY protocol
//!   world    the servers as the session room wants them told
//!   required what a location demands of sessions
//!   state    what variables and logs tell of a session
//!   look     what memcached has of a session
//!   alive    sessions that are only read do not vanish from memcached
//!   depart   an operator moves sessions off a server, or takes it back
//!   told     what `edge explain` says of a session
//!   stats    what is counted, by name
//!   kept     what outlives a configuration: who watches the servers, what is known of sessions
//! ```
//!
//! The decisions are `session::takeover`'s. What is here reads the id where the client wrote it, hands over what a decision needs,
//! and does with the request what was decided.
//!
//! Always: a request with a session goes where that is decided, whatever `proxy_next_upstream` says; one that was not sent yet is
//! decided anew, one that was is repeated only where it may be repeated anyway.

mod alive;
mod carry;
mod depart;
mod kept;
mod look;
mod newcomer;
mod place;
mod probe;
mod required;
mod route;
mod state;
mod stats;
mod sticky;
mod told;
mod wire;
mod world;

pub use kept::{Kept, Sessions, Settings};
pub(super) use place::Placed;
pub use required::Demand;
pub(super) use required::Refused;
pub use state::LogKey;
pub use wire::Wire;
