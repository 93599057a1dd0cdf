//! What rules decided, done: to the request, to what the upstream is sent, to what the client is told.

use super::{Decided, PlacedRules};
use crate::client::Connection;
use crate::limit::Guard;
use crate::proxy::content::Content;
use crate::proxy::limits::stays_for;
use crate::proxy::redirect;
use crate::proxy::request::Request;
use crate::rules::outcome::{Answer, Target};
use crate::rules::{Outcome, Phase};
use crate::upstream::Upstream;
use bytes::Bytes;
use http::HeaderValue;
use pingora_http::{RequestHeader, ResponseHeader};
use std::sync::Arc;
use std::time::Duration;

/// Nobody waits longer because of a rule.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How a request goes on after the rules of a place.
#[derive(Debug)]
pub(in crate::proxy) enum Ruled {
    /// As it would have gone.
    On,
    /// Its path is another.
    Moved,
    /// It is answered.
    Content(Content),
    /// It is answered with the page there is for the status.
    Status(u16),
}

impl Request {
    /// The rules of the whole and the server, once.
    pub(in crate::proxy) async fn ruled_by_server(&mut self) -> Ruled {
        let placed = self.server.rules.clone();
        if (placed.is_none() && !self.has_filters()) || self.copy_for.is_some() {
            return Ruled::On;
        }
        if std::mem::replace(&mut self.ran.server, true) {
            return Ruled::On;
        }
        self.note_session_for_rules();
        let (mut request, guards) = self.take_decided();
        self.filter_request(&mut request).await;
        self.ruled_by(placed.as_deref(), request, guards).await
    }

    /// Those of the location, when it is entered first.
    pub(in crate::proxy) async fn ruled_by_location(&mut self) -> Ruled {
        if !self.any_rules() || self.copy_for.is_some() {
            return Ruled::On;
        }
        let places = self.rules_in_force();
        self.fetch_for_later(&places).await;
        let Some(placed) = self.location.rules.clone() else { return Ruled::On };
        if !self.ran.enter(&self.location) {
            return Ruled::On;
        }
        self.note_session_for_rules();
        let (request, guards) = self.take_decided();
        self.ruled_by(Some(&placed), request, guards).await
    }

    async fn ruled_by(&mut self, placed: Option<&PlacedRules>, mut request: Outcome, mut guards: Vec<Guard>) -> Ruled {
        if let Some(placed) = placed.filter(|_| request.answer.is_none()) {
            self.walk(placed, Phase::Request, &mut request, &mut guards).await;
        }
        let (answer, target) = (request.answer.take(), request.target.take());
        if let Some(decided) = self.decided_with(&request, &guards) {
            (decided.request, decided.guards) = (request, guards);
        }
        match (answer, target) {
            (Some(answer), _) => self.answered_by_rule(answer),
            (None, Some(target)) => self.moved(target),
            (None, None) => Ruled::On,
        }
    }

    /// What was decided before anybody was asked, to go on with it.
    fn take_decided(&mut self) -> (Outcome, Vec<Guard>) {
        let decided = self.rules.as_mut();
        decided.map(|d| (std::mem::take(&mut d.request), std::mem::take(&mut d.guards))).unwrap_or_default()
    }

    /// Where an outcome is kept. Most requests are let through by all rules: for nothing there is no place to be made.
    fn decided_with(&mut self, outcome: &Outcome, guards: &[Guard]) -> Option<&mut Decided> {
        if self.rules.is_none() && outcome.is_nothing() && guards.is_empty() {
            return None;
        }
        Some(self.rules.get_or_insert_default())
    }

    fn answered_by_rule(&self, answer: Answer) -> Ruled {
        match answer {
            Answer::Status(status @ ..300) => {
                Ruled::Content(Content::Text { status, content_type: None, body: Bytes::new() })
            }
            Answer::Status(status) => Ruled::Status(status),
            Answer::Text { status, content_type, body } => {
                let content_type = HeaderValue::from_str(&content_type).ok();
                Ruled::Content(Content::Text { status, content_type, body })
            }
            Answer::Redirect { status, to } => {
                Ruled::Content(Content::Redirect { status, location: redirect::absolute(self, to) })
            }
            Answer::Close => Ruled::Status(444),
        }
    }

    /// As after a `rewrite`.
    fn moved(&mut self, target: Target) -> Ruled {
        if let Some(query) = target.query {
            self.exchange.args = Some(query).filter(|query| !query.is_empty());
            self.changed = true;
        }
        match target.path {
            Some(path) if path != self.exchange.path => {
                self.exchange.path = path;
                self.changed = true;
                self.internal = true;
                self.prefix_holds = false;
                Ruled::Moved
            }
            _ => Ruled::On,
        }
    }

    /// Waits as long as rules want it. False: the client has left meanwhile.
    pub(in crate::proxy) async fn wait_for_rules(&mut self, client: &Arc<Connection>) -> bool {
        let Some(decided) = &mut self.rules else { return true };
        let delay = std::mem::take(&mut decided.request.delay).min(LONGEST_WAIT);
        if delay.is_zero() || self.is_errand || stays_for(delay, Some(client)).await {
            return true;
        }
        self.log_info("client left while it waited for its turn");
        false
    }

    /// What the server that is asked now is sent.
    pub(in crate::proxy) async fn rule_upstream_request(&mut self, head: &mut RequestHeader) {
        if !self.any_rules() || self.copy_for.is_some() {
            return;
        }
        let mut attempt = Outcome::default();
        let mut guards = Vec::new();
        self.filter_in(Phase::UpstreamRequest, None, &mut attempt);
        for placed in self.rules_in_force().iter().flatten() {
            self.walk(placed, Phase::UpstreamRequest, &mut attempt, &mut guards).await;
        }
        if let Some(decided) = self.decided_with(&attempt, &guards) {
            decided.attempt = attempt;
            decided.guards.extend(guards);
        }
        self.told_upstream_request(head);
    }

    /// The same as far as it is known before a server is chosen, for `edge explain`.
    pub(in crate::proxy) fn told_upstream_request(&self, head: &mut RequestHeader) {
        if let Some(decided) = &self.rules {
            self.change_upstream_request(decided, head);
        }
    }

    fn change_upstream_request(&self, decided: &Decided, head: &mut RequestHeader) {
        for change in decided.request.to_upstream.iter().chain(&decided.attempt.to_upstream) {
            if !change.apply_to_request(head) {
                self.log_warn(format_args!(
                    "a rule wants the field {} to have a value that no field can have",
                    change.name
                ));
            }
        }
    }

    /// The place of the server that a rule wants to be asked.
    pub(in crate::proxy) fn wanted_place(&self, upstream: &Upstream) -> Option<usize> {
        let wanted = self.wanted_server().filter(|wanted| !wanted.is_empty())?;
        let servers = &upstream.settings().servers;
        servers.iter().position(|server| {
            server.route.as_deref().is_some_and(|route| route.as_bytes() == wanted)
                || server.address.as_bytes() == wanted
        })
    }

    /// Asks the rules over an answer as it was given.
    pub(in crate::proxy) fn rule_answer(&mut self, answer: &ResponseHeader) {
        if !self.any_rules() || self.copy_for.is_some() {
            return;
        }
        self.exchange.answer.status = answer.status.as_u16();
        let mut outcome = Outcome::default();
        for placed in self.rules_in_force().iter().flatten() {
            self.walk_on(placed, Phase::Response, Some(answer), &mut outcome);
        }
        self.filter_in(Phase::Response, Some(answer), &mut outcome);
        self.ran.answer_known = true;
        if let Some(decided) = self.decided_with(&outcome, &[]) {
            decided.answer = outcome;
        }
    }

    /// The same, unless they were asked over this one already.
    pub(in crate::proxy) fn rule_answer_once(&mut self, answer: &ResponseHeader) {
        if !std::mem::take(&mut self.ran.answer_known) {
            self.rule_answer(answer);
            self.ran.answer_known = false;
        }
    }

    /// Changes what the client is told.
    pub(in crate::proxy) fn change_answer(&self, answer: &mut ResponseHeader) {
        for change in self.rules.iter().flat_map(|decided| decided.to_client()) {
            if !change.apply(answer) {
                self.log_warn(format_args!(
                    "a rule wants the field {} to have a value that no field can have",
                    change.name
                ));
            }
        }
    }

    /// What rules want in the log.
    pub(in crate::proxy) fn rule_log(&mut self, answer: Option<&ResponseHeader>) {
        if !self.any_rules() {
            return;
        }
        let mut outcome = Outcome::default();
        for placed in self.rules_in_force().iter().flatten() {
            self.walk_on(placed, Phase::Log, answer, &mut outcome);
        }
        self.filter_in(Phase::Log, answer, &mut outcome);
        if let Some(decided) = self.decided_with(&outcome, &[]) {
            decided.log = outcome;
            // Nobody is under way any more.
            decided.guards.clear();
        }
    }
}
