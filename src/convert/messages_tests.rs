//! What a user is told, word for word where nginx has words for it.

use crate::config::Diagnostics;
use std::path::Path;

/// Place, severity, message and help of everything that is said, a line each.
fn said(text: &str) -> Vec<String> {
    let mut diagnostics = Diagnostics::new();
    super::parse(Path::new("nginx.conf"), text, &mut diagnostics);
    diagnostics
        .iter()
        .map(|d| {
            let place = d.span.map(|s| format!("{}:{}", s.line, s.column)).unwrap_or_default();
            let help = d.help.as_ref().map(|h| format!(" = {h}")).unwrap_or_default();
            format!("{place} {}{help}", d.message)
        })
        .collect()
}

/// In `http {}`, on the first line, from column 8.
fn in_http(text: &str) -> Vec<String> {
    said(&format!("http {{ {text} }}"))
}

fn in_server(text: &str) -> Vec<String> {
    said(&format!("http {{ server {{ {text} }} }}"))
}

#[test]
fn mistakes_of_syntax_have_nginx_s_words() {
    for (text, expected) in [
        ("http { }\n}", "2:1 unexpected \"}\" = no block is open here"),
        (
            "user a",
            "1:7 unexpected end of file, expecting \";\" or \"}\" = directive \"user\" is not terminated by \";\"",
        ),
        (
            "http {\n server {\n",
            "3:1 unexpected end of file, expecting \"}\" = the block of \"server\" that begins at nginx.conf:2 does not end",
        ),
        (
            "user 'a;\n",
            "1:6 unexpected end of file, expecting \";\" or \"}\" = the quotation that begins here has no second `'`",
        ),
        ("http { gzip on }", "1:16 unexpected \"}\" = directive \"gzip\" is not terminated by \";\""),
        ("; http {}", "1:1 unexpected \";\""),
        ("{ }", "1:1 unexpected \"{\""),
        ("user \"a\"b; http {}", "1:9 unexpected \"b\" = a space or `;` is expected after the quotation"),
        (
            "include a b; http {}",
            "1:1 invalid number of arguments in \"include\" directive = expected the path of a file, or a pattern such as `conf.d/*.conf`",
        ),
        ("include nix.conf; http {}", "1:9 open() \"nix.conf\" failed (2: No such file or directory)"),
    ] {
        assert_eq!(said(text).first().map(String::as_str), Some(expected), "{text}");
    }
}

#[test]
fn misplaced_directives_have_nginx_s_words() {
    for (text, expected) in [
        ("listen 80; http {}", "1:1 \"listen\" directive is not allowed here = it may stand in: server"),
        ("server {} http {}", "1:1 \"server\" directive is not allowed here = it may stand in: http, upstream"),
        (
            "worker_connections 5; http {}",
            "1:1 \"worker_connections\" directive is not allowed here = it may stand in: events",
        ),
        ("events { user a; } http {}", "1:10 \"user\" directive is not allowed here = it may stand in: main"),
        (
            "http { location / { } }",
            "1:8 \"location\" directive is not allowed here = it may stand in: server, location",
        ),
        (
            "http { proxy_pass http://a; }",
            "1:8 \"proxy_pass\" directive is not allowed here = it may stand in: location, limit_except",
        ),
        (
            "http { upstream a { listen 1; } }",
            "1:21 \"listen\" directive is not allowed here = it may stand in: server",
        ),
        ("events; http {}", "1:1 directive \"events\" has no opening \"{\""),
        ("http { server; }", "1:8 directive \"server\" has no opening \"{\""),
        ("http { types; }", "1:8 directive \"types\" has no opening \"{\""),
        ("user { } http {}", "1:1 directive \"user\" is not terminated by \";\""),
        ("http { gzip on { } }", "1:8 directive \"gzip\" is not terminated by \";\""),
        ("http x { }", "1:1 invalid number of arguments in \"http\" directive"),
        ("http { server a { } }", "1:8 invalid number of arguments in \"server\" directive"),
        ("http { upstream a b { } }", "1:8 invalid number of arguments in \"upstream\" directive"),
        (
            "http { gzip; }",
            "1:8 invalid number of arguments in \"gzip\" directive = expected one value: `true` or `false` (`on` or `off`)",
        ),
        (
            "user a;",
            "1:1 no \"http\" section in configuration = `server` and `upstream` stand in `http { … }`; a file of conf.d or sites-enabled is included by nginx.conf",
        ),
    ] {
        assert_eq!(said(text), [expected], "{text}");
    }
}

#[test]
fn what_is_out_of_scope_says_why() {
    for (text, name) in [
        ("fastcgi_pass a;", "fastcgi_pass"),
        ("uwsgi_pass a;", "uwsgi_pass"),
        ("scgi_pass a;", "scgi_pass"),
        ("xslt_types a;", "xslt_types"),
        ("perl_set a b;", "perl_set"),
        ("js_import a;", "js_import"),
        ("ssi on;", "ssi"),
        ("dav_methods PUT;", "dav_methods"),
        ("flv;", "flv"),
        ("mp4;", "mp4"),
        ("http3 on;", "http3"),
        ("content_by_lua_block { a = \"}\" }", "content_by_lua_block"),
    ] {
        let said = in_http(text);
        let expected = format!("1:8 edge does not support \"{name}\" = it is out of scope: ");
        assert!(said.len() == 1 && said[0].starts_with(&expected), "{text}: {said:?}");
    }
    let said = said("stream { server { listen 1; } } http { }");
    assert_eq!(
        said,
        ["1:1 edge does not support \"stream\" = it is out of scope: edge carries HTTP, no streams of TCP or UDP"]
    );
}

#[test]
fn what_edge_does_not_carry_is_told_from_what_nobody_knows() {
    for (text, expected) in [
        (
            "image_filter resize 1 1;",
            "1:8 edge does not support \"image_filter\" = it is out of scope: edge does not change documents or pictures",
        ),
        ("limit_req burst=5;", "1:8 \"limit_req\" directive: expected `zone=NAME`"),
        ("limit_req_zone $a zone=a;", "1:8 \"limit_req_zone\" directive: `zone` is NAME:SIZE"),
        ("limit_req_zone $a zone=a:1m rat=1r/s;", "1:8 \"limit_req_zone\" directive: unknown parameter `rat`"),
        ("limit_conn_zone $a zone=a:1m rate=1r/s;", "1:8 \"limit_conn_zone\" directive: unknown parameter `rate`"),
        ("limit_conn_zone $a zone=a:1m; limit_conn_zone $b zone=a:1m;", "1:57 duplicate zone \"a\""),
        (
            "geoip_country a;",
            "1:8 edge does not support \"geoip_country\" yet = it is a directive of nginx's ngx_http_geoip_module",
        ),
        (
            "upstream a { least_time header inflight; }",
            "1:21 \"least_time\" directive: edge's `least_time` has no `inflight`: it counts the times of answers that have come",
        ),
        (
            "upstream a { random two least_time=header; }",
            "1:21 \"random\" directive: edge has `random two` with `least_conn` only, not with `least_time=header`",
        ),
        (
            "upstream a { server b service=http resolve; }",
            "1:21 \"server\" directive: edge asks for no SRV records (`service=http`): name each server with its port",
        ),
        (
            "upstream a { queue 100; }",
            "1:21 edge does not support \"queue\" yet = it is a directive of nginx's ngx_http_upstream_module",
        ),
        ("proxy_read_timout 5s;", "1:8 unknown directive \"proxy_read_timout\" = did you mean `proxy_read_timeout`?"),
        ("srever { }", "1:8 unknown directive \"srever\" = did you mean `server`?"),
        ("limit_reg zone=a;", "1:8 unknown directive \"limit_reg\" = did you mean `limit_req`?"),
        (
            "match /;",
            "1:8 edge does not support \"match\" yet = it is a directive of nginx's ngx_http_upstream_hc_module",
        ),
        ("qqq;", "1:8 unknown directive \"qqq\""),
        ("\"a\tb\x1b[31m\";", "1:8 unknown directive \"a\\tb\\u{1b}[31m\""),
    ] {
        assert_eq!(in_http(text), [expected], "{text}");
    }
    assert_eq!(
        said("mail { server { } } http { }"),
        ["1:1 edge does not support \"mail\" = it is out of scope: edge carries HTTP, no mail"]
    );
}

#[test]
fn mistakes_in_scripts_have_nginx_s_words() {
    const CONDITIONS: &str =
        " = expected `($name)`, `($name = value)`, `!=`, `~`, `~*`, `!~`, `!~*`, or `(-f path)`, `-d`, `-e`, `-x`";
    for (text, expected, help) in [
        (
            "if ($x) { if ($y) { } }",
            "1:27 \"if\" directive is not allowed here",
            " = it may stand in: server, location",
        ),
        (
            "if ($x) { root a; }",
            "1:27 \"root\" directive is not allowed here",
            " = it may stand in: http, server, location",
        ),
        (
            "location / { if ($x) { try_files a b; } }",
            "1:40 \"try_files\" directive is not allowed here",
            " = it may stand in: server, location",
        ),
        ("if $x { }", "1:20 invalid condition \"$x\"", CONDITIONS),
        ("if ($x = ) { }", "1:20 invalid condition \"$x\"", CONDITIONS),
        ("if ($x > 1) { }", "1:20 unexpected \">\" in condition", CONDITIONS),
        ("if (-z a) { }", "1:20 invalid condition \"-z\"", CONDITIONS),
        ("if { }", "1:17 invalid number of arguments in \"if\" directive", ""),
        ("if ($x);", "1:17 directive \"if\" has no opening \"{\"", ""),
        ("set x 1;", "1:21 invalid variable name \"x\"", ""),
        ("set $x;", "1:17 invalid number of arguments in \"set\" directive", ""),
        ("break 1;", "1:17 invalid number of arguments in \"break\" directive", ""),
    ] {
        assert_eq!(in_server(text), [format!("{expected}{help}")], "{text}");
    }
    assert_eq!(in_http("set $x 1;"), ["1:8 \"set\" directive is not allowed here = it may stand in: server, location"]);
}

#[test]
fn mistakes_in_blocks_of_variables_have_nginx_s_words() {
    for (text, expected) in [
        ("map $uri m { a b; }", "1:17 invalid variable name \"m\""),
        ("map $uri { a b; }", "1:8 invalid number of arguments in \"map\" directive"),
        ("map $uri $m;", "1:8 directive \"map\" has no opening \"{\""),
        ("map $uri $m { a; }", "1:22 invalid number of the map parameters"),
        ("map $uri $m { a b; a c; }", "1:27 conflicting parameter \"a\""),
        ("map $uri $m { default a; default b; }", "1:33 duplicate default map parameter"),
        ("map $uri $m { a { } }", "1:22 directive \"a\" is not terminated by \";\""),
        ("geo $m { 10.0.0.0/8; }", "1:17 invalid number of the geo parameters"),
        (
            "geo $m { 1.1.1.1 a; ranges; }",
            "1:28 the \"ranges\" directive must be the first directive inside \"geo\" block",
        ),
        ("geo $m { delete 1.1.1.1; }", "1:24 no network \"1.1.1.1\" to delete = write it as it is written above"),
        ("geo $m { 10.0.0.0/8 a; 10.0.0.0/8 b; }", "1:31 duplicate network \"10.0.0.0/8\": the last one counts"),
        ("split_clients $uri $m { 10%; }", "1:32 invalid number of the split_clients parameters"),
        ("map $a $m { } geo $m { } map $b $M { }", "1:40 `$M` is defined twice: the last one counts, as in nginx"),
    ] {
        assert_eq!(in_http(text), [expected], "{text}");
    }
}

#[test]
fn what_binds_clients_is_refused_in_nginx_s_words() {
    for (text, expected) in [
        ("sticky learning x;", "unknown parameter \"learning\""),
        ("sticky cookie '';", "empty cookie name"),
        ("sticky cookie a b;", "unknown parameter \"b\""),
        ("sticky cookie a path=;", "no value for \"path\""),
        ("sticky cookie a path=/ path=/;", "parameter \"path\" is duplicate"),
        ("sticky cookie a secure secure;", "parameter \"secure\" is duplicate"),
        ("sticky route cookie_a;", "invalid variable name \"cookie_a\""),
        ("sticky learn create=a lookup=$b zone=z:1m;", "missing variable in the \"create\" parameter"),
        ("sticky learn create=$a zone=z:1m;", "\"lookup\" parameter is not specified"),
        ("sticky learn lookup=$a zone=z:1m;", "\"create\" parameter is not specified"),
        ("sticky learn create=$a lookup=$b;", "\"zone\" parameter is not specified"),
        ("sticky learn create=$a lookup=$b zone=z;", "zone size is not specified"),
        ("sticky learn create=$a lookup=$b zone=:1m;", "zone name is not specified"),
        ("sticky learn create=$a lookup=$b zone=z:1m zone=y:1m;", "duplicate zone"),
        (
            "sticky learn create=$a lookup=$b zone=z:1m sync;",
            "edge shares what it has learned with no other edge (`sync`)",
        ),
    ] {
        let expected = format!("1:21 \"sticky\" directive: {expected}");
        assert_eq!(in_http(&format!("upstream a {{ {text} }}")), [expected], "{text}");
    }
}

#[test]
fn methods_of_balancing_are_refused_in_nginx_s_words() {
    for (text, expected) in [
        ("hash $uri ketama;", "1:21 \"hash\" directive: invalid parameter \"ketama\""),
        ("random three;", "1:21 \"random\" directive: invalid parameter \"three\""),
        ("random two most_conn;", "1:21 \"random\" directive: invalid parameter \"most_conn\""),
        ("least_time body;", "1:21 \"least_time\" directive: invalid parameter \"body\""),
        ("hash;", "1:21 invalid number of arguments in \"hash\" directive"),
        ("hash a b c;", "1:21 invalid number of arguments in \"hash\" directive"),
        ("random a b c;", "1:21 invalid number of arguments in \"random\" directive"),
        ("least_conn x;", "1:21 invalid number of arguments in \"least_conn\" directive"),
        ("ip_hash x;", "1:21 invalid number of arguments in \"ip_hash\" directive"),
        ("least_time;", "1:21 invalid number of arguments in \"least_time\" directive"),
    ] {
        assert_eq!(in_http(&format!("upstream a {{ {text} }}")), [expected], "{text}");
    }
}

#[test]
fn duplicates_have_nginx_s_words() {
    for (text, expected) in [
        ("root a; root b;", "1:16 \"root\" directive is duplicate = it stands at nginx.conf:1 already"),
        ("log_format a b; log_format a c;", "1:35 duplicate \"log_format\" name \"a\""),
        ("log_format combined c;", "1:19 duplicate \"log_format\" name \"combined\""),
        ("proxy_cache_path a keys_zone=z:1m; proxy_cache_path b keys_zone=z:1m;", "1:62 duplicate zone \"z\""),
        ("upstream a { } upstream a { }", "1:32 duplicate upstream \"a\" = it stands at nginx.conf:1 already"),
        (
            "proxy_redirect off; proxy_redirect a b;",
            "1:28 \"proxy_redirect\" directive is duplicate = it stands at nginx.conf:1 already",
        ),
        (
            "proxy_redirect default; proxy_redirect default;",
            "1:32 \"proxy_redirect\" directive is duplicate = it stands at nginx.conf:1 already",
        ),
        (
            "upstream a { ip_hash; least_conn; }",
            "1:30 load balancing method redefined: the last one counts, as in nginx",
        ),
        (
            "proxy_cache_valid 200 1h; proxy_cache_valid 5m;",
            "1:52 `200` stands in this block already: the first counts, as in nginx",
        ),
        (
            "proxy_set_header Host a; proxy_set_header host b;",
            "1:33 `host` is set twice in this block: edge sends the first = nginx would send both, and Tomcat would answer that with 400; take one of them out",
        ),
        (
            "proxy_set_header X-A a; proxy_set_header x-a b;",
            "1:32 `x-a` is set twice in this block: edge sends the first = nginx would send both; take one of them out",
        ),
    ] {
        assert_eq!(in_http(text), [expected], "{text}");
    }
    assert_eq!(
        said("events { } http { } http { }"),
        ["1:21 \"http\" directive is duplicate = it stands at nginx.conf:1 already"]
    );
}

#[test]
fn wrong_values_are_named_with_their_directive() {
    for (text, expected) in [
        ("location ~~ / { }", "1:26 invalid location modifier \"~~\" = expected `=`, `^~`, `~` or `~*`"),
        ("location a b c { }", "1:17 invalid number of arguments in \"location\" directive"),
        ("location { }", "1:17 invalid number of arguments in \"location\" directive"),
        ("listen 80 foo;", "1:17 \"listen\" directive: unknown parameter `foo`"),
        ("root a b;", "1:17 \"root\" directive: expected one value: a text"),
        ("return 200; return 403;", "1:29 this `return` is never reached: the one above ends the request"),
        ("return 200; rewrite a b;", "1:29 this `rewrite` is never reached: the `return` above ends the request"),
        ("location / { internal on; }", "1:30 \"internal\" directive: no arguments are expected"),
    ] {
        assert_eq!(in_server(text), [expected], "{text}");
    }
}

#[test]
fn all_mistakes_are_told_in_one_run_but_not_more_than_anybody_reads() {
    assert_eq!(in_http("rot a; server { lisen 1; location / { exprires 1m; } }").len(), 3);
    let many = said(&format!("http {{ {} }}", "x_y_z 1;\n".repeat(50_000)));
    assert_eq!(many.len(), 1_001);
    assert!(many[1_000].ends_with("too many mistakes: the rest is not read"));
}

#[test]
fn a_message_shows_the_line_and_the_word() {
    let mut diagnostics = Diagnostics::new();
    super::parse(Path::new("nginx.conf"), "http {\n    # 配置\n    \"配\" a;\n}\n", &mut diagnostics);
    assert_eq!(
        diagnostics.to_string(),
        "nginx.conf:3:5: error: unknown directive \"配\"\n     3 |     \"配\" a;\n       |     ^^^\n"
    );
}
