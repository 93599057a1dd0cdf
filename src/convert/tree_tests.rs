use crate::config::types::{CacheStatus, ErrorPageStatus, ProxyRedirect};
use crate::config::{Diagnostics, Node, Raw, Time, yaml};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

fn read(text: &str) -> (Raw, String) {
    let mut diagnostics = Diagnostics::new();
    let node = super::parse(Path::new("nginx.conf"), text, &mut diagnostics);
    let raw = node.map(|node| Raw::read(&node, &mut diagnostics)).unwrap_or_default();
    (raw, diagnostics.to_string())
}

fn right(text: &str) -> Raw {
    let (raw, said) = read(text);
    assert_eq!(said, "", "{text}");
    raw
}

fn node(text: &str) -> serde_yaml::Value {
    let mut diagnostics = Diagnostics::new();
    let node = super::parse(Path::new("nginx.conf"), text, &mut diagnostics).unwrap();
    assert_eq!(diagnostics.to_string(), "", "{text}");
    node.to_yaml()
}

fn yaml_of(text: &str) -> serde_yaml::Value {
    let mut diagnostics = Diagnostics::new();
    let node: Option<Node> = yaml::parse(Path::new("edge.yaml"), text, &mut diagnostics);
    assert_eq!(diagnostics.to_string(), "", "{text}");
    node.unwrap().to_yaml()
}

#[test]
fn directives_become_the_tree_that_yaml_becomes() {
    for (conf, yaml) in [
        (
            "user a b; events { worker_connections 5; use epoll; } http { }",
            "{user: a b, worker_connections: 5, use: epoll}",
        ),
        ("http { gzip on; gzip_types a/b c/d; gzip_types e/f; }", "{gzip: on, gzip_types: [a/b, c/d, e/f]}"),
        (
            "http { brotli on; brotli_types a/b; brotli_types *; brotli_comp_level 4; brotli_min_length 1k; brotli_static always; }",
            "{brotli: on, brotli_types: [a/b, '*'], brotli_comp_level: 4, brotli_min_length: 1k, brotli_static: always}",
        ),
        (
            "http { zstd on; zstd_types a/b; zstd_types c/d; zstd_comp_level 3; zstd_min_length 256; zstd_static on; }",
            "{zstd: on, zstd_types: [a/b, c/d], zstd_comp_level: 3, zstd_min_length: 256, zstd_static: on}",
        ),
        ("http { keepalive_timeout 65 60; proxy_buffers 4 32k; }", "{keepalive_timeout: 65 60, proxy_buffers: 4 32k}"),
        (
            "http { log_format a '$b ' \"c\"; log_format j escape=json d; }",
            "{log_format: {a: '$b c', j: {format: 'd', escape: json}}}",
        ),
        (
            "http { types { text/html html htm; a/b c; } default_type x/y; }",
            "{types: {text/html: [html, htm], a/b: [c]}, default_type: x/y}",
        ),
        ("http { expires modified +24h; }", "{expires: modified +24h}"),
        (
            "http { sub_filter a b; sub_filter 'c d' ''; sub_filter_types x/y; sub_filter_types z/z; sub_filter_once off; }",
            "{sub_filter: {a: 'b', c d: ''}, sub_filter_types: [x/y, z/z], sub_filter_once: off}",
        ),
        (
            "http { proxy_cookie_domain a b; proxy_cookie_path ~*^/A /; proxy_cookie_path /c /d; proxy_cookie_flags ~ secure samesite=lax; }",
            "{proxy_cookie_domain: {a: 'b'}, proxy_cookie_path: {'~*^/A': '/', /c: '/d'}, proxy_cookie_flags: {'~': [secure, samesite=lax]}}",
        ),
        (
            "http { proxy_cookie_domain off; proxy_bind off; mirror off; }",
            "{proxy_cookie_domain: off, proxy_bind: off, mirror: [off]}",
        ),
        (
            "http { charset_map koi8-r utf-8 { C1 D0B0; c2 D0B1; } charset utf-8; source_charset koi8-r; override_charset on; }",
            "{charset_map: {koi8-r utf-8: {C1: 'D0B0', c2: 'D0B1'}}, charset: utf-8, source_charset: koi8-r, override_charset: on}",
        ),
        (
            "http { mirror /a; mirror /b; mirror_request_body off; add_before_body /h; add_after_body ''; addition_types *; gunzip on; }",
            "{mirror: [/a, /b], mirror_request_body: off, add_before_body: /h, add_after_body: '', addition_types: ['*'], gunzip: on}",
        ),
        (
            "http { server { stub_status; location / { random_index on; autoindex on; autoindex_format json; empty_gif; } } }",
            "{server: [{stub_status: true, location: [{match: '/', random_index: on, autoindex: on, autoindex_format: json, empty_gif: true}]}]}",
        ),
        (
            "http { disable_symlinks if_not_owner from=$document_root; add_trailer X y always; add_trailer Z 1; client_body_in_file_only clean; }",
            "{disable_symlinks: if_not_owner from=$document_root, add_trailer: {X: {value: y, always: true}, Z: 1}, client_body_in_file_only: clean}",
        ),
        (
            "http { client_body_temp_path a 1 2; proxy_temp_path b 1; }",
            "{client_body_temp_path: a, proxy_temp_path: b}",
        ),
        (
            "http { proxy_cache_valid 5m; proxy_cache_valid any 1m; }",
            "{proxy_cache_valid: {200: 5m, 301: 5m, 302: 5m, any: 1m}}",
        ),
        (
            "http { proxy_cache_path /c levels=1:2 keys_zone=z:1m max_size=2g loader_files=5 purger=on; }",
            "{proxy_cache_path: {z: {path: /c, levels: '1:2', memory: 1m, max_size: 2g, loader_files: 5}}}",
        ),
        ("http { proxy_redirect a b; proxy_redirect c ''; }", "{proxy_redirect: {a: 'b', c: ''}}"),
        ("http { add_header A b; add_header C d always; }", "{add_header: {A: b, C: {value: d, always: true}}}"),
        (
            "http { server { listen 80; listen 81 default; } }",
            "{server: [{listen: [80, {address: 81, default_server: true}]}]}",
        ),
        ("http { server { server_name a b; server_name c; } }", "{server: [{server_name: [a, b, c]}]}"),
        (
            "http { server { rewrite a b; rewrite c d last; return 301 /e; } }",
            "{server: [{rewrite: [{match: 'a', to: 'b'}, {match: 'c', to: 'd', flag: last}], return: {status: 301, location: '/e'}}]}",
        ),
        (
            "http { server { set $a b; if ($a = \"b c\") { set $d e; break; return 403; } rewrite f g; return 200; } }",
            "{server: [{rewrite: [{set: {$a: 'b'}}, {if: '$a = b c', rewrite: [{set: {$d: 'e'}}, break], return: 403}, {match: 'f', to: 'g'}], return: 200}]}",
        ),
        ("http { server { return 200; set $a b; } }", "{server: [{rewrite: [{return: 200}, {set: {$a: 'b'}}]}]}"),
        (
            "http { server { location / { if (!-f $uri) { proxy_pass http://a; } } } }",
            "{server: [{location: [{match: '/', rewrite: [{if: '!-f $uri', proxy_pass: http://a}]}]}]}",
        ),
        (
            "http { map $a:$b $c { hostnames; default d; e f; ~g h; \\default i; } }",
            "{map: {$c: {source: '$a:$b', hostnames: true, default: 'd', values: {e: 'f', ~g: 'h', \\default: 'i'}}}}",
        ),
        (
            "http { geo $arg_a $b { proxy 10.0.0.0/8; 10.1.0.0/16 c; 10.2.0.0/16 d; delete 10.1.0.0/16; } }",
            "{geo: {$b: {address: '$arg_a', proxy: ['10.0.0.0/8'], values: {10.2.0.0/16: 'd'}}}}",
        ),
        (
            "http { split_clients $a $b { 10% c; 10% d; * ''; } split_clients $a $e { 1% f; } }",
            "{split_clients: {$b: {source: '$a', values: [{10%: 'c'}, {10%: 'd'}, {'*': ''}]}, $e: {source: '$a', values: {1%: 'f'}}}}",
        ),
        ("http { server { access_log a b; access_log c; } }", "{server: [{access_log: [{path: a, format: b}, c]}]}"),
        (
            "http { server { error_page 404 /a; error_page 502 504 =200 /b; } }",
            "{server: [{error_page: [{code: [404], uri: /a}, {code: [502, 504], uri: /b, status: 200}]}]}",
        ),
        (
            "http { server { location /a { location =/a/b { internal; } } location ~* \\.b$ { } } }",
            "{server: [{location: [{match: '/a', location: [{match: '= /a/b', internal: true}]}, {match: '~* \\.b$'}]}]}",
        ),
        (
            "http { server { location ^~/a { } location ~b { } location @c { } location = /d { } } }",
            "{server: [{location: [{match: '^~ /a'}, {match: '~ b'}, {match: '@c'}, {match: '= /d'}]}]}",
        ),
        (
            "http { upstream a { hash $uri$args consistent; } upstream b { random two least_conn; } upstream c { random; } }",
            "{upstream: {a: {balance: {hash: $uri$args, consistent: true}}, b: {balance: {random: two}}, c: {balance: random}}}",
        ),
        (
            "http { upstream a { hash $uri; } upstream b { least_time last_byte; zone b 64k; keepalive_time 1h; } }",
            "{upstream: {a: {balance: {hash: $uri}}, b: {balance: {least_time: last_byte}, zone: b 64k, keepalive_time: 1h}}}",
        ),
        (
            "http { upstream a { health_check; } upstream b { health_check uri=/ping interval=2s fails=3 passes=2 port=81; } }",
            "{upstream: {a: {health_check: http}, b: {health_check: {uri: /ping, interval: 2s, fall: 3, rise: 2, port: 81}}}}",
        ),
        (
            "http { upstream a { server b route=r drain; sticky cookie s expires=1h domain=.x path=/ secure httponly samesite=lax; } }",
            "{upstream: {a: {servers: [{address: b, route: r, drain: true}], sticky: {cookie: s, expires: 1h, domain: .x, path: /, secure: true, httponly: true, samesite: lax}}}}",
        ),
        (
            "http { upstream a { sticky route $cookie_a $arg_b; } upstream b { sticky learn create=$upstream_cookie_s lookup=$cookie_s lookup=$arg_s zone=z:2m timeout=1h header; } }",
            "{upstream: {a: {sticky: {route: [$cookie_a, $arg_b]}}, b: {sticky: {learn: {create: [$upstream_cookie_s], lookup: [$cookie_s, $arg_s], size: 2m, timeout: 1h, header: true}}}}}",
        ),
        (
            "http { upstream a { least_conn; server b:1 weight=2 backup; server c; keepalive 5; keepalive_timeout 1m; } }",
            "{upstream: {a: {balance: least_conn, servers: [{address: 'b:1', weight: 2, backup: true}, c], keepalive: 5, keepalive_timeout: 1m}}}",
        ),
        (
            "http { upstream a { server b; } upstream c { server d; } }",
            "{upstream: {a: {servers: [b]}, c: {servers: [d]}}}",
        ),
        ("error_log a warn; http { }", "{error_log: {path: a, level: warn}}"),
        ("http { error_log a; }", "{error_log: a}"),
    ] {
        assert_eq!(node(conf), yaml_of(yaml), "{conf}");
        right(conf);
    }
}

#[test]
fn edge_yaml_and_nginx_conf_give_the_same_values() {
    let raw = right(
        "http { server { proxy_cache_valid 200 304 1h; proxy_cache_valid any 1m; error_page 404 = @a; \
         location / { proxy_pass http://a; proxy_redirect http://b/ /; proxy_next_upstream error http_502; proxy_next_upstream timeout; } } }",
    );
    let server = &raw.servers[0];
    let valid = &server.scope.proxy_cache_valid.as_ref().unwrap().value.0;
    let (hour, minute) = (Time(Duration::from_secs(3600)), Time(Duration::from_secs(60)));
    assert_eq!(*valid, [(CacheStatus::Code(200), hour), (CacheStatus::Code(304), hour), (CacheStatus::Any, minute)]);
    assert_eq!(server.scope.error_page.as_ref().unwrap().0[0].status, ErrorPageStatus::OfPage);
    let location = &server.locations[0];
    assert_eq!(location.scope.proxy_next_upstream().len(), 3);
    assert!(matches!(location.scope.proxy_redirect(), ProxyRedirect::Pairs(pairs) if pairs.0.len() == 1));
    assert_eq!((location.span.line, location.span.column), (1, 94));
}

#[test]
fn a_wrong_value_is_found_at_its_word() {
    let (_, said) = read("http {\n    gzip yes;\n    proxy_read_timeout 5x;\n}\n");
    assert!(said.contains("nginx.conf:2:10: error: expected `true` or `false`"), "{said}");
    assert!(said.contains("nginx.conf:3:24: error: expected a time"), "{said}");
}

#[test]
fn the_first_host_is_the_one_that_is_sent() {
    let (raw, said) = read(
        "http { server { location / { proxy_set_header Host a; proxy_set_header X b; proxy_set_header HOST c; } } }",
    );
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    let headers = raw.servers[0].locations[0].scope.proxy_set_header.as_ref().unwrap();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.value.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("Host", "a"), ("X", "b")]);
}

#[test]
fn one_field_may_be_added_twice() {
    let raw = right("http { add_header Link a; add_header Link b; }");
    assert_eq!(raw.scope.add_header.as_ref().unwrap().iter().count(), 2);
}

#[test]
fn the_error_log_of_the_process_counts() {
    let log = |text: &str| {
        let (raw, said) = read(text);
        let path = raw.main.error_log.as_ref().and_then(|log| log.0.path.as_ref().map(|path| path.value.clone()));
        (path.unwrap_or_default(), said.matches("edge writes one error log").count())
    };
    assert_eq!(log("http { error_log a; server { error_log b; } }"), ("a".into(), 1));
    assert_eq!(log("http { error_log a; } error_log c;"), ("c".into(), 1));
    assert_eq!(log("error_log a; error_log b; http { }"), ("a".into(), 1));
    assert_eq!(log("http { server { location / { error_log b; } } }"), (String::new(), 1));
}

#[test]
fn a_wrong_directive_leaves_the_others_standing() {
    let (raw, said) =
        read("http { bogus; server { listen 1; image_filter x; location / { if ($a) { b; } proxy_pass http://c; } } }");
    assert_eq!(said.matches("error:").count(), 3, "{said}");
    assert!(raw.servers[0].locations[0].keys.proxy_pass.is_some());
}

#[test]
fn a_module_that_is_loaded_is_a_warning() {
    let (_, said) = read("load_module modules/a.so; http { }");
    assert_eq!((said.matches("warning").count(), said.matches("error").count()), (1, 0), "{said}");
}

#[test]
fn loaded_files_name_their_own_lines() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("nginx.conf"), "http { include a.conf; }").unwrap();
    std::fs::write(dir.path().join("a.conf"), "root a;\nroot b;\ngzip yes;\n").unwrap();
    let mut diagnostics = Diagnostics::new();
    let node = super::load(&dir.path().join("nginx.conf"), &mut diagnostics).unwrap();
    Raw::read(&node, &mut diagnostics);
    let said = diagnostics.to_string();
    assert!(said.contains("a.conf:2:1: error: \"root\" directive is duplicate"), "{said}");
    assert!(said.contains("a.conf:3:6: error: expected"), "{said}");
    let mut diagnostics = Diagnostics::new();
    assert!(super::load(&dir.path().join("nix.conf"), &mut diagnostics).is_none());
    assert!(diagnostics.to_string().contains("nix.conf\" failed (2: No such file or directory)"), "{diagnostics}");
}

/// Pieces that make directives likely.
const PIECES: &[&str] = &[
    "http {",
    "events {",
    "server {",
    "location ",
    "upstream a {",
    "types {",
    "listen ",
    "gzip ",
    "return ",
    "rewrite ",
    "set $a ",
    "break ",
    "if ($a = ",
    "if (",
    "$a ",
    ")",
    "map $a $b {",
    "geo $c {",
    "split_clients $a $d {",
    "default ",
    "delete ",
    "10% ",
    "error_page ",
    "error_log ",
    "access_log ",
    "proxy_set_header ",
    "proxy_cache_valid ",
    "proxy_cache_path ",
    "proxy_redirect ",
    "log_format ",
    "hash ",
    "random ",
    "internal ",
    "expires ",
    "user ",
    "include ",
    "a ",
    "= ",
    "=/ ",
    "~ ",
    "80 ",
    "200 ",
    "on ",
    "keys_zone=z:1m ",
    "'' ",
    ";",
    ";",
    ";",
    "{",
    "}",
    "}",
];

proptest! {
    #[test]
    fn no_directives_make_the_builder_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let (_, said) = read(&format!("http {{ server {{ {} ; }} }}", pieces.concat()));
        let _ = said.len();
    }
}
