//! Sessions on a request's way: whose server it goes to, under which id, and what its answer says of that.
//!
//! ```text
//!   place    before a server is chosen: where the session is
//!   carry    the request and the answer with the id that holds now
//!   route    the id of a session whose server is gone gets the route of another, where nobody else does that
//!   sticky   clients that are bound to servers without sessions
//!   probe    the question that makes a Tomcat take a session over
//!   world    the servers as the session room wants them told
//!   kept     what outlives a configuration: who watches the servers, what is known of sessions
//! ```
//!
//! The decisions are `session::takeover`'s. What is here reads the id where the client wrote it, hands over what a decision needs,
//! and does with the request what was decided.
//!
//! Always: a request with a session goes where that is decided, whatever `proxy_next_upstream` says; one that was not sent yet is
//! decided anew, one that was is repeated only where it may be repeated anyway.

mod carry;
mod kept;
mod place;
mod probe;
mod route;
mod sticky;
mod world;

pub use kept::{Kept, Sessions, Settings};
pub(super) use place::Placed;
