//! Rules: a condition in CEL and typed actions, as data.
//!
//! A rule decides and never does. Nothing in here waits, locks or opens anything, and time is what the request's view of the
//! world says it is ([`View`]), so that the same rules run over a request, in `edge explain` and in the tests of a rule file.
//! What an expression may read, and what it means, is in [`expr`].
//!
//! What always holds: an expression cannot panic, and what it may cost is bounded.

pub mod expr;
mod view;

use std::fmt;

pub use view::{EdgeFacts, Vars, View};

/// When a rule runs. Later phases know more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The head of the request is known, nothing was done with it.
    Request,
    /// An upstream was chosen and is about to be asked.
    UpstreamRequest,
    /// There is an answer for the client.
    Response,
    /// The client has its answer.
    Log,
}

impl Phase {
    pub const ALL: [Phase; 4] = [Phase::Request, Phase::UpstreamRequest, Phase::Response, Phase::Log];

    /// As rule files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Request => "request",
            Phase::UpstreamRequest => "upstream_request",
            Phase::Response => "response",
            Phase::Log => "log",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
