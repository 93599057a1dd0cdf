//! The client's connection, between its socket (or TLS stream) and Pingora's `HttpProxy`.
//!
//! Pingora's own HTTP/1 server side is lax where an edge must be strict and poor where nginx is rich. This room sits
//! below it and gives it a clean, unambiguous view: a head that was checked by nginx's rules and written anew, a body
//! framed anew, and a socket that takes an answer as fast as the upstream gives it.
//!
//! | file | does |
//! |---|---|
//! | `parse/` | the strict reading of a head, with limits and nginx's outcomes |
//! | `present` | the head Pingora is given instead |
//! | `chunked` | the strict reading of a body |
//! | `body` | a body collected whole, in memory or in a mapped file |
//! | `pace` | how many pieces of a body are on their way to the server |
//! | `outbox` | what a slow client has still to get |
//! | `throttle` | how fast it may get it |
//! | `replaced` | another answer in the place of the one that Pingora writes |
//! | `trailing` | trailer fields behind the last chunk |
//! | `wire`, `writing` | the bytes of a connection, polled under its lock |
//! | `connection` | the connection as the `ProxyHttp` sees it |
//! | `handle` | the connection as Pingora sees it |
//! | `turns` | the connection as the loop sees it |
//! | `proxy_protocol` | what a balancer says of the connection before anything else |
//! | `unattended` | a connection with nobody at its other end, for requests of edge's own |
//! | `http2/` | a connection of HTTP/2, whose streams are connections of one request |
//!
//! The loop of the owner:
//!
//! ```ignore
//! let facts = Facts::of(&stream, listener);
//! let mut client = Client::new(stream, facts, settings.clone());
//! loop {
//!     let head = match client.read_head(&settings, &shutdown).await {
//!         Ok(Some(head)) => Arc::new(head),
//!         Ok(None) => return,                                   // dropping closes
//!         Err(refusal) if refusal.answered => return client.refuse(page(refusal)).await,
//!         Err(_) => return,
//!     };
//!     client.present(head);
//!     let session = ServerSession::new_http1(Box::new(client));
//!     let Some(reused) = proxy.process_new_http(session, &shutdown).await else { return };
//!     let Ok(back) = Client::from_stream(reused.consume().0) else { return };
//!     client = back;
//!     if !client.finish_request().await {
//!         return client.close().await;
//!     }
//! }
//! ```
//!
//! What the `ProxyHttp` does with a [`Connection`], which it finds by `Connection::of(session.digest())`:
//!
//! - `early_request_filter`: `session.set_read_timeout(None)`, as the limits of reading are kept here; the request is
//!   [`Connection::head`], not Pingora's.
//! - `request_filter`: [`Connection::collect_body`], or [`Connection::stream_body`] with the location's limits, or, for an
//!   answer made here, [`Connection::discard_body`] followed by `session.drain_request_body()`, without which Pingora
//!   closes the connection; [`Connection::set_buffering`] and [`Connection::ignore_abort`] of the location.
//! - `upstream_request_filter`: all fields of the head; for a collected body its `Content-Length` instead of
//!   `Transfer-Encoding`.
//! - `request_body_filter`: for a collected body, [`Body::bytes`] in the place of whatever comes and is not empty;
//!   [`Connection::pace`] for what goes on.
//! - `response_filter`: [`Connection::upgrade`] for a 101; [`Connection::replace_answer`] where the client gets another answer
//!   than the one that Pingora is to read to its end.
//! - `fail_to_proxy`: [`Connection::body_error`] before anything else.
//! - `logging`: [`Connection::delivered`].
//!
//! What always holds: a byte of one request is never read as part of another; every wait has a limit; every queue has a
//! bound; nothing a client sends can panic here.

mod body;
mod chunked;
mod connection;
#[cfg(test)]
pub(crate) mod fuzzed;
mod handle;
pub mod http2;
mod outbox;
mod pace;
pub mod parse;
mod present;
pub mod proxy_protocol;
mod replaced;
mod settings;
#[cfg(test)]
mod tests;
mod throttle;
mod trailing;
mod turns;
mod unattended;
mod waits;
mod wire;
mod writing;

pub use body::{Body, BodyError};
pub use connection::{Connection, Facts};
pub use handle::{Client, Spare};
pub use outbox::QUEUED_BY_ALL;
pub use parse::Refusal;
pub use settings::{BodyLimits, Buffering, InFile, Settings};
pub use unattended::{Attended, attended, unattended};
pub use waits::Waits;
