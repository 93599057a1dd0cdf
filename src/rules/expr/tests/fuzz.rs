//! Whatever is written and whatever is sent, nothing panics; and what is told of a condition before it runs is true.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::Expr;
use super::World;
use crate::http::{Framing, Head, Version};

/// Words and signs, so that many put together are nearly an expression.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = [
        "request",
        "path",
        "method",
        "headers",
        "x",
        "size",
        "matches",
        "has",
        "all",
        "map",
        "in",
        "true",
        "null",
        "1",
        "2.5",
        "7u",
        "'a'",
        "r'^/a'",
        "b'\\xff'",
        "'\\u00e9'",
        "'",
        "\"",
        "'''",
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ":",
        "?",
        "&&",
        "||",
        "!",
        "==",
        "<",
        "+",
        "-",
        "*",
        "/",
        "%",
        "//",
        "\n",
        " ",
        "é",
        "=",
        "0x",
        "1e",
        "99999999999999999999",
        "-9223372036854775808",
        "if",
        "\0",
        "1.",
        "..",
        "$",
        "`",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

/// An expression of any type, as far as the check knows.
fn value() -> impl Strategy<Value = String> {
    let leaves = [
        "request.path",
        "request.headers",
        "request.args",
        "request.cookies",
        "request.method",
        "request.size",
        "now",
        "session.idle",
        "vars.site",
        "with.paths",
        "with.limits",
        "client.ip",
        "null",
        "true",
        "1",
        "0",
        "2.5",
        "7u",
        "-9223372036854775807",
        "9223372036854775807",
        "''",
        "'a'",
        "b'\\xff'",
        "[]",
        "{}",
        "duration('1h')",
        "x",
        "'='",
    ];
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(|leaf| format!("dyn({leaf})"));
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operators = vec!["+", "-", "*", "/", "%", "==", "<", ">=", "!=", "in", "&&", "||"];
        let functions = vec![
            "size",
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "bool",
            "duration",
            "timestamp",
            "type",
            "bucket",
            "hash",
            "percent",
            "base64.encode",
            "base64.decode",
            "url.encode",
            "url.decode",
            "-",
            "!",
        ];
        let methods = vec![
            "contains",
            "startsWith",
            "split",
            "indexOf",
            "lastIndexOf",
            "substring",
            "charAt",
            "join",
            "endsWith",
        ];
        let whole = vec![
            "lowerAscii()",
            "trim()",
            "getHours()",
            "getFullYear('-11:00')",
            "getMilliseconds()",
            "join()",
            "a",
            "extract('(.)=')",
            "matches('[a-z]+')",
            "substring(1)",
            "split('', 3)",
            "replace('a', 'bb')",
        ];
        let repeats = vec!["all", "exists", "exists_one", "map", "filter"];
        let one = || inner.clone();
        let of = |words| prop::sample::select::<&'static str>(words);
        prop_oneof![
            (one(), of(operators), one()).prop_map(|(a, sign, b)| format!("dyn({a} {sign} {b})")),
            (of(functions), one()).prop_map(|(function, a)| format!("dyn({function}({a}))")),
            (one(), of(methods), one()).prop_map(|(a, method, b)| format!("dyn({a}.{method}({b}))")),
            (one(), of(whole)).prop_map(|(a, method)| format!("dyn({a}.{method})")),
            (one(), one()).prop_map(|(a, b)| format!("dyn({a}[{b}])")),
            (one(), of(repeats), one()).prop_map(|(a, repeat, b)| format!("dyn({a}.{repeat}(x, {b}))")),
            (one(), one(), one()).prop_map(|(a, b, c)| format!("dyn({a} ? {b} : {c})")),
            (one(), one()).prop_map(|(a, b)| format!("dyn([{a}, {b}])")),
            (one(), one()).prop_map(|(a, b)| format!("dyn({{'a': {a}, 'b': {b}}})")),
        ]
    })
}

/// A condition on method, path and host, of the shapes that a precheck reads.
fn condition() -> impl Strategy<Value = String> {
    let leaves = [
        "request.method == 'GET'",
        "request.method in ['GET', 'PUT']",
        "request.path == '/a'",
        "request.path.startsWith('/a')",
        "request.path.startsWith('/a/b')",
        "request.path in ['/a', '/b']",
        "request.path.matches('^/a?/b')",
        "request.path.matches('^/ab*')",
        "request.path.matches('^/a$')",
        "request.path.matches('^/a{0,2}b')",
        "request.path.matches('^/a+')",
        "request.host == 'h'",
        "below(request.path, '/a')",
        "below(request.path, ['/a/b', '/b/'])",
        "below(request.path, '/')",
        "'/a' == request.path",
        "request.path != '/a'",
        "request.path.endsWith('b')",
        "request.path.contains('a/')",
        "request.header('cookie').contains('theme')",
        "request.header('x-forwarded-for') != '203.0.113.9, 10.1.2.3'",
        "request.cookie('theme') == 'dark'",
        "request.arg('b').startsWith('x y')",
        "request.arg('e') == ''",
        "client.ip == '192.0.2.7'",
        "session.route == 'tomcat1'",
        "true",
        "false",
        "1 / request.size == 1",
        "session.user == ''",
        "has(session.user)",
    ];
    prop::sample::select(leaves.to_vec()).prop_map(String::from).prop_recursive(3, 12, 3, |inner| {
        let one = || inner.clone();
        prop_oneof![
            (one(), one()).prop_map(|(a, b)| format!("({a} && {b})")),
            (one(), one()).prop_map(|(a, b)| format!("({a} || {b})")),
            one().prop_map(|a| format!("!({a})")),
            (one(), one(), one()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// A request of anything.
fn world() -> impl Strategy<Value = World> {
    let names = prop::sample::select(vec!["Cookie", "X-A", "x-a", "Authorization", "a"]);
    let fields = prop::collection::vec((names, prop::collection::vec(any::<u8>(), 0..20)), 0..6);
    (fields, prop::collection::vec(any::<u8>(), 0..20), "[a=&%+;0-9é]{0,24}", any::<bool>()).prop_map(
        |(fields, path, args, bare)| {
            let fields = fields.into_iter().map(|(name, value)| (Bytes::from_static(name.as_bytes()), value.into()));
            let mut world = World::new().with_head(Head {
                method: http::Method::GET,
                target: Bytes::from(path.clone()),
                version: Version::Http2,
                headers: fields.collect(),
                line: Bytes::new(),
                framing: Framing::Chunked,
            });
            world.exchange.path = path;
            world.exchange.args = (!bare).then(|| args.into_bytes());
            if bare {
                world.exchange.session = None;
                world.response = None;
            }
            world
        },
    )
}

/// The words with which the crate's own troubles would be told: that its parser panicked, or refuses what was let through.
const UNEXPLAINED: &[&str] = &["cannot be read", "no expression of CEL"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_reading_panic(text in prop_oneof![pieces(), any::<String>()]) {
        let world = World::new();
        match world.compile(&text) {
            Ok(expr) => drop(expr.evaluate(&world.view()).map(|value| super::shown(&value))),
            Err(mistakes) => for mistake in mistakes {
                let end = mistake.at + mistake.len;
                prop_assert!(text.is_char_boundary(mistake.at) && text.is_char_boundary(end), "{mistake:?}");
                prop_assert!(!UNEXPLAINED.iter().any(|words| mistake.message.contains(words)), "{mistake:?}");
            }
        }
    }

    #[test]
    fn no_expression_panics_over_any_request(text in value(), world in world()) {
        match world.compile(&format!("[dyn('q')].map(x, {text})")) {
            Ok(expr) => drop(expr.evaluate(&world.view()).map(|value| super::shown(&value))),
            Err(mistakes) => for mistake in mistakes {
                prop_assert!(!UNEXPLAINED.iter().any(|words| mistake.message.contains(words)), "{mistake:?}");
            }
        }
    }

    #[test]
    fn what_is_told_of_a_condition_is_true(
        text in condition(),
        method in prop::sample::select(vec!["GET", "PUT", "POST"]),
        path in prop::sample::select(vec![
            "/a", "/b", "/a/b", "/a/b/c", "//b", "/", "/aab", "/ab", "/x/..;/a", "/a;x/b", "/b/..;a/", ";", "/a/..;/b;"
        ]),
        host in prop::sample::select(vec!["h", "i"]),
        size in 0..2_u64,
        bare: bool,
    ) {
        let mut world = World::new();
        world.exchange.method = http::Method::from_bytes(method.as_bytes()).unwrap();
        world.exchange.path = path.into();
        world.exchange.host = Bytes::from(host);
        let head = Head { framing: Framing::Length(size), ..(*world.exchange.head).clone() };
        let mut world = world.with_head(head);
        if bare {
            world.exchange.session = None;
        }
        let expr = Expr::condition(&text, &world.scope()).unwrap();
        let precheck = expr.precheck();
        let holds = expr.test(&world.view());
        let passes = !precheck.is_impossible()
            && precheck.methods.as_ref().is_none_or(|methods| methods.contains(method))
            && precheck.paths.as_ref().is_none_or(|paths| paths.iter().any(|test| test.holds(path.as_bytes())))
            && precheck.hosts.as_ref().is_none_or(|hosts| hosts.contains(host.as_bytes()));
        prop_assert!(passes || holds != Ok(true), "{text}: {precheck:?}");
        let slowly = Expr::condition(&text, &world.scope()).unwrap().slowed().test(&world.view());
        prop_assert!(holds == slowly, "{text}: {holds:?} {slowly:?}");
        let (cheap, stored) = expr.split();
        let part = |part: Option<Expr>| part.is_none_or(|part| part.test(&world.view()) == Ok(true));
        prop_assert_eq!(part(cheap) && part(stored), holds == Ok(true));
    }
}
