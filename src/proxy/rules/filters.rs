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
//! let options = edge::server::Options { file: "edge.yaml".into(), ..Default::default() };
//! edge::server::serve_with(options, vec![Arc::new(Door)], || println!("ready"))?;
//! # Ok::<(), edge::server::Failure>(())
//! ```

use crate::proxy::request::Request;
use crate::rules::outcome::Answer;
use crate::rules::{Outcome, Phase, View};
use async_trait::async_trait;
use pingora_http::ResponseHeader;
use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

/// Code that looks at every request, as rules do, and decides by the same [`Outcome`]: what is decided is done as if a rule had.
///
/// Embedded stand outside of all rules: before those of the server in the phases `request` and `upstream_request`, behind them
/// in the others, each phase in the order in which they were given. A reload keeps them. A request that a filter answers goes
/// no further. All methods do nothing unless they are written. One that panics is told of in the error log, and the request goes on
/// without it; where it had to say whether the request may go on, it is answered with 500.
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

/// Why nothing was heard of a filter.
#[derive(Debug, PartialEq, Eq)]
enum Unheard {
    Late,
    Panicked(String),
}

/// Waits for a filter, but not for ever; code of others may fail, and takes nothing with it but its own request.
async fn heard(mut asked: Pin<Box<dyn Future<Output = ()> + Send + '_>>) -> Result<(), Unheard> {
    let asked = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| asked.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(Unheard::Panicked(words_of(&*panic)))),
    });
    tokio::time::timeout(super::LONGEST_WAIT, asked).await.unwrap_or(Err(Unheard::Late))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
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
            match heard(asked).await {
                Ok(()) => {}
                Err(Unheard::Late) => {
                    self.log_warn(format_args!("the filter {} has not decided in time", filter.name()));
                    outcome.answer = Some(Answer::Status(500));
                }
                Err(Unheard::Panicked(why)) => {
                    self.log_error(format_args!("the filter {} has panicked: {why}", filter.name()));
                    outcome.answer = Some(Answer::Status(500));
                }
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
        let asked = self.attempts.asked().map(|(upstream, _)| upstream.name());
        let seen = self.seen(answer, asked, SystemTime::now());
        for filter in self.bound.snapshot.embedded.all() {
            let asked = AssertUnwindSafe(|| match phase {
                Phase::Request => {}
                Phase::UpstreamRequest => filter.upstream_request(&seen, outcome),
                Phase::Response => filter.response(&seen, outcome),
                Phase::Log => filter.log(&seen, outcome),
            });
            if let Err(panic) = catch_unwind(asked) {
                let (name, why) = (filter.name(), words_of(&*panic));
                self.log_error(format_args!("the filter {name} has panicked in the phase `{phase}`: {why}"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::rules::LONGEST_WAIT;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_a_minute_for_a_filter() {
        assert_eq!(LONGEST_WAIT, Duration::from_secs(60));
        let begun = Instant::now();
        assert_eq!(heard(Box::pin(std::future::pending())).await, Err(Unheard::Late));
        assert_eq!(begun.elapsed(), LONGEST_WAIT);
        let slow = sleep(LONGEST_WAIT - Duration::from_millis(5));
        assert_eq!(heard(Box::pin(slow)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_filter_that_panics_is_heard_of() {
        let panics = |words: &'static str| async move {
            tokio::task::yield_now().await;
            assert!(words.is_empty(), "{words}");
            std::panic::panic_any(5);
        };
        assert_eq!(heard(Box::pin(panics("its words"))).await, Err(Unheard::Panicked("its words".into())));
        assert_eq!(heard(Box::pin(panics(""))).await, Err(Unheard::Panicked("without a word".into())));
    }
}
