//! `rules`, compiled for one place, with what their limits count by and the sessions that they demand.

use super::compile::{Resources, Texts};
use super::{Handler, PassTarget};
use crate::config::Diagnostics;
use crate::config::raw::{self, Raw, Scope};
use crate::config::types::RuleSource;
use crate::config::value::Repeated;
use crate::limit::{RateZone, Shared};
use crate::proxy::rules::{Counting, PlacedRules};
use crate::proxy::sessions::{Demand, Sessions};
use crate::rules::action::{self, RateAction};
use crate::rules::expr::Needs;
use crate::rules::file::Library;
use crate::rules::{EdgeFacts, Names, Phase, RuleSet, testing};
use crate::variables::Defined;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a limit remembers: some 80 000 clients.
const ROOM: usize = 10 << 20;

/// The variables that rules define; to be called before any text is compiled.
pub(super) fn names(raw: &Raw, library: &mut Library, defined: &mut Defined, diagnostics: &mut Diagnostics) {
    each_scope(raw, &mut |scope| {
        let Some(written) = &scope.rules else { return };
        let groups = library.groups(&written.value.0, diagnostics);
        for name in testing::defined(&groups).names() {
            defined.slot(name);
        }
    });
}

fn each_scope(raw: &Raw, each: &mut impl FnMut(&Scope)) {
    each(&raw.scope);
    for server in &raw.servers {
        each(&server.scope);
        server.locations.iter().for_each(|location| each_inside(location, each));
    }
}

fn each_inside(location: &raw::Location, each: &mut impl FnMut(&Scope)) {
    each(&location.scope);
    location.locations.iter().for_each(|inner| each_inside(inner, each));
}

/// The rules of one place; `None`: it has none. `location`: what it matches, if it is one, with its handler.
pub(super) fn compile(
    written: Option<&Repeated<RuleSource>>,
    location: Option<(&str, &Handler)>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<PlacedRules>> {
    let groups = texts.library.borrow_mut().groups(&written?.0, diagnostics);
    let upstreams: Vec<String> = texts.raw.upstreams.iter().map(|upstream| upstream.name.value.clone()).collect();
    let stores = texts.raw.main.session_store.iter().flat_map(|stores| stores.0.iter());
    let stores: Vec<String> = stores.map(|(name, _)| name.value.clone()).collect();
    let names = Names {
        defined: texts.defined,
        upstreams: Some(&upstreams),
        stores: Some(&stores),
        prefix: &texts.resources.prefix,
        note: &|template| texts.note(template),
        counts: &|rule| texts.rule_counts(location.map_or("", |(pattern, _)| pattern), rule),
    };
    let set = RuleSet::compile(&groups, &names, diagnostics)?;
    let mut asked = texts.asked.get();
    let needs = Phase::ALL.into_iter().fold(Needs::NOTHING, |all, phase| all | set.needs(phase));
    // What memcached knows is asked for only where a rule comes to need it.
    asked.session |= needs.contains(Needs::SESSION) || needs.contains(Needs::SESSION_STORE);
    texts.asked.set(asked);
    let rates = set.rates().iter().map(|rate| counting(rate, texts)).collect();
    let zones = &texts.resources.limits;
    let concurrencies = set.concurrencies().iter().filter_map(|limit| {
        let name = zone_name(&limit.name);
        // The same key for all: it never changes.
        zones.connections(&name, ROOM, &name).ok()
    });
    let concurrencies = concurrencies.collect();
    let handler = location.map(|(_, handler)| handler);
    let demands = set.demands().iter().filter_map(|written| demand(written, handler, texts, diagnostics)).collect();
    Some(Arc::new(PlacedRules { set, rates, concurrencies, demands }))
}

/// Names of rules are no names of `limit_req_zone`.
fn zone_name(name: &str) -> String {
    format!("rules:{name}")
}

fn counting(rate: &RateAction, texts: &Texts<'_>) -> Counting {
    let name = zone_name(&rate.name);
    let own = texts.resources.limits.rate(&name, ROOM, &name).unwrap_or_else(|_| Arc::new(RateZone::new(ROOM)));
    let nodes = rate.shared.as_deref().and_then(|store| texts.stores.get(store)).map(|store| store.nodes().to_vec());
    match nodes {
        Some(nodes) => {
            let shared = Shared::new(&name, nodes, own, ROOM);
            texts.shared_limits.borrow_mut().push(shared.clone());
            Counting::Shared(shared)
        }
        None => Counting::Alone(own),
    }
}

fn demand(
    written: &action::Demand,
    handler: Option<&Handler>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Demand> {
    let of_pass = match handler {
        Some(Handler::Proxy(pass)) => match &pass.target {
            PassTarget::Upstream { sessions, .. } => sessions.clone(),
            PassTarget::Variable(_) => None,
        },
        _ => None,
    };
    let only = || texts.sessions.values().next().filter(|_| texts.sessions.len() == 1).cloned();
    let sessions: Option<Arc<Sessions>> = match (&written.upstream, of_pass) {
        (Some(name), _) => texts.sessions.get(&**name).cloned(),
        (None, Some(sessions)) => Some(sessions),
        (None, None) => only(),
    };
    let Some(sessions) = sessions else {
        diagnostics
            .error(written.at, "it is not known how sessions are kept here")
            .help("write `require_session: { upstream: NAME }` with an upstream that has a `session` of its own");
        return None;
    };
    if written.strict && sessions.settings.store.is_none() {
        diagnostics.error(written.at, "`strict` asks memcached, and the upstream's `session` names no `store`");
    }
    Some(Demand { sessions, redirect: written.redirect.clone(), strict: written.strict })
}

/// Runs the tests of all rule files; one that fails is a mistake.
pub(super) fn run_tests(library: &Library, resources: &Resources, diagnostics: &mut Diagnostics) {
    for file in library.files() {
        for failure in testing::run(file, &resources.prefix, diagnostics).failures {
            let told = diagnostics.error(failure.span, format!("the test \"{}\" fails", failure.name));
            for difference in failure.differences {
                told.help(difference.to_string());
            }
        }
    }
}

/// What rules are told of this edge; each configuration has a number of its own.
pub(super) fn edge_facts() -> EdgeFacts {
    static GENERATION: AtomicU64 = AtomicU64::new(1);
    EdgeFacts { name: crate::variables::hostname().to_owned(), generation: GENERATION.fetch_add(1, Ordering::Relaxed) }
}
