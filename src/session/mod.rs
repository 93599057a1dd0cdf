//! Sessions of Tomcats whose memcached-session-manager (MSM) keeps them in memcached: which server a request belongs to, and
//! what has to happen before it may go there.
//!
//! ```text
//!   id           what is written in a session id: base, node, route
//!   carried      where an id stands in a request (cookie, path parameter), and another one in its place
//!   blob         what MSM stores, as far as it can be read without a serializer
//!   store        nodes by name, which of them holds what
//!   layout       MSM's keys
//!   servers/     whether a server lives, looked at and not guessed from requests, and what all edges know of that
//!   record       who has taken a session over, in memcached
//!   takeover/    one request takes a session over, the others follow it
//!   affinity     the decision: where does this request go, under which id
//!   sticky/      for applications without MSM: nginx's `sticky`, by a cookie of edge's own, a route, or an id that was learned
//! ```
//!
//! It is here because every proxy that only looks at routes loses most of the updates that follow a Tomcat's death: several
//! servers, or several requests at one server, each take a copy of the session and count on it.
//!
//! What always holds: no byte of a client becomes part of a memcached command unless [`id::Id`] has checked it; every wait has
//! a limit; an edge holds nothing that cannot be lost; while a session's owner lives and has not been away, no request waits
//! for memcached.

pub mod affinity;
pub mod blob;
pub mod carried;
pub mod id;
pub mod layout;
pub mod record;
pub mod servers;
pub mod sticky;
pub mod store;
pub mod takeover;

#[cfg(test)]
mod sim;
