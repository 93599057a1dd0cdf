//! The rules of one place, compiled: checked, put into their phases, and found by what is cheap to look up.
//!
//! A rule's phase is the one it names, or follows from its actions and from what its condition reads. What can never happen is
//! a mistake: a rule behind one that ends every request, a condition that is never true, an action in a phase in which it
//! does nothing.

use super::Phase;
use super::action::{self, Action, BasicAuth, ConcurrencyAction, Demand, Phases, RateAction, Reader, Word};
use super::counts::RuleCounts;
use super::expr::{Constant, Expr, Mistake, Needs, Scope};
use super::file::{Group, Rule};
use super::index::Index;
use super::place;
use crate::config::Diagnostics;
use crate::variables::{Defined, Exchange, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the names in rules may mean.
pub struct Names<'n> {
    pub defined: &'n Defined,
    /// `None`: any name will do, as in the tests of a file.
    pub upstreams: Option<&'n [String]>,
    /// The `session_store`s; `None`: any name will do.
    pub stores: Option<&'n [String]>,
    /// Where relative paths begin.
    pub prefix: &'n Path,
    /// Hears of each text with variables.
    pub note: &'n dyn Fn(&Template),
    /// Where a rule counts what becomes of it, by its name.
    pub counts: &'n dyn Fn(&str) -> Arc<RuleCounts>,
}

/// What actions have that somebody else does, by its place.
#[derive(Debug, Default)]
pub struct Parts {
    pub rates: Vec<RateAction>,
    pub concurrencies: Vec<ConcurrencyAction>,
    pub demands: Vec<Demand>,
    pub basics: Vec<BasicAuth>,
    /// What has to be known, by phase.
    needs: [Needs; 4],
}

impl Parts {
    pub fn need(&mut self, phase: Phase, needs: Needs) {
        self.needs[phase as usize] |= needs;
    }
}

/// The rules of one place.
#[derive(Debug)]
pub struct RuleSet {
    phases: [Phased; 4],
    parts: Parts,
}

/// Those of one phase, in order.
#[derive(Debug, Default)]
pub struct Phased {
    pub rules: Vec<Compiled>,
    pub index: Index,
}

#[derive(Debug)]
pub struct Compiled {
    pub name: Arc<str>,
    /// `stop` ends the group.
    pub group: usize,
    /// What can be decided at once, and what needs memcached.
    pub when: [Option<Expr>; 2],
    pub then: Box<[Action]>,
    pub otherwise: Box<[Action]>,
    pub stop: bool,
    /// What has to be known before it has run.
    needs: Needs,
    pub faults: Faults,
    pub counts: Arc<RuleCounts>,
}

/// When a condition without a value was told of last.
#[derive(Debug, Default)]
pub struct Faults {
    /// The minute in which the last one was told.
    told: AtomicU64,
}

impl Faults {
    /// Whether one is to be told, which is so once in a minute.
    pub fn is_due(&self, now: SystemTime) -> bool {
        // 0: never.
        let minute = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60) + 1;
        self.told.swap(minute, Ordering::Relaxed) != minute
    }
}

impl RuleSet {
    /// Compiles what stands in one place; `None` if nothing does.
    pub fn compile(groups: &[Group], names: &Names<'_>, diagnostics: &mut Diagnostics) -> Option<RuleSet> {
        if groups.iter().all(|group| group.rules.is_empty()) {
            return None;
        }
        let vars: BTreeSet<String> = names.defined.names().map(str::to_owned).collect();
        let mut set = RuleSet { phases: Default::default(), parts: Parts::default() };
        for (at, group) in groups.iter().enumerate() {
            let mut ended: [Option<&Rule>; 4] = [None; 4];
            let mistakes = diagnostics.count().0;
            let with = group.with.clone().with_key_files(names.prefix, diagnostics);
            // What reads a key that is not there would be a mistake for that reason alone.
            if diagnostics.count().0 > mistakes {
                continue;
            }
            for rule in &group.rules {
                let here = Here { from: &group.from, with: &with.constants, vars: &vars, names };
                let mut compiler = Compiler { group: at, here, set: &mut set, diagnostics };
                let Some((phase, compiled)) = compiler.rule(rule) else { continue };
                if let Some(first) = ended[phase as usize] {
                    unreachable(rule, first, phase, diagnostics);
                }
                if compiled.ends_all(rule) {
                    ended[phase as usize].get_or_insert(rule);
                }
                set.phases[phase as usize].rules.push(compiled);
            }
        }
        for phased in &mut set.phases {
            phased.index = Index::new(&phased.rules);
        }
        Some(set)
    }

    pub(super) fn phase(&self, phase: Phase) -> &Phased {
        &self.phases[phase as usize]
    }

    /// Whether there are rules of a phase.
    pub fn has(&self, phase: Phase) -> bool {
        !self.phase(phase).rules.is_empty()
    }

    /// What the rules of a phase have to know.
    pub fn needs(&self, phase: Phase) -> Needs {
        self.parts.needs[phase as usize]
    }

    /// The same, as far as it is about a request like this one.
    pub fn may_need(&self, phase: Phase, needs: Needs, x: &Exchange) -> bool {
        if !self.needs(phase).contains(needs) {
            return false;
        }
        let phased = self.phase(phase);
        let mut candidates = phased.index.candidates(x);
        while let Some(at) = phased.index.next(&mut candidates, x) {
            if phased.rules[at].needs.contains(needs) {
                return true;
            }
        }
        false
    }

    pub fn rates(&self) -> &[RateAction] {
        &self.parts.rates
    }

    pub fn concurrencies(&self) -> &[ConcurrencyAction] {
        &self.parts.concurrencies
    }

    pub fn demands(&self) -> &[Demand] {
        &self.parts.demands
    }

    pub fn basics(&self) -> &[BasicAuth] {
        &self.parts.basics
    }

    /// The names of its rules, phase by phase.
    pub fn rules(&self) -> impl Iterator<Item = (Phase, &str)> {
        Phase::ALL.into_iter().flat_map(|phase| self.phase(phase).rules.iter().map(move |rule| (phase, &*rule.name)))
    }
}

impl Compiled {
    /// Whether no request goes beyond it, as far as its group goes.
    fn ends_all(&self, written: &Rule) -> bool {
        let always = match &written.when {
            None => true,
            Some(when) => when.value.trim() == "true",
        };
        always && (self.stop || self.then.iter().any(Action::ends))
    }
}

fn unreachable(rule: &Rule, first: &Rule, phase: Phase, diagnostics: &mut Diagnostics) {
    let line = first.name.span.line;
    diagnostics
        .error(rule.name.span, format!("no request reaches the rule `{}`", rule.name.value))
        .help(format!("`{}` (line {line}) ends every request before it in the phase `{phase}`", first.name.value));
}

/// Where a rule stands.
#[derive(Clone, Copy)]
struct Here<'c> {
    /// The file it is from; empty: the configuration itself.
    from: &'c str,
    with: &'c BTreeMap<String, Constant>,
    vars: &'c BTreeSet<String>,
    names: &'c Names<'c>,
}

impl<'c> Here<'c> {
    fn scope(self, phase: Phase) -> Scope<'c> {
        Scope { phase, with: self.with, vars: self.vars }
    }

    /// What a rule is counted by: with its file, where it is of one.
    fn counted(self, rule: &Rule) -> String {
        match Path::new(self.from).file_stem() {
            Some(file) => format!("{}/{}", file.to_string_lossy(), rule.name.value),
            None => rule.name.value.clone(),
        }
    }

    /// What a rule does, and what it does otherwise.
    fn actions(
        self,
        rule: &Rule,
        phase: Phase,
        parts: &mut Parts,
        diagnostics: &mut Diagnostics,
    ) -> [Box<[Action]>; 2] {
        let counted = self.counted(rule);
        let mut reader = Reader { names: self.names, scope: self.scope(phase), rule: &counted, parts, diagnostics };
        [&rule.then, &rule.otherwise].map(|entries| action::read(entries, &mut reader))
    }
}

struct Compiler<'c> {
    group: usize,
    here: Here<'c>,
    set: &'c mut RuleSet,
    diagnostics: &'c mut Diagnostics,
}

impl Compiler<'_> {
    fn rule(&mut self, rule: &Rule) -> Option<(Phase, Compiled)> {
        let (phase, when) = match self.phase_of(rule) {
            Ok(found) => found,
            Err(candidates) => {
                self.tell_actions(rule, &candidates);
                return None;
            }
        };
        let before = std::mem::take(&mut self.set.parts.needs[phase as usize]);
        if let Some(when) = &when {
            self.set.parts.need(phase, when.needs());
        }
        // What a parameter switches off is no mistake.
        let written = rule.when.as_ref().filter(|when| !when.contains("with."));
        let impossible = when.as_ref().is_some_and(|when| when.precheck().is_impossible())
            || written.is_some_and(|when| when.trim() == "false");
        if let (true, Some(written)) = (impossible, written) {
            self.diagnostics.error(
                written.span,
                format!("the rule `{}` never fires: its condition is never true", rule.name.value),
            );
        }
        // Only before there is an answer can be waited for memcached.
        let when = match when {
            Some(when) if phase < Phase::Response => {
                let (now, then) = when.split();
                [now, then]
            }
            when => [when, None],
        };
        let [then, otherwise] = self.here.actions(rule, phase, &mut self.set.parts, self.diagnostics);
        let needs = self.set.parts.needs[phase as usize];
        self.set.parts.need(phase, before);
        let (name, group, stop) = (rule.name.as_str().into(), self.group, rule.stop);
        let (faults, counts) = (Faults::default(), (self.here.names.counts)(&self.here.counted(rule)));
        Some((phase, Compiled { name, group, when, then, otherwise, stop, needs, faults, counts }))
    }

    /// Where the condition is not understood, what is wrong with the actions is told all the same: as they are understood best.
    fn tell_actions(&mut self, rule: &Rule, candidates: &[Phase]) {
        let mistakes = |phase: &Phase| {
            let mut unheard = Diagnostics::new();
            self.here.actions(rule, *phase, &mut Parts::default(), &mut unheard);
            unheard.count().0
        };
        if let Some(phase) = candidates.iter().copied().min_by_key(mistakes) {
            self.here.actions(rule, phase, &mut Parts::default(), self.diagnostics);
        }
    }

    /// The phase of a rule, with its condition as it is understood there; else the phases in which it is not.
    fn phase_of(&mut self, rule: &Rule) -> Result<(Phase, Option<Expr>), Vec<Phase>> {
        let candidates = match &rule.phase {
            Some(phase) => vec![phase.value],
            None => Self::candidates(rule),
        };
        let Some(when) = &rule.when else {
            return candidates.first().map(|phase| (*phase, None)).ok_or(candidates);
        };
        let mut first: Option<Vec<Mistake>> = None;
        for phase in &candidates {
            match Expr::condition(when, &self.here.scope(*phase)) {
                Ok(expr) => return Ok((*phase, Some(expr))),
                Err(mistakes) => drop(first.get_or_insert(mistakes)),
            }
        }
        place::tell(first.unwrap_or_default(), when, self.diagnostics);
        Err(candidates)
    }

    /// The phases in which all actions of a rule work, the likeliest first. All of them work in the first one.
    fn candidates(rule: &Rule) -> Vec<Phase> {
        let entries = rule.then.iter().chain(&rule.otherwise);
        let words: Vec<&Word> = entries.filter_map(|e| action::find(&e.key)).collect();
        let common = words.iter().fold(Phases::ANY, |common, word| common.and(word.phases));
        let mut phases: Vec<Phase> = Phase::ALL.into_iter().filter(|phase| common.contains(*phase)).collect();
        let usual: Option<Vec<Phase>> = words.iter().map(|word| word.usual).collect();
        if let Some(latest) = usual.and_then(|usual| usual.into_iter().max()).filter(|latest| phases.contains(latest)) {
            phases.sort_by_key(|phase| *phase != latest);
        }
        phases
    }
}
