//! The tests of a rule file: requests that nobody makes, the file's rules over them, and what came out beside what was
//! expected. No network and no clock: a test says what time it is.

mod compare;
mod made_up;
mod written;

pub use compare::Difference;

use super::file::{File, Group};
use super::outcome::{Answer, Change, How, Outcome};
use super::set::{Names, RuleSet};
use super::{EdgeFacts, Met, Need, Phase, Run, Step, World};
use crate::config::keys::{Key, Keys};
use crate::config::{Diagnostics, Span};
use crate::limit::{ConnZone, Guard, Millis, RateVerdict, RateZone};
use crate::pattern::Pattern;
use crate::variables::{Defined, Exchange};
use pingora_http::ResponseHeader;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use written::{CacheExpectKeys, ExpectKeys, Request, RequestKeys, ResponseKeys, SessionKeys, Test, TestKeys};

/// The counts of one test.
const ROOM: usize = 1 << 20;
/// Nobody writes a test that takes longer.
const MOST_TIMES: u32 = 100_000;

/// What a test may say, for whoever documents it: a test itself, its request, the session of that, the answer of the upstream,
/// what is expected, and what of the cache.
pub fn keys() -> [(&'static str, &'static [Key]); 6] {
    [
        ("", TestKeys::KEYS),
        ("request", RequestKeys::KEYS),
        ("request.session", SessionKeys::KEYS),
        ("response", ResponseKeys::KEYS),
        ("expect", ExpectKeys::KEYS),
        ("expect.cache", CacheExpectKeys::KEYS),
    ]
}

/// What came of the tests of a file.
#[derive(Debug, Default)]
pub struct Report {
    pub passed: usize,
    pub failures: Vec<Failure>,
}

#[derive(Debug)]
pub struct Failure {
    pub name: String,
    pub span: Span,
    pub differences: Vec<Difference>,
}

/// Runs the tests of a file; mistakes in its rules or tests are noted. `prefix`: where relative paths begin.
pub fn run(file: &File, prefix: &Path, diagnostics: &mut Diagnostics) -> Report {
    let mut report = Report::default();
    // Without tests, its rules are looked at all the same.
    let group = file.group(None, diagnostics);
    let Some(rules) = Rules::compile(group, prefix, diagnostics) else { return report };
    let tests: Vec<Test> = file.tests.iter().filter_map(|node| Test::read(node, diagnostics)).collect();
    for test in tests {
        let own = match &test.keys.with {
            None => None,
            Some(with) => {
                let group = file.group(Some(&with.value.0), diagnostics);
                let Some(own) = Rules::compile(group, prefix, diagnostics) else { continue };
                Some(own)
            }
        };
        let Some(differences) = own.as_ref().unwrap_or(&rules).test(&test.keys, diagnostics) else { continue };
        match differences.is_empty() {
            true => report.passed += 1,
            false => {
                let name = test.keys.name.as_deref().cloned().unwrap_or_default();
                report.failures.push(Failure { name, span: test.span, differences });
            }
        }
    }
    report
}

/// The names that a group defines.
pub fn defined(groups: &[Group]) -> Defined {
    let mut defined = Defined::default();
    for group in groups {
        for name in group.sets() {
            defined.slot(name);
        }
        for pattern in group.patterns().filter_map(|text| Pattern::compile(text, false).ok()) {
            for (name, _) in pattern.names() {
                defined.slot(&name.to_ascii_lowercase());
            }
        }
    }
    defined
}

struct Rules {
    set: Arc<RuleSet>,
    defined: Defined,
}

/// What came out of one request.
#[derive(Default)]
struct Came {
    outcome: Outcome,
    /// As the client gets it.
    status: u16,
    fields: Vec<Change>,
    exchange: Option<Exchange>,
}

/// What is counted over the requests of a test.
#[derive(Default)]
struct Counts {
    rates: HashMap<Arc<str>, RateZone>,
    concurrencies: HashMap<Arc<str>, Arc<ConnZone>>,
    guards: Vec<Guard>,
}

impl Rules {
    fn compile(group: Group, prefix: &Path, diagnostics: &mut Diagnostics) -> Option<Rules> {
        let before = diagnostics.count().0;
        let groups = [group];
        let defined = defined(&groups);
        let names = Names {
            defined: &defined,
            upstreams: None,
            stores: None,
            prefix,
            note: &|_| {},
            counts: &|_| Arc::default(),
        };
        let set = RuleSet::compile(&groups, &names, diagnostics)?;
        (diagnostics.count().0 == before).then(|| Rules { set: Arc::new(set), defined })
    }

    /// How what came out differs from what was expected.
    fn test(&self, test: &TestKeys, diagnostics: &mut Diagnostics) -> Option<Vec<Difference>> {
        let expected = test.expect.as_ref()?;
        let mut counts = Counts::default();
        let mut came = Came::default();
        let default = Request::default();
        let requests: Vec<&Request> = match (&test.requests, &test.request) {
            (Some(several), _) => several.value.iter().map(|request| &request.value).collect(),
            (None, one) => vec![one.as_ref().map_or(&default, |one| &one.value)],
        };
        let times = test.times().clamp(1, MOST_TIMES);
        let rounds = (0..times).flat_map(|_| requests.iter().copied()).zip(0..);
        for (request, round) in rounds {
            if !test.at_once() {
                counts.guards.clear();
            }
            came = self.round(test, &request.0, test.every().0 * round, &mut counts, diagnostics)?;
        }
        Some(compare::differences(expected, &came, &self.defined))
    }

    /// One request on its way through the phases.
    fn round(
        &self,
        test: &TestKeys,
        request: &RequestKeys,
        later: Duration,
        counts: &mut Counts,
        d: &mut Diagnostics,
    ) -> Option<Came> {
        let now = request.now().0 + later;
        let mut exchange = made_up::exchange(request, &self.defined, now, d)?;
        let mut outcome = Outcome::default();
        let upstream = request.upstream.as_ref().map(|name| name.value.clone());
        let mut walk = Walk { rules: self, test, now, later, upstream, counts };
        walk.phase(Phase::Request, &mut exchange, None, &mut outcome);
        if let Some(target) = &outcome.target {
            target.path.iter().for_each(|path| exchange.path = path.clone());
            target.query.iter().for_each(|query| exchange.args = Some(query.clone()));
        }
        let mut response = match &outcome.answer {
            Some(answer) => made_up::answer(answer)?,
            None => {
                walk.upstream = outcome.upstream.as_deref().map(str::to_owned).or(walk.upstream.take());
                walk.phase(Phase::UpstreamRequest, &mut exchange, None, &mut outcome);
                made_up::response(test.response.as_ref().map(|response| &response.value.0))?
            }
        };
        walk.phase(Phase::Response, &mut exchange, Some(&response), &mut outcome);
        let fields = std::mem::take(&mut outcome.to_client);
        for change in &fields {
            change.apply(&mut response);
        }
        exchange.answer.status = response.status.as_u16();
        walk.phase(Phase::Log, &mut exchange, Some(&response), &mut outcome);
        let told = response.headers.iter().map(|(name, value)| Change {
            how: How::Set,
            name: name.as_str().into(),
            value: value.as_bytes().to_vec(),
        });
        let fields = told.collect();
        outcome.upstream = outcome.upstream.or(walk.upstream.map(Into::into));
        Some(Came { status: response.status.as_u16(), fields, outcome, exchange: Some(exchange) })
    }
}

struct Walk<'t> {
    rules: &'t Rules,
    test: &'t TestKeys,
    now: SystemTime,
    later: Duration,
    upstream: Option<String>,
    counts: &'t mut Counts,
}

impl Walk<'_> {
    fn phase(&mut self, phase: Phase, x: &mut Exchange, response: Option<&ResponseHeader>, outcome: &mut Outcome) {
        let rules = self.rules;
        let edge = EdgeFacts { name: "edge".into(), generation: 1 };
        let drawn = self.test.chance().0;
        let mut run = Run::new(&rules.set, phase, x);
        loop {
            let has_session = x.session.as_ref().is_some_and(|session| session.id.is_some());
            let mut chance = || drawn;
            let upstream = self.upstream.as_deref();
            let (vars, now) = (&rules.defined, self.now);
            let mut world =
                World { exchange: &mut *x, response, vars, upstream, edge: &edge, now, chance: &mut chance };
            match run.go(&mut world, outcome) {
                Step::Done | Step::Answered => return,
                Step::Need(need) => run.met(self.meet(need, has_session, x)),
            }
        }
    }

    fn meet(&mut self, need: Need<'_>, has_session: bool, x: &Exchange) -> Met {
        match need {
            Need::Session => Met::Session,
            Need::Rate { limit, key, .. } => {
                let zone = self.counts.rates.entry(limit.name.clone()).or_insert_with(|| RateZone::new(ROOM));
                // Some time after the beginning, where nothing was counted yet.
                match zone.check(&key, &limit.limit, Millis(1_000_000 + self.later.as_millis() as u64)) {
                    RateVerdict::Pass => Met::Passed,
                    RateVerdict::Delay(delay) => Met::Delayed(delay),
                    RateVerdict::Refuse { retry_after } => Met::Refused { retry_after: Some(retry_after) },
                }
            }
            Need::Concurrency { limit, key, .. } => {
                let zones = &mut self.counts.concurrencies;
                let zone = zones.entry(limit.name.clone()).or_insert_with(|| Arc::new(ConnZone::new(ROOM)));
                match zone.enter(&key, limit.limit) {
                    Some(guard) => {
                        self.counts.guards.push(guard);
                        Met::Passed
                    }
                    None => Met::Refused { retry_after: None },
                }
            }
            Need::Basic(basic) => {
                let is_right = |(user, password): (Vec<u8>, Vec<u8>)| {
                    let known = self.test.users.iter().flat_map(|users| &users.value.0);
                    let mut of_name = known.filter(|(name, _)| name.as_bytes() == user);
                    let stored = of_name.next().and_then(|(_, stored)| stored.as_deref());
                    basic.means(&user) && stored.is_some_and(|stored| stored.as_bytes() == password)
                };
                match x.credentials().is_some_and(is_right) {
                    true => Met::Passed,
                    false => Met::Unauthorized(basic.demand(x)),
                }
            }
            Need::Demand { .. } if has_session => Met::Passed,
            Need::Demand { demand, .. } => Met::Answer(match &demand.redirect {
                None => Answer::Status(401),
                Some(to) => Answer::Redirect {
                    status: if matches!(x.method.as_str(), "GET" | "HEAD") { 302 } else { 303 },
                    to: to.evaluate(x).into_owned(),
                },
            }),
        }
    }
}
