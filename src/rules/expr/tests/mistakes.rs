//! What is told of expressions that are wrong, and where: the place in bytes, the length, the message.

use super::World;
use crate::rules::Phase;

fn hold(cases: &[(&str, &str)]) {
    hold_in(&World::new(), cases);
}

fn hold_in(world: &World, cases: &[(&str, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .map(|(text, expected)| (text, expected, world.told(text)))
        .filter(|(_, expected, told)| **expected != told)
        .map(|(text, expected, told)| format!("{text}\n    is told {told}\n    not     {expected}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
#[rustfmt::skip]
fn names_that_are_not_known_are_told_with_those_that_are_meant() {
    hold(&[
        ("request.methd == 'GET'", "0+13 request.methd is not known; did you mean request.method?"),
        ("methd == 'GET'", "0+5 `methd` is not known; did you mean request.method?"),
        ("method == 'GET'", "0+6 `method` is not known; did you mean request.method?"),
        ("request.url == '/'", "0+11 request.url is not known; did you mean request.uri?"),
        ("request", "0+7 `request` is a group of names: request.method, request.scheme, request.host, request.path, request.bare_path, request.raw_path, request.uri, request.query, request.args, request.headers, request.cookies, request.bearer, request.size, request.version, request.time, request.id"),
        ("request['method'] == 'GET'", "0+17 `request` is a group of names: write request.method"),
        ("client.address == '1.2.3.4'", "0+14 client.address is not known; did you mean client.ip?"),
        ("foo.bar == 1", "0+3 `foo` is not known; a text stands in quotes, and a name begins with request, client, session, upstream, response, cache, edge, vars or with"),
        ("request.header == 'x'", "0+14 request.header is not known; it is a function: request.header('name')"),
        ("request.method() == 'GET'", "8+6 request.method() is no function; write request.method without brackets"),
        ("with.ratte > 1", "0+10 with.ratte is no parameter of the file; did you mean with.rate?"),
        ("vars.sit == 'a'", "0+8 vars.sit is set by no rule; did you mean vars.site?"),
        ("vars.nothing == 'a'", "0+12 vars.nothing is set by no rule; a rule sets one with `set: {NAME: expression}`"),
        ("with == 1", "0+4 `with` is the parameters of the file: write with.NAME"),
        ("with.limits.fre > 1", "0+15 this map has no 'fre'; did you mean 'free'?"),
        ("request.status == 200", "0+14 request.status is not known; did you mean upstream.status?"),
        ("request.method == 'GET' && (request.pth == '/' || response.staus == 1)", "28+11 request.pth is not known; did you mean request.path?\n50+14 response.staus is not known; did you mean response.status?"),
        ("hostt == 'a'", "0+5 `hostt` is not known; did you mean request.host?"),
        ("[1].all(x, [1].all(x, y == 1))", "22+1 `y` is not known; a text stands in quotes, and a name begins with request, client, session, upstream, response, cache, edge, vars or with"),
    ]);
}

#[test]
#[rustfmt::skip]
fn types_that_do_not_fit_are_told_with_both() {
    hold(&[
        ("request.method", "0+14 a condition is a bool, and this is string; write request.method != '' if it must not be empty"),
        ("size(request.path)", "0+18 a condition is a bool, and this is int; write size(request.path) != 0 if it must not be 0"),
        ("request.headers", "0+15 a condition is a bool, and this is map(string, string); write size(request.headers) > 0 if it must not be empty"),
        ("request.method == 5", "0+19 string cannot be compared to int; write int(request.method) or '5'"),
        ("response.status == '404'", "0+24 int cannot be compared to string; write 404 without quotes"),
        ("response.status == request.path", "0+31 int cannot be compared to string; write int(request.path)"),
        ("session.idle > 300", "0+18 duration cannot be compared to int; write duration('300s')"),
        ("session.age < '5m'", "0+18 duration cannot be compared to string; write duration('5m')"),
        ("now > '2026-01-01T00:00:00Z'", "0+28 timestamp cannot be compared to string; write timestamp('2026-01-01T00:00:00Z')"),
        ("request.path == ['/a', '/b']", "0+28 string cannot be compared to list(string); write request.path in ['/a', '/b']"),
        ("request.method && true", "0+14 `&&` takes conditions (bool), and this is string; write request.method != '' if it must not be empty"),
        ("!request.path", "1+12 `!` takes conditions (bool), and this is string; write request.path != '' if it must not be empty"),
        ("true || 1", "8+1 `||` takes conditions (bool), and this is int; write 1 != 0 if it must not be 0"),
        ("'a' + 1 == 'a1'", "0+7 string + int has no meaning; write string(1)"),
        ("1 + 'a' == 'a1'", "0+7 int + string has no meaning; write string(1)"),
        ("1 + 1.5 == 2.5", "0+7 int + double has no meaning; write double(1)"),
        ("1.5 % 2.0 == 1.0", "0+9 double % double has no meaning; `%` takes int or uint"),
        ("-request.path == ''", "0+13 `-` takes int, double or duration, and this is string"),
        ("true ? 'a' : 1", "0+14 both sides of `:` have one type, and these are string and int"),
        ("request.path in '/a/b'", "0+22 `in` looks into a list or map, and this is string; write '/a/b'.contains(…)"),
        ("request.size in ['a']", "0+21 int cannot be in list(string)"),
        ("request.path in 5", "16+1 `in` looks into a list or map, and this is int"),
        ("request.headers[1] == 'x'", "16+1 the keys of this map are string, and this is int"),
        ("[1]['a'] == 1", "4+3 a list is indexed by int, and this is string"),
        ("request.path[0] == '/'", "0+15 `[…]` asks for something in a list or map, and this is string; a part of a text is text.substring(from, to)"),
        ("request.path.all(c, c == 'a')", "0+12 `all` goes through a list or the keys of a map, and this is string; a text becomes a list by text.split(',')"),
        ("{1.5: 'x'}[1.5] == 'x'", "1+3 a key of a map is string, int, uint or bool, and this is double"),
        ("request.path < 5", "0+16 string cannot be compared to int; write int(request.path) or '5'"),
        ("request.headers < request.headers", "0+33 map(string, string) has no order; only `==` and `!=` compare it"),
        ("null < null", "0+11 null has no order; only `==` and `!=` compare it"),
        ("client.tls, client.tls", "10+1 `,` separates arguments and what is in a list or map; both of two conditions are meant with `&&`"),
        ("-5u == 1", "0+3 `-` takes int, double or duration, and this is uint"),
        ("[1, 'a'].foo == 1", "0+12 `.foo` asks for something in a map, and this is list(dyn)"),
    ]);
}

#[test]
#[rustfmt::skip]
fn functions_say_how_they_are_written() {
    hold(&[
        ("request.hedder('x') == ''", "8+6 request.hedder() is no function; did you mean request.header('name')?"),
        ("request.path.startswith('/a')", "13+10 `startswith` is no function; did you mean text.startsWith(part)?"),
        ("request.path.starts_with('/a')", "13+11 `starts_with` is no function; did you mean text.startsWith(part)?"),
        ("len(request.path) > 3", "0+3 `len` is no function; did you mean size(x), x.size()?"),
        ("request.path.lenght() > 3", "13+6 `lenght` is no function; did you mean size(x), x.size()?"),
        ("foo(1) == 2", "0+3 `foo` is no function"),
        ("size() == 1", "0+4 `size` is written size(x), x.size(), and here it has 0 arguments"),
        ("size(1) == 1", "5+1 `size` takes string or bytes or list or map, and this is int; write string(1)"),
        ("request.path.contains(5)", "22+1 `contains` takes string, and this is int; write string(5)"),
        ("request.path.contains('a', 'b')", "13+8 `contains` is written text.contains(part), and here it has 2 arguments"),
        ("startsWith(request.path, '/a')", "0+10 `startsWith` is written text.startsWith(part)"),
        ("'a'.hash() == ''", "4+4 `hash` is written hash(x)"),
        ("request.args.contains('a')", "0+12 `contains` takes string, and this is map(string, string); one of its values is request.args['name']"),
        ("[1, 2].all(1, true)", "11+1 a name for each element is expected here: list.all(x, condition)"),
        ("[1, 2].all(x)", "7+3 `all` is written list.all(x, condition)"),
        ("[1, 2].exists(x, x)", "17+1 `exists` takes conditions (bool), and this is int; write x != 0 if it must not be 0"),
        ("has(request)", "4+7 has() asks for a name behind a dot: has(request.headers.referer), has(vars.site); a key that is no name is asked for with 'x-name' in request.headers"),
        ("has(request.headers['x'])", "4+20 has() asks for a name behind a dot: has(request.headers.referer), has(vars.site); a key that is no name is asked for with 'x-name' in request.headers"),
        ("has(request.path.a)", "4+12 has() looks into a map, and this is string"),
        ("Foo{a: 1}", "3+1 CEL's messages are not known here; a map is written {'key': value}"),
        ("base64.enc('a') == ''", "7+3 base64.enc is no function; there are base64.encode and base64.decode"),
        ("5m > 3", "0+2 a time is written duration('5m')"),
        ("request.headers.map(k, request.headers[k], 1, 2) == []", "16+3 `map` is written list.map(x, value) or list.map(x, condition, value)"),
        ("dyn(1).nope()", "7+4 `nope` is no function"),
    ]);
}

#[test]
#[rustfmt::skip]
fn what_is_read_at_load_is_read_with_care() {
    hold(&[
        ("request.path.matches('^/(a')", "26+1 this regular expression does not compile: missing closing parenthesis, at its byte 5"),
        ("request.path.matches('[z-a]')", "26+1 this regular expression does not compile: range out of order in character class, at its byte 5"),
        ("request.path.matches(request.host)", "21+12 a regular expression stands here as it is, in quotes or as with.NAME: it is read when the rule is loaded, not for each request"),
        ("cidr(client.ip, '10.0.0.0/33')", "16+13 '10.0.0.0/33' is no network; one is written '10.0.0.0/8', '2001:db8::/32' or '192.0.2.7'"),
        ("cidr(client.ip, '10.0.0.1/8')", "16+12 '10.0.0.1/8' has bits behind its prefix; '10.0.0.0/8' is what it means"),
        ("cidr(client.ip, request.host)", "16+12 networks stand here as they are, in quotes or as with.NAME: they are read when the rule is loaded, not for each request"),
        ("cidr(client.ip, ['10.0.0.0/8', 'x'])", "16+19 'x' is no network; one is written '10.0.0.0/8', '2001:db8::/32' or '192.0.2.7'"),
        ("int('x') == 1", "0+8 'x' is no int"),
        ("duration('5 minutes') > duration('1s')", "0+21 '5 minutes' is no duration; one is written '1h30m', '10s' or '500ms'"),
        ("timestamp('yesterday') < now", "0+22 'yesterday' is no timestamp; one is written '2026-01-31T12:00:00Z'"),
        ("now.getHours('Europe/Berlin') == 3", "13+15 'Europe/Berlin' is no offset from UTC; one is written '+01:00', '-05:30' or 'UTC' (names of time zones are not known)"),
        ("time_between('22', '06:00')", "13+4 '22' is no time of day; one is written '22:00' or '06:30:00'"),
        ("time_between('06:00', '06:00')", "22+7 there is no time between these two; the whole day is '00:00' to '24:00'"),
        ("request.path.extract('(a)', 2) == ''", "28+1 this regular expression has 1 group, and none numbered 2"),
        ("request.path.extract('(?<name>a)', 'nam') == ''", "35+5 this regular expression has no group named 'nam'; did you mean 'name'?"),
        ("jwt(request.bearer, {'alg': 'none', 'secret': 'x'}) != null", "20+30 'none' signs nothing: anybody could write such a token"),
        ("jwt(request.bearer, {'alg': 'HS257', 'secret': 'x'}) != null", "20+31 'HS257' is no algorithm that is known; 'alg' is one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"),
        ("jwt(request.bearer, {'alg': 'RS256', 'secret': 'x'}) != null", "20+31 RS256 takes a public 'key' in PEM, and no 'secret'"),
        ("jwt(request.bearer, {'alg': 'RS256', 'key': 'x'}) != null", "20+28 the 'key' is no public key in PEM: it begins with -----BEGIN PUBLIC KEY-----"),
        ("jwt(request.bearer, {'alg': 'HS256', 'secrt': 'x'}) != null", "20+30 a key has no 'secrt'; did you mean 'secret'?"),
        ("jwt(request.bearer, {'alg': 'HS256', 'file': 'x'}) != null", "20+29 a key's 'file' is read where it stands in a parameter: write jwt(…, with.NAME)"),
        ("jwt(request.bearer, 'secret') != null", "20+8 `jwt` takes map or list, and this is string"),
        ("jwt(request.bearer, {'secret': 'x'}) != null", "20+15 a key names its algorithm: 'alg' is one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"),
        ("{'a': 1, 'a': 2}.a == 1", "0+16 the key 'a' stands twice in this map"),
        ("with.keys.secret.foo == 1", "0+20 `.foo` asks for something in a map, and this is string"),
        ("now.getHours(request.host) == 3", "13+12 an offset from UTC stands here as it is, in quotes or as with.NAME: it is read when the rule is loaded, not for each request"),
        ("matches(request.path, '(?<a')", "26+1 this regular expression does not compile: missing '>', at its byte 4"),
        ("cidr(client.ip, with.name)", "16+9 'shop' is no network; one is written '10.0.0.0/8', '2001:db8::/32' or '192.0.2.7'"),
    ]);
}

#[test]
#[rustfmt::skip]
fn words_that_cannot_follow_each_other_are_told_in_the_readers_terms() {
    hold(&[
        ("request.method = 'GET'", "15+1 `=` compares nothing; two values are compared with `==`"),
        ("request.path =~ '^/a'", "13+1 `=~` is no operator of CEL; a regular expression is asked for with x.matches('…')"),
        ("request.method == 'GET' and request.path == '/'", "24+3 `and` is no operator of CEL; both of two conditions are meant with `&&`"),
        ("request.method == 'GET' or true", "24+2 `or` is no operator of CEL; one of two conditions is meant with `||`"),
        ("not client.tls", "0+3 `not` is no word of CEL; the contrary is meant with `!`"),
        ("request.method == 'GET", "18+1 this text is not closed; ' is missing"),
        (r#"request.path.matches('\d+')"#, r#"22+2 `\d` is no escape; write r'…' for a text with backslashes, as a regular expression is, or `\\` for one"#),
        ("$host == 'a'", "0+1 nginx's variables are not known here; $host is request.host, $arg_a is request.arg('a')"),
        ("request.path == /a/", "16+1 a regular expression stands in quotes: x.matches('^/a')"),
        ("(request.method == 'GET'", "0+1 this `(` is not closed"),
        ("request.method == 'GET')", "23+1 `)` closes nothing"),
        ("request.method ==", "17+0 a value is expected, and the expression ends"),
        ("== 'GET'", "0+2 a value is expected before `==`"),
        ("", "0+0 an expression is expected, and there is none"),
        ("a b", "2+1 an operator is expected before `b`, as `&&`, `==` or `in`"),
        ("[1, 2", "0+1 this `[` is not closed"),
        ("{'a' 1}", "5+1 an operator is expected before `1`, as `&&`, `==` or `in`"),
        ("client.tls ? 1", "14+0 `:` and a second value are expected: condition ? a : b"),
        ("client.tls : 1", "11+1 `:` belongs to `condition ? a : b` or to a map {'key': value}"),
        ("size(request.path,, 1)", "18+1 a value is expected before `,`"),
        ("request..path == ''", "8+1 a name is expected behind the dot, not `.`"),
        ("request.path == ‘a’", r#"16+3 a text stands in ' or ""#),
        ("12abc == 1", "0+5 `12abc` is no number"),
        ("99999999999999999999 == 1", "0+20 99999999999999999999 does not fit into 64 bits"),
        ("if == 1", "0+2 `if` is a word that CEL keeps for itself"),
        (".if == 1", "1+2 `if` is a word that CEL keeps for itself"),
        (".true", "1+4 `true` is a value: a name is expected behind the dot"),
        ("request.null == 1", "8+4 `null` is a value: a name is expected behind the dot"),
        ("[1, 2)", "5+1 `]` is expected, for the bracket that opened at 1"),
        (r#"'\ud800' == ''"#, "0+8 this text holds a character that there is not"),
        ("1e999 > 1.0", "0+5 1e999 is too large for a double"),
        ("request.method == 'GET' & client.tls", "24+1 `&` is no operator; both of two conditions are meant with `&&`"),
        (r#"'a' == "b"#, r#"7+1 this text is not closed; " is missing"#),
    ]);
}

#[test]
fn what_is_not_known_yet_is_told_with_the_phase() {
    let request = World { phase: Phase::Request, ..World::new() };
    hold_in(
        &request,
        &[
            (
                "response.status == 404",
                "0+15 response.status is not known before there is an answer: this rule runs in phase request",
            ),
            (
                "client.tls && has(response.headers.vary)",
                "18+16 response.headers is not known before there is an answer: this rule runs in phase request",
            ),
            (
                "upstream.name == 'web'",
                "0+13 upstream.name is not known before an upstream is chosen: this rule runs in phase request",
            ),
            (
                "response.header('vary') == ''",
                "0+23 response.headers is not known before there is an answer: this rule runs in phase request",
            ),
        ],
    );
    let asked = World { phase: Phase::UpstreamRequest, ..World::new() };
    hold_in(
        &asked,
        &[(
            "cache.status == 'HIT'",
            "0+12 cache.status is not known before there is an answer: this rule runs in phase upstream_request",
        )],
    );
}

#[test]
fn a_file_without_parameters_says_so() {
    let mut world = World::new();
    world.with.clear();
    hold_in(&world, &[("with.rate > 1", "0+9 with.rate is no parameter of the file; the file has no `parameters`")]);
}

#[test]
fn places_are_bytes_and_lines_do_not_matter() {
    hold(&[
        ("'\u{e9}\u{e9}' == request.pth", "10+11 request.pth is not known; did you mean request.path?"),
        ("client.tls &&\n  request.pth == ''", "16+11 request.pth is not known; did you mean request.path?"),
    ]);
}

#[test]
fn secrets_stay_out_of_what_is_printed() {
    let expr = World::new().compile("jwt(request.bearer, with.keys) != null").unwrap();
    let printed = format!("{expr:?}");
    assert!(printed.contains("HS256") && !printed.contains("s3cret"), "{printed}");
}
