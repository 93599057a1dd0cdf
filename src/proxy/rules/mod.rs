//! Rules on a request's way: asked in each phase, given what they need, and done what they decided.
//!
//! ```text
//!   walk     goes through the rules of a place, and fetches what they need
//!   apply    what they decided, done: the request's side and the answer's
//!   mirror   copies of requests, for upstreams whose answers nobody reads
//!   filters  Rust code that has the same say, in programs that embed edge
//! ```
//!
//! Those of the whole and the server run once for a request, before the server's own rewrites; those of a location when it is
//! entered, before its rewrites, and not twice. So they have decided before anything is refused, counted or looked for in the
//! cache, and the same on the short way. Rules over answers run over each that is made for a client, whoever made it, as
//! it was given: fields that are hidden or added for the client are not seen yet.
//!
//! Always: where no rule is attached nothing is done; no rule waits longer for anything than [`apply::LONGEST_WAIT`].

mod apply;
mod filters;
mod mirror;
mod walk;

pub use apply::LONGEST_WAIT;
pub(super) use apply::Ruled;
pub use filters::{Embedded, Filter};
pub(super) use mirror::Mirrored;

use crate::limit::Shared;
use crate::limit::{ConnZone, Guard, RateZone};
use crate::proxy::request::Request;
use crate::proxy::sessions::Demand;
use crate::proxy::snapshot::Location;
use crate::rules::expr::Needs;
use crate::rules::outcome::{CacheWishes, Change};
use crate::rules::{Outcome, Phase, RuleSet};
use std::sync::Arc;

/// The rules of one place, with what they count by.
#[derive(Debug)]
pub struct PlacedRules {
    pub set: RuleSet,
    /// By the places of [`RuleSet::rates`] and so on.
    pub rates: Vec<Counting>,
    pub concurrencies: Vec<Arc<ConnZone>>,
    pub demands: Vec<Demand>,
}

/// Who counts.
#[derive(Debug)]
pub enum Counting {
    /// This edge.
    Alone(Arc<RateZone>),
    /// Several, in memcached.
    Shared(Arc<Shared>),
}

/// What rules have decided over a request.
#[derive(Debug, Default)]
pub struct Decided {
    /// Before anybody was asked.
    request: Outcome,
    /// For the server that is asked now.
    attempt: Outcome,
    /// Over the answer that there is now.
    answer: Outcome,
    /// As the line in the log is written.
    log: Outcome,
    /// Let go at the end of the request.
    guards: Vec<Guard>,
}

/// Which rules have run over a request.
#[derive(Debug, Default)]
pub struct Ran {
    server: bool,
    /// Those of these locations; few requests enter more than one.
    first: Option<Arc<Location>>,
    others: Vec<Arc<Location>>,
    /// Those over the answer, and it is not written yet.
    answer_known: bool,
}

impl Ran {
    /// False: those of this location have run.
    fn enter(&mut self, location: &Arc<Location>) -> bool {
        match &self.first {
            None => self.first = Some(location.clone()),
            Some(_) if self.first.iter().chain(&self.others).any(|ran| Arc::ptr_eq(ran, location)) => return false,
            Some(_) => self.others.push(location.clone()),
        }
        true
    }
}

impl Decided {
    fn to_client(&self) -> impl Iterator<Item = &Change> {
        self.request.to_client.iter().chain(&self.attempt.to_client).chain(&self.answer.to_client)
    }
}

impl Request {
    /// The rules of the server and of the location, those that have a say in its answers.
    fn rules_in_force(&self) -> [Option<Arc<PlacedRules>>; 2] {
        let of_server = self.server.rules.as_ref().filter(|_| !self.location.rules_alone);
        [of_server.cloned(), self.location.rules.clone()]
    }

    fn any_rules(&self) -> bool {
        self.server.rules.is_some() || self.location.rules.is_some() || self.has_filters()
    }

    /// Whether anybody has a say in what a server is sent, beside the configuration's fields.
    pub(super) fn changes_what_is_sent(&self) -> bool {
        let decided = self.rules.as_ref();
        let is_changed =
            decided.is_some_and(|d| !d.request.to_upstream.is_empty() || !d.attempt.to_upstream.is_empty());
        let changes = |rules: &Option<Arc<PlacedRules>>| {
            rules.as_ref().is_some_and(|placed| placed.set.has(Phase::UpstreamRequest))
        };
        is_changed
            || self.has_filters()
            || changes(&self.server.rules)
            || changes(&self.location.rules)
            || self.may_exchange_session_id()
    }

    /// Whether rules have a say in the head of an answer, or must see it.
    pub(super) fn rules_see_answer(&self) -> bool {
        let changes = self.rules.as_ref().is_some_and(|decided| decided.to_client().next().is_some());
        let sees = |rules: &Option<Arc<PlacedRules>>| {
            rules.as_ref().is_some_and(|placed| {
                placed.set.has(Phase::Response) || placed.set.needs(Phase::Log).contains(Needs::RESPONSE)
            })
        };
        changes || self.has_filters() || sees(&self.server.rules) || sees(&self.location.rules)
    }

    /// What they want of the cache.
    pub(super) fn cache_wishes(&self) -> Option<CacheWishes> {
        let decided = self.rules.as_ref()?;
        let mut wishes = decided.request.cache.clone();
        wishes.add(decided.answer.cache.clone());
        Some(wishes)
    }

    /// The upstream that a rule, or a copy of a request, wants to be asked.
    pub(super) fn wanted_upstream(&self) -> Option<&Arc<str>> {
        let by_rule = || self.rules.as_ref()?.request.upstream.as_ref();
        self.copy_for.as_ref().or_else(by_rule)
    }

    /// The server of the upstream that a rule wants to be asked: its route or its address.
    pub(super) fn wanted_server(&self) -> Option<&[u8]> {
        self.rules.as_ref()?.request.server.as_deref()
    }

    /// Whether the request has a line in the access log.
    pub(super) fn is_logged(&self) -> bool {
        let Some(decided) = &self.rules else { return true };
        let sampled = decided.log.sampled.or(decided.answer.sampled).or(decided.request.sampled);
        sampled.unwrap_or(true)
    }
}
