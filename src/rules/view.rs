//! What an expression may read: one request, what is known of its answer, and edge itself.
//!
//! Borrowed throughout, so that making one costs nothing; what an expression yields borrows from it too.

use std::time::SystemTime;

use crate::variables::Exchange;

/// The names of the variables that rules and the configuration set, by their slot in [`Exchange::defined`].
pub use crate::variables::Defined as Vars;

/// One request as an expression sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub exchange: &'a Exchange,
    /// The head of the answer, from the phase `response` on. In the phase `log`, what was sent will do.
    pub response: Option<&'a pingora_http::ResponseHeader>,
    pub vars: &'a Vars,
    /// The name of the upstream that is asked.
    pub upstream: Option<&'a str>,
    pub edge: &'a EdgeFacts,
    pub now: SystemTime,
}

/// What is to know of this edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeFacts {
    pub name: String,
    /// How often the configuration has changed since the start.
    pub generation: u64,
}
