//! Rules: a condition in CEL and typed actions, as data.
//!
//! A rule decides and never does. Nothing in here waits, locks or opens anything, and time is what the request's view of the
//! world says it is ([`View`]), so that the same rules run over a request, in `edge explain` and in the tests of a rule file.
//!
//! ```text
//!   file        a rule file as written; parameters fills it in, place finds its mistakes
//!   expr        CEL: what an expression may read (view), and what it means
//!   action/     what a rule may decide
//!   set         the rules of one place, compiled; index finds those that may concern a request
//!   run         goes through a set, and stops where something is needed
//!   outcome     what was decided
//!   counts      how often rules were asked, and what came of it
//!   testing     the tests of a file, run over requests that nobody makes
//! ```
//!
//! What always holds: an expression cannot panic, and what it may cost is bounded.

pub mod action;
pub mod counts;
pub mod expr;
pub mod file;
mod index;
pub mod outcome;
mod parameters;
mod place;
mod run;
mod set;
pub mod testing;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;

pub use outcome::Outcome;
pub use run::{Met, Need, Run, Step, World};
pub use set::{Names, RuleSet};
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

impl crate::config::Value for Phase {
    fn expected() -> String {
        "`request`, `upstream_request`, `response` or `log`".into()
    }

    fn read(node: &crate::config::Node, diagnostics: &mut crate::config::Diagnostics) -> Option<Phase> {
        let written = node.as_text().unwrap_or_default();
        let found = Phase::ALL.into_iter().find(|phase| phase.as_str() == written);
        if found.is_none() {
            diagnostics
                .error(node.span, format!("expected {}, found {}", Self::expected(), node.describe()))
                .did_you_mean(written, Phase::ALL.map(Phase::as_str));
        }
        found
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "enum": Phase::ALL.map(Phase::as_str) })
    }
}
