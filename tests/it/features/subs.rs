//! `sub_filter`.

use super::backends::{Act, Table};
use super::setup::Feature;

const PAGES: Table = &[
    (
        "/html",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 44\r\nETag: \"x\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nAccept-Ranges: bytes\r\n\r\n<html><head></HEAD>one two one Two</html>\r\n\r",
        ),
    ),
    (
        "/chunks",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n2\r\non\r\n5\r\ne two\r\n3\r\n on\r\n4\r\ne tw\r\n0\r\n\r\n",
        ),
    ),
    ("/end", Act::Cut("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\none and on")),
    ("/plain", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\none two")),
    (
        "/param",
        Act::Say("HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=utf-8\r\nContent-Length: 7\r\n\r\none two"),
    ),
    ("/none", Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\none two")),
    ("/empty", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nETag: \"x\"\r\n\r\n")),
    ("/404", Act::Say("HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\none two")),
    (
        "/302",
        Act::Say("HTTP/1.1 302 No\r\nContent-Type: text/html\r\nLocation: /one\r\nContent-Length: 7\r\n\r\none two"),
    ),
    ("/304", Act::Say("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")),
    ("/weak", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\nETag: W/\"x\"\r\n\r\none")),
    (
        "/206",
        Act::Say(
            "HTTP/1.1 206 Part\r\nContent-Type: text/html\r\nContent-Range: bytes 0-6/30\r\nContent-Length: 7\r\n\r\none two",
        ),
    ),
    (
        "/coded",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br\r\nContent-Length: 7\r\n\r\none two",
        ),
    ),
    ("/short", Act::Cut("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\none two")),
];

fn sub(name: &'static str, directives: &str) -> Feature {
    let text = format!(
        "server {{ listen {{port}}; {directives} include mime.types; location / {{ proxy_pass http://{{a}}; }}
            location /f/ {{ alias {{files}}/; }} location /t {{ default_type text/html; return 200 'one two ONE'; }} location /e {{ return 404; }} }}"
    );
    let mut feature = Feature::new(name, &text).backend(PAGES);
    for (target, _) in PAGES {
        feature = feature.get(&[target]);
    }
    feature
        .get(&["/f/page.html", "/f/style.css", "/f/a.txt", "/f/empty.txt", "/f/none", "/t", "/e"])
        .ask("HEAD", "/html", &[], "")
        .ask("HEAD", "/f/page.html", &[], "")
        .get_with("/f/page.html", &["Range: bytes=0-3"])
        .get_with("/f/page.html", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
        .get_with("/f/a.txt", &["Range: bytes=0-3"])
        .lines("HTTP/1.0", &["GET /html HTTP/1.0"])
        .lines("HTTP/1.0 keep-alive", &["GET /html HTTP/1.0", "Connection: keep-alive"])
}

#[test]
fn a_text_is_replaced_once() {
    sub("sub_filter", "sub_filter one 1;").check();
}

#[test]
fn several_texts_are_replaced_wherever_they_stand() {
    sub(
        "sub_filter of several",
        "sub_filter one 1; sub_filter TWO zwei; sub_filter </head> '<x></head>'; sub_filter_once off;",
    )
    .check();
    sub("sub_filter of several once", "sub_filter one 1; sub_filter two zwei; sub_filter p q;").check();
    sub("sub_filter by nothing", "sub_filter one ''; sub_filter 'w' ''; sub_filter_once off;").check();
}

#[test]
fn types_and_validators_are_said() {
    sub("sub_filter_types", "sub_filter one 1; sub_filter_types text/plain text/css;").check();
    sub("sub_filter_types any", "sub_filter one 1; sub_filter_types *; sub_filter_once off;").check();
    sub("sub_filter_last_modified", "sub_filter one 1; sub_filter_last_modified on;").check();
}

#[test]
fn both_sides_may_have_variables() {
    sub("sub_filter with variables", "sub_filter $arg_from '[$arg_to $uri]'; sub_filter_once off;")
        .get(&["/html?from=one&to=x", "/chunks?from=ONE%20&to=x", "/chunks?from=e&to=", "/t?from=two&to=z"])
        .check();
}

#[test]
fn one_list_replaces_another() {
    Feature::new(
        "sub_filter inherited",
        "sub_filter one 1; sub_filter_once off; server { listen {port}; default_type text/html;
            location /in { return 200 'one two one'; }
            location /own { sub_filter two 2; return 200 'one two one two'; }
            location /once { sub_filter_once on; return 200 'one two one two'; } }",
    )
    .get(&["/in", "/own", "/once"])
    .check();
}

#[test]
fn what_is_replaced_is_compressed_then() {
    Feature::new(
        "sub_filter and gzip",
        "server { listen {port}; gzip on; gzip_min_length 1; sub_filter one 1; include mime.types;
            location / { proxy_pass http://{a}; } location /f/ { alias {files}/; } }",
    )
    .backend(PAGES)
    .get_with("/html", &["Accept-Encoding: gzip"])
    .get_with("/chunks", &["Accept-Encoding: gzip"])
    .get_with("/f/page.html", &["Accept-Encoding: gzip"])
    .get(&["/html", "/f/page.html"])
    .check();
}

#[test]
fn stored_answers_are_replaced_as_they_go_out() {
    Feature::new(
        "cache and sub_filter",
        "proxy_cache_path cache keys_zone=z:1m; server { listen {port}; proxy_cache z; proxy_cache_valid any 1h;
            add_header X-Cache $upstream_cache_status; sub_filter_once off;
            location / { sub_filter one $arg_to; proxy_cache_key $uri; proxy_pass http://{a}; } }",
    )
    .backend(PAGES)
    .get(&["/html?to=a", "/html?to=b", "/404?to=a", "/404?to=b"])
    .ask("HEAD", "/html?to=c", &[], "")
    .get_with("/html?to=d", &["Range: bytes=0-3"])
    .check();
}
