//! What is told of an expression before it runs, and what it may cost.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::super::{Expr, Fault, Kind, NAMES, Needs, PathTest, Precheck};
use super::{World, head, with_site};
use crate::rules::Phase;

fn precheck(text: &str) -> Precheck {
    World::new().compile(text).unwrap().precheck()
}

fn methods(words: &[&str]) -> Option<BTreeSet<String>> {
    Some(words.iter().map(|word| word.to_string()).collect())
}

fn exact(path: &str) -> PathTest {
    PathTest::Exact(path.into())
}

fn prefix(path: &str) -> PathTest {
    PathTest::Prefix(path.into())
}

#[test]
fn what_a_condition_needs_is_known_before_it_runs() {
    let world = World::new();
    let needs = |text: &str| world.compile(text).unwrap().needs();
    assert!(needs("request.method == 'GET' && vars.site == ''").is_empty());
    assert_eq!(needs("session.route == 'a'"), Needs::SESSION);
    assert_eq!(needs("[1].exists(x, has(session.user))"), Needs::SESSION | Needs::SESSION_STORE);
    assert_eq!(needs("response.header('a') == '' || upstream.name == ''"), Needs::RESPONSE | Needs::UPSTREAM);
    assert_eq!(needs("{request.path: [cache.age]}"), Needs::CACHE | Needs::RESPONSE);
}

#[test]
fn kinds_are_those_of_the_values() {
    let world = World::new();
    let kind = |text: &str| world.compile(text).unwrap().kind().to_string();
    assert_eq!(kind("request.headers"), "map(string, string)");
    assert_eq!(kind("[1, 2].map(x, string(x))"), "list(string)");
    assert_eq!(kind("now - request.time"), "duration");
    assert_eq!(kind("jwt(request.bearer, with.keys)"), "dyn");
    assert_eq!(kind("with.limits"), "map(string, int)");
    assert_eq!(world.compile("true ? 1 : null").unwrap().kind(), Kind::Dyn);
}

#[test]
fn what_must_hold_for_a_condition_is_known() {
    let paths = |tests: &[PathTest]| Precheck { paths: Some(tests.iter().cloned().collect()), ..Precheck::default() };
    assert_eq!(precheck("request.method == 'GET'").methods, methods(&["GET"]));
    assert_eq!(precheck("'GET' == request.method || request.method in ['PUT']").methods, methods(&["GET", "PUT"]));
    assert_eq!(precheck("request.path in with.paths"), paths(&[exact("/login"), exact("/shop/Cart a")]));
    let nine = "request.path in ['/1', '/2', '/3', '/4', '/5', '/6', '/7', '/8', '/9']";
    assert_eq!(precheck(nine).paths.map(|paths| paths.len()), Some(9));
    assert_eq!(precheck("request.path.startsWith('/a')"), paths(&[prefix("/a")]));
    assert_eq!(precheck("request.path.matches('^/api/v[12]')"), paths(&[prefix("/api/v")]));
    assert_eq!(precheck("request.path.matches('^/apis?/')"), paths(&[prefix("/api")]));
    assert_eq!(precheck("request.path.matches('^/a|b')"), Precheck::default());
    assert_eq!(precheck("request.path.matches('/a')"), Precheck::default());
    assert_eq!(precheck("request.path.matches('(?i)^/a')"), Precheck::default());
    assert_eq!(precheck("request.path.startsWith('/a') && request.path.startsWith('/a/b')"), paths(&[prefix("/a/b")]));
    assert_eq!(precheck("request.path.startsWith('/a') && request.path in ['/b', '/a/c']"), paths(&[exact("/a/c")]));
    let below = |path: &str| PathTest::Below(path.into());
    assert_eq!(precheck("below(request.path, '/a/')"), paths(&[below("/a")]));
    assert_eq!(precheck("below(request.path, ['/a', '/b/c'])"), paths(&[below("/a"), below("/b/c")]));
    assert_eq!(precheck("below(request.path, with.paths)"), paths(&[below("/login"), below("/shop/Cart a")]));
    assert_eq!(precheck("below(request.path, '/a') && request.path in ['/b', '/a/c']"), paths(&[exact("/a/c")]));
    assert_eq!(precheck("below(request.path, ['/a', '/'])"), Precheck::default());
    assert_eq!(precheck("!below(request.path, '/a')"), Precheck::default());
    assert_eq!(precheck("request.host == 'a' && client.tls").hosts, Some(BTreeSet::from([b"a".to_vec()])));
    assert_eq!(precheck("request.method == 'GET' || client.tls"), Precheck::default());
    assert_eq!(precheck("!(request.method == 'GET')"), Precheck::default());
    assert_eq!(precheck("request.method != 'GET'"), Precheck::default());
    assert_eq!(precheck("with.strict && request.method == 'GET'").methods, methods(&["GET"]));
}

#[test]
fn what_can_never_be_true_is_told() {
    let never = [
        "false",
        "request.method == 'GET' && request.method == 'PUT'",
        "with.strict && false",
        "request.path == '/a' && request.path.startsWith('/b')",
        "request.host in []",
    ];
    for text in never {
        assert!(precheck(text).is_impossible(), "{text}");
    }
    assert!(!precheck("false || request.method == 'GET'").is_impossible());
}

#[test]
fn what_asks_memcached_comes_last() {
    let world = World::new();
    let split = |text: &str| {
        let (cheap, stored) = world.compile(text).unwrap().split();
        let of = |part: Expr| (part.needs().contains(Needs::SESSION_STORE), part.test(&world.view()));
        (cheap.map(of), stored.map(of))
    };
    let mixed = "session.user == 'alice' && client.tls && session.age > duration('1s') && request.method == 'POST'";
    assert_eq!(split(mixed), (Some((false, Ok(true))), Some((true, Ok(true)))));
    assert_eq!(split("client.tls"), (Some((false, Ok(true))), None));
    assert_eq!(split("has(session.user) || client.tls"), (None, Some((true, Ok(true)))));
}

#[test]
fn names_are_known_from_their_phase_on() {
    for entry in NAMES {
        for phase in Phase::ALL {
            let world = World { phase, ..World::new() };
            let known = world.compile(entry.name).is_ok();
            assert_eq!(known, phase >= entry.since, "{} in {phase}", entry.name);
        }
    }
}

#[test]
fn a_request_without_anything_reads_as_empty() {
    let mut world = World::new().with_head(head("/", &[]));
    world.exchange.session = None;
    world.exchange.args = None;
    world.exchange.tries.clear();
    world.exchange.defined = with_site(None);
    world.exchange.cache_status = None;
    world.response = None;
    for entry in NAMES {
        let value = world.value(entry.name);
        let missing = matches!(entry.name, "session.age" | "session.idle");
        assert_eq!(value.starts_with('!'), missing, "{}: {value}", entry.name);
    }
    assert_eq!(world.value("has(session.idle) && session.idle > duration('1m')"), "false");
    assert_eq!(world.value("session.idle > duration('1m')"), "!there is no `session.idle`");
    assert_eq!(world.value("vars.site + request.query + session.user + request.bearer"), "''");
    assert_eq!(world.value("response.status"), "0");
}

#[test]
fn bytes_that_are_no_text_are_read_as_they_are() {
    let mut world = World::new();
    world.exchange.path = b"/caf\xe9/\xff".to_vec();
    assert_eq!(world.value("request.path"), r"'/caf\xe9/\xff'");
    assert_eq!(world.value("size(request.path)"), "7");
    assert_eq!(world.value("request.path.substring(4, 6)"), r"'\xe9/'");
    assert_eq!(world.value("request.path.endsWith('/') || request.path.contains('/caf')"), "true");
    assert_eq!(world.value("request.path.matches('^/caf.')"), "true");
    assert_eq!(world.value("request.path.split('')[4]"), r"'\xe9'");
}

#[test]
fn no_expression_runs_for_long() {
    let mut world = World::new();
    let many = (0..3000).map(|at| format!("k{at}")).collect::<Vec<_>>().join("&");
    world.exchange.args = Some(many.clone().into_bytes());
    world.exchange.defined = with_site(Some(Bytes::from(many)));
    let doubled = format!("[vars.site]{}", ".map(x, [x, x])".repeat(30));
    let expensive = [
        "vars.site.split('&').all(a, vars.site.split('&').all(b, a != b + 'x'))",
        "vars.site.split('&').map(a, vars.site.split('&'))",
        "vars.site.split('&').all(a, !vars.site.matches('z(.*)z'))",
        "vars.site.split('&').all(a, jwt(a, with.keys) == null)",
        "vars.site.split('&').all(a, size(hash(vars.site)) == 64)",
        "request.args.all(a, a in request.args)",
        "request.args.all(a, request.args.size() > 3)",
        "request.args == request.args",
        "request.args",
        // Lists that hold one another many times over.
        &doubled,
        &format!("{doubled} == {doubled}"),
    ];
    for text in expensive {
        let expr = world.compile(text).unwrap();
        let fault = expr.evaluate(&world.view()).map(|_| ()).unwrap_err();
        assert_eq!(fault, Fault::TooExpensive, "{text}");
    }
    assert_eq!(world.value("vars.site.split('&').map(a, vars.site).join('')"), "!a text of more than 64 KiB");
    let text = format!("request.uri{}", ".replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaa')".repeat(8));
    assert_eq!(world.compile(&text).unwrap().evaluate(&world.view()).map(|_| ()), Err(Fault::TooLarge));
    // Which no other condition makes good.
    let absorbed = format!("{} || true", expensive[0]);
    assert_eq!(world.test(&absorbed), Err(Fault::TooExpensive));
}

#[test]
fn a_pattern_that_explodes_is_a_fault() {
    let mut world = World::new();
    world.exchange.path = [&[b'a'; 60][..], b"b"].concat();
    let found = world.test(r"request.path.matches(r'^(?:(a+)\1?)+$(?!b)')");
    assert!(matches!(found, Err(Fault::GivenUp(_))), "{found:?}");
}
