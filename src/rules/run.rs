//! Goes through the rules of one phase for one request. What a rule needs from outside (memcached, a count) it asks for, and
//! is told by whoever has it; nothing here waits.

use super::action::{
    Action, BasicAuth, ConcurrencyAction, Demand, Disturbance, FieldChange, Page, RateAction, Rewrite, Wish,
};
use super::counts::{Limited, RuleCounts};
use super::expr::{Expr, Needs};
use super::index::Candidates;
use super::outcome::{Answer, CacheWishes, Change, Copy, How, Outcome, Target};
use super::set::{Compiled, Phased, RuleSet};
use super::{EdgeFacts, Phase, View};
use crate::variables::{Defined, Exchange};
use bytes::Bytes;
use pingora_http::ResponseHeader;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// What a run looks at, and the little that it changes: variables, captures, and the names of the rules that fired.
pub struct World<'w> {
    pub exchange: &'w mut Exchange,
    pub response: Option<&'w ResponseHeader>,
    pub vars: &'w Defined,
    pub upstream: Option<&'w str>,
    pub edge: &'w EdgeFacts,
    pub now: SystemTime,
    /// A number below 100, another one each time, for whatever is done to so many of a hundred requests.
    pub chance: &'w mut dyn FnMut() -> f64,
}

/// What a rule needs before it can go on.
#[derive(Debug)]
pub enum Need<'s> {
    /// What memcached knows of the session.
    Session,
    /// Whether a request may pass, and when. `place`: in [`RuleSet::rates`].
    Rate { place: usize, limit: &'s RateAction, key: Vec<u8> },
    /// `place`: in [`RuleSet::concurrencies`].
    Concurrency { place: usize, limit: &'s ConcurrencyAction, key: Vec<u8> },
    /// Whether there is a session. `place`: in [`RuleSet::demands`].
    Demand { place: usize, demand: &'s Demand },
    /// Whether the user is who they say.
    Basic(&'s BasicAuth),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// The session was read, or cannot be.
    Session,
    Passed,
    /// It passes after this time.
    Delayed(Duration),
    /// Too many; `retry_after`: when it may be tried again, if that is known.
    Refused {
        retry_after: Option<Duration>,
    },
    /// Without a session, or where nobody could tell.
    Answer(Answer),
    /// 401: nobody it lets in; with the value of `WWW-Authenticate`.
    Unauthorized(Vec<u8>),
}

#[derive(Debug)]
pub enum Step<'s> {
    /// No rule has more to say.
    Done,
    /// The request is answered.
    Answered,
    Need(Need<'s>),
}

/// A rule that is being carried out.
#[derive(Clone, Copy, Debug)]
struct Current<'s> {
    rule: &'s Compiled,
    /// Its condition held.
    fired: bool,
    /// The next action.
    action: usize,
}

/// One walk through the rules of a phase.
#[derive(Debug)]
pub struct Run<'s> {
    set: &'s RuleSet,
    phased: &'s Phased,
    candidates: Candidates,
    /// A rule whose condition waits for memcached.
    waiting: Option<&'s Compiled>,
    current: Option<Current<'s>>,
    met: Option<Met>,
    /// Nothing more of this group.
    stopped: Option<usize>,
    session_known: bool,
    phase: Phase,
    /// What becomes of it is counted.
    counts: bool,
}

impl<'s> Run<'s> {
    pub fn new(set: &'s RuleSet, phase: Phase, exchange: &Exchange) -> Run<'s> {
        let phased = set.phase(phase);
        Run {
            set,
            phased,
            candidates: phased.index.candidates(exchange),
            waiting: None,
            current: None,
            met: None,
            stopped: None,
            session_known: exchange.session.as_ref().is_some_and(|session| session.stored.is_some()),
            phase,
            counts: true,
        }
    }

    /// Nothing of it is counted.
    pub fn uncounted(self) -> Run<'s> {
        Run { counts: false, ..self }
    }

    /// Where the rule counts that needs something.
    pub fn counts(&self) -> Option<&'s RuleCounts> {
        self.current.filter(|_| self.counts).map(|current| &*current.rule.counts)
    }

    /// Tells what came of a need; the next [`Run::go`] goes on with it.
    pub fn met(&mut self, met: Met) {
        match met {
            Met::Session => self.session_known = true,
            met => self.met = Some(met),
        }
    }

    /// Goes on until something is needed, the request is answered, or no rule is left.
    pub fn go(&mut self, world: &mut World<'_>, outcome: &mut Outcome) -> Step<'s> {
        loop {
            if let Some(current) = self.current {
                match self.act(current, world, outcome) {
                    Some(step) => {
                        if let (Step::Answered, Some(counts)) = (&step, self.counts()) {
                            counts.answered(outcome.answer.as_ref().map_or(0, Answer::status));
                        }
                        return step;
                    }
                    None => self.current = None,
                }
            }
            let rule = match self.waiting.take() {
                Some(rule) => rule,
                None => match self.phased.index.next(&mut self.candidates, world.exchange) {
                    Some(at) => &self.phased.rules[at],
                    None => return Step::Done,
                },
            };
            if self.stopped == Some(rule.group) {
                continue;
            }
            let Some(fired) = self.holds(rule, world, outcome) else {
                self.waiting = Some(rule);
                return Step::Need(Need::Session);
            };
            if self.counts {
                rule.counts.asked(fired);
            }
            if fired {
                world.exchange.rules.get_or_insert_default().fire(&rule.name);
                if rule.stop {
                    self.stopped = Some(rule.group);
                }
            }
            self.current = Some(Current { rule, fired, action: 0 });
        }
    }

    /// Whether a condition holds; `None`: the session has to be read first.
    fn holds(&self, rule: &Compiled, world: &World<'_>, outcome: &mut Outcome) -> Option<bool> {
        let [now, then] = &rule.when;
        let holds = |expr: &Expr, outcome: &mut Outcome| match expr.test(&world.view()) {
            Ok(holds) => holds,
            Err(fault) => {
                if self.counts {
                    rule.counts.fault();
                }
                if rule.faults.is_due(world.now) {
                    outcome.faults.push(format!("the rule {} has no answer: {fault}", rule.name));
                }
                false
            }
        };
        if let Some(now) = now
            && !holds(now, outcome)
        {
            return Some(false);
        }
        match then {
            None => Some(true),
            Some(_) if !self.session_known => None,
            Some(then) => Some(holds(then, outcome)),
        }
    }

    /// Does what is left of the actions of a rule.
    fn act(&mut self, mut current: Current<'s>, world: &mut World<'_>, outcome: &mut Outcome) -> Option<Step<'s>> {
        let actions = if current.fired { &current.rule.then } else { &current.rule.otherwise };
        while let Some(action) = actions.get(current.action) {
            let step = match self.met.take() {
                Some(met) => self.settle(action, met, outcome),
                None => match self.need(action, world) {
                    Some(need) => {
                        self.current = Some(current);
                        return Some(Step::Need(need));
                    }
                    None => perform(action, world, outcome),
                },
            };
            if step.is_some() {
                return step;
            }
            current.action += 1;
        }
        None
    }

    /// What has to be known before an action.
    fn need(&self, action: &Action, world: &World<'_>) -> Option<Need<'s>> {
        let set = self.set;
        match action {
            Action::RateLimit(place) => {
                let (place, limit) = (*place, &set.rates()[*place]);
                self.unread(&limit.by).or_else(|| key(&limit.by, world).map(|key| Need::Rate { place, limit, key }))
            }
            Action::ConcurrencyLimit(place) => {
                let (place, limit) = (*place, &set.concurrencies()[*place]);
                self.unread(&limit.by)
                    .or_else(|| key(&limit.by, world).map(|key| Need::Concurrency { place, limit, key }))
            }
            Action::RequireSession(place) => Some(Need::Demand { place: *place, demand: &set.demands()[*place] }),
            Action::BasicAuth(place) => Some(Need::Basic(&set.basics()[*place])),
            Action::Set { value, .. } | Action::Log { value, .. } => self.unread(value),
            _ => None,
        }
    }

    /// The session, where an expression reads it and it was not read yet. Once there is an answer nobody is asked any more.
    fn unread(&self, expr: &Expr) -> Option<Need<'s>> {
        let asks = self.phase < Phase::Response && !self.session_known && expr.needs().contains(Needs::SESSION_STORE);
        asks.then_some(Need::Session)
    }

    /// What came of a need is what the action comes to.
    fn settle(&self, action: &Action, met: Met, outcome: &mut Outcome) -> Option<Step<'s>> {
        let status = match action {
            Action::RateLimit(place) => self.set.rates()[*place].status,
            Action::ConcurrencyLimit(place) => self.set.concurrencies()[*place].status,
            _ => 401,
        };
        if let (Action::RateLimit(_) | Action::ConcurrencyLimit(_), Some(counts)) = (action, self.counts()) {
            counts.limited(match met {
                Met::Delayed(_) => Limited::Delayed,
                Met::Refused { .. } => Limited::Refused,
                _ => Limited::Passed,
            });
        }
        match met {
            Met::Passed | Met::Session => return None,
            Met::Delayed(delay) => {
                outcome.delay = outcome.delay.max(delay);
                return None;
            }
            Met::Refused { retry_after } => {
                outcome.to_client.extend(retry_after.map(retry_after_field));
                outcome.answer = Some(Answer::Status(status));
            }
            Met::Answer(answer) => outcome.answer = Some(answer),
            Met::Unauthorized(demand) => {
                outcome.to_client.push(Change { how: How::Add, name: "WWW-Authenticate".into(), value: demand });
                outcome.answer = Some(Answer::Status(401));
            }
        }
        Some(Step::Answered)
    }
}

/// `Retry-After`, in whole seconds and not a moment too early.
fn retry_after_field(time: Duration) -> Change {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Change { how: How::Set, name: "Retry-After".into(), value: seconds.max(1).to_string().into_bytes() }
}

/// What is counted; `None`: nothing is.
fn key(by: &Expr, world: &World<'_>) -> Option<Vec<u8>> {
    Some(text(by, world)).filter(|key| !key.is_empty())
}

/// The text of an expression; empty where it has no value.
fn text(expr: &Expr, world: &World<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(value) = expr.evaluate(&world.view()) {
        value.write_text(&mut text);
    }
    text
}

impl World<'_> {
    fn view(&self) -> View<'_> {
        View {
            exchange: self.exchange,
            response: self.response,
            vars: self.vars,
            upstream: self.upstream,
            edge: self.edge,
            now: self.now,
        }
    }

    /// So many of a hundred times.
    fn happens(&mut self, percent: f64) -> bool {
        percent >= 100.0 || (self.chance)() < percent
    }
}

fn perform<'s>(action: &Action, world: &mut World<'_>, outcome: &mut Outcome) -> Option<Step<'s>> {
    let x = &*world.exchange;
    // In a later phase there may be one from before.
    let was_answered = outcome.answer.is_some();
    match action {
        Action::Answer(page) => outcome.answer = Some(answer(page, x, outcome)),
        Action::Redirect { to, status } => {
            outcome.answer = Some(Answer::Redirect { status: *status, to: to.evaluate(x).into_owned() });
        }
        Action::Fault(fault) => {
            disturb(fault, world, outcome);
        }
        Action::Rewrite(rewrite) => rewritten(rewrite, world, outcome),
        Action::RequestField(change) => outcome.to_upstream.push(changed(change, x)),
        Action::ResponseField(change) => outcome.to_client.push(changed(change, x)),
        Action::Upstream(name) => outcome.upstream = Some(name.clone()),
        Action::Server(server) => outcome.server = Some(server.evaluate(x).into_owned()),
        Action::Cache(wish) => outcome.cache.add(wishes(wish, x)),
        Action::Mirror { upstream, percent, body } => {
            if world.happens(*percent) {
                outcome.mirrors.push(Copy { upstream: upstream.clone(), body: *body });
            }
        }
        Action::Sample(percent) => outcome.sampled = Some(world.happens(*percent)),
        Action::Set { slot, value } => {
            let value = text(value, world);
            keep(*slot, value.into(), world.exchange);
        }
        Action::Log { name, slot, value } => {
            let value = Bytes::from(text(value, world));
            world.exchange.rules.get_or_insert_default().note(name, value.clone());
            keep(*slot, value, world.exchange);
        }
        // What was needed is not: there is nothing to count.
        Action::RateLimit(_) | Action::ConcurrencyLimit(_) | Action::RequireSession(_) | Action::BasicAuth(_) => {}
    }
    (outcome.answer.is_some() && !was_answered).then_some(Step::Answered)
}

fn keep(slot: usize, value: Bytes, exchange: &mut Exchange) {
    exchange.defined.set(slot, value);
}

fn answer(page: &Page, x: &Exchange, outcome: &mut Outcome) -> Answer {
    outcome.to_client.extend(page.fields.iter().map(|field| changed(field, x)));
    match &page.body {
        _ if page.status == 444 => Answer::Close,
        None => Answer::Status(page.status),
        Some(body) => Answer::Text {
            status: page.status,
            content_type: page.content_type.clone(),
            body: body.evaluate(x).into_owned().into(),
        },
    }
}

fn changed(change: &FieldChange, x: &Exchange) -> Change {
    Change { how: change.how, name: change.name.clone(), value: change.value.evaluate(x).into_owned() }
}

fn disturb(fault: &Disturbance, world: &mut World<'_>, outcome: &mut Outcome) {
    if !world.happens(fault.percent) {
        return;
    }
    outcome.delay = outcome.delay.max(fault.delay);
    outcome.answer = fault.abort.map(Answer::Status);
}

fn wishes(wish: &Wish, x: &Exchange) -> CacheWishes {
    let tags = wish.tags.iter().map(|tag| String::from_utf8_lossy(&tag.evaluate(x)).into_owned());
    CacheWishes {
        bypass: wish.bypass,
        no_store: wish.no_store,
        ttl: wish.ttl,
        key: wish.key.as_ref().map(|key| key.evaluate(x).into_owned()),
        tags: tags.filter(|tag| !tag.is_empty()).collect(),
    }
}

/// The target as the rules before have left it is what the next one changes.
fn rewritten(rewrite: &Rewrite, world: &mut World<'_>, outcome: &mut Outcome) {
    match rewrite {
        Rewrite::To { path, query } => {
            let x = &*world.exchange;
            let target = outcome.target.get_or_insert_default();
            if let Some(path) = path {
                target.path = Some(rooted(path.evaluate(x)));
            }
            if let Some(query) = query {
                target.query = Some(query.evaluate(x).into_owned());
            }
        }
        Rewrite::Match { pattern, to, drops_args } => {
            let before = outcome.target.clone().unwrap_or_default();
            let path = before.path.unwrap_or_else(|| world.exchange.path.clone());
            if !pattern.is_match(&path) {
                return;
            }
            world.exchange.capture(pattern, &path);
            let x = &*world.exchange;
            let mut text = Vec::new();
            let escaped = x.request_uri.iter().any(|b| matches!(b, b'%' | b'+'));
            let question = to.write_rewritten(x, false, escaped, &mut text);
            let own = question.map(|at| text.split_off(at)[1..].to_vec());
            let old = before.query.or_else(|| x.args.clone()).filter(|args| !args.is_empty() && !drops_args);
            let query = match (own, old) {
                (Some(own), Some(old)) if !own.is_empty() => Some([&own[..], b"&", &old[..]].concat()),
                (Some(own), None) => Some(own),
                (_, Some(old)) => Some(old),
                (None, None) => Some(Vec::new()),
            };
            outcome.target = Some(Target { path: Some(rooted(text.into())), query });
        }
    }
}

/// Every path begins with a slash.
fn rooted(path: Cow<'_, [u8]>) -> Vec<u8> {
    match path.first() {
        Some(b'/') => path.into_owned(),
        _ => [b"/", &path[..]].concat(),
    }
}
