//! Walks through rules, as whoever asks them does.

use super::file::{Group, Library};
use super::outcome::Answer;
use super::*;
use crate::config::types::RuleSource;
use crate::config::value::Value as _;
use crate::config::{Diagnostics, yaml};
use crate::variables::defined::Values;
use crate::variables::{Defined, Definitions, Exchange, Session, StoredSession, tests::exchange};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

struct Place {
    set: RuleSet,
    defined: Defined,
}

fn place(text: &str) -> Place {
    let mut diagnostics = Diagnostics::new();
    let node = yaml::parse(Path::new("edge.yaml"), &format!("rules:\n{text}"), &mut diagnostics).unwrap();
    let sources = Vec::<RuleSource>::read(node.get("rules").unwrap(), &mut diagnostics).unwrap();
    let groups: Vec<Group> = Library::new(Path::new(".")).groups(&sources, &mut diagnostics);
    let defined = testing::defined(&groups);
    let names = Names {
        defined: &defined,
        upstreams: None,
        stores: None,
        prefix: Path::new("."),
        note: &|_| {},
        counts: &|_| Arc::default(),
    };
    let set = RuleSet::compile(&groups, &names, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    Place { set: set.unwrap(), defined }
}

fn request(place: &Place, path: &str) -> Exchange {
    let mut x = exchange();
    x.path = path.as_bytes().to_vec();
    x.defined = Values::new(&Arc::new(Definitions::of_names(place.defined.clone())));
    x
}

fn step<'p>(place: &'p Place, run: &mut Run<'p>, x: &mut Exchange, outcome: &mut Outcome, now: SystemTime) -> Step<'p> {
    let edge = EdgeFacts::default();
    let mut chance = || 0.0;
    let mut world = World {
        exchange: x,
        response: None,
        vars: &place.defined,
        upstream: None,
        edge: &edge,
        now,
        chance: &mut chance,
    };
    run.go(&mut world, outcome)
}

/// The names of the rules that fire, none of which needs anything.
fn fired(place: &Place, x: &mut Exchange, now: SystemTime) -> (Vec<String>, Outcome) {
    let mut outcome = Outcome::default();
    let mut run = Run::new(&place.set, Phase::Request, x);
    let step = step(place, &mut run, x, &mut outcome, now);
    assert!(matches!(step, Step::Done | Step::Answered), "{step:?}");
    (x.rules.take().unwrap_or_default().fired.iter().map(|name| name.to_string()).collect(), outcome)
}

#[test]
fn memcached_is_asked_only_after_the_cheap_conditions_held() {
    let place =
        place("  - { name: a, when: \"session.user == 'eve' && request.path == '/x'\", then: [{ respond: 403 }] }");
    let (names, _) = fired(&place, &mut request(&place, "/y"), UNIX_EPOCH);
    assert!(names.is_empty());
    let mut x = request(&place, "/x");
    let mut outcome = Outcome::default();
    let mut run = Run::new(&place.set, Phase::Request, &x);
    assert!(matches!(step(&place, &mut run, &mut x, &mut outcome, UNIX_EPOCH), Step::Need(Need::Session)));
    let stored = Some(StoredSession { user: Some("eve".into()), ..StoredSession::default() });
    x.session = Some(Box::new(Session { id: Some("0".into()), stored, ..Session::default() }));
    run.met(Met::Session);
    assert!(matches!(step(&place, &mut run, &mut x, &mut outcome, UNIX_EPOCH), Step::Answered));
    assert_eq!(outcome.answer, Some(Answer::Status(403)));
}

#[test]
fn a_request_without_a_session_is_not_asked_for_twice() {
    let place = place(
        "  - { name: a, when: session.user == 'eve', then: [{ respond: 403 }] }\n  - { name: b, then: [{ upstream: u }] }",
    );
    let mut x = request(&place, "/");
    let mut outcome = Outcome::default();
    let mut run = Run::new(&place.set, Phase::Request, &x);
    assert!(matches!(step(&place, &mut run, &mut x, &mut outcome, UNIX_EPOCH), Step::Need(Need::Session)));
    run.met(Met::Session);
    assert!(matches!(step(&place, &mut run, &mut x, &mut outcome, UNIX_EPOCH), Step::Done));
    assert_eq!(outcome.upstream.as_deref(), Some("u"));
}

#[test]
fn what_a_limit_says_is_what_its_rule_comes_to() {
    let place =
        place("  - { name: a, then: [{ rate_limit: { by: client.ip, rate: 1/s, status: 503 } }, { upstream: u }] }");
    for (met, answer, delay) in [
        (Met::Passed, None, Duration::ZERO),
        (Met::Delayed(Duration::from_millis(5)), None, Duration::from_millis(5)),
        (Met::Refused { retry_after: Some(Duration::from_millis(1100)) }, Some(Answer::Status(503)), Duration::ZERO),
    ] {
        let mut x = request(&place, "/");
        let mut outcome = Outcome::default();
        let mut run = Run::new(&place.set, Phase::Request, &x);
        let Step::Need(Need::Rate { key, place: 0, .. }) = step(&place, &mut run, &mut x, &mut outcome, UNIX_EPOCH)
        else {
            panic!("nobody is asked");
        };
        assert_eq!(key, b"192.0.2.7");
        run.met(met);
        step(&place, &mut run, &mut x, &mut outcome, UNIX_EPOCH);
        assert_eq!((&outcome.answer, outcome.delay), (&answer, delay));
        assert_eq!(outcome.upstream.is_some(), answer.is_none());
        // Rounded up: who comes back then is not refused again.
        let told = outcome.to_client.first().map(|change| change.value.clone());
        assert_eq!(told, answer.map(|_| b"2".to_vec()));
    }
}

#[test]
fn nothing_is_counted_by_a_key_that_has_no_value() {
    let place = place("  - { name: a, then: [{ rate_limit: { by: \"request.headers['x-none']\", rate: 1/s } }] }");
    assert_eq!(fired(&place, &mut request(&place, "/"), UNIX_EPOCH).0, ["a"]);
}

#[test]
fn a_condition_without_a_value_is_false_and_told_once_a_minute() {
    let place = place(
        "  - { name: a, when: \"request.headers['x-none'] == 'b'\", then: [{ respond: 403 }], else: [{ upstream: u }] }",
    );
    let now = UNIX_EPOCH + Duration::from_secs(600);
    let mut x = request(&place, "/");
    let (names, outcome) = fired(&place, &mut x, now);
    assert!(names.is_empty() && outcome.answer.is_none() && outcome.upstream.is_some());
    assert_eq!(outcome.faults.len(), 1, "{:?}", outcome.faults);
    assert!(outcome.faults[0].starts_with("the rule a has no answer: "), "{}", outcome.faults[0]);
    assert!(fired(&place, &mut x, now + Duration::from_secs(59)).1.faults.is_empty());
    assert_eq!(fired(&place, &mut x, now + Duration::from_secs(61)).1.faults.len(), 1);
}

#[test]
fn stop_ends_the_rules_beside_it() {
    let place = place(
        "  - { name: a, when: request.path == '/a', stop: true }\n  - { name: b, then: [{ upstream: u }] }\n  \
         - { name: c, phase: upstream_request, then: [{ set_request_header: { A: b } }] }",
    );
    assert_eq!(fired(&place, &mut request(&place, "/a"), UNIX_EPOCH).0, ["a"]);
    assert_eq!(fired(&place, &mut request(&place, "/b"), UNIX_EPOCH).0, ["b"]);
    assert!(place.set.has(Phase::UpstreamRequest) && !place.set.has(Phase::Response));
}

#[test]
fn rules_of_many_paths_methods_and_hosts_are_found_in_their_order() {
    let mut text = String::new();
    for at in 0..150 {
        text += &format!("  - {{ name: r{at}, when: \"request.path == '/p{at}/x'\", then: [{{ upstream: u }}] }}\n");
    }
    text += "  - { name: post, when: request.method == 'POST', then: [{ upstream: u }] }\n";
    text += "  - { name: below, when: \"request.path.startsWith('/p149/')\", then: [{ upstream: u }] }\n";
    text += "  - { name: begins, when: \"request.path.startsWith('/p14')\", then: [{ upstream: u }] }\n";
    text += "  - { name: host, when: request.host == 'example.com', then: [{ upstream: u }] }\n";
    text += "  - { name: area, when: \"below(request.path, ['/p7/', '/q/r'])\", then: [{ upstream: u }] }\n";
    text +=
        "  - { name: other, when: request.host == 'other.example', then: [{ upstream: u }], else: [{ server: s }] }\n";
    let place = place(&text);
    let of = |path: &str| fired(&place, &mut request(&place, path), UNIX_EPOCH);
    assert_eq!(of("/p149/x").0, ["r149", "below", "begins", "host"]);
    assert_eq!(of("/p70/x").0, ["r70", "host"]);
    assert_eq!(of("/p70/y").0, ["host"]);
    assert_eq!(of("/p14").0, ["begins", "host"]);
    assert_eq!(of("/p7").0, ["host", "area"]);
    assert_eq!(of("/p7/x").0, ["r7", "host", "area"]);
    assert_eq!(of("/q/s").0, ["host"]);
    // Those behind may read another path than the one whose first segment this is.
    assert_eq!(of("/p14/..;x/q/r").0, ["begins", "host", "area"]);
    assert_eq!(of("/p149/;x").0, ["below", "begins", "host"]);
    assert_eq!(of("/").1.server.as_deref(), Some(&b"s"[..]));
}

#[test]
fn a_rewrite_changes_what_the_one_before_has_left() {
    let place = place(
        "  - { name: a, then: [{ rewrite: { match: '^/a/(?<rest>.*)$', to: '/b/$1?n=$rest' } }] }\n  \
         - { name: b, then: [{ rewrite: { match: '^/b/', to: '/c$uri' } }] }\n  \
         - { name: c, when: request.path == '/nowhere', then: [{ rewrite: { path: /d, query: '' } }] }",
    );
    let target = fired(&place, &mut request(&place, "/a/x y"), UNIX_EPOCH).1.target.unwrap();
    // What a rule reads is the request as it came.
    assert_eq!(target.path.as_deref(), Some(&b"/c/a/x y"[..]));
    assert_eq!(target.query.as_deref(), Some(&b"n=x y&x=1&y=2"[..]));
}
