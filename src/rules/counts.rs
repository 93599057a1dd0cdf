//! What is counted of rules, each where it is attached, for metrics and the status: how often it was asked, whether it fired,
//! what came of that.
//!
//! A rule has its counts at hand. One that does not fire costs one addition, to a copy that few threads share. They
//! outlive a reload: a rule of the same name at a place of the same name goes on counting where it was.
//!
//! What always holds: as many counts are kept as the configurations in use have rules.

use crate::count::Copies;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// 1xx to 5xx.
pub const CLASSES: usize = 5;

/// The counts of one rule.
#[derive(Default)]
pub struct RuleCounts(Copies<Counts>);

#[derive(Default)]
struct Counts {
    /// It was asked, and did not fire.
    left: AtomicU64,
    fired: AtomicU64,
    faults: AtomicU64,
    answered: [AtomicU64; CLASSES],
    passed: AtomicU64,
    delayed: AtomicU64,
    refused: AtomicU64,
    alone: AtomicU64,
}

/// What a limit has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    Passed,
    /// It passes, later.
    Delayed,
    Refused,
}

/// The counts as they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How often its condition was looked at.
    pub asked: u64,
    /// How often it held.
    pub fired: u64,
    /// How often it had no value.
    pub faults: u64,
    /// What requests were answered with, by class of the status.
    pub answered: [u64; CLASSES],
    pub passed: u64,
    pub delayed: u64,
    pub refused: u64,
    /// How often memcached did not answer, for limits that several edges share.
    pub alone: u64,
}

impl RuleCounts {
    pub(super) fn asked(&self, fired: bool) {
        let counts = self.0.own();
        let count = if fired { &counts.fired } else { &counts.left };
        count.fetch_add(1, Relaxed);
    }

    pub(super) fn fault(&self) {
        self.0.own().faults.fetch_add(1, Relaxed);
    }

    pub(super) fn answered(&self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(count) = self.0.own().answered.get(class) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn limited(&self, limited: Limited) {
        let counts = self.0.own();
        let count = match limited {
            Limited::Passed => &counts.passed,
            Limited::Delayed => &counts.delayed,
            Limited::Refused => &counts.refused,
        };
        count.fetch_add(1, Relaxed);
    }

    /// A limit that is shared was decided by this edge alone.
    pub fn alone(&self) {
        self.0.own().alone.fetch_add(1, Relaxed);
    }

    pub fn read(&self) -> Counted {
        let of = |count: fn(&Counts) -> &AtomicU64| self.0.iter().map(|copy| count(copy).load(Relaxed)).sum::<u64>();
        let fired = of(|counts| &counts.fired);
        let answered = |class: usize| self.0.iter().map(|copy| copy.answered[class].load(Relaxed)).sum();
        Counted {
            asked: fired + of(|counts| &counts.left),
            fired,
            faults: of(|counts| &counts.faults),
            answered: std::array::from_fn(answered),
            passed: of(|counts| &counts.passed),
            delayed: of(|counts| &counts.delayed),
            refused: of(|counts| &counts.refused),
            alone: of(|counts| &counts.alone),
        }
    }
}

/// What is counted is no part of a configuration.
impl std::fmt::Debug for RuleCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleCounts").finish_non_exhaustive()
    }
}

/// Whose counts they are: where the rule is attached, by the names of the server and the location, and what logs call it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    pub server: String,
    /// Empty: those of the whole and of the server.
    pub location: String,
    /// With its file before it, where it is of one: `login/slow-down`.
    pub rule: String,
}

/// All counts of the configurations in use.
#[derive(Default)]
pub struct RuleTable(Mutex<BTreeMap<Attached, Weak<RuleCounts>>>);

impl RuleTable {
    /// The counts of that name, as far as they have come.
    pub fn of(&self, attached: Attached) -> Arc<RuleCounts> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(&attached).and_then(Weak::upgrade) {
            return known;
        }
        table.retain(|_, counts| counts.strong_count() > 0);
        let new = Arc::new(RuleCounts::default());
        table.insert(attached, Arc::downgrade(&new));
        new
    }

    /// All there are, in the order of their names.
    pub fn read(&self) -> Vec<(Attached, Counted)> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.iter().filter_map(|(attached, counts)| Some((attached.clone(), counts.upgrade()?.read()))).collect()
    }
}

impl std::fmt::Debug for RuleTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleTable").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_thing_that_happens_is_counted_by_itself() {
        let counts = RuleCounts::default();
        [true, false, false].into_iter().for_each(|fired| counts.asked(fired));
        counts.fault();
        [200, 302, 403, 444, 503, 0, 999].into_iter().for_each(|status| counts.answered(status));
        [Limited::Passed, Limited::Delayed, Limited::Refused, Limited::Refused]
            .into_iter()
            .for_each(|limited| counts.limited(limited));
        counts.alone();
        let expected = Counted {
            asked: 3,
            fired: 1,
            faults: 1,
            answered: [0, 1, 1, 2, 1],
            passed: 1,
            delayed: 1,
            refused: 2,
            alone: 1,
        };
        assert_eq!(counts.read(), expected);
    }

    #[test]
    fn a_rule_of_the_same_name_at_the_same_place_goes_on_where_it_was() {
        let table = RuleTable::default();
        let of =
            |location: &str| table.of(Attached { server: "a".into(), location: location.into(), rule: "r".into() });
        let kept = of("/");
        of("/gone").asked(true);
        kept.asked(true);
        of("/").asked(false);
        let read: Vec<_> = table.read().into_iter().map(|(at, counted)| (at.location, counted.asked)).collect();
        assert_eq!(read, [("/".to_owned(), 2)]);
    }
}
