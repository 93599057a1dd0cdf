//! Goes through the rules of a place, and fetches what they need.

use super::{Counting, PlacedRules};
use crate::limit::{Clock, Guard, Judge, Millis, RateVerdict};
use crate::proxy::access;
use crate::proxy::request::Request;
use crate::proxy::sessions::Refused;
use crate::rules::counts::RuleCounts;
use crate::rules::expr::Needs;
use crate::rules::outcome::{Answer, Outcome};
use crate::rules::{Met, Need, Phase, Run, Step, World};
use pingora_http::ResponseHeader;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

/// A longer key is counted by its hash.
const LONGEST_KEY: usize = 255;

impl Request {
    /// Asks the rules of a place before there is an answer, with all that they need.
    pub(super) async fn walk(
        &mut self,
        placed: &PlacedRules,
        phase: Phase,
        outcome: &mut Outcome,
        guards: &mut Vec<Guard>,
    ) {
        if !placed.set.has(phase) {
            return;
        }
        let mut run = self.begin_run(placed, phase);
        while let Step::Need(need) = self.step(&mut run, None, outcome) {
            let met = self.meet(placed, need, run.counts(), guards).await;
            run.met(met);
        }
        self.tell_faults(outcome);
    }

    /// The same once there is an answer, when nobody is asked for anything any more.
    pub(super) fn walk_on(
        &mut self,
        placed: &PlacedRules,
        phase: Phase,
        answer: Option<&ResponseHeader>,
        outcome: &mut Outcome,
    ) {
        if !placed.set.has(phase) {
            return;
        }
        let mut run = self.begin_run(placed, phase);
        while let Step::Need(_) = self.step(&mut run, answer, outcome) {
            run.met(Met::Session);
        }
        self.tell_faults(outcome);
    }

    /// What edge asks for itself is not counted.
    fn begin_run<'s>(&self, placed: &'s PlacedRules, phase: Phase) -> Run<'s> {
        let run = Run::new(&placed.set, phase, &self.exchange);
        if self.is_errand { run.uncounted() } else { run }
    }

    fn step<'s>(&mut self, run: &mut Run<'s>, answer: Option<&ResponseHeader>, outcome: &mut Outcome) -> Step<'s> {
        let snapshot = &self.bound.snapshot;
        let mut world = World {
            exchange: &mut self.exchange,
            response: answer,
            vars: snapshot.defined.names(),
            upstream: self.attempts.asked().map(|(upstream, _)| upstream.name()),
            edge: &snapshot.edge,
            now: SystemTime::now(),
            chance: &mut chance,
        };
        run.go(&mut world, outcome)
    }

    /// What conditions without a value had to say; each says it once in a minute.
    fn tell_faults(&self, outcome: &mut Outcome) {
        for fault in std::mem::take(&mut outcome.faults) {
            self.log_warn(fault);
        }
    }

    async fn meet(
        &mut self,
        placed: &PlacedRules,
        need: Need<'_>,
        counts: Option<&RuleCounts>,
        guards: &mut Vec<Guard>,
    ) -> Met {
        match need {
            Need::Session => {
                self.read_stored_session().await;
                Met::Session
            }
            // What edge asks for itself was counted with the request that it is asked for.
            Need::Rate { .. } | Need::Concurrency { .. } if self.is_errand => Met::Passed,
            Need::Rate { place, limit, key } => {
                let key = short(key);
                let verdict = match placed.rates.get(place) {
                    Some(Counting::Alone(zone)) => zone.check(&key, &limit.limit, Millis::now()),
                    Some(Counting::Shared(shared)) => {
                        let (verdict, judge) = shared.check(&key, &limit.limit, Clock::now()).await;
                        counts.filter(|_| judge == Judge::Alone).into_iter().for_each(RuleCounts::alone);
                        verdict
                    }
                    None => RateVerdict::Pass,
                };
                match verdict {
                    RateVerdict::Pass => Met::Passed,
                    // Whoever would have to wait so long had better come again.
                    RateVerdict::Delay(delay) if delay > super::apply::LONGEST_WAIT => {
                        Met::Refused { retry_after: Some(delay) }
                    }
                    RateVerdict::Delay(delay) => Met::Delayed(delay),
                    RateVerdict::Refuse { retry_after } => Met::Refused { retry_after: Some(retry_after) },
                }
            }
            Need::Concurrency { place, limit, key } => match placed.concurrencies.get(place) {
                None => Met::Passed,
                Some(zone) => match zone.enter(&short(key), limit.limit) {
                    Some(guard) => {
                        guards.push(guard);
                        Met::Passed
                    }
                    None => Met::Refused { retry_after: None },
                },
            },
            Need::Basic(basic) => access::ask_for_rule(self, basic).await,
            Need::Demand { place, .. } => match placed.demands.get(place) {
                None => Met::Passed,
                Some(demand) => match self.refused_by(demand).await {
                    None => Met::Passed,
                    Some(Refused::Status(status)) => Met::Answer(Answer::Status(status)),
                    Some(Refused::Redirect { status, location }) => {
                        Met::Answer(Answer::Redirect { status, to: location })
                    }
                },
            },
        }
    }

    /// Reads what rules over the answer will need of the session, as long as somebody can be waited for.
    pub(super) async fn fetch_for_later(&mut self, places: &[Option<Arc<PlacedRules>>; 2]) {
        let later = [Phase::Response, Phase::Log];
        // A path that may change yet says nothing about the rules that will run.
        let stays = self.location.script.keeps_path() && self.location.try_files.is_none();
        let needs = |placed: &Arc<PlacedRules>| {
            later.into_iter().any(|phase| match stays {
                true => placed.set.may_need(phase, Needs::SESSION_STORE, &self.exchange),
                false => placed.set.needs(phase).contains(Needs::SESSION_STORE),
            })
        };
        if places.iter().flatten().any(needs) {
            self.read_stored_session().await;
        }
    }
}

fn short(key: Vec<u8>) -> Vec<u8> {
    if key.len() <= LONGEST_KEY { key } else { Sha256::digest(&key).to_vec() }
}

/// Evenly below 100. Nobody's secret depends on it.
fn chance() -> f64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish() | 1);
    }
    STATE.with(|state| {
        let mut x = state.get();
        // xorshift64
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        (x >> 11) as f64 / (1_u64 << 53) as f64 * 100.0
    })
}
