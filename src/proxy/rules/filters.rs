//! Rust code with a say over requests, for programs that embed edge: the phases of rules, and what rules may decide.
//!
//! ```no_run
//! use async_trait::async_trait;
//! use edge::Filter;
//! use edge::rules::{Outcome, View};
//! use std::sync::Arc;
//!
//! /// Lets those in whom somebody else knows.
//! struct Door;
//!
//! #[async_trait]
//! impl Filter for Door {
//!     fn name(&self) -> &str {
//!         "door"
//!     }
//!
//!     async fn request(&self, seen: View<'_>, outcome: &mut Outcome) {
//!         match seen.exchange.head.headers.get("x-badge") {
//!             Some(badge) => drop(outcome.set_request_header("X-Person", badge)),
//!             None => outcome.respond(401),
//!         }
//!     }
//!
//!     fn response(&self, _seen: &View<'_>, outcome: &mut Outcome) {
//!         outcome.set_response_header("X-Door", "open");
//!     }
//! }
//!
//! let options = edge::server::Options {
//!     file: "edge.yaml".into(),
//!     prefix: None,
//!     offline: false,
//!     check_only: false,
//!     tomcats: Vec::new(),
//! };
//! edge::server::serve_with(options, vec![Arc::new(Door)], || println!("ready"))?;
//! # Ok::<(), edge::server::Failure>(())
//! ```

use crate::proxy::request::Request;
use crate::rules::outcome::Answer;
use crate::rules::{Outcome, Phase, View};
use async_trait::async_trait;
use pingora_http::ResponseHeader;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Code that looks at every request, as rules do, and decides by the same [`Outcome`]: what is decided is done as if a rule had.
///
/// Embedded stand outside of all rules: before those of the server in the phases `request` and `upstream_request`, behind them
/// in the others, each phase in the order in which they were given. A reload keeps them. A request that a filter answers goes
/// no further. All methods do nothing unless they are written.
#[async_trait]
pub trait Filter: Send + Sync + 'static {
    /// What logs call it.
    fn name(&self) -> &str;

    /// The head of the request is known, nothing was done with it. Whoever takes longer than [`super::LONGEST_WAIT`] is
    /// stopped, and the request is answered with 500.
    async fn request(&self, _seen: View<'_>, _outcome: &mut Outcome) {}

    /// An upstream was chosen and is about to be asked; once for each attempt.
    fn upstream_request(&self, _seen: &View<'_>, _outcome: &mut Outcome) {}

    /// There is an answer for the client.
    fn response(&self, _seen: &View<'_>, _outcome: &mut Outcome) {}

    /// The client has its answer.
    fn log(&self, _seen: &View<'_>, _outcome: &mut Outcome) {}
}

/// The filters of a process.
#[derive(Clone, Default)]
pub struct Embedded(Option<Arc<[Arc<dyn Filter>]>>);

impl Embedded {
    pub fn new(filters: Vec<Arc<dyn Filter>>) -> Embedded {
        Embedded((!filters.is_empty()).then(|| filters.into()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn all(&self) -> &[Arc<dyn Filter>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.all().iter().map(|filter| filter.name())).finish()
    }
}

impl Request {
    pub(super) fn has_filters(&self) -> bool {
        !self.bound.snapshot.embedded.is_empty()
    }

    /// Asks the filters before anything is done.
    pub(super) async fn filter_request(&mut self, outcome: &mut Outcome) {
        let bound = self.bound.clone();
        for filter in bound.snapshot.embedded.all() {
            let asked = filter.request(self.seen(None, None, SystemTime::now()), outcome);
            if tokio::time::timeout(super::LONGEST_WAIT, asked).await.is_err() {
                self.log_warn(format_args!("the filter {} has not decided in time", filter.name()));
                outcome.answer = Some(Answer::Status(500));
            }
            if outcome.answer.is_some() {
                return;
            }
        }
    }

    /// Asks them in one of the phases in which nobody is waited for.
    pub(super) fn filter_in(&self, phase: Phase, answer: Option<&ResponseHeader>, outcome: &mut Outcome) {
        if !self.has_filters() {
            return;
        }
        let asked = self.attempts.asked().map(|(upstream, _)| upstream.name().to_owned());
        let seen = self.seen(answer, asked.as_deref(), SystemTime::now());
        for filter in self.bound.snapshot.embedded.all() {
            match phase {
                Phase::Request => {}
                Phase::UpstreamRequest => filter.upstream_request(&seen, outcome),
                Phase::Response => filter.response(&seen, outcome),
                Phase::Log => filter.log(&seen, outcome),
            }
        }
    }

    fn seen<'r>(
        &'r self,
        response: Option<&'r ResponseHeader>,
        upstream: Option<&'r str>,
        now: SystemTime,
    ) -> View<'r> {
        let snapshot = &self.bound.snapshot;
        View { exchange: &self.exchange, response, vars: snapshot.defined.names(), upstream, edge: &snapshot.edge, now }
    }
}
